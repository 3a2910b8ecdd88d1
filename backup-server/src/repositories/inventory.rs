//! All that a backup was announced to hold, in the repository's order.

use std::borrow::Cow;

use backup_api::BackupFormat;

use super::{
    checksums::CHECKSUMS,
    content::{ContentFile, FILESTORE, FilestoreFile, OpenContent, attachment_path},
    errors::StorageError,
    ingest::dump_name,
};

/// A file's place in the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(usize),
    Attachment(usize),
}

/// The announced files, sorted as the storage library needs it: by path component, depth first. Otherwise it makes a
/// folder twice.
pub(super) struct Inventory {
    /// Paths, and sizes where known beforehand.
    files: Vec<(Box<str>, Option<u64>)>,
    /// How many of the files stand before the attachments.
    before: usize,
    attachments: Vec<FilestoreFile>,
    dump: usize,
}

impl Inventory {
    /// Puts the files in order; gives the ways to open them, in that order, back beside it.
    pub(super) fn new(
        mut files: Vec<ContentFile>,
        attachments: Vec<FilestoreFile>,
        format: BackupFormat,
    ) -> Result<(Self, Vec<OpenContent>), StorageError> {
        files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        let is_filestores = |path: &str| path.split('/').next() == Some(FILESTORE);
        let bad_part = |path: &str| path.split('/').any(|part| matches!(part, "" | "." | ".."));
        let bad = |path: &str| path == CHECKSUMS || is_filestores(path) || bad_part(path);
        if let Some(file) = files.iter().find(|file| bad(&file.path)) {
            return Err(StorageError::Internal(format!("“{}” cannot be the name of a file in a backup", file.path)));
        }
        if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(StorageError::Internal(format!("“{}” was announced twice", pair[0].path)));
        }
        if let Some(pair) = attachments.windows(2).find(|pair| pair[0].sha1 >= pair[1].sha1) {
            let path = attachment_path(&pair[1].sha1);
            return Err(StorageError::Internal(format!("“{path}” was announced twice or out of order")));
        }
        let dump = dump_name(format);
        let Some(dump) = files.iter().position(|file| file.path == dump) else {
            return Err(StorageError::Internal(format!("no {dump} was announced")));
        };
        let before = files.partition_point(|file| file.path.split('/').next() < Some(FILESTORE));
        let (files, opens) = files.into_iter().map(|file| ((file.path.into(), file.size), file.open)).unzip();
        Ok((Self { files, before, attachments, dump }, opens))
    }

    /// The place of the dump.
    pub(super) const fn dump(&self) -> Place {
        Place::File(self.dump)
    }

    /// How many files there are beside the attachments.
    pub(super) const fn file_count(&self) -> usize {
        self.files.len()
    }

    /// How many attachments there are.
    pub(super) const fn attachment_count(&self) -> usize {
        self.attachments.len()
    }

    /// How many there are of both.
    pub(super) const fn count(&self) -> usize {
        self.files.len() + self.attachments.len()
    }

    /// The place of the nth file of all.
    pub(super) fn place(&self, nth: usize) -> Option<Place> {
        if nth < self.before {
            Some(Place::File(nth))
        } else if nth < self.before + self.attachments.len() {
            Some(Place::Attachment(nth - self.before))
        } else {
            (nth < self.count()).then(|| Place::File(nth - self.attachments.len()))
        }
    }

    /// All places, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        (0..).map_while(|nth| self.place(nth))
    }

    /// The attachment with this SHA-1.
    pub(super) fn attachment(&self, sha1: &[u8; 20]) -> Option<usize> {
        self.attachments.binary_search_by_key(sha1, |file| file.sha1).ok()
    }

    /// A file's path in the backup.
    pub(super) fn path(&self, place: Place) -> Cow<'_, str> {
        match place {
            Place::File(file) => Cow::Borrowed(&self.files[file].0),
            Place::Attachment(file) => Cow::Owned(attachment_path(&self.attachments[file].sha1)),
        }
    }

    /// Its bytes, where known beforehand.
    pub(super) fn size(&self, place: Place) -> Option<u64> {
        match place {
            Place::File(file) => self.files[file].1,
            Place::Attachment(file) => Some(self.attachments[file].size),
        }
    }

    /// The SHA-1 that it must have.
    pub(super) fn sha1(&self, place: Place) -> Option<[u8; 20]> {
        match place {
            Place::File(_) => None,
            Place::Attachment(file) => Some(self.attachments[file].sha1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> ContentFile {
        ContentFile { path: path.to_owned(), size: None, open: Box::new(|| Ok(Box::new(std::io::empty()))) }
    }

    fn inventory(files: &[&str], attachments: &[u8]) -> Result<Inventory, StorageError> {
        let files = files.iter().map(|path| file(path)).collect();
        let attachments = attachments.iter().map(|byte| FilestoreFile { sha1: [*byte; 20], size: 1 }).collect();
        Inventory::new(files, attachments, BackupFormat::Zip).map(|(inventory, _)| inventory)
    }

    #[test]
    fn files_come_in_the_order_of_their_path_components() {
        let inventory = inventory(&["manifest.json", "a/b", "dump.sql", "a-b"], &[1, 2]).unwrap();
        let paths: Vec<_> = inventory.places().map(|place| inventory.path(place).into_owned()).collect();
        let attachments = [1, 2].map(|byte| attachment_path(&[byte; 20]));
        assert_eq!(paths[..3], ["a/b", "a-b", "dump.sql"]);
        assert_eq!(paths[3..5], attachments);
        assert_eq!(paths[5..], ["manifest.json"]);
        assert_eq!(inventory.path(inventory.dump()), "dump.sql");
        assert_eq!((inventory.attachment(&[2; 20]), inventory.attachment(&[3; 20])), (Some(1), None));
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        for files in [&["dump.sql", "../x"][..], &["dump.sql", CHECKSUMS], &["dump.sql", "filestore/x"], &["x"]] {
            assert!(inventory(files, &[]).is_err(), "{files:?}");
        }
        assert!(inventory(&["dump.sql", "dump.sql"], &[]).is_err());
        for attachments in [[2, 1], [1, 1]] {
            assert!(inventory(&["dump.sql"], &attachments).is_err(), "{attachments:?}");
        }
    }
}
