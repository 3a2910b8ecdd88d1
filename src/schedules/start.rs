//! Begins the runs that wait: one at a time for a subscription, and no more at once than a server's limit.

use backup_api::BackupFormat;
use uuid::Uuid;

use super::store::read;
use crate::{
    backups::{Trigger, create},
    error::{AppError, AppResult},
    operations::{
        OperationId,
        begin::{self, Asker},
        follow::LEASE,
    },
    server::{
        Panel,
        db::{Tx, millis, query},
    },
    subscriptions::SubscriptionId,
};

/// Runs that are looked at in one go.
const BATCH: i64 = 200;
/// A run that waits.
#[derive(Clone, Debug, sqlx_macros::FromRow)]
struct Waiting {
    subscription_id: Uuid,
    slot: i64,
    attempts: i64,
    server_id: Uuid,
    plan: String,
}

/// Begins what may begin at this moment; gives how many.
pub async fn begin_waiting(panel: &Panel) -> AppResult<u64> {
    let waiting: Vec<Waiting> = query!(
        panel.db,
        fetch_all,
        "SELECT r.subscription_id, r.slot, r.attempts, s.server_id, c.plan FROM scheduled_runs r
         JOIN subscriptions s ON s.id = r.subscription_id
         JOIN schedules c ON c.subscription_id = r.subscription_id
         JOIN backup_servers v ON v.id = s.server_id
         WHERE r.state = 'waiting' AND r.due_at <= $1
           AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.subscription_id = s.id AND o.finished_at IS NULL)
           AND (SELECT COUNT(*) FROM operations o WHERE o.server_id = v.id AND o.finished_at IS NULL) < v.job_limit
         ORDER BY r.due_at, r.slot LIMIT $2",
        millis(panel.clock.now()),
        BATCH
    )?;
    let (mut begun, mut full) = (0, Vec::new());
    for run in waiting {
        if full.contains(&run.server_id) {
            continue;
        }
        match begin_one(panel, &run).await {
            Ok(true) => begun += 1,
            Ok(false) => full.push(run.server_id),
            // Somebody began something else meanwhile, or the server was taken away: it waits on.
            Err(AppError::Conflict(_) | AppError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(begun)
}

/// Begins a run; `false` when the server has enough to do.
async fn begin_one(panel: &Panel, run: &Waiting) -> AppResult<bool> {
    let mut tx = panel.db.begin().await?;
    if !has_room(&mut tx, run.server_id).await? {
        return Ok(false);
    }
    let format: BackupFormat = read(&run.plan)?.format;
    let id = SubscriptionId(run.subscription_id);
    let mut new = create::prepare(panel, &mut tx, Asker::Holdfast, id, format).await?;
    new.trigger = Trigger::Schedule;
    let again = if run.attempts > 0 { format!(", try {}", run.attempts + 1) } else { String::new() };
    let what = format!("Started the planned backup of {} as {}{again}", new.database, format.as_str());
    begin::write(panel, &mut tx, &new, what).await?;
    if !claim(panel, &mut tx, run, new.operation.id).await? {
        return Err(AppError::Conflict("Another panel began this run.".to_owned()));
    }
    begin::commit(panel, tx, &new).await?;
    Ok(true)
}

/// Whether a server may begin one more; holds its row, so that two panels count one after the other.
async fn has_room(tx: &mut Tx, server: Uuid) -> AppResult<bool> {
    query!(tx, execute, "UPDATE backup_servers SET job_limit = job_limit WHERE id = $1", server)?;
    let row: Option<(bool,)> = query!(
        tx,
        fetch_optional,
        "SELECT (SELECT COUNT(*) FROM operations o WHERE o.server_id = v.id AND o.finished_at IS NULL) < v.job_limit
         FROM backup_servers v WHERE v.id = $1",
        server
    )?;
    Ok(row.is_some_and(|(room,)| room))
}

async fn claim(panel: &Panel, tx: &mut Tx, run: &Waiting, operation: OperationId) -> AppResult<bool> {
    let touched = query!(
        tx,
        execute,
        "UPDATE scheduled_runs SET state = 'running', attempts = attempts + 1, operation_id = $3, owner = $4,
             lease_until = $5
         WHERE subscription_id = $1 AND slot = $2 AND state = 'waiting'",
        run.subscription_id,
        run.slot,
        operation.0,
        panel.instance,
        millis(panel.clock.now() + LEASE)
    )?;
    Ok(touched == 1)
}
