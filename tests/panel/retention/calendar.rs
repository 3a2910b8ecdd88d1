//! Months of daily backups with the rule applied after each, over the change of clocks and a leap day; and forecasts.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};

use holdfast::retention::forecast;

use super::*;

/// A backup on each local day at a time, the rule applied after each: what is there in the end.
fn month(zone: Tz, rule: Retention, from: &str, days: u64, time: (u32, u32)) -> Vec<String> {
    let first: NaiveDate = from.parse().unwrap();
    let time = NaiveTime::from_hms_opt(time.0, time.1, 0).unwrap();
    let mut there: Vec<Candidate> = Vec::new();
    for day in 0..days {
        let naive = (first + Days::new(day)).and_time(time);
        // What the scheduler does with a time that does not exist.
        let at = zone.from_local_datetime(&naive).earliest();
        let at = at.unwrap_or_else(|| zone.from_local_datetime(&(naive + TimeDelta::hours(1))).earliest().unwrap());
        there.push(Candidate::new(at.to_utc(), BackupFormat::Zip, false, zone));
        let reasons = apply(rule, &there);
        let mut reasons = reasons.iter();
        there.retain(|_| reasons.next().is_some_and(|reasons| !reasons.is_empty()));
    }
    kept(rule, zone, &there)
}

#[test]
fn the_changes_of_clocks_neither_lose_a_day_nor_count_one_twice() {
    let week = ["03-31 dwml", "03-30 d", "03-29 dw", "03-28 d", "03-27 d", "03-26 d", "03-25 d", "03-22 w", "02-28 m"];
    // 02:30 does not exist on 29 March; half past midnight and half past twenty-three are next to the change of days.
    for time in [(2, 30), (0, 30), (23, 30)] {
        assert_eq!(month(BERLIN, rule(7, 3, 2, 7), "2026-02-01", 59, time), week, "{time:?}");
    }
    // 02:30 comes twice on 25 October.
    let week = ["10-31 dwml", "10-30 d", "10-29 d", "10-28 d", "10-27 d", "10-26 d", "10-25 dw", "10-18 w", "09-30 m"];
    for time in [(2, 30), (0, 30), (23, 30)] {
        assert_eq!(month(BERLIN, rule(7, 3, 2, 7), "2026-09-01", 61, time), week, "{time:?}");
    }
    // Where clocks go back over midnight, the day before comes back for an hour.
    let havana = month(Tz::America__Havana, rule(3, 0, 0, 1), "2026-10-20", 14, (0, 30));
    assert_eq!(havana, ["11-02 dl", "11-01 d", "10-31 d"]);
}

#[test]
fn a_leap_day_is_a_day_and_the_last_of_its_month() {
    let kept = month(BERLIN, rule(3, 0, 3, 1), "2028-01-15", 48, (2, 0));
    assert_eq!(kept, ["03-02 dml", "03-01 d", "02-29 dm", "01-31 m"]);
}

#[test]
fn the_forecast_says_the_day_on_which_a_daily_backup_goes() {
    let now = local(BERLIN, "2026-11-22 02:00");
    let times: Vec<_> = (0..10).map(|back| now - TimeDelta::days(back)).collect();
    let looked_at = candidates(BERLIN, &times);
    let (rule, planned) = (rule(7, 2, 1, 7), (1..).map(|day| now + TimeDelta::days(day)));
    let ends = forecast::ends(rule, BERLIN, BackupFormat::Zip, &looked_at, planned.take(500));
    let day = |place: usize| ends[place].map(|at: DateTime<Utc>| at.with_timezone(&BERLIN).format("%m-%d").to_string());
    // Sunday the 22nd is the last of its week: it stays until the week after the next has a backup, and a day goes
    // after seven more.
    assert_eq!(day(0).as_deref(), Some("11-30"));
    assert_eq!(day(1).as_deref(), Some("11-28"));
    assert_eq!(day(6).as_deref(), Some("11-23"));
    assert_eq!(day(7).as_deref(), Some("11-23"), "Sunday the 15th is its week's until the next week begins");
    // Pinned ones never go, and without a plan nobody knows.
    let mut pinned = looked_at.clone();
    pinned[0].pinned = true;
    let daily = || (1..500).map(|day| now + TimeDelta::days(day));
    assert_eq!(forecast::ends(rule, BERLIN, BackupFormat::Zip, &pinned, daily())[0], None);
    let unplanned = forecast::ends(rule, BERLIN, BackupFormat::Zip, &looked_at, std::iter::empty());
    assert!(unplanned.iter().all(Option::is_none));
    // Planned dumps take the place of no zip: the last one stays for good.
    let dumps = forecast::ends(rule, BERLIN, BackupFormat::Dump, &looked_at, daily());
    assert_eq!((dumps[0], dumps[1].is_some()), (None, true));
}
