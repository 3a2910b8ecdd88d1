//! The files that a database's attachments refer to.

mod look;

use std::path::PathBuf;

use futures::TryStreamExt;
use sqlx::PgConnection;

use crate::repositories::{Filestore, attachment_name};

pub(crate) use look::Found;

/// How many missing names are kept.
const NAMED: usize = 100;
/// How much of a name that is none is shown.
const SHOWN: usize = 80;

/// Names until it is looked for the first time which of them came twice.
const ROOM: usize = 1 << 20;
/// Different names that are remembered: 640 MB of them.
const MOST: usize = 1 << 25;

/// What the database refers to, compact: there can be a million of them.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// SHA-1s, sorted, each once.
    files: Vec<[u8; 20]>,
    /// Names until it is looked which of them came twice.
    room: usize,
    is_full: bool,
    /// Names that are not `xx/<sha1>`: where they lead is not known, so they are never opened.
    strange: u64,
    strange_names: Vec<String>,
}

impl Wanted {
    /// Adds a name; the same one may come again until [`Self::distinct`].
    pub fn add(&mut self, name: &str) {
        let has_room = self.has_room();
        if let Some(sha1) = parse_name(name).filter(|_| has_room) {
            self.files.push(sha1);
            return;
        }
        self.strange += 1;
        if self.strange_names.len() < NAMED {
            self.strange_names.push(name.escape_default().take(SHOWN).collect());
        }
    }

    /// Removes what came twice when there are many; false when there is no end of names, as in a dump that is meant to fill the memory.
    fn has_room(&mut self) -> bool {
        if self.is_full || self.files.len() < self.room {
            return !self.is_full;
        }
        self.files.sort_unstable();
        self.files.dedup();
        self.room = (2 * self.files.len()).clamp(ROOM, MOST);
        self.is_full = self.files.len() >= MOST;
        !self.is_full
    }

    /// Each name once, in order.
    pub fn distinct(mut self) -> Self {
        self.files.sort_unstable();
        self.files.dedup();
        self
    }

    /// How many of these, the first of them by name, are not among the given files.
    pub fn missing_from(self, present: &Filestore) -> (u64, Vec<String>) {
        let mut names = self.strange_names;
        let mut count = self.strange;
        for sha1 in self.files.iter().filter(|sha1| !present.has(sha1)) {
            count += 1;
            if names.len() < NAMED {
                names.push(attachment_name(sha1));
            }
        }
        (count, names)
    }

    /// Reads the names under the connection's snapshot.
    pub async fn read(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let sql =
            "SELECT DISTINCT store_fname COLLATE \"C\" FROM ir_attachment WHERE store_fname IS NOT NULL ORDER BY 1";
        let mut rows = sqlx::query_scalar::<_, String>(sql).fetch(connection);
        let mut wanted = Self::default();
        while let Some(name) = rows.try_next().await? {
            wanted.add(&name);
        }
        Ok(wanted)
    }

    /// Whether the database refers to a file; after [`Self::distinct`].
    pub fn has(&self, sha1: &[u8; 20]) -> bool {
        self.files.binary_search(sha1).is_ok()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.files.len() as u64 + self.strange
    }
}

/// Reads `xx/<sha1>`, where `xx` are the first two digits of the SHA-1.
fn parse_name(name: &str) -> Option<[u8; 20]> {
    let (folder, digits) = name.split_once('/')?;
    let lower = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !lower || digits.len() != 40 || digits.get(..2) != Some(folder) {
        return None;
    }
    let mut sha1 = [0; 20];
    hex::decode_to_slice(digits, &mut sha1).ok()?;
    Some(sha1)
}

/// The filestore folder of a source.
pub(crate) fn folder(filestore: Option<&String>) -> Option<PathBuf> {
    filestore.filter(|path| !path.trim().is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const NAME: &str = "1c/1c2a8239bc7e06429116c40bc1d1334c621ca379";

    #[test]
    fn only_names_that_odoo_makes_are_opened() {
        assert_eq!(parse_name(NAME).map(|sha1| attachment_name(&sha1)).as_deref(), Some(NAME));
        for bad in [
            "",
            "../../etc/passwd",
            "1c/../../../../etc/passwd",
            "1d/1c2a8239bc7e06429116c40bc1d1334c621ca379",
            "1C/1C2A8239BC7E06429116C40BC1D1334C621CA379",
            "1c/1c2a8239bc7e06429116c40bc1d1334c621ca379x",
            "1c2a8239bc7e06429116c40bc1d1334c621ca379",
            "/c/1c2a8239bc7e06429116c40bc1d1334c621ca379",
            "s3://bucket/1c2a8239bc7e06429116c40bc1d1334c621ca379",
        ] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }
}
