//! Odoo's own backup files: checks and reads what arrives, without trusting a name or a size in it.

mod errors;
mod manifest;

use std::path::Path;

use backup_api::Progress;
use tokio_util::sync::CancellationToken;

use crate::repositories::Content;

pub use errors::ArchiveError;
pub use manifest::Manifest;

/// Bounds on what a zip may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries in all.
    pub entries: u64,
    /// Bytes of all entries, unpacked.
    pub bytes: u64,
    /// Unpacked bytes for each packed byte, over the whole file.
    pub ratio: u64,
}

/// An Odoo zip, every byte of which was checked.
#[derive(Debug)]
pub struct OdooZip {
    /// `manifest.json`, when there is one that can be read.
    pub manifest: Option<Manifest>,
    /// Attachment files in it.
    pub attachments: u64,
    /// Their bytes.
    pub attachment_bytes: u64,
    /// Names that do not belong into an Odoo backup and are left out: the first 100.
    pub ignored: Vec<String>,
}

impl OdooZip {
    /// Reads all of the zip at `path` and checks it: end record, names, sizes, every CRC, the SHA-1 of every filestore
    /// file, and that `dump.sql` is a whole `pg_dump`. Blocks.
    pub fn check(
        path: &Path,
        limits: Limits,
        progress: &dyn Fn(Progress),
        cancel: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        unimplemented!()
    }

    /// Its files, to be ingested; the zip must stay where it is until then.
    pub fn into_content(self) -> Content {
        unimplemented!()
    }
}
