//! Imports: a file that was uploaded or is at a URL becomes a backup line, by an operation like any other.

use axum::http::StatusCode;
use backup_api::{BackupFormat, DatabaseName, ImportSource, JobId, RepositoryId, StartImport, UploadId};

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
        begin::{self as operations, Asker},
        store::Stored,
    },
    server::Panel,
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
    let place = subscription.destination();
    let place = place.ok_or_else(|| AppError::not_found("The subscription's backup server"))?;
    let comment = commented(&facts, &checked_comment(&wishes.comment)?);
    let mut tx = panel.db.begin().await?;
    let (asker, kind) = (Asker::Person(user), OperationKind::Import);
    let mut new = operations::prepare(panel, &mut tx, asker, kind, subscription, place).await?;
    new.comment = comment;
    new.trigger = if facts.host.is_some() { Trigger::Url } else { Trigger::Upload };
    new.format = format_of(&facts.file_name).unwrap_or(BackupFormat::Zip);
    new.operation.import = Some(facts.clone());
    operations::write(panel, &mut tx, &new, format!("Started importing {}", facts.in_words())).await?;
    store::insert_import(panel, &mut tx, new.operation.id, &facts, origin).await?;
    operations::commit(panel, tx, &new).await
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
