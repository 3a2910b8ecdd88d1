//! Imports: a file that was uploaded or is at a URL becomes a backup line, by an operation like any other.

use axum::http::StatusCode;
use backup_api::{BackupFormat, BackupId, DatabaseName, ImportSource, JobId, RepositoryId, StartImport, UploadId};

use super::{
    ImportFacts, begin, format_of,
    refusal::Refusal,
    store::{self, Origin},
    url::FileUrl,
};
use crate::{
    backups::{Trigger, create::checked_comment},
    components::figures,
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        actions::{self, Entry},
        follow, queue,
        store::{self as operations, Stored},
    },
    server::{Panel, db::Tx},
    subscriptions::{SubscriptionId, store::Row},
    users::User,
};

/// What somebody wants of a file besides having it imported.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// What they wrote about it.
    pub comment: String,
    /// Whether it shall be restored afterwards.
    pub then_restore: bool,
}

/// Imports an upload of which all has arrived. Asking again answers the same operation, unless that did not succeed.
pub async fn of_upload(
    panel: &Panel,
    user: &User,
    id: SubscriptionId,
    upload: UploadId,
    wishes: &Wishes,
) -> AppResult<OperationId> {
    let mut tx = panel.db.begin().await?;
    let before = store::import_of(&mut tx, upload, user, id).await?;
    drop(tx);
    if let Some(before) = before {
        return Ok(before);
    }
    let (begun, server) = begin::own(panel, user, upload).await.map_err(told)?;
    if begun.subscription != id {
        let words = "This file was uploaded for another subscription. Upload it for this one.";
        return Err(AppError::Conflict(words.to_owned()));
    }
    let (subscription, _) = begin::destination(panel, id).await?;
    if subscription.destination() != Some((begun.server, begun.repository)) {
        return Err(AppError::Conflict(format!(
            "The backups of this subscription went to “{}” when the upload began, and go elsewhere now. Upload the file \
             again.",
            server.name
        )));
    }
    let answer = server.client.upload(upload).await;
    let arrived = begin::told(panel, &begun, &server, answer).await.map_err(told)?;
    if !arrived.is_complete() {
        return Err(AppError::Conflict(format!(
            "Only {} of {} have arrived. Send the rest first.",
            figures::size(arrived.offset),
            figures::size(arrived.length)
        )));
    }
    let facts = ImportFacts { file_name: begun.file_name, host: None, then_restore: wishes.then_restore, line: None };
    start(panel, user, &subscription, facts, &Origin::Upload(upload), wishes).await
}

/// Has the subscription's backup server fetch a file and imports it.
pub async fn of_url(
    panel: &Panel,
    user: &User,
    id: SubscriptionId,
    url: &str,
    file_name: &str,
    wishes: &Wishes,
) -> AppResult<OperationId> {
    let file = FileUrl::parse(url, file_name)?;
    let (subscription, _) = begin::destination(panel, id).await?;
    let facts =
        ImportFacts { file_name: file.file_name, host: Some(file.host), then_restore: wishes.then_restore, line: None };
    start(panel, user, &subscription, facts, &Origin::Url(file.url, file.given_name), wishes).await
}

async fn start(
    panel: &Panel,
    user: &User,
    subscription: &Row,
    facts: ImportFacts,
    origin: &Origin,
    wishes: &Wishes,
) -> AppResult<OperationId> {
    let id = subscription.subscription();
    let comment = commented(&facts, &checked_comment(&wishes.comment)?);
    let mut tx = panel.db.begin().await?;
    queue::one_at_a_time(panel, &mut tx, id).await?;
    let what = format!("Started importing {}", facts.in_words());
    let new = stored(panel, &mut tx, user, subscription, facts.clone(), comment).await?;
    let operation = &new.operation;
    operations::insert(&mut tx, &new).await?;
    store::insert_import(panel, &mut tx, operation.id, &facts, origin).await?;
    actions::write(panel, &mut tx, Entry::by(user, what).about(id, &subscription.name).started()).await?;
    tx.commit().await?;
    panel.live.publish(operation);
    follow::begin(panel, operation.id, false);
    Ok(operation.id)
}

/// The operation as it is stored.
async fn stored(
    panel: &Panel,
    tx: &mut Tx,
    user: &User,
    subscription: &Row,
    facts: ImportFacts,
    comment: String,
) -> AppResult<Stored> {
    let (server, repository) =
        subscription.destination().ok_or_else(|| AppError::not_found("The subscription's backup server"))?;
    let name = crate::backup_servers::store::name_of(tx, server).await?;
    let mut operation = queue::operation(panel, user, OperationKind::Import, subscription, name);
    let trigger = if facts.host.is_some() { Trigger::Url } else { Trigger::Upload };
    let format = format_of(&facts.file_name).unwrap_or(BackupFormat::Zip);
    operation.import = Some(facts);
    Ok(Stored {
        operation,
        server: Some(server),
        repository,
        backup: BackupId(panel.id()),
        database: subscription.database_name.clone(),
        format,
        comment,
        trigger,
        asked_by_id: Some(user.id),
        accepted: false,
        cancel_asked: false,
        restore: None,
    })
}

/// What the line says about the backup: the file's own name first.
fn commented(facts: &ImportFacts, comment: &str) -> String {
    let file = if facts.file_name.is_empty() { facts.in_words() } else { facts.file_name.clone() };
    if comment.is_empty() { file } else { format!("{file}: {comment}") }
}

/// What the backup server is asked to do for an operation.
pub async fn order(panel: &Panel, new: &Stored, database: DatabaseName) -> AppResult<(RepositoryId, StartImport)> {
    let from = match store::origin(panel, new.operation.id).await? {
        Origin::Upload(upload) => ImportSource::Upload { upload },
        Origin::Url(url, file_name) => ImportSource::Url { url, file_name },
    };
    let job = JobId(new.operation.id.0);
    Ok((new.repository, StartImport { job, backup: new.backup, from, database, comment: new.comment.clone() }))
}

/// A refusal of an upload, where it is not told by an HTTP status.
fn told(refusal: Refusal) -> AppError {
    match refusal.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => AppError::not_found("This upload"),
        _ => AppError::Conflict(refusal.words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_which_file_it_was() {
        let mut facts = ImportFacts { file_name: "acme.zip".to_owned(), host: None, then_restore: false, line: None };
        assert_eq!(commented(&facts, ""), "acme.zip");
        assert_eq!(commented(&facts, "from the customer"), "acme.zip: from the customer");
        (facts.file_name, facts.host) = (String::new(), Some("files.example.com".to_owned()));
        assert_eq!(commented(&facts, ""), "a file from files.example.com");
    }
}
