//! Moments made into days of a time zone.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{Day, DayRow};

/// What happened at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A good backup was made, and is still there.
    Kept,
    /// A good backup was made, and is not there any more.
    Removed,
    /// A backup did not succeed.
    Failed,
}

/// The first of the last `weeks` weeks' days, seen from `now`; whole weeks from Monday on where `aligned`, else so many
/// times seven days.
pub fn first_day(now: DateTime<Utc>, zone: Tz, weeks: u32, aligned: bool) -> NaiveDate {
    let today = now.with_timezone(&zone).date_naive();
    let in_week = if aligned { u64::from(today.weekday().num_days_from_monday()) } else { 6 };
    let back = u64::from(weeks.saturating_sub(1)) * 7 + in_week;
    today.checked_sub_days(Days::new(back)).unwrap_or(today)
}

/// The days from `first` until `now`, with what happened on each; what happened before is left out.
pub fn row(
    first: NaiveDate,
    now: DateTime<Utc>,
    zone: Tz,
    since: DateTime<Utc>,
    events: &[(DateTime<Utc>, Happened)],
) -> DayRow {
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let place = |at: DateTime<Utc>| usize::try_from((local(at) - first).num_days()).ok();
    let mut days = vec![Day::default(); place(now).unwrap_or_default() + 1];
    for (at, happened) in events {
        // A server's clock may be ahead: then it is today's.
        let last = days.len() - 1;
        let Some(day) = place(*at).and_then(|place| days.get_mut(place.min(last))) else { continue };
        let (made, kept, failed) = match happened {
            Happened::Kept => (1, 1, 0),
            Happened::Removed => (1, 0, 0),
            Happened::Failed => (0, 0, 1),
        };
        day.made = day.made.saturating_add(made);
        day.kept = day.kept.saturating_add(kept);
        day.failed = day.failed.saturating_add(failed);
    }
    DayRow { first, since: local(since), days }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: Tz = Tz::Europe__Berlin;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn weeks_begin_on_monday_where_they_are_aligned() {
        // A Sunday in Berlin, still Saturday in UTC.
        let now = at("2026-11-21T23:30:00Z");
        assert_eq!(first_day(now, BERLIN, 4, false), date("2026-10-26"));
        assert_eq!(first_day(now, BERLIN, 4, true), date("2026-10-26"));
        assert_eq!(first_day(now, Tz::UTC, 4, false), date("2026-10-25"));
        assert_eq!(first_day(now, Tz::UTC, 4, true), date("2026-10-26"));
        assert_eq!(first_day(now, Tz::UTC, 1, true), date("2026-11-16"));
    }

    #[test]
    fn a_moment_belongs_to_the_day_of_its_zone_also_when_clocks_change() {
        // The night of 25 October 2026 has two times 02:30.
        let first = date("2026-10-24");
        let events = [
            (at("2026-10-23T21:59:59Z"), Happened::Kept),
            (at("2026-10-23T22:00:00Z"), Happened::Failed),
            (at("2026-10-24T22:00:00Z"), Happened::Kept),
            (at("2026-10-25T00:30:00Z"), Happened::Removed),
            (at("2026-10-25T01:30:00Z"), Happened::Kept),
            (at("2026-10-25T22:59:59Z"), Happened::Failed),
            (at("2026-10-25T23:00:00Z"), Happened::Kept),
            (at("2026-10-27T09:00:00Z"), Happened::Kept),
        ];
        let row = row(first, at("2026-10-26T08:00:00Z"), BERLIN, at("2026-01-01T00:00:00Z"), &events);
        let day = |made, kept, failed| Day { made, kept, failed };
        assert_eq!(row.days, [day(0, 0, 1), day(3, 2, 1), day(2, 2, 0)], "what is ahead of the clock is today's");
        assert_eq!(row.today(), date("2026-10-26"));
    }
}
