//! Heat maps of days: a row of weeks, and a calendar. What a day was like is told by shape and fill, not only by colour.

use chrono::{Datelike, NaiveDate};
use leptos::prelude::*;

use crate::{
    components::calendar,
    history::{Day, DayRow, Verdict},
};

/// A day's place and size in a row, in CSS pixels.
const ROW: Grid = Grid { width: 10, height: 16, gap: 3 };
/// Between two weeks of a row.
const WEEK_GAP: u32 = 4;
/// A day's size in a calendar.
const CALENDAR: Grid = Grid { width: 13, height: 13, gap: 3 };
/// Left of and above a calendar: the names of days and months.
const NAMES: (u32, u32) = (30, 18);

#[derive(Clone, Copy)]
struct Grid {
    width: u32,
    height: u32,
    gap: u32,
}

impl Grid {
    const fn pitch(self) -> u32 {
        self.width + self.gap
    }
}

/// Days in one line, a gap after each week.
#[component]
pub fn HeatRow(
    /// The days.
    row: DayRow,
    /// What is unique on the page.
    id: String,
    /// Whose days they are.
    title: String,
) -> impl IntoView {
    let place = |at: u32| at * ROW.pitch() + at / 7 * WEEK_GAP;
    let count = u32::try_from(row.days.len()).unwrap_or_default();
    let width = place(count.saturating_sub(1)) + ROW.width;
    let cells: Vec<_> =
        (0..).zip(row.iter()).map(|(at, (date, day, verdict))| cell(ROW, (place(at), 0), date, day, verdict)).collect();
    heat_view((width, ROW.height), id, title, row.in_words(), ().into_any(), cells)
}

/// Days as a calendar: a column for a week, Monday on top.
#[component]
pub fn HeatCalendar(
    /// The days; the first is a Monday.
    row: DayRow,
    /// What is unique on the page.
    id: String,
    /// Whose days they are.
    title: String,
) -> impl IntoView {
    let lead = row.lead();
    let place = |at: u32| {
        let (week, day) = ((at + lead) / 7, (at + lead) % 7);
        (NAMES.0 + week * CALENDAR.pitch(), NAMES.1 + day * CALENDAR.pitch())
    };
    let weeks = (u32::try_from(row.days.len()).unwrap_or_default() + lead).div_ceil(7);
    let size = (NAMES.0 + weeks * CALENDAR.pitch(), NAMES.1 + 7 * CALENDAR.pitch());
    let cells: Vec<_> =
        (0..).zip(row.iter()).map(|(at, (date, day, verdict))| cell(CALENDAR, place(at), date, day, verdict)).collect();
    let days = [0, 2, 4].map(|day| {
        let y = NAMES.1 + day * CALENDAR.pitch() + CALENDAR.height - 2;
        view! {
            <text x="0" y=y>
                {calendar::weekday(day)}
            </text>
        }
    });
    let months: Vec<_> = month_names(&row)
        .into_iter()
        .map(|(week, name)| {
            view! {
                <text x=NAMES.0 + week * CALENDAR.pitch() y="11">
                    {name}
                </text>
            }
        })
        .collect();
    let names = view! { <g class="names" aria-hidden="true">{days.into_iter().collect_view()} {months}</g> }.into_any();
    heat_view(size, id, title, row.in_words(), names, cells)
}

/// The months of a calendar, each above the first week that begins in it; none so close to the last that they touch.
fn month_names(row: &DayRow) -> Vec<(u32, &'static str)> {
    let mut names: Vec<(u32, &'static str)> = Vec::new();
    let mut month = 0;
    for (week, date) in (0..).zip(row.first.iter_weeks().take_while(|date| *date <= row.today())) {
        if date.month() != month {
            month = date.month();
            if names.last().is_some_and(|(last, _)| week - last < 2) {
                names.pop();
            }
            names.push((week, calendar::month(month)));
        }
    }
    names
}

fn heat_view(
    size: (u32, u32),
    id: String,
    title: String,
    words: String,
    names: AnyView,
    cells: Vec<AnyView>,
) -> AnyView {
    let (title_id, words_id) = (format!("{id}-title"), format!("{id}-words"));
    let both = format!("{title_id} {words_id}");
    view! {
        <svg
            class="heat"
            viewBox=format!("0 0 {} {}", size.0, size.1)
            width=size.0
            height=size.1
            role="img"
            aria-labelledby=both
        >
            <title id=title_id>{title}</title>
            <desc id=words_id>{words}</desc>
            {names}
            {cells}
        </svg>
    }
    .into_any()
}

fn cell(grid: Grid, place: (u32, u32), date: NaiveDate, day: Day, verdict: Verdict) -> AnyView {
    let said = format!("{}: {}", calendar::day_of_week(date), day.in_words(verdict));
    view! {
        <g class=verdict.class()>
            <title>{said}</title>
            {shape_view(grid, place, verdict)}
        </g>
    }
    .into_any()
}

/// A square; a diamond for what failed, alone or within the square of a good one.
fn shape_view(grid: Grid, (x, y): (u32, u32), verdict: Verdict) -> AnyView {
    let Grid { width, height, .. } = grid;
    let square = (verdict != Verdict::Failed).then(|| view! { <rect x=x y=y width=width height=height rx="2.5" /> });
    let diamond = matches!(verdict, Verdict::Failed | Verdict::Mixed).then(|| {
        let (middle_x, middle_y) = (x + width / 2, y + height / 2);
        let reach = if verdict == Verdict::Failed { width / 2 } else { width / 4 };
        let d = format!(
            "M{middle_x} {}l{reach} {reach}l-{reach} {reach}l-{reach} -{reach}z",
            middle_y.saturating_sub(reach)
        );
        view! { <path d=d /> }
    });
    view! {
        {square}
        {diamond}
    }
    .into_any()
}

/// What the shapes mean.
#[component]
pub fn HeatLegend() -> impl IntoView {
    let meanings = [
        (Verdict::Good, "good backup"),
        (Verdict::Removed, "good, removed since by retention"),
        (Verdict::Mixed, "good, but one failed"),
        (Verdict::Failed, "failed"),
        (Verdict::Nothing, "no backup"),
    ];
    let items = meanings.map(|(verdict, words)| {
        view! {
            <li>
                <svg class="heat" viewBox="0 0 13 13" width="13" height="13" aria-hidden="true">
                    <g class=verdict.class()>{shape_view(CALENDAR, (0, 0), verdict)}</g>
                </svg>
                {words}
            </li>
        }
    });
    view! {
        <ul class="legend" aria-label="What the shapes mean">
            {items.into_iter().collect_view()}
        </ul>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_stand_above_their_first_week_and_never_touch() {
        let row = |first: &str, days: usize| {
            let first: NaiveDate = first.parse().unwrap();
            DayRow { first, since: first, days: vec![Day::default(); days] }
        };
        assert_eq!(month_names(&row("2026-09-28", 56)), [(1, "Oct"), (5, "Nov")], "September's is one week only");
        assert_eq!(month_names(&row("2026-10-05", 7)), [(0, "Oct")]);
    }
}
