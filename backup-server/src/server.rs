//! The parts of a backup server put together: start, router, stop.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    ops::Deref,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::Router;
use backup_api::{Backup, BackupId, RepositoryId, Secret};
use chrono::{DateTime, Utc};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    config::{Config, Layout},
    durable,
    imports::{self, Fetches, Fetching},
    jobs::{JobRunner, Journal},
    keys::{self, Token},
    links::Links,
    repositories::{Repositories, StorageError},
    restores::{self, Restores},
    router::{self, Refusal},
    sources::{AddressPolicy, InvalidRange, PgTools, SourceSettings, Sources, Staging},
    uploads::{self, Uploads},
    verifications::{self, Verifications},
};

/// A running backup server, without a socket of its own. Cheap to clone.
#[derive(Clone)]
pub struct BackupServer {
    app: App,
    token_is_new: bool,
}

/// What every route can reach.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

impl From<Arc<Parts>> for App {
    fn from(parts: Arc<Parts>) -> Self {
        Self(parts)
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The parts of a server.
pub(crate) struct Parts {
    /// Keeps every other process off the data folder.
    lock: Mutex<Option<File>>,
    pub config: Config,
    pub layout: Layout,
    pub token: Token,
    /// Keys the fingerprints of jobs, which stand for passwords too.
    pub key: [u8; 32],
    pub started_at: DateTime<Utc>,
    pub repositories: Repositories,
    pub sources: Sources,
    pub tools: PgTools,
    pub jobs: JobRunner,
    pub links: Links,
    pub restores: Restores,
    pub verifications: Verifications,
    pub uploads: Uploads,
    pub fetching: Fetching,
    pub fetches: Fetches,
}

/// Why a backup server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder or file of the server.
    #[error("The data folder {folder} cannot be used: {cause}. Check its owner, its rights and the disk.")]
    Data {
        /// The data folder.
        folder: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Another process has the data folder.
    #[error(
        "Another backup server uses the data folder {0}. Two of them would destroy each other's work: stop that one, or give this one a folder of its own."
    )]
    InUse(String),
    /// The repositories.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// A range in the configuration.
    #[error("{0}")]
    Range(#[from] InvalidRange),
}

/// How long a server that is ending may still have the data folder.
const HANDING_OVER: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Has the data folder alone until the file is closed, which the system does for a process that is killed.
async fn lock(root: &Path) -> Result<File, StartError> {
    let folder = root.display().to_string();
    let failed = |cause| StartError::Data { folder: folder.clone(), cause };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(root.join("lock"));
    let file = file.map_err(failed)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < HANDING_OVER => tokio::time::sleep(ASK_AGAIN).await,
            Err(TryLockError::WouldBlock) => return Err(StartError::InUse(folder)),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
    }
}

impl BackupServer {
    /// Makes what is not there yet, puts in order what a crash left, and is ready to serve.
    ///
    /// Boxed, so that this crate alone compiles what a server does: an `async fn` is compiled where it is awaited.
    pub fn start(config: Config) -> BoxFuture<'static, Result<Self, StartError>> {
        Self::begin(config).boxed()
    }

    async fn begin(config: Config) -> Result<Self, StartError> {
        crate::install_tls_provider();
        let began = Instant::now();
        let layout = config.layout();
        let failed = |cause| StartError::Data { folder: layout.root().display().to_string(), cause };
        layout.folders().iter().try_for_each(|folder| durable::make_folder(folder)).map_err(failed)?;
        let lock = lock(layout.root()).await?;
        let (token, token_is_new) = Token::load_or_make(&layout.token()).map_err(failed)?;
        let key = keys::load_or_make_key(&layout.link_key()).map_err(failed)?;
        let links = Links::load(layout.links(), key, config.clock.clone()).map_err(failed)?;
        let (sources, tools) = sources(&config, &layout)?;
        let staging = Staging::open(layout.fetches(), config.keep_free_bytes()).map_err(failed)?;
        let fetching = config.fetching(staging)?;
        let fetches = Fetches::new(layout.fetches(), &key);
        let cut_off = fetches.load().map_err(failed)?;
        let repositories = Repositories::keeping_free(layout.root(), config.keep_free_bytes())?;
        sweep(&repositories).await?;
        let restores = Restores::load(layout.restores(), &key).map_err(failed)?;
        let journal = Journal::new(layout.jobs());
        let records = journal.load().map_err(failed)?;
        let jobs = JobRunner::new(journal, records, config.jobs, config.clock.clone());
        let started_at = config.clock.now();
        let verifications = Verifications::new(layout.verifications());
        let uploads =
            Uploads::load(layout.uploads(), config.upload_settings(), config.clock.clone()).map_err(failed)?;
        let parts = Parts {
            lock: Mutex::new(Some(lock)),
            config,
            layout,
            token,
            key,
            started_at,
            repositories,
            sources,
            tools,
            jobs,
            links,
            restores,
            verifications,
            uploads,
            fetching,
            fetches,
        };
        let app = App(Arc::new(parts));
        let recovered = restores::recover::at_start(&app).await;
        app.jobs.keep(cut_off.iter().map(|(kept, _)| kept.job()));
        app.jobs.settle(&app.repositories, recovered).await;
        imports::resume(&app, cut_off).await;
        app.jobs.trim().await;
        tokio::spawn(restores::recover::watch(Arc::downgrade(&app.0)));
        tokio::spawn(verifications::put_back(Arc::downgrade(&app.0)));
        tokio::spawn(verifications::keep_verifying(Arc::downgrade(&app.0)));
        tokio::spawn(uploads::keep_sweeping(Arc::downgrade(&app.0), app.config.sweep_pause));
        tracing::info!("Backup server ready after {:.1} s", began.elapsed().as_secs_f64());
        Ok(Self { app, token_is_new })
    }

    /// Its routes (`/v1/…`, `/healthz`, `/readyz`), to be served or nested below a path.
    pub fn router(&self) -> Router {
        router::router(self.app.clone())
    }

    /// The bearer token that clients send.
    pub fn token(&self) -> &Secret {
        self.app.token.secret()
    }

    /// A sentence that says where the token is, and the token itself when it was made by this start.
    pub fn token_notice(&self) -> String {
        let path = self.app.layout.token();
        if self.token_is_new {
            return format!("Token (also in {}): {}", path.display(), self.token().reveal());
        }
        format!("The token is in {}", path.display())
    }

    /// Takes no new jobs; running ones may end within the configured grace, then are stopped and marked interrupted. The
    /// data folder is given up.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        async {
            self.stop_jobs().await;
            drop(self.app.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        .boxed()
    }

    async fn stop_jobs(&self) {
        self.app.jobs.shut_down(self.app.config.grace()).await;
        self.app.uploads.settle().await;
    }

    /// Serves on `listener` until SIGINT or SIGTERM, then shuts down; downloads that run get the same grace as jobs.
    pub fn serve(&self, listener: tokio::net::TcpListener) -> BoxFuture<'_, io::Result<()>> {
        self.answer(listener).boxed()
    }

    async fn answer(&self, listener: tokio::net::TcpListener) -> io::Result<()> {
        let stop = tokio_util::sync::CancellationToken::new();
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = tokio::spawn(serving.into_future());
        asked_to_stop().await?;
        tracing::info!("Stopping: no new jobs; running ones have {} s", self.app.config.grace_seconds);
        stop.cancel();
        self.stop_jobs().await;
        match tokio::time::timeout(self.app.config.grace(), serving).await {
            Ok(ended) => ended.map_err(io::Error::other)?,
            Err(_) => Ok(()),
        }
    }
}

impl Parts {
    /// A backup of a repository, or the refusal that says why there is none.
    pub async fn backup(&self, repository: RepositoryId, backup: BackupId) -> Result<Backup, Refusal> {
        Ok(self.repositories.get(repository, backup).await?)
    }
}

fn sources(config: &Config, layout: &Layout) -> Result<(Sources, PgTools), StartError> {
    let failed = |cause| StartError::Data { folder: layout.staging().display().to_string(), cause };
    let staging = Staging::open(layout.staging(), config.keep_free_bytes()).map_err(failed)?;
    let swept = staging.sweep().map_err(failed)?;
    if swept > 0 {
        tracing::warn!("Removed {swept} file(s) that an interrupted backup left in the staging folder");
    }
    let tools = config.tools();
    let addresses = AddressPolicy::for_sources(&config.allowed_ranges)?;
    let (timeouts, limits) = (config.timeouts(), config.limits());
    let settings = SourceSettings { staging, tools: tools.clone(), addresses, timeouts, limits };
    Ok((Sources::new(settings), tools))
}

async fn sweep(repositories: &Repositories) -> Result<(), StorageError> {
    let swept = repositories.sweep().await?;
    for problem in &swept.problems {
        tracing::error!("{problem}");
    }
    if swept.files_removed > 0 {
        tracing::warn!("Removed {} unfinished file(s) from {} repositories", swept.files_removed, swept.repositories);
    }
    Ok(())
}

async fn asked_to_stop() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}
