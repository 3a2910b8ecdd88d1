//! SQL of uploads and imports.

use backup_api::{RepositoryId, Secret, UploadId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ImportFacts;
use crate::{
    backup_servers::ServerId,
    backups::LineId,
    error::{AppError, AppResult},
    operations::OperationId,
    server::{
        Panel,
        db::{Tx, millis, number, query, stored},
    },
    subscriptions::SubscriptionId,
    users::User,
};

/// Where a sealed URL is stored.
const URL: &str = "imports.url";

/// An upload that has begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Identity, here and on the backup server.
    pub id: UploadId,
    /// Who began it.
    pub user: Uuid,
    /// What it is for.
    pub subscription: SubscriptionId,
    /// The server that it goes to.
    pub server: ServerId,
    /// The repository that it is for.
    pub repository: RepositoryId,
    /// The file's own name.
    pub file_name: String,
    /// Bytes of the whole file.
    pub length: u64,
    /// When the file was last changed, if the browser told.
    pub modified: Option<i64>,
    /// For how long the server keeps it when nothing more arrives.
    pub kept_millis: i64,
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    subscription_id: Uuid,
    server_id: Uuid,
    repository_id: Uuid,
    file_name: String,
    length: i64,
    modified: Option<i64>,
    kept_millis: i64,
}

impl From<Row> for Begun {
    fn from(row: Row) -> Self {
        Self {
            id: UploadId(row.id),
            user: row.user_id,
            subscription: SubscriptionId(row.subscription_id),
            server: ServerId(row.server_id),
            repository: RepositoryId(row.repository_id),
            file_name: row.file_name,
            length: number(row.length),
            modified: row.modified,
            kept_millis: row.kept_millis,
        }
    }
}

macro_rules! columns {
    () => {
        "SELECT id, user_id, subscription_id, server_id, repository_id, file_name, length, modified, kept_millis
         FROM uploads "
    };
}

/// Forgets uploads that began before; nobody asked for them since their server removed them.
pub async fn sweep(tx: &mut Tx, before: DateTime<Utc>) -> AppResult<()> {
    query!(tx, execute, "DELETE FROM uploads WHERE created_at < $1", millis(before))?;
    Ok(())
}

/// Adds an upload.
pub async fn insert(tx: &mut Tx, begun: &Begun, now: DateTime<Utc>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO uploads (id, user_id, subscription_id, server_id, repository_id, file_name, length, modified,
             created_at, kept_millis)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        begun.id.0,
        begun.user,
        begun.subscription.0,
        begun.server.0,
        begun.repository.0,
        &begun.file_name,
        stored(begun.length),
        begun.modified,
        millis(now),
        begun.kept_millis
    )?;
    Ok(())
}

/// An upload, if it is known.
pub async fn find(panel: &Panel, id: UploadId) -> AppResult<Option<Begun>> {
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(columns!(), "WHERE id = $1"), id.0)?;
    Ok(row.map(Begun::from))
}

/// A person's uploads for a subscription, the newest first.
pub async fn of(panel: &Panel, user: &User, subscription: SubscriptionId) -> AppResult<Vec<Begun>> {
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        concat!(columns!(), "WHERE user_id = $1 AND subscription_id = $2 ORDER BY created_at DESC, id DESC"),
        user.id,
        subscription.0
    )?;
    Ok(rows.into_iter().map(Begun::from).collect())
}

/// Forgets an upload; whether it was known.
pub async fn remove(tx: &mut Tx, id: UploadId) -> AppResult<bool> {
    Ok(query!(tx, execute, "DELETE FROM uploads WHERE id = $1", id.0)? == 1)
}

/// Forgets an upload that its server does not have any more.
pub async fn forget(panel: &Panel, id: UploadId) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    remove(&mut tx, id).await?;
    tx.commit().await?;
    Ok(())
}

/// Where an import's file comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It was uploaded.
    Upload(UploadId),
    /// The server fetches it; with the name that a person gave it.
    Url(Secret, Option<String>),
}

/// Adds an import; its operation is there already.
pub async fn insert_import(
    panel: &Panel,
    tx: &mut Tx,
    id: OperationId,
    facts: &ImportFacts,
    origin: &Origin,
) -> AppResult<()> {
    let (upload, url, given) = match origin {
        Origin::Upload(upload) => (Some(upload.0), None, None),
        Origin::Url(url, given) => (None, Some(panel.secrets.seal(URL, id.0, url)), given.as_deref()),
    };
    query!(
        tx,
        execute,
        "INSERT INTO imports (operation_id, upload_id, url, host, file_name, given_name, then_restore)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        upload,
        url,
        &facts.host,
        &facts.file_name,
        given,
        facts.then_restore
    )?;
    Ok(())
}

/// An upload's identity, or a sealed URL and the name that was given to its file.
type OriginRow = (Option<Uuid>, Option<Vec<u8>>, Option<String>);

/// Where the file of an unfinished import comes from.
pub async fn origin(panel: &Panel, id: OperationId) -> AppResult<Origin> {
    let row: Option<OriginRow> = query!(
        panel.db,
        fetch_optional,
        "SELECT upload_id, url, given_name FROM imports WHERE operation_id = $1",
        id.0
    )?;
    match row {
        Some((Some(upload), ..)) => Ok(Origin::Upload(UploadId(upload))),
        Some((None, Some(sealed), given)) => Ok(Origin::Url(panel.secrets.open_sealed(URL, id.0, &sealed)?, given)),
        _ => Err(AppError::not_found("The file of this import")),
    }
}

/// The operation that imports or imported an upload for a person and a subscription, unless that did not succeed.
pub async fn import_of(
    tx: &mut Tx,
    upload: UploadId,
    user: &User,
    subscription: SubscriptionId,
) -> AppResult<Option<OperationId>> {
    let row: Option<(Uuid,)> = query!(
        tx,
        fetch_optional,
        "SELECT o.id FROM imports i JOIN operations o ON o.id = i.operation_id
         WHERE i.upload_id = $1 AND o.asked_by_id = $2 AND o.subscription_id = $3
             AND o.state IN ('queued', 'running', 'succeeded') LIMIT 1",
        upload.0,
        user.id,
        subscription.0
    )?;
    Ok(row.map(|(id,)| OperationId(id)))
}

/// Whether an upload is being imported at the moment.
pub async fn is_being_imported(tx: &mut Tx, upload: UploadId) -> AppResult<bool> {
    let (running,): (i64,) = query!(
        tx,
        fetch_one,
        "SELECT COUNT(*) FROM imports i JOIN operations o ON o.id = i.operation_id
         WHERE i.upload_id = $1 AND o.finished_at IS NULL",
        upload.0
    )?;
    Ok(running > 0)
}

/// Writes down that an import has ended: the URL is not kept, and an upload that the server removed is forgotten.
pub async fn ended(tx: &mut Tx, id: OperationId, upload_gone: bool) -> AppResult<()> {
    query!(tx, execute, "UPDATE imports SET url = NULL WHERE operation_id = $1", id.0)?;
    if upload_gone {
        query!(
            tx,
            execute,
            "DELETE FROM uploads WHERE id = (SELECT upload_id FROM imports WHERE operation_id = $1)",
            id.0
        )?;
    }
    Ok(())
}

/// The columns of an import, joined to an operation `o` as `i`.
macro_rules! import_columns {
    () => {
        ", i.file_name AS import_file_name, i.host AS import_host, i.then_restore,
         (SELECT l.id FROM backup_lines l WHERE l.server_id = o.server_id AND l.remote_id = o.backup_id
              AND i.operation_id IS NOT NULL AND l.result IN ('good', 'size_changed')) AS import_line_id "
    };
}

/// Where [`import_columns`] come from, after `FROM operations o`.
macro_rules! import_joins {
    () => {
        "LEFT JOIN imports i ON i.operation_id = o.id "
    };
}
pub(crate) use {import_columns, import_joins};

/// What [`import_columns`] give; nothing of it where the operation imports nothing.
#[derive(Debug, sqlx_macros::FromRow)]
pub struct Columns {
    import_file_name: Option<String>,
    import_host: Option<String>,
    then_restore: Option<bool>,
    import_line_id: Option<Uuid>,
}

impl Columns {
    /// The import, if it is one.
    pub fn into_facts(self) -> Option<ImportFacts> {
        Some(ImportFacts {
            file_name: self.import_file_name?,
            host: self.import_host,
            then_restore: self.then_restore.unwrap_or_default(),
            line: self.import_line_id.map(LineId),
        })
    }
}
