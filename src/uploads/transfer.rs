//! An upload as its wizard shows it: what was chosen, how far it is, and the handles that move it on.

use backup_api::{BackupFormat, Upload, UploadId};
use leptos::{ev, html, prelude::*, web_sys::FormData};

use super::{OpenUpload, check_file};
use crate::{components::figures, error::AppError, subscriptions::SubscriptionId};

/// A file that was chosen and can be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its own name.
    pub name: String,
    /// Its bytes.
    pub length: u64,
    /// When it was last changed, in milliseconds.
    pub modified: i64,
    /// What it holds, by its name.
    pub format: BackupFormat,
}

/// Where an upload stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has begun.
    #[default]
    Idle,
    /// Chunks are sent.
    Sending,
    /// Somebody asked for a pause.
    Paused,
    /// The connection is lost; the next try is in so many seconds.
    Waiting {
        /// Why, in words.
        reason: String,
        /// Until the next try.
        seconds: u32,
    },
    /// It cannot go on by itself, for this reason.
    Stopped(String),
    /// All has arrived; the import is asked for.
    Importing,
}

impl Stage {
    /// Whether it goes on by itself, so that leaving the page would hold it up.
    pub const fn is_under_way(&self) -> bool {
        matches!(self, Self::Sending | Self::Waiting { .. } | Self::Importing)
    }

    /// In a few words, for those who listen: said when the stage changes, not with every figure.
    pub fn words(&self) -> String {
        match self {
            Self::Idle => String::new(),
            Self::Sending => "Uploading".to_owned(),
            Self::Paused => "Paused: what has arrived is kept".to_owned(),
            Self::Waiting { reason, .. } => reason.clone(),
            Self::Stopped(_) => "Stopped".to_owned(),
            Self::Importing => "Everything has arrived".to_owned(),
        }
    }
}

/// The upload of a wizard. It lives as long as the dialog.
#[derive(Clone, Copy)]
pub struct Transfer {
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// This person's unfinished uploads for it.
    pub open: RwSignal<Vec<OpenUpload>>,
    /// The file.
    pub chosen: RwSignal<Option<Chosen>>,
    /// Why the file that was chosen last cannot be uploaded.
    pub refusal: RwSignal<Option<String>>,
    /// Where it stands.
    pub stage: RwSignal<Stage>,
    /// Bytes that have arrived.
    pub sent: RwSignal<u64>,
    /// Bytes a second, smoothed.
    pub rate: RwSignal<Option<u64>>,
    /// The upload on the server, once there is one.
    pub upload: RwSignal<Option<UploadId>>,
    /// The form with what is wanted besides.
    pub form: NodeRef<html::Form>,
    #[cfg(feature = "hydrate")]
    pub(super) hold: StoredValue<super::sending::Hold, LocalStorage>,
}

impl Transfer {
    /// Nothing chosen yet; ends with the current owner.
    pub fn new(subscription: SubscriptionId, open: Vec<OpenUpload>) -> Self {
        let transfer = Self {
            subscription,
            open: RwSignal::new(open),
            chosen: RwSignal::new(None),
            refusal: RwSignal::new(None),
            stage: RwSignal::new(Stage::Idle),
            sent: RwSignal::new(0),
            rate: RwSignal::new(None),
            upload: RwSignal::new(None),
            form: NodeRef::new(),
            #[cfg(feature = "hydrate")]
            hold: StoredValue::new_local(super::sending::Hold::default()),
        };
        #[cfg(feature = "hydrate")]
        super::sending::end_with_owner(transfer);
        transfer
    }

    /// Takes what was found out about a file that somebody chose; goes on where its upload stopped.
    pub fn take(self, name: String, length: u64, modified: i64) {
        self.chosen.set(None);
        self.upload.set(None);
        self.sent.set(0);
        self.stage.set(Stage::Idle);
        match check_file(&name, length) {
            Ok(format) => {
                let known = self.open.with_untracked(|open| {
                    open.iter().find(|open| open.is_of(&name, length, modified)).map(|open| (open.id, open.offset))
                });
                if let Some((id, offset)) = known {
                    self.upload.set(Some(id));
                    self.sent.set(offset.unwrap_or_default());
                }
                self.refusal.set(None);
                self.chosen.set(Some(Chosen { name, length, modified, format }));
            }
            Err(refused) => self.refusal.set(Some(refused.into_words())),
        }
    }

    /// `12.6 of 24.1 MB · 9.8 MB/s · about 2 s left`.
    pub fn figures(self) -> String {
        let Some(total) = self.chosen.with(|chosen| chosen.as_ref().map(|chosen| chosen.length)) else {
            return String::new();
        };
        let (sent, stage) = (self.sent.get(), self.stage.get());
        let rate = if stage == Stage::Sending { self.rate.get() } else { None };
        let mut parts: Vec<String> = figures::moved(sent, Some(total)).into_iter().collect();
        parts.extend(figures::speed(rate));
        parts.extend(figures::left(sent, Some(total), rate));
        if let Stage::Waiting { seconds, .. } = stage {
            parts.push(format!("next try in {} s", seconds.max(1)));
        }
        parts.join(" · ")
    }

    /// What the form says besides the file: the comment, and whether to go on to the restore.
    pub fn wishes(self) -> (String, bool) {
        let form = self.form.get_untracked().and_then(|form| FormData::new_with_form(&form).ok());
        let text = |name| form.as_ref().and_then(|form| form.get(name).as_string()).unwrap_or_default();
        (text("comment"), text("then_restore") == "true")
    }

    /// Percent that has arrived.
    pub fn percent(self) -> Option<u64> {
        let total = self.chosen.with(|chosen| chosen.as_ref().map(|chosen| chosen.length))?;
        Some(figures::percent(self.sent.get(), total))
    }
}

/// What became of a try, beside success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Passes: try again after a while.
    Again(String),
    /// What arrived is not what was thought: ask for the offset and go on at once.
    Elsewhere(String),
    /// The upload is not there any more: begin another one.
    Gone,
    /// Only a person can help.
    Stop(String),
}

impl Trouble {
    /// What an answer's status means; `words` are the answer's.
    pub fn of_status(status: u16, words: String) -> Self {
        match status {
            404 | 410 => Self::Gone,
            409 => Self::Elsewhere(words),
            // The chunk was damaged on its way, or did not arrive whole.
            408 | 460 => Self::Again("A part arrived damaged and is sent again".to_owned()),
            401 => Self::Stop(AppError::SignedOut.to_string()),
            500..=599 if status != 507 => Self::Again(words),
            _ => Self::Stop(words),
        }
    }
}

/// How long to wait after so many failures in a row, in seconds: 1, 2, 4 … 30.
pub fn pause_after(failures: u32) -> u32 {
    1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(30).clamp(1, 30)
}

/// Where the chunk that begins at `offset` ends.
pub const fn chunk_end(offset: u64, length: u64) -> u64 {
    let end = offset + Upload::CHUNK_BYTES;
    if end < length { end } else { length }
}

/// How many chunks are under way at once. Browsers open six connections to a server that speaks HTTP/1.1: one has the
/// page's live progress, and one stays for whatever else is asked for.
pub const LANES: usize = 4;

/// Which chunks of a file are still to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Nothing is missing on the server up to here.
    offset: u64,
    /// Where the next chunk begins.
    next: u64,
    length: u64,
}

/// What a lane does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Send the bytes from here to there.
    Chunk(u64, u64),
    /// Wait: the server would not keep what is so far ahead.
    Later,
    /// All is sent or under way.
    Nothing,
}

impl Parts {
    /// Of a file of which this much is there.
    pub const fn after(offset: u64, length: u64) -> Self {
        Self { offset, next: offset, length }
    }

    /// The next chunk.
    pub const fn take(&mut self) -> Part {
        if self.next >= self.length {
            return Part::Nothing;
        }
        let (start, end) = (self.next, chunk_end(self.next, self.length));
        if end - self.offset > Upload::AHEAD_BYTES {
            return Part::Later;
        }
        self.next = end;
        Part::Chunk(start, end)
    }

    /// The server says how much is there. Answers overtake each other.
    pub fn arrived(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
    }

    /// How much is there.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether that is all.
    pub const fn is_whole(&self) -> bool {
        self.offset == self.length
    }
}

/// What a person does with the upload; nothing without scripts.
#[derive(Clone, Debug)]
pub enum Act {
    /// Chose a file.
    Choose(ev::Event),
    /// Dropped one.
    Drop(ev::DragEvent),
    /// Begin, or go on.
    Start,
    /// Hold it up.
    Pause,
    /// End it and remove what arrived.
    Cancel,
    /// Remove an unfinished upload of before.
    Discard(UploadId),
}

impl Transfer {
    /// Does it.
    #[cfg(feature = "hydrate")]
    pub fn act(self, act: Act) {
        super::sending::act(self, act);
    }

    /// There is nobody to do it here.
    #[cfg(not(feature = "hydrate"))]
    pub fn act(self, _act: Act) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_half_a_minute() {
        let pauses: Vec<u32> = (0..9).map(pause_after).collect();
        assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pause_after(u32::MAX), 30);
    }

    #[test]
    fn chunks_have_a_mebibyte_but_the_last() {
        assert_eq!(chunk_end(0, 3_000_000), 1_048_576);
        assert_eq!(chunk_end(2_097_152, 3_000_000), 3_000_000);
        assert_eq!(chunk_end(0, 1_048_576), 1_048_576);
    }

    #[test]
    fn chunks_are_taken_once_and_not_too_far_ahead() {
        let chunk = Upload::CHUNK_BYTES;
        let mut parts = Parts::after(5, 5 + 20 * chunk);
        for number in 0..16 {
            assert_eq!(parts.take(), Part::Chunk(5 + number * chunk, 5 + (number + 1) * chunk));
        }
        assert_eq!(parts.take(), Part::Later);
        parts.arrived(5 + 2 * chunk);
        parts.arrived(5 + chunk);
        assert_eq!(parts.offset(), 5 + 2 * chunk, "an answer that was overtaken changes nothing");
        assert_eq!(parts.take(), Part::Chunk(5 + 16 * chunk, 5 + 17 * chunk));
        parts.arrived(5 + 17 * chunk);
        for _ in 17..20 {
            assert!(matches!(parts.take(), Part::Chunk(..)));
        }
        assert_eq!((parts.take(), parts.is_whole()), (Part::Nothing, false));
        parts.arrived(5 + 20 * chunk);
        assert!(parts.is_whole());
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let of = |status| Trouble::of_status(status, "words".to_owned());
        for status in [500, 502, 503] {
            assert_eq!(of(status), Trouble::Again("words".to_owned()));
        }
        for status in [400, 403, 413, 415, 422, 507] {
            assert_eq!(of(status), Trouble::Stop("words".to_owned()), "{status}");
        }
        assert_eq!(of(409), Trouble::Elsewhere("words".to_owned()));
        assert_eq!((of(404), of(410)), (Trouble::Gone, Trouble::Gone));
        assert!(matches!(of(401), Trouble::Stop(words) if words.contains("Sign in")));
        assert!(matches!(of(460), Trouble::Again(_)));
    }
}
