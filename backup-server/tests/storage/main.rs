//! The repositories and the reading of arriving zips, with real files, stock `restic` and Python's `zipfile`.

mod export;
mod failures;
mod ingest;
mod restic;
mod support;
