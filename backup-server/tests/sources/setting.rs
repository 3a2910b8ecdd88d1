//! What the tests of sources share: settings, a way to read a source to its end, and programs that misbehave.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use backup_api::{BackupFormat, DatabaseName, Failure, Phase, Secret, Source};
use backup_server::{
    archives::Limits,
    repositories::{Filestore, ReportProgress, attachment_path},
    sources::{AddressPolicy, OpenedSource, PgTools, SourceFacts, SourceSettings, Sources, Staging, Timeouts},
};
use tempfile::TempDir;
use testbed::{Cluster, TinyDatabase, restore_fixture};
use tokio_util::sync::CancellationToken;

/// A database of the fixture, a staging folder, and settings that a test may change.
pub struct Setting {
    pub database: TinyDatabase,
    pub settings: SourceSettings,
    pub folder: TempDir,
    pub phases: Arc<Mutex<Vec<Phase>>>,
}

/// A source that was read to its end.
pub struct Read {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Sorted.
    pub paths: Vec<String>,
    pub vanished: Vec<String>,
    pub facts: SourceFacts,
}

impl Setting {
    /// Restores the fixture as a database of this name.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = restore_fixture(Cluster::shared(), name, folder.path()).unwrap();
        let staging = Staging::open(folder.path().join("staging"), 0).unwrap();
        let timeouts = Timeouts {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        };
        let settings = SourceSettings {
            staging,
            tools: PgTools::in_folders(&[Cluster::shared().bin().to_owned()]),
            addresses: AddressPolicy::for_sources(&[]).unwrap(),
            timeouts,
            limits: Limits { entries: 10_000, bytes: 1 << 30, ratio: 1000 },
        };
        Self { database, settings, folder, phases: Arc::default() }
    }

    pub fn sources(&self) -> Sources {
        Sources::new(self.settings.clone())
    }

    pub fn name(&self) -> DatabaseName {
        DatabaseName::parse(&self.database.name).unwrap()
    }

    /// The database, reached directly.
    pub fn direct(&self) -> Source {
        Source::Postgres {
            url: Secret::new(Cluster::shared().url()),
            database: self.name(),
            filestore: Some(self.database.filestore.display().to_string()),
            addons: Vec::new(),
        }
    }

    /// Keeps the phases.
    pub fn progress(&self) -> ReportProgress {
        let phases = Arc::clone(&self.phases);
        Arc::new(move |phase, _| {
            let mut phases = phases.lock().unwrap();
            if phases.last() != Some(&phase) {
                phases.push(phase);
            }
        })
    }

    pub async fn open(&self, source: &Source, format: BackupFormat) -> Result<OpenedSource, Failure> {
        self.sources().open(source, format, self.progress(), CancellationToken::new()).await
    }

    /// Opens a source and reads it to its end, as the storage does.
    pub async fn read(&self, source: &Source, format: BackupFormat) -> Result<Read, Failure> {
        read(self.open(source, format).await?).await
    }

    /// Makes `pg_dump` a script; the real one is `$REAL`.
    pub fn fake_pg_dump(&mut self, body: &str) {
        let real = Cluster::shared().bin().join("pg_dump");
        let text = format!(
            "#!/bin/sh\nREAL={real}\nif [ \"$1\" = --version ]; then exec $REAL --version; fi\n{body}\n",
            real = real.display()
        );
        self.use_program(&text);
    }

    /// Makes `pg_restore` a script; `pg_dump` is the real one.
    pub fn fake_pg_restore(&mut self, body: &str) {
        self.fake_pg_dump("exec $REAL \"$@\"");
        let pg_restore = self.folder.path().join("tools/pg_restore");
        fs::remove_file(&pg_restore).unwrap();
        write_program(&pg_restore, &format!("#!/bin/sh\n{body}\n"));
    }

    /// Makes `pg_dump` this script.
    pub fn use_program(&mut self, text: &str) {
        let folder = self.folder.path().join("tools");
        fs::create_dir_all(&folder).unwrap();
        write_program(&folder.join("pg_dump"), text);
        // It may be there from another program.
        let _ = std::os::unix::fs::symlink(Cluster::shared().bin().join("pg_restore"), folder.join("pg_restore"));
        self.settings.tools = PgTools::in_folders(&[folder]);
    }

    pub fn staged_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("staging")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        Cluster::shared().drop_database(&self.database.name).unwrap();
    }
}

/// Reads an opened source to its end on a blocking thread.
pub async fn read(opened: OpenedSource) -> Result<Read, Failure> {
    let OpenedSource { content, finish, facts, guard } = opened;
    tokio::task::spawn_blocking(move || {
        let mut read = Read { files: BTreeMap::new(), paths: Vec::new(), vanished: Vec::new(), facts };
        let mut broken = None;
        let Filestore { files, open, may_lack_files } = content.filestore;
        let of_filestore = files.into_iter().enumerate().map(|(place, file)| {
            let opened = open(place, &file.sha1);
            (attachment_path(&file.sha1), Some(file.size), opened, may_lack_files)
        });
        let single = content.files.into_iter().map(|file| (file.path, file.size, (file.open)(), false));
        for (path, size, opened, may_be_missing) in single.chain(of_filestore) {
            let mut bytes = Vec::new();
            match opened.and_then(|mut reader| io::Read::read_to_end(&mut reader, &mut bytes)) {
                Ok(_) => {
                    if let Some(size) = size {
                        assert_eq!(bytes.len() as u64, size, "{path}");
                    }
                    read.paths.push(path.clone());
                    read.files.insert(path, bytes);
                }
                Err(_) if may_be_missing => read.vanished.push(path),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        read.paths.sort_unstable();
        let verdict = finish();
        drop(guard);
        verdict?;
        assert!(broken.is_none(), "{broken:?} but the source says that all is well");
        Ok(read)
    })
    .await
    .unwrap()
}

/// Writes an executable file in one go, so that no other thread's child holds it open for writing when it is run.
fn write_program(path: &Path, text: &str) {
    let source = path.with_extension("text");
    fs::write(&source, text).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
    let status = std::process::Command::new("cp").arg("-p").arg(&source).arg(path).status().unwrap();
    assert!(status.success());
}
