//! SQL of backup servers.

use backup_api::{Secret, ServerInfo, Space};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{BackupServer, Reach, ServerId, samples};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, moment, number, query, stored},
    },
};

/// Where a token is sealed for.
pub const TOKEN: &str = "backup_servers.token";
/// Name of the embedded server.
const THIS_MACHINE: &str = "This machine";

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    url: String,
    embedded: bool,
    version: Option<String>,
    total_bytes: Option<i64>,
    free_bytes: Option<i64>,
    repositories_bytes: Option<i64>,
    reachable: Option<bool>,
    reach_since: Option<i64>,
    reach_reason: Option<String>,
    subscriptions: i64,
    lines: i64,
    undo_hours: i64,
    job_limit: i64,
}

/// All servers by name, or the one with this id.
pub async fn list(panel: &Panel, only: Option<ServerId>) -> AppResult<Vec<BackupServer>> {
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        "SELECT v.id, v.name, v.url, v.embedded, v.version, v.total_bytes, v.free_bytes, v.repositories_bytes,
                v.reachable, v.reach_since, v.reach_reason, v.undo_hours, v.job_limit,
                (SELECT COUNT(*) FROM subscriptions s WHERE s.server_id = v.id) AS subscriptions,
                -- Counted for the page of one server only: there may be very many.
                (SELECT COUNT(*) FROM backup_lines l WHERE $1 IS NOT NULL AND l.server_id = v.id) AS lines
         FROM backup_servers v WHERE $1 IS NULL OR v.id = $1 ORDER BY v.name_key",
        only.map(|id| id.0)
    )?;
    Ok(rows.into_iter().map(Row::into_server).collect())
}

/// What it takes to talk to a server.
#[derive(Debug)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Its address; empty for the embedded one.
    pub url: String,
    /// Its token; empty for the embedded one.
    pub token: Secret,
    /// Whether it is an embedded one.
    pub embedded: bool,
    /// Whether it is the one of this panel's own process.
    pub own: bool,
    /// For how many hours a replaced database is kept.
    pub undo_hours: u32,
}

type StoredConnection = (String, String, Vec<u8>, bool, Option<Uuid>, i64);

/// How to talk to a server.
pub async fn connection(panel: &Panel, id: ServerId) -> AppResult<Option<Connection>> {
    let row: Option<StoredConnection> = query!(
        panel.db,
        fetch_optional,
        "SELECT name, url, token, embedded, folder, undo_hours FROM backup_servers WHERE id = $1",
        id.0
    )?;
    let Some((name, url, sealed, embedded, folder, undo_hours)) = row else { return Ok(None) };
    let token = if embedded { Secret::new("") } else { panel.secrets.open_sealed(TOKEN, id.0, &sealed)? };
    let own = embedded && folder == Some(panel.folder);
    Ok(Some(Connection { name, url, token, embedded, own, undo_hours: hours(undo_hours) }))
}

/// A server's name.
pub async fn name_of(tx: &mut Tx, id: ServerId) -> AppResult<String> {
    let row: Option<(String,)> = query!(tx, fetch_optional, "SELECT name FROM backup_servers WHERE id = $1", id.0)?;
    row.map(|(name,)| name).ok_or_else(|| AppError::not_found("This backup server"))
}

/// Every server that this panel can talk to: all but those inside other panels.
pub async fn ids(panel: &Panel) -> AppResult<Vec<ServerId>> {
    let rows: Vec<(Uuid,)> =
        query!(panel.db, fetch_all, "SELECT id FROM backup_servers WHERE NOT embedded OR folder = $1", panel.folder)?;
    Ok(rows.into_iter().map(|(id,)| ServerId(id)).collect())
}

/// The embedded server of this panel.
pub async fn embedded(panel: &Panel) -> AppResult<Option<ServerId>> {
    let row: Option<(Uuid,)> = query!(
        panel.db,
        fetch_optional,
        "SELECT id FROM backup_servers WHERE embedded AND folder = $1 ORDER BY created_at LIMIT 1",
        panel.folder
    )?;
    Ok(row.map(|(id,)| ServerId(id)))
}

/// Adds “This machine” at the first start; under another name should somebody have taken that one, such as another panel
/// of this database. One from before panels were told apart is taken over by the first that starts.
pub async fn register_embedded(panel: &Panel) -> AppResult<()> {
    if embedded(panel).await?.is_some() {
        return Ok(());
    }
    let mut tx = panel.db.begin().await?;
    let taken_over = query!(
        tx,
        execute,
        "UPDATE backup_servers SET folder = $1 WHERE folder IS NULL AND id = (
             SELECT id FROM backup_servers WHERE embedded AND folder IS NULL ORDER BY created_at LIMIT 1)",
        panel.folder
    )?;
    if taken_over == 0 {
        let (id, name) = (panel.id(), free_name(&mut tx).await?);
        insert(panel, &mut tx, id, &name, "", &[], true).await?;
        query!(tx, execute, "UPDATE backup_servers SET folder = $2 WHERE id = $1", id, panel.folder)?;
    }
    tx.commit().await?;
    Ok(())
}

/// A name for an embedded server that no other server has.
async fn free_name(tx: &mut Tx) -> AppResult<String> {
    let mut name = THIS_MACHINE.to_owned();
    for number in 2_u32.. {
        let (taken,): (i64,) =
            query!(tx, fetch_one, "SELECT COUNT(*) FROM backup_servers WHERE name_key = $1", name.to_lowercase())?;
        if taken == 0 {
            break;
        }
        name = format!("{THIS_MACHINE} ({number})");
    }
    Ok(name)
}

/// Adds a server.
pub async fn insert(
    panel: &Panel,
    tx: &mut Tx,
    id: Uuid,
    name: &str,
    url: &str,
    token: &[u8],
    embedded: bool,
) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO backup_servers (id, name, name_key, url, token, embedded, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        name,
        name.to_lowercase(),
        url,
        token,
        embedded,
        millis(panel.clock.now())
    )?;
    Ok(())
}

/// Changes name, address and token.
pub async fn update(tx: &mut Tx, id: ServerId, name: &str, url: &str, token: &[u8]) -> AppResult<()> {
    let touched = query!(
        tx,
        execute,
        "UPDATE backup_servers SET name = $2, name_key = $3, url = $4, token = $5 WHERE id = $1",
        id.0,
        name,
        name.to_lowercase(),
        url,
        token
    )?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found("This backup server")) }
}

/// Changes for how many hours a replaced database is kept.
pub async fn keep_replaced(tx: &mut Tx, id: ServerId, hours: u32) -> AppResult<()> {
    query!(tx, execute, "UPDATE backup_servers SET undo_hours = $2 WHERE id = $1", id.0, i64::from(hours))?;
    Ok(())
}

/// Changes how many operations it may have under way before a planned backup waits.
pub async fn limit_jobs(tx: &mut Tx, id: ServerId, limit: u32) -> AppResult<()> {
    query!(tx, execute, "UPDATE backup_servers SET job_limit = $2 WHERE id = $1", id.0, i64::from(limit))?;
    Ok(())
}

fn hours(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or_default()
}

/// What refers to a server.
#[derive(Debug, sqlx_macros::FromRow)]
pub struct Usage {
    /// Its name.
    pub name: String,
    /// Whether it belongs to a panel.
    pub embedded: bool,
    /// Subscriptions that are set to it.
    pub subscriptions: i64,
    /// Operations on it that are not over.
    pub operations: i64,
    /// Lines of backups on it.
    pub lines: i64,
}

/// What refers to a server.
pub async fn usage(tx: &mut Tx, id: ServerId) -> AppResult<Usage> {
    let usage: Option<Usage> = query!(
        tx,
        fetch_optional,
        "SELECT v.name, v.embedded, (SELECT COUNT(*) FROM subscriptions s WHERE s.server_id = v.id) AS subscriptions,
                (SELECT COUNT(*) FROM operations o WHERE o.server_id = v.id AND o.finished_at IS NULL) AS operations,
                (SELECT COUNT(*) FROM backup_lines l WHERE l.server_id = v.id) AS lines
         FROM backup_servers v WHERE v.id = $1",
        id.0
    )?;
    usage.ok_or_else(|| AppError::not_found("This backup server"))
}

/// Whether there are lines of backups on a server.
pub async fn holds_lines(panel: &Panel, id: ServerId) -> AppResult<bool> {
    let line: Option<(Uuid,)> =
        query!(panel.db, fetch_optional, "SELECT id FROM backup_lines WHERE server_id = $1 LIMIT 1", id.0)?;
    Ok(line.is_some())
}

/// Removes a server that nothing refers to.
pub async fn delete(tx: &mut Tx, id: ServerId) -> AppResult<()> {
    query!(tx, execute, "DELETE FROM backup_servers WHERE id = $1", id.0)?;
    Ok(())
}

/// Writes down that a server answered.
pub async fn answered(panel: &Panel, id: ServerId, info: &ServerInfo) -> AppResult<()> {
    let (mut tx, now) = (panel.db.begin().await?, panel.clock.now());
    let touched = query!(
        tx,
        execute,
        "UPDATE backup_servers SET version = $2, total_bytes = $3, free_bytes = $4, repositories_bytes = $5,
             reach_since = CASE WHEN reachable THEN reach_since ELSE $6 END, reachable = TRUE, reach_reason = NULL
         WHERE id = $1",
        id.0,
        &info.version,
        stored(info.space.total_bytes),
        stored(info.space.free_bytes),
        stored(info.space.repositories_bytes),
        millis(now)
    )?;
    if touched == 1 {
        samples::record(&mut tx, id, info.space, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Since when a server has not answered; `None` when it did when it was last asked.
pub async fn unreachable_since(panel: &Panel, id: ServerId) -> AppResult<Option<DateTime<Utc>>> {
    let row: Option<(Option<i64>,)> = query!(
        panel.db,
        fetch_optional,
        "SELECT reach_since FROM backup_servers WHERE id = $1 AND NOT reachable",
        id.0
    )?;
    Ok(row.and_then(|(since,)| since).map(moment))
}

/// Writes down that a server did not answer.
pub async fn silent(panel: &Panel, id: ServerId, reason: &str) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    query!(
        tx,
        execute,
        "UPDATE backup_servers SET reach_since = CASE WHEN reachable IS NULL OR reachable THEN $2 ELSE reach_since END,
             reachable = FALSE, reach_reason = $3
         WHERE id = $1",
        id.0,
        millis(panel.clock.now()),
        reason
    )?;
    tx.commit().await?;
    Ok(())
}

impl Row {
    fn into_server(self) -> BackupServer {
        let since = self.reach_since.map(moment);
        let reach = match (self.reachable, since) {
            (Some(true), Some(since)) => Reach::Reachable { since },
            (Some(false), Some(since)) => Reach::Unreachable { since, reason: self.reach_reason.unwrap_or_default() },
            _ => Reach::Unknown,
        };
        let space = self.total_bytes.map(|total| Space {
            total_bytes: number(total),
            free_bytes: number(self.free_bytes.unwrap_or_default()),
            repositories_bytes: number(self.repositories_bytes.unwrap_or_default()),
        });
        BackupServer {
            id: ServerId(self.id),
            name: self.name,
            url: self.url,
            embedded: self.embedded,
            reach,
            version: self.version,
            space,
            subscriptions: number(self.subscriptions),
            lines: number(self.lines),
            undo_hours: hours(self.undo_hours),
            job_limit: hours(self.job_limit),
        }
    }
}
