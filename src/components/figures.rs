//! Figures as people read them: sizes, counts, durations, ages. All plain functions.

use chrono::{DateTime, Utc};

const MEGABYTE: u64 = 1_000_000;

/// A count with thousands separators: `1,284`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 backup`, `14 backups`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Bytes as megabytes of 1,000,000 bytes with one decimal: `1,284.6`; what is smaller than can be shown: `< 0.1`.
pub fn megabytes(bytes: u64) -> String {
    if (1..MEGABYTE / 20).contains(&bytes) {
        return "< 0.1".to_owned();
    }
    tenths(bytes, MEGABYTE)
}

/// Bytes in the unit that fits: `640.9 MB`, `1.9 GB`, `2.0 TB`.
#[expect(clippy::match_overlapping_arm, reason = "an arm takes what those before it left")]
pub fn size(bytes: u64) -> String {
    match bytes {
        ..999_950_000 => format!("{} MB", megabytes(bytes)),
        ..999_950_000_000 => format!("{} GB", tenths(bytes, 1_000 * MEGABYTE)),
        _ => format!("{} TB", tenths(bytes, 1_000_000 * MEGABYTE)),
    }
}

/// `bytes / unit` with one decimal, rounded half up.
fn tenths(bytes: u64, unit: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    let whole = u64::try_from(tenths / 10).unwrap_or(u64::MAX);
    format!("{}.{}", count(whole), tenths % 10)
}

/// A duration in its two largest units: `8 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
#[expect(clippy::match_overlapping_arm, reason = "an arm takes what those before it left")]
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let pair = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        ..60 => format!("{seconds} s"),
        ..3_600 => pair(minutes, "min", seconds % 60, "s"),
        ..86_400 => pair(hours, "h", minutes % 60, "min"),
        _ => pair(days, "d", hours % 24, "h"),
    }
}

/// Seconds between two moments; zero when `until` is before `since`.
pub fn seconds_between(since: DateTime<Utc>, until: DateTime<Utc>) -> u64 {
    u64::try_from((until - since).num_seconds()).unwrap_or(0)
}

/// An age in its largest unit: `just now`, `4 min ago`, `3 h ago`, `2 d ago`.
///
/// A moment ahead (a server's clock may be) is `just now`.
#[expect(clippy::match_overlapping_arm, reason = "an arm takes what those before it left")]
pub fn age(at: DateTime<Utc>, as_of: DateTime<Utc>) -> String {
    let seconds = seconds_between(at, as_of);
    match seconds {
        ..60 => "just now".to_owned(),
        ..3_600 => format!("{} min ago", seconds / 60),
        ..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", count(seconds / 86_400)),
    }
}

/// Seconds until a work is done at its present rate; `None` when that cannot be told.
pub fn seconds_left(done: u64, total: Option<u64>, bytes_per_second: Option<u64>) -> Option<u64> {
    let rate = bytes_per_second.filter(|rate| *rate > 0)?;
    Some(total?.checked_sub(done)?.div_ceil(rate))
}

/// What has moved: `412.0 of 1,190.0 MB`; nothing while that is nothing of something unknown.
pub fn moved(done: u64, total: Option<u64>) -> Option<String> {
    match total {
        Some(total) => Some(format!("{} of {} MB", megabytes(done), megabytes(total))),
        None => (done > 0).then(|| format!("{} MB", megabytes(done))),
    }
}

/// How fast it moves: `96.0 MB/s`.
pub fn speed(bytes_per_second: Option<u64>) -> Option<String> {
    bytes_per_second.filter(|rate| *rate > 0).map(|rate| format!("{} MB/s", megabytes(rate)))
}

/// How long it still takes: `about 9 s left`.
pub fn left(done: u64, total: Option<u64>, bytes_per_second: Option<u64>) -> Option<String> {
    seconds_left(done, total, bytes_per_second).map(|seconds| format!("about {} left", duration(seconds)))
}

/// A share in percent, for bars; 0 of nothing is 0.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    u64::try_from(u128::from(part.min(whole)) * 100 / u128::from(whole)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn counts_have_thousands_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "backup"), "1 backup");
        assert_eq!(counted(0, "backup"), "0 backups");
    }

    #[test]
    fn megabytes_have_one_decimal_and_never_hide_a_small_file() {
        assert_eq!(megabytes(0), "0.0");
        assert_eq!(megabytes(1), "< 0.1");
        assert_eq!(megabytes(49_999), "< 0.1");
        assert_eq!(megabytes(50_000), "0.1");
        assert_eq!(megabytes(1_284_560_000), "1,284.6");
        assert_eq!(megabytes(999_949_999), "999.9");
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        assert_eq!(size(640_900_000), "640.9 MB");
        assert_eq!(size(999_949_999), "999.9 MB");
        assert_eq!(size(999_950_000), "1.0 GB");
        assert_eq!(size(1_940_000_000), "1.9 GB");
        assert_eq!(size(2_000_000_000_000), "2.0 TB");
        assert_eq!(size(u64::MAX), "18,446,744.1 TB");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (200, "3 min 20 s"),
            (7_500, "2 h 5 min"),
            (86_400 * 3 + 14_400, "3 d 4 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn ages_change_at_a_minute_an_hour_and_a_day() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        for (seconds, text) in [
            (-30, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (86_399, "23 h ago"),
            (86_400, "1 d ago"),
            (86_400 * 9, "9 d ago"),
        ] {
            assert_eq!(age(now - TimeDelta::seconds(seconds), now), text);
        }
    }

    #[test]
    fn time_left_is_known_only_with_a_total_and_a_rate() {
        assert_eq!(seconds_left(400, Some(1_000), Some(100)), Some(6));
        assert_eq!(seconds_left(401, Some(1_000), Some(100)), Some(6));
        assert_eq!(seconds_left(400, None, Some(100)), None);
        assert_eq!(seconds_left(400, Some(1_000), Some(0)), None);
        assert_eq!(seconds_left(1_001, Some(1_000), Some(100)), None, "more than announced");
    }

    #[test]
    fn percents_stay_between_0_and_100() {
        assert_eq!(percent(1, 0), 0);
        assert_eq!(percent(412, 1_190), 34);
        assert_eq!(percent(5, 4), 100);
    }
}
