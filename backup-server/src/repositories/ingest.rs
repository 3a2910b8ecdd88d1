//! Makes a backup: one snapshot, whole or not at all.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{Attachments, Backup, BackupFormat, RepositoryId};
use rustic_core::{
    BackupOptions, FileType, IndexedFullStatus, LsOptions, ParentOptions, ReadSource, ReadSourceEntry, Repository,
    RusticResult, SnapshotGroupCriterion, WriteBackend,
    jiff::Timestamp,
    repofile::{Metadata, Node, NodeType, SnapshotFile},
};
use tokio_util::sync::CancellationToken;

use super::{
    checksums::CHECKSUMS,
    content::{CUSTOM_DUMP, Content, ContentFile, FILESTORE, Finish, NewBackup, PLAIN_DUMP, ReportProgress},
    errors::{During, StorageError},
    gate::Gate,
    guarded::{Announced, Pending},
    home::Home,
    layout::{rank, stored_length},
    ledger::{Accounts, Ledger},
    seal,
    snapshots::{self, Stored},
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
        let (announced, entries) = announce(files, &backup, &parent, &ledger)?;
        let archived = archive(&repo, &backup, &parent, entries);
        drop(repo);

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
        let entries = compare(&repo, &snapshot, announced, &accounts)?;
        correct_size(&repo, home, repository, &gate, &mut snapshot)?;
        let backup = complete(repository, backup, &entries, &accounts, gate.written())?;
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

/// Sorted as the library needs it: by path component, depth first. Otherwise it makes a folder twice.
fn in_order(content: Content, format: BackupFormat) -> Result<Vec<ContentFile>, StorageError> {
    let mut files = content.files;
    files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    let bad = |path: &str| path == CHECKSUMS || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if let Some(file) = files.iter().find(|file| bad(&file.path)) {
        return Err(StorageError::Internal(format!("“{}” cannot be the name of a file in a backup", file.path)));
    }
    if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(StorageError::Internal(format!("“{}” was announced twice", pair[0].path)));
    }
    let dump = dump_name(format);
    if !files.iter().any(|file| file.path == dump && !file.may_be_missing) {
        return Err(StorageError::Internal(format!("no {dump} was announced")));
    }
    Ok(files)
}

pub(super) const fn dump_name(format: BackupFormat) -> &'static str {
    match format {
        BackupFormat::Zip => PLAIN_DUMP,
        BackupFormat::Dump => CUSTOM_DUMP,
    }
}

/// The newest backup that has files of attachments: those need not be read again.
#[derive(Default)]
struct Parent {
    snapshot: Option<String>,
    files: HashMap<String, (u64, u32)>,
}

impl Parent {
    fn newest(repo: &Indexed, known: &[Stored]) -> Result<Self, StorageError> {
        let newest = known
            .iter()
            .filter(|stored| stored.backup.format == BackupFormat::Zip)
            .max_by_key(|stored| stored.backup.created_at);
        let Some(newest) = newest else { return Ok(Self::default()) };
        let Some(sums) = snapshots::checksums(repo, &newest.snapshot)? else { return Ok(Self::default()) };
        let root = repo.node_from_snapshot_and_path(&newest.snapshot, FILESTORE);
        let Ok(root) = root else { return Ok(Self::default()) };
        let mut files = HashMap::new();
        for item in repo.ls(&root, &LsOptions::default()).during("read")? {
            let (path, node) = item.during("read")?;
            let path = format!("{FILESTORE}/{}", path.display());
            if node.is_file()
                && let Some(crc) = sums.get(&path)
            {
                files.insert(path, (node.meta.size, *crc));
            }
        }
        Ok(Self { snapshot: Some(newest.snapshot.id.to_hex().as_str().to_owned()), files })
    }

    fn crc_of(&self, file: &ContentFile) -> Option<u32> {
        file.sha1?;
        self.files.get(&file.path).filter(|(size, _)| file.size == Some(*size)).map(|(_, crc)| *crc)
    }
}

/// A file as it was announced.
struct Promise {
    path: String,
    size: Option<u64>,
    /// From the previous backup, when it need not be read.
    crc: Option<u32>,
}

type Entry = ReadSourceEntry<Announced>;

fn announce(
    files: Vec<ContentFile>,
    backup: &NewBackup,
    parent: &Parent,
    ledger: &Arc<Ledger>,
) -> Result<(Vec<Promise>, Vec<Entry>), StorageError> {
    let now = Timestamp::from_second(backup.created_at.timestamp())
        .map_err(|error| StorageError::Internal(format!("the backup's time is none: {error}")))?;
    let dump = dump_name(backup.format);
    let mut promises = Vec::with_capacity(files.len());
    let mut entries = Vec::with_capacity(files.len() + 1);
    for file in files {
        let crc = parent.crc_of(&file);
        let (path, size) = (file.path.clone(), file.size);
        // A file whose name tells its content has no time of its own: that is how the library knows it again.
        let time = if file.sha1.is_some() { Timestamp::UNIX_EPOCH } else { now };
        let node = node(&path, size.unwrap_or(0), time);
        let open = match crc {
            Some(_) => Announced::Known(Box::new(file), Arc::clone(ledger)),
            None => Announced::File(Box::new(Pending::new(file, path == dump, Arc::clone(ledger)))),
        };
        entries.push(Entry { path: PathBuf::from(&path), node, open: Some(open) });
        promises.push(Promise { path, size, crc });
    }
    if backup.format == BackupFormat::Zip {
        let known = promises.iter().filter_map(|promise| Some((promise.path.clone(), promise.crc?))).collect();
        let open = Some(Announced::Checksums(Arc::clone(ledger), known));
        entries.push(Entry { path: CHECKSUMS.into(), node: node(CHECKSUMS, 0, now), open });
    }
    Ok((promises, entries))
}

fn node(path: &str, size: u64, time: Timestamp) -> Node {
    let name = path.rsplit('/').next().unwrap_or(path);
    let meta = Metadata { mode: Some(0o644), mtime: Some(time), size, ..Metadata::default() };
    Node::new_node(name.as_ref(), NodeType::File, meta)
}

/// Hands the entries to the library, once.
struct Source(Mutex<Vec<Entry>>);

impl ReadSource for Source {
    type Open = Announced;
    type Iter = std::iter::Map<std::vec::IntoIter<Entry>, fn(Entry) -> RusticResult<Entry>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().map(Ok)
    }
}

/// Reads everything into the repository. The gate is closed: no snapshot comes of it yet.
fn archive(
    repo: &Indexed,
    backup: &NewBackup,
    parent: &Parent,
    entries: Vec<Entry>,
) -> Result<SnapshotFile, StorageError> {
    let mut parents =
        ParentOptions::default().group_by(SnapshotGroupCriterion::new()).ignore_ctime(true).ignore_inode(true);
    match &parent.snapshot {
        Some(snapshot) => parents.parents = vec![snapshot.clone()],
        None => parents.force = true,
    }
    let options = BackupOptions::default().no_scan(true).parent_opts(parents);
    let snapshot = snapshots::begin(backup)?;
    repo.archive(&options, &Source(Mutex::new(entries)), snapshot, &[PathBuf::from("/")]).during("written")
}

/// A file as it is in the repository.
pub(super) struct Kept {
    pub(super) path: String,
    pub(super) size: u64,
}

/// Compares what lies in the repository with what was announced and read: every name, every size, every piece.
fn compare(
    repo: &Indexed,
    snapshot: &SnapshotFile,
    promises: Vec<Promise>,
    accounts: &Accounts,
) -> Result<Vec<Kept>, StorageError> {
    let read: HashMap<&str, u64> = accounts.read.iter().map(|file| (file.path.as_str(), file.size)).collect();
    let missing: std::collections::HashSet<&str> = accounts.missing.iter().map(String::as_str).collect();
    let mut expected = promises.into_iter().filter(|promise| !missing.contains(promise.path.as_str()));
    let mut kept = Vec::new();
    for (path, node) in snapshots::files(repo, snapshot)? {
        let stored = snapshots::stored_size(repo, &node)?;
        if path == CHECKSUMS {
            continue;
        }
        let promise = expected.next().filter(|promise| promise.path == path);
        let size = promise.and_then(|promise| read.get(path.as_str()).copied().or(promise.size));
        if size != Some(stored) {
            return Err(StorageError::Damaged(format!("“{path}” was stored with {stored} bytes, expected {size:?}")));
        }
        kept.push(Kept { path, size: stored });
    }
    match expected.next() {
        Some(promise) => Err(StorageError::Damaged(format!("“{}” was not stored", promise.path))),
        None => Ok(kept),
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

fn complete(
    repository: RepositoryId,
    new: NewBackup,
    kept: &[Kept],
    accounts: &Accounts,
    stored_bytes: u64,
) -> Result<Backup, StorageError> {
    let dump = dump_name(new.format);
    let counted = accounts.read.iter().find(|file| file.path == dump);
    let Some((dump_bytes, sha256)) = counted.and_then(|counted| Some((counted.size, counted.sha256?))) else {
        return Err(StorageError::Internal("the dump was not read".to_owned()));
    };
    let size_bytes = match new.format {
        BackupFormat::Zip => {
            let mut files: Vec<_> = kept.iter().map(|file| (file.path.as_str(), file.size)).collect();
            files.sort_by_key(|(name, _)| rank(name));
            stored_length(files)
        }
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
        attachments: new.attachments.map(|announced| count_attachments(announced, kept, accounts)),
        odoo_version: new.odoo_version,
        postgres_version: new.postgres_version,
        comment: new.comment,
    })
}

/// Names of missing files that are kept with a backup.
const NAMES_KEPT: usize = 100;

fn count_attachments(announced: Attachments, kept: &[Kept], accounts: &Accounts) -> Attachments {
    let prefix = format!("{FILESTORE}/");
    let present: Vec<_> = kept.iter().filter(|file| file.path.starts_with(&prefix)).collect();
    let gone = accounts.missing.iter().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned);
    let mut missing: Vec<_> = announced.missing.into_iter().chain(gone).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.truncate(NAMES_KEPT);
    Attachments {
        expected: announced.expected,
        present: present.len() as u64,
        bytes: present.iter().map(|file| file.size).sum(),
        missing,
    }
}
