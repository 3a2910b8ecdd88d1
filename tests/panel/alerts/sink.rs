//! A mail server that keeps what it gets: SMTP with STARTTLS and AUTH, strict about their order.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// A mail as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    pub data: String,
    pub user: Option<String>,
    pub tls: bool,
}

/// The server.
#[derive(Clone)]
pub struct Sink {
    pub port: u16,
    state: Arc<Mutex<State>>,
    /// How many recipients were named, and how many of them get an answer.
    named: watch::Sender<usize>,
    answered: watch::Sender<usize>,
    acceptor: TlsAcceptor,
    folder: Arc<TempDir>,
}

#[derive(Default)]
struct State {
    letters: Vec<Letter>,
    connections: usize,
    /// After so many letters a connection is closed.
    most_letters: Option<usize>,
    replies: HashMap<String, Vec<&'static str>>,
    login: Option<(String, String)>,
}

impl Sink {
    /// With a certificate of its own for `localhost`.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let made = Command::new("openssl")
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=sink".split(' '))
            .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let chain = CertificateDer::pem_file_iter(&certificate).unwrap().map(Result::unwrap).collect();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
            named: watch::Sender::default(),
            answered: watch::Sender::new(usize::MAX),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            folder: Arc::new(folder),
        };
        let serving = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = serving.clone();
                tokio::spawn(async move { sink.serve(stream).await });
            }
        });
        sink
    }

    /// The certificate that a client must trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Wants this user and password from now on, and TLS for them.
    pub fn wants(&self, user: &str, password: &str) {
        self.state.lock().unwrap().login = Some((user.to_owned(), password.to_owned()));
    }

    /// The next answers to a recipient, each once; then it is accepted.
    pub fn replies(&self, recipient: &str, replies: &[&'static str]) {
        self.state.lock().unwrap().replies.entry(recipient.to_owned()).or_default().extend(replies);
    }

    /// Answers for so many recipients in all, and lets the others wait.
    pub fn answers(&self, recipients: usize) {
        self.answered.send_replace(recipients);
    }

    /// Waits until so many recipients were named in all.
    pub async fn hears(&self, recipients: usize) {
        let mut named = self.named.subscribe();
        let waiting = named.wait_for(|named| *named >= recipients);
        tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.expect("they were not named").unwrap();
    }

    /// Takes so many letters over one connection from now on.
    pub fn takes(&self, letters: usize) {
        self.state.lock().unwrap().most_letters = Some(letters);
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// What arrived since this was last asked.
    pub fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.state.lock().unwrap().letters)
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        self.state.lock().unwrap().connections += 1;
        let mut session = Session { sink: self, letter: Letter::default(), tls: false, user: None, taken: 0 };
        stream.write_all(b"220 sink ready\r\n").await.unwrap_or_default();
        if session.talk(&mut stream).await == Some(Next::StartTls)
            && let Ok(secured) = self.acceptor.accept(stream.into_inner()).await
        {
            session.tls = true;
            session.talk(&mut BufReader::new(secured)).await;
        }
    }
}

#[derive(PartialEq)]
enum Next {
    StartTls,
}

struct Session<'a> {
    sink: &'a Sink,
    letter: Letter,
    tls: bool,
    user: Option<String>,
    taken: usize,
}

impl Session<'_> {
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> Option<Next> {
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            let reply = match verb.as_str() {
                "EHLO" if self.tls => "250-sink\r\n250 AUTH PLAIN LOGIN".to_owned(),
                "EHLO" => "250-sink\r\n250 STARTTLS".to_owned(),
                "STARTTLS" => {
                    stream.write_all(b"220 go on\r\n").await.ok()?;
                    return Some(Next::StartTls);
                }
                "AUTH" => self.sign_in(line),
                "MAIL" => self.begin(line),
                "RCPT" => {
                    self.turn().await;
                    self.recipient(line)
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.ok()?;
                    self.data(stream).await?
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await.ok()?;
                    return None;
                }
                _ => "250 ok".to_owned(),
            };
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
        }
    }

    fn sign_in(&mut self, line: &str) -> String {
        if !self.tls {
            return "538 not without TLS".to_owned();
        }
        let given = line.strip_prefix("AUTH PLAIN ").and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
        let given = String::from_utf8(given).unwrap();
        let mut parts = given.split('\0').skip(1);
        let given = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
        if self.sink.state.lock().unwrap().login.as_ref() == Some(&given) {
            self.user = Some(given.0);
            return "235 welcome".to_owned();
        }
        format!("535 5.7.8 wrong: {}", given.1)
    }

    fn begin(&mut self, line: &str) -> String {
        if self.sink.state.lock().unwrap().most_letters.is_some_and(|most| self.taken >= most) {
            return "421 4.7.0 too many letters over this connection".to_owned();
        }
        if self.sink.state.lock().unwrap().login.is_some() && self.user.is_none() {
            return "530 sign in first".to_owned();
        }
        self.letter = Letter { from: address(line), tls: self.tls, user: self.user.clone(), ..Letter::default() };
        "250 ok".to_owned()
    }

    /// Waits until this recipient gets an answer.
    async fn turn(&self) {
        let mut number = 0;
        self.sink.named.send_modify(|named| {
            *named += 1;
            number = *named;
        });
        self.sink.answered.subscribe().wait_for(|answered| *answered >= number).await.unwrap();
    }

    fn recipient(&mut self, line: &str) -> String {
        let to = address(line);
        if let Some(replies) = self.sink.state.lock().unwrap().replies.get_mut(&to)
            && !replies.is_empty()
        {
            return replies.remove(0).to_owned();
        }
        self.letter.to.push(to);
        "250 ok".to_owned()
    }

    async fn data<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> Option<String> {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            match line.trim_end() {
                "." => break,
                text => {
                    self.letter.data.push_str(text);
                    self.letter.data.push('\n');
                }
            }
        }
        self.sink.state.lock().unwrap().letters.push(self.letter.clone());
        self.taken += 1;
        Some("250 2.0.0 kept as 42".to_owned())
    }
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}
