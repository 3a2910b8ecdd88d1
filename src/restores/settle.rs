//! Asks backup servers what became of restores whose end was not certain when their operation ended, and of databases
//! whose undo window is over: a server finishes, takes back or keeps longer when it runs again.

use std::{collections::HashSet, time::Duration};

use backup_api::{ClientError, ErrorCode, JobId, JobState, LogLevel, LogLine, RestoreStanding, RestoreState, Restored};

use super::{outcome, store};
use crate::{
    backup_servers::clients,
    error::AppResult,
    operations::{
        OperationKind, outcome as ending,
        store::{self as operations, Seen, Stored},
    },
    server::Panel,
};

/// How often it is looked at what there is to ask.
const LOOK: Duration = Duration::from_secs(5);
/// A server that takes longer is asked again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts asking, until the panel ends.
pub fn start(panel: &Panel) {
    let panel = panel.clone();
    let tasks = panel.tasks.clone();
    tasks.spawn(async move {
        let stop = panel.stop.clone();
        stop.run_until_cancelled(async {
            let mut last = None;
            loop {
                tokio::time::sleep(LOOK).await;
                match Box::pin(look(&panel, last)).await {
                    Ok(seen) => last = seen,
                    Err(error) => tracing::warn!("What became of restores could not be asked for: {error}"),
                }
            }
        })
        .await;
    });
}

/// Looks at the next ones after the last of the look before, and from the beginning when there are no more: those of
/// servers that never answer again do not stand before the others. Gives the last one, if there are more.
async fn look(panel: &Panel, after: Option<Seen>) -> AppResult<Option<Seen>> {
    let mut silent = HashSet::new();
    let some = operations::unsettled(panel, after).await?;
    let last = some.last().filter(|_| some.len() == operations::UNSETTLED_ROWS);
    let last = last.map(|stored| (stored.operation.created_at, stored.operation.id));
    for stored in some {
        let (id, server) = (stored.operation.id, stored.server);
        if silent.contains(&server) {
            continue;
        }
        let answered = ask(panel, stored).await.unwrap_or_else(|error| {
            tracing::warn!(operation.id = %id.0, "What became of restore {} could not be asked for: {error}", id.0);
            false
        });
        if !answered {
            silent.insert(server);
        }
    }
    Ok(last)
}

/// Asks for one; whether its server answered.
async fn ask(panel: &Panel, stored: Stored) -> AppResult<bool> {
    let Some((server, facts)) = stored.server.zip(stored.operation.restore.as_ref()) else {
        // A server that was deleted here cannot be asked any more.
        return close(panel, &stored, None).await.map(|()| true);
    };
    let server = clients::server(panel, server).await?;
    let asked = server.client.restore_state(JobId(facts.restore.0));
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(state)) => take(panel, stored, state).await?,
        Ok(Err(ClientError::Refused(refusal))) if refusal.code == ErrorCode::NotFound => {
            close(panel, &stored, None).await?;
        }
        Ok(Err(error)) => {
            tracing::debug!("“{}” does not say what became of a restore: {error}", server.name);
            return Ok(false);
        }
        Err(_) => return Ok(false),
    }
    Ok(true)
}

/// Takes what a server says of a restore.
async fn take(panel: &Panel, stored: Stored, state: RestoreState) -> AppResult<()> {
    let until = match &state.standing {
        RestoreStanding::Kept { until, .. } => Some(*until),
        _ => None,
    };
    let restored = state.restored.map(|restored| Restored { undo_until: until, ..restored });
    match (stored.operation.kind, stored.operation.state, state.standing) {
        (_, _, RestoreStanding::Open) => Ok(()),
        (OperationKind::Undo, _, RestoreStanding::Undone) => ending::correct(panel, stored, None).await,
        (OperationKind::Undo, ..) => close(panel, &stored, Some("The backup server took the undo back.")).await,
        (_, JobState::Interrupted, _) => match outcome::matching(&stored, restored) {
            Some(restored) => ending::correct(panel, stored, Some(restored)).await,
            None => close(panel, &stored, Some("The backup server took the restore back.")).await,
        },
        (_, _, RestoreStanding::Kept { until, why, .. }) if until > panel.clock.now() => {
            let mut tx = panel.db.begin().await?;
            store::kept_longer(&mut tx, stored.operation.id, until, why.as_deref()).await?;
            Ok(tx.commit().await?)
        }
        // It has not come to it yet.
        (_, _, RestoreStanding::Kept { .. }) => Ok(()),
        (_, _, RestoreStanding::Undone | RestoreStanding::Closed { .. }) => close(panel, &stored, None).await,
    }
}

/// Nothing is left to ask for.
async fn close(panel: &Panel, stored: &Stored, words: Option<&str>) -> AppResult<()> {
    let id = stored.operation.id;
    let mut tx = panel.db.begin().await?;
    operations::settle(&mut tx, id).await?;
    if let Some(words) = words {
        let message = format!("{words} The database is as it was before.");
        operations::log(&mut tx, id, &[LogLine { at: panel.clock.now(), level: LogLevel::Info, message }]).await?;
    }
    Ok(tx.commit().await?)
}
