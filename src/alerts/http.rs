//! Posts to an address that an administrator set up: checked before it is dialled, no redirects, a bounded answer.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use backup_server::sources::{AddressPolicy, NoAddress};
use chrono::TimeDelta;
use reqwest::{Client, Response, header, redirect::Policy};
use url::Url;

use super::deliver::Verdict;
use crate::server::{Panel, chain};

/// How long everything together may take.
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// So much of an answer is read.
const MOST_BYTES: usize = 4096;
/// So much of it is shown.
const MOST_CHARS: usize = 200;
/// A receiver that asks for more is asked again after this all the same.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(12);

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Post {
    /// The address.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// Texts that must not be shown should the receiver repeat them.
    pub secrets: Vec<String>,
    /// Whether the answer itself must say that it worked: `"ok":true`.
    pub answer_says: bool,
}

/// Sends it.
pub async fn post(panel: &Panel, request: &Post) -> Verdict {
    match tokio::time::timeout(PATIENCE, attempt(panel, request)).await {
        Ok(verdict) => verdict,
        Err(_) => Verdict::later("The receiver did not answer within 15 seconds. Check that it runs."),
    }
}

async fn attempt(panel: &Panel, request: &Post) -> Verdict {
    let client = match client_for(panel, &request.url).await {
        Ok(client) => client,
        Err(verdict) => return verdict,
    };
    let sending = client.post(request.url.clone()).headers(request.headers.clone()).body(request.body.clone()).send();
    match sending.await {
        Ok(answer) => judge(request, answer).await,
        Err(error) => {
            // The address may be a secret.
            let cause = hidden(&chain(&error.without_url()), &request.secrets);
            Verdict::later(format!("The receiver could not be reached: {cause}. Check its address and the network."))
        }
    }
}

async fn client_for(panel: &Panel, url: &Url) -> Result<Client, Verdict> {
    let policy = AddressPolicy::public_only(&panel.config.allowed_webhook_ranges)
        .map_err(|error| Verdict::never(format!("--allow-webhook-range: {error}")))?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses = policy.resolve(host, port).await.map_err(|error| match error {
        NoAddress::Refused(refused) => {
            let flag = "Start the panel with --allow-webhook-range (HOLDFAST_ALLOW_WEBHOOK_RANGES) if it is meant.";
            Verdict::never(format!("The receiver's address is not public: {refused} {flag}"))
        }
        NoAddress::NotFound(words) => Verdict::later(words),
    })?;
    let client = Client::builder()
        .resolve_to_addrs(host, &addresses)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .user_agent(concat!("Holdfast/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| Verdict::never(format!("No connection can be made: {}", chain(&error.without_url()))))
}

async fn judge(request: &Post, mut answer: Response) -> Verdict {
    let status = answer.status();
    let wait = retry_after(answer.headers());
    let body = read(&mut answer).await;
    let shown = shown(&body, &request.secrets);
    let said = if shown.is_empty() { format!("{status}.") } else { format!("{status}: {shown}") };
    if status.is_success() {
        let agrees = !request.answer_says || body.replace(' ', "").contains("\"ok\":true");
        return if agrees {
            Verdict::Arrived(format!("The receiver answered {said}"))
        } else {
            Verdict::never(format!("The receiver answered {said} That does not say that it took the message."))
        };
    }
    if status.is_redirection() {
        return Verdict::never(format!(
            "The receiver answered {status}: it sends to another address, which is not followed. Enter the final one."
        ));
    }
    let words = format!("The receiver answered {said}");
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Verdict::Later { words, wait }
        }
        _ if status.is_server_error() => Verdict::Later { words, wait },
        _ => Verdict::never(format!("{words} Check the channel's address and token.")),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<TimeDelta> {
    let seconds: i64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    TimeDelta::try_seconds(seconds.max(0)).map(|wait| wait.min(LONGEST_WAIT))
}

async fn read(answer: &mut Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MOST_BYTES {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(MOST_BYTES - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer in one short line, without secrets.
fn shown(body: &str, secrets: &[String]) -> String {
    let line = hidden(body, secrets).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect();
    if line.chars().count() > MOST_CHARS {
        shown.push('…');
    }
    if !shown.is_empty() && !shown.ends_with(['.', '…', '!', '}']) {
        shown.push('.');
    }
    shown
}

/// A text in which secrets are replaced.
pub fn hidden(text: &str, secrets: &[String]) -> String {
    secrets.iter().filter(|secret| secret.len() > 3).fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_short_in_one_line_and_without_secrets() {
        let secrets = vec!["hunter2".to_owned(), String::new(), "ab".to_owned()];
        assert_eq!(shown("no such\n token  hunter2 about", &secrets), "no such token … about.");
        assert_eq!(shown("  \u{0}", &secrets), "");
        let long = shown(&"x".repeat(1000), &[]);
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
    }
}
