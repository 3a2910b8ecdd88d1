//! An upload's beginning and its end without an import; and who may touch it.

use axum::http::StatusCode;
use backup_api::UploadId;
use chrono::TimeDelta;

use super::{
    ImportSetting, OpenUpload, check_file,
    refusal::Refusal,
    store::{self, Begun},
};
use crate::{
    backup_servers::clients::{self, Server},
    components::figures,
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::Panel,
    subscriptions::{self, SubscriptionId, store::Row},
    users::User,
};

/// No upload takes so long; what is older was removed by its server.
const OLDEST: TimeDelta = TimeDelta::days(30);

/// A file that somebody wants to upload.
#[derive(Clone, Debug)]
pub struct Announced {
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Its own name.
    pub file_name: String,
    /// Its bytes.
    pub length: u64,
    /// When it was last changed, if the browser told.
    pub modified: Option<i64>,
}

/// Begins an upload on the subscription's backup server.
pub async fn begin(panel: &Panel, user: &User, announced: Announced) -> Result<Begun, Refusal> {
    let Announced { subscription: id, file_name, length, modified } = announced;
    check_file(&file_name, length)?;
    let (subscription, server) = destination(panel, id).await?;
    let Some((server_id, repository)) = subscription.destination() else { return Err(no_server().into()) };
    let upload = UploadId(panel.id());
    let made = server.client.create_upload(repository, upload, &file_name, length).await;
    let made = made.map_err(|error| Refusal::of_server(&server, &error))?;
    let now = panel.clock.now();
    let begun = Begun {
        id: upload,
        user: user.id,
        subscription: id,
        server: server_id,
        repository,
        file_name,
        length,
        modified,
        kept_millis: (made.expires_at - now).num_milliseconds().max(0),
    };
    let mut tx = panel.db.begin().await?;
    store::sweep(&mut tx, now - OLDEST).await?;
    store::insert(&mut tx, &begun, now).await?;
    let what = format!("Began to upload {} ({})", begun.file_name, figures::size(length));
    actions::write(panel, &mut tx, Entry::by(user, what).about(id, &subscription.name).started()).await?;
    tx.commit().await?;
    Ok(begun)
}

/// An upload of this person, with its server.
pub async fn own(panel: &Panel, user: &User, id: UploadId) -> Result<(Begun, Server), Refusal> {
    only(user, find(panel, id).await?)
}

/// As [`own`], as it was a moment ago: for chunks, which come in quick succession.
pub async fn own_lately(panel: &Panel, user: &User, id: UploadId) -> Result<(Begun, Server), Refusal> {
    only(user, panel.uploads.recall(panel, id, find(panel, id)).await?)
}

async fn find(panel: &Panel, id: UploadId) -> Result<Option<(Begun, Server)>, Refusal> {
    let Some(begun) = store::find(panel, id).await? else { return Ok(None) };
    let server = clients::server(panel, begun.server).await?;
    Ok(Some((begun, server)))
}

/// An upload that was found, for the person whose it is.
fn only(user: &User, found: Option<(Begun, Server)>) -> Result<(Begun, Server), Refusal> {
    let (begun, server) = found.ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "This upload is not known, or not any more. Begin it again.")
    })?;
    if begun.user != user.id {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "This upload was begun by another person. Begin one of your own.",
        ));
    }
    Ok((begun, server))
}

/// What the backup server says of an upload; one that it does not have any more is forgotten.
pub async fn told<T>(
    panel: &Panel,
    begun: &Begun,
    server: &Server,
    answer: Result<T, backup_api::ClientError>,
) -> Result<T, Refusal> {
    match answer {
        Ok(value) => Ok(value),
        Err(error) => {
            let refusal = Refusal::of_server(server, &error);
            if refusal.is_gone() {
                store::forget(panel, begun.id).await?;
            }
            Err(refusal)
        }
    }
}

/// Ends an upload and removes what arrived.
pub async fn end(panel: &Panel, user: &User, id: UploadId) -> Result<(), Refusal> {
    let (begun, server) = own(panel, user, id).await?;
    let mut tx = panel.db.begin().await?;
    if store::is_being_imported(&mut tx, id).await? {
        let words = "This file is being imported. Cancel that under Operations first.";
        return Err(Refusal::new(StatusCode::CONFLICT, words));
    }
    drop(tx);
    match told(panel, &begun, &server, server.client.delete_upload(id).await).await {
        Err(refusal) if !refusal.is_gone() => return Err(refusal),
        _ => {}
    }
    let subscription = subscriptions::store::find(panel, begun.subscription).await?;
    let mut tx = panel.db.begin().await?;
    store::remove(&mut tx, id).await?;
    let what = format!("Cancelled the upload of {}", begun.file_name);
    actions::write(panel, &mut tx, Entry::by(user, what).about(begun.subscription, &subscription.name)).await?;
    tx.commit().await?;
    Ok(())
}

/// What the wizard needs to know, with what has arrived of each open upload.
pub async fn setting(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<ImportSetting> {
    let (subscription, server) = destination(panel, id).await?;
    let mut open = Vec::new();
    for begun in store::of(panel, user, id).await? {
        let (offset, length) = match clients::server(panel, begun.server).await {
            Ok(server) => match told(panel, &begun, &server, server.client.upload(begun.id).await).await {
                Ok(upload) => (Some(upload.offset), upload.length),
                Err(refusal) if refusal.is_gone() => continue,
                Err(_) => (None, begun.length),
            },
            Err(_) => (None, begun.length),
        };
        let (id, file_name, modified) = (begun.id, begun.file_name, begun.modified);
        open.push(OpenUpload { id, file_name, length, modified, offset });
    }
    Ok(ImportSetting { database: subscription.database_name, server: server.name, open })
}

/// A subscription with the server that its files go to.
pub async fn destination(panel: &Panel, id: SubscriptionId) -> AppResult<(Row, Server)> {
    let subscription = subscriptions::store::find(panel, id).await?;
    let (server, _) = subscription.destination().ok_or_else(no_server)?;
    let server = clients::server(panel, server).await?;
    Ok((subscription, server))
}

fn no_server() -> AppError {
    AppError::Conflict("This subscription has no backup server. Choose one on its General tab first.".to_owned())
}
