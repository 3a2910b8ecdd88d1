//! The end of a try: the message's row and what is known of the channel change together.

use super::{
    channels, checks,
    deliver::Verdict,
    judge,
    outbox::{self, Ended, Parcel},
    pings::Ping,
};
use crate::{error::AppResult, server::Panel};

/// Writes down what came of a try; a test has only `once`.
pub async fn write(
    panel: &Panel,
    parcel: &Parcel,
    verdict: Verdict,
    reached: Vec<String>,
    once: bool,
) -> AppResult<()> {
    let (failure, ended) = match &verdict {
        Verdict::Arrived(words) => (None, end("delivered", words, &reached)),
        Verdict::Drop(words) => (None, end("dropped", words, &reached)),
        Verdict::Never(words) => (Some(words), end("given_up", words, &reached)),
        Verdict::Later { words, wait } => {
            // Somebody has it now: the others need not wait for hours because it took several tries so far.
            let tries = if reached.len() > parcel.reached.len() { 1 } else { parcel.attempt };
            let again = judge::wait_after(tries, parcel.ping.is_some()).filter(|_| !once);
            let pause = again.map(|pause| wait.map_or(pause, |wait| wait.max(pause)));
            let due_at = pause.map(|pause| panel.clock.now() + pause);
            let state = if due_at.is_some() { "waiting" } else { "given_up" };
            (Some(words), Ended { due_at, ..end(state, words, &reached) })
        }
    };
    let mut tx = panel.db.begin().await?;
    if !outbox::end(panel, &mut tx, parcel.id, &ended).await? {
        return Ok(());
    }
    let is_known = !matches!(verdict, Verdict::Drop(_));
    let has_arrived = is_known && failure.is_none();
    if parcel.ping.as_ref().is_some_and(|(ping, _)| *ping != Ping::Log) && has_arrived {
        checks::forget_earlier(&mut tx, parcel).await?;
    }
    if let (Some(channel), true) = (parcel.check.channel, is_known) {
        channels::tried(panel, &mut tx, channel, failure.map(String::as_str)).await?;
    }
    tx.commit().await?;
    if failure.is_some() {
        // Without the answer: it is what somebody else's server says.
        tracing::warn!(delivery.id = %parcel.id.0, "Message {} did not arrive, try {}", parcel.id.0, parcel.attempt);
    }
    Ok(())
}

const fn end<'a>(state: &'static str, answer: &'a str, reached: &'a [String]) -> Ended<'a> {
    Ended { state, due_at: None, reached, answer }
}
