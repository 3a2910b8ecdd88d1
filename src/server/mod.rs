//! What runs on the server only: settings, database, sessions, routes, background work.

use std::{ops::Deref, path::PathBuf, sync::Arc};

use backup_api::UploadId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub mod caller;
pub mod commands;
pub mod config;
pub(crate) mod db;
pub mod lifecycle;
pub mod router;

mod assets;
pub(crate) mod bench;
mod faults;
mod headers;
mod identity;
mod metrics;
mod origin;
mod passwords;
mod randomness;
mod refused;
mod remembered;
mod secrets;
mod seed;
mod session;
mod telemetry;
mod throttle;

pub use backup_server::Clock;
pub use caller::{Caller, ClientAddress, door, open_door};
pub use config::Config;
pub use db::Db;
pub use lifecycle::Running;
pub use randomness::Randomness;

pub(crate) use faults::{chain, of_server};
pub(crate) use origin::accepts_html;
pub(crate) use randomness::hash_of_token;
pub(crate) use refused::typed;
pub(crate) use throttle::Key as ThrottleKey;
pub(crate) use {passwords::hash as hash_password, passwords::matches as password_matches};
pub(crate) use {session::begin as begin_session, session::end as end_session, session::local_path};

use remembered::Remembered;

use crate::{
    alerts::Places,
    backup_servers::clients::{Clients, Server},
    backups::reconcile::Asked,
    operations::live::Live,
    uploads::{self, store::Begun},
};

/// Everything that a request or a background task needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Panel(Arc<Inner>);

/// What a [`Panel`] holds.
#[derive(Debug)]
pub struct Inner {
    /// The database.
    pub db: Db,
    /// Where “now” comes from.
    pub clock: Clock,
    /// Where ids and tokens come from.
    pub randomness: Randomness,
    /// Settings.
    pub config: Config,
    pub(crate) secrets: secrets::Secrets,
    pub(crate) throttle: throttle::Throttle,
    pub(crate) refused: refused::Refused,
    pub(crate) clients: Clients,
    pub(crate) live: Live,
    pub(crate) asked: Asked,
    pub(crate) metrics_token: metrics::MetricsToken,
    /// Ends background work and open event streams.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Rung when an operation ends: what waited for its turn may begin.
    pub(crate) ended: tokio::sync::Notify,
    /// Rung when a message shall be sent now.
    pub(crate) alerts: tokio::sync::Notify,
    /// The messages that this panel sends at this moment.
    pub(crate) sending: Places,
    /// Room in memory for chunks of uploads.
    pub(crate) chunks: tokio::sync::Semaphore,
    /// Who sends them, by the hash of the session's token.
    pub(crate) sessions: Remembered<Vec<u8>, Caller>,
    /// What they belong to, and the server that they go to.
    pub(crate) uploads: Remembered<UploadId, (Begun, Server)>,
    /// What tells this panel from others of the same database.
    pub instance: uuid::Uuid,
    /// What tells its data folder from others: the embedded server in it is its own.
    pub folder: uuid::Uuid,
}

impl Deref for Panel {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Panel {
    /// Opens the data folder and the database; nothing runs yet.
    pub async fn open(config: Config, clock: Clock, randomness: Randomness) -> Result<Self, StartError> {
        std::fs::create_dir_all(&config.data)?;
        let secrets = secrets::Secrets::open(&config.data, randomness.clone())?;
        let metrics_token = metrics::MetricsToken::open(&config, &randomness)?;
        let db = Db::open(config.database_url.as_ref().map(backup_api::Secret::reveal), &config.data).await?;
        identity::check_key(&db, &secrets, &config.data).await?;
        let folder = identity::of_folder(&config.data, randomness.id(clock.now()))?;
        let instance = randomness.id(clock.now());
        Ok(Self(Arc::new(Inner {
            db,
            clock,
            randomness,
            config,
            secrets,
            throttle: throttle::Throttle::default(),
            refused: refused::Refused::default(),
            clients: Clients::default(),
            live: Live::default(),
            asked: Asked::default(),
            metrics_token,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            ended: tokio::sync::Notify::new(),
            alerts: tokio::sync::Notify::new(),
            sending: Places::default(),
            chunks: tokio::sync::Semaphore::new(uploads::tus::CHUNKS),
            sessions: Remembered::default(),
            uploads: Remembered::default(),
            instance,
            folder,
        })))
    }

    /// A new id.
    pub fn id(&self) -> uuid::Uuid {
        self.randomness.id(self.clock.now())
    }
}

/// Why the panel could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(
        "The panel's database cannot be used: {0}. Check DATABASE_URL, or the file holdfast.sqlite in the data folder."
    )]
    Database(#[from] sqlx::Error),
    /// Its tables cannot be brought up to date.
    #[error(
        "The panel's tables could not be brought up to date: {0}. Run the version that made them, or a later one; a SQLite file from before a change is in the data folder (before-….sqlite)."
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A file or the address cannot be used.
    #[error("{0}. Check the data folder's owner and the address to listen on.")]
    Io(#[from] std::io::Error),
    /// The key file is damaged.
    #[error("The key file {0} is damaged: it must hold 32 bytes. Put back the file from your own backup.")]
    KeyFile(PathBuf),
    /// The database belongs to panels with another key file.
    #[error(
        "What is stored in this database was sealed with another key file than {0}, so that nothing of it could be used. All panels of one database need the same key file: stop, copy secret.key from the data folder of the panel that made the database, and start again. Nothing was changed."
    )]
    OtherKey(PathBuf),
    /// The embedded backup server cannot start.
    #[error("The embedded backup server cannot start: {0}")]
    BackupServer(#[from] backup_server::StartError),
    /// What a command asked for cannot be done.
    #[error("{0}")]
    Refused(#[from] crate::error::AppError),
}
