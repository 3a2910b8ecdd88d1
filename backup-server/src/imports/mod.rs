//! Backups made of files from elsewhere: uploaded here, or fetched from a URL. The whole file is checked first.

mod check;
mod fetch;
mod job;
pub(crate) mod routes;
mod words;

pub(crate) use fetch::Fetching;
