//! Downloads: a temporary link on the server that holds the backup.

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use backup_api::{CreateLink, LinkCompression};
use serde::Deserialize;
use uuid::Uuid;

use super::{LineId, LineResult, store};
use crate::{
    backup_servers::clients,
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{Caller, Panel, caller::status_of},
    subscriptions,
    users::{Role, User},
};

/// What the route's address may say.
#[derive(Debug, Default, Deserialize)]
pub struct Options {
    #[serde(default)]
    compression: LinkCompression,
}

/// `GET /lines/{line}/download`: goes to a new temporary link; works without JavaScript.
pub async fn redirect(
    State(panel): State<Panel>,
    Path(line): Path<Uuid>,
    Query(options): Query<Options>,
    caller: Option<Extension<Caller>>,
) -> Response {
    let made = async {
        let Extension(caller) = caller.ok_or(AppError::SignedOut)?;
        let caller = caller.at_least(Role::Operator)?;
        link(&panel, &caller.user, LineId(line), options.compression).await
    };
    match made.await {
        Ok(url) => Redirect::to(&url).into_response(),
        Err(error) => (status_of(&error), error.to_string()).into_response(),
    }
}

/// Makes a temporary link and writes that down; gives its address.
pub async fn link(panel: &Panel, user: &User, id: LineId, compression: LinkCompression) -> AppResult<String> {
    let found = store::find(panel, id).await?;
    let line = &found.line;
    if !line.is_usable() {
        return Err(AppError::Conflict(match &line.result {
            LineResult::Failed { .. } => "This backup did not succeed: there is nothing to download.".to_owned(),
            _ => format!(
                "The backup server “{}” says that this backup is not there any more. Open the list again to have it \
                 asked anew.",
                line.server
            ),
        }));
    }
    let server = clients::server(panel, found.server).await?;
    let wanted = CreateLink { compression, ..CreateLink::default() };
    let temporary = server.client.create_link(found.repository, line.remote_id, &wanted).await;
    let temporary = temporary.map_err(|error| server.fault(&error))?;
    let subscription = subscriptions::store::find(panel, line.subscription).await?;
    let what = format!("Made a download link for {}, open for 15 minutes", line.name);
    actions::note(panel, Entry::by(user, what).about(line.subscription, &subscription.name)).await?;
    if server.embedded {
        return Ok(format!("/this-machine{}", temporary.path));
    }
    Ok(format!("{}{}", server.url.as_str().trim_end_matches('/'), temporary.path))
}
