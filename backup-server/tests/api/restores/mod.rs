//! Restores through the API: what comes back is what was backed up, and nothing is lost on the way.

mod acme;
mod attachments;
mod crash;
mod disks;
mod folders;
mod hostile;
mod idle;
mod postgres;
mod refusals;
pub mod setting;
mod unreachable;
mod windows;
