//! The task that makes planned backups happen, in every panel of a database.

use std::time::Duration;

use super::{due, ended, start};
use crate::{error::AppResult, server::Panel};

/// The pause between two looks; the end of a backup wakes it earlier.
const PAUSE: Duration = Duration::from_secs(15);
/// Looks between two times that old runs are forgotten.
const FORGET_EVERY: u32 = 1000;

/// Starts the task; it ends with the panel.
pub fn start(panel: &Panel) {
    let panel = panel.clone();
    let tasks = panel.tasks.clone();
    tasks.spawn(async move {
        let stop = panel.stop.clone();
        stop.run_until_cancelled(Box::pin(keep_going(&panel))).await;
    });
}

async fn keep_going(panel: &Panel) {
    for look in 0_u32.. {
        if let Err(error) = tick(panel).await {
            tracing::error!("Planned backups could not be looked after: {error}");
        }
        if look.is_multiple_of(FORGET_EVERY)
            && let Err(error) = ended::forget_old(panel).await
        {
            tracing::error!("Old runs could not be forgotten: {error}");
        }
        drop(tokio::time::timeout(PAUSE, panel.ended.notified()).await);
    }
}

/// One look at everything that is planned; gives how many backups it began.
pub async fn tick(panel: &Panel) -> AppResult<u64> {
    ended::collect(panel).await?;
    ended::keep_leases(panel).await?;
    due::enqueue(panel).await?;
    start::begin_waiting(panel).await
}
