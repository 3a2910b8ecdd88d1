//! Restores: a backup becomes a database beside the live one, is compared with the backup, and only then takes its name.
//!
//! What was replaced is kept for the undo window. The journal is written before each step that could not be told from
//! outside afterwards, so that a restart finishes or takes back whatever was under way.

mod journal;
mod odoo;
pub mod replay;
mod seal;
mod targets;
mod task;

pub(crate) use journal::{Marks, Record, Restores, Step};
pub(crate) use task::{Recovered, RestoreTask, Task};
