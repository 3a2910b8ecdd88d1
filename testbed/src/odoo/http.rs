//! Just enough HTTP, by hand: the stand-in must be able to break its rules.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

use super::upload::Form;

/// More than any form of the database manager without a file.
const MAX_BODY: u64 = 1 << 20;

/// A request. Its body is read when it is asked for: an upload may be large, or never come to its end.
pub(super) struct Request<'a> {
    pub method: String,
    pub path: String,
    headers: HashMap<String, String>,
    body: BufReader<&'a TcpStream>,
}

impl<'a> Request<'a> {
    /// Reads one up to its body; `None` when the client sent nothing.
    pub fn read(stream: &'a TcpStream) -> io::Result<Option<Self>> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let path = target.split('?').next().unwrap_or_default().to_owned();
        Ok(Some(Self { method, path, headers, body: reader }))
    }

    /// Bytes of the body, as announced; a body in chunks is none to Werkzeug's development server.
    pub fn length(&self) -> u64 {
        self.headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The boundary of a multipart form.
    pub fn boundary(&self) -> Option<String> {
        let content_type = self.headers.get("content-type").filter(|kind| kind.starts_with("multipart/form-data"))?;
        content_type.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"').to_owned())
    }

    /// The body, to its announced end.
    pub fn body(&mut self) -> impl BufRead {
        let length = self.length();
        self.body.by_ref().take(length)
    }

    /// The fields of a form, URL-encoded or multipart, without files.
    pub fn form(&mut self) -> io::Result<HashMap<String, String>> {
        if self.boundary().is_some() {
            return Ok(Form::read(self)?.fields);
        }
        let content_type = self.headers.get("content-type").map_or("", String::as_str);
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return Ok(HashMap::new());
        }
        let mut body = Vec::new();
        self.body().take(MAX_BODY).read_to_end(&mut body)?;
        Ok(url::form_urlencoded::parse(&body).into_owned().collect())
    }

    /// The JSON body.
    pub fn json(&mut self) -> Option<Value> {
        serde_json::from_reader(self.body().take(MAX_BODY)).ok()
    }
}

/// A short answer with its length.
pub(super) fn answer(stream: &TcpStream, status: &str, content_type: &str, body: &str) -> io::Result<()> {
    answer_with(stream, status, content_type, "", body)
}

/// The same with more header lines, each ending in `\r\n`.
pub(super) fn answer_with(
    mut stream: &TcpStream,
    status: &str,
    content_type: &str,
    more: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: Werkzeug/2.2.2 Python/3.11.2\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n{more}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// The redirect that every action of the manager answers when it went well, and some when it did not.
pub(super) fn see_other(stream: &TcpStream) -> io::Result<()> {
    const BODY: &str = include_str!("../../fixtures/http/rs_zip_copytrue.body");
    answer_with(stream, "303 SEE OTHER", "text/html; charset=utf-8", "Location: /web/database/manager\r\n", BODY)
}

/// A body of unknown length: chunked in HTTP/1.1, ended by the connection in HTTP/1.0.
pub(super) struct Stream<'a> {
    writer: BufWriter<&'a TcpStream>,
    chunked: bool,
}

impl<'a> Stream<'a> {
    /// Sends the head of the answer.
    pub fn start(stream: &'a TcpStream, http_1_0: bool, content_type: &str, disposition: &str) -> io::Result<Self> {
        let mut writer = BufWriter::new(stream);
        let (version, coding) =
            if http_1_0 { ("HTTP/1.0", "") } else { ("HTTP/1.1", "Transfer-Encoding: chunked\r\n") };
        write!(
            writer,
            "{version} 200 OK\r\nServer: Werkzeug/2.2.2 Python/3.11.2\r\nContent-Type: {content_type}\r\n\
             Content-Disposition: {disposition}\r\n{coding}Connection: close\r\n\r\n"
        )?;
        writer.flush()?;
        Ok(Self { writer, chunked: !http_1_0 })
    }

    /// Sends what a reader gives, in pieces that end at a line feed: Odoo hands Werkzeug an open file, and a binary
    /// file in Python iterates by lines.
    pub fn send(&mut self, body: impl Read) -> io::Result<()> {
        let mut body = BufReader::new(body);
        let mut piece = Vec::new();
        while body.read_until(b'\n', &mut piece)? > 0 {
            self.send_piece(&piece)?;
            piece.clear();
        }
        self.writer.flush()
    }

    fn send_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        if !self.chunked {
            return self.writer.write_all(piece);
        }
        write!(self.writer, "{:x}\r\n", piece.len())?;
        self.writer.write_all(piece)?;
        self.writer.write_all(b"\r\n")
    }

    /// Ends the body as the protocol wants it. Without this call the client sees a cut body (HTTP/1.1) or nothing
    /// unusual (HTTP/1.0).
    pub fn end(mut self) -> io::Result<()> {
        if self.chunked {
            self.writer.write_all(b"0\r\n\r\n")?;
        }
        self.writer.flush()
    }
}
