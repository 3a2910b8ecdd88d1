//! Sends what is due: each message by one panel, again after growing pauses while that may help, and no longer.

use std::future::Future;

use chrono::TimeDelta;
use futures::future::join_all;
use uuid::Uuid;

use super::{
    DeliveryId, Settings, channels,
    checks::Check,
    forms::{self, Message},
    http, mail,
    news::News,
    outbox::{self, Parcel},
    pings,
    places::Place,
    settle,
};
use crate::{
    error::{AppError, AppResult},
    server::Panel,
};

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it; in its words.
    Arrived(String),
    /// It did not arrive for a cause that may pass.
    Later {
        /// Why.
        words: String,
        /// How long the receiver wants to be left alone.
        wait: Option<TimeDelta>,
    },
    /// It will never arrive like this.
    Never(String),
    /// Nothing is left to send it for.
    Drop(String),
}

impl Verdict {
    /// It may arrive later.
    pub fn later(words: impl Into<String>) -> Self {
        Self::Later { words: words.into(), wait: None }
    }

    /// It will never arrive like this.
    pub fn never(words: impl Into<String>) -> Self {
        Self::Never(words.into())
    }
}

/// Sends what is due at this moment to its end; gives how many messages that were.
pub async fn all_due(panel: &Panel) -> AppResult<u64> {
    let mut sent = 0;
    loop {
        let due = outbox::due(panel).await?;
        let places = due.into_iter().filter_map(|due| Some((Place::for_one(panel, due)?, due.id)));
        let tries = places.map(async |(_place, id)| one(panel, id).await);
        let mut taken = 0;
        for tried in join_all(tries).await {
            taken += u64::from(tried?);
        }
        sent += taken;
        // None: others send them.
        if taken == 0 {
            return Ok(sent);
        }
    }
}

/// Sends a message, if it is this panel that takes it; whether it is.
pub async fn one(panel: &Panel, id: DeliveryId) -> AppResult<bool> {
    let Some(parcel) = outbox::take(panel, id).await? else { return Ok(false) };
    let mut reached = parcel.reached.clone();
    let verdict = in_time(panel, parcel.ping.is_some(), send(panel, &parcel, &mut reached)).await;
    settle::write(panel, &parcel, verdict, reached, false).await?;
    Ok(true)
}

/// Sends the message with which somebody tries a channel out, whether or not it is switched on; once.
///
/// In a task of its own: whoever asked may not wait for the answer.
pub async fn test(panel: &Panel, channel: Uuid, id: DeliveryId, alert: Uuid, news: News) -> AppResult<()> {
    let panel = panel.clone();
    let tasks = panel.tasks.clone();
    let sending = tasks.spawn(async move {
        let now = panel.clock.now();
        let check = Check { channel: Some(channel), subscription: None };
        let parcel = Parcel { news: vec![(alert, now, news)], ..Parcel::at_once(id, check, now) };
        let mut reached = Vec::new();
        let verdict = in_time(&panel, false, through(&panel, channel, &parcel, &mut reached, true)).await;
        settle::write(&panel, &parcel, verdict, reached, true).await
    });
    sending.await.map_err(|_| AppError::Internal)?
}

/// Ends a try before its lease does: another panel must not send what this one is still sending.
async fn in_time(panel: &Panel, is_ping: bool, sending: impl Future<Output = Verdict>) -> Verdict {
    let limit = outbox::limit(panel, is_ping);
    tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| {
        let seconds = limit.as_secs();
        Verdict::later(format!("It was not sent within {seconds} seconds. Whoever has it will not get it again."))
    })
}

async fn send(panel: &Panel, parcel: &Parcel, reached: &mut Vec<String>) -> Verdict {
    match (&parcel.ping, parcel.check.channel) {
        (Some((ping, text)), _) => pings::send(panel, parcel, *ping, text).await,
        (None, Some(channel)) => through(panel, channel, parcel, reached, false).await,
        (None, None) => Verdict::Drop("The channel was deleted.".to_owned()),
    }
}

async fn through(panel: &Panel, channel: Uuid, parcel: &Parcel, reached: &mut Vec<String>, test: bool) -> Verdict {
    let (channel, sealed) = match channels::opened(panel, channel).await {
        Ok(Some(opened)) => opened,
        Ok(None) => return Verdict::Drop("The channel was deleted.".to_owned()),
        Err(error) => return Verdict::later(error.to_string()),
    };
    if !channel.enabled && !test {
        return Verdict::Drop("The channel is switched off.".to_owned());
    }
    let message = Message::of(parcel, panel.config.public_url.as_ref());
    if matches!(channel.settings, Settings::Email { .. }) {
        // It is large: whatever else is sent need not have room for it.
        return Box::pin(mail::send(panel, &channel.settings, &sealed, &message, parcel.id, reached)).await;
    }
    match forms::post(&channel.settings, &sealed, &message, panel.clock.now()) {
        Some(post) => http::post(panel, &post).await,
        None => Verdict::never("The channel's address cannot be read. Enter it again."),
    }
}
