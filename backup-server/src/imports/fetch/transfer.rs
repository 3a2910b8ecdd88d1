//! The file itself: its bytes as they come, and the rest of them after a cut.

use std::time::Duration;

use backup_api::{Failure, Phase, Progress};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE},
};
use tokio::time::{Instant, timeout};
use url::Url;

use super::{
    Fetched, Fetching, Target,
    ask::ask,
    kept::{Kept, Known},
    name,
    words::{self, Stop},
};
use crate::{
    jobs::{JobContext, size},
    sources::{Sink, odoo},
    uploads::{Format, expect_format},
};

/// Attempts in a row that bring nothing new, or almost nothing.
const TRIES: u32 = 5;
/// How often a server that cannot go on may begin again.
const BEGINNINGS: u32 = 3;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes that tell what a file is.
const HEAD: usize = 512;
/// Bytes that must arrive for each second that may pass without any: what trickles would hold its place for ever.
const LEAST_RATE: u64 = 1_000;
/// Bytes between two notes of how much is on disk for certain.
const CERTAIN_STEP: u64 = 16 << 20;

struct Transfer<'a> {
    settings: &'a Fetching,
    context: &'a JobContext,
    target: &'a Target,
    kept: &'a mut Kept,
    sink: Sink,
    /// An answer with the file came.
    answered: bool,
    beginnings: u32,
}

/// Fetches all of it that is not here yet.
pub(super) async fn run(
    settings: &Fetching,
    context: &JobContext,
    target: &Target,
    kept: &mut Kept,
) -> Result<Fetched, Failure> {
    context.enter(Phase::Fetching);
    let sink = kept.open(&settings.staging).await?;
    let answered = sink.bytes() > 0;
    if answered {
        context.info(format!("{} of “{}” are here already.", size(sink.bytes()), kept.known().name));
    }
    if !kept.known().whole {
        let mut transfer = Transfer { settings, context, target, kept, sink, answered, beginnings: 0 };
        transfer.until_whole().await?;
        let Transfer { kept, sink, .. } = transfer;
        let (bytes, _) = sink.finish().await?;
        (kept.known().certain, kept.known().whole) = (bytes, true);
        kept.save().await?;
        return fetched(target, kept);
    }
    fetched(target, kept)
}

fn fetched(target: &Target, kept: &mut Kept) -> Result<Fetched, Failure> {
    let Known { certain, format, name, original, .. } = kept.known().clone();
    let format = format.ok_or_else(|| words::empty(target.host()))?;
    Ok(Fetched { bytes: certain, format, name, original })
}

impl Transfer<'_> {
    async fn until_whole(&mut self) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let before = self.sink.bytes();
            let (why, moved) = match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(Stop::Final(failure)) => return Err(failure),
                Err(Stop::Slow(failure)) => (failure, false),
                // What never answered is told at once: most likely the address is wrong.
                Err(Stop::Cut(failure)) if !self.answered => return Err(failure),
                Err(Stop::Cut(failure)) => (failure, self.sink.bytes() > before),
            };
            tries = if moved { 1 } else { tries + 1 };
            if tries > TRIES {
                return Err(why);
            }
            let pause = (self.settings.pause * 2_u32.pow(tries - 1)).min(LONGEST_PAUSE);
            self.context.warn(format!("{} Going on in {:.0} s.", why.message, pause.as_secs_f64()));
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&mut self) -> Result<(), Stop> {
        let (mut response, url) = ask(self.settings, self.target, &self.rest()).await?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && self.sink.bytes() > 0 {
            // The file is another now.
            self.begin_again().await?;
            return Err(words::changed(&host));
        }
        if !response.status().is_success() {
            return Err(words::status(response.status(), &host));
        }
        self.take_headers(&response, &url).await?;
        let (mut since, mut before) = (Instant::now(), self.sink.bytes());
        loop {
            let next = timeout(self.settings.stall, response.chunk()).await;
            let next = next.map_err(|_| words::stalled(&host, self.sink.bytes(), self.settings.stall))?;
            let Some(piece) = next.map_err(|error| words::cut(error, &host, self.sink.bytes()))? else { break };
            self.take(&piece, &host).await?;
            if since.elapsed() >= self.settings.stall {
                let arrived = self.sink.bytes() - before;
                if arrived < LEAST_RATE * self.settings.stall.as_secs() {
                    return Err(words::slow(&host, arrived, self.settings.stall));
                }
                (since, before) = (Instant::now(), self.sink.bytes());
            }
        }
        match self.kept.known().total {
            Some(total) if self.sink.bytes() < total => Err(words::short(&host, self.sink.bytes(), total)),
            _ if self.sink.bytes() == 0 => Err(words::empty(&host).into()),
            _ => Ok(self.check_head(&host, true)?),
        }
    }

    /// Asks for what is not here yet.
    fn rest(&mut self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let from = self.sink.bytes();
        if from > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={from}-"))
        {
            headers.insert(RANGE, range);
            if let Some(validator) = self.kept.known().validator.as_deref().and_then(|text| text.try_into().ok()) {
                headers.insert(IF_RANGE, validator);
            }
        }
        headers
    }

    /// Finds out where the answer begins, and whether all of it may be taken.
    async fn take_headers(&mut self, response: &Response, url: &Url) -> Result<(), Stop> {
        let (headers, here) = (response.headers(), self.sink.bytes());
        let known = self.kept.known().total;
        let part = (response.status() == StatusCode::PARTIAL_CONTENT).then(|| part_of(headers)).flatten();
        let goes_on = part.is_some_and(|(from, total)| from == here && (known.is_none() || total == known));
        if here > 0 && !goes_on {
            self.begin_again().await?;
            if part.is_some() {
                return Err(words::changed(url.host_str().unwrap_or_default()));
            }
        }
        let total = part.map_or(response.content_length(), |(_, total)| total);
        if let Some((total, limit)) = total.zip(self.settings.limit).filter(|(total, limit)| total > limit) {
            return Err(words::too_large(total, limit).into());
        }
        self.settings.staging.check_space(total.unwrap_or(0).saturating_sub(self.sink.bytes()))?;
        let known = self.kept.known();
        (known.total, known.validator) = (total, validator(headers));
        if !self.answered {
            self.answered = true;
            known.name = name::best(self.target.name.as_deref(), headers, url, &self.target.url);
            known.original = name::original(headers, url, &self.target.url).unwrap_or_default();
            known.format = Format::of_name(&known.name);
            let of = total.map_or_else(|| "of unknown size".to_owned(), size);
            self.context.info(format!("Fetching “{}” ({of}).", known.name));
        }
        Ok(self.kept.save().await?)
    }

    async fn begin_again(&mut self) -> Result<(), Stop> {
        let known = self.kept.known();
        (known.total, known.validator, known.certain) = (None, None, 0);
        self.beginnings += 1;
        if self.beginnings > BEGINNINGS {
            return Err(words::no_rest(self.target.host()).into());
        }
        if self.sink.bytes() > 0 {
            self.context
                .warn("The server cannot go on where it stopped, or the file changed: it comes from its beginning.");
        }
        // What is noted of the old bytes must not be said of the new ones.
        self.kept.save().await?;
        Ok(self.sink.begin_again().await?)
    }

    async fn take(&mut self, piece: &[u8], host: &str) -> Result<(), Stop> {
        let began = self.sink.bytes() < HEAD as u64;
        self.sink.write(piece).await?;
        let done_bytes = self.sink.bytes();
        if let Some(limit) = self.settings.limit.filter(|limit| done_bytes > *limit) {
            return Err(words::too_large(done_bytes, limit).into());
        }
        if began && done_bytes >= HEAD as u64 {
            self.check_head(host, false)?;
        }
        let known = self.kept.known();
        self.context.progress(Phase::Fetching, Progress { done_bytes, total_bytes: known.total });
        if done_bytes - known.certain >= CERTAIN_STEP {
            self.sink.sync().await?;
            self.kept.known().certain = done_bytes;
            self.kept.save().await?;
        }
        Ok(())
    }

    /// Looks at the beginning: what is no backup need not come as a whole.
    fn check_head(&mut self, host: &str, is_all: bool) -> Result<(), Failure> {
        let head = self.sink.head();
        if !is_all && head.len() < HEAD {
            return Ok(());
        }
        if odoo::is_html(head) {
            let title = odoo::title(&String::from_utf8_lossy(head));
            return Err(words::web_page(host, title.as_deref()));
        }
        let known = self.kept.known();
        let format = known.format.or_else(|| Format::of_content(head)).unwrap_or_default();
        expect_format(format, head).map_err(words::content)?;
        known.format = Some(format);
        Ok(())
    }
}

/// `bytes 100-199/200`: where a part begins, and the bytes of the whole.
fn part_of(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.trim().parse().ok()?, total.trim().parse().ok()))
}

/// What `If-Range` takes: a strong entity tag, or the time of the last change.
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    tag.or_else(|| headers.get(LAST_MODIFIED)).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(reqwest::header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_part_tells_its_place() {
        let part = |value| part_of(&headers(&[(CONTENT_RANGE, value)]));
        assert_eq!(part("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(part("bytes 100-199/*"), Some((100, None)));
        for bad in ["bytes */200", "100-199/200", "bytes 100"] {
            assert_eq!(part(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_tells_every_change_is_a_validator() {
        let time = "Wed, 21 Oct 2026 07:28:00 GMT";
        let of = |tag| validator(&headers(&[(ETAG, tag), (LAST_MODIFIED, time)])).unwrap();
        assert_eq!((of("\"abc\"").as_str(), of("W/\"abc\"").as_str()), ("\"abc\"", time));
        assert_eq!(validator(&HeaderMap::new()), None);
    }
}
