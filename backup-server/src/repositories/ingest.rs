//! Makes a backup: one snapshot, whole or not at all.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{Attachments, Backup, BackupFormat, RepositoryId};
use rustic_core::{
    BackupOptions, FileType, IndexedFullStatus, ParentOptions, ReadSource, Repository, RusticResult,
    SnapshotGroupCriterion, WriteBackend, repofile::SnapshotFile,
};
use tokio_util::sync::CancellationToken;

use super::{
    announcement::{Announcement, Parent, in_order},
    checksums::CHECKSUMS,
    content::{CUSTOM_DUMP, Content, FILESTORE, Finish, NewBackup, PLAIN_DUMP, ReportProgress},
    errors::{During, StorageError},
    gate::Gate,
    guarded::{Announced, Promise},
    home::Home,
    layout::{LAST, rank, stored_length},
    ledger::{Accounts, Ledger},
    seal, snapshots,
};

type Indexed = Repository<IndexedFullStatus>;

/// All that a backup is made from.
pub(super) struct Ingest {
    pub(super) repository: RepositoryId,
    pub(super) backup: NewBackup,
    pub(super) content: Content,
    pub(super) finish: Finish,
    pub(super) progress: ReportProgress,
    pub(super) cancel: CancellationToken,
    pub(super) gate: Arc<Gate>,
}

impl Ingest {
    /// Does it. Blocks.
    pub(super) fn run(self, home: &Home) -> Result<Backup, StorageError> {
        let Self { repository, backup, content, finish, progress, cancel, gate } = self;
        let files = in_order(content, backup.format)?;
        let repo = open(home, repository, &gate)?;
        let known = snapshots::all(&repo)?;
        if known.iter().any(|stored| stored.backup.id == backup.id) {
            return Err(StorageError::BackupExists(backup.id));
        }
        let parent = Parent::newest(&repo, &known)?;
        let ledger = Arc::new(Ledger::new(Arc::clone(&gate), cancel, progress));
        let announcement = Announcement::new(files, &backup, &parent, &ledger)?;
        let promises = Arc::clone(&announcement.promises);
        let archived = archive(&repo, &backup, parent.snapshot, announcement);
        drop((repo, known));

        // Asked in any case, so that a child process is reaped; what went wrong first is what counts.
        let verdict = finish();
        ledger.must_stop();
        match (gate.check(), verdict) {
            (Err(StorageError::Source(_)) | Ok(()), Err(verdict)) => {
                return Err(StorageError::Source(verdict));
            }
            (Err(failure), _) => return Err(failure),
            (Ok(()), Ok(())) => {}
        }
        let mut snapshot = archived?;
        ledger.report_verifying();
        let accounts = ledger.close();
        let repo = open(home, repository, &gate)?;
        let kept = compare(&repo, &snapshot, &promises, &accounts)?;
        correct_size(&repo, home, repository, &gate, &mut snapshot)?;
        let backup = complete(repository, backup, &kept, accounts, gate.written())?;
        snapshots::describe(&mut snapshot, &backup)?;
        ledger.must_stop();
        gate.check()?;
        gate.open();
        match repo.save_snapshots(vec![snapshot]).during("written").and_then(|()| gate.check()) {
            Ok(()) => Ok(backup),
            Err(error) => {
                withdraw(&repo, &backup);
                Err(gate.check().err().unwrap_or(error))
            }
        }
    }
}

/// A snapshot may be there although writing it failed: what is reported as failed must not be found later.
fn withdraw(repo: &Indexed, backup: &Backup) {
    if let Ok(stored) = snapshots::find(repo, backup.id)
        && let Err(error) = repo.delete_snapshots(&[stored.snapshot.id])
    {
        tracing::error!(backup.id = %backup.id, "A failed backup could not be removed: {}", error.display_log());
    }
}

fn open(home: &Home, repository: RepositoryId, gate: &Arc<Gate>) -> Result<Indexed, StorageError> {
    home.open_repository(repository, gate)?.to_indexed().during("read")
}

pub(super) const fn dump_name(format: BackupFormat) -> &'static str {
    match format {
        BackupFormat::Zip => PLAIN_DUMP,
        BackupFormat::Dump => CUSTOM_DUMP,
    }
}

/// Hands the announcement to the library, once.
struct Source(Mutex<Option<Announcement>>);

impl ReadSource for Source {
    type Open = Announced;
    type Iter = std::iter::Flatten<std::option::IntoIter<Announcement>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().into_iter().flatten()
    }
}

/// Reads everything into the repository. The gate is closed: no snapshot comes of it yet.
fn archive(
    repo: &Indexed,
    backup: &NewBackup,
    parent: Option<String>,
    announcement: Announcement,
) -> Result<SnapshotFile, StorageError> {
    let mut parents =
        ParentOptions::default().group_by(SnapshotGroupCriterion::new()).ignore_ctime(true).ignore_inode(true);
    match parent {
        Some(snapshot) => parents.parents = vec![snapshot],
        None => parents.force = true,
    }
    let options = BackupOptions::default().no_scan(true).parent_opts(parents);
    let snapshot = snapshots::begin(backup)?;
    repo.archive(&options, &Source(Mutex::new(Some(announcement))), snapshot, &[PathBuf::from("/")]).during("written")
}

/// What is in the repository, by length of name and size: first what a zip begins with, then the rest in order.
#[derive(Default)]
struct Kept {
    first: Vec<(u8, usize, u64)>,
    rest: Vec<(usize, u64)>,
    attachments: u64,
    attachment_bytes: u64,
}

/// Compares what lies in the repository with what was announced and read: every name, every size, every piece.
fn compare(
    repo: &Indexed,
    snapshot: &SnapshotFile,
    promises: &[Promise],
    accounts: &Accounts,
) -> Result<Kept, StorageError> {
    let mut read: Vec<(u32, u64)> = accounts.read.iter().map(|counted| (counted.place, counted.size)).collect();
    read.sort_unstable();
    let size_read = |place| read.binary_search_by_key(&place, |(place, _)| *place).ok().map(|at| read[at].1);
    let missing: HashSet<&str> = accounts.missing.iter().map(String::as_str).collect();
    let mut expected = promises.iter().zip(0..).filter(|(promise, _)| !missing.contains(&*promise.path()));
    let mut kept = Kept::default();
    snapshots::each_file(repo, &snapshots::root(repo, snapshot)?, |path, node| {
        let stored = snapshots::stored_size(repo, &node)?;
        if path == CHECKSUMS {
            return Ok(());
        }
        let promise = expected.next().filter(|(promise, _)| promise.path() == path);
        let size = promise.and_then(|(promise, place)| size_read(place).or(promise.size));
        if size != Some(stored) {
            return Err(StorageError::Damaged(format!("“{path}” was stored with {stored} bytes, expected {size:?}")));
        }
        match rank(path) {
            LAST => kept.rest.push((path.len(), stored)),
            rank => kept.first.push((rank, path.len(), stored)),
        }
        if path.strip_prefix(FILESTORE).is_some_and(|rest| rest.starts_with('/')) {
            kept.attachments += 1;
            kept.attachment_bytes += stored;
        }
        Ok(())
    })?;
    if let Some((promise, _)) = expected.next() {
        return Err(StorageError::Damaged(format!("“{}” was not stored", promise.path())));
    }
    kept.first.sort_unstable();
    Ok(kept)
}

/// Writes the root folder again with the sizes that were not known beforehand. The library records the size of a stream
/// as 0, and stock restic restores a file with size 0 as an empty one.
fn correct_size(
    repo: &Indexed,
    home: &Home,
    repository: RepositoryId,
    gate: &Arc<Gate>,
    snapshot: &mut SnapshotFile,
) -> Result<(), StorageError> {
    let mut root = repo.get_tree(&snapshot.tree).during("read")?;
    let mut changed = false;
    for node in root.nodes.iter_mut().filter(|node| node.is_file()) {
        let size = snapshots::stored_size(repo, node)?;
        changed |= std::mem::replace(&mut node.meta.size, size) != size;
    }
    if !changed {
        return Ok(());
    }
    let packed = seal::pack_tree(&home.keys(repository)?.master, &root)?;
    let backend = home.backend(repository, gate);
    backend
        .write_bytes(FileType::Pack, &packed.pack.id, true, packed.pack.bytes.into())
        .and_then(|()| backend.write_bytes(FileType::Index, &packed.index.id, true, packed.index.bytes.into()))
        .during("written")?;
    snapshot.tree = packed.tree.into();
    Ok(())
}

fn complete(
    repository: RepositoryId,
    new: NewBackup,
    kept: &Kept,
    accounts: Accounts,
    stored_bytes: u64,
) -> Result<Backup, StorageError> {
    let first = kept.first.iter().map(|(_, name, size)| (*name, *size));
    let (dump_bytes, size_bytes) = match new.format {
        BackupFormat::Zip => {
            let dump = kept.first.first().map(|(_, _, size)| *size);
            (dump, stored_length(first.chain(kept.rest.iter().copied())))
        }
        BackupFormat::Dump => {
            let dump = kept.rest.first().map(|(_, size)| *size);
            (dump, dump.unwrap_or(0))
        }
    };
    let (Some(dump_bytes), Some(sha256)) = (dump_bytes, accounts.dump_sha256) else {
        return Err(StorageError::Internal("the dump was not read".to_owned()));
    };
    Ok(Backup {
        id: new.id,
        repository,
        created_at: new.created_at,
        file_name: new.file_name(),
        database: new.database,
        format: new.format,
        size_bytes,
        stored_bytes,
        dump_sha256: hex::encode(sha256),
        dump_bytes,
        attachments: new.attachments.map(|announced| count_attachments(announced, kept, accounts.missing)),
        odoo_version: new.odoo_version,
        postgres_version: new.postgres_version,
        comment: new.comment,
    })
}

/// Names of missing files that are kept with a backup.
const NAMES_KEPT: usize = 100;

fn count_attachments(announced: Attachments, kept: &Kept, missing: Vec<String>) -> Attachments {
    let short = |path: String| path.strip_prefix(FILESTORE).unwrap_or(&path).trim_start_matches('/').to_owned();
    let mut missing: Vec<_> = announced.missing.into_iter().chain(missing.into_iter().map(short)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.truncate(NAMES_KEPT);
    let (present, bytes) = (kept.attachments, kept.attachment_bytes);
    Attachments { expected: announced.expected, present, bytes, missing }
}
