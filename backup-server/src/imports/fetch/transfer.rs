//! The file itself: its bytes as they come, and the rest of them after a cut.

use std::time::Duration;

use backup_api::{BackupFormat, Failure, Phase, Progress};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE},
};
use tokio::time::timeout;
use url::Url;

use super::{
    Fetched, Fetching, Target,
    ask::ask,
    name,
    words::{self, Stop},
};
use crate::{
    jobs::{JobContext, size},
    sources::{Sink, odoo},
    uploads::{Format, expect_format},
};

/// Attempts in a row that bring nothing new.
const TRIES: u32 = 5;
/// How often a server that cannot go on may begin again.
const BEGINNINGS: u32 = 3;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes that tell what a file is.
const HEAD: usize = 512;

struct Transfer<'a> {
    settings: &'a Fetching,
    context: &'a JobContext,
    target: &'a Target,
    sink: Sink,
    /// Bytes in all, where they were told.
    total: Option<u64>,
    /// What an answer must still be made of, for the rest to fit to what is here.
    validator: Option<HeaderValue>,
    name: String,
    /// Known from the name, or from the beginning.
    format: Option<BackupFormat>,
    /// An answer with the file came.
    answered: bool,
    beginnings: u32,
}

/// Fetches all of it.
pub(super) async fn run(settings: &Fetching, context: &JobContext, target: &Target) -> Result<Fetched, Failure> {
    context.enter(Phase::Fetching);
    let (file, sink) = Sink::open(&settings.staging)?;
    let mut transfer = Transfer {
        settings,
        context,
        target,
        sink,
        total: None,
        validator: None,
        name: String::new(),
        format: None,
        answered: false,
        beginnings: 0,
    };
    transfer.until_whole().await?;
    let Transfer { sink, format, name, .. } = transfer;
    let (bytes, _) = sink.finish().await?;
    let format = format.ok_or_else(|| words::empty(target.host()))?;
    Ok(Fetched { file, bytes, format, name })
}

impl Transfer<'_> {
    async fn until_whole(&mut self) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let before = self.sink.bytes();
            let why = match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(Stop::Final(failure)) => return Err(failure),
                // What never answered is told at once: most likely the address is wrong.
                Err(Stop::Cut(failure)) if !self.answered => return Err(failure),
                Err(Stop::Cut(failure)) => failure,
            };
            tries = if self.sink.bytes() > before { 1 } else { tries + 1 };
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
            self.validator = None;
            self.begin_again().await?;
            return Err(words::changed(&host));
        }
        if !response.status().is_success() {
            return Err(words::status(response.status(), &host));
        }
        self.take_headers(&response, &url).await?;
        loop {
            let next = timeout(self.settings.stall, response.chunk()).await;
            let next = next.map_err(|_| words::stalled(&host, self.sink.bytes(), self.settings.stall))?;
            let Some(piece) = next.map_err(|error| words::cut(error, &host, self.sink.bytes()))? else { break };
            self.take(&piece, &host).await?;
        }
        match self.total {
            Some(total) if self.sink.bytes() < total => Err(words::short(&host, self.sink.bytes(), total)),
            _ if self.sink.bytes() == 0 => Err(words::empty(&host).into()),
            _ => Ok(self.check_head(&host, true)?),
        }
    }

    /// Asks for what is not here yet.
    fn rest(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let from = self.sink.bytes();
        if from > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={from}-"))
        {
            headers.insert(RANGE, range);
            if let Some(validator) = self.validator.clone() {
                headers.insert(IF_RANGE, validator);
            }
        }
        headers
    }

    /// Finds out where the answer begins, and whether all of it may be taken.
    async fn take_headers(&mut self, response: &Response, url: &Url) -> Result<(), Stop> {
        let (headers, here) = (response.headers(), self.sink.bytes());
        let part = (response.status() == StatusCode::PARTIAL_CONTENT).then(|| part_of(headers)).flatten();
        let goes_on = part.is_some_and(|(from, total)| from == here && (self.total.is_none() || total == self.total));
        if here > 0 && !goes_on {
            self.begin_again().await?;
            if part.is_some() {
                self.validator = None;
                return Err(words::changed(url.host_str().unwrap_or_default()));
            }
        }
        let total = part.map_or(response.content_length(), |(_, total)| total);
        if let Some((total, limit)) = total.zip(self.settings.limit).filter(|(total, limit)| total > limit) {
            return Err(words::too_large(total, limit).into());
        }
        self.settings.staging.check_space(total.unwrap_or(0).saturating_sub(self.sink.bytes()))?;
        self.total = total;
        self.validator = validator(headers);
        if !self.answered {
            self.answered = true;
            self.name = name::best(self.target.name.as_deref(), headers, url, &self.target.url);
            self.format = Format::of_name(&self.name);
            let of = total.map_or_else(|| "of unknown size".to_owned(), size);
            self.context.info(format!("Fetching “{}” ({of}).", self.name));
        }
        Ok(())
    }

    async fn begin_again(&mut self) -> Result<(), Stop> {
        self.total = None;
        self.beginnings += 1;
        if self.beginnings > BEGINNINGS {
            return Err(words::no_rest(self.target.host()).into());
        }
        if self.sink.bytes() > 0 {
            self.context
                .warn("The server cannot go on where it stopped, or the file changed: it comes from its beginning.");
        }
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
        self.context.progress(Phase::Fetching, Progress { done_bytes, total_bytes: self.total });
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
        let format = self.format.or_else(|| Format::of_content(head)).unwrap_or_default();
        expect_format(format, head).map_err(words::content)?;
        self.format = Some(format);
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
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let tag = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    tag.or_else(|| headers.get(LAST_MODIFIED)).cloned()
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
        assert_eq!((of("\"abc\""), of("W/\"abc\"")), (HeaderValue::from_static("\"abc\""), time.parse().unwrap()));
        assert_eq!(validator(&HeaderMap::new()), None);
    }
}
