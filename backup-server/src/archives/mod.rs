//! Odoo's own backup files: checks and reads what arrives, without trusting a name or a size in it.

mod directory;
mod dump_tail;
mod entry;
mod errors;
mod manifest;
mod names;
mod odoo_zip;
mod shape;

pub use dump_tail::DumpTail;
pub use errors::ArchiveError;
pub use manifest::Manifest;
pub use odoo_zip::OdooZip;

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

impl Default for Limits {
    /// Room for any real database, none for a bomb.
    fn default() -> Self {
        Self { entries: 5_000_000, bytes: 2_000_000_000_000, ratio: 250 }
    }
}
