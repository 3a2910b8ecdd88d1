//! What the tests of the API share: a served backup server, a database, jobs to their end.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use backup_api::{
    Backup, BackupFormat, BackupId, Client, DatabaseName, Job, JobId, JobState, RepositoryId, Secret, Source,
    StartBackup,
};
use backup_server::{BackupServer, Clock, Config};
use chrono::DateTime;
use futures::StreamExt;
use tempfile::TempDir;
use testbed::{Cluster, TinyDatabase, odoo::StandIn, restore_fixture};
use tokio::net::TcpListener;
use url::Url;
use uuid::Uuid;

pub const REPOSITORY: RepositoryId = RepositoryId(Uuid::from_u128(0xa));
pub const OTHER_REPOSITORY: RepositoryId = RepositoryId(Uuid::from_u128(0xb));

/// A backup server on a port of its own, in this process.
pub struct Served {
    pub client: Client,
    pub base: Url,
    pub server: BackupServer,
    pub data: PathBuf,
    /// Removed with the server, unless the test keeps it.
    pub folder: Option<TempDir>,
}

impl Served {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Self::start_in(&folder.path().join("data"), change).await;
        served.folder = Some(folder);
        served
    }

    /// Starts in a folder that the test keeps.
    pub async fn start_in(data: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(data);
        config.keep_free_mb = 0;
        config.grace_seconds = 0;
        config.pg_bin = vec![Cluster::shared().bin().to_owned()];
        change(&mut config);
        let server = BackupServer::start(config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(axum::serve(listener, server.router()).into_future());
        let client = Client::new(&base, server.token().clone()).unwrap();
        Self { client, base, server, data: data.to_owned(), folder: None }
    }

    pub fn staged(&self) -> Vec<PathBuf> {
        [files_in(&self.data.join("staging")), files_in(&self.data.join("fetches"))].concat()
    }

    /// Starts a backup under new identities and waits for its end.
    pub async fn backup(&self, repository: RepositoryId, source: &Source, format: BackupFormat) -> Job {
        run(&self.client, repository, &start(source, format)).await
    }

    /// A backup that must succeed.
    pub async fn made(&self, repository: RepositoryId, source: &Source, format: BackupFormat) -> Backup {
        let job = self.backup(repository, source, format).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
        job.backup.unwrap()
    }
}

/// A request for a backup under new identities.
pub fn start(source: &Source, format: BackupFormat) -> StartBackup {
    StartBackup {
        job: JobId(Uuid::new_v4()),
        backup: BackupId(Uuid::new_v4()),
        source: source.clone(),
        format,
        comment: "before the upgrade".to_owned(),
    }
}

/// Starts a backup and follows it to its end.
pub async fn run(client: &Client, repository: RepositoryId, start: &StartBackup) -> Job {
    client.start_backup(repository, start).await.unwrap();
    until(client, start.job, |job| job.state.is_final()).await
}

/// Follows a job until it is as wanted; panics when it ends otherwise, or does not get there in two minutes.
pub async fn until(client: &Client, job: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
    let mut last = None;
    let following = async {
        let mut events = std::pin::pin!(client.job_events(job).await.unwrap());
        while let Some(job) = events.next().await {
            let job = job.unwrap();
            if wanted(&job) {
                return Some(job);
            }
            last = Some(job);
        }
        None
    };
    match tokio::time::timeout(Duration::from_mins(2), following).await {
        Ok(Some(job)) => job,
        Ok(None) => panic!("the job ended otherwise: {last:?}"),
        Err(elapsed) => panic!("the job does not get there, {elapsed}: {last:?}"),
    }
}

/// The log of a job as text.
pub async fn log_of(client: &Client, job: JobId) -> String {
    let lines = client.job_log(job).await.unwrap();
    let lines = lines.into_iter().map(|line| format!("{:?} {}", line.level, line.message));
    lines.collect::<Vec<_>>().join("\n")
}

/// A database of the fixture; dropped at the end.
pub struct Origin {
    pub database: TinyDatabase,
    pub folder: TempDir,
}

impl Origin {
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = restore_fixture(Cluster::shared(), name, folder.path()).unwrap();
        Self { database, folder }
    }

    pub fn name(&self) -> DatabaseName {
        DatabaseName::parse(&self.database.name).unwrap()
    }

    pub fn direct(&self) -> Source {
        self.direct_through(&Cluster::shared().url())
    }

    pub fn direct_through(&self, url: &str) -> Source {
        Source::Postgres {
            url: Secret::new(url),
            database: self.name(),
            filestore: Some(self.database.filestore.display().to_string()),
            addons: Vec::new(),
        }
    }

    pub fn odoo(&self) -> StandIn {
        StandIn::start(Cluster::shared(), self.folder.path(), testbed::odoo::Options::default()).unwrap()
    }

    pub fn through(&self, odoo: &StandIn) -> Source {
        Source::OdooHttp {
            url: odoo.url(),
            database: self.name(),
            master_password: Secret::new(odoo.master_password()),
        }
    }

    /// The attachments' files by name, those that the database refers to.
    pub fn attachments(&self) -> BTreeMap<String, Vec<u8>> {
        let sql = "SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL ORDER BY 1";
        let names = Cluster::shared().sql(&self.database.name, sql).unwrap();
        names.lines().map(|name| (name.to_owned(), fs::read(self.database.filestore.join(name)).unwrap())).collect()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        Cluster::shared().drop_database(&self.database.name).unwrap();
    }
}

/// Every table and how many rows it has, as a question to a database.
pub const ROW_COUNTS: &str = "SELECT table_schema || '.' || table_name, (xpath('/row/c/text()', query_to_xml(format(\
     'SELECT count(*) AS c FROM %I.%I', table_schema, table_name), false, true, '')))[1]::text \
     FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
     AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

/// Every table and how many rows it has.
pub fn row_counts(database: &str) -> String {
    Cluster::shared().sql(database, ROW_COUNTS).unwrap()
}

/// A new empty database; dropped at the end.
pub struct Restored(pub String);

impl Restored {
    pub fn empty(name: &str) -> Self {
        Cluster::shared().create_database(name, None).unwrap();
        Self(name.to_owned())
    }

    /// Feeds a file to a client program, as the role that owns the database, and gives whether it was content.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &Path) {
        let mut command = Cluster::shared().clients().command(program, "odoo");
        command.args(arguments).args(["--dbname", &self.0]).stdin(fs::File::open(input).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        Cluster::shared().drop_database(&self.0).unwrap();
    }
}

/// The entries of a zip, in its order.
pub fn unzip(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    (0..zip.len())
        .map(|index| {
            let mut entry = zip.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().to_string(), bytes)
        })
        .collect()
}

pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A folder with a `pg_dump` of our own making; the real one is `$REAL`.
pub fn fake_pg_dump(folder: &Path, body: &str) -> PathBuf {
    let real = Cluster::shared().bin();
    let bin = folder.join("pg-bin");
    fs::create_dir_all(&bin).unwrap();
    let text = format!(
        "#!/bin/sh\nREAL={}/pg_dump\nif [ \"$1\" = --version ]; then exec $REAL --version; fi\n{body}\n",
        real.display()
    );
    write_program(&bin.join("pg_dump"), &text);
    // It may be there from another program.
    let _ = std::os::unix::fs::symlink(real.join("pg_restore"), bin.join("pg_restore"));
    bin
}

/// Writes an executable file in one go, so that no other thread's child holds it open for writing when it is run.
pub fn write_program(path: &Path, text: &str) {
    let source = path.with_extension("text");
    fs::write(&source, text).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(std::process::Command::new("cp").arg("-p").arg(&source).arg(path).status().unwrap().success());
}

/// A clock that a test moves.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000)))
    }

    pub fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || DateTime::from_timestamp(seconds.load(Ordering::SeqCst), 0).unwrap())
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}
