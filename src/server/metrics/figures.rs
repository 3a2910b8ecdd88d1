//! What `/metrics` tells, read from the database.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{moment, query},
    },
    subscriptions::Standing,
};

/// Everything at one moment.
#[derive(Debug)]
pub struct Figures {
    /// The moment.
    pub now: DateTime<Utc>,
    /// Every subscription.
    pub subscriptions: Vec<SubscriptionFigures>,
    /// Operations by kind and state, and how many.
    pub operations: Vec<(String, String, i64)>,
    /// Every backup server.
    pub servers: Vec<ServerFigures>,
    /// Channels of alerts that are on, and whether their last message did not arrive.
    pub channels: Vec<(Uuid, String, bool)>,
}

/// One subscription.
#[derive(Debug, sqlx_macros::FromRow)]
pub struct SubscriptionFigures {
    /// Identity.
    pub id: Uuid,
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database_name: String,
    /// Number of good backups.
    pub good_count: i64,
    /// What its backups take up.
    pub stored_bytes: i64,
    /// The newest good backup that was made of the database.
    pub latest_good_at: Option<i64>,
    /// Its size.
    pub latest_bytes: Option<i64>,
    /// How long it took.
    pub latest_millis: Option<i64>,
    configured: i64,
}

impl SubscriptionFigures {
    /// What its state follows from.
    pub fn standing(&self) -> Standing {
        Standing { configured: self.configured == 1, latest: self.latest_good_at.map(moment) }
    }
}

/// One backup server.
#[derive(Debug, sqlx_macros::FromRow)]
pub struct ServerFigures {
    /// Identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether it answered when it was last asked; `None` before that.
    pub reachable: Option<bool>,
    /// The disk of its data folder.
    pub total_bytes: Option<i64>,
    /// What is free there.
    pub free_bytes: Option<i64>,
    /// What the repositories take up.
    pub repositories_bytes: Option<i64>,
}

/// The duration is that of the operation which made the newest line among those that count for the state.
const SUBSCRIPTIONS: &str = "SELECT s.id, s.name, s.database_name, s.good_count, s.stored_bytes, s.latest_good_at,
        s.latest_bytes, CAST(CASE WHEN s.server_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS configured,
        (SELECT o.finished_at - o.started_at
         FROM backup_lines l JOIN operations o ON o.id = l.operation_id
         WHERE l.subscription_id = s.id AND l.created_at = s.latest_good_at AND l.result = 'good' LIMIT 1
        ) AS latest_millis
    FROM subscriptions s ORDER BY s.name_key, s.id";

impl Figures {
    /// Reads everything.
    pub async fn read(panel: &Panel) -> AppResult<Self> {
        let now = panel.clock.now();
        let subscriptions = async { query!(panel.db, fetch_all, SUBSCRIPTIONS) };
        let operations = async {
            query!(
                panel.db,
                fetch_all,
                "SELECT kind, state, COUNT(*) FROM operations GROUP BY kind, state ORDER BY kind, state"
            )
        };
        let servers = async {
            query!(
                panel.db,
                fetch_all,
                "SELECT id, name, reachable, total_bytes, free_bytes, repositories_bytes FROM backup_servers
                 ORDER BY name_key"
            )
        };
        let channels = async {
            query!(
                panel.db,
                fetch_all,
                "SELECT id, name, failing_since IS NOT NULL FROM alert_channels WHERE enabled ORDER BY name_key"
            )
        };
        let (subscriptions, operations, servers, channels) =
            futures::future::try_join4(subscriptions, operations, servers, channels).await?;
        Ok(Self { now, subscriptions, operations, servers, channels })
    }
}
