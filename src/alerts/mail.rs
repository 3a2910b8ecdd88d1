//! E-mail through an SMTP server, one recipient after the other, so that a wrong address keeps it from nobody else.

use std::{error::Error as StdError, fmt::Write, io, time::Duration};

use chrono::{DateTime, Utc};
use lettre::{
    Address, Message as Mail,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{Error, response::Response},
};
use tokio::time::Instant;

use super::{
    DeliveryId, Settings,
    channels::Sealed,
    deliver::Verdict,
    forms::Message,
    http::hidden,
    outbox,
    smtp::{MailServer, code_of},
};
use crate::server::Panel;

/// How long a message to one recipient may take.
const PATIENCE: Duration = Duration::from_secs(40);
const MOST_CHARS: usize = 300;

/// Sends a message to those who are not in `reached`, and writes down each who has it by then.
pub async fn send(
    panel: &Panel,
    settings: &Settings,
    sealed: &Sealed,
    message: &Message,
    delivery: DeliveryId,
    reached: &mut Vec<String>,
) -> Verdict {
    let Settings::Email { from, recipients, .. } = settings else {
        return Verdict::never("This is no channel for e-mail.");
    };
    let mut server = match MailServer::of(panel, settings, sealed).await {
        Ok(server) => server,
        Err(verdict) => return verdict,
    };
    let began = Instant::now();
    let mut came = Came::default();
    for recipient in recipients {
        if reached.contains(recipient) {
            continue;
        }
        if let Some(words) = pause(panel, began) {
            came.later = Some(words);
            break;
        }
        let Some(letter) = letter(from, recipient, message, panel.clock.now()) else {
            came.never =
                Some(format!("“{from}” or “{recipient}” is no e-mail address. Correct it in the channel's form."));
            continue;
        };
        let go_on = match tokio::time::timeout(PATIENCE, server.take(&letter)).await {
            Ok(Ok(answer)) => {
                came.said = answered(&answer);
                reached.push(recipient.clone());
                written(panel, delivery, reached, &mut came).await
            }
            Ok(Err(error)) => came.refused(&error, recipient, &sealed.all()),
            Err(_) => {
                came.later = Some("The mail server took longer than 40 seconds. It is tried again.".to_owned());
                false
            }
        };
        if !go_on {
            break;
        }
    }
    server.leave().await;
    came.verdict()
}

/// Why the recipients that are left have to wait for the next try: it is better to end a try than to be cut off in one.
fn pause(panel: &Panel, began: Instant) -> Option<String> {
    if panel.stop.is_cancelled() {
        return Some("The panel ended meanwhile. The recipients that are left get it when it runs again.".to_owned());
    }
    let is_long = began.elapsed() > panel.config.delivery_limit * 3 / 4;
    is_long.then(|| "The mail server is slow. The recipients that are left get it at the next try.".to_owned())
}

/// Whether it may go on, for it is written down who has it: after a crash nobody gets it twice.
async fn written(panel: &Panel, delivery: DeliveryId, reached: &[String], came: &mut Came) -> bool {
    match outbox::reach(panel, delivery, reached).await {
        Ok(true) => true,
        Ok(false) => {
            came.later = Some("Another panel sends it.".to_owned());
            false
        }
        Err(error) => {
            came.later = Some(error.to_string());
            false
        }
    }
}

/// What came of it so far.
#[derive(Debug, Default)]
struct Came {
    /// The last good answer.
    said: String,
    /// Why somebody does not have it yet.
    later: Option<String>,
    /// Why somebody will not get it.
    never: Option<String>,
}

impl Came {
    /// Takes a refusal in; whether others may get it all the same.
    fn refused(&mut self, error: &Error, recipient: &str, secrets: &[String]) -> bool {
        let (words, may_pass) = told(error, recipient, secrets);
        if may_pass {
            self.later = Some(words);
        } else {
            self.never = Some(words);
        }
        // Who is not let in for one is not let in for another.
        is_about_recipient(error)
    }

    fn verdict(self) -> Verdict {
        match (self.later, self.never) {
            (Some(words), _) => Verdict::later(words),
            (None, Some(words)) => Verdict::Never(words),
            (None, None) => Verdict::Arrived(format!("The mail server took it: {}", self.said)),
        }
    }
}

/// The mail to one recipient.
fn letter(from: &str, recipient: &str, message: &Message, now: DateTime<Utc>) -> Option<Mail> {
    let from: Mailbox = from.parse().ok()?;
    let to: Address = recipient.parse().ok()?;
    let domain = from.email.domain().to_owned();
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Mail::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(format!("[Holdfast] {}", message.title()))
        .date(now.into())
        // The same at every try: mail systems drop what they have already.
        .message_id(Some(format!("<{}@{domain}>", message.id())))
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN)
        .body(format!("{}\n", message.text()))
        .ok()
}

fn answered(answer: &Response) -> String {
    let mut said = answer.code().to_string();
    for line in answer.message() {
        let _ = write!(said, " {line}");
    }
    short(&said)
}

fn short(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect()
}

/// Answers to a recipient, or to the message itself, are about that one; those to signing in or to the sender are not.
fn is_about_recipient(error: &Error) -> bool {
    matches!(code_of(error), Some(450..=452 | 550..=554))
}

/// Whether TLS was not agreed upon; a certificate that nobody trusts comes as an error of the connection.
fn is_about_tls(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(known) = cause {
        let is_of_tls = match known.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => carried.is::<rustls::Error>(),
            None => known.is::<rustls::Error>(),
        };
        if is_of_tls {
            return true;
        }
        cause = known.source();
    }
    error.is_tls()
}

/// What happened and what to do next; and whether it may pass.
fn told(error: &Error, recipient: &str, secrets: &[String]) -> (String, bool) {
    let said = short(&hidden(&error.to_string(), secrets));
    match code_of(error) {
        Some(534 | 535 | 538) => {
            (format!("The mail server does not let this user in: {said}. Check user and password."), false)
        }
        Some(530) => (format!("The mail server wants a user and a password, or TLS: {said}."), false),
        Some(code @ 550..=553) => {
            (format!("The mail server refused {recipient} ({code}): {said}. Check sender and recipients."), false)
        }
        Some(_) if error.is_permanent() => (format!("The mail server refused the message: {said}."), false),
        Some(_) => (format!("The mail server put {recipient} off: {said}."), true),
        None if is_about_tls(error) => (
            format!(
                "No connection with TLS: {said}. Check the kind of protection, the port and the server's certificate."
            ),
            true,
        ),
        None if error.is_client() => {
            (format!("The mail server does not offer what is set: {said}. Check the kind of protection."), false)
        }
        None => (format!("The mail server could not be reached: {said}. Check host, port and network."), true),
    }
}
