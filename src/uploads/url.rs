//! The URL of a file to import: checked before it is stored, and what of it may be shown.

use backup_api::Secret;
use url::Url;

use super::{NAME_CHARS, format_of, tus::base_name};
use crate::error::{AppError, AppResult};

const LONGEST: usize = 4_000;

/// A URL that somebody entered. It may hold a user, a password or a signature: only host and file name are shown.
#[derive(Clone, Debug)]
pub struct FileUrl {
    /// All of it.
    pub url: Secret,
    /// Its host, with a port if that is not the usual one.
    pub host: String,
    /// The name that a person gave the file.
    pub given_name: Option<String>,
    /// That name, or the one in the address if it is one of a backup.
    pub file_name: String,
}

impl FileUrl {
    /// Checks what was entered. Which addresses may be fetched is the backup server's to decide.
    pub fn parse(url: &str, name: &str) -> AppResult<Self> {
        let wrong = || {
            let words = "Enter the file's whole address, such as https://files.example.com/acme.zip.";
            AppError::field("url", words)
        };
        let url = url.trim();
        if url.len() > LONGEST {
            return Err(AppError::field("url", format!("An address has at most {LONGEST} characters.")));
        }
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let host = parsed.host_str().filter(|_| matches!(parsed.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let host = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let given_name = given(name)?;
        let file_name = given_name.clone().unwrap_or_else(|| in_address(&parsed));
        Ok(Self { url: Secret::new(url), host, given_name, file_name })
    }
}

fn given(name: &str) -> AppResult<Option<String>> {
    let name = base_name(name);
    if name.is_empty() {
        return Ok(None);
    }
    if format_of(&name).is_none() || name.chars().count() > NAME_CHARS {
        let words = "A file's name ends in .zip (database and filestore) or .dump (database only).";
        return Err(AppError::field("file_name", words));
    }
    Ok(Some(name))
}

/// The last part of the path, if that is the name of a backup.
fn in_address(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let plain: Vec<u8> = percent_decoded(last);
    let name = base_name(&String::from_utf8_lossy(&plain));
    if format_of(&name).is_some() && name.chars().count() <= NAME_CHARS { name } else { String::new() }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let code = more.get(..2).filter(|_| *first == b'%').and_then(|code| hex::decode(code).ok());
        plain.push(code.as_ref().map_or(*first, |code| code[0]));
        rest = if code.is_some() { &more[2..] } else { more };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_name_of_an_address_are_shown() {
        let file = FileUrl::parse(" https://ada:hunter2@files.example.com:8443/b/Acme%202.zip?sig=abc ", "").unwrap();
        assert_eq!((file.host.as_str(), file.file_name.as_str()), ("files.example.com:8443", "Acme 2.zip"));
        assert_eq!(file.given_name, None);
        assert!(!format!("{file:?}").contains("hunter2"));
        let file = FileUrl::parse("http://files.example.com/get?id=7", "/tmp/acme.dump").unwrap();
        assert_eq!(file.given_name.as_deref(), Some("acme.dump"));
        assert_eq!(FileUrl::parse("http://files.example.com/get?id=7", "").unwrap().file_name, "");
        assert_eq!(FileUrl::parse("http://files.example.com/a%zz.zip", "").unwrap().file_name, "a%zz.zip");
    }

    #[test]
    fn what_is_no_address_of_a_file_is_refused_at_its_field() {
        for url in ["", "acme.zip", "ftp://files.example.com/acme.zip", "file:///etc/passwd", "data:,x"] {
            assert!(FileUrl::parse(url, "").unwrap_err().for_field("url").is_some(), "{url}");
        }
        let error = FileUrl::parse("https://files.example.com/acme.zip", "acme.sql").unwrap_err();
        assert!(error.for_field("file_name").is_some());
    }
}
