//! Schedules: when a subscription is backed up by itself.
//!
//! A *slot* is a planned moment, known by its UTC time: one that falls into the hour that clocks skip is moved to the end
//! of that hour, one in the hour that comes twice means the first time. A subscription's slots are written down one at a
//! time, and a run is unique for its subscription and slot, whatever happens and however many panels there are.

use backup_api::BackupFormat;
use serde::{Deserialize, Serialize};

use crate::{names::names, retention::Preview};

pub mod api;
#[cfg(feature = "ssr")]
pub mod bench;
#[cfg(feature = "ssr")]
pub mod due;
#[cfg(feature = "ssr")]
pub mod ended;
pub mod fields;
#[cfg(feature = "ssr")]
pub mod plan;
#[cfg(feature = "ssr")]
pub mod preview;
#[cfg(feature = "ssr")]
pub mod scheduler;
#[cfg(feature = "ssr")]
pub mod start;
#[cfg(feature = "ssr")]
pub mod store;

/// When backups are made, as the form has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whether it is on.
    pub enabled: bool,
    /// What it repeats by.
    pub repeats: Repeats,
    /// Times of day such as `02:00` or `06:00, 18:00`; not for a cron expression.
    pub times: String,
    /// The day of a weekly schedule.
    pub weekday: Weekday,
    /// Minute, hour, day of month, month, day of week.
    pub cron: String,
    /// So many minutes after its time a run begins at the latest: each subscription at its own minute, so that not all
    /// begin at once. Not for a cron expression.
    pub spread_minutes: u16,
    /// What is kept.
    pub format: BackupFormat,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            enabled: true,
            repeats: Repeats::Daily,
            times: "02:00".to_owned(),
            weekday: Weekday::Sunday,
            cron: String::new(),
            spread_minutes: 60,
            format: BackupFormat::Zip,
        }
    }
}

/// What a schedule repeats by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// Every day, once or several times.
    #[default]
    Daily,
    /// On one day of the week.
    Weekly,
    /// By a cron expression.
    Cron,
}

names!(Repeats { Daily: "daily", Weekly: "weekly", Cron: "cron" });

/// A day of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    #[default]
    Sunday,
}

names!(Weekday {
    Monday: "monday", "Monday";
    Tuesday: "tuesday", "Tuesday";
    Wednesday: "wednesday", "Wednesday";
    Thursday: "thursday", "Thursday";
    Friday: "friday", "Friday";
    Saturday: "saturday", "Saturday";
    Sunday: "sunday", "Sunday";
});

/// What the form of a subscription shows besides the subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormFacts {
    /// The schedule of a new subscription.
    pub schedule: Schedule,
    /// Its time zone.
    pub zone: String,
    /// Every time zone there is.
    pub zones: Vec<String>,
}

/// What a schedule and a retention policy would do, before they are saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPreview {
    /// The next five runs, in the subscription's time zone; none when the schedule is off.
    pub next_runs: Vec<String>,
    /// What becomes of the backups there are; `None` for a new subscription.
    pub retention: Option<Preview>,
}
