//! Where the backups of a subscription are: its present server, those that hold lines of it, and those on which some were
//! kept when a subscription of the same name was deleted.

use std::collections::BTreeSet;

use backup_api::RepositoryId;
use uuid::Uuid;

use crate::{
    backup_servers::ServerId,
    error::AppResult,
    server::{Panel, db::query},
    subscriptions::store::Row,
};

/// A repository on a server.
pub type Place = (ServerId, RepositoryId);

/// Every place that may hold backups of a subscription.
pub async fn of(panel: &Panel, row: &Row) -> AppResult<BTreeSet<Place>> {
    // Of what was kept no line is known until its server has answered.
    let held: Vec<(Uuid, Uuid)> = query!(
        panel.db,
        fetch_all,
        "SELECT server_id, repository_id FROM backup_lines WHERE subscription_id = $1
         UNION
         SELECT k.server_id, k.repository_id FROM kept_repositories k
         JOIN subscriptions s ON s.repository_id = k.repository_id WHERE s.id = $1",
        row.id
    )?;
    let mut places: BTreeSet<Place> =
        held.into_iter().map(|(server, repository)| (ServerId(server), RepositoryId(repository))).collect();
    places.extend(row.destination());
    Ok(places)
}
