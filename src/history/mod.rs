//! How the backups of a subscription went over the last weeks: day by day, and how big they were.

use backup_api::BackupFormat;
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub mod api;
#[cfg(feature = "ssr")]
pub mod days;
#[cfg(feature = "ssr")]
pub mod store;
pub mod views;

/// Weeks of the calendar on a subscription's page.
pub const CALENDAR_WEEKS: u32 = 18;
/// Weeks of a row of the overview.
pub const ROW_WEEKS: u32 = 4;

/// What became of the backups of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Good backups that were made.
    pub made: u16,
    /// Those of them that are still there.
    pub kept: u16,
    /// Backups that did not succeed.
    pub failed: u16,
}

/// Days on end, in the subscription's time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRow {
    /// The first of them.
    pub first: NaiveDate,
    /// When the subscription was added: of days before, nothing is expected.
    pub since: NaiveDate,
    /// One a day; the last is today.
    pub days: Vec<Day>,
}

/// What a day was like, as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Before there was a subscription.
    Before,
    /// Today, and nothing has been made yet.
    Open,
    /// No backup was made.
    Nothing,
    /// Every backup failed.
    Failed,
    /// Some failed, but there is a good one.
    Mixed,
    /// Good, and still there.
    Good,
    /// Good, and removed since.
    Removed,
}

impl Verdict {
    /// Its class in the stylesheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Open => "open",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
            Self::Mixed => "mixed",
            Self::Good => "good",
            Self::Removed => "removed",
        }
    }
}

impl Day {
    /// What it was like.
    pub const fn verdict(self, today: bool, before: bool) -> Verdict {
        match (self.made, self.failed) {
            (0, 0) if before => Verdict::Before,
            (0, 0) if today => Verdict::Open,
            (0, 0) => Verdict::Nothing,
            (0, _) => Verdict::Failed,
            (_, 0) if self.kept == 0 => Verdict::Removed,
            (_, 0) => Verdict::Good,
            _ => Verdict::Mixed,
        }
    }

    /// `2 good, 1 failed`, `1 good, removed since`, `no backup`.
    pub fn in_words(self, verdict: Verdict) -> String {
        let mut parts = Vec::new();
        if self.made > 0 {
            parts.push(format!("{} good", self.made));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        if self.made > 0 && self.kept == 0 {
            parts.push("removed since".to_owned());
        }
        match verdict {
            Verdict::Before => "not added yet".to_owned(),
            Verdict::Open => "none yet".to_owned(),
            Verdict::Nothing => "no backup".to_owned(),
            _ => parts.join(", "),
        }
    }
}

impl DayRow {
    /// Each day with its date and what it was like.
    pub fn iter(&self) -> impl Iterator<Item = (NaiveDate, Day, Verdict)> + '_ {
        let last = self.days.len().saturating_sub(1);
        self.first
            .iter_days()
            .zip(&self.days)
            .enumerate()
            .map(move |(at, (date, day))| (date, *day, day.verdict(at == last, date < self.since)))
    }

    /// The last day.
    pub fn today(&self) -> NaiveDate {
        let days = u64::try_from(self.days.len().saturating_sub(1)).unwrap_or_default();
        self.first.checked_add_days(Days::new(days)).unwrap_or(self.first)
    }

    /// How many days have a verdict among these.
    pub fn count(&self, verdicts: &[Verdict]) -> u64 {
        u64::try_from(self.iter().filter(|(.., verdict)| verdicts.contains(verdict)).count()).unwrap_or_default()
    }

    /// `Of 28 days, 25 have a good backup, 1 had only failed ones, 2 had none.`
    pub fn in_words(&self) -> String {
        let expected =
            self.count(&[Verdict::Nothing, Verdict::Failed, Verdict::Mixed, Verdict::Good, Verdict::Removed]);
        if expected == 0 {
            return "No backup was made yet.".to_owned();
        }
        let good = self.count(&[Verdict::Good, Verdict::Removed, Verdict::Mixed]);
        let (failed, nothing) = (self.count(&[Verdict::Failed]), self.count(&[Verdict::Nothing]));
        let days = if expected == 1 { "day" } else { "days" };
        format!("Of {expected} {days}, {good} had a good backup, {failed} only failed ones, {nothing} none.")
    }

    /// Weeks from Monday to Sunday: the place of the first day in its week, from 0.
    pub fn lead(&self) -> u32 {
        self.first.weekday().num_days_from_monday()
    }
}

/// The file of a good backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeAt {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// What it holds.
    pub format: BackupFormat,
    /// How big the file is, or was.
    pub bytes: u64,
}

/// What a subscription's page shows of its last weeks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Day by day.
    pub days: DayRow,
    /// The good ones, the oldest first.
    pub sizes: Vec<SizeAt>,
    /// When the panel answered.
    pub as_of: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn day(made: u16, kept: u16, failed: u16) -> Day {
        Day { made, kept, failed }
    }

    #[test]
    fn every_day_has_one_verdict_in_words() {
        for (figures, today, before, verdict, words) in [
            (day(0, 0, 0), false, true, Verdict::Before, "not added yet"),
            (day(0, 0, 0), true, false, Verdict::Open, "none yet"),
            (day(0, 0, 0), false, false, Verdict::Nothing, "no backup"),
            (day(0, 0, 2), true, false, Verdict::Failed, "2 failed"),
            (day(1, 1, 1), false, false, Verdict::Mixed, "1 good, 1 failed"),
            (day(4, 1, 0), false, false, Verdict::Good, "4 good"),
            (day(1, 0, 0), false, false, Verdict::Removed, "1 good, removed since"),
            // A backup that was found on its server is older than the subscription.
            (day(1, 1, 0), false, true, Verdict::Good, "1 good"),
        ] {
            assert_eq!(figures.verdict(today, before), verdict);
            assert_eq!(figures.in_words(verdict), words);
        }
    }

    #[test]
    fn a_row_counts_the_days_on_which_something_was_expected() {
        let days = vec![day(0, 0, 0), day(0, 0, 0), day(1, 1, 0), day(0, 0, 1), day(0, 0, 0)];
        let mut row = DayRow { first: date("2026-11-18"), since: date("2026-11-19"), days };
        assert_eq!(row.in_words(), "Of 3 days, 1 had a good backup, 1 only failed ones, 1 none.");
        assert_eq!((row.today(), row.lead()), (date("2026-11-22"), 2));
        row.since = row.today();
        row.days = vec![day(0, 0, 0); 5];
        assert_eq!(row.in_words(), "No backup was made yet.");
    }
}
