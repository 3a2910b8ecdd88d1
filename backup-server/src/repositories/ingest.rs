//! Makes a backup: one snapshot, whole or not at all.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{Attachments, Backup, BackupFormat, Failure, FailureCode, RepositoryId};
use rustic_core::{
    BackupOptions, FileType, Id, IndexedFullStatus, ParentOptions, ReadSource, Repository, RusticResult,
    SnapshotGroupCriterion, WriteBackend, repofile::SnapshotFile,
};
use tokio_util::sync::CancellationToken;

use super::{
    announcement::{Announcement, Parent},
    backend,
    checksums::CHECKSUMS,
    content::{CUSTOM_DUMP, Content, Filestore, Finish, NewBackup, PLAIN_DUMP, ReportProgress, attachment_name},
    errors::{During, StorageError},
    gate::Gate,
    guarded::Announced,
    home::Home,
    inventory::{Inventory, Place},
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
        let Filestore { files: attachments, open: filestore, may_lack_files } = content.filestore;
        let (inventory, files) = Inventory::new(content.files, attachments, backup.format)?;
        let inventory = Arc::new(inventory);
        let repo = open(home, repository, &gate)?;
        let known = snapshots::all(&repo)?;
        if known.iter().any(|stored| stored.backup.id == backup.id) {
            return Err(StorageError::BackupExists(backup.id));
        }
        let parent = Parent::newest(&repo, &known, &inventory);
        let accounts = Accounts::new(&inventory, parent.fates);
        let ledger = Arc::new(Ledger::new(&inventory, accounts, Arc::clone(&gate), cancel, progress));
        let announcement = Announcement::new(&inventory, &ledger, files, filestore, may_lack_files, &backup)?;
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
        refuse_bare(&backup, may_lack_files, &accounts)?;
        let repo = open(home, repository, &gate)?;
        compare(&repo, &home.folder(repository), &snapshot, &inventory, &accounts)?;
        correct_size(&repo, home, repository, &gate, &mut snapshot)?;
        let backup = complete(repository, backup, &inventory, &accounts, gate.written())?;
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

/// Compares what lies in the repository with what was announced and read: every name, every size, every piece.
fn compare(
    repo: &Indexed,
    folder: &Path,
    snapshot: &SnapshotFile,
    inventory: &Inventory,
    accounts: &Accounts,
) -> Result<(), StorageError> {
    // What an earlier backup stored was not read: its packs must at least be there, and as long as they were.
    let packs: HashMap<Id, u32> = backend::list(folder, FileType::Pack).during("read")?.into_iter().collect();
    let is_there = |pack: &Id, end: u64| packs.get(pack).is_some_and(|size| end <= u64::from(*size));
    let mut expected = accounts.kept(inventory);
    snapshots::each_file(repo, &snapshots::root(repo, snapshot)?, |path, node| {
        let stored = snapshots::stored_size_where(repo, &node, is_there)?;
        if path == CHECKSUMS {
            return Ok(());
        }
        let size = expected.next().filter(|(place, _)| inventory.path(*place) == path).map(|(_, size)| size);
        if size == Some(stored) {
            return Ok(());
        }
        Err(StorageError::Damaged(format!("“{path}” was stored with {stored} bytes, expected {size:?}")))
    })?;
    match expected.next() {
        Some((place, _)) => Err(StorageError::Damaged(format!("“{}” was not stored", inventory.path(place)))),
        None => Ok(()),
    }
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

/// A live database whose files are all out of reach is no backup, though some may be missing.
fn refuse_bare(new: &NewBackup, may_lack_files: bool, accounts: &Accounts) -> Result<(), StorageError> {
    let expected = new.attachments.as_ref().map_or(0, |announced| announced.expected);
    if !may_lack_files || expected == 0 || accounts.have_attachments() {
        return Ok(());
    }
    let first = accounts.first_left_out.as_ref().map_or_else(String::new, |first| format!(" ({first})"));
    let message = format!(
        "None of the {expected} files that attachments refer to could be read{first}, so nothing was kept. See that the \
         filestore's disk is mounted and that the account that the backup server runs as may read it; or choose the format \
         dump, which holds the database alone."
    );
    Err(StorageError::Source(Failure { code: FailureCode::Source, message }))
}

fn complete(
    repository: RepositoryId,
    new: NewBackup,
    inventory: &Inventory,
    accounts: &Accounts,
    stored_bytes: u64,
) -> Result<Backup, StorageError> {
    let (Some(dump_bytes), Some(sha256)) = (accounts.size(inventory.dump(), inventory), accounts.dump_sha256) else {
        return Err(StorageError::Internal("the dump was not read".to_owned()));
    };
    let size_bytes = match new.format {
        BackupFormat::Zip => zip_length(inventory, accounts),
        BackupFormat::Dump => dump_bytes,
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
        attachments: new.attachments.map(|announced| count_attachments(announced, inventory, accounts)),
        odoo_version: new.odoo_version,
        postgres_version: new.postgres_version,
        comment: new.comment,
    })
}

/// Bytes of the stored zip, which begins with the files of low rank.
fn zip_length(inventory: &Inventory, accounts: &Accounts) -> u64 {
    let rank = |place| match place {
        Place::File(_) => rank(&inventory.path(place)),
        Place::Attachment(_) => LAST,
    };
    let length = |place| inventory.path(place).len();
    let mut first: Vec<_> = accounts
        .kept(inventory)
        .map(|(place, size)| (rank(place), length(place), size))
        .filter(|(rank, ..)| *rank < LAST)
        .collect();
    first.sort_unstable();
    let rest = accounts.kept(inventory).filter(|(place, _)| rank(*place) == LAST);
    let rest = rest.map(|(place, size)| (length(place), size));
    stored_length(first.into_iter().map(|(_, name, size)| (name, size)).chain(rest))
}

/// Names of missing files that are kept with a backup.
const NAMES_KEPT: usize = 100;

fn count_attachments(announced: Attachments, inventory: &Inventory, accounts: &Accounts) -> Attachments {
    let left_out = accounts.left_out().filter_map(|place| inventory.sha1(place)).take(NAMES_KEPT);
    let mut missing: Vec<_> =
        announced.missing.into_iter().chain(left_out.map(|sha1| attachment_name(&sha1))).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.truncate(NAMES_KEPT);
    let sizes = accounts.kept(inventory).filter(|(place, _)| matches!(place, Place::Attachment(_)));
    let (present, bytes) = sizes.fold((0, 0), |(count, bytes), (_, size)| (count + 1, bytes + size));
    Attachments { expected: announced.expected, present, bytes, missing }
}
