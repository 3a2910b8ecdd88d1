//! What is handed to [`super::Repositories::ingest`]: the files of a backup, each to be opened when its turn comes.

use std::{io, sync::Arc};

use backup_api::{Attachments, BackupFormat, BackupId, DatabaseName, Failure, Phase, Progress};
use chrono::{DateTime, Utc};

/// Name of the database in a [`BackupFormat::Zip`] backup.
pub const PLAIN_DUMP: &str = "dump.sql";
/// Name of the database in a [`BackupFormat::Dump`] backup.
pub const CUSTOM_DUMP: &str = "database.dump";
/// Odoo's description of a backup.
pub const MANIFEST: &str = "manifest.json";
/// Folder of the attachments' files.
pub const FILESTORE: &str = "filestore";

/// All that will be stored, announced before anything is read.
pub struct Content {
    /// `database.dump`, or `dump.sql` and `manifest.json`, in any order.
    pub files: Vec<ContentFile>,
    /// The files of attachments.
    pub filestore: Filestore,
}

/// One file of a [`Content`].
pub struct ContentFile {
    /// Its path in the backup, with `/`.
    pub path: String,
    /// Exact bytes where known beforehand; `None` for streams such as `pg_dump`'s.
    pub size: Option<u64>,
    /// Opens it; called at most once, on a thread where blocking is allowed.
    pub open: OpenContent,
}

/// The files of attachments. There may be a million of them, so they are told by nothing but their names and sizes.
pub struct Filestore {
    /// Sorted by name, each once.
    pub files: Vec<FilestoreFile>,
    /// Opens each at most once, by its place in `files` and its name, on a thread where blocking is allowed.
    pub open: OpenFilestore,
    /// One that cannot be opened or read, or has other content than its name says, is left out and reported instead of
    /// failing the backup: the files of a live database.
    pub may_lack_files: bool,
}

/// A file `filestore/xx/<sha1>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilestoreFile {
    /// Its name, and the SHA-1 that it must have. It is verified while reading; a file that the previous backup holds
    /// under the same name and size is not read again.
    pub sha1: [u8; 20],
    /// Exact bytes.
    pub size: u64,
}

impl Content {
    /// The database alone.
    pub fn without_filestore(files: Vec<ContentFile>) -> Self {
        Self { files, filestore: Filestore::empty() }
    }
}

impl Filestore {
    /// Whether it holds a file of this name.
    pub fn has(&self, sha1: &[u8; 20]) -> bool {
        self.files.binary_search_by_key(sha1, |file| file.sha1).is_ok()
    }

    /// No files.
    pub fn empty() -> Self {
        Self { files: Vec::new(), open: Arc::new(|_, _| Err(io::ErrorKind::NotFound.into())), may_lack_files: false }
    }
}

/// The SHA-1 in `filestore/xx/<sha1>`, lower case as Odoo writes it.
pub fn attachment_sha1(path: &str) -> Option<[u8; 20]> {
    let (folder, sha1) = path.strip_prefix(FILESTORE)?.strip_prefix('/')?.split_once('/')?;
    let is_odoos = sha1.len() == 40 && sha1.starts_with(folder) && folder.len() == 2;
    if !is_odoos || sha1.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; 20];
    hex::decode_to_slice(sha1, &mut bytes).ok()?;
    Some(bytes)
}

/// `xx/<sha1>`, as the database names an attachment's file.
pub fn attachment_name(sha1: &[u8; 20]) -> String {
    let digits = hex::encode(sha1);
    format!("{}/{digits}", &digits[..2])
}

/// The reverse of [`attachment_sha1`].
pub fn attachment_path(sha1: &[u8; 20]) -> String {
    format!("{FILESTORE}/{}", attachment_name(sha1))
}

/// Opens one file.
pub type OpenContent = Box<dyn FnOnce() -> io::Result<Box<dyn io::Read + Send>> + Send>;

/// Opens a file of a [`Filestore`].
pub type OpenFilestore = Arc<dyn Fn(usize, &[u8; 20]) -> io::Result<Box<dyn io::Read + Send>> + Send + Sync>;

/// The source's verdict, asked after the last byte of the dump and before the backup exists: `pg_dump`'s exit status, the
/// "database dump complete" line, `pg_restore`'s opinion. An error means that there is no backup.
pub type Finish = Box<dyn FnOnce() -> Result<(), Failure> + Send>;

/// Hears how far the work is; called from several threads, at most about ten times a second.
pub type ReportProgress = Arc<dyn Fn(Phase, Progress) + Send + Sync>;

/// A backup to be made: a [`backup_api::Backup`] without what is known only afterwards.
#[derive(Clone, Debug)]
pub struct NewBackup {
    /// Its identity.
    pub id: BackupId,
    /// When it is made.
    pub created_at: DateTime<Utc>,
    /// The database that it is made of.
    pub database: DatabaseName,
    /// What it holds.
    pub format: BackupFormat,
    /// The files that the database refers to, and those that are missing already; `present` and `bytes` are counted.
    pub attachments: Option<Attachments>,
    /// Odoo's version, such as `18.0`.
    pub odoo_version: Option<String>,
    /// The PostgreSQL server's version.
    pub postgres_version: Option<String>,
    /// Kept with it.
    pub comment: String,
}

impl NewBackup {
    /// `<database>_<UTC time>.zip` or `.dump`, as Odoo names its downloads.
    pub fn file_name(&self) -> String {
        format!("{}_{}.{}", self.database, self.created_at.format("%Y-%m-%d_%H-%M-%S"), self.format.as_str())
    }
}
