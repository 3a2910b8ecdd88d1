//! Dates as people read them. The server writes UTC; a browser then shows its own zone.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A month's short name, from 1.
pub fn month(month: u32) -> &'static str {
    MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or("?")
}

/// A day's short name, from Monday, which is 0.
pub fn weekday(day: u32) -> &'static str {
    WEEKDAYS.get(day as usize).copied().unwrap_or("?")
}

/// `22 Nov`.
pub fn day(date: NaiveDate) -> String {
    format!("{} {}", date.day(), month(date.month()))
}

/// `Sun 22 Nov`.
pub fn day_of_week(date: NaiveDate) -> String {
    format!("{} {}", weekday(date.weekday().num_days_from_monday()), day(date))
}

/// A date and time on somebody's wall: no zone in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// Year.
    pub year: i32,
    /// Month, from 1.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute.
    pub minute: u32,
    /// Second.
    pub second: u32,
}

impl WallClock {
    /// What a clock in UTC shows.
    pub fn utc(at: DateTime<Utc>) -> Self {
        Self {
            year: at.year(),
            month: at.month(),
            day: at.day(),
            hour: at.hour(),
            minute: at.minute(),
            second: at.second(),
        }
    }

    /// `22 Nov 02:04`, with the year when it is not `this_year`: `22 Nov 2025, 02:04`.
    pub fn short(&self, this_year: i32) -> String {
        let Self { year, day, hour, minute, .. } = *self;
        let month = month(self.month);
        if year == this_year {
            format!("{day} {month} {hour:02}:{minute:02}")
        } else {
            format!("{day} {month} {year}, {hour:02}:{minute:02}")
        }
    }

    /// `02:04:11`.
    pub fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }

    /// `2026-11-22 02:04:11`.
    pub fn full(&self) -> String {
        format!("{:04}-{:02}-{:02} {}", self.year, self.month, self.day, self.time())
    }
}

/// The value of `<time datetime>`: `2026-11-22T02:04:11Z`.
pub fn machine(at: DateTime<Utc>) -> String {
    let mut text = WallClock::utc(at).full().replace(' ', "T");
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_name_the_year_only_when_it_is_another() {
        let clock = WallClock { year: 2026, month: 11, day: 2, hour: 2, minute: 4, second: 9 };
        assert_eq!(clock.short(2026), "2 Nov 02:04");
        assert_eq!(clock.short(2027), "2 Nov 2026, 02:04");
        assert_eq!(clock.full(), "2026-11-02 02:04:09");
    }

    #[test]
    fn days_have_short_names() {
        let date = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
        assert_eq!((day(date).as_str(), day_of_week(date).as_str()), ("22 Nov", "Sun 22 Nov"));
    }

    #[test]
    fn machines_read_utc() {
        let at = DateTime::from_timestamp(1_763_777_051, 0).unwrap();
        assert_eq!(machine(at), "2025-11-22T02:04:11Z");
    }
}
