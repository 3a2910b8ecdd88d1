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

/// What came of asking a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It answers.
    Serving,
    /// It is there and will not have this panel: why, and what to do.
    Refusing(String),
    /// Nothing answers, or something that is no backup server.
    Away,
}

/// Asks one server now and writes down what came of it; answers whether it can be used.
pub async fn ask(panel: &Panel, id: ServerId) -> AppResult<bool> {
    Ok(find(panel, id).await? == Found::Serving)
}

/// Like [`ask`], and tells a server that refuses from one that is not there.
pub async fn find(panel: &Panel, id: ServerId) -> AppResult<Found> {
    let server = match clients::server(panel, id).await {
        Ok(server) => server,
        Err(AppError::NotFound { .. }) => return Ok(Found::Away),
        Err(error) => {
            store::silent(panel, id, &error.to_string()).await?;
            return Ok(Found::Away);
        }
    };
    let (reason, refuses) = match tokio::time::timeout(PATIENCE, server.client.server()).await {
        Ok(Ok(info)) => {
            store::answered(panel, id, &info).await?;
            return Ok(Found::Serving);
        }
        Ok(Err(error)) => (server.fault(&error).to_string(), error.refusal().is_some()),
        Err(_) => (
            format!(
                "The backup server “{}” did not answer within {} seconds. Check its load and the network.",
                server.name,
                PATIENCE.as_secs()
            ),
            false,
        ),
    };
    store::silent(panel, id, &reason).await?;
    Ok(if refuses { Found::Refusing(reason) } else { Found::Away })
}
