//! Files from elsewhere: uploaded in chunks or fetched from a URL, imported as backup lines; the wizard that does it.

use backup_api::{BackupFormat, Upload, UploadId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    backups::LineId,
    components::{addresses::address, figures},
    operations::Operation,
    subscriptions::SubscriptionId,
};

pub mod api;
#[cfg(feature = "ssr")]
pub mod begin;
#[cfg(feature = "ssr")]
pub mod imports;
#[cfg(feature = "ssr")]
mod incoming;
#[cfg(feature = "hydrate")]
mod lanes;
pub mod progress;
#[cfg(feature = "ssr")]
mod refusal;
#[cfg(feature = "ssr")]
mod relay;
#[cfg(feature = "hydrate")]
mod sending;
#[cfg(feature = "ssr")]
pub mod store;
pub mod transfer;
#[cfg(feature = "ssr")]
pub mod tus;
pub mod upload_form;
#[cfg(feature = "ssr")]
mod url;
pub mod url_form;
#[cfg(feature = "hydrate")]
mod wire;
pub mod wizard;

/// The most characters of a file's name.
pub const NAME_CHARS: usize = 255;

/// What the wizard needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSetting {
    /// The subscription's database.
    pub database: String,
    /// The backup server that the file goes to.
    pub server: String,
    /// This person's unfinished uploads for the subscription.
    pub open: Vec<OpenUpload>,
}

/// An upload that has begun and is not imported yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUpload {
    /// Identity; its address is `/uploads/{id}`.
    pub id: UploadId,
    /// The file's own name.
    pub file_name: String,
    /// Bytes of the whole file.
    pub length: u64,
    /// When the file was last changed, in the browser's milliseconds, if that was told.
    pub modified: Option<i64>,
    /// Bytes that have arrived; `None` while the backup server does not answer.
    pub offset: Option<u64>,
}

impl OpenUpload {
    /// Whether this file is what was being uploaded, as far as can be told without reading it.
    pub fn is_of(&self, name: &str, length: u64, modified: i64) -> bool {
        self.file_name == name && self.length == length && self.modified.is_none_or(|known| known == modified)
    }

    /// Whether only the import is left to be done.
    pub fn is_complete(&self) -> bool {
        self.offset == Some(self.length)
    }
}

/// What an operation imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFacts {
    /// The file's own name; empty when only the answer of the URL will tell it.
    pub file_name: String,
    /// The host that it is fetched from; `None` for an upload.
    pub host: Option<String>,
    /// Whether the person wants to restore it afterwards.
    pub then_restore: bool,
    /// The good line that came of it.
    pub line: Option<LineId>,
}

impl ImportFacts {
    /// The file for a sentence: `acme.zip`, `acme.zip from files.example.com`.
    pub fn in_words(&self) -> String {
        match (&self.host, self.file_name.as_str()) {
            (None, name) => name.to_owned(),
            (Some(host), "") => format!("a file from {host}"),
            (Some(host), name) => format!("{name} from {host}"),
        }
    }
}

/// What a file holds, by its name.
pub fn format_of(name: &str) -> Option<BackupFormat> {
    let (stem, extension) = name.rsplit_once('.')?;
    BackupFormat::parse(&extension.to_ascii_lowercase()).filter(|_| !stem.is_empty())
}

/// Checks what can be told before the first byte arrives; gives what the file holds.
pub fn check_file(name: &str, length: u64) -> Result<BackupFormat, Refused> {
    let format = format_of(name).filter(|_| name.chars().count() <= NAME_CHARS);
    let Some(format) = format else {
        return Err(Refused::Name(format!(
            "“{name}” is neither a .zip nor a .dump file. Choose a backup as Odoo's database manager makes it (.zip) or \
             pg_dump in its custom format (.dump)."
        )));
    };
    match length {
        0 => Err(Refused::Empty("This file is empty. Choose the whole backup.".to_owned())),
        Upload::LIMIT_BYTES.. => Err(Refused::TooLarge(format!(
            "This file has {}; uploads are for files under 1,000 MB. Put it where the backup server can fetch it, and \
             use “From a URL”.",
            figures::size(length)
        ))),
        _ => Ok(format),
    }
}

/// Why a file is refused before anything of it arrived, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// By its name.
    Name(String),
    /// Nothing is in it.
    Empty(String),
    /// Too large to be uploaded.
    TooLarge(String),
}

impl Refused {
    /// The words.
    pub fn into_words(self) -> String {
        let (Self::Name(words) | Self::Empty(words) | Self::TooLarge(words)) = self;
        words
    }
}

/// The address of the wizard for a subscription, with a part of it.
pub fn wizard_address(subscription: SubscriptionId, part: &[(&str, &str)]) -> String {
    let parts: Vec<_> = [("wizard", "import")].iter().chain(part).copied().collect();
    address(&format!("/subscriptions/{}", subscription.0), &parts)
}

/// The address of the restore wizard for what an operation imported, if that is there.
pub fn restore_address(operation: &Operation) -> Option<String> {
    let (line, subscription) = (operation.import.as_ref()?.line?, operation.subscription?);
    let query = [("wizard", "restore"), ("line", &line.0.to_string())];
    Some(address(&format!("/subscriptions/{}", subscription.0), &query))
}

/// When an upload is removed if nothing more arrives after `now`.
pub fn expiry(now: DateTime<Utc>, kept_millis: i64) -> DateTime<Utc> {
    now + chrono::TimeDelta::milliseconds(kept_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_what_it_holds() {
        for (name, format) in [
            ("acme.zip", Some(BackupFormat::Zip)),
            ("Acme 2026.DUMP", Some(BackupFormat::Dump)),
            ("acme.zip.sql", None),
            (".zip", None),
            ("zip", None),
            ("", None),
        ] {
            assert_eq!(format_of(name), format, "{name}");
        }
    }

    #[test]
    fn a_file_is_refused_by_its_name_and_its_size() {
        assert_eq!(check_file("a.zip", 1), Ok(BackupFormat::Zip));
        assert_eq!(check_file("a.zip", 999_999_999), Ok(BackupFormat::Zip));
        assert!(matches!(check_file("a.sql", 1), Err(Refused::Name(words)) if words.contains("“a.sql”")));
        assert!(matches!(check_file(&format!("{}.zip", "a".repeat(252)), 1), Err(Refused::Name(_))));
        assert!(matches!(check_file("a.zip", 0), Err(Refused::Empty(_))));
        let large = check_file("a.zip", 1_000_000_000).unwrap_err();
        assert!(matches!(&large, Refused::TooLarge(words) if words.contains("1.0 GB") && words.contains("From a URL")));
    }

    #[test]
    fn the_same_file_is_known_by_name_length_and_time() {
        let mut open = OpenUpload {
            id: UploadId(uuid::Uuid::nil()),
            file_name: "a.zip".to_owned(),
            length: 7,
            modified: Some(5),
            offset: Some(7),
        };
        assert!(open.is_of("a.zip", 7, 5) && open.is_complete());
        assert!(!open.is_of("a.zip", 7, 6) && !open.is_of("a.zip", 8, 5) && !open.is_of("b.zip", 7, 5));
        (open.modified, open.offset) = (None, None);
        assert!(open.is_of("a.zip", 7, 6) && !open.is_complete(), "other clients do not tell the time");
    }
}
