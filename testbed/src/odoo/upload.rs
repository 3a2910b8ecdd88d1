//! A multipart form, its file kept on disk.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufWriter, Seek, Write},
};

use super::http::Request;

/// What a multipart form holds.
#[derive(Default)]
pub(super) struct Form {
    /// Its fields.
    pub fields: HashMap<String, String>,
    /// The content of the field `backup_file`.
    pub file: Option<File>,
}

impl Form {
    /// Reads all of a form; an error when the client hangs up before its end.
    pub fn read(request: &mut Request<'_>) -> io::Result<Self> {
        let Some(boundary) = request.boundary() else { return Ok(Self::default()) };
        let delimiter = format!("--{boundary}").into_bytes();
        let mut body = request.body();
        let mut form = Self::default();
        let mut is_last = copy_part(&mut body, &delimiter, &mut io::sink())?;
        while !is_last {
            let (name, is_file) = part_name(&mut body)?;
            if is_file {
                let mut file = BufWriter::new(tempfile::tempfile()?);
                is_last = copy_part(&mut body, &delimiter, &mut file)?;
                let mut file = file.into_inner()?;
                file.rewind()?;
                form.file = Some(file);
            } else {
                let mut value = Vec::new();
                is_last = copy_part(&mut body, &delimiter, &mut value)?;
                form.fields.insert(name, String::from_utf8_lossy(&value).into_owned());
            }
        }
        // As Werkzeug: what comes after the last boundary is read and dropped.
        io::copy(&mut body, &mut io::sink())?;
        Ok(form)
    }
}

/// The headers of a part: its name, and whether it is a file.
fn part_name(body: &mut impl BufRead) -> io::Result<(String, bool)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if body.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head == "\r\n" {
            break;
        }
    }
    let name = head.split_once("; name=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(name, _)| name);
    Ok((name.to_owned(), head.contains("filename=")))
}

/// Copies a part up to the next boundary; whether that is the last one.
fn copy_part(body: &mut impl BufRead, delimiter: &[u8], to: &mut dyn Write) -> io::Result<bool> {
    // A line end belongs to the boundary when one follows.
    let mut held: &[u8] = b"";
    let mut line = Vec::new();
    loop {
        line.clear();
        if body.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(rest) = line.strip_prefix(delimiter) {
            return Ok(rest.starts_with(b"--"));
        }
        to.write_all(held)?;
        let (content, end): (&[u8], &[u8]) = match line.strip_suffix(b"\r\n") {
            Some(content) => (content, b"\r\n"),
            None => line.strip_suffix(b"\n").map_or((&line, b""), |content| (content, b"\n")),
        };
        to.write_all(content)?;
        held = end;
    }
}
