//! Everything that can be known before a restore, each check in words; nothing is touched.

use backup_api::{
    BackupId, Check, CheckCode, CheckOutcome, Preflight, ProblemCode, RepositoryId, RestoreMode, RestorePlan, Severity,
};
use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::{
    replay::{self, DumpStream, Head},
    targets,
};
use crate::{
    archives::Manifest,
    jobs::size,
    repositories::{BackupReader, StorageError},
    server::App,
};

/// The largest manifest that is read.
const MANIFEST_LIMIT: usize = 4_000_000;

/// What was found, and the backup opened for the restore; `None` when it cannot be read.
pub(crate) struct Found {
    pub preflight: Preflight,
    pub reader: Option<BackupReader>,
    /// Whether there is a database to be backed up first.
    pub can_back_up: bool,
}

/// Looks at backup and target.
pub(crate) async fn look(
    app: &App,
    repository: RepositoryId,
    backup: BackupId,
    plan: &RestorePlan,
) -> Result<Found, StorageError> {
    let mut found = Found { preflight: Preflight::default(), reader: None, can_back_up: false };
    let reader = match app.repositories.open_backup(repository, backup).await {
        Ok(reader) => reader,
        Err(error @ (StorageError::NoSuchBackup(_) | StorageError::NoSuchRepository(_))) => return Err(error),
        Err(error) => {
            found.preflight.checks.push(check(CheckCode::Backup, CheckOutcome::Stop, error.to_string()));
            return Ok(found);
        }
    };
    let head = match head(app, &reader).await {
        Ok(head) => head,
        Err(message) => {
            found.preflight.checks.push(check(CheckCode::Backup, CheckOutcome::Stop, message));
            return Ok(found);
        }
    };
    let facts = reader.backup();
    let readable = format!("{} with {} can be read.", facts.file_name, size(facts.size_bytes));
    found.preflight.checks.push(check(CheckCode::Backup, CheckOutcome::Pass, readable));
    let modules = modules(&reader).await;
    targets::preflight(app, plan, &reader, &head, &modules, &mut found.preflight).await;
    if let RestoreMode::Replace = plan.mode {
        let (safety, can_back_up) = safety(app, plan).await;
        found.preflight.checks.push(safety);
        found.can_back_up = can_back_up;
    }
    found.reader = Some(reader);
    Ok(found)
}

async fn head(app: &App, reader: &BackupReader) -> Result<Head, String> {
    let dump: DumpStream = if reader.is_custom() {
        let tool = app.tools.newest().ok_or_else(|| {
            "No pg_restore is installed on the backup server. Install PostgreSQL's client programs there.".to_owned()
        })?;
        replay::plain_of_custom(&tool, reader.dump(), &CancellationToken::new())
    } else {
        reader.dump()
    };
    replay::head(dump).await.map_err(|failure| failure.message)
}

/// The modules that the backup's manifest names; none when it has no readable one.
async fn modules(reader: &BackupReader) -> Vec<String> {
    let Some(mut bytes) = reader.manifest() else { return Vec::new() };
    let mut json = Vec::new();
    while let Ok(Some(piece)) = bytes.try_next().await {
        if json.len() + piece.len() > MANIFEST_LIMIT {
            return Vec::new();
        }
        json.extend_from_slice(&piece);
    }
    Manifest::parse(&json).map(|manifest| manifest.modules.into_keys().collect()).unwrap_or_default()
}

/// Whether the present database can be backed up first, if that is asked.
async fn safety(app: &App, plan: &RestorePlan) -> (Check, bool) {
    let code = CheckCode::SafetyBackup;
    if plan.safety_backup.is_none() {
        let kept = match plan.undo_seconds / 3600 {
            0 => "and what is replaced cannot be brought back by an undo",
            _ => "so that only the undo brings back what is replaced",
        };
        return (check(code, CheckOutcome::Warn, format!("No safety backup is made, {kept}.")), false);
    }
    let report = app.sources.test(&plan.target).await;
    let has_none = report.problems.iter().any(|problem| problem.code == ProblemCode::UnknownDatabase);
    if has_none {
        let message = "There is no database to be backed up first; the restore begins without a safety backup.";
        return (check(code, CheckOutcome::Warn, message), false);
    }
    let stops: Vec<_> = report.problems.iter().filter(|problem| problem.severity == Severity::Stop).collect();
    if stops.is_empty() {
        return (check(code, CheckOutcome::Pass, "The present database will be backed up first."), true);
    }
    let advice = if stops.iter().all(|problem| hinders_only_a_backup(problem.code)) {
        "Repair that, or restore without a safety backup."
    } else {
        "Repair that first: the restore needs it, too."
    };
    let stops: Vec<&str> = stops.iter().map(|problem| problem.message.as_str()).collect();
    let message = format!("The present database cannot be backed up first: {} {advice}", stops.join(" "));
    (check(code, CheckOutcome::Stop, message), false)
}

/// Whether a database with this problem can still be replaced.
const fn hinders_only_a_backup(problem: ProblemCode) -> bool {
    matches!(
        problem,
        ProblemCode::NotAnOdooDatabase
            | ProblemCode::NoMatchingPgDump
            | ProblemCode::FilestoreMissing
            | ProblemCode::FilestoreUnreadable
            | ProblemCode::FilestoreNotSet
            | ProblemCode::InsufficientPrivilege
    )
}

fn check(code: CheckCode, outcome: CheckOutcome, message: impl Into<String>) -> Check {
    Check { code, outcome, message: message.into() }
}
