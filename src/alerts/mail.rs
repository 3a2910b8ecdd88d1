//! E-mail through an SMTP server, one recipient after the other, so that a wrong address keeps it from nobody else.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use backup_server::sources::AddressPolicy;
use chrono::{DateTime, Utc};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        response::Response,
    },
};
use tokio::net::TcpStream;

use super::{Security, Settings, channels::Sealed, deliver::Verdict, forms::Message, http::hidden};
use crate::server::{Panel, chain};

const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may take for a command.
const COMMAND: Duration = Duration::from_secs(20);
/// How long a message to one recipient may take.
const PATIENCE: Duration = Duration::from_secs(40);
const MOST_CHARS: usize = 300;

/// What came of it, and who has it by now.
#[derive(Debug)]
pub struct Mailed {
    /// For all recipients together.
    pub verdict: Verdict,
    /// Recipients that have it.
    pub reached: Vec<String>,
}

/// Sends a message to those who are not in `reached`.
pub async fn send(
    panel: &Panel,
    settings: &Settings,
    sealed: &Sealed,
    message: &Message,
    reached: &[String],
) -> Mailed {
    let mut reached = reached.to_vec();
    let Settings::Email { from, recipients, .. } = settings else {
        return Mailed { verdict: Verdict::never("This is no channel for e-mail."), reached };
    };
    let transport = match transport(panel, settings, sealed).await {
        Ok(transport) => transport,
        Err(verdict) => return Mailed { verdict, reached },
    };
    let (mut said, mut later, mut never) = (String::new(), None, None);
    for recipient in recipients {
        if reached.contains(recipient) {
            continue;
        }
        let Some(mail) = letter(from, recipient, message, panel.clock.now()) else {
            never = Some(format!("“{from}” or “{recipient}” is no e-mail address. Correct it in the channel's form."));
            continue;
        };
        match tokio::time::timeout(PATIENCE, transport.send(mail)).await {
            Ok(Ok(answer)) => {
                said = answered(&answer);
                reached.push(recipient.clone());
            }
            Ok(Err(error)) => {
                let (words, may_pass) = told(&error, recipient, &sealed.all());
                if may_pass {
                    later = Some(words);
                } else {
                    never = Some(words);
                }
                // Who is not let in for one is not let in for another.
                if !is_about_recipient(&error) {
                    break;
                }
            }
            Err(_) => {
                later = Some("The mail server took longer than 40 seconds. It is tried again.".to_owned());
                break;
            }
        }
    }
    let verdict = match (later, never) {
        (Some(words), _) => Verdict::Later { words, wait: None },
        (None, Some(words)) => Verdict::Never(words),
        (None, None) => Verdict::Arrived(format!("The mail server took it: {said}")),
    };
    Mailed { verdict, reached }
}

async fn transport(
    panel: &Panel,
    settings: &Settings,
    sealed: &Sealed,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Verdict> {
    let Settings::Email { host, port, security, user, .. } = settings else {
        return Err(Verdict::never("This is no channel for e-mail."));
    };
    // An administrator's own mail server usually is on this machine or in a private network.
    let policy = AddressPolicy::for_sources(&panel.config.allowed_webhook_ranges)
        .map_err(|error| Verdict::never(format!("--allow-webhook-range: {error}")))?;
    let addresses = policy.resolve(host, *port).await.map_err(Verdict::later)?;
    let address = answering(&addresses).await?;
    let tls = match security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(parameters(panel, host)?),
        Security::Tls => Tls::Wrapper(parameters(panel, host)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
        .port(*port)
        .timeout(Some(COMMAND))
        .tls(tls);
    if !user.is_empty() {
        builder = builder.credentials(Credentials::new(user.clone(), sealed.password.clone()));
    }
    Ok(builder.build())
}

/// Of several addresses the first that can be connected to: a name may have one of a network that is not there.
async fn answering(addresses: &[SocketAddr]) -> Result<SocketAddr, Verdict> {
    if let [only] = addresses {
        return Ok(*only);
    }
    for address in addresses {
        if let Ok(Ok(_)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(*address);
        }
    }
    Err(Verdict::later("The mail server could not be reached at any of its addresses. Check host, port and network."))
}

fn parameters(panel: &Panel, host: &str) -> Result<TlsParameters, Verdict> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = &panel.config.mail_ca {
        let read = std::fs::read(file).map_err(|error| error.to_string());
        let certificate = read.and_then(|pem| Certificate::from_pem(&pem).map_err(|error| error.to_string()));
        let wrong = |error| Verdict::never(format!("The certificates of HOLDFAST_MAIL_CA cannot be read: {error}."));
        builder = builder.add_root_certificate(certificate.map_err(wrong)?);
    }
    builder.build().map_err(|error| Verdict::never(format!("“{host}” cannot be reached with TLS: {}.", chain(&error))))
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

fn code_of(error: &Error) -> Option<u16> {
    error.status().and_then(|code| code.to_string().parse().ok())
}

/// Answers to a recipient, or to the message itself, are about that one; those to signing in or to the sender are not.
fn is_about_recipient(error: &Error) -> bool {
    matches!(code_of(error), Some(450..=452 | 550..=554))
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
        None if error.is_tls() || said.contains("certificate") => (
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
