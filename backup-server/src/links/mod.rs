//! Temporary download links: signed, short-lived, for one backup, revocable.

mod download;
mod pages;
mod range;
pub(crate) mod routes;
mod store;
mod token;

pub(crate) use download::{__path_download, download};
pub(crate) use store::{LinkState, Links};
pub(crate) use token::{Grant, TokenError};
