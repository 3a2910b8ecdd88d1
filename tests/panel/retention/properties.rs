//! What holds for every policy and every set of backups.

use std::collections::BTreeSet;

use chrono::{Datelike, TimeDelta};
use proptest::{collection::vec, prelude::*};

use super::*;

/// The number of a period.
type Key = fn(&DateTime<Tz>) -> (i32, u32);

const ZONES: [Tz; 5] = [Tz::UTC, BERLIN, Tz::America__Havana, Tz::Australia__Lord_Howe, Tz::Pacific__Apia];

fn policies() -> impl Strategy<Value = Retention> {
    (0_u16..12, 0_u16..8, 0_u16..6, 0_u16..12)
        .prop_map(|(daily, weekly, monthly, latest)| rule(daily, weekly, monthly, latest))
}

/// Backups within a year and a half, some of them dumps, some pinned.
fn backups() -> impl Strategy<Value = (Tz, Vec<Candidate>)> {
    let formats = prop_oneof![Just(BackupFormat::Zip), Just(BackupFormat::Dump)];
    let made = vec((0_i64..540 * 24 * 60, formats, prop::bool::weighted(0.1)), 1..60);
    (0..ZONES.len(), made).prop_map(|(zone, made)| {
        let (zone, begin) = (ZONES[zone], local(Tz::UTC, "2025-06-01 00:00"));
        let backup =
            |(minutes, format, pinned)| Candidate::new(begin + TimeDelta::minutes(minutes), format, pinned, zone);
        (zone, made.into_iter().map(backup).collect())
    })
}

/// A complete one goes before a later dump.
fn rank(backup: &Candidate) -> (bool, DateTime<Utc>) {
    (backup.format == BackupFormat::Zip, backup.at)
}

proptest! {
    #[test]
    fn the_newest_complete_one_stays(policy in policies(), (_, backups) in backups()) {
        let reasons = apply(policy, &backups);
        let newest = backups.iter().map(rank).max();
        prop_assert!(backups.iter().zip(&reasons).any(|(backup, why)| Some(rank(backup)) == newest && !why.is_empty()));
    }

    #[test]
    fn the_newest_and_the_pinned_stay_and_there_are_never_fewer_than_the_latest(
        policy in policies(), (_, backups) in backups(),
    ) {
        let reasons = apply(policy, &backups);
        let newest = backups.iter().map(|backup| backup.at).max();
        prop_assert!(backups.iter().zip(&reasons).any(|(backup, why)| Some(backup.at) == newest && !why.is_empty()));
        for (backup, why) in backups.iter().zip(&reasons) {
            prop_assert_eq!(backup.pinned, why.contains(&Reason::Pinned));
        }
        let kept = reasons.iter().filter(|why| why.iter().any(|reason| *reason != Reason::Pinned)).count();
        prop_assert!(kept >= usize::from(policy.keep_latest).min(backups.len()));
    }

    #[test]
    fn each_period_keeps_its_last_complete_one_as_often_as_the_policy_says((zone, backups) in backups(), policy in policies()) {
        let reasons = apply(policy, &backups);
        let periods: [(Reason, u16, Key); 3] = [
            (Reason::Daily, policy.daily, |at| (at.year(), at.ordinal())),
            (Reason::Weekly, policy.weekly, |at| (at.iso_week().year(), at.iso_week().week())),
            (Reason::Monthly, policy.monthly, |at| (at.year(), at.month())),
        ];
        for (reason, count, key) in periods {
            let of = |backup: &Candidate| key(&backup.at.with_timezone(&zone));
            let all: BTreeSet<_> = backups.iter().map(of).collect();
            let expected: BTreeSet<_> = all.iter().rev().take(usize::from(count)).copied().collect();
            let chosen: Vec<_> = backups.iter().zip(&reasons).filter(|(_, why)| why.contains(&reason)).map(|(b, _)| b).collect();
            prop_assert_eq!(chosen.len(), expected.len());
            for backup in chosen {
                prop_assert!(expected.contains(&of(backup)));
                prop_assert!(backups.iter().all(|other| of(other) != of(backup) || rank(other) <= rank(backup)));
            }
        }
    }

    #[test]
    fn applying_it_again_removes_nothing_more((_, backups) in backups(), policy in policies()) {
        let reasons = apply(policy, &backups);
        let left: Vec<Candidate> =
            backups.iter().zip(&reasons).filter(|(_, why)| !why.is_empty()).map(|(backup, _)| *backup).collect();
        prop_assert!(apply(policy, &left).iter().all(|why| !why.is_empty()));
    }

    #[test]
    fn the_order_of_the_backups_does_not_matter((_, backups) in backups(), policy in policies()) {
        // Two of one moment are alike: which of them goes is open.
        let moments: BTreeSet<_> = backups.iter().map(|backup| backup.at).collect();
        prop_assume!(moments.len() == backups.len());
        let mut turned: Vec<_> = backups.iter().rev().copied().collect();
        let mut reasons = apply(policy, &turned);
        reasons.reverse();
        turned.reverse();
        prop_assert_eq!(apply(policy, &backups), reasons);
    }
}
