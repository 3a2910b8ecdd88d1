//! Sends what is due: each message by one panel, again after growing pauses while that may help, and no longer.

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
    pings, settle,
};
use crate::{error::AppResult, server::Panel};

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

/// Sends what is due at this moment; gives how many messages that were.
pub async fn due(panel: &Panel) -> AppResult<u64> {
    let mut sent = 0;
    loop {
        let ids = outbox::due(panel).await?;
        let tries = join_all(ids.into_iter().map(|id| one(panel, id))).await;
        let mut taken = 0;
        for tried in tries {
            taken += u64::from(tried?);
        }
        sent += taken;
        // None: another panel takes them.
        if taken == 0 {
            return Ok(sent);
        }
    }
}

async fn one(panel: &Panel, id: DeliveryId) -> AppResult<bool> {
    let Some(parcel) = outbox::take(panel, id).await? else { return Ok(false) };
    let (verdict, reached) = send(panel, &parcel).await;
    settle::write(panel, &parcel, verdict, reached, false).await?;
    Ok(true)
}

/// Sends the message with which somebody tries a channel out, whether or not it is switched on; once.
pub async fn test(panel: &Panel, channel: Uuid, id: DeliveryId, alert: Uuid, news: News) -> AppResult<()> {
    let now = panel.clock.now();
    let check = Check { channel: Some(channel), subscription: None };
    let parcel = Parcel { news: vec![(alert, now, news)], ..Parcel::at_once(id, check, now) };
    let (verdict, reached) = through(panel, channel, &parcel, true).await;
    settle::write(panel, &parcel, verdict, reached, true).await
}

async fn send(panel: &Panel, parcel: &Parcel) -> (Verdict, Vec<String>) {
    match (&parcel.ping, parcel.check.channel) {
        (Some((ping, text)), _) => (pings::send(panel, parcel, *ping, text).await, Vec::new()),
        (None, Some(channel)) => through(panel, channel, parcel, false).await,
        (None, None) => (Verdict::Drop("The channel was deleted.".to_owned()), Vec::new()),
    }
}

async fn through(panel: &Panel, channel: Uuid, parcel: &Parcel, test: bool) -> (Verdict, Vec<String>) {
    let (channel, sealed) = match channels::opened(panel, channel).await {
        Ok(Some(opened)) => opened,
        Ok(None) => return (Verdict::Drop("The channel was deleted.".to_owned()), Vec::new()),
        Err(error) => return (Verdict::later(error.to_string()), parcel.reached.clone()),
    };
    if !channel.enabled && !test {
        return (Verdict::Drop("The channel is switched off.".to_owned()), parcel.reached.clone());
    }
    let message = Message::of(parcel, panel.config.public_url.as_ref());
    if matches!(channel.settings, Settings::Email { .. }) {
        let mailed = mail::send(panel, &channel.settings, &sealed, &message, &parcel.reached).await;
        return (mailed.verdict, mailed.reached);
    }
    let verdict = match forms::post(&channel.settings, &sealed, &message, panel.clock.now()) {
        Some(post) => http::post(panel, &post).await,
        None => Verdict::never("The channel's address cannot be read. Enter it again."),
    };
    (verdict, Vec::new())
}
