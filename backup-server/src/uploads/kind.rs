//! What a file is, by its name and by its first bytes.

use backup_api::BackupFormat;

/// Bytes at the beginning that tell: a tar says what it is at 257.
pub(super) const HEAD: usize = 512;

/// What the content of a file begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Zip,
    CustomDump,
    PlainSql,
    Compressed(&'static str),
    WebPage,
    Other,
}

/// The kind of backup that a file's name announces.
pub(crate) struct Format;

impl Format {
    /// By the end of the name; `None` for names of other files.
    pub fn of_name(name: &str) -> Option<BackupFormat> {
        let (_, extension) = name.rsplit_once('.')?;
        BackupFormat::parse(&extension.to_ascii_lowercase())
    }

    /// By the first bytes; `None` for what is no backup.
    pub fn of_content(head: &[u8]) -> Option<BackupFormat> {
        match content_of(head) {
            Content::Zip => Some(BackupFormat::Zip),
            Content::CustomDump => Some(BackupFormat::Dump),
            _ => None,
        }
    }
}

/// Whether a file of this format can begin like this; otherwise why it is refused and what to do.
pub(crate) fn expect_format(format: BackupFormat, head: &[u8]) -> Result<(), String> {
    let begins = |magic: &[u8]| head.len() < magic.len() && magic.starts_with(head);
    let found = content_of(&head[..head.len().min(HEAD)]);
    match (format, found) {
        (BackupFormat::Zip, Content::Zip) | (BackupFormat::Dump, Content::CustomDump) => Ok(()),
        (BackupFormat::Zip, _) if begins(b"PK\x03\x04") => Ok(()),
        (BackupFormat::Dump, _) if begins(b"PGDMP") => Ok(()),
        (expected, found) => Err(refusal(expected, found)),
    }
}

fn content_of(head: &[u8]) -> Content {
    const COMPRESSED: [(&[u8], &str); 7] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"7z\xbc\xaf", "7-Zip"),
        (b"Rar!", "RAR"),
        (b"\x04\x22\x4d\x18", "LZ4"),
    ];
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Content::Zip;
    }
    if head.starts_with(b"PGDMP") {
        return Content::CustomDump;
    }
    if let Some((_, name)) = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Content::Compressed(name);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Content::Compressed("tar");
    }
    match std::str::from_utf8(head).or_else(|error| std::str::from_utf8(&head[..error.valid_up_to()])) {
        Ok(text) => text_content(text.trim_start_matches('\u{feff}').trim_start()),
        Err(_) => Content::Other,
    }
}

fn text_content(text: &str) -> Content {
    let begins = |word: &str| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    if ["<!doctype html", "<html", "<head", "<body", "<!--"].into_iter().any(begins) {
        return Content::WebPage;
    }
    let words = ["--", "SET ", "CREATE ", "BEGIN", "DROP ", "SELECT ", "COPY ", "INSERT ", r"\restrict", r"\connect"];
    if words.into_iter().any(begins) { Content::PlainSql } else { Content::Other }
}

fn refusal(expected: BackupFormat, found: Content) -> String {
    const CUSTOM: &str = "A .dump is made by pg_dump's custom format: “pg_dump --format=custom --no-owner”, or “pg_dump \
                          format (without filestore)” in Odoo's database manager.";
    const ZIP: &str = "A .zip is made by Odoo's database manager (“zip (includes filestore)”) or by Holdfast.";
    let (name, made) = match expected {
        BackupFormat::Zip => (".zip", ZIP),
        BackupFormat::Dump => (".dump", CUSTOM),
    };
    match (expected, found) {
        (_, Content::WebPage) => format!(
            "The file is a web page, not a backup: often a page for signing in or an error was saved under the name of \
             the file. Open it in a browser to see what it says, then get the backup again. {made}"
        ),
        (BackupFormat::Zip, Content::CustomDump) => {
            "The file is named .zip but is a PostgreSQL dump in custom format. Give it a name that ends in .dump."
                .to_owned()
        }
        (BackupFormat::Dump, Content::Zip) => {
            "The file is named .dump but is a zip. Give it a name that ends in .zip, if it is a backup of Odoo's."
                .to_owned()
        }
        (_, Content::PlainSql) => format!(
            "The file is plain SQL, as “pg_dump” writes it without a format. It is not taken, because nothing tells \
             whether it is whole. {made}"
        ),
        (_, Content::Compressed(program)) => format!(
            "The file is named {name} but was packed with {program}. Unpack it first; if plain SQL comes out of it, make \
             the backup again in another format. {made}"
        ),
        _ => format!(
            "The file is named {name} but does not begin as one: it is damaged, encrypted or another kind. {made}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        assert_eq!(Format::of_name("acme 2026.ZIP"), Some(BackupFormat::Zip));
        assert_eq!(Format::of_name("a.b.dump"), Some(BackupFormat::Dump));
        for other in ["zip", "a.sql", "a.dump.gz", "a.tar", "", "a."] {
            assert_eq!(Format::of_name(other), None, "{other}");
        }
    }

    #[test]
    fn right_beginnings_are_taken_even_in_crumbs() {
        for bytes in 0..=5 {
            assert_eq!(expect_format(BackupFormat::Zip, &b"PK\x03\x04\x14"[..bytes]), Ok(()), "{bytes}");
            assert_eq!(expect_format(BackupFormat::Dump, &b"PGDMP"[..bytes]), Ok(()), "{bytes}");
        }
        assert_eq!(Format::of_content(b"PK\x03\x04"), Some(BackupFormat::Zip));
        assert_eq!(Format::of_content(b"<html>"), None);
    }

    #[test]
    fn each_wrong_content_has_its_own_words() {
        use BackupFormat::{Dump, Zip};
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(BackupFormat, &[u8], &str); 14] = [
            (Zip, b"PGDMP\x01\x0f", "ends in .dump"),
            (Dump, b"PK\x03\x04\x14", "ends in .zip"),
            (Dump, b"--\n-- PostgreSQL database dump\n", "plain SQL"),
            (Dump, b"\\restrict abc\n", "plain SQL"),
            (Zip, b"set client_encoding = 'UTF8';", "plain SQL"),
            (Dump, b"\x1f\x8b\x08\x00", "packed with gzip"),
            (Dump, b"BZh91AY", "packed with bzip2"),
            (Zip, b"7z\xbc\xaf\x27\x1c", "packed with 7-Zip"),
            (Zip, &tar, "packed with tar"),
            (Zip, b"\xef\xbb\xbf\n <!DOCTYPE html><title>Odoo", "web page"),
            (Dump, b"<HTML>\xff", "web page"),
            (Zip, b"PA", "does not begin as one"),
            (Dump, &[0; 600], "does not begin as one"),
            (Zip, b"\xff\xfe", "does not begin as one"),
        ];
        for (format, head, words) in cases {
            let refusal = expect_format(format, head).unwrap_err();
            assert!(refusal.contains(words), "{words}: {refusal}");
            assert!(refusal.ends_with('.'), "{refusal}");
        }
    }
}
