//! A look at the filestore: which files are there, and whether some of them can be read.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use backup_api::{Attachments, DatabaseName, Problem, ProblemCode};
use tokio_util::sync::CancellationToken;

use super::{super::words, NAMED, Wanted};
use crate::repositories::{Filestore, FilestoreFile, attachment_name};

/// Files that are opened at most: the first readable one of each of the 256 folders, and some that are not.
const TRIES: u64 = 1024;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Expected, present, bytes and the first missing.
    pub attachments: Attachments,
    /// The present ones.
    files: Vec<FilestoreFile>,
    /// Whether all were looked at in time.
    pub complete: bool,
    /// Files that may be there, but their folder does not let them be looked at.
    hidden: u64,
    tries: Tries,
    /// The first file that could not be looked at or read, and why.
    refused: Option<(String, io::Error)>,
}

/// Present files that were opened: what is there need not be readable.
#[derive(Debug, Default)]
struct Tries {
    made: u64,
    failed: u64,
    /// The folder in which one was read last.
    done: Option<u8>,
}

impl Wanted {
    /// Looks which of them are in the filestore; with `None`, none is. Opens one of each folder. Blocks. Ends early at
    /// the deadline or when cancelled.
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
            match filestore.map(|folder| (folder.join(&name), fs::metadata(folder.join(&name)))) {
                Some((path, Ok(file))) if file.is_file() => found.take(sha1, file.len(), &path, name),
                Some((_, Err(error))) => found.lack(name, Some(error)),
                _ => found.lack(name, None),
            }
        }
        found
    }
}

impl Found {
    fn take(&mut self, sha1: [u8; 20], size: u64, path: &Path, name: String) {
        self.attachments.present += 1;
        self.attachments.bytes += size;
        self.files.push(FilestoreFile { sha1, size });
        if self.tries.done == Some(sha1[0]) || self.tries.made >= TRIES {
            return;
        }
        self.tries.made += 1;
        // A file of a broken disk or of a server that lets nobody in may be opened all the same.
        match File::open(path).and_then(|mut file| file.read(&mut [0])) {
            Ok(_) => self.tries.done = Some(sha1[0]),
            Err(error) => {
                self.tries.failed += 1;
                self.refused.get_or_insert((name, error));
            }
        }
    }

    fn lack(&mut self, name: String, error: Option<io::Error>) {
        if let Some(error) = error.filter(|error| !is_absent(error)) {
            self.hidden += 1;
            self.refused.get_or_insert((name.clone(), error));
        }
        if self.attachments.missing.len() < NAMED {
            self.attachments.missing.push(name);
        }
    }

    /// Whether a file is there, after a look at distinct ones.
    pub fn has(&self, sha1: &[u8; 20]) -> bool {
        self.files.binary_search_by_key(sha1, |file| file.sha1).is_ok()
    }

    /// The present files, as content.
    pub fn into_filestore(self, folder: PathBuf) -> Filestore {
        Filestore {
            files: self.files,
            open: Arc::new(move |_, sha1| Ok(Box::new(File::open(folder.join(attachment_name(sha1)))?))),
            may_lack_files: true,
        }
    }

    /// What is wrong with the filestore as a whole, if anything.
    pub fn problem(&self, database: &DatabaseName, filestore: Option<&Path>) -> Option<Problem> {
        let Attachments { expected, present, .. } = self.attachments;
        let Some(folder) = filestore else {
            let message = format!(
                "No filestore folder is set, but the database has {expected} attachments in files, so that no zip can be \
                 made. Set the folder, usually …/filestore/{database}; or choose the format dump, which holds the \
                 database alone."
            );
            return (expected > 0).then(|| words::warn(ProblemCode::FilestoreNotSet, message));
        };
        match fs::read_dir(folder) {
            Err(error) => Some(folder_problem(&error, folder, expected)),
            Ok(_) if self.is_closed() => Some(self.closed(folder)),
            Ok(_) if present == expected || !self.complete => self.partly_closed(folder),
            Ok(_) if present == 0 => {
                let message = format!(
                    "The folder {} has none of the {expected} files that the database's attachments refer to: it is not \
                     this database's filestore, or its disk is not mounted. Set the folder that holds 00 to ff, usually \
                     …/filestore/{database}; a backup of format dump needs no filestore.",
                    folder.display()
                );
                Some(words::stop(ProblemCode::FilestoreMissing, message))
            }
            Ok(_) => Some(self.some_missing(folder)),
        }
    }

    /// Whether nothing could be read though something is there.
    fn is_closed(&self) -> bool {
        let Tries { made, failed, .. } = self.tries;
        if made > 0 { failed == made } else { self.attachments.present == 0 && self.hidden > 0 }
    }

    fn closed(&self, folder: &Path) -> Problem {
        let message = format!(
            "No file of the filestore {} can be read{}. Let the account that the backup server runs as (user {}) read all \
             of its folders and files, and look at the mount (root_squash of NFS) and the disk; a backup of format dump \
             needs no filestore.",
            folder.display(),
            self.why(),
            rustix::process::geteuid().as_raw()
        );
        words::stop(ProblemCode::FilestoreUnreadable, message)
    }

    fn partly_closed(&self, folder: &Path) -> Option<Problem> {
        let Tries { made, failed, .. } = self.tries;
        let message = format!(
            "Of {made} files in {} that were tried, {failed} cannot be read{}. Each backup names those that it could not \
             read; the rest is backed up. Let the account that the backup server runs as (user {}) read all of them.",
            folder.display(),
            self.why(),
            rustix::process::geteuid().as_raw()
        );
        (failed > 0).then(|| words::warn(ProblemCode::FilestoreUnreadable, message))
    }

    fn some_missing(&self, folder: &Path) -> Problem {
        let Attachments { expected, present, .. } = self.attachments;
        let message = format!(
            "{} of the {expected} files that attachments refer to are not in {}, or cannot be read there{}. Each backup \
             names them; the rest is backed up.",
            expected - present,
            folder.display(),
            self.why()
        );
        words::warn(ProblemCode::AttachmentsMissing, message)
    }

    fn why(&self) -> String {
        self.refused.as_ref().map_or_else(String::new, |(name, error)| format!(" ({name}: {error})"))
    }
}

/// Whether an error says that there is no such file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn folder_problem(error: &io::Error, folder: &Path, expected: u64) -> Problem {
    let shown = folder.display();
    let problem = if expected == 0 { words::warn } else { words::stop };
    if is_absent(error) {
        let message = format!(
            "There is no folder {shown} on the backup server. Check the path, and that its disk is mounted; a backup of \
             format dump needs no filestore."
        );
        return problem(ProblemCode::FilestoreMissing, message);
    }
    let message = format!(
        "The folder {shown} cannot be read: {error}. Give the backup server's account the right to read it and all folders \
         above it; a backup of format dump needs no filestore."
    );
    problem(ProblemCode::FilestoreUnreadable, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use backup_api::Severity;

    use super::{
        super::{parse_name, tests::NAME},
        *,
    };

    const OTHER: &str = "1c/1c2a8239bc7e06429116c40bc1d1334c621ca380";
    /// A regular file for whoever asks, but its first byte cannot be read, not even by root.
    const UNREADABLE: &str = "/proc/self/mem";

    fn look(folder: &Path, names: &[&str]) -> Found {
        let files = names.iter().map(|name| parse_name(name).unwrap()).collect();
        Wanted { files, ..Wanted::default() }.look(Some(folder), None, &CancellationToken::new())
    }

    fn problem(folder: &Path, names: &[&str]) -> Option<Problem> {
        look(folder, names).problem(&DatabaseName::parse("acme").unwrap(), Some(folder))
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

    #[test]
    fn files_that_are_there_but_cannot_be_read_are_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("1c")).unwrap();
        symlink(UNREADABLE, folder.path().join(NAME)).unwrap();
        symlink(UNREADABLE, folder.path().join(OTHER)).unwrap();
        let all = problem(folder.path(), &[NAME, OTHER]).unwrap();
        assert_eq!((all.code, all.severity), (ProblemCode::FilestoreUnreadable, Severity::Stop));
        assert!(all.message.contains(NAME) && all.message.contains("backup server runs as"), "{}", all.message);

        fs::remove_file(folder.path().join(OTHER)).unwrap();
        fs::write(folder.path().join(OTHER), "").unwrap();
        let some = problem(folder.path(), &[NAME, OTHER]).unwrap();
        assert_eq!((some.code, some.severity), (ProblemCode::FilestoreUnreadable, Severity::Warn));
        assert!(some.message.starts_with("Of 2 files in"), "{}", some.message);
        assert_eq!(problem(folder.path(), &[OTHER]), None, "an empty file is read");
    }

    #[test]
    fn folders_that_let_nobody_in_are_not_another_databases_filestore() {
        let folder = tempfile::tempdir().unwrap();
        symlink("1c", folder.path().join("1c")).unwrap();
        let closed = problem(folder.path(), &[NAME, OTHER]).unwrap();
        assert_eq!((closed.code, closed.severity), (ProblemCode::FilestoreUnreadable, Severity::Stop));
        assert!(!closed.message.contains("not this database's filestore"), "{}", closed.message);

        fs::create_dir(folder.path().join("ab")).unwrap();
        let open = format!("ab/{}", "ab".repeat(20));
        fs::write(folder.path().join(&open), "content").unwrap();
        let some = problem(folder.path(), &[NAME, &open]).unwrap();
        assert_eq!((some.code, some.severity), (ProblemCode::AttachmentsMissing, Severity::Warn));
        assert!(some.message.starts_with("1 of the 2 files") && some.message.contains(NAME), "{}", some.message);
    }

    #[test]
    fn the_look_opens_one_file_of_each_folder_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("1c")).unwrap();
        fs::write(folder.path().join(NAME), "content").unwrap();
        symlink(UNREADABLE, folder.path().join(OTHER)).unwrap();
        let found = look(folder.path(), &[NAME, OTHER]);
        assert_eq!((found.tries.made, found.tries.failed, found.attachments.present), (1, 0, 2));
    }
}
