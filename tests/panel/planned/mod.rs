//! Planned backups: slots, runs, retries, two panels, a year of them.

mod bulk;
mod clocks;
mod hourly;
mod kept;
mod panels;
mod runs;
mod year;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use holdfast::schedules::{Repeats, Schedule, plan::Plan};

/// A schedule of every day.
fn daily(times: &str) -> Schedule {
    Schedule { times: times.to_owned(), spread_minutes: 0, ..Schedule::default() }
}

fn cron(expression: &str) -> Schedule {
    Schedule { repeats: Repeats::Cron, cron: expression.to_owned(), ..daily("02:00") }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn plan(schedule: &Schedule, zone: Tz) -> Plan {
    Plan::parse(schedule, zone).unwrap()
}
