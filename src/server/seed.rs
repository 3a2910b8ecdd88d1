//! `holdfast seed`: made-up subscriptions and backup lines, to measure with.

use backup_api::{Backup, BackupFormat, BackupId, DatabaseName, RepositoryId};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Panel,
    db::{Tx, millis, query},
};
use crate::{
    backup_servers::{self, ServerId},
    backups::{
        Trigger,
        store::{self as lines, NewLine},
    },
    error::{AppError, AppResult},
    subscriptions::SubscriptionId,
};

const SERVERS: u64 = 8;
const VERSIONS: [&str; 4] = ["15.0", "16.0", "17.0", "18.0"];
const PLACES: [&str; 8] = ["Bakery", "Brewery", "Clinic", "Garage", "Hotel", "Joinery", "Nursery", "Winery"];
/// Subscriptions of one transaction.
const BATCH: u64 = 50;
/// Days of work of each subscription.
const WORKS: u64 = 30;

/// How much to make up.
#[derive(Debug, clap::Args)]
pub struct Seed {
    /// Subscriptions.
    #[arg(long, default_value_t = 5000)]
    subscriptions: u64,
    /// Backup lines of all of them together.
    #[arg(long, default_value_t = 500_000)]
    lines: u64,
}

impl Seed {
    /// Fills the database; refused where real subscriptions are.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let (there,): (i64,) = query!(panel.db, fetch_one, "SELECT COUNT(*) FROM subscriptions")?;
        if there > 0 {
            return Err(AppError::Conflict(
                "There are subscriptions already. Seed an empty data folder (--data) or database.".to_owned(),
            ));
        }
        let servers = servers(panel).await?;
        let now = panel.clock.now();
        spaces(panel, &servers, now).await?;
        for batch in (0..self.subscriptions).step_by(usize::try_from(BATCH).unwrap_or(1)) {
            let mut tx = panel.db.begin().await?;
            for number in batch..(batch + BATCH).min(self.subscriptions) {
                let count = self.lines / self.subscriptions + u64::from(number < self.lines % self.subscriptions);
                one(panel, &mut tx, &servers, number, count, now).await?;
            }
            tx.commit().await?;
        }
        // Both databases plan by what they know of their tables.
        let mut tx = panel.db.begin().await?;
        query!(tx, execute, "ANALYZE")?;
        tx.commit().await?;
        println!("Seeded {} subscriptions with {} backup lines", self.subscriptions, self.lines);
        Ok(())
    }
}

async fn servers(panel: &Panel) -> AppResult<Vec<Uuid>> {
    let mut tx = panel.db.begin().await?;
    let mut servers = Vec::new();
    for number in 1..=SERVERS {
        let id = panel.id();
        let token = panel.secrets.seal(backup_servers::store::TOKEN, id, &backup_api::Secret::new("made up"));
        let (name, url) = (format!("Seeded server {number}"), format!("http://192.0.2.{number}:8072"));
        backup_servers::store::insert(panel, &mut tx, id, &name, &url, &token, false).await?;
        servers.push(id);
    }
    tx.commit().await?;
    Ok(servers)
}

/// Four weeks of each server's space: one stays as it is, the others fill up, each at its own pace.
async fn spaces(panel: &Panel, servers: &[Uuid], now: DateTime<Utc>) -> AppResult<()> {
    const GIGABYTE: u64 = 1_000_000_000;
    let mut tx = panel.db.begin().await?;
    for (pace, id) in (0_u64..).zip(servers) {
        for step in 0..=28 * 8_u32 {
            let used = (300 + pace * 60) * GIGABYTE + u64::from(step) * pace * GIGABYTE / 8;
            let space = backup_api::Space {
                total_bytes: 1_000 * GIGABYTE,
                free_bytes: 1_000 * GIGABYTE - used,
                repositories_bytes: used / 2,
            };
            let at = now - TimeDelta::hours(i64::from(28 * 8 - step) * 3);
            backup_servers::samples::record(&mut tx, ServerId(*id), space, at).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// A work a day: what it made was removed since, some failed, some days have none. Of every 25th subscription, the last
/// one failed today.
async fn works(
    panel: &Panel,
    tx: &mut Tx,
    subscription: (Uuid, &str),
    server: Uuid,
    number: u64,
    now: DateTime<Utc>,
) -> AppResult<()> {
    let minutes = i64::try_from(number % 1_440).unwrap_or_default();
    for day in (0..WORKS).filter(|day| *day == 0 || !(number + day * 5).is_multiple_of(23)) {
        let failed = if day == 0 { number.is_multiple_of(25) } else { (number + day * 7).is_multiple_of(19) };
        if day == 0 && !failed {
            continue;
        }
        let at = millis(now - TimeDelta::minutes(minutes) - TimeDelta::days(i64::try_from(day).unwrap_or_default()));
        let size = 40_000_000 + i64::try_from(number * 1_000 + (WORKS - day) * 300_000).unwrap_or_default();
        query!(
            tx,
            execute,
            "INSERT INTO operations (id, kind, subscription_id, subscription_name, server_id, server_name,
                 repository_id, backup_id, database_name, format, comment, trigger_kind, asked_by, accepted,
                 cancel_asked, state, phase, done_bytes, created_at, started_at, finished_at, failure_code,
                 failure_message, size_bytes)
             VALUES ($1, 'backup', $2, $3, $4, 'Seeded server', $1, $1, 'made-up', 'zip', '', 'schedule', 'Holdfast',
                 TRUE, FALSE, $5, 'database', 0, $6, $6, $6, $7, $8, $9)",
            panel.id(),
            subscription.0,
            subscription.1,
            server,
            if failed { "failed" } else { "succeeded" },
            at,
            failed.then_some("unreachable"),
            failed.then_some("The database server does not answer. Check that it runs and that its address is right."),
            (!failed).then_some(size)
        )?;
    }
    Ok(())
}

/// One subscription: every twentieth without a server, the others with a latest backup from an hour to ten days ago.
async fn one(
    panel: &Panel,
    tx: &mut Tx,
    servers: &[Uuid],
    number: u64,
    count: u64,
    now: DateTime<Utc>,
) -> AppResult<()> {
    let (id, repository) = (panel.id(), panel.id());
    let pick = |of: usize| usize::try_from(number).unwrap_or_default() % of;
    let server = servers[pick(servers.len())];
    let configured = number % 20 != 19;
    let name = format!("{} {number:05}", PLACES[pick(PLACES.len())]);
    let database = format!("customer-{number:05}");
    query!(
        tx,
        execute,
        "INSERT INTO subscriptions (id, name, name_key, database_name, search_text, server_id, repository_id,
             connection, odoo_url, redacted_postgres_url, filestore, addons, odoo_version, keep_daily, keep_weekly,
             keep_monthly, keep_latest, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'odoo_http', 'https://odoo.example.com', '', '', '', $8, 7, 2, 1, 7, $9)",
        id,
        &name,
        name.to_lowercase(),
        &database,
        format!("{name}\n{database}").to_lowercase(),
        configured.then_some(server),
        repository,
        VERSIONS[pick(VERSIONS.len())],
        millis(now - TimeDelta::days(90))
    )?;
    works(panel, tx, (id, &name), server, number, now).await?;
    let database = DatabaseName::parse(&database).map_err(|_| AppError::Internal)?;
    let latest = now - TimeDelta::hours(1) - TimeDelta::minutes(i64::try_from(number % 14_400).unwrap_or_default());
    for age in 0..count {
        let at = latest - TimeDelta::hours(i64::try_from(age * 6).unwrap_or_default());
        let backup = backup(panel, RepositoryId(repository), &database, at, 50_000_000 + number * 1000 + age);
        let line = NewLine::good(SubscriptionId(id), ServerId(server), &backup, Trigger::Schedule);
        lines::insert(panel, tx, &line).await?;
    }
    lines::recount(tx, SubscriptionId(id)).await
}

fn backup(panel: &Panel, repository: RepositoryId, database: &DatabaseName, at: DateTime<Utc>, size: u64) -> Backup {
    Backup {
        id: BackupId(panel.id()),
        repository,
        created_at: at,
        database: database.clone(),
        format: BackupFormat::Zip,
        file_name: format!("{database}_{}.zip", at.format("%Y-%m-%d_%H-%M-%S")),
        size_bytes: size,
        stored_bytes: size / 40,
        dump_sha256: String::new(),
        dump_bytes: size / 2,
        attachments: None,
        odoo_version: None,
        postgres_version: None,
        comment: String::new(),
    }
}
