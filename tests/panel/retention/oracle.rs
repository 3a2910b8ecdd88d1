//! The same backups and policies given to `restic forget --dry-run`, whose rules ours follow.
//!
//! Where the two differ on purpose, and why the policies here leave that out:
//! - “Keep latest” fills up to a number; restic's `--keep-last` keeps so many in any case. They agree where days, weeks
//!   and months keep nothing.
//! - Our newest is always kept, and says so; restic keeps nothing without a policy.
//! - restic counts in the time zone of each snapshot's own time; ours in the subscription's. They agree when restic runs
//!   in that zone.
//! - Pinned ones stay without a policy; restic's `--keep-tag` is a policy like the others. Both let them take a slot.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use chrono::Offset;
use serde_json::Value;

use super::*;

/// Moments over the change of clocks in both directions, a leap day, a change of year with its week 53, and several on
/// one day.
fn moments() -> Vec<DateTime<Utc>> {
    let mut times = Vec::new();
    for day in ["2028-02-27", "2028-02-28", "2028-02-29", "2028-03-01", "2028-03-25", "2028-03-26", "2028-03-27"] {
        times.push(local(BERLIN, &format!("{day} 01:30")));
        times.push(local(BERLIN, &format!("{day} 23:30")));
    }
    for day in ["2026-12-27", "2026-12-28", "2026-12-31", "2027-01-01", "2027-01-03", "2027-01-04", "2027-10-30"] {
        times.push(local(BERLIN, &format!("{day} 00:10")));
    }
    // The hour that comes twice: its second time is an hour later.
    let twice = local(BERLIN, "2027-10-31 02:15");
    times.extend([twice, twice + chrono::TimeDelta::hours(1), local(BERLIN, "2027-11-01 02:15")]);
    times
}

/// Runs restic in a time zone; gives what it prints.
fn restic(repository: &Path, zone: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("restic");
    command.args(["--no-cache", "--quiet", "--repo"]).arg(repository).args(arguments);
    let done = command.env("RESTIC_PASSWORD", "oracle").env("TZ", zone).output();
    let done = done.expect("restic is installed by scripts/setup");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// A repository with a snapshot of each moment, in Berlin's time.
fn repository(folder: &Path) -> PathBuf {
    let (repository, file) = (folder.join("repository"), folder.join("file"));
    std::fs::write(&file, "content").unwrap();
    restic(&repository, "UTC", &["init"]);
    for at in moments() {
        let at = at.with_timezone(&BERLIN);
        // A zone of its offset only: which of two equal local times is meant, a name could not say.
        let zone = format!("Etc/GMT-{}", at.offset().fix().local_minus_utc() / 3600);
        let time = at.format("%Y-%m-%d %H:%M:%S").to_string();
        restic(&repository, &zone, &["backup", "--host", "oracle", "--time", &time, file.to_str().unwrap()]);
    }
    repository
}

/// What restic keeps, with its reasons.
fn asked(repository: &Path, policy: Retention) -> BTreeMap<DateTime<Utc>, Vec<Reason>> {
    let options = [
        ("--keep-daily", policy.daily),
        ("--keep-weekly", policy.weekly),
        ("--keep-monthly", policy.monthly),
        ("--keep-last", if policy.keep_latest > 1 { policy.keep_latest } else { 0 }),
    ];
    let mut arguments = vec!["forget".to_owned(), "--dry-run".to_owned(), "--json".to_owned(), "--group-by".to_owned()];
    arguments.push(String::new());
    for (option, count) in options.into_iter().filter(|(_, count)| *count > 0) {
        arguments.extend([option.to_owned(), count.to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told: Value = serde_json::from_slice(&restic(repository, "Europe/Berlin", &arguments)).unwrap();
    let reasons = told[0]["reasons"].as_array().unwrap().iter();
    reasons.map(|kept| (kept["snapshot"]["time"].as_str().unwrap().parse().unwrap(), words(kept))).collect()
}

fn words(kept: &Value) -> Vec<Reason> {
    let words = kept["matches"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let mut reasons: Vec<Reason> = words
        .map(|word| match word {
            "daily snapshot" => Reason::Daily,
            "weekly snapshot" => Reason::Weekly,
            "monthly snapshot" => Reason::Monthly,
            "last snapshot" => Reason::Latest,
            other => panic!("restic keeps something for a reason that is not known here: {other}"),
        })
        .collect();
    reasons.sort_unstable_by_key(|reason| reason.label());
    reasons
}

/// What we keep, without saying of the newest that it is.
fn ours(policy: Retention) -> BTreeMap<DateTime<Utc>, Vec<Reason>> {
    let moments = moments();
    let reasons = apply(policy, &candidates(BERLIN, &moments));
    let kept = moments.into_iter().zip(reasons).filter(|(_, reasons)| !reasons.is_empty());
    kept.map(|(at, mut reasons)| {
        reasons.retain(|reason| *reason != Reason::Latest || policy.keep_latest > 1);
        reasons.sort_unstable_by_key(|reason| reason.label());
        (at, reasons)
    })
    .collect()
}

#[test]
fn restic_keeps_the_same_for_the_same_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let repository = repository(folder.path());
    let policies = [
        rule(1, 0, 0, 1),
        rule(7, 2, 1, 1),
        rule(0, 4, 0, 1),
        rule(0, 0, 5, 1),
        rule(3, 3, 3, 1),
        rule(12, 9, 6, 1),
        rule(0, 0, 0, 4),
        rule(0, 0, 0, 21),
    ];
    for policy in policies {
        assert_eq!(ours(policy), asked(&repository, policy), "{policy:?}");
    }
}
