//! SQL of the overview.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{BackupDays, FAILURES, FailedWork, Overview, ROWS, ServerSpace};
use crate::{
    backup_servers::{
        ServerId, SpaceAt,
        outlook::{LOOKED_AT, outlook},
        samples, store as servers,
    },
    error::{AppError, AppResult},
    history::store::{Whose, rows, zone_of},
    operations::{OperationId, OperationKind},
    server::{
        Panel,
        db::{millis, moment, number, query},
    },
    subscriptions::{Standing, SubscriptionId, states},
};

/// For how long a failure is told.
const LATELY: TimeDelta = TimeDelta::days(1);

/// Everything that the overview shows.
pub async fn overview(panel: &Panel, page: u32) -> AppResult<Overview> {
    let now = panel.clock.now();
    let (counts, (failures, failed), servers, rows) = futures::future::try_join4(
        states::counts(panel, now),
        failures(panel, now),
        spaces(panel, now),
        attention(panel, page, now),
    )
    .await?;
    Ok(Overview { counts, failures, failed, servers, rows, as_of: now })
}

#[derive(sqlx_macros::FromRow)]
struct Failed {
    id: Uuid,
    kind: String,
    subscription_id: Option<Uuid>,
    subscription_name: String,
    server_name: String,
    finished_at: i64,
    failure_message: Option<String>,
    latest_good_at: Option<i64>,
}

/// The newest of what failed within a day, and how much that was in all.
async fn failures(panel: &Panel, now: DateTime<Utc>) -> AppResult<(Vec<FailedWork>, u64)> {
    let begin = millis(now - LATELY);
    let (failed,): (i64,) = query!(
        panel.db,
        fetch_one,
        "SELECT COUNT(*) FROM operations WHERE state IN ('failed', 'interrupted') AND finished_at > $1",
        begin
    )?;
    let rows: Vec<Failed> = query!(
        panel.db,
        fetch_all,
        "SELECT o.id, o.kind, o.subscription_id, o.subscription_name, o.server_name, o.finished_at, o.failure_message,
                s.latest_good_at
         FROM operations o LEFT JOIN subscriptions s ON s.id = o.subscription_id
         WHERE o.state IN ('failed', 'interrupted') AND o.finished_at > $1
         ORDER BY o.finished_at DESC, o.id DESC LIMIT $2",
        begin,
        i64::from(FAILURES)
    )?;
    let failures = rows.into_iter().map(Failed::into_work).collect::<AppResult<_>>()?;
    Ok((failures, number(failed)))
}

impl Failed {
    fn into_work(self) -> AppResult<FailedWork> {
        let kind = OperationKind::parse(&self.kind).ok_or_else(|| {
            tracing::error!("The operation {} is of a kind that this version does not know", self.id);
            AppError::Internal
        })?;
        let later = self.latest_good_at.is_some_and(|latest| latest > self.finished_at);
        Ok(FailedWork {
            id: OperationId(self.id),
            kind,
            subscription: self.subscription_id.map(SubscriptionId),
            subscription_name: self.subscription_name,
            server: self.server_name,
            at: moment(self.finished_at),
            reason: self.failure_message.unwrap_or_default(),
            mended: later && kind == OperationKind::Backup,
        })
    }
}

async fn spaces(panel: &Panel, now: DateTime<Utc>) -> AppResult<Vec<ServerSpace>> {
    let servers = async { servers::list(panel, None).await };
    let (servers, samples) = futures::future::try_join(servers, samples::since(panel, now - LOOKED_AT)).await?;
    let mut of: HashMap<ServerId, Vec<SpaceAt>> = HashMap::new();
    for (id, sample) in samples {
        of.entry(id).or_default().push(sample);
    }
    let space = |server: crate::backup_servers::BackupServer| {
        let mut samples = of.remove(&server.id).unwrap_or_default();
        let last = samples.last().map(|sample| sample.at);
        // What it said just now is the newest of all.
        if let (Some(space), crate::backup_servers::Reach::Reachable { .. }) = (server.space, &server.reach)
            && last.is_some_and(|last| last < now)
        {
            samples.push(SpaceAt { at: now, space });
        }
        ServerSpace {
            id: server.id,
            name: server.name,
            reach: server.reach,
            space: server.space,
            outlook: outlook(&samples, now),
            samples,
        }
    };
    Ok(servers.into_iter().map(space).collect())
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    latest_good_at: Option<i64>,
    time_zone: String,
    created_at: i64,
}

/// A page of those that have a server, the oldest latest backup first: Danger, then Warning, then the others.
async fn attention(panel: &Panel, page: u32, now: DateTime<Utc>) -> AppResult<Vec<BackupDays>> {
    let found: Vec<Row> = query!(
        panel.db,
        fetch_all,
        "SELECT id, name, latest_good_at, time_zone, created_at FROM subscriptions WHERE server_id IS NOT NULL
         ORDER BY latest_good_at ASC NULLS FIRST, name_key, id LIMIT $1 OFFSET $2",
        i64::from(ROWS),
        i64::from(page) * i64::from(ROWS)
    )?;
    let whose: Vec<Whose> = found
        .iter()
        .map(|row| Whose { id: SubscriptionId(row.id), zone: zone_of(&row.time_zone), since: moment(row.created_at) })
        .collect();
    let days = rows(panel, &whose, now).await?;
    let row = |(row, days): (Row, _)| BackupDays {
        id: SubscriptionId(row.id),
        name: row.name,
        standing: Standing { configured: true, latest: row.latest_good_at.map(moment) },
        days,
    };
    Ok(found.into_iter().zip(days).map(row).collect())
}
