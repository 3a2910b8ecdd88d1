//! Asks the backup servers what the verifications that they make by themselves found: nobody may be looking.

use backup_api::RepositoryId;
use chrono::TimeDelta;
use uuid::Uuid;

use super::{news::Whose, operations};
use crate::{
    backup_servers::{ServerId, clients},
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{millis, query},
    },
};

/// How often a subscription is asked for.
const EVERY: TimeDelta = TimeDelta::hours(6);
/// Subscriptions of one look: many are spread over the hours.
const BATCH: i64 = 10;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(sqlx_macros::FromRow)]
struct Held {
    id: Uuid,
    name: String,
    database_name: String,
    server_id: Uuid,
    repository_id: Uuid,
    since: Option<i64>,
}

/// Asks for those that were not asked for lately.
pub async fn ask(panel: &Panel) -> AppResult<()> {
    let before = millis(panel.clock.now() - EVERY);
    let due: Vec<Held> = query!(
        panel.db,
        fetch_all,
        "SELECT s.id, s.name, s.database_name, s.server_id, s.repository_id, c.since
         FROM subscriptions s LEFT JOIN verification_looks l ON l.subscription_id = s.id
         LEFT JOIN alert_causes c ON c.kind = 'damage' AND c.subject = s.id
         WHERE s.server_id IS NOT NULL AND s.repository_id IS NOT NULL AND s.good_count > 0
           AND COALESCE(l.asked_at, 0) <= $1
         ORDER BY COALESCE(l.asked_at, 0), s.id LIMIT $2",
        before,
        BATCH
    )?;
    for held in due {
        if claim(panel, &held, before).await?
            && let Err(error) = ask_for(panel, &held).await
        {
            tracing::warn!("Whether the stored backups of {} are sound could not be asked: {error}", held.id);
        }
    }
    Ok(())
}

/// Whether this panel is the one that asks.
async fn claim(panel: &Panel, held: &Held, before: i64) -> AppResult<bool> {
    let mut tx = panel.db.begin().await?;
    let touched = query!(
        tx,
        execute,
        "INSERT INTO verification_looks (subscription_id, asked_at) VALUES ($1, $2)
         ON CONFLICT (subscription_id) DO UPDATE SET asked_at = $2 WHERE verification_looks.asked_at <= $3",
        held.id,
        millis(panel.clock.now()),
        before
    )?;
    tx.commit().await?;
    Ok(touched == 1)
}

async fn ask_for(panel: &Panel, held: &Held) -> AppResult<()> {
    let server = clients::server(panel, ServerId(held.server_id)).await?;
    let asking = server.client.verification(RepositoryId(held.repository_id));
    let state = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(state)) => state,
        // An older server does not know the question; of one that does not answer others tell.
        Ok(Err(error)) => return if error.refusal().is_some() { Ok(()) } else { Err(server.fault(&error)) },
        Err(_) => return Err(AppError::ServerUnreachable { server: server.name }),
    };
    let Some(last) = state.last else { return Ok(()) };
    let whose = Whose { id: held.id, name: held.name.clone(), database: held.database_name.clone() };
    let mut tx = panel.db.begin().await?;
    match last.problems.first() {
        Some(first) => {
            let reason = format!(
                "A verification found damage in {} place(s) of what the backup server “{}” stores, the first: {first}. \
                 Make a new backup now and check the disk of the backup server.",
                last.problems.len(),
                server.name
            );
            operations::damaged(panel, &mut tx, whose, &reason).await?;
        }
        // One from before the damage was told says nothing about it.
        None if held.since.is_some_and(|since| millis(last.began_at) >= since) => {
            operations::sound(panel, &mut tx, whose).await?;
        }
        None => return Ok(()),
    }
    tx.commit().await?;
    Ok(())
}
