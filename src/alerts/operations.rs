//! What operations give cause to tell, in the transactions that write down their begin and end.

use backup_api::{Backup, FailureCode, JobState};
use serde_json::json;
use uuid::Uuid;

use super::{
    Event,
    causes::{self, Kind},
    judge,
    news::{self, News, Whose},
    pings::{self, Ping},
    rules,
};
use crate::{
    backups::Trigger,
    components::figures,
    error::AppResult,
    operations::{OperationKind, store::Stored},
    schedules,
    server::{
        Panel,
        db::{Tx, number, query},
    },
};

/// An operation begins.
pub async fn began(panel: &Panel, tx: &mut Tx, stored: &Stored) -> AppResult<()> {
    match (stored.operation.kind, stored.operation.subscription) {
        (OperationKind::Backup, Some(id)) => {
            pings::raise(panel, tx, id.0, Ping::Start, &format!("The backup of {} begins.", stored.database)).await
        }
        _ => Ok(()),
    }
}

/// An operation ended: `made` is the backup that came of it, `told` what the action log says.
pub async fn ended(panel: &Panel, tx: &mut Tx, stored: &Stored, made: Option<&Backup>, told: &str) -> AppResult<()> {
    let Some(whose) = whose(stored) else { return Ok(()) };
    let state = stored.operation.state;
    match (stored.operation.kind, state) {
        (_, JobState::Cancelled) | (OperationKind::Import | OperationKind::Retention, _) => Ok(()),
        (OperationKind::Backup, JobState::Succeeded) => match made {
            Some(backup) => succeeded(panel, tx, stored, whose, backup).await,
            None => Ok(()),
        },
        (OperationKind::Backup, _) => failed(panel, tx, stored, whose).await,
        (OperationKind::Restore | OperationKind::Undo, _) => restored(panel, tx, stored, whose, told).await,
        (OperationKind::Verify, _) => verified(panel, tx, stored, whose).await,
    }
}

fn whose(stored: &Stored) -> Option<Whose> {
    let id = stored.operation.subscription?.0;
    Some(Whose { id, name: stored.operation.subscription_name.clone(), database: stored.database.clone() })
}

fn reason(stored: &Stored) -> &str {
    stored.operation.failure.as_ref().map_or("No reason was given.", |failure| failure.message.as_str())
}

async fn failed(panel: &Panel, tx: &mut Tx, stored: &Stored, whose: Whose) -> AppResult<()> {
    let code = stored.operation.failure.as_ref().map(|failure| failure.code);
    if schedules::ended::is_tried_again(tx, stored.operation.id, code).await? {
        return Ok(());
    }
    pings::raise(panel, tx, whose.id, Ping::Fail, reason(stored)).await?;
    let title = format!("The backup of {} failed", whose.name);
    let text = format!("The backup of the database {} did not succeed: {}", whose.database, reason(stored));
    let facts = json!({ "operation": stored.operation.id.0, "code": code, "trigger": stored.trigger });
    let news = News { facts, ..News::of(Event::BackupFailed, whose, title, text) };
    causes::wrong(panel, tx, Kind::Failed, "", news).await
}

async fn succeeded(panel: &Panel, tx: &mut Tx, stored: &Stored, whose: Whose, backup: &Backup) -> AppResult<()> {
    pings::raise(panel, tx, whose.id, Ping::Success, &format!("{} was made.", backup.file_name)).await?;
    let failing = causes::over(tx, Kind::Failed, whose.id).await?;
    let late = causes::over(tx, Kind::State, whose.id).await?;
    let mut over: Vec<_> = failing.into_iter().chain(late).collect();
    match suspicious(tx, stored, whose.id, backup).await? {
        Some(median) => small(panel, tx, whose.clone(), backup, median).await?,
        None => over.extend(causes::over(tx, Kind::Small, whose.id).await?),
    }
    let Some(since) = over.iter().filter(|over| over.told).map(|over| over.since).min() else { return Ok(()) };
    let title = format!("{} is backed up again", whose.name);
    let size = figures::size(backup.size_bytes);
    let text = format!("{} was made and verified ({size}).", backup.file_name);
    let facts = json!({ "backup": backup.id, "bytes": backup.size_bytes });
    let news = News { facts, since: Some(since), ..News::of(Event::Recovered, whose, title, text) };
    news::raise(panel, tx, &news).await.map(drop)
}

/// The median of the backups before it, if this one is suspiciously small beside it.
async fn suspicious(tx: &mut Tx, stored: &Stored, subscription: Uuid, backup: &Backup) -> AppResult<Option<u64>> {
    if !matches!(stored.trigger, Trigger::Manual | Trigger::Schedule) {
        return Ok(None);
    }
    let rules = rules::read_in(tx).await?;
    let before: Vec<(i64,)> = query!(
        tx,
        fetch_all,
        "SELECT size_bytes FROM backup_lines
         WHERE subscription_id = $1 AND result = 'good' AND trigger_kind IN ('manual', 'schedule') AND format = $2
           AND remote_id <> $3 AND size_bytes IS NOT NULL
         ORDER BY created_at DESC, id DESC LIMIT $4",
        subscription,
        backup.format.as_str(),
        backup.id.0,
        i64::try_from(judge::COMPARED).unwrap_or(i64::MAX)
    )?;
    let before: Vec<u64> = before.into_iter().map(|(bytes,)| number(bytes)).collect();
    Ok(judge::suspicious(backup.size_bytes, &before, rules.small_percent))
}

async fn small(panel: &Panel, tx: &mut Tx, whose: Whose, backup: &Backup, median: u64) -> AppResult<()> {
    let title = format!("The backup of {} is suspiciously small", whose.name);
    let text = format!(
        "{} has {}; the median of those before it is {}. Look whether the database still holds what it should, before \
         the older backups go.",
        backup.file_name,
        figures::size(backup.size_bytes),
        figures::size(median)
    );
    let facts = json!({ "backup": backup.id, "bytes": backup.size_bytes, "median_bytes": median });
    let news = News { facts, ..News::of(Event::SmallBackup, whose, title, text) };
    causes::wrong(panel, tx, Kind::Small, "", news).await
}

async fn restored(panel: &Panel, tx: &mut Tx, stored: &Stored, whose: Whose, told: &str) -> AppResult<()> {
    let undo = stored.operation.kind == OperationKind::Undo;
    let succeeded = stored.operation.state == JobState::Succeeded;
    let title = match (undo, succeeded) {
        (false, true) => format!("{}: a backup was restored", whose.name),
        (true, true) => format!("{}: a restore was undone", whose.name),
        (false, false) => format!("{}: a restore failed", whose.name),
        (true, false) => format!("{}: a restore could not be undone", whose.name),
    };
    let text = format!("{}. Asked for by {}.", told.trim_end_matches('.'), stored.operation.asked_by);
    let event = if succeeded { Event::Restored } else { Event::RestoreFailed };
    let facts = json!({ "operation": stored.operation.id.0, "asked_by": &stored.operation.asked_by, "undo": undo });
    let news = News { facts, ..News::of(event, whose, title, text) };
    news::raise(panel, tx, &news).await.map(drop)
}

async fn verified(panel: &Panel, tx: &mut Tx, stored: &Stored, whose: Whose) -> AppResult<()> {
    let code = stored.operation.failure.as_ref().map(|failure| failure.code);
    match (stored.operation.state, code) {
        (JobState::Succeeded, _) => sound(panel, tx, whose).await,
        (JobState::Failed, Some(FailureCode::Mismatch)) => damaged(panel, tx, whose, reason(stored)).await,
        _ => Ok(()),
    }
}

/// What is stored of a subscription is damaged.
pub async fn damaged(panel: &Panel, tx: &mut Tx, whose: Whose, reason: &str) -> AppResult<()> {
    let title = format!("The stored backups of {} are damaged", whose.name);
    let news = News::of(Event::DamageFound, whose, title, reason.to_owned());
    causes::wrong(panel, tx, Kind::Damage, "", news).await
}

/// What is stored of a subscription is as it was written.
pub async fn sound(panel: &Panel, tx: &mut Tx, whose: Whose) -> AppResult<()> {
    let over = causes::over(tx, Kind::Damage, whose.id).await?;
    let Some(over) = over.filter(|over| over.told) else { return Ok(()) };
    let title = format!("The stored backups of {} are sound again", whose.name);
    let text = "All that is stored was read and is as it was written.".to_owned();
    let news = News { since: Some(over.since), ..News::of(Event::Recovered, whose, title, text) };
    news::raise(panel, tx, &news).await.map(drop)
}
