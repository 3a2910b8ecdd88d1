//! Badges: a shape, a colour and words.

use backup_api::JobState;
use leptos::prelude::*;

use super::figures;
use crate::subscriptions::{BackupState, Standing};

/// What a colour and shape stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Ok,
    /// Deserves a look.
    Warn,
    /// Wrong.
    Bad,
    /// Not in use.
    Off,
    /// Under way.
    Work,
    /// Nothing of these.
    Plain,
}

impl Tone {
    /// Its class in the stylesheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Off => "off",
            Self::Work => "work",
            Self::Plain => "plain",
        }
    }
}

/// A badge.
#[component]
pub fn Badge(
    /// Colour and shape.
    tone: Tone,
    /// The words; they must say it without the colour.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    view! { <span class=format!("badge {}", tone.class())>{text}</span> }
}

/// The tone of a backup state.
pub const fn state_tone(state: BackupState) -> Tone {
    match state {
        BackupState::Normal => Tone::Ok,
        BackupState::Warning => Tone::Warn,
        BackupState::Danger => Tone::Bad,
        BackupState::NotConfigured => Tone::Off,
    }
}

/// A state with its age in words: `Normal · 3 h ago`, `Danger · no backup yet`.
pub fn standing_text(standing: &Standing, as_of: chrono::DateTime<chrono::Utc>) -> String {
    let state = standing.state(as_of);
    match (state, standing.latest) {
        (BackupState::NotConfigured, _) => state.label().to_owned(),
        (_, None) => format!("{} · no backup yet", state.label()),
        (_, Some(latest)) => format!("{} · {}", state.label(), figures::age(latest, as_of)),
    }
}

/// The tone and words of an operation's state.
pub const fn job_state(state: JobState) -> (Tone, &'static str) {
    match state {
        JobState::Queued => (Tone::Off, "Queued"),
        JobState::Running => (Tone::Work, "Running"),
        JobState::Succeeded => (Tone::Ok, "Succeeded"),
        JobState::Failed => (Tone::Bad, "Failed"),
        JobState::Cancelled => (Tone::Plain, "Cancelled"),
        JobState::Interrupted => (Tone::Warn, "Interrupted"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn a_state_always_comes_with_its_age_in_words() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        let text = |configured, age: Option<i64>| {
            standing_text(&Standing { configured, latest: age.map(|hours| now - TimeDelta::hours(hours)) }, now)
        };
        assert_eq!(text(true, Some(3)), "Normal · 3 h ago");
        assert_eq!(text(true, Some(50)), "Warning · 2 d ago");
        assert_eq!(text(true, Some(24 * 9)), "Danger · 9 d ago");
        assert_eq!(text(true, None), "Danger · no backup yet");
        assert_eq!(text(false, Some(3)), "Not configured");
    }
}
