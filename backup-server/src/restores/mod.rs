//! Restores: a backup becomes a database beside the live one, is compared with the backup, and only then takes its name.
//!
//! What was replaced is kept for the undo window. The journal is written before each step that could not be told from
//! outside afterwards, so that a restart finishes or takes back whatever was under way.

mod job;
mod journal;
mod odoo;
mod postgres;
mod preflight;
pub(crate) mod recover;
pub mod replay;
pub(crate) mod routes;
mod targets;
mod task;
mod undo;

pub(crate) use job::RestoreJob;
pub(crate) use journal::{Record, Restores, Step};
pub(crate) use task::{Recovered, RestoreTask, Task};
pub(crate) use undo::UndoJob;
