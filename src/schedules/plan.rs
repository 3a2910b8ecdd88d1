//! A schedule that was checked: gives the slots after a moment. Local times become UTC here and nowhere else.

use std::str::FromStr;

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};

use super::{Repeats, Schedule, Weekday};
use crate::{
    error::{AppError, AppResult},
    subscriptions::SubscriptionId,
};

/// Times of one day.
const MOST_TIMES: usize = 24;
/// Minutes of a spread.
const MOST_SPREAD: u16 = 720;
/// No zone is further from UTC, and no gap longer, than these together.
const FAR: TimeDelta = TimeDelta::hours(50);
/// How far back is looked for the last slot before every slot since is counted.
const LOOK_BACK: TimeDelta = TimeDelta::days(8);

/// A schedule in its time zone.
#[derive(Clone, Debug)]
pub struct Plan {
    rule: Rule,
    zone: Tz,
    spread: TimeDelta,
}

#[derive(Clone, Debug)]
enum Rule {
    /// These times of every day, or of one day of the week.
    Times(Vec<NaiveTime>, Option<chrono::Weekday>),
    Cron(Box<Cron>),
}

/// A planned moment, and when its run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What it is known by.
    pub at: DateTime<Utc>,
    /// The subscription's own minute of the spread.
    pub due: DateTime<Utc>,
}

/// Reads a time zone's name.
pub fn zone(name: &str) -> AppResult<Tz> {
    let name = name.trim();
    let wrong = "Enter a time zone by its IANA name, such as Europe/Berlin or UTC.";
    if name.is_empty() { Ok(Tz::UTC) } else { Tz::from_str(name).map_err(|_| AppError::field("zone", wrong)) }
}

impl Plan {
    /// Checks a schedule; also one that is off.
    pub fn parse(schedule: &Schedule, zone: Tz) -> AppResult<Self> {
        if schedule.spread_minutes > MOST_SPREAD {
            return Err(AppError::field("spread", "Enter a number of minutes from 0 to 720."));
        }
        let rule = match schedule.repeats {
            Repeats::Daily => Rule::Times(times(&schedule.times)?, None),
            Repeats::Weekly => Rule::Times(times(&schedule.times)?, Some(weekday(schedule.weekday))),
            Repeats::Cron => Rule::Cron(Box::new(cron(&schedule.cron)?)),
        };
        let minutes = if matches!(rule, Rule::Cron(_)) { 0 } else { schedule.spread_minutes };
        Ok(Self { rule, zone, spread: TimeDelta::minutes(i64::from(minutes)) })
    }

    /// The slots after a moment, in order.
    pub fn slots_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + use<'_> {
        let zone = self.zone;
        let mut last = after;
        // Two local times can be one moment, and the hour that comes twice comes back to what was.
        self.rule
            .local_times_after(after.with_timezone(&zone).naive_local())
            .map(move |local| instant(zone, local))
            .filter(move |at| {
                let later = *at > last;
                last = last.max(*at);
                later
            })
    }

    /// When runs of a subscription begin after a moment.
    pub fn runs_after(
        &self,
        after: DateTime<Utc>,
        id: SubscriptionId,
    ) -> impl Iterator<Item = DateTime<Utc>> + use<'_> {
        let offset = self.offset(id);
        self.slots_after(after - offset).map(move |at| at + offset)
    }

    /// The first slot whose run begins after a moment.
    pub fn next(&self, after: DateTime<Utc>, id: SubscriptionId) -> Option<Slot> {
        let offset = self.offset(id);
        self.slots_after(after - offset).next().map(|at| Slot { at, due: at + offset })
    }

    /// Of a slot and those after it, the last whose run should have begun: when several were missed, only that one is
    /// made up for.
    pub fn last_missed(&self, first: DateTime<Utc>, now: DateTime<Utc>, id: SubscriptionId) -> DateTime<Utc> {
        let until = now - self.offset(id);
        let last_after = |after| self.slots_after(after).take_while(|at| *at <= until).last();
        let recent = (until - first > LOOK_BACK).then(|| last_after(until - LOOK_BACK)).flatten();
        recent.or_else(|| last_after(first)).unwrap_or(first)
    }

    /// A subscription's own place in the spread: always the same, and even over all subscriptions.
    fn offset(&self, id: SubscriptionId) -> TimeDelta {
        let seconds = u64::try_from(self.spread.num_seconds()).unwrap_or_default();
        // The last bytes of an id are random, whatever its version.
        let (_, random) = id.0.as_u64_pair();
        TimeDelta::seconds(i64::try_from(random.checked_rem(seconds).unwrap_or_default()).unwrap_or_default())
    }
}

impl Rule {
    fn local_times_after(&self, local: NaiveDateTime) -> Box<dyn Iterator<Item = NaiveDateTime> + '_> {
        match self {
            Self::Times(times, weekday) => {
                let days = local.date().iter_days().filter(move |day| weekday.is_none_or(|only| day.weekday() == only));
                let all = days.flat_map(|day| times.iter().map(move |time| day.and_time(*time)));
                Box::new(all.filter(move |at| *at > local))
            }
            // Local times are counted as if they were UTC's, which skips and repeats nothing.
            Self::Cron(cron) => Box::new(cron.iter_after(local.and_utc()).map(|at| at.naive_utc())),
        }
    }
}

/// The moment of a local time: the first of two, and the end of the gap for one that does not exist.
fn instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
        MappedLocalTime::None => end_of_gap(zone, local),
    }
}

fn end_of_gap(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let (mut before, mut after) = (local.and_utc() - FAR, local.and_utc() + FAR);
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if middle.with_timezone(&zone).naive_local() < local { before = middle } else { after = middle }
    }
    after
}

fn times(text: &str) -> AppResult<Vec<NaiveTime>> {
    let wrong = || AppError::field("times", "Enter times of day such as 02:00, several separated by commas.");
    let parts = text.split([',', ' ', ';']).map(str::trim).filter(|part| !part.is_empty());
    let mut times: Vec<NaiveTime> =
        parts.map(|part| NaiveTime::parse_from_str(part, "%H:%M").map_err(|_| wrong())).collect::<AppResult<_>>()?;
    times.sort_unstable();
    times.dedup();
    if times.is_empty() || times.len() > MOST_TIMES { Err(wrong()) } else { Ok(times) }
}

fn cron(text: &str) -> AppResult<Cron> {
    let wrong = |why: String| {
        let message = format!("This is no cron expression ({why}). Minute, hour, day, month, weekday: 30 2 * * 1-5.");
        AppError::field("cron", message)
    };
    let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
    let cron = parser.parse(text.trim()).map_err(|error| wrong(error.to_string()))?;
    let found = cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false);
    found.map_err(|_| wrong("there is no such day".to_owned()))?;
    Ok(cron)
}

const fn weekday(day: Weekday) -> chrono::Weekday {
    match day {
        Weekday::Monday => chrono::Weekday::Mon,
        Weekday::Tuesday => chrono::Weekday::Tue,
        Weekday::Wednesday => chrono::Weekday::Wed,
        Weekday::Thursday => chrono::Weekday::Thu,
        Weekday::Friday => chrono::Weekday::Fri,
        Weekday::Saturday => chrono::Weekday::Sat,
        Weekday::Sunday => chrono::Weekday::Sun,
    }
}
