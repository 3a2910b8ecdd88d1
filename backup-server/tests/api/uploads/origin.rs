//! A web server of our own making, byte by byte, so that it can break off, stall and lie.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What it does with one request.
pub enum Act {
    /// Sends this and closes.
    Send(Vec<u8>),
    /// Sends this and then nothing, keeping the connection.
    Stall(Vec<u8>),
    /// Sends the beginning of this, and then a byte at a time.
    Trickle(Vec<u8>),
}

/// A request's first line and headers.
#[derive(Clone, Debug)]
pub struct Asked(String);

impl Asked {
    pub fn path(&self) -> &str {
        self.0.split(' ').nth(1).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Where a `Range` begins.
    pub fn from(&self) -> usize {
        self.header("range").map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap())
    }
}

/// The server, until it is dropped.
pub struct Origin {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Origin {
    /// Answers each request by its number, from 0, and what was asked.
    pub async fn start(act: impl Fn(usize, &Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, act) = (Arc::clone(&asked), Arc::new(act));
        let serving = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let (all, act) = (Arc::clone(&all), Arc::clone(&act));
                tokio::spawn(async move { answer(connection, &all, &*act).await });
            }
        });
        Self { port, asked, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut connection: TcpStream,
    all: &Mutex<Vec<Asked>>,
    act: &(dyn Fn(usize, &Asked) -> Act + Send + Sync),
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            // The beginning of TLS, which it does not speak.
            Ok(0x16) if head.is_empty() => {
                return drop(connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
            }
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let asked = Asked(String::from_utf8(head).unwrap());
    let number = {
        let mut all = all.lock().unwrap();
        all.push(asked.clone());
        all.len() - 1
    };
    // Whoever asked may go away at any moment.
    match act(number, &asked) {
        Act::Send(bytes) => {
            let _ = connection.write_all(&bytes).await;
            let _ = connection.shutdown().await;
        }
        Act::Stall(bytes) => {
            let _ = connection.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Act::Trickle(bytes) => {
            let (begin, rest) = bytes.split_at(700);
            let mut beat = tokio::time::interval(std::time::Duration::from_millis(5));
            for piece in std::iter::once(begin).chain(rest.chunks(1)) {
                beat.tick().await;
                if connection.write_all(piece).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// An answer with a status, more headers and a body.
pub fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// A file from where the request wants it, as a server with ranges gives it.
pub fn ranged(file: &[u8], asked: &Asked, tag: &str) -> Vec<u8> {
    let from = if asked.header("if-range").is_none_or(|wanted| wanted == tag) { asked.from() } else { 0 };
    if from == 0 {
        return response("200 OK", &[("ETag", tag), ("Content-Type", "text/html")], file);
    }
    let range = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
    response("206 Partial Content", &[("ETag", tag), ("Content-Range", &range)], &file[from..])
}
