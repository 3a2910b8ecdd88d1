//! A mail server, given one letter after the other; over one connection where that is possible.

use std::{net::SocketAddr, time::Duration};

use backup_server::sources::AddressPolicy;
use lettre::{
    Message as Mail,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
        response::Response,
    },
};
use tokio::net::TcpStream;

use super::{Security, Settings, channels::Sealed, deliver::Verdict};
use crate::server::{Panel, chain};

const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may take to let a connection through, TLS included.
const COMMAND: Duration = Duration::from_secs(20);
/// “Closing transmission channel”: what servers say that take so many letters a connection.
const CLOSING: u16 = 421;

/// The server, and the connection while there is one.
pub struct MailServer {
    address: SocketAddr,
    protection: Protection,
    credentials: Option<Credentials>,
    connection: Option<AsyncSmtpConnection>,
}

enum Protection {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl MailServer {
    /// The server of a channel; nothing is sent yet.
    pub async fn of(panel: &Panel, settings: &Settings, sealed: &Sealed) -> Result<Self, Verdict> {
        let Settings::Email { host, port, security, user, .. } = settings else {
            return Err(Verdict::never("This is no channel for e-mail."));
        };
        // An administrator's own mail server usually is on this machine or in a private network.
        let policy = AddressPolicy::for_sources(&panel.config.allowed_webhook_ranges)
            .map_err(|error| Verdict::never(format!("--allow-webhook-range: {error}")))?;
        let addresses = policy.resolve(host, *port).await.map_err(|error| Verdict::later(error.to_string()))?;
        let protection = match security {
            Security::None => Protection::None,
            Security::StartTls => Protection::StartTls(parameters(panel, host)?),
            Security::Tls => Protection::Tls(parameters(panel, host)?),
        };
        let credentials = (!user.is_empty()).then(|| Credentials::new(user.clone(), sealed.password.clone()));
        Ok(Self { address: answering(&addresses).await?, protection, credentials, connection: None })
    }

    /// Gives it a letter; an answer means that it took it. Servers that close a connection after some letters are asked
    /// again over a new one.
    pub async fn take(&mut self, letter: &Mail) -> Result<Response, Error> {
        let (mut connection, is_used) = match self.still_connected().await {
            Some(connection) => (connection, true),
            None => (self.connect().await?, false),
        };
        let (envelope, text) = (letter.envelope(), letter.formatted());
        let mut answer = connection.send(envelope, &text).await;
        if is_used && answer.as_ref().is_err_and(|error| code_of(error) == Some(CLOSING)) {
            connection = self.connect().await?;
            answer = connection.send(envelope, &text).await;
        }
        if !connection.has_broken() {
            self.connection = Some(connection);
        }
        answer
    }

    /// Says good-bye.
    pub async fn leave(self) {
        if let Some(mut connection) = self.connection {
            // It has what it was given, whatever it answers.
            drop(tokio::time::timeout(CONNECT, connection.quit()).await);
        }
    }

    async fn still_connected(&mut self) -> Option<AsyncSmtpConnection> {
        let mut connection = self.connection.take()?;
        connection.test_connected().await.then_some(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let (wrapped, begun) = match &self.protection {
            Protection::None => (None, None),
            Protection::StartTls(parameters) => (None, Some(parameters)),
            Protection::Tls(parameters) => (Some(parameters.clone()), None),
        };
        let name = ClientId::default();
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(self.address, Some(COMMAND), &name, wrapped, None).await?;
        if let Some(parameters) = begun {
            connection.starttls(parameters.clone(), &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// What a server answered, as a number.
pub fn code_of(error: &Error) -> Option<u16> {
    error.status().and_then(|code| code.to_string().parse().ok())
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
