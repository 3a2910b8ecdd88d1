//! Files that arrive in chunks, by the tus protocol, and wait until they are imported.
//!
//! An upload is a file in a folder of its own, written at the offset, and a note beside it that says how much of it is on
//! disk for certain. Both survive a restart; nothing is assembled or copied at the end.

mod ahead;
mod arrival;
mod journal;
mod kind;
mod lease;
mod pieces;
mod refusals;
pub(crate) mod routes;
mod store;
mod tus;

pub(crate) use kind::{Format, expect_format};
pub(crate) use lease::Lease;
pub(crate) use store::{Settings, Uploads, keep_sweeping};
