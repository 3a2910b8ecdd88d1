//! Uploads in chunks, files at URLs, and what becomes of them.

mod crash;
mod files;
mod imports;
mod origin;
mod protocol;
pub mod setting;
mod urls;
