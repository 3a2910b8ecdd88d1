//! The last weeks on a subscription's page: a calendar of its backups, and how their size grew.

use backup_api::BackupFormat;
use chrono::NaiveTime;
use leptos::prelude::*;

use super::{CALENDAR_WEEKS, DayRow, History, SizeAt, api::get_history};
use crate::{
    charts::{HeatCalendar, HeatLegend, Line, LineChart, Plot, TableBehind, lines::rounded_up},
    components::{calendar, fetched_beside, figures},
    operations::following::Live,
    subscriptions::SubscriptionId,
};

/// The cards of a subscription's last weeks; nothing before its first backup.
#[component]
pub fn SubscriptionHistory(
    /// Whose.
    id: SubscriptionId,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let history = Resource::new(move || live.beat.get(), move |_| get_history(id));
    fetched_beside(history, |history, _| {
        let empty = history.sizes.is_empty() && history.days.days.iter().all(|day| day.failed == 0);
        (!empty).then(|| cards_view(&history)).into_any()
    })
}

fn cards_view(history: &History) -> AnyView {
    view! {
        <div class="halves">{calendar_view(&history.days)} {growth_view(history)}</div>
    }
    .into_any()
}

fn calendar_view(days: &DayRow) -> AnyView {
    let rows = days.iter().map(|(date, day, verdict)| vec![calendar::day_of_week(date), day.in_words(verdict)]);
    let rows: Vec<_> = rows.collect::<Vec<_>>().into_iter().rev().collect();
    view! {
        <section class="card padded stack tight" aria-labelledby="calendar-heading">
            <h2 id="calendar-heading">"Day by day"</h2>
            <HeatCalendar row=days.clone() id="calendar".to_owned() title=format!("The last {CALENDAR_WEEKS} weeks, day by day") />
            <HeatLegend />
            <TableBehind summary="Each day as a table" label="Each day" columns=&["Day", "What was made"] rows />
        </section>
    }
    .into_any()
}

/// One line for a format, the usual one first.
fn growth_view(history: &History) -> AnyView {
    let of = |format: BackupFormat| -> Vec<SizeAt> {
        history.sizes.iter().filter(|size| size.format == format).copied().collect()
    };
    let kinds = [(BackupFormat::Zip, "zip", "Database and filestore"), (BackupFormat::Dump, "dump", "Database only")];
    let kinds = kinds.map(|(format, class, name)| (class, name, of(format)));
    let kinds: Vec<_> = kinds.into_iter().filter(|(.., sizes)| !sizes.is_empty()).collect();
    let Some(largest) = history.sizes.iter().map(|size| size.bytes).max() else { return ().into_any() };
    let oldest = history.sizes.iter().map(|size| size.at).min().unwrap_or(history.as_of);
    let from = oldest.min(history.days.first.and_time(NaiveTime::MIN).and_utc());
    let plot = Plot { from, until: history.as_of, top: rounded_up(largest) };
    let words: Vec<_> = kinds.iter().map(|(_, name, sizes)| format!("{name}: {}", growth_text(sizes))).collect();
    let lines = kinds
        .iter()
        .map(|(class, _, sizes)| Line {
            class,
            points: sizes.iter().map(|size| (size.at, size.bytes)).collect(),
            filled: *class == "zip",
            dots: sizes.len() < 60,
        })
        .collect();
    let told: Vec<_> = kinds
        .iter()
        .map(|(class, name, sizes)| {
            view! {
                <li>
                    <i class=format!("key {class}")></i>
                    {*name}
                    ": "
                    <b>{growth_text(sizes)}</b>
                </li>
            }
        })
        .collect();
    let rows = history.sizes.iter().rev().map(|size| {
        let day = calendar::WallClock::utc(size.at).full();
        vec![day, format!(".{}", size.format.as_str()), figures::megabytes(size.bytes)]
    });
    view! {
        <section class="card padded stack tight" aria-labelledby="growth-heading">
            <h2 id="growth-heading">"Growth of size"</h2>
            <LineChart
                id="growth".to_owned()
                title="Size of the backups' files".to_owned()
                words=words.join(" ")
                plot
                lines
                top=figures::size(plot.top)
                edges=(calendar::day(from.date_naive()), calendar::day(history.as_of.date_naive()))
            />
            <ul class="keys">{told}</ul>
            <TableBehind
                summary="Each file as a table"
                label="Each file"
                columns=&["Made (UTC)", "File", "MB"]
                rows=rows.collect()
            />
        </section>
    }
    .into_any()
}

/// `640.9 MB, 12.0 MB more than on 22 Jul.`
fn growth_text(sizes: &[SizeAt]) -> String {
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return String::new() };
    let now = figures::size(last.bytes);
    let since = calendar::day(first.at.date_naive());
    match (last.bytes.checked_sub(first.bytes), first.at == last.at) {
        (_, true) => format!("{now}."),
        (Some(0), _) => format!("{now}, as on {since}."),
        (Some(more), _) => format!("{now}, {} more than on {since}.", figures::size(more)),
        (None, _) => format!("{now}, {} less than on {since}.", figures::size(first.bytes - last.bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_beside_its_first_figure() {
        let size = |day: u32, bytes: u64| SizeAt {
            at: chrono::NaiveDate::from_ymd_opt(2026, 11, day).unwrap().and_time(NaiveTime::MIN).and_utc(),
            format: BackupFormat::Zip,
            bytes,
        };
        assert_eq!(growth_text(&[size(1, 500_000_000)]), "500.0 MB.");
        assert_eq!(growth_text(&[size(1, 500_000_000), size(9, 512_000_000)]), "512.0 MB, 12.0 MB more than on 1 Nov.");
        assert_eq!(
            growth_text(&[size(1, 500_000_000), size(9, 400_000_000)]),
            "400.0 MB, 100.0 MB less than on 1 Nov."
        );
        assert_eq!(growth_text(&[size(1, 500_000_000), size(9, 500_000_000)]), "500.0 MB, as on 1 Nov.");
        assert_eq!(growth_text(&[]), "");
    }
}
