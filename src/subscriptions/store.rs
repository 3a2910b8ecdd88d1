//! SQL of subscriptions.

use backup_api::{DatabaseName, RepositoryId};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{Retention, Standing, Subscription, SubscriptionId, connection::Stored};
use crate::{
    backup_servers::ServerId,
    backups,
    error::{AppError, AppResult},
    schedules::{self, plan},
    server::{
        Panel,
        db::{Tx, millis, moment, number, query},
    },
};

/// What the record is called when it is not there.
pub const THIS: &str = "This subscription";

/// Why a form that was opened before another one was saved is not.
const CHANGED_MEANWHILE: &str = "Somebody else changed this subscription after you had opened it, so nothing was saved. \
    Note what you entered, reload the page to see how it is now, and enter it again.";

/// A subscription as stored.
#[derive(Clone, Debug, sqlx_macros::FromRow)]
pub struct Row {
    /// Identity.
    pub id: Uuid,
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database_name: String,
    /// The backup server.
    pub server_id: Option<Uuid>,
    /// The repository.
    pub repository_id: Option<Uuid>,
    /// How it is reached.
    #[sqlx(flatten)]
    pub connection: Stored,
    /// Odoo's version as last seen.
    pub odoo_version: Option<String>,
    keep_daily: i64,
    keep_weekly: i64,
    keep_monthly: i64,
    keep_latest: i64,
    time_zone: String,
    latest_good_at: Option<i64>,
    latest_bytes: Option<i64>,
    /// Number of good backups.
    pub good_count: i64,
    stored_bytes: i64,
    /// How often its form was saved.
    pub revision: i64,
}

const COLUMNS: &str = "SELECT id, name, database_name, server_id, repository_id, connection, odoo_url, master_password,
    postgres_url, redacted_postgres_url, filestore, addons, odoo_version, keep_daily, keep_weekly, keep_monthly,
    keep_latest, time_zone, latest_good_at, latest_bytes, good_count, stored_bytes, revision
    FROM subscriptions WHERE id = $1";

/// A subscription.
pub async fn find(panel: &Panel, id: SubscriptionId) -> AppResult<Row> {
    let row: Option<Row> = query!(panel.db, fetch_optional, COLUMNS, id.0)?;
    row.ok_or_else(|| AppError::not_found(THIS))
}

/// A subscription, inside a transaction.
pub async fn find_in(tx: &mut Tx, id: SubscriptionId) -> AppResult<Row> {
    let row: Option<Row> = query!(tx, fetch_optional, COLUMNS, id.0)?;
    row.ok_or_else(|| AppError::not_found(THIS))
}

/// Holds a subscription's row to the end of the transaction: what is read after that is what the last holder left, also
/// with two panels on PostgreSQL. To be called before, not after, what it shall protect is read.
pub async fn hold(tx: &mut Tx, id: SubscriptionId) -> AppResult<()> {
    let touched = query!(tx, execute, "UPDATE subscriptions SET good_count = good_count WHERE id = $1", id.0)?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found(THIS)) }
}

/// Keeps everything else from a subscription that is being deleted until a moment, or no longer.
pub async fn set_deleting(tx: &mut Tx, id: SubscriptionId, until: Option<DateTime<Utc>>) -> AppResult<()> {
    let touched =
        query!(tx, execute, "UPDATE subscriptions SET deleting_until = $2 WHERE id = $1", id.0, until.map(millis))?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found(THIS)) }
}

/// The name of a subscription if it is being deleted at this moment.
pub async fn being_deleted(tx: &mut Tx, id: SubscriptionId, now: DateTime<Utc>) -> AppResult<Option<String>> {
    let row: Option<(String,)> = query!(
        tx,
        fetch_optional,
        "SELECT name FROM subscriptions WHERE id = $1 AND deleting_until > $2",
        id.0,
        millis(now)
    )?;
    Ok(row.map(|(name,)| name))
}

impl Row {
    /// Identity.
    pub const fn subscription(&self) -> SubscriptionId {
        SubscriptionId(self.id)
    }

    /// The database's name.
    pub fn database(&self) -> AppResult<DatabaseName> {
        DatabaseName::parse(&self.database_name).map_err(|error| AppError::field("database", error.to_string()))
    }

    /// The backup server and the repository, if set.
    pub fn destination(&self) -> Option<(ServerId, RepositoryId)> {
        Some((ServerId(self.server_id?), RepositoryId(self.repository_id?)))
    }
}

impl Row {
    /// What is kept.
    pub fn retention(&self) -> Retention {
        let kept = |stored: i64| u16::try_from(stored).unwrap_or_default();
        Retention {
            daily: kept(self.keep_daily),
            weekly: kept(self.keep_weekly),
            monthly: kept(self.keep_monthly),
            keep_latest: kept(self.keep_latest),
        }
    }

    /// The time zone of schedule and retention.
    pub fn zone(&self) -> Tz {
        plan::zone(&self.time_zone).unwrap_or_else(|_| {
            tracing::warn!("The time zone {} is not known any more; UTC is used instead", self.time_zone);
            Tz::UTC
        })
    }
}

/// A subscription for its form.
pub async fn get(panel: &Panel, id: SubscriptionId) -> AppResult<Subscription> {
    let row = find(panel, id).await?;
    let server = match row.server_id {
        Some(server) => {
            let (name,): (String,) =
                query!(panel.db, fetch_one, "SELECT name FROM backup_servers WHERE id = $1", server)?;
            Some((ServerId(server), name))
        }
        None => None,
    };
    let (retention, zone) = (row.retention(), row.zone().name().to_owned());
    Ok(Subscription {
        id,
        revision: row.revision,
        connection: row.connection.view(),
        odoo_version: row.odoo_version,
        backup_uuid: row.repository_id.map(RepositoryId),
        retention,
        schedule: schedules::store::of(panel, id).await?,
        zone,
        standing: Standing { configured: server.is_some(), latest: row.latest_good_at.map(moment) },
        server,
        backup_count: number(row.good_count),
        held_count: backups::store::held_count(panel, id).await?,
        latest_bytes: row.latest_bytes.map(number),
        stored_bytes: number(row.stored_bytes),
        name: row.name,
        database: row.database_name,
        as_of: panel.clock.now(),
    })
}

/// What the form changes.
#[derive(Clone, Debug)]
pub struct Values {
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database: DatabaseName,
    /// Backup server.
    pub server: Option<ServerId>,
    /// Repository.
    pub repository: Option<RepositoryId>,
    /// How it is reached.
    pub connection: Stored,
    /// What is kept.
    pub retention: Retention,
    /// The time zone of schedule and retention.
    pub zone: Tz,
}

/// Adds a subscription.
pub async fn insert(panel: &Panel, tx: &mut Tx, id: SubscriptionId, values: &Values) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO subscriptions (id, name, name_key, database_name, search_text, server_id, repository_id,
             connection, odoo_url, master_password, postgres_url, redacted_postgres_url, filestore, addons,
             keep_daily, keep_weekly, keep_monthly, keep_latest, created_at, time_zone)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        id.0,
        &values.name,
        values.name.to_lowercase(),
        values.database.as_str(),
        values.search_text(),
        values.server.map(|server| server.0),
        values.repository.map(|repository| repository.0),
        &values.connection.connection,
        &values.connection.odoo_url,
        &values.connection.master_password,
        &values.connection.postgres_url,
        &values.connection.redacted_postgres_url,
        &values.connection.filestore,
        &values.connection.addons,
        i64::from(values.retention.daily),
        i64::from(values.retention.weekly),
        i64::from(values.retention.monthly),
        i64::from(values.retention.keep_latest),
        millis(panel.clock.now()),
        values.zone.name()
    )?;
    Ok(())
}

/// Changes a subscription, unless it was changed since it was at this revision. Odoo's version as last seen is forgotten
/// when it is another database.
pub async fn update(tx: &mut Tx, id: SubscriptionId, revision: i64, values: &Values) -> AppResult<()> {
    let touched = query!(
        tx,
        execute,
        "UPDATE subscriptions SET name = $2, name_key = $3,
             odoo_version = CASE WHEN database_name = $4 THEN odoo_version ELSE NULL END,
             database_name = $4, search_text = $5, server_id = $6, repository_id = $7, connection = $8, odoo_url = $9,
             master_password = $10, postgres_url = $11, redacted_postgres_url = $12, filestore = $13, addons = $14,
             keep_daily = $15, keep_weekly = $16, keep_monthly = $17, keep_latest = $18, time_zone = $19,
             revision = revision + 1
         WHERE id = $1 AND revision = $20",
        id.0,
        &values.name,
        values.name.to_lowercase(),
        values.database.as_str(),
        values.search_text(),
        values.server.map(|server| server.0),
        values.repository.map(|repository| repository.0),
        &values.connection.connection,
        &values.connection.odoo_url,
        &values.connection.master_password,
        &values.connection.postgres_url,
        &values.connection.redacted_postgres_url,
        &values.connection.filestore,
        &values.connection.addons,
        i64::from(values.retention.daily),
        i64::from(values.retention.weekly),
        i64::from(values.retention.monthly),
        i64::from(values.retention.keep_latest),
        values.zone.name(),
        revision
    )?;
    if touched == 1 {
        return Ok(());
    }
    find_in(tx, id).await?;
    Err(AppError::Conflict(CHANGED_MEANWHILE.to_owned()))
}

impl Values {
    fn search_text(&self) -> String {
        format!("{}\n{}", self.name, self.database).to_lowercase()
    }
}

/// Takes over a repository that was kept when its subscription was deleted, if one is known for these and no other
/// subscription has taken it. What is known of it stays: it may lie on more servers than this one.
pub async fn take_kept(
    tx: &mut Tx,
    server: ServerId,
    name: &str,
    database: &DatabaseName,
) -> AppResult<Option<RepositoryId>> {
    let row: Option<(Uuid,)> = query!(
        tx,
        fetch_optional,
        "SELECT k.repository_id FROM kept_repositories k
         WHERE k.server_id = $1 AND k.name_key = $2 AND k.database_name = $3
           AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.repository_id = k.repository_id)
         ORDER BY k.kept_at DESC LIMIT 1",
        server.0,
        name.to_lowercase(),
        database.as_str()
    )?;
    Ok(row.map(|(repository,)| RepositoryId(repository)))
}

/// Remembers where a deleted subscription's backups are.
pub async fn keep_repository(panel: &Panel, tx: &mut Tx, row: &Row, server: ServerId) -> AppResult<()> {
    let Some(repository) = row.repository_id else { return Ok(()) };
    query!(
        tx,
        execute,
        "INSERT INTO kept_repositories (repository_id, server_id, name_key, database_name, kept_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repository_id, server_id) DO UPDATE
             SET name_key = EXCLUDED.name_key, database_name = EXCLUDED.database_name, kept_at = EXCLUDED.kept_at",
        repository,
        server.0,
        row.name.to_lowercase(),
        &row.database_name,
        millis(panel.clock.now())
    )?;
    Ok(())
}

/// Nothing of this subscription's backups is kept anywhere any more.
pub async fn forget_kept(tx: &mut Tx, row: &Row) -> AppResult<()> {
    query!(tx, execute, "DELETE FROM kept_repositories WHERE repository_id = $1", row.repository_id)?;
    Ok(())
}

/// Removes a subscription with its lines.
pub async fn delete(tx: &mut Tx, id: SubscriptionId) -> AppResult<()> {
    let touched = query!(tx, execute, "DELETE FROM subscriptions WHERE id = $1", id.0)?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found(THIS)) }
}

/// Writes down the Odoo version that was seen.
pub async fn saw_version(tx: &mut Tx, id: SubscriptionId, version: &str) -> AppResult<()> {
    query!(tx, execute, "UPDATE subscriptions SET odoo_version = $2 WHERE id = $1", id.0, version)?;
    Ok(())
}

/// Writes down which Odoo the database is, now that another one has taken its place; `None` when that is not known.
pub async fn replaced(tx: &mut Tx, id: SubscriptionId, database: &str, version: Option<&str>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE subscriptions SET odoo_version = $3 WHERE id = $1 AND database_name = $2",
        id.0,
        database,
        version
    )?;
    Ok(())
}
