//! Cases with what is kept of them, by hand.

use chrono::TimeDelta;

use super::*;

/// Daily backups at 02:00 local time, up to and with a day.
fn daily(until: &str, days: i64) -> Vec<Candidate> {
    let last = local(BERLIN, until);
    let times: Vec<_> = (0..days).map(|back| last - TimeDelta::days(back)).collect();
    candidates(BERLIN, &times)
}

#[test]
fn days_weeks_and_months_are_united_and_filled_up_with_the_newest() {
    let cases: [(Retention, &[&str]); 8] = [
        // The default: Sunday the 22nd is of its week and month, too; the week before ends on the 15th.
        (
            rule(7, 2, 1, 7),
            &["11-22 dwml", "11-21 d", "11-20 d", "11-19 d", "11-18 d", "11-17 d", "11-16 d", "11-15 w"],
        ),
        (rule(0, 0, 0, 3), &["11-22 l", "11-21 l", "11-20 l"]),
        (rule(1, 0, 0, 1), &["11-22 dl"]),
        (rule(0, 3, 0, 1), &["11-22 wl", "11-15 w", "11-08 w"]),
        (rule(0, 0, 3, 1), &["11-22 ml", "10-31 m", "09-30 m"]),
        // Fewer by their periods than are to be kept: the newest of the others make up for it.
        (rule(0, 0, 2, 4), &["11-22 ml", "11-21 l", "11-20 l", "10-31 m"]),
        (rule(2, 2, 2, 0), &["11-22 dwml", "11-21 d", "11-15 w", "10-31 m"]),
        // Nothing is asked for: the last one stays all the same.
        (rule(0, 0, 0, 0), &["11-22 l"]),
    ];
    for (rule, expected) in cases {
        assert_eq!(kept(rule, BERLIN, &daily("2026-11-22 02:00", 90)), expected, "{rule:?}");
    }
}

#[test]
fn of_several_on_a_day_the_last_is_kept_and_days_without_one_do_not_count() {
    let times = ["2026-11-22 08:00", "2026-11-22 02:00", "2026-11-19 23:59", "2026-11-19 00:00", "2026-10-01 12:00"];
    let looked_at = candidates(BERLIN, &times.map(|text| local(BERLIN, text)));
    let reasons = apply(rule(3, 0, 0, 1), &looked_at);
    let kept: Vec<bool> = reasons.iter().map(|reasons| !reasons.is_empty()).collect();
    assert_eq!(kept, [true, false, true, false, true]);
}

#[test]
fn pinned_ones_take_their_slot_and_stay_when_there_is_none() {
    let mut looked_at = daily("2026-11-22 02:00", 30);
    looked_at[1].pinned = true;
    looked_at[20].pinned = true;
    assert_eq!(kept(rule(2, 0, 0, 2), BERLIN, &looked_at), ["11-22 dl", "11-21 dp", "11-02 p"]);
    // They do not make up for the newest that are to be kept.
    assert_eq!(kept(rule(0, 0, 0, 2), BERLIN, &looked_at), ["11-22 l", "11-21 lp", "11-02 p"]);
}

#[test]
fn a_dump_never_takes_the_place_of_a_backup_with_the_filestore() {
    // A zip each night, a dump each noon.
    let mut looked_at = daily("2026-11-22 02:00", 30);
    let mut dumps = daily("2026-11-22 12:00", 30);
    for dump in &mut dumps {
        dump.format = BackupFormat::Dump;
    }
    looked_at.extend(dumps);
    let policy = rule(3, 2, 1, 1);
    // The newest dump stays as it is the newest; every period keeps its zip.
    assert_eq!(kept(policy, BERLIN, &looked_at), ["11-22 l", "11-22 dwml", "11-21 d", "11-20 d", "11-15 w"]);
    // Without the zips of the last days, their dumps stand for them; the last zip stays, though it is of no period.
    looked_at.retain(|backup| backup.format == BackupFormat::Dump || backup.at < local(BERLIN, "2026-11-19 00:00"));
    assert_eq!(kept(rule(3, 0, 0, 1), BERLIN, &looked_at), ["11-22 dl", "11-21 d", "11-20 d", "11-18 l"]);
}

#[test]
fn a_week_belongs_to_its_iso_year() {
    // Week 53 of 2026 runs from 28 December to 3 January.
    let times = ["2027-01-04 02:00", "2027-01-03 02:00", "2026-12-31 02:00", "2026-12-28 02:00", "2026-12-27 02:00"];
    let looked_at = candidates(BERLIN, &times.map(|text| local(BERLIN, text)));
    assert_eq!(kept(rule(0, 3, 0, 1), BERLIN, &looked_at), ["01-04 wl", "01-03 w", "12-27 w"]);
}

#[test]
fn a_day_is_one_of_the_subscriptions_zone() {
    // 23:30 in Berlin and half an hour past midnight: two days there, one day in UTC and in New York.
    let times = [local(BERLIN, "2026-07-02 00:30"), local(BERLIN, "2026-07-01 23:30")];
    for (zone, count) in [(BERLIN, 2), (Tz::UTC, 1), (Tz::America__New_York, 1)] {
        assert_eq!(kept(rule(9, 0, 0, 1), zone, &candidates(zone, &times)).len(), count, "{zone}");
    }
}
