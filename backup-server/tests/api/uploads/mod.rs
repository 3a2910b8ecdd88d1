//! Uploads in chunks, files at URLs, and what becomes of them.

mod crash;
mod damaged;
mod files;
mod imports;
mod origin;
mod protocol;
mod restarts;
pub mod setting;
mod urls;
