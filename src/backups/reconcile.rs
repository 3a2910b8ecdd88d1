//! Compares the lines with what the servers hold. What exists is what the server says; no answer says nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backup_api::{Backup, BackupId, ClientError, ErrorCode, VerificationState};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    LineId, Trigger,
    places::{self, Place},
    store::{self, NewLine},
};
use crate::{
    backup_servers::{self, ServerId, clients},
    error::AppResult,
    operations::{
        OperationId,
        actions::{self, Entry},
    },
    retention::{self, store::MeantToGo},
    server::{
        Panel,
        db::{Tx, millis, number, query},
    },
    subscriptions::{self, SubscriptionId},
};

/// How often a server is asked about a repository.
const EVERY: TimeDelta = TimeDelta::minutes(1);
/// How long a page waits for the servers; they go on being asked after that.
const PAGE_WAITS: Duration = Duration::from_secs(2);
/// How long a server may take for the list of a repository.
const PATIENCE: Duration = Duration::from_mins(1);

/// When each repository was last asked for, and whether its server answered. By subscription as well: one that takes
/// over the repository of another has no lines yet.
#[derive(Debug, Default)]
pub struct Asked(Mutex<HashMap<(SubscriptionId, Place), Known>>);

/// Held while a server is asked, so that it is asked once.
type Known = Arc<tokio::sync::Mutex<Option<Answer>>>;

#[derive(Clone, Debug)]
struct Answer {
    at: DateTime<Utc>,
    said: Answers,
}

/// What the servers said.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Why a server could not be asked, or is not believed.
    pub unreachable: Option<String>,
    /// One has not answered yet; it goes on being asked.
    pub late: bool,
    /// What the subscription's present server knows of the soundness of what is stored.
    pub verification: Option<VerificationState>,
}

impl Asked {
    fn known(&self, id: SubscriptionId, place: Place) -> Known {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((id, place)).or_default())
    }

    /// Has the servers of a subscription asked again by the next page.
    pub fn forget(&self, id: SubscriptionId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(subscription, _), _| *subscription != id);
    }
}

/// Brings a subscription's lines in line with its servers, as far as they answer while a page waits; says which server
/// could not be asked.
pub async fn bring_up_to_date(panel: &Panel, id: SubscriptionId) -> AppResult<Answers> {
    bring_up_within(panel, id, PAGE_WAITS).await
}

/// The same, waiting until every server has answered or is known not to.
pub async fn bring_all_up_to_date(panel: &Panel, id: SubscriptionId) -> AppResult<Answers> {
    bring_up_within(panel, id, PATIENCE * 2).await
}

async fn bring_up_within(panel: &Panel, id: SubscriptionId, patience: Duration) -> AppResult<Answers> {
    let row = subscriptions::store::find(panel, id).await?;
    let mut answers = Answers::default();
    for place in places::of(panel, &row).await? {
        let task = panel.tasks.spawn(ask(panel.clone(), id, row.name.clone(), place));
        let Ok(Ok(said)) = tokio::time::timeout(patience, task).await else {
            answers.late = true;
            continue;
        };
        let said = said?;
        answers.unreachable = answers.unreachable.or(said.unreachable);
        if row.destination() == Some(place) {
            answers.verification = said.verification;
        }
    }
    Ok(answers)
}

/// Asks about one repository, unless that was done within the last minute.
async fn ask(panel: Panel, id: SubscriptionId, name: String, place: Place) -> AppResult<Answers> {
    let known = panel.asked.known(id, place);
    let mut known = known.lock().await;
    let now = panel.clock.now();
    if let Some(answer) = known.as_ref()
        && now - answer.at < EVERY
    {
        return Ok(answer.said.clone());
    }
    let said = match held_there(&panel, place).await {
        Ok((backups, verification)) => {
            let unreachable = apply(&panel, id, &name, place, now, &backups).await?;
            Answers { unreachable, verification, late: false }
        }
        Err(reason) => Answers { unreachable: Some(reason), ..Answers::default() },
    };
    *known = Some(Answer { at: now, said: said.clone() });
    Ok(said)
}

async fn held_there(
    panel: &Panel,
    (server, repository): Place,
) -> Result<(Vec<Backup>, Option<VerificationState>), String> {
    let server = clients::server(panel, server).await.map_err(|error| error.to_string())?;
    let asking = async {
        let backups = server.client.backups(repository).await?;
        // Beside the list it is of no weight: an older server does not know the question.
        let verification = if backups.is_empty() { None } else { server.client.verification(repository).await.ok() };
        Ok((backups, verification))
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        // A repository is made with its first backup.
        Ok(Err(ClientError::Refused(refusal))) if refusal.code == ErrorCode::NotFound => Ok((Vec::new(), None)),
        Ok(Err(error)) => Err(server.fault(&error).to_string()),
        Err(_) => Err(format!("The backup server “{}” took too long to list its backups.", server.name)),
    }
}

#[derive(sqlx_macros::FromRow)]
struct Line {
    id: Uuid,
    remote_id: Uuid,
    result: String,
    size_bytes: Option<i64>,
    recorded_at: i64,
    comment: String,
}

/// What changed, for the action log.
#[derive(Debug, Default)]
struct Changes {
    found: u64,
    missing: u64,
    back: u64,
    size_changed: u64,
    gone: u64,
}

/// Changes the lines as the server says; gives why it is not believed.
async fn apply(
    panel: &Panel,
    id: SubscriptionId,
    name: &str,
    place: Place,
    asked_at: DateTime<Utc>,
    backups: &[Backup],
) -> AppResult<Option<String>> {
    let mut tx = panel.db.begin().await?;
    let known: Vec<Line> = query!(
        tx,
        fetch_all,
        "SELECT id, remote_id, result, size_bytes, recorded_at, comment FROM backup_lines
         WHERE subscription_id = $1 AND server_id = $2 AND repository_id = $3",
        id.0,
        place.0.0,
        place.1.0
    )?;
    // The end of an operation writes its own line.
    let pending: Vec<(Uuid,)> = query!(
        tx,
        fetch_all,
        "SELECT backup_id FROM operations WHERE subscription_id = $1 AND finished_at IS NULL",
        id.0
    )?;
    let busy = !pending.is_empty();
    let pending: BTreeSet<BackupId> = pending.into_iter().map(|(backup,)| BackupId(backup)).collect();
    let held: BTreeMap<BackupId, &Backup> = backups.iter().map(|backup| (backup.id, backup)).collect();
    let mut changes = Changes::default();
    let meant_to_go = if busy { Vec::new() } else { retention::store::meant_to_go(&mut tx, id, place.0).await? };
    let all_gone = known.iter().filter(|line| line.was_there(asked_at) && !is_meant_to_go(&meant_to_go, line)).count();
    if backups.is_empty() && all_gone > 0 {
        return not_believed(&mut tx, place.0, all_gone).await.map(Some);
    }
    let mut left = false;
    for line in &known {
        let remote = BackupId(line.remote_id);
        let held = held.get(&remote).copied();
        match (held, meant_to_go.iter().find(|meant| meant.remote == remote)) {
            (None, Some(_)) => {
                changes.gone += 1;
                store::delete(&mut tx, LineId(line.id)).await?;
                continue;
            }
            // It outlived the run: should it be lost later, that is a loss.
            (Some(_), Some(meant)) if meant.ended < asked_at => {
                retention::store::was_left(&mut tx, place.0, remote).await?;
                left = true;
            }
            _ => {}
        }
        compare(&mut tx, line, held, asked_at, &mut changes).await?;
    }
    let known: BTreeSet<BackupId> = known.iter().map(|line| BackupId(line.remote_id)).collect();
    for backup in backups.iter().filter(|backup| !known.contains(&backup.id) && !pending.contains(&backup.id)) {
        let line = found(&mut tx, id, place.0, backup).await?;
        store::insert(panel, &mut tx, &line).await?;
        changes.found += 1;
    }
    let told = changes.in_words();
    if told.is_empty() && !left {
        return Ok(None);
    }
    store::recount(&mut tx, id).await?;
    for what in told {
        actions::write(panel, &mut tx, Entry::by_holdfast(what).about(id, name)).await?;
    }
    tx.commit().await?;
    Ok(None)
}

impl Line {
    /// Whether the server had it when it was asked, as far as is known here. A line that was written down after that
    /// cannot be in its answer.
    fn was_there(&self, asked_at: DateTime<Utc>) -> bool {
        self.recorded_at < millis(asked_at) && matches!(self.result.as_str(), "good" | "size_changed")
    }
}

fn is_meant_to_go(meant: &[MeantToGo], line: &Line) -> bool {
    meant.iter().any(|meant| meant.remote.0 == line.remote_id)
}

/// Backups do not all go at once, disks do: one that is not mounted looks like an empty one.
async fn not_believed(tx: &mut Tx, server: ServerId, count: usize) -> AppResult<String> {
    let name = backup_servers::store::name_of(tx, server).await?;
    let reason = format!(
        "The backup server “{name}” says that it holds nothing of this subscription any more, although {count} \
         backup(s) were there. Check that its disk is mounted and that it uses the right folder; nothing is changed \
         here until then. If they were removed on purpose, delete their lines."
    );
    tracing::warn!("{reason}");
    Ok(reason)
}

/// A backup that the panel has no line of. A restore whose end it missed made its safety backup all the same.
async fn found(tx: &mut Tx, id: SubscriptionId, server: ServerId, backup: &Backup) -> AppResult<NewLine> {
    let made_by: Option<(Uuid, String)> = query!(
        tx,
        fetch_optional,
        "SELECT id, comment FROM operations WHERE subscription_id = $1 AND backup_id = $2 AND kind = 'restore'",
        id.0,
        backup.id.0
    )?;
    let Some((operation, comment)) = made_by else { return Ok(NewLine::good(id, server, backup, Trigger::Found)) };
    let mut line = NewLine::good(id, server, backup, Trigger::Safety);
    line.comment = comment;
    line.operation = Some(OperationId(operation));
    Ok(line)
}

async fn compare(
    tx: &mut Tx,
    line: &Line,
    held: Option<&Backup>,
    asked_at: DateTime<Utc>,
    changes: &mut Changes,
) -> AppResult<()> {
    let id = LineId(line.id);
    let Some(held) = held else {
        if !line.was_there(asked_at) {
            return Ok(());
        }
        changes.missing += 1;
        return store::set_result(tx, id, "missing").await;
    };
    let same_size = line.size_bytes.map(number) == Some(held.size_bytes);
    match (line.result.as_str(), same_size) {
        ("failed", _) => {
            changes.found += 1;
            store::turn_good(tx, id, held, &line.comment).await
        }
        ("good", true) | ("size_changed", false) => Ok(()),
        (_, true) => {
            changes.back += 1;
            store::set_result(tx, id, "good").await
        }
        (_, false) => {
            changes.size_changed += 1;
            store::set_result(tx, id, "size_changed").await
        }
    }
}

impl Changes {
    fn in_words(&self) -> Vec<String> {
        let told = [
            (self.found, "backup(s) found on the backup server that were not known here"),
            (self.gone, "backup(s) removed by retention, of which the panel had not heard"),
            (self.missing, "backup(s) not on the backup server any more"),
            (self.back, "backup(s) on the backup server again as they were"),
            (self.size_changed, "backup(s) of another size than when they were made"),
        ];
        told.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }
}
