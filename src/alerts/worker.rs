//! The tasks that look for what goes wrong and send what is due, in every panel of a database: a server that does not
//! answer one of them keeps none of the others waiting.

use std::{future::Future, time::Duration};

use super::{damage, deliver, heartbeat, look, outbox, places::Place};
use crate::{error::AppResult, server::Panel};

/// The pause between two times that messages are sent, unless something rings.
const SEND_EVERY: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Between two times that old messages are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(7);

/// Starts the tasks. When the panel ends, what it sends at that moment is sent, and no more.
pub fn start(panel: &Panel) {
    again_and_again(panel, LOOK_EVERY, look_around);
    again_and_again(panel, FORGET_EVERY, outbox::forget_old);
    let panel = panel.clone();
    panel.tasks.clone().spawn(async move {
        loop {
            if let Err(error) = send(&panel).await {
                tracing::error!("It is not known which messages are due: {error}");
            }
            let woken = tokio::time::timeout(SEND_EVERY, panel.alerts.notified());
            if panel.stop.run_until_cancelled(woken).await.is_none() {
                return;
            }
        }
    });
}

fn again_and_again<F>(panel: &Panel, every: Duration, work: impl Fn(Panel) -> F + Send + 'static)
where
    F: Future<Output = AppResult<()>> + Send,
{
    let panel = panel.clone();
    panel.tasks.clone().spawn(async move {
        loop {
            if let Err(error) = work(panel.clone()).await {
                tracing::error!("Alerts could not be looked after: {error}");
            }
            if panel.stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return;
            }
        }
    });
}

/// Begins to send what is due, each message in a task of its own.
async fn send(panel: &Panel) -> AppResult<()> {
    for due in outbox::due(panel).await? {
        let Some(place) = Place::for_one(panel, due) else { continue };
        let panel = panel.clone();
        panel.tasks.clone().spawn(async move {
            let sent = deliver::one(&panel, due.id).await;
            drop(place);
            match sent {
                // Others may have waited for its place, or for its end.
                Ok(true) => panel.alerts.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::error!("Message {} could not be sent: {error}", due.id.0),
            }
        });
    }
    Ok(())
}

/// One round of everything, to its end; gives how many messages it sent.
pub async fn tick(panel: &Panel) -> AppResult<u64> {
    look_around(panel.clone()).await?;
    deliver::all_due(panel).await
}

/// The heart beats only after a look that worked.
async fn look_around(panel: Panel) -> AppResult<()> {
    look::look(&panel).await?;
    damage::ask(&panel).await?;
    heartbeat::beat(&panel).await
}
