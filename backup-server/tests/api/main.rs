//! The backup server through its own client, over TCP, against a real PostgreSQL and the Odoo stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in the functions around it too")]

mod crash;
mod disk_full;
mod downloads;
mod encryption;
mod folder;
mod jobs;
mod recovery;
mod refusals;
mod removals;
mod restores;
mod secrets;
mod setting;
mod truth;
mod uploads;
mod verification;
mod whole_way;
