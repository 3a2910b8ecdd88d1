//! Backups made of files from elsewhere: uploaded here, or fetched from a URL. The whole file is checked first.

mod check;
mod fetch;
mod job;
mod resume;
pub(crate) mod routes;
mod words;

pub(crate) use {
    fetch::{Fetches, Fetching},
    resume::resume,
};
