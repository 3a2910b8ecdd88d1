//! Asks every backup server again and again whether it is there; less often while it is not.

use std::{collections::HashMap, time::Duration};

use futures::future::join_all;
use tokio::time::Instant;

use super::{ServerId, clients, store};
use crate::{
    error::{AppError, AppResult},
    server::Panel,
};

const EVERY: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// A server that takes longer to say that it is there, is not.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the list of servers is looked at for new ones.
const LOOK: Duration = Duration::from_secs(2);

/// When a server is asked next, and the pause that led there.
type Plan = HashMap<ServerId, (Instant, Duration)>;

/// Starts asking, until the panel ends.
pub fn start(panel: &Panel) {
    let panel = panel.clone();
    let tasks = panel.tasks.clone();
    tasks.spawn(async move {
        let stop = panel.stop.clone();
        stop.run_until_cancelled(ask_for_ever(&panel)).await;
    });
}

async fn ask_for_ever(panel: &Panel) {
    let mut plan = Plan::new();
    loop {
        if let Err(error) = ask_those_due(panel, &mut plan).await {
            tracing::warn!("The backup servers could not be asked: {error}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn ask_those_due(panel: &Panel, plan: &mut Plan) -> AppResult<()> {
    let now = Instant::now();
    let known = store::ids(panel).await?;
    plan.retain(|id, _| known.contains(id));
    let due = known.into_iter().filter(|id| plan.get(id).is_none_or(|(at, _)| *at <= now));
    for (id, there) in join_all(due.map(async |id| (id, ask(panel, id).await))).await {
        let before = plan.get(&id).map_or(EVERY / 2, |(_, pause)| *pause);
        let pause = if there? { EVERY } else { (before * 2).min(LONGEST_PAUSE) };
        plan.insert(id, (now + pause, pause));
    }
    Ok(())
}

/// Asks one server now and writes down what came of it; answers whether it is there.
pub async fn ask(panel: &Panel, id: ServerId) -> AppResult<bool> {
    let server = match clients::server(panel, id).await {
        Ok(server) => server,
        Err(AppError::NotFound { .. }) => return Ok(false),
        Err(error) => {
            store::silent(panel, id, &error.to_string()).await?;
            return Ok(false);
        }
    };
    let reason = match tokio::time::timeout(PATIENCE, server.client.server()).await {
        Ok(Ok(info)) => {
            store::answered(panel, id, &info).await?;
            return Ok(true);
        }
        Ok(Err(error)) => server.fault(&error).to_string(),
        Err(_) => format!(
            "The backup server “{}” did not answer within {} seconds. Check its load and the network.",
            server.name,
            PATIENCE.as_secs()
        ),
    };
    store::silent(panel, id, &reason).await?;
    Ok(false)
}
