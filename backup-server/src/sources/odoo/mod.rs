//! A running Odoo, through its database manager.
//!
//! Nothing that it says is believed: a status of 200 may be an error page, a body may end anywhere, and an insecure
//! master password would be changed by asking. So the password is checked first, and every byte afterwards.

mod client;
mod download;
mod pages;
mod preflight;
mod scan;
mod verify;

use std::{fs::File, io::Read, time::Duration};

use backup_api::{BackupFormat, DatabaseName, Failure, Phase, ProblemCode, Progress, Secret, SourceReport};
use tokio_util::sync::CancellationToken;

use super::{OpenedSource, SourceGuard, SourceSettings, words};
use crate::repositories::{CUSTOM_DUMP, Content, ContentFile, ReportProgress};
pub(crate) use client::{Odoo, Unanswered, chain, read_page};
pub(crate) use pages::{Page, is_html, title};
pub(crate) use preflight::{disabled, hides_filtered, look_at_server, wrong_password};
pub(crate) use scan::{OddRow, Scan};
pub(crate) use verify::{Zip, describe, facts_of_dump, reader};

use download::Arrived;

/// Someone waits for a test's answer.
const TEST_LIMIT: Duration = Duration::from_mins(1);

/// An Odoo and a database in it.
pub(crate) struct Http<'a> {
    pub url: &'a str,
    pub database: &'a DatabaseName,
    pub master_password: &'a Secret,
}

/// Tests the source without changing anything in Odoo.
pub(super) async fn test(settings: &SourceSettings, source: &Http<'_>) -> SourceReport {
    let mut report = SourceReport::default();
    let looking = async {
        let odoo = Odoo::at(source.url, &settings.addresses, settings.timeouts.connect).await?;
        Ok(preflight::look(&odoo, source).await)
    };
    match tokio::time::timeout(TEST_LIMIT, looking).await {
        Ok(Ok(found)) => {
            report.odoo_version = found.odoo_version;
            report.problems = found.problems;
        }
        Ok(Err(problem)) => report.problems.push(problem),
        Err(_) => {
            let message = format!("Odoo at {} answers too slowly to be tested. Look at its load and log.", source.url);
            report.problems.push(words::stop(ProblemCode::Unreachable, message));
        }
    }
    if let Err(missing) = verify::reader(&settings.tools) {
        report.problems.push(words::warn(ProblemCode::NoMatchingPgDump, missing.message));
    }
    report.problems.sort_by_key(|problem| problem.severity);
    report
}

/// Downloads and checks a backup. The content is read from the staging folder afterwards.
pub(super) async fn open(
    settings: &SourceSettings,
    source: &Http<'_>,
    format: BackupFormat,
    progress: &ReportProgress,
    cancel: &CancellationToken,
) -> Result<OpenedSource, Failure> {
    progress(Phase::Checking, Progress::default());
    // What is dropped here closes the connection and removes the staged file.
    let (arrived, server_version) = tokio::select! {
        () = cancel.cancelled() => return Err(words::cancelled()),
        arrived = fetch(settings, source, format, progress) => arrived?,
    };
    let (content, mut facts) = match format {
        BackupFormat::Zip => {
            let zip = verify::zip(settings, arrived.file.path(), progress, cancel).await?;
            (zip.content, zip.facts)
        }
        BackupFormat::Dump => {
            let tool = verify::reader(&settings.tools)?;
            let facts = verify::dump(&tool, arrived.file.path(), arrived.bytes, progress, cancel).await?;
            (Content::without_filestore(vec![dump_file(&arrived)]), facts)
        }
    };
    facts.odoo_version = facts.odoo_version.or(server_version);
    Ok(OpenedSource { content, finish: Box::new(|| Ok(())), facts, guard: SourceGuard(vec![Box::new(arrived.file)]) })
}

async fn fetch(
    settings: &SourceSettings,
    source: &Http<'_>,
    format: BackupFormat,
    progress: &ReportProgress,
) -> Result<(Arrived, Option<String>), Failure> {
    if format == BackupFormat::Dump {
        verify::reader(&settings.tools)?;
    }
    let odoo = Odoo::at(source.url, &settings.addresses, settings.timeouts.connect).await.map_err(words::unusable)?;
    let found = preflight::look(&odoo, source).await;
    if let Some(problem) = found.stop() {
        return Err(words::unusable(problem.clone()));
    }
    let arrived = download::download(settings, &odoo, source, format, progress).await?;
    Ok((arrived, found.odoo_version))
}

fn dump_file(arrived: &Arrived) -> ContentFile {
    let path = arrived.file.path().to_owned();
    ContentFile {
        path: CUSTOM_DUMP.to_owned(),
        size: Some(arrived.bytes),
        open: Box::new(move || Ok(Box::new(File::open(path)?) as Box<dyn Read + Send>)),
    }
}
