//! The repositories and the reading of arriving zips, with real files, stock `restic` and Python's `zipfile`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in the functions around it too")]

mod archives;
mod crash;
mod damage;
mod export;
mod failures;
mod ingest;
mod restic;
mod support;
mod zips;
