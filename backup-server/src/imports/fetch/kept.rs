//! What a fetch keeps on disk, so that a restart of the server goes on with it: `<job>.part` with the bytes, `<job>.json`
//! with what is known of them. The URL in it is sealed, for it may be a secret.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use backup_api::{BackupFormat, Failure, FailureCode, JobId, RepositoryId, StartImport};
use serde::{Deserialize, Serialize};

use crate::{
    durable, seal,
    sources::{Sink, Staging},
};

/// The folder of fetches.
#[derive(Clone)]
pub(crate) struct Fetches {
    folder: PathBuf,
    key: [u8; 32],
}

/// One fetch on disk.
pub(crate) struct Kept {
    folder: PathBuf,
    note: Note,
}

#[derive(Clone, Serialize, Deserialize)]
struct Note {
    job: JobId,
    repository: RepositoryId,
    /// What was asked, sealed.
    sealed: String,
    known: Known,
}

/// What is known of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Bytes in all, where they were told.
    pub total: Option<u64>,
    /// What an answer must still be made of, for the rest to fit to what is here.
    pub validator: Option<String>,
    /// What it is called here; empty before the first answer.
    pub name: String,
    /// What it is called where it comes from.
    pub original: String,
    /// By the name, or by the beginning.
    pub format: Option<BackupFormat>,
    /// Bytes of it that are on disk for certain.
    pub certain: u64,
    /// Those are all.
    pub whole: bool,
}

impl Fetches {
    /// In an existing folder, under the server's key.
    pub fn new(folder: PathBuf, server_key: &[u8; 32]) -> Self {
        Self { folder, key: seal::key(server_key, "holdfast imports by url") }
    }

    /// Writes down what is to be fetched.
    pub async fn begin(&self, repository: RepositoryId, start: &StartImport) -> io::Result<Kept> {
        let sealed = seal::seal(&self.key, start.job, start).map_err(io::Error::other)?;
        let note = Note { job: start.job, repository, sealed, known: Known::default() };
        let kept = Kept { folder: self.folder.clone(), note };
        kept.write().await?;
        Ok(kept)
    }

    /// What the last process left, with what was asked. What cannot be gone on with is removed.
    pub fn load(&self) -> io::Result<Vec<(Kept, StartImport)>> {
        let (mut found, mut parts) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("part") => parts.push(path),
                Some("json") => {
                    if let Some(read) = self.read(&path) {
                        found.push(read);
                    } else {
                        tracing::error!("Removed {}, which is no note of a fetch of this server", path.display());
                        fs::remove_file(&path)?;
                    }
                }
                _ => fs::remove_file(&path)?,
            }
        }
        for part in parts {
            if found.iter().all(|(kept, _)| kept.part() != part) {
                fs::remove_file(&part)?;
            }
        }
        Ok(found)
    }

    /// Removes what is kept for a job that will not run.
    pub async fn forget(&self, job: JobId) {
        let folder = self.folder.clone();
        // A panic was told by its hook.
        drop(tokio::task::spawn_blocking(move || remove(&folder, job)).await);
    }

    fn read(&self, path: &Path) -> Option<(Kept, StartImport)> {
        let note: Note = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let start = seal::open(&self.key, note.job, &note.sealed)?;
        Some((Kept { folder: self.folder.clone(), note }, start))
    }
}

impl Kept {
    /// The job that fetches it.
    pub const fn job(&self) -> JobId {
        self.note.job
    }

    /// What the file is for.
    pub const fn repository(&self) -> RepositoryId {
        self.note.repository
    }

    /// Where its bytes are.
    pub fn part(&self) -> PathBuf {
        part(&self.folder, self.note.job)
    }

    pub(super) const fn known(&mut self) -> &mut Known {
        &mut self.note.known
    }

    /// Where its bytes go: behind those that are certain, if it can be found out whether the rest fits to them.
    pub(super) async fn open(&mut self, staging: &Staging) -> Result<Sink, Failure> {
        let file = self.file().map_err(|error| staging.failure(&error))?;
        let there = file.metadata().map_err(|error| staging.failure(&error))?.len();
        let known = self.known();
        if (known.validator.is_none() && !known.whole) || there < known.certain {
            known.certain = 0;
            known.whole = false;
        }
        Sink::behind(staging, file, known.certain).await
    }

    fn file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(self.part())
    }

    /// Writes down what is known, so that it survives a crash.
    pub(super) async fn save(&self) -> Result<(), Failure> {
        self.write().await.map_err(|error| unwritable(&error))
    }

    async fn write(&self) -> io::Result<()> {
        let (path, note) = (self.note_path(), self.note.clone());
        let writing = tokio::task::spawn_blocking(move || durable::write(&path, &serde_json::to_vec_pretty(&note)?));
        writing.await.map_err(io::Error::other).flatten()
    }

    /// Removes all of it.
    pub fn remove(self) {
        remove(&self.folder, self.note.job);
    }

    fn note_path(&self) -> PathBuf {
        note(&self.folder, self.note.job)
    }
}

fn part(folder: &Path, job: JobId) -> PathBuf {
    folder.join(format!("{job}.part"))
}

fn note(folder: &Path, job: JobId) -> PathBuf {
    folder.join(format!("{job}.json"))
}

fn remove(folder: &Path, job: JobId) {
    for path in [part(folder, job), note(folder, job)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "Could not remove {}; the next start does", path.display());
            }
            _ => {}
        }
    }
}

fn unwritable(error: &io::Error) -> Failure {
    let message = format!(
        "What is fetched could not be written down: {error}. Look at the disk of the data folder, then try again."
    );
    Failure { code: FailureCode::Storage, message }
}

#[cfg(test)]
mod tests {
    use backup_api::{BackupId, DatabaseName, ImportSource, Secret};
    use uuid::Uuid;

    use super::*;

    fn start(number: u128) -> StartImport {
        StartImport {
            job: JobId(Uuid::from_u128(number)),
            backup: BackupId(Uuid::nil()),
            from: ImportSource::Url { url: Secret::new("https://a.example/b.zip?sig=hunter2"), file_name: None },
            database: DatabaseName::parse("acme").unwrap(),
            comment: String::new(),
        }
    }

    #[tokio::test]
    async fn what_was_asked_is_sealed_and_found_again_under_the_same_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let fetches = Fetches::new(folder.path().to_owned(), &[7; 32]);
        let repository = RepositoryId(Uuid::nil());
        let mut kept = fetches.begin(repository, &start(1)).await.unwrap();
        kept.known().validator = Some("\"1\"".to_owned());
        kept.known().certain = 4;
        kept.save().await.unwrap();
        fs::write(kept.part(), b"12345").unwrap();
        fs::write(folder.path().join("2.part"), b"no note").unwrap();
        fs::write(folder.path().join("3.tmp"), b"half").unwrap();
        let text = fs::read_to_string(kept.note_path()).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("a.example"), "{text}");

        let [(mut found, asked)] = fetches.load().unwrap().try_into().ok().unwrap();
        assert_eq!((found.known().clone(), asked.from), (kept.known().clone(), start(1).from));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let staging = Staging::open(folder.path().join("staging"), 0).unwrap();
        assert_eq!(found.open(&staging).await.unwrap().bytes(), 4);
        found.known().certain = 40;
        assert_eq!(found.open(&staging).await.unwrap().bytes(), 0, "less is there than was noted");
        found.known().validator = None;
        found.known().certain = 2;
        assert_eq!(found.open(&staging).await.unwrap().bytes(), 0, "nobody could say whether the rest fits");
        fs::remove_dir(folder.path().join("staging")).unwrap();

        let other = Fetches::new(folder.path().to_owned(), &[8; 32]);
        assert!(other.load().unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
