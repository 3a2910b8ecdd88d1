//! The task that looks for what goes wrong and sends what is due, in every panel of a database.

use std::time::Duration;

use super::{damage, deliver, heartbeat, look, outbox};
use crate::{error::AppResult, server::Panel};

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(5);
/// Rounds between two looks, and between two times that old messages are forgotten.
const LOOK_EVERY: u32 = 6;
const FORGET_EVERY: u32 = 5_000;

/// Starts the task. When the panel ends, it sends what it has begun to send, and no more.
pub fn start(panel: &Panel) {
    let panel = panel.clone();
    let tasks = panel.tasks.clone();
    tasks.spawn(async move {
        for round in 0_u32.. {
            if let Err(error) = work(&panel, round).await {
                tracing::error!("Alerts could not be looked after: {error}");
            }
            let woken = tokio::time::timeout(PAUSE, panel.alerts.notified());
            if panel.stop.run_until_cancelled(woken).await.is_none() {
                return;
            }
        }
    });
}

async fn work(panel: &Panel, round: u32) -> AppResult<()> {
    if round.is_multiple_of(LOOK_EVERY) {
        look_around(panel).await?;
    }
    if round.is_multiple_of(FORGET_EVERY) {
        outbox::forget_old(panel).await?;
    }
    deliver::due(panel).await.map(drop)
}

/// One round of everything; gives how many messages it sent.
pub async fn tick(panel: &Panel) -> AppResult<u64> {
    look_around(panel).await?;
    deliver::due(panel).await
}

/// The heart beats only after a look that worked.
async fn look_around(panel: &Panel) -> AppResult<()> {
    look::look(panel).await?;
    damage::ask(panel).await?;
    heartbeat::beat(panel).await
}
