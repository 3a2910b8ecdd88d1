//! Asks Odoo for a backup and keeps what arrives in the staging folder.

use std::{path::Path, time::Duration};

use backup_api::{BackupFormat, DatabaseName, Failure, FailureCode, Phase, Progress};
use reqwest::{Response, header::CONTENT_TYPE};
use tokio::time::timeout;

use super::{
    super::{SourceSettings, sink::Sink, staging::StagedFile, words},
    Http,
    client::{Odoo, chain, read_page},
    pages::{Page, is_html, title},
    preflight,
};
use crate::repositories::ReportProgress;

/// A file that arrived.
pub(super) struct Arrived {
    pub file: StagedFile,
    pub bytes: u64,
}

/// Downloads a backup; the preflight has found nothing wrong.
pub(super) async fn download(
    settings: &SourceSettings,
    odoo: &Odoo,
    source: &Http<'_>,
    format: BackupFormat,
    progress: &ReportProgress,
) -> Result<Arrived, Failure> {
    let (staged, mut sink) = Sink::open(&settings.staging)?;

    progress(Phase::WaitingForOdoo, Progress::default());
    let waited = timeout(settings.timeouts.first_byte, first_piece(odoo, source, format)).await;
    let (mut response, mut piece) = waited.map_err(|_| no_first_byte(settings.timeouts.first_byte))??;
    while let Some(bytes) = piece {
        sink.write(&bytes).await?;
        progress(Phase::Receiving, Progress { done_bytes: sink.bytes(), total_bytes: response.content_length() });
        let next = timeout(settings.timeouts.stall, response.chunk()).await;
        piece = next
            .map_err(|_| stalled(settings.timeouts.stall, sink.bytes()))?
            .map_err(|error| cut(&error, sink.bytes()))?;
    }
    let (bytes, head) = sink.finish().await?;
    if is_html(&head) {
        return Err(page_failure(&String::from_utf8_lossy(&head), source.database));
    }
    check_start(staged.path(), &head, format, bytes)?;
    Ok(Arrived { file: staged, bytes })
}

/// Sends the form and waits for the first piece of a file.
async fn first_piece(
    odoo: &Odoo,
    source: &Http<'_>,
    format: BackupFormat,
) -> Result<(Response, Option<bytes::Bytes>), Failure> {
    let form = odoo.backup(source.master_password.reveal(), source.database.as_str(), format.as_str());
    let mut response = form.send().await.map_err(|error| no_answer(&error))?;
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if status.is_redirection() {
        let message = format!(
            "Odoo answered the backup request with a redirect (HTTP status {status}), which is not followed. Enter the \
             address that it leads to, if that is your Odoo."
        );
        return Err(words::failure(FailureCode::OdooError, message));
    }
    if !status.is_success() || content_type.starts_with("text/html") {
        let html = read_page(response).await.map_err(|error| cut(&error, 0))?;
        return Err(match page_failure(&html, source.database) {
            failure if status.is_success() || failure.code != FailureCode::Incomplete => failure,
            _ => bad_status(status, &html),
        });
    }
    let piece = response.chunk().await.map_err(|error| cut(&error, 0))?;
    Ok((response, piece))
}

fn check_start(path: &Path, head: &[u8], format: BackupFormat, bytes: u64) -> Result<(), Failure> {
    let (kind, magic): (_, &[u8]) = match format {
        BackupFormat::Zip => ("zip", b"PK"),
        BackupFormat::Dump => ("PostgreSQL dump", b"PGDMP"),
    };
    if bytes == 0 {
        let message = "Odoo answered with HTTP status 200 and no bytes: pg_dump failed there, or the database does not \
                       exist. Look at Odoo's log.";
        return Err(words::failure(FailureCode::Incomplete, message));
    }
    if !head.starts_with(magic) {
        tracing::warn!("{} starts with {:02x?}", path.display(), &head[..head.len().min(8)]);
        let message =
            format!("Odoo sent {bytes} bytes that are no {kind}. Look at Odoo's log and at proxies in between.");
        return Err(words::failure(FailureCode::Incomplete, message));
    }
    Ok(())
}

/// What a page instead of a file means.
fn page_failure(html: &str, database: &DatabaseName) -> Failure {
    let page = Page::read(html);
    if page.disabled {
        return words::unusable(preflight::disabled());
    }
    let Some(error) = page.error else {
        let what = title(html).map_or_else(String::new, |title| format!(" (“{title}”)"));
        let message = format!(
            "A web page{what} came instead of a backup. A proxy or sign-in page may stand before Odoo, or Odoo failed: \
             look at its log."
        );
        return words::failure(FailureCode::Incomplete, message);
    };
    let said = error.split_once("error: ").map_or(error.as_str(), |(_, said)| said);
    if said == "Access Denied" || error.ends_with("database. Access Denied") {
        return words::unusable(preflight::wrong_password());
    }
    if said.ends_with("is not known") || said.contains("does not exist") {
        return words::unusable(preflight::unknown_database(database));
    }
    if said.contains("pg_dump") {
        let message = format!(
            "pg_dump failed on the Odoo server: {said} Look at Odoo's log; its pg_dump must not be older than its \
             PostgreSQL server."
        );
        return words::failure(FailureCode::PgDump, message);
    }
    words::failure(FailureCode::OdooError, format!("Odoo could not make the backup. It says: {error}"))
}

fn bad_status(status: reqwest::StatusCode, html: &str) -> Failure {
    let what = title(html).map_or_else(String::new, |title| format!(" (“{title}”)"));
    let message = format!("Odoo answered with HTTP status {status}{what}. Look at its log and at proxies in between.");
    words::failure(FailureCode::OdooError, message)
}

fn no_answer(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        return words::failure(
            FailureCode::Unreachable,
            format!("Odoo cannot be reached: {}. Try again.", chain(error)),
        );
    }
    let message = format!(
        "Odoo closed the connection without an answer ({}). Its limit_time_real may be too short to build the backup: \
         raise it (with workers, limit_time_real = 3600), or back up from PostgreSQL directly.",
        chain(error)
    );
    words::failure(FailureCode::Incomplete, message)
}

fn cut(error: &reqwest::Error, bytes: u64) -> Failure {
    let message = format!(
        "The connection to Odoo was cut after {bytes} bytes ({}). Look at time limits of Odoo (limit_time_real) and of \
         proxies in between.",
        chain(error)
    );
    words::failure(FailureCode::Incomplete, message)
}

fn no_first_byte(limit: Duration) -> Failure {
    let message = format!(
        "Odoo sent nothing for {} seconds. It builds the whole file before it sends anything: look whether it still works \
         on it, and at its log.",
        limit.as_secs()
    );
    words::failure(FailureCode::Stalled, message)
}

fn stalled(limit: Duration, bytes: u64) -> Failure {
    let message = format!(
        "Odoo sent {bytes} bytes and then nothing for {} seconds. Look at Odoo and at the network in between.",
        limit.as_secs()
    );
    words::failure(FailureCode::Stalled, message)
}
