//! Recovery kits: how to read a subscription's backups without Holdfast, on each server that has some.

use std::time::Duration;

use backup_api::RecoveryKit;
use futures::future::join_all;

use super::{
    ServerKit,
    places::{self, Place},
    removal::is_gone,
};
use crate::{
    backup_servers::{self, clients},
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::Panel,
    subscriptions::{self, SubscriptionId, store::Row},
    users::User,
};

/// How long a server may take: the kits of the others wait for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The kit of each server, the present one's first; asking is written down, for each holds a repository's password.
pub async fn of_subscription(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<Vec<ServerKit>> {
    let subscription = subscriptions::store::find(panel, id).await?;
    let asked = named_places(panel, &subscription).await?;
    if asked.is_empty() {
        return Err(AppError::Conflict("No backup server is set, so there is no repository yet.".to_owned()));
    }
    let kits = join_all(asked.into_iter().map(async |(server, place)| {
        let kit = kit_of(panel, place, &server).await;
        ServerKit { server, kit }
    }))
    .await;
    let shown: Vec<String> = kits.iter().filter(|kit| kit.kit.is_ok()).map(|kit| format!("“{}”", kit.server)).collect();
    if !shown.is_empty() {
        let what = format!("Showed the recovery kit with the repository's password of {}", shown.join(" and "));
        actions::note(panel, Entry::by(user, what).about(id, &subscription.name)).await?;
    }
    Ok(kits)
}

/// Where there may be backups, each place with its server's name; the present one comes first.
async fn named_places(panel: &Panel, subscription: &Row) -> AppResult<Vec<(String, Place)>> {
    let places = places::of(panel, subscription).await?;
    let mut tx = panel.db.begin().await?;
    let mut named = Vec::new();
    for place in places {
        named.push((backup_servers::store::name_of(&mut tx, place.0).await?, place));
    }
    let present = subscription.destination();
    named.sort_by_cached_key(|(name, place)| (Some(*place) != present, name.to_lowercase()));
    Ok(named)
}

async fn kit_of(panel: &Panel, (server, repository): Place, name: &str) -> AppResult<RecoveryKit> {
    let server = clients::server(panel, server).await?;
    match tokio::time::timeout(PATIENCE, server.client.recovery_kit(repository)).await {
        Ok(Ok(kit)) => Ok(kit),
        Ok(Err(error)) if is_gone(&error) => {
            Err(AppError::Conflict(format!("No backup of this subscription is stored on “{name}”.")))
        }
        Ok(Err(error)) => Err(server.fault(&error)),
        Err(_) => Err(AppError::ServerUnreachable { server: name.to_owned() }),
    }
}
