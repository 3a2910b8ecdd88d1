//! The files that a database's attachments refer to.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use backup_api::{Attachments, DatabaseName, Problem, ProblemCode};
use futures::TryStreamExt;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::words;
use crate::repositories::{Filestore, FilestoreFile, attachment_name};

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

/// A look at the filestore.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Expected, present, bytes and the first missing.
    pub attachments: Attachments,
    /// The present ones.
    files: Vec<FilestoreFile>,
    /// Whether all were looked at in time.
    pub complete: bool,
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

    /// Looks which of them are in the filestore; with `None`, none is. Blocks. Ends early at the deadline or when
    /// cancelled.
    pub fn look(self, filestore: Option<&Path>, deadline: Option<Instant>, cancel: &CancellationToken) -> Found {
        let mut found = Found { complete: true, ..Found::default() };
        found.attachments.expected = self.count();
        found.attachments.missing = self.strange_names;
        for sha1 in self.files {
            if cancel.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() > deadline) {
                found.complete = false;
                return found;
            }
            let name = attachment_name(&sha1);
            let file = filestore.and_then(|folder| fs::metadata(folder.join(&name)).ok()).filter(fs::Metadata::is_file);
            if let Some(file) = file {
                found.attachments.present += 1;
                found.attachments.bytes += file.len();
                found.files.push(FilestoreFile { sha1, size: file.len() });
            } else if found.attachments.missing.len() < NAMED {
                found.attachments.missing.push(name);
            }
        }
        found
    }
}

impl Found {
    /// Whether a file is there, after a look at distinct ones.
    pub fn has(&self, sha1: &[u8; 20]) -> bool {
        self.files.binary_search_by_key(sha1, |file| file.sha1).is_ok()
    }

    /// The present files, as content.
    pub fn into_filestore(self, folder: PathBuf) -> Filestore {
        Filestore {
            files: self.files,
            open: Arc::new(move |_, sha1| Ok(Box::new(fs::File::open(folder.join(attachment_name(sha1)))?))),
            may_lack_files: true,
        }
    }

    /// What is wrong with the filestore as a whole, if anything.
    pub fn problem(&self, database: &DatabaseName, filestore: Option<&Path>) -> Option<Problem> {
        let Attachments { expected, present, .. } = self.attachments;
        let Some(folder) = filestore else {
            let message = format!(
                "No filestore folder is set, but the database has {expected} attachments in files. They will be missing \
                 from every backup. Set the folder, usually …/filestore/{database}."
            );
            return (expected > 0).then(|| words::warn(ProblemCode::FilestoreNotSet, message));
        };
        let shown = folder.display();
        match fs::read_dir(folder) {
            Err(error) => Some(folder_problem(&error, folder, expected)),
            Ok(_) if !self.complete || present == expected => None,
            Ok(_) if present == 0 => {
                let message = format!(
                    "The folder {shown} has none of the {expected} files that the database's attachments refer to: it is \
                     not this database's filestore. Set the folder that holds 00 to ff, usually …/filestore/{database}; \
                     a backup of format dump needs no filestore."
                );
                Some(words::stop(ProblemCode::FilestoreMissing, message))
            }
            Ok(_) => {
                let missing = expected - present;
                let message = format!(
                    "{missing} of the {expected} files that attachments refer to are not in {shown}, or cannot be read \
                     there. Each backup names them; the rest is backed up."
                );
                Some(words::warn(ProblemCode::AttachmentsMissing, message))
            }
        }
    }
}

fn folder_problem(error: &io::Error, folder: &Path, expected: u64) -> Problem {
    let shown = folder.display();
    let problem = if expected == 0 { words::warn } else { words::stop };
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => problem(
            ProblemCode::FilestoreMissing,
            format!("There is no folder {shown} on the backup server. Check the path, and that its disk is mounted."),
        ),
        _ => problem(
            ProblemCode::FilestoreUnreadable,
            format!(
                "The folder {shown} cannot be read: {error}. Give the backup server's account the right to read it and \
                 all folders above it."
            ),
        ),
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
    use std::io::Read;

    use super::*;

    const NAME: &str = "1c/1c2a8239bc7e06429116c40bc1d1334c621ca379";

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

    #[test]
    fn missing_and_strange_files_are_counted_and_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("1c")).unwrap();
        fs::write(folder.path().join(NAME), "content").unwrap();
        let gone = [0xab; 20];
        let wanted = Wanted {
            files: vec![parse_name(NAME).unwrap(), gone],
            strange: 1,
            strange_names: vec!["../x".to_owned()],
            ..Wanted::default()
        };
        let found = wanted.look(Some(folder.path()), None, &CancellationToken::new());
        assert_eq!((found.attachments.expected, found.attachments.present, found.attachments.bytes), (3, 1, 7));
        assert_eq!(found.attachments.missing, ["../x".to_owned(), attachment_name(&gone)]);
        let database = DatabaseName::parse("acme").unwrap();
        let problem = found.problem(&database, Some(folder.path())).unwrap();
        assert_eq!(problem.code, ProblemCode::AttachmentsMissing);
        let filestore = found.into_filestore(folder.path().to_owned());
        let file = FilestoreFile { sha1: parse_name(NAME).unwrap(), size: 7 };
        assert_eq!(filestore.files, [file]);
        let mut content = String::new();
        (filestore.open)(0, &file.sha1).unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
    }
}
