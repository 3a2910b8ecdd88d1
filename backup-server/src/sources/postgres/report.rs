//! The connection test of a direct source: everything that can be known, and everything that is wrong.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use backup_api::{Problem, ProblemCode, SourceReport};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        PgTools, SourceSettings,
        attachments::{self, Wanted},
        words,
    },
    Connected, Direct, WrittenManifest, close, connect, no_answer, not_odoo, query_problem, version,
};

/// How long a test looks at single files of a filestore: someone waits for the answer.
const LOOK: Duration = Duration::from_secs(20);

/// Tests a direct source, and whether the addons folders, which a restore may need, are there.
pub(in super::super) async fn test(settings: &SourceSettings, source: &Direct<'_>, addons: &[String]) -> SourceReport {
    let mut report = SourceReport { problems: look_at_addons(addons.to_vec()).await, ..SourceReport::default() };
    match connect(settings, source).await {
        Ok(Connected { mut connection, .. }) => {
            let limit = settings.timeouts.stall;
            let looking = look(settings, source, &mut connection, &mut report);
            match tokio::time::timeout(limit, looking).await {
                Ok(()) => close(connection).await,
                // Nobody waits for what was asked; PostgreSQL hears that when it has the answer.
                Err(_) => report.problems.push(words::stop(ProblemCode::Unreachable, no_answer(limit))),
            }
        }
        Err(problem) => report.problems.push(problem),
    }
    report.problems.sort_by_key(|problem| problem.severity);
    report
}

async fn look(
    settings: &SourceSettings,
    source: &Direct<'_>,
    connection: &mut PgConnection,
    report: &mut SourceReport,
) {
    if let Err(error) = look_at_server(settings, connection, report).await {
        report.problems.push(query_problem(&error));
    }
    if let Err(error) = look_at_database(source, connection, report).await {
        report.problems.push(query_problem(&error));
    }
}

async fn look_at_addons(addons: Vec<String>) -> Vec<Problem> {
    let look = move || addons.iter().filter_map(|folder| addons_problem(folder)).collect();
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
        tracing::error!("Looking at the addons folders failed: {error}");
        Vec::new()
    })
}

/// A backup needs no addons folder, so this is a warning.
fn addons_problem(folder: &str) -> Option<Problem> {
    let what = match fs::read_dir(folder) {
        Ok(_) => return None,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            format!(
                "There is no addons folder {folder} on the backup server. Check the path, and that its disk is mounted."
            )
        }
        Err(error) => format!(
            "The addons folder {folder} cannot be read: {error}. Give the backup server's account the right to read it and \
             all folders above it."
        ),
    };
    let message = format!(
        "{what} Backups do not need it; a restored database is neutralized with what the modules there bring along \
         (data/neutralize.sql)."
    );
    Some(words::warn(ProblemCode::AddonsMissing, message))
}

async fn look_at_server(
    settings: &SourceSettings,
    connection: &mut PgConnection,
    report: &mut SourceReport,
) -> sqlx::Result<()> {
    let version = version(&mut *connection).await?;
    match settings.tools.for_server(version.major) {
        Ok(tool) => {
            report.problems.extend(PgTools::later_than(&tool, version.major));
            report.pg_dump_version = Some(tool.version().to_owned());
        }
        Err(problem) => report.problems.push(problem),
    }
    report.postgres_version = Some(version.text);
    let size: i64 =
        sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut *connection).await?;
    report.database_bytes = u64::try_from(size).ok();
    let sql = "SELECT count(*), min(c.oid::regclass::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p', 'S', 'm') AND n.nspname NOT LIKE 'pg\\_%' \
               AND n.nspname <> 'information_schema' AND NOT has_table_privilege(c.oid, 'SELECT')";
    let (unreadable, example): (i64, Option<String>) = sqlx::query_as(sql).fetch_one(connection).await?;
    if unreadable > 0 {
        let message = format!(
            "The user in the connection URL may not read {unreadable} tables or sequences, {} among them. Connect as the \
             database's owner, the user that Odoo uses.",
            example.unwrap_or_default()
        );
        report.problems.push(words::stop(ProblemCode::InsufficientPrivilege, message));
    }
    Ok(())
}

async fn look_at_database(
    source: &Direct<'_>,
    connection: &mut PgConnection,
    report: &mut SourceReport,
) -> sqlx::Result<()> {
    let Some(manifest) = WrittenManifest::read(&mut *connection, source.database.as_str(), 0).await? else {
        report.problems.push(not_odoo(source.database));
        return Ok(());
    };
    report.odoo_version = Some(manifest.major_version);
    let wanted = Wanted::read(connection).await?;
    let folder = attachments::folder(source.filestore);
    let looked_in = folder.clone();
    let deadline = Instant::now() + LOOK;
    let look = move || wanted.look(looked_in.as_deref(), Some(deadline), &CancellationToken::new());
    match tokio::task::spawn_blocking(look).await {
        Ok(found) => {
            report.attachment_count = Some(found.attachments.expected);
            report.filestore_bytes = found.complete.then_some(found.attachments.bytes);
            report.problems.extend(found.problem(source.database, folder.as_deref()));
        }
        Err(error) => tracing::error!("Looking at the filestore failed: {error}"),
    }
    Ok(())
}
