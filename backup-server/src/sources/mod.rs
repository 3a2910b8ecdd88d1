//! Where backups come from: a PostgreSQL server with the filestore beside it, or Odoo's database manager over HTTP.

mod addresses;
mod attachments;
pub(crate) mod odoo;
mod pg_tools;
mod postgres;
mod sink;
mod staging;
pub(crate) mod tls;
mod words;

use std::{fmt, sync::Arc, time::Duration};

use backup_api::{Attachments, BackupFormat, Failure, Source, SourceReport};
use tokio_util::sync::CancellationToken;

use crate::{
    archives::Limits,
    repositories::{Content, Finish, ReportProgress},
};

pub use addresses::{AddressPolicy, InvalidRange, NoAddress};
pub(crate) use pg_tools::not_judged;
pub use pg_tools::{PgTool, PgTools};
pub(crate) use sink::Sink;
pub(crate) use staging::StagedFile;
pub use staging::Staging;
pub(crate) use words::{broken, cancelled};

pub(crate) use attachments::{Wanted, folder as filestore_folder};
pub(crate) use postgres::{Connected, ServerAddress, major_version, with_socket};
pub(crate) use words::unusable;

use odoo::Http;
use postgres::Direct;

/// A problem that says why a database cannot be reached.
pub(crate) fn unreachable_problem(message: impl Into<String>) -> backup_api::Problem {
    words::stop(backup_api::ProblemCode::Unreachable, message)
}

/// What reading sources needs.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Where an arriving file is kept until it is stored.
    pub staging: Staging,
    /// The installed `pg_dump`s.
    pub tools: PgTools,
    /// Addresses that may be dialled.
    pub addresses: AddressPolicy,
    /// How long nothing may happen.
    pub timeouts: Timeouts,
    /// Bounds on an arriving zip.
    pub limits: Limits,
}

/// How long a source may do nothing.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To connect, and for each short question.
    pub connect: Duration,
    /// From the request to Odoo's first byte: Odoo builds a whole zip before it sends anything.
    pub first_byte: Duration,
    /// Between two pieces of a file or of a dump.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(20), first_byte: Duration::from_hours(1), stall: Duration::from_mins(10) }
    }
}

/// Reads sources. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sources {
    settings: Arc<SourceSettings>,
}

/// A source that was checked and is ready to be stored.
pub struct OpenedSource {
    /// Its files.
    pub content: Content,
    /// To be asked before the backup exists.
    pub finish: Finish,
    /// What is known of the database.
    pub facts: SourceFacts,
    /// To be kept until the content is stored; then, or on any failure, dropping it ends programs and removes files.
    pub guard: SourceGuard,
}

/// What is known of a database before it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// Odoo's version, such as `18.0`.
    pub odoo_version: Option<String>,
    /// The PostgreSQL server's version, such as `15.18`.
    pub postgres_version: Option<String>,
    /// The files that the database refers to and those that are missing; `None` for a database-only backup.
    pub attachments: Option<Attachments>,
    /// Set when not one of the files that attachments refer to came along: why, and what to do. No backup to keep.
    pub bare: Option<String>,
    /// Sentences for the job's log that deserve a look.
    pub warnings: Vec<String>,
}

/// What must live as long as a source is read.
pub struct SourceGuard(pub(crate) Vec<Box<dyn Send + Sync>>);

impl fmt::Debug for SourceGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceGuard({})", self.0.len())
    }
}

impl Sources {
    /// Reads sources with these settings.
    pub fn new(settings: SourceSettings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// What they are read with.
    pub(crate) fn settings(&self) -> &SourceSettings {
        &self.settings
    }

    /// What can be said of a source without making a backup, and everything that is wrong with it.
    pub async fn test(&self, source: &Source) -> SourceReport {
        match source {
            Source::OdooHttp { url, database, master_password } => {
                odoo::test(&self.settings, &Http { url, database, master_password }).await
            }
            Source::Postgres { url, database, filestore, addons } => {
                let source = Direct { url, database, filestore: filestore.as_ref() };
                postgres::test(&self.settings, &source, addons).await
            }
        }
    }

    /// Makes a source ready to be stored. Over HTTP this waits until the whole file has arrived and is checked.
    ///
    /// When `cancel` fires, this or the reading of the content fails soon and nothing is left behind.
    pub async fn open(
        &self,
        source: &Source,
        format: BackupFormat,
        progress: ReportProgress,
        cancel: CancellationToken,
    ) -> Result<OpenedSource, Failure> {
        match source {
            Source::OdooHttp { url, database, master_password } => {
                let source = Http { url, database, master_password };
                odoo::open(&self.settings, &source, format, &progress, &cancel).await
            }
            Source::Postgres { url, database, filestore, addons: _ } => {
                let source = Direct { url, database, filestore: filestore.as_ref() };
                postgres::open(&self.settings, &source, format, &progress, &cancel).await
            }
        }
    }
}
