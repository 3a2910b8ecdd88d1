//! Server functions: the list and the form of backup servers.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::ServerInfo;
use leptos::prelude::*;

use super::{BackupServer, ServerId, ServerInput, ServerList};
#[cfg(feature = "ssr")]
use super::{input, removal, store};
use crate::error::AppError;
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// All backup servers.
#[server]
pub async fn list_servers() -> Result<ServerList, AppError> {
    door(Role::Viewer, async |panel, _| {
        Ok(ServerList { servers: store::list(&panel, None).await?, as_of: panel.clock.now() })
    })
    .await
}

/// One backup server; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_server(id: ServerId) -> Result<BackupServer, AppError> {
    door(Role::Viewer, async |panel, _| {
        store::list(&panel, Some(id)).await?.pop().ok_or_else(|| AppError::not_found("This backup server"))
    })
    .await
}

/// Tests and saves the form (administrators); goes to `/backup-servers`.
#[server]
pub async fn save_server(input: ServerInput) -> Result<ServerId, AppError> {
    door(Role::Administrator, async |panel, caller| {
        let id = input::save(&panel, &caller.user, input).await?;
        leptos_axum::redirect("/backup-servers");
        Ok(id)
    })
    .await
}

/// Removes a server (administrators); refused while subscriptions refer to it, or backups on a server that answers. With
/// backups on one that does not, `typed_name` must be its name: their lines go with it. Goes to `/backup-servers`.
#[server]
pub async fn delete_server(id: ServerId, #[server(default)] typed_name: String) -> Result<(), AppError> {
    door(Role::Administrator, async |panel, caller| {
        removal::remove(&panel, &caller.user, id, &typed_name).await?;
        leptos_axum::redirect("/backup-servers");
        Ok(())
    })
    .await
}

/// Asks the server that the form describes for its state (administrators).
#[server]
pub async fn test_server(input: ServerInput) -> Result<ServerInfo, AppError> {
    door(Role::Administrator, async |panel, _| input::test(&panel, &input).await).await
}
