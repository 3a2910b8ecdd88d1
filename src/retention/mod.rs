//! Retention: which backups of a subscription are kept, why, and until when.
//!
//! The rule, in the subscription's time zone: the last good backup of each of the most recent days, ISO weeks and months
//! that have one is kept, as many of each as the policy says; then the newest others until at least “keep latest” are
//! kept. A zip goes before a dump: a dump lacks the attachments, so it stands for a period only when that has no zip, and
//! the newest zip stays as the newest backup does. What the rule never touches:
//! - Lines that are not good (failed, missing, of another size): they take no slot, and nothing of them is removed.
//! - Pinned lines: they take their slots like any other, and stay whatever the rule says.
//! - Uploaded files and those fetched from a URL: they may be of any age, so they neither take a slot nor are removed,
//!   and they say nothing about how a subscription's backups stand.
//! - The newest good backup and the newest zip, even if the policy says that nothing is kept.

use serde::{Deserialize, Serialize};

pub mod api;
#[cfg(feature = "ssr")]
pub mod apply;
#[cfg(feature = "ssr")]
pub mod forecast;
#[cfg(feature = "ssr")]
pub mod lines;
#[cfg(feature = "ssr")]
pub mod policy;
pub mod preview_view;
#[cfg(feature = "ssr")]
pub mod store;
pub mod views;

/// Why a backup is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The last one of its day, a zip if there is one; so with the next two.
    Daily,
    /// The last one of its ISO week.
    Weekly,
    /// The last one of its month.
    Monthly,
    /// The newest, the newest zip, or needed to have enough of the newest.
    Latest,
    /// Somebody pinned it.
    Pinned,
    /// It was uploaded or fetched: retention leaves it alone.
    Brought,
}

impl Reason {
    /// In a word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Latest => "latest",
            Self::Pinned => "pinned",
            Self::Brought => "uploaded",
        }
    }
}

/// What retention does with a good backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It stays.
    Kept {
        /// Why, at least one.
        reasons: Vec<Reason>,
        /// The day on which it is expected to go if the schedule goes on, such as `3 Dec 2026`; `None` when that is not
        /// within a year or nothing is scheduled.
        until: Option<String>,
    },
    /// It goes when retention is applied.
    Goes,
}

impl Fate {
    /// For a line of text: `Kept as: daily, latest · until about 3 Dec 2026`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Kept { reasons, until } => {
                let reasons: Vec<&str> = reasons.iter().map(|reason| reason.label()).collect();
                let until = until.as_ref().map(|day| format!(" · until about {day}")).unwrap_or_default();
                format!("Kept as: {}{until}", reasons.join(", "))
            }
            Self::Goes => "Not kept by the rule · removed after the next good backup".to_owned(),
        }
    }
}

/// What other numbers would do to the backups there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Those that would go, the newest first.
    pub goes: Vec<PreviewLine>,
    /// Those that would stay, the newest first.
    pub stays: Vec<PreviewLine>,
}

/// One backup of a [`Preview`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewLine {
    /// File name.
    pub name: String,
    /// When it was made, in the subscription's time zone.
    pub made: String,
    /// Why it stays, or nothing.
    pub reasons: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fate_is_told_with_its_reasons_and_its_end() {
        let fate = Fate::Kept { reasons: vec![Reason::Daily, Reason::Latest], until: Some("3 Dec 2026".to_owned()) };
        assert_eq!(fate.in_words(), "Kept as: daily, latest · until about 3 Dec 2026");
        assert_eq!(Fate::Kept { reasons: vec![Reason::Pinned], until: None }.in_words(), "Kept as: pinned");
        assert!(Fate::Goes.in_words().contains("next good backup"));
    }
}
