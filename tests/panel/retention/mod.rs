//! The rule, held against tables, against properties, and against restic; and what a backup server is told of it.

mod calendar;
mod oracle;
mod orders;
mod properties;
mod small;
mod table;

use backup_api::BackupFormat;
use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;

use holdfast::{
    retention::{
        Reason,
        policy::{Candidate, apply},
    },
    subscriptions::Retention,
};

const BERLIN: Tz = Tz::Europe__Berlin;

const fn rule(daily: u16, weekly: u16, monthly: u16, keep_latest: u16) -> Retention {
    Retention { daily, weekly, monthly, keep_latest }
}

/// A local time: `2026-03-29 02:00`.
fn local(zone: Tz, text: &str) -> DateTime<Utc> {
    let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    zone.from_local_datetime(&naive).earliest().unwrap().to_utc()
}

fn candidates(zone: Tz, times: &[DateTime<Utc>]) -> Vec<Candidate> {
    times.iter().map(|at| Candidate::new(*at, BackupFormat::Zip, false, zone)).collect()
}

/// What is kept of some moments, with the reasons' first letters: `03-29 dw`. The newest first.
fn kept(rule: Retention, zone: Tz, candidates: &[Candidate]) -> Vec<String> {
    let mut kept: Vec<(DateTime<Utc>, String)> = candidates
        .iter()
        .zip(apply(rule, candidates))
        .filter(|(_, reasons)| !reasons.is_empty())
        .map(|(candidate, reasons)| (candidate.at, reasons.iter().map(|reason| &reason.label()[..1]).collect()))
        .collect();
    kept.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    kept.into_iter().map(|(at, reasons)| format!("{} {reasons}", at.with_timezone(&zone).format("%m-%d"))).collect()
}
