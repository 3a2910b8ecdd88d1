//! Looks at every byte of what arrived before any of it is stored.

use std::{path::Path, process::Stdio};

use backup_api::{Attachments, Failure, FailureCode, Phase, Progress};
use tokio::{io::AsyncReadExt, process::Command};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        PgTools, SourceFacts, SourceSettings,
        pg_tools::{PgTool, not_judged},
        words,
    },
    scan::Scan,
};
use crate::{
    archives::{ArchiveError, OdooZip},
    repositories::{Content, PLAIN_DUMP, ReportProgress},
};

/// How much of a dump is read at once.
const PIECE: usize = 256 * 1024;

/// A checked zip.
pub(crate) struct Zip {
    pub content: Content,
    pub facts: SourceFacts,
}

/// Checks a zip: its end record, every CRC, names and limits, and that `dump.sql` is whole; counts what is missing.
pub(super) async fn zip(
    settings: &SourceSettings,
    path: &Path,
    progress: &ReportProgress,
    cancel: &CancellationToken,
) -> Result<Zip, Failure> {
    let (path, limits, cancel) = (path.to_owned(), settings.limits, cancel.clone());
    let progress = progress.clone();
    let work = tokio::task::spawn_blocking(move || {
        let report = |done| progress(Phase::Verifying, done);
        let zip = OdooZip::check(&path, limits, &report, &cancel)?;
        let scan = scan_dump(&zip, &cancel)?;
        if !scan.is_complete() {
            return Err(ArchiveError::TruncatedDump.into());
        }
        Ok(describe(zip, scan))
    });
    work.await.map_err(|error| words::broken(&error))?
}

fn scan_dump(zip: &OdooZip, cancel: &CancellationToken) -> Result<Scan, Failure> {
    let mut dump = zip.open_dump().map_err(ArchiveError::Read)?;
    let mut scan = Scan::default();
    let mut piece = vec![0; PIECE];
    loop {
        if cancel.is_cancelled() {
            return Err(words::cancelled());
        }
        match dump.read(&mut piece) {
            Ok(0) => return Ok(scan),
            Ok(read) => scan.read(&piece[..read]),
            Err(error) => {
                let (name, cause) = (PLAIN_DUMP.to_owned(), error.to_string());
                return Err(ArchiveError::Damaged { name, cause }.into());
            }
        }
    }
}

/// What is known of a checked zip, with what was seen in its `dump.sql`.
pub(crate) fn describe(zip: OdooZip, scan: Scan) -> Zip {
    let (manifest, has_manifest) = (zip.manifest.clone().unwrap_or_default(), zip.manifest.is_some());
    let (in_zip, ignored) = (zip.attachments.clone(), zip.ignored.clone());
    let content = zip.into_content();
    let mut facts = SourceFacts {
        odoo_version: manifest.major_version.or_else(|| scan.base_version.as_deref().and_then(odoo_version)),
        postgres_version: scan.postgres_version.or(manifest.pg_version),
        ..SourceFacts::default()
    };
    if !has_manifest {
        facts.warnings.push(
            "The zip has no manifest.json: which Odoo it is from was read in the dump; of its modules only the dump knows."
                .to_owned(),
        );
    }
    if in_zip.missing_count() > 0 {
        facts.warnings.push(format!(
            "{} files in the zip have other content than their name says and were left out. Look at the disk of the Odoo \
             server.",
            in_zip.missing_count()
        ));
    }
    if !ignored.is_empty() {
        let names = ignored.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
        facts.warnings.push(format!("Entries that are no part of an Odoo backup were left out: {names}."));
    }
    if !scan.has_attachments {
        facts.warnings.push("The dump has no table of attachments, so missing files could not be counted.".to_owned());
        facts.attachments = Some(in_zip);
        return Zip { content, facts };
    }
    let wanted = scan.wanted.distinct();
    let wanted_count = wanted.count();
    let (missing_count, missing) = wanted.missing_from(&content.filestore);
    facts.bare = (wanted_count > 0 && missing_count == wanted_count).then(|| bare(wanted_count));
    if missing_count > 0 {
        facts.warnings.push(format!(
            "{missing_count} files that attachments refer to are not in the zip. They were missing in the filestore, or \
             were added while Odoo made it: Odoo copies the filestore before it dumps the database."
        ));
    }
    // Files that no row refers to are kept as Odoo sent them; so what is expected is what came and what did not.
    let (present, bytes) = (in_zip.present, in_zip.bytes);
    facts.attachments = Some(Attachments { expected: present + missing_count, present, bytes, missing });
    Zip { content, facts }
}

fn bare(wanted: u64) -> String {
    format!(
        "The zip has none of the {wanted} files that attachments refer to: Odoo makes such a zip, without a word, when its \
         filestore is not where it looks for it. See that data_dir in Odoo's configuration names the folder that holds \
         filestore/<database>, that its disk is mounted and that Odoo's user may read it; or choose the format dump, which \
         holds the database alone."
    )
}

/// The `pg_restore` that custom dumps are read with.
pub(crate) fn reader(tools: &PgTools) -> Result<PgTool, Failure> {
    tools.newest().ok_or_else(|| {
        let message = "No backup of format dump can be made: it cannot be checked without pg_restore, which the backup \
                       server does not have. Install PostgreSQL's client programs there (the package postgresql-client), \
                       then try again; a zip needs none.";
        words::failure(FailureCode::PgDump, message)
    })
}

/// Checks a custom dump by having `pg_restore` turn all of it into SQL; `-l` would pass on truncated data.
///
/// This finds every cut and damaged table data (which has checksums), but not a changed byte in the table of contents,
/// which has none.
pub(super) async fn dump(
    tool: &PgTool,
    path: &Path,
    bytes: u64,
    progress: &ReportProgress,
    cancel: &CancellationToken,
) -> Result<SourceFacts, Failure> {
    progress(Phase::Verifying, Progress { done_bytes: 0, total_bytes: Some(bytes) });
    let checked = run_pg_restore(tool, path);
    let scan = tokio::select! {
        () = cancel.cancelled() => return Err(words::cancelled()),
        checked = checked => checked?,
    };
    if !scan.is_complete() {
        let message = "The dump is cut off or empty, though pg_restore reads it. Look at Odoo's log.";
        return Err(words::failure(FailureCode::Incomplete, message));
    }
    Ok(facts_of_dump(scan))
}

async fn run_pg_restore(tool: &PgTool, path: &Path) -> Result<Scan, Failure> {
    let not_run = |error: std::io::Error| {
        let message = format!("{} could not be run: {error}. Install it again.", tool.pg_restore().display());
        words::failure(FailureCode::PgDump, message)
    };
    let mut command = Command::new(tool.pg_restore());
    command.args(["--file=-", "--no-owner"]).arg(path).env_clear().env("LC_ALL", "C");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(not_run)?;
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(words::failure(FailureCode::Internal, "pg_restore was started without its pipes."));
    };
    let mut said = Vec::new();
    let mut scan = Scan::default();
    let scanning = async {
        let mut piece = vec![0; PIECE];
        loop {
            match stdout.read(&mut piece).await? {
                0 => return Ok(()),
                read => scan.read(&piece[..read]),
            }
        }
    };
    // A damaged file can make pg_restore repeat itself; its first words tell.
    let listening = async {
        (&mut stderr).take(64 * 1024).read_to_end(&mut said).await?;
        tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await
    };
    let (scanned, _) = tokio::join!(scanning, listening);
    scanned.map_err(not_run)?;
    let status = child.wait().await.map_err(not_run)?;
    if status.success() {
        return Ok(scan);
    }
    let said = String::from_utf8_lossy(&said);
    let said: String = said.trim().chars().take(300).collect();
    if let Some(failure) = not_judged(status, &said, "nothing was kept") {
        return Err(failure);
    }
    if said.contains("unsupported version") {
        let message = format!(
            "The dump was made by a pg_dump that is newer than the backup server's pg_restore {} ({said}). Install \
             PostgreSQL's client programs of the Odoo server's version here.",
            tool.version()
        );
        return Err(words::failure(FailureCode::PgDump, message));
    }
    let message = format!(
        "The dump that arrived is cut off or damaged: {said}. pg_dump failed on the Odoo server, or the transfer was cut \
         (limit_time_real, a proxy). Look at Odoo's log."
    );
    Err(words::failure(FailureCode::Incomplete, message))
}

/// What is known of a dump without a filestore.
pub(crate) fn facts_of_dump(scan: Scan) -> SourceFacts {
    let odoo_version = scan.base_version.as_deref().and_then(odoo_version);
    SourceFacts { odoo_version, postgres_version: scan.postgres_version, ..SourceFacts::default() }
}

/// `18.0` of `18.0.1.3`.
fn odoo_version(base: &str) -> Option<String> {
    let mut parts = base.split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}
