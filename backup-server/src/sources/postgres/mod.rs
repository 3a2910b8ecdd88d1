//! A PostgreSQL server and the filestore folder, read directly.
//!
//! One snapshot rules: a transaction exports it, `pg_dump` runs under it, and the list of attachments is read under it.
//! So the dump and the list agree, whatever Odoo does meanwhile.

mod dump;
mod encryption;
mod manifest;
mod proof;
mod report;
mod server;
mod sockets;

use std::{io::Cursor, sync::Arc, time::Duration};

use backup_api::{
    BackupFormat, DatabaseName, Failure, FailureCode, Phase, Problem, ProblemCode, Progress, Secret, Severity,
};
use sqlx::{Connection, PgConnection, error::DatabaseError};
use tokio_util::sync::CancellationToken;

use super::{
    OpenedSource, SourceFacts, SourceGuard, SourceSettings,
    attachments::{self, Found, Wanted},
    words,
};
use crate::repositories::{CUSTOM_DUMP, Content, ContentFile, Filestore, MANIFEST, PLAIN_DUMP, ReportProgress};
use dump::DumpRun;
use manifest::WrittenManifest;
pub(crate) use manifest::major_version;
pub(crate) use server::{Connected, ServerAddress};
pub(crate) use sockets::with_socket;

pub(super) use report::test;

/// How long a connection may take to end in the polite way.
const POLITE: Duration = Duration::from_secs(5);

/// A direct source.
pub(super) struct Direct<'a> {
    pub url: &'a Secret,
    pub database: &'a DatabaseName,
    pub filestore: Option<&'a String>,
}

/// The server's version.
struct Version {
    text: String,
    major: u32,
}

/// Ends `pg_dump` when nobody wants its output any more.
struct StopOnDrop(Arc<DumpRun>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Makes the source ready: takes the snapshot, lists the files. `pg_dump` starts when its file is opened.
pub(super) async fn open(
    settings: &SourceSettings,
    source: &Direct<'_>,
    format: BackupFormat,
    progress: &ReportProgress,
    cancel: &CancellationToken,
) -> Result<OpenedSource, Failure> {
    progress(Phase::Checking, Progress::default());
    tokio::select! {
        () = cancel.cancelled() => Err(words::cancelled()),
        opened = open_unless_cancelled(settings, source, format, cancel) => opened,
    }
}

async fn open_unless_cancelled(
    settings: &SourceSettings,
    source: &Direct<'_>,
    format: BackupFormat,
    cancel: &CancellationToken,
) -> Result<OpenedSource, Failure> {
    let Connected { mut connection, environment } = connect(settings, source).await.map_err(words::unusable)?;
    let version = answered(settings, version(&mut connection)).await?;
    let tool = settings.tools.for_server(version.major).map_err(words::unusable)?;
    let snapshot = answered(settings, export_snapshot(&mut connection, version.major)).await?;
    let manifest = WrittenManifest::read(&mut connection, source.database.as_str(), version.major);
    let manifest = answered(settings, manifest).await?;
    let manifest = manifest.ok_or_else(|| words::unusable(not_odoo(source.database)))?;
    let run = DumpRun::plan(&tool, environment, &snapshot, format, settings.timeouts.stall, cancel.clone());

    let mut files = vec![dump_file(&run, format)];
    let mut filestore = Filestore::empty();
    let mut facts = SourceFacts {
        odoo_version: Some(manifest.major_version.clone()),
        postgres_version: Some(version.text),
        ..SourceFacts::default()
    };
    if format == BackupFormat::Zip {
        let wanted = answered(settings, Wanted::read(&mut connection)).await?;
        let found = look_at_filestore(wanted, source, cancel, &mut facts.warnings).await?;
        facts.attachments = Some(found.attachments.clone());
        filestore = found.into_filestore(attachments::folder(source.filestore).unwrap_or_default());
        files.push(manifest_file(&manifest)?);
    }
    let verdict = Arc::clone(&run);
    Ok(OpenedSource {
        content: Content { files, filestore },
        finish: Box::new(move || verdict.verdict()),
        facts,
        // The snapshot lives as long as its transaction, that is, as long as its connection.
        guard: SourceGuard(vec![Box::new(StopOnDrop(run)), Box::new(std::sync::Mutex::new(connection))]),
    })
}

async fn connect(settings: &SourceSettings, source: &Direct<'_>) -> Result<Connected, Problem> {
    let address = ServerAddress::parse(source.url)?;
    address.connect(source.database.as_str(), &settings.addresses, settings.timeouts.connect).await
}

/// The answer to a question before the dump, or the failure of a source that does nothing: a lock on a table may be held
/// for ever, and a host that vanished answers never.
async fn answered<T>(settings: &SourceSettings, question: impl Future<Output = sqlx::Result<T>>) -> Result<T, Failure> {
    let limit = settings.timeouts.stall;
    match tokio::time::timeout(limit, question).await {
        Ok(answer) => answer.map_err(|error| query_failed(&error)),
        Err(_) => Err(words::failure(FailureCode::Stalled, no_answer(limit))),
    }
}

fn no_answer(limit: Duration) -> String {
    format!(
        "PostgreSQL gave no answer for {} seconds. Somebody may hold a lock on a table (an upgrade of modules, or a session \
         that was left open: SELECT * FROM pg_stat_activity WHERE state = 'idle in transaction'), or the way to it is cut. \
         Look there, then try again.",
        limit.as_secs()
    )
}

async fn version(connection: &mut PgConnection) -> sqlx::Result<Version> {
    let sql = "SELECT current_setting('server_version'), current_setting('server_version_num')::int";
    let (text, number): (String, i32) = sqlx::query_as(sql).fetch_one(connection).await?;
    let text = text.split_whitespace().next().unwrap_or_default().to_owned();
    Ok(Version { text, major: u32::try_from(number / 10_000).unwrap_or_default() })
}

/// Begins the transaction that all is read in and exports its snapshot.
async fn export_snapshot(connection: &mut PgConnection, postgres_major: u32) -> sqlx::Result<String> {
    // The server's own limits are meant for Odoo's requests; a backup takes as long as it takes.
    sqlx::query("SET statement_timeout = 0").execute(&mut *connection).await?;
    sqlx::query("SET idle_in_transaction_session_timeout = 0").execute(&mut *connection).await?;
    if postgres_major >= 17 {
        sqlx::query("SET transaction_timeout = 0").execute(&mut *connection).await?;
    }
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *connection).await?;
    sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(connection).await
}

fn dump_file(run: &Arc<DumpRun>, format: BackupFormat) -> ContentFile {
    let path = match format {
        BackupFormat::Zip => PLAIN_DUMP,
        BackupFormat::Dump => CUSTOM_DUMP,
    };
    let run = Arc::clone(run);
    ContentFile { path: path.to_owned(), size: None, open: Box::new(move || run.start()) }
}

async fn look_at_filestore(
    wanted: Wanted,
    source: &Direct<'_>,
    cancel: &CancellationToken,
    warnings: &mut Vec<String>,
) -> Result<Found, Failure> {
    let folder = attachments::folder(source.filestore);
    let (looked_in, cancel) = (folder.clone(), cancel.clone());
    let look = move || wanted.look(looked_in.as_deref(), None, &cancel);
    let found = tokio::task::spawn_blocking(look).await.map_err(|error| words::broken(&error))?;
    match found.problem(source.database, folder.as_deref()) {
        // Without a folder a dump can be made, but no zip.
        Some(problem) if problem.severity == Severity::Stop || problem.code == ProblemCode::FilestoreNotSet => {
            return Err(words::unusable(problem));
        }
        Some(problem) => warnings.push(problem.message),
        None => {}
    }
    Ok(found)
}

fn manifest_file(manifest: &WrittenManifest) -> Result<ContentFile, Failure> {
    let json = manifest.to_json();
    let json = json.map_err(|error| words::failure(FailureCode::Internal, format!("No manifest: {error}.")))?;
    Ok(ContentFile {
        path: MANIFEST.to_owned(),
        size: Some(json.len() as u64),
        open: Box::new(move || Ok(Box::new(Cursor::new(json)))),
    })
}

fn not_odoo(database: &DatabaseName) -> Problem {
    let message = format!(
        "“{database}” is not an Odoo database: it has no installed module “base”. Check the name, or install Odoo in it."
    );
    words::stop(ProblemCode::NotAnOdooDatabase, message)
}

fn query_failed(error: &sqlx::Error) -> Failure {
    words::unusable(query_problem(error))
}

/// What a failed query means to an administrator.
fn query_problem(error: &sqlx::Error) -> Problem {
    let said = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    match error.as_database_error().and_then(DatabaseError::code).as_deref() {
        Some("42501") => words::stop(
            ProblemCode::InsufficientPrivilege,
            format!("The user may not read all of the database: {said}. Connect as the database's owner."),
        ),
        _ => words::stop(ProblemCode::Unreachable, format!("PostgreSQL broke a question off: {said}. Try again.")),
    }
}

/// Ends a connection in the polite way, if that can be had; that it ended is all that counts.
async fn close(connection: PgConnection) {
    let _ = tokio::time::timeout(POLITE, connection.close()).await;
}
