//! Uploads on disk: `<id>.part` with the bytes, `<id>.json` with what is known of it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use backup_api::{Upload, UploadId};
use serde::{Deserialize, Serialize};

use crate::durable;

/// What survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// With the offset up to which all bytes are on disk for certain.
    pub upload: Upload,
    /// `Upload-Metadata` as it was sent.
    pub metadata: String,
    /// Its bytes were removed because nothing more arrived; the rest is kept a while, to be able to say so.
    pub expired: bool,
}

/// The folder of uploads.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// In an existing folder.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every upload, cut back to what is certain. Files that a crash left without the other of their pair are removed.
    pub fn load(&self) -> io::Result<Vec<Record>> {
        let (mut records, mut parts) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("tmp") => fs::remove_file(&path)?,
                Some("part") => parts.push(path),
                Some("json") => match serde_json::from_slice::<Record>(&fs::read(&path)?) {
                    Ok(record) => records.push(record),
                    Err(error) => {
                        tracing::error!(%error, "Removed {}, which is no note of an upload", path.display());
                        fs::remove_file(&path)?;
                    }
                },
                _ => {}
            }
        }
        let is_open = |record: &Record| !record.expired;
        for part in parts {
            if !records.iter().filter(|record| is_open(record)).any(|record| self.part(record.upload.id) == part) {
                fs::remove_file(&part)?;
            }
        }
        let mut kept = Vec::new();
        for mut record in records {
            if is_open(&record) && !self.cut_back(&mut record)? {
                self.remove(record.upload.id)?;
                continue;
            }
            kept.push(record);
        }
        Ok(kept)
    }

    /// Removes bytes that are not certain; false when the file is gone.
    fn cut_back(&self, record: &mut Record) -> io::Result<bool> {
        let file = match self.open(record.upload.id) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        record.upload.offset = record.upload.offset.min(file.metadata()?.len());
        file.set_len(record.upload.offset)?;
        Ok(true)
    }

    /// Makes an upload: an empty file, then the note.
    pub fn create(&self, record: &Record) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(self.part(record.upload.id))?;
        self.save(record)?;
        Ok(file)
    }

    /// Opens the bytes.
    pub fn open(&self, id: UploadId) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.part(id))
    }

    /// Writes the note so that it survives a crash.
    pub fn save(&self, record: &Record) -> io::Result<()> {
        durable::write(&self.note(record.upload.id), &serde_json::to_vec_pretty(record)?)
    }

    /// Removes the bytes only.
    pub fn remove_part(&self, id: UploadId) -> io::Result<()> {
        remove(&self.part(id))
    }

    /// Removes all of an upload.
    pub fn remove(&self, id: UploadId) -> io::Result<()> {
        self.remove_part(id)?;
        remove(&self.note(id))
    }

    /// Where the bytes are.
    pub fn part(&self, id: UploadId) -> PathBuf {
        self.folder.join(format!("{id}.part"))
    }

    fn note(&self, id: UploadId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use backup_api::RepositoryId;
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn record(number: u128, offset: u64) -> Record {
        let upload = Upload {
            id: UploadId(Uuid::from_u128(number)),
            repository: RepositoryId(Uuid::nil()),
            file_name: "a.zip".to_owned(),
            length: 100,
            offset,
            expires_at: DateTime::UNIX_EPOCH,
        };
        Record { upload, metadata: String::new(), expired: false }
    }

    #[test]
    fn what_is_not_certain_is_cut_off_and_halves_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned());
        for (number, noted, written) in [(1, 10, 25), (2, 10, 4)] {
            journal.create(&record(number, noted)).unwrap();
            fs::write(journal.part(UploadId(Uuid::from_u128(number))), vec![7; written]).unwrap();
        }
        journal.create(&record(3, 0)).unwrap();
        fs::remove_file(journal.part(UploadId(Uuid::from_u128(3)))).unwrap();
        fs::write(journal.part(UploadId(Uuid::from_u128(4))), "no note").unwrap();
        fs::write(folder.path().join("5.json"), "half a no").unwrap();
        fs::write(folder.path().join("6.tmp"), "half").unwrap();
        let mut loaded = journal.load().unwrap();
        loaded.sort_by_key(|record| record.upload.id);
        let offsets: Vec<_> = loaded.iter().map(|record| record.upload.offset).collect();
        assert_eq!(offsets, [10, 4]);
        assert_eq!(fs::metadata(journal.part(loaded[0].upload.id)).unwrap().len(), 10);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
