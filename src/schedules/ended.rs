//! What becomes of runs whose operation has ended, and of those whose panel is gone.

use backup_api::{FailureCode, JobState};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    error::AppResult,
    operations::{
        OperationId,
        follow::{self, LEASE},
        stored::named,
    },
    server::{
        Panel,
        db::{Tx, millis, query},
    },
};

/// How long each further try waits; after the last, the next slot is the next try.
const RETRIES: [TimeDelta; 3] = [TimeDelta::minutes(5), TimeDelta::minutes(15), TimeDelta::minutes(45)];
/// Runs that ended are kept for so long.
const MEMORY: TimeDelta = TimeDelta::days(90);

/// Whether a failure may pass by itself. A wrong password does not.
pub const fn may_pass(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::Unreachable
            | FailureCode::Stalled
            | FailureCode::Incomplete
            | FailureCode::OdooError
            | FailureCode::InUse
            | FailureCode::Interrupted
    )
}

/// Whether an operation that failed belongs to a run that is tried again soon.
pub async fn is_tried_again(tx: &mut Tx, id: OperationId, code: Option<FailureCode>) -> AppResult<bool> {
    if !code.is_some_and(may_pass) {
        return Ok(false);
    }
    let run: Option<(i64,)> = query!(
        tx,
        fetch_optional,
        "SELECT attempts FROM scheduled_runs WHERE operation_id = $1 AND state = 'running'",
        id.0
    )?;
    Ok(run.is_some_and(|(attempts,)| pause_after(attempts).is_some()))
}

/// How long a run waits after so many tries; `None` after the last.
fn pause_after(attempts: i64) -> Option<TimeDelta> {
    usize::try_from(attempts - 1).ok().and_then(|tried| RETRIES.get(tried)).copied()
}

#[derive(sqlx_macros::FromRow)]
struct Ended {
    subscription_id: Uuid,
    slot: i64,
    attempts: i64,
    state: String,
    failure_code: Option<String>,
}

/// Writes down how runs ended, and when those that may succeed later are tried again.
pub async fn collect(panel: &Panel) -> AppResult<u64> {
    let ended: Vec<Ended> = query!(
        panel.db,
        fetch_all,
        "SELECT r.subscription_id, r.slot, r.attempts, o.state, o.failure_code FROM scheduled_runs r
         JOIN operations o ON o.id = r.operation_id
         WHERE r.state = 'running' AND o.finished_at IS NOT NULL"
    )?;
    for run in &ended {
        let mut tx = panel.db.begin().await?;
        run.write(panel, &mut tx).await?;
        tx.commit().await?;
    }
    Ok(ended.len() as u64)
}

impl Ended {
    /// Writes down what becomes of it, unless another panel did. When a later run waits already, that one is the next
    /// try.
    async fn write(&self, panel: &Panel, tx: &mut Tx) -> AppResult<()> {
        let (state, wait) = self.verdict();
        let later: Option<(i64,)> = query!(
            tx,
            fetch_optional,
            "SELECT slot FROM scheduled_runs WHERE subscription_id = $1 AND slot > $2 ORDER BY slot DESC LIMIT 1",
            self.subscription_id,
            self.slot
        )?;
        let later = later.map(|(slot,)| slot).filter(|_| state == "waiting");
        let touched = query!(
            tx,
            execute,
            "UPDATE scheduled_runs SET due_at = $4, owner = NULL, lease_until = NULL, state = $3
             WHERE subscription_id = $1 AND slot = $2 AND state = 'running' AND attempts = $5",
            self.subscription_id,
            self.slot,
            if later.is_some() { "merged" } else { state },
            millis(panel.clock.now() + wait),
            self.attempts
        )?;
        if let (1, Some(later)) = (touched, later) {
            query!(
                tx,
                execute,
                "UPDATE scheduled_runs SET attempts = attempts + $3 WHERE subscription_id = $1 AND slot = $2",
                self.subscription_id,
                later,
                self.attempts
            )?;
        }
        Ok(())
    }

    /// The run's next state, and how long it waits in it.
    fn verdict(&self) -> (&'static str, TimeDelta) {
        let code = self.failure_code.as_deref().and_then(named::<FailureCode>);
        let retry = pause_after(self.attempts);
        match (JobState::parse(&self.state), code, retry) {
            // Who cancels it does not want it tried again.
            (Some(JobState::Succeeded | JobState::Cancelled), ..) => ("done", TimeDelta::zero()),
            (_, Some(code), Some(wait)) if may_pass(code) => ("waiting", wait),
            _ => ("failed", TimeDelta::zero()),
        }
    }
}

/// Says that this panel is there, and takes over the runs and operations of one that has not said so for a while.
pub async fn keep_leases(panel: &Panel) -> AppResult<()> {
    let now = panel.clock.now();
    let until = millis(now + LEASE);
    let mut tx = panel.db.begin().await?;
    query!(
        tx,
        execute,
        "UPDATE scheduled_runs SET lease_until = $2 WHERE state = 'running' AND owner = $1",
        panel.instance,
        until
    )?;
    query!(
        tx,
        execute,
        "UPDATE scheduled_runs SET owner = $1, lease_until = $2 WHERE state = 'running' AND lease_until < $3",
        panel.instance,
        until,
        millis(now)
    )?;
    tx.commit().await?;
    follow::keep_leases(panel).await
}

/// Forgets runs that ended long ago.
pub async fn forget_old(panel: &Panel) -> AppResult<u64> {
    let mut tx = panel.db.begin().await?;
    let forgotten = query!(
        tx,
        execute,
        "DELETE FROM scheduled_runs WHERE slot < $1 AND state IN ('done', 'failed', 'merged')",
        millis(panel.clock.now() - MEMORY)
    )?;
    tx.commit().await?;
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(attempts: i64, state: &str, code: Option<&str>) -> (&'static str, i64) {
        let run = Ended {
            subscription_id: Uuid::nil(),
            slot: 0,
            attempts,
            state: state.to_owned(),
            failure_code: code.map(ToOwned::to_owned),
        };
        let (state, wait) = run.verdict();
        (state, wait.num_minutes())
    }

    #[test]
    fn what_may_pass_is_tried_again_with_growing_pauses_and_nothing_else() {
        let unreachable = |attempts| ended(attempts, "failed", Some("unreachable"));
        assert_eq!([1, 2, 3].map(unreachable), [("waiting", 5), ("waiting", 15), ("waiting", 45)]);
        assert_eq!(unreachable(4), ("failed", 0));
        assert_eq!(ended(1, "interrupted", Some("interrupted")), ("waiting", 5));
        for code in ["source", "pg_dump", "no_space", "internal", "a later version's word"] {
            assert_eq!(ended(1, "failed", Some(code)), ("failed", 0), "{code}");
        }
        assert_eq!(ended(1, "succeeded", None), ("done", 0));
        assert_eq!(ended(1, "cancelled", Some("cancelled")), ("done", 0));
    }
}
