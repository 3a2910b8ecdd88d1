//! Settings of a backup server, the folders it uses, and the clock it goes by.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    archives::Limits,
    imports::Fetching,
    sources::{AddressPolicy, InvalidRange, PgTools, Staging, Timeouts},
    uploads,
};

const VERIFY_PAUSE: Duration = Duration::from_mins(10);
const RECOVER_WITHIN: Duration = Duration::from_secs(30);
const RECOVER_PAUSE: Duration = Duration::from_secs(30);
const SWEEP_PAUSE: Duration = Duration::from_mins(1);
const FETCH_PAUSE: Duration = Duration::from_secs(1);
/// Nothing of a file at a URL may arrive for so long, at most.
const FETCH_STALL: Duration = Duration::from_mins(2);
const URL_LIMIT_MB: u64 = 100_000;

/// How a backup server is set up. `Config::new(folder)` gives the defaults.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Folder for everything that the server keeps: repositories, keys, the token, journals of jobs.
    #[arg(long, env = "BACKUP_DATA", default_value = "./backup-data")]
    pub data: PathBuf,
    /// How many jobs run at the same time.
    #[arg(long, env = "BACKUP_JOBS", default_value_t = 2)]
    pub jobs: usize,
    /// Odoo may take so many seconds to build a zip before it sends the first byte.
    #[arg(long, env = "BACKUP_FIRST_BYTE_SECONDS", default_value_t = 3600)]
    pub first_byte_seconds: u64,
    /// A source that began to send and then sends nothing for so many seconds fails its job.
    #[arg(long, env = "BACKUP_STALL_SECONDS", default_value_t = 600)]
    pub stall_seconds: u64,
    /// Link-local or otherwise refused address ranges that sources may be in all the same, such as 169.254.7.0/24.
    #[arg(long = "allow-range", env = "BACKUP_ALLOW_RANGES", value_delimiter = ',')]
    pub allowed_ranges: Vec<String>,
    /// A file that is uploaded has less than so many megabytes.
    #[arg(long, env = "BACKUP_UPLOAD_LIMIT_MB", default_value_t = 1000)]
    pub upload_limit_mb: u64,
    /// An upload of which nothing more arrives is removed after so many hours.
    #[arg(long, env = "BACKUP_UPLOAD_HOURS", default_value_t = 24)]
    pub upload_hours: u32,
    /// How many uploads there may be at once.
    #[arg(long, env = "BACKUP_UPLOADS", default_value_t = 50)]
    pub uploads: usize,
    /// How often is looked whether an upload is past its time.
    #[arg(skip = SWEEP_PAUSE)]
    pub sweep_pause: Duration,
    /// A file that is fetched from a URL has at most so many megabytes; 0 for any size.
    #[arg(long, env = "BACKUP_URL_LIMIT_MB", default_value_t = URL_LIMIT_MB)]
    pub url_limit_mb: u64,
    /// Address ranges that are not public and that files may be fetched from all the same, such as 10.0.0.0/8.
    #[arg(long = "allow-url-range", env = "BACKUP_ALLOW_URL_RANGES", value_delimiter = ',')]
    pub allowed_url_ranges: Vec<String>,
    /// How long after the first cut fetching goes on; each next pause is twice as long.
    #[arg(skip = FETCH_PAUSE)]
    pub fetch_pause: Duration,
    /// Disk space in megabytes that a job must leave free.
    #[arg(long, env = "BACKUP_KEEP_FREE_MB", default_value_t = 200)]
    pub keep_free_mb: u64,
    /// How many seconds running jobs may go on when the server is asked to stop.
    #[arg(long, env = "BACKUP_GRACE_SECONDS", default_value_t = 10)]
    pub grace_seconds: u64,
    /// After how many days each repository is read again as a whole and compared with its checksums; 0 for never.
    #[arg(long, env = "BACKUP_VERIFY_DAYS", default_value_t = 7)]
    pub verify_days: u32,
    /// How often is looked whether a repository is due for that.
    #[arg(skip = VERIFY_PAUSE)]
    pub verify_pause: Duration,
    /// How long a start waits for the end of each restore that the process before left open.
    #[arg(skip = RECOVER_WITHIN)]
    pub recover_within: Duration,
    /// How long a target of such a restore that could not be reached is left alone.
    #[arg(skip = RECOVER_PAUSE)]
    pub recover_pause: Duration,
    /// Folders with the programs of a PostgreSQL client, instead of looking in the usual places.
    #[arg(long = "pg-bin", env = "BACKUP_PG_BIN", value_delimiter = ',')]
    pub pg_bin: Vec<PathBuf>,
    /// The panel's address, when it is known to whoever opens a download link: shown where a link cannot be used.
    #[arg(skip)]
    pub panel: Option<String>,
    /// For tests of crashes: `point=file` makes that file when a restore passes the point, and waits until it is gone.
    #[arg(long, hide = true)]
    pub pause_at: Option<String>,
    /// Where "now" comes from.
    #[arg(skip)]
    pub clock: Clock,
}

impl Config {
    /// The defaults, with everything kept in `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            jobs: 2,
            first_byte_seconds: 3600,
            stall_seconds: 600,
            allowed_ranges: Vec::new(),
            upload_limit_mb: 1000,
            upload_hours: 24,
            uploads: 50,
            sweep_pause: SWEEP_PAUSE,
            url_limit_mb: URL_LIMIT_MB,
            allowed_url_ranges: Vec::new(),
            fetch_pause: FETCH_PAUSE,
            keep_free_mb: 200,
            grace_seconds: 10,
            verify_days: 7,
            verify_pause: VERIFY_PAUSE,
            recover_within: RECOVER_WITHIN,
            recover_pause: RECOVER_PAUSE,
            pg_bin: Vec::new(),
            panel: None,
            pause_at: None,
            clock: Clock::default(),
        }
    }

    /// How long a source may do nothing.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            first_byte: Duration::from_secs(self.first_byte_seconds),
            stall: Duration::from_secs(self.stall_seconds),
            ..Timeouts::default()
        }
    }

    /// Bounds on an arriving zip: far above what Odoo makes, far below what would hurt.
    pub const fn limits(&self) -> Limits {
        Limits { entries: 20_000_000, bytes: 8_000_000_000_000, ratio: 300 }
    }

    /// A file that is uploaded has fewer bytes than this.
    pub const fn upload_limit_bytes(&self) -> u64 {
        self.upload_limit_mb.saturating_mul(1_000_000)
    }

    /// A file that is fetched from a URL has at most so many bytes.
    pub fn url_limit_bytes(&self) -> Option<u64> {
        (self.url_limit_mb > 0).then(|| self.url_limit_mb.saturating_mul(1_000_000))
    }

    /// How files are fetched from URLs.
    pub(crate) fn fetching(&self, staging: Staging) -> Result<Fetching, InvalidRange> {
        let timeouts = self.timeouts();
        Ok(Fetching {
            addresses: AddressPolicy::public_only(&self.allowed_url_ranges)?,
            staging,
            limit: self.url_limit_bytes(),
            connect: timeouts.connect,
            stall: timeouts.stall.min(FETCH_STALL),
            pause: self.fetch_pause,
        })
    }

    /// What is allowed of uploads.
    pub(crate) fn upload_settings(&self) -> uploads::Settings {
        uploads::Settings {
            limit: self.upload_limit_bytes(),
            kept_for: TimeDelta::hours(self.upload_hours.into()),
            at_once: self.uploads,
            keep_free: self.keep_free_bytes(),
        }
    }

    /// Bytes that a job must leave free on the disk.
    pub const fn keep_free_bytes(&self) -> u64 {
        self.keep_free_mb.saturating_mul(1_000_000)
    }

    /// How long running jobs may go on when the server stops.
    pub const fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }

    /// Passes a named point of a backup or restore.
    pub(crate) async fn pass(&self, point: &str) {
        let paused = self.pause_at.as_deref().and_then(|pause| pause.split_once('='));
        let Some((_, file)) = paused.filter(|(at, _)| *at == point) else { return };
        if let Err(error) = std::fs::write(file, point) {
            tracing::error!(%error, "Could not pause at {point}");
            return;
        }
        while Path::new(file).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The PostgreSQL client programs to use.
    pub(crate) fn tools(&self) -> PgTools {
        if self.pg_bin.is_empty() { PgTools::discover() } else { PgTools::in_folders(&self.pg_bin) }
    }

    /// The folders and files inside the data folder.
    pub fn layout(&self) -> Layout {
        Layout { root: self.data.clone() }
    }
}

/// What lies where in the data folder.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The data folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// One restic repository a folder.
    pub fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    /// Files on their way in; emptied at start.
    pub fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// Files that arrive in chunks; they outlive a restart.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Files that are fetched; they outlive a restart.
    pub fn fetches(&self) -> PathBuf {
        self.root.join("fetches")
    }

    /// Journals and logs of jobs.
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// Journals of restores.
    pub fn restores(&self) -> PathBuf {
        self.root.join("restores")
    }

    /// The last verification of each repository.
    pub fn verifications(&self) -> PathBuf {
        self.root.join("verifications")
    }

    /// The bearer token that clients send.
    pub fn token(&self) -> PathBuf {
        self.root.join("token")
    }

    /// The key that signs download links.
    pub fn link_key(&self) -> PathBuf {
        self.root.join("link-key")
    }

    /// Links that are not past their time.
    pub fn links(&self) -> PathBuf {
        self.root.join("links.json")
    }

    pub(crate) fn folders(&self) -> [PathBuf; 7] {
        let (staging, uploads, fetches) = (self.staging(), self.uploads(), self.fetches());
        [self.root.clone(), staging, uploads, fetches, self.jobs(), self.restores(), self.verifications()]
    }
}

/// Where "now" comes from: the system, or a test.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that asks `now` each time.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that the time comes from")]
    fn default() -> Self {
        Self::new(Utc::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
