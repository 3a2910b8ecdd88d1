//! Why a file could not be fetched. No URL is in any of these: it may be a secret.

use std::time::Duration;

use backup_api::{Failure, FailureCode};
use reqwest::StatusCode;

use crate::{
    jobs::size,
    sources::{odoo::chain, tls},
};

/// How an attempt ended without the whole file.
#[derive(Debug)]
pub(super) enum Stop {
    /// It would end like that again.
    Final(Failure),
    /// The next attempt may get the rest.
    Cut(Failure),
    /// As that, but what came is not worth another attempt for ever.
    Slow(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

fn failure(message: String) -> Failure {
    Failure { code: FailureCode::Fetch, message }
}

/// The address may not be dialled, or there is none.
pub(super) fn address(message: &str) -> Failure {
    failure(format!("The file cannot be fetched: {message}"))
}

pub(super) fn client(error: &reqwest::Error) -> Failure {
    failure(tls::no_client(error))
}

/// No answer came.
pub(super) fn no_answer(error: reqwest::Error, host: &str) -> Stop {
    let error = error.without_url();
    let is_connect = error.is_connect();
    if let Some(refusal) = tls::refusal(&error, host) {
        return Stop::Final(failure(refusal));
    }
    let said = chain(&error);
    if is_connect {
        return Stop::Cut(failure(format!("{host} cannot be reached: {said}. Check the address and the network.")));
    }
    Stop::Cut(failure(format!("{host} closed the connection without an answer ({said}). Try again later.")))
}

/// The connection broke.
pub(super) fn cut(error: reqwest::Error, host: &str, bytes: u64) -> Stop {
    let said = chain(&error.without_url());
    Stop::Cut(failure(format!("The connection to {host} broke after {} ({said}).", size(bytes))))
}

/// Fewer bytes came than were announced.
pub(super) fn short(host: &str, bytes: u64, total: u64) -> Stop {
    Stop::Cut(failure(format!("{host} sent only {bytes} of {total} bytes.")))
}

/// The file changed while it came.
pub(super) fn changed(host: &str) -> Stop {
    Stop::Cut(failure(format!("The file on {host} changed while it was fetched.")))
}

/// The server breaks off and cannot go on.
pub(super) fn no_rest(host: &str) -> Failure {
    failure(format!(
        "{host} breaks the connection and does not go on where it broke. Fetch the file yourself and upload it, or put it \
         on another server."
    ))
}

/// Nothing came for too long.
pub(super) fn stalled(host: &str, bytes: u64, limit: Duration) -> Stop {
    let message = format!(
        "{host} is too slow: after {} nothing arrived for {} seconds. Try again later, or from another server.",
        size(bytes),
        limit.as_secs()
    );
    Stop::Cut(Failure { code: FailureCode::Stalled, message })
}

/// Too little came for too long.
pub(super) fn slow(host: &str, arrived: u64, limit: Duration) -> Stop {
    let message = format!(
        "{host} is too slow: only {arrived} bytes arrived in {} seconds. Try again later, or from another server.",
        limit.as_secs()
    );
    Stop::Slow(Failure { code: FailureCode::Stalled, message })
}

/// The server says no.
pub(super) fn status(status: StatusCode, host: &str) -> Stop {
    let message = match status {
        StatusCode::UNAUTHORIZED => format!(
            "{host} wants a user and a password (HTTP status 401). Write them into the address \
             (https://user:password@…), or use a link that needs none."
        ),
        StatusCode::FORBIDDEN => format!(
            "{host} does not give the file to this server (HTTP status 403): the link may have expired, or needs a \
             sign-in. Make a new direct link."
        ),
        StatusCode::NOT_FOUND | StatusCode::GONE => format!(
            "There is no such file on {host} (HTTP status {}). Check the address: it may be misspelt, or the file moved.",
            status.as_u16()
        ),
        _ => {
            let message = format!(
                "{host} answers with HTTP status {status} instead of the file. Look at it, or try again later."
            );
            let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            return if may_pass { Stop::Cut(failure(message)) } else { Stop::Final(failure(message)) };
        }
    };
    Stop::Final(failure(message))
}

/// It leads on and on.
pub(super) fn redirects(most: usize) -> Stop {
    Stop::Final(failure(format!("The address leads on more than {most} times. Use the address that it leads to.")))
}

/// It leads to where nobody goes.
pub(super) fn bad_redirect(host: &str, why: &str) -> Stop {
    Stop::Final(failure(format!("{host} leads on to an address that is not followed: {why}.")))
}

/// More than allowed.
pub(super) fn too_large(bytes: u64, limit: u64) -> Failure {
    failure(format!(
        "The file has {} or more, and this backup server fetches at most {}. Its administrator can raise that \
         (BACKUP_URL_LIMIT_MB).",
        size(bytes),
        size(limit)
    ))
}

/// There is nothing in it.
pub(super) fn empty(host: &str) -> Failure {
    failure(format!("{host} gives an empty file. Look at where it comes from."))
}

/// A page for people.
pub(super) fn web_page(host: &str, title: Option<&str>) -> Failure {
    let title = title.map_or_else(String::new, |title| format!(" (“{title}”)"));
    failure(format!(
        "{host} gives a web page{title} instead of a file: a page to sign in, or one that shows the file. Use the direct \
         link, the one that begins a download at once in a private window of a browser."
    ))
}

/// It is no backup.
pub(super) fn content(message: String) -> Failure {
    failure(message)
}
