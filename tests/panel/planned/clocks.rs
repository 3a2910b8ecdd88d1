//! Slots over the changes of clocks, and what is no schedule.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use holdfast::{
    error::AppError,
    schedules::{Repeats, Schedule, Weekday, plan::Plan},
    subscriptions::SubscriptionId,
};
use uuid::Uuid;

use super::{at, cron, daily, plan};

const BERLIN: Tz = Tz::Europe__Berlin;

fn slots(schedule: &Schedule, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let slots = plan(schedule, zone);
    let slots = slots.slots_after(at(after)).take(count);
    slots.map(|at| at.format("%m-%dT%H:%M").to_string()).collect()
}

#[test]
fn a_time_that_the_clocks_skip_is_the_end_of_the_gap() {
    // 29 March 2026: 02:00 to 03:00 does not exist in Berlin; 03:00 is 01:00 UTC.
    let expected = ["03-28T01:30", "03-29T01:00", "03-30T00:30"];
    assert_eq!(slots(&daily("02:30"), BERLIN, "2026-03-27T12:00:00Z", 3), expected);
    assert_eq!(slots(&cron("30 2 * * *"), BERLIN, "2026-03-27T12:00:00Z", 3), expected);
    // Two times that become one moment are one slot.
    let merged = slots(&daily("02:15, 02:45, 03:00"), BERLIN, "2026-03-28T12:00:00Z", 4);
    assert_eq!(merged, ["03-29T01:00", "03-30T00:15", "03-30T00:45", "03-30T01:00"]);
    // Half an hour on Lord Howe, and a whole day that Samoa never had.
    assert_eq!(slots(&daily("02:10"), Tz::Australia__Lord_Howe, "2026-10-03T12:00:00Z", 1), ["10-03T15:30"]);
    let samoa = slots(&daily("12:00"), Tz::Pacific__Apia, "2011-12-29T23:00:00Z", 2);
    assert_eq!(samoa, ["12-30T10:00", "12-30T22:00"], "midnight of the 31st stands for noon of the 30th");
}

#[test]
fn a_time_that_comes_twice_is_the_first() {
    // 25 October 2026: 02:30 is 00:30 and again 01:30 UTC.
    let expected = ["10-24T00:30", "10-25T00:30", "10-26T01:30"];
    assert_eq!(slots(&daily("02:30"), BERLIN, "2026-10-23T12:00:00Z", 3), expected);
    assert_eq!(slots(&cron("30 2 * * *"), BERLIN, "2026-10-23T12:00:00Z", 3), expected);
    // Asked in between, and in the second hour itself, nothing comes again.
    assert_eq!(slots(&daily("02:30"), BERLIN, "2026-10-25T00:30:00Z", 1), ["10-26T01:30"]);
    assert_eq!(slots(&daily("02:30"), BERLIN, "2026-10-25T01:10:00Z", 1), ["10-26T01:30"]);
    let hourly = slots(&cron("0 * * * *"), BERLIN, "2026-10-24T22:30:00Z", 4);
    assert_eq!(hourly, ["10-24T23:00", "10-25T00:00", "10-25T02:00", "10-25T03:00"]);
}

#[test]
fn weekly_and_cron_schedules_name_their_days() {
    let weekly = Schedule { repeats: Repeats::Weekly, weekday: Weekday::Wednesday, ..daily("22:00 06:00") };
    let expected = ["11-25T05:00", "11-25T21:00", "12-02T05:00"];
    assert_eq!(slots(&weekly, BERLIN, "2026-11-22T12:00:00Z", 3), expected);
    let workdays = slots(&cron("15 4 * * mon-fri"), Tz::UTC, "2026-11-20T04:15:00Z", 2);
    assert_eq!(workdays, ["11-23T04:15", "11-24T04:15"]);
    assert_eq!(slots(&cron("0 3 29 2 *"), Tz::UTC, "2026-11-22T00:00:00Z", 1), ["02-29T03:00"]);
}

#[test]
fn no_slot_is_lost_or_given_twice_however_often_one_asks() {
    let schedules = [daily("00:30, 02:30, 23:30"), cron("*/20 1-3 * * *"), cron("30 2 * * 0")];
    for zone in [Tz::UTC, BERLIN, Tz::America__Havana, Tz::Australia__Lord_Howe] {
        for schedule in &schedules {
            let plan = plan(schedule, zone);
            let (begin, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
            let all: Vec<DateTime<Utc>> = plan.slots_after(begin).take_while(|at| *at < end).collect();
            assert!(all.is_sorted() && all.windows(2).all(|pair| pair[0] < pair[1]), "{zone} {schedule:?}");
            let mut one_by_one = Vec::new();
            let mut last = begin;
            while let Some(next) = plan.slots_after(last).next().filter(|at| *at < end) {
                one_by_one.push(next);
                last = next;
            }
            assert_eq!(one_by_one, all, "{zone} {schedule:?}");
        }
    }
}

#[test]
fn each_subscription_has_its_own_minute_and_they_are_spread_evenly() {
    let plan = plan(&Schedule { spread_minutes: 60, ..daily("02:00") }, Tz::UTC);
    let (slot, mut minutes) = (at("2026-11-23T02:00:00Z"), [0; 60]);
    for number in 0..6000_u128 {
        // As the panel's own ids are made: a time, then random bits.
        let random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834);
        let id = SubscriptionId(Uuid::from_u128(random));
        let next = plan.next(at("2026-11-22T12:00:00Z"), id).unwrap();
        assert_eq!(next.at, slot);
        assert_eq!(plan.next(at("2026-11-22T12:00:00Z"), id), Some(next), "always the same");
        minutes[usize::try_from((next.due - slot).num_minutes()).unwrap()] += 1;
        // Until its minute has come, the slot is still the next.
        assert_eq!(plan.next(next.due - TimeDelta::seconds(1), id).unwrap().at, slot);
        assert_eq!(plan.next(next.due, id).unwrap().at, slot + TimeDelta::days(1));
    }
    assert!(minutes.iter().all(|count| (50..150).contains(count)), "{minutes:?}");
}

#[test]
fn of_what_was_missed_the_last_is_made_up_for() {
    let id = SubscriptionId(Uuid::nil());
    let last =
        |schedule: &Schedule, first: &str, now: &str| plan(schedule, Tz::UTC).last_missed(at(first), at(now), id);
    let first = "2026-11-20T02:00:00Z";
    assert_eq!(last(&daily("02:00"), first, "2026-11-20T02:00:30Z"), at(first));
    assert_eq!(last(&daily("02:00"), first, "2026-11-23T12:00:00Z"), at("2026-11-23T02:00:00Z"));
    assert_eq!(last(&daily("02:00"), first, "2027-11-23T12:00:00Z"), at("2027-11-23T02:00:00Z"));
    // Of a rare one, the last is long ago.
    assert_eq!(last(&cron("0 2 1 * *"), "2026-10-01T02:00:00Z", "2026-12-20T00:00:00Z"), at("2026-12-01T02:00:00Z"));
}

#[test]
fn what_is_no_schedule_is_refused_beside_its_field() {
    let wrong = [
        ("times", daily("")),
        ("times", daily("2 o'clock")),
        ("times", daily("25:00")),
        ("cron", cron("")),
        ("cron", cron("every day")),
        ("cron", cron("* * * * * *")),
        ("cron", cron("0 2 30 2 *")),
        ("spread", Schedule { spread_minutes: 721, ..daily("02:00") }),
    ];
    for (field, schedule) in wrong {
        let refused = Plan::parse(&schedule, Tz::UTC).unwrap_err();
        assert!(refused.for_field(field).is_some(), "{schedule:?}: {refused:?}");
    }
    for name in ["Europe/Bielefeld", "CEST+1", "europe/berlin"] {
        let refused = holdfast::schedules::plan::zone(name).unwrap_err();
        assert!(matches!(refused, AppError::Invalid { .. }), "{name}");
    }
    assert_eq!(holdfast::schedules::plan::zone(" Europe/Berlin ").unwrap(), BERLIN);
}
