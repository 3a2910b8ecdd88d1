//! A file at a URL, fetched by this server.
//!
//! Whoever names the URL must not reach what only this server reaches: each address is checked before it is dialled, also
//! behind redirects, and the checked address is the one that is dialled. A URL can be a secret as a whole (a signed link):
//! only its host is ever shown.

mod ask;
mod kept;
mod name;
mod transfer;
mod words;

use std::time::Duration;

use backup_api::{BackupFormat, Failure, Secret};
use reqwest::header::HeaderValue;
use url::Url;

pub(crate) use kept::{Fetches, Kept};

use crate::{
    jobs::JobContext,
    sources::{AddressPolicy, Staging, cancelled},
};

/// How files are fetched.
#[derive(Clone, Debug)]
pub(crate) struct Fetching {
    /// Addresses that may be dialled.
    pub addresses: AddressPolicy,
    /// Where the file waits until it is stored.
    pub staging: Staging,
    /// The most bytes of a file.
    pub limit: Option<u64>,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long nothing may arrive.
    pub stall: Duration,
    /// The first pause after a cut; it grows.
    pub pause: Duration,
}

/// What is to be fetched.
#[derive(Clone)]
pub(super) struct Target {
    /// Without user and password.
    url: Url,
    /// Those, for the URL's own server only.
    login: Option<HeaderValue>,
    /// The name that was asked for.
    name: Option<String>,
}

/// A file that is here as a whole.
pub(super) struct Fetched {
    pub bytes: u64,
    pub format: BackupFormat,
    pub name: String,
    /// Its name where it comes from, if it has one there.
    pub original: String,
}

impl Target {
    /// Reads what was asked; otherwise says what is wrong with it.
    pub fn parse(url: &Secret, name: Option<&str>) -> Result<Self, String> {
        ask::parse(url.reveal(), name)
    }

    /// The server that it is on.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// Fetches a file, or what is not here yet of it.
pub(super) async fn fetch(
    settings: &Fetching,
    context: &JobContext,
    target: &Target,
    kept: &mut Kept,
) -> Result<Fetched, Failure> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(cancelled()),
        fetched = transfer::run(settings, context, target, kept) => fetched,
    }
}
