//! The space of every backup server, on the overview: what is used, its trend, and how long it lasts.

use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;

use super::{Overview, ServerSpace};
use crate::{
    backup_servers::{Shortage, SpaceAt, list_page::reach_text, outlook::Outlook},
    charts::{Line, LineChart, Plot, TableBehind},
    components::{Badge, Tone, calendar, figures},
};

/// How far ahead the trend is drawn.
const AHEAD: TimeDelta = TimeDelta::days(14);

/// The card.
pub fn storage_view(overview: &Overview) -> AnyView {
    let as_of = overview.as_of;
    let servers: Vec<_> = overview.servers.iter().map(|server| server_view(server, as_of)).collect();
    let none = overview.servers.is_empty().then(|| {
        view! {
            <p class="muted">
                "There is no backup server. " <a href="/backup-servers">"Add one"</a>
                " to keep backups."
            </p>
        }
    });
    view! {
        <section class="card padded stack tight" aria-labelledby="storage-heading">
            <div class="row apart">
                <h2 id="storage-heading">"Storage"</h2>
                <a class="small" href="/backup-servers">"Backup servers"</a>
            </div>
            {none}
            <div class="servers">{servers}</div>
        </section>
    }
    .into_any()
}

fn server_view(server: &ServerSpace, as_of: DateTime<Utc>) -> AnyView {
    let (tone, reach, _) = reach_text(&server.reach, as_of);
    let badge = (tone != Tone::Ok).then(|| view! { <Badge tone text=reach /> });
    let id = format!("space-{}", server.id.0);
    let heading = view! {
        <div class="row apart">
            <h3 id=format!("{id}-name")>{server.name.clone()}</h3>
            {badge}
        </div>
    };
    let last_seen = server.samples.last().map(|sample| sample.space);
    let Some(space) = server.space.or(last_seen) else {
        return view! {
            <section class="server" aria-labelledby=format!("{id}-name")>
                {heading} <p class="muted small">"It has not said yet how much space it has."</p>
            </section>
        }
        .into_any();
    };
    let used = space.total_bytes.saturating_sub(space.free_bytes);
    let short =
        Shortage::of(space).map(|short| view! { <p class=format!("outlook {}", short.class())>{short.in_words()}</p> });
    let figures_text = view! {
        <p class="space-figures">
            <b class="figures">{figures::size(space.free_bytes)}</b>
            " free of "
            {figures::size(space.total_bytes)}
            <span class="sub">{format!("{} % used · backups take {}", figures::percent(used, space.total_bytes), figures::size(space.repositories_bytes))}</span>
        </p>
    };
    view! {
        <section class="server" aria-labelledby=format!("{id}-name")>
            {heading} {figures_text} {short}
            <p class=format!("outlook {}", server.outlook.urgency())>{server.outlook.in_words()}</p>
            {trend_view(server, &id, as_of)}
        </section>
    }
    .into_any()
}

/// The chart with its table; nothing before the figures of a day.
fn trend_view(server: &ServerSpace, id: &str, as_of: DateTime<Utc>) -> AnyView {
    let (Some(first), Some(last)) = (server.samples.first(), server.samples.last()) else { return ().into_any() };
    if last.at - first.at < TimeDelta::days(1) {
        return ().into_any();
    }
    let used = Line {
        class: "used",
        points: server.samples.iter().map(|sample| (sample.at, sample.used())).collect(),
        filled: true,
        dots: false,
    };
    let backups = Line {
        class: "backups",
        points: server.samples.iter().map(|sample| (sample.at, sample.space.repositories_bytes)).collect(),
        filled: false,
        dots: false,
    };
    let ahead = ahead(last, server.outlook);
    let until = if ahead.is_empty() { as_of } else { as_of + AHEAD };
    let trend = Line { class: "ahead", points: ahead, filled: false, dots: false };
    let plot = Plot { from: first.at, until, top: last.space.total_bytes };
    let words = format!(
        "{} used on {}, {} on {}. {}",
        figures::size(first.used()),
        calendar::day(first.at.date_naive()),
        figures::size(last.used()),
        calendar::day(last.at.date_naive()),
        server.outlook.in_words()
    );
    let right =
        if until == as_of { calendar::day(until.date_naive()) } else { format!("in {} days", AHEAD.num_days()) };
    view! {
        <LineChart
            id=id.to_owned()
            title=format!("Space of {} over the last weeks", server.name)
            words
            plot
            lines=vec![used, backups, trend]
            top=format!("{} in all", figures::size(last.space.total_bytes))
            edges=(calendar::day(first.at.date_naive()), right)
        />
        <ul class="keys">
            <li>
                <i class="key used"></i>
                "Used"
            </li>
            <li>
                <i class="key backups"></i>
                "by backups"
            </li>
        </ul>
        <TableBehind
            summary="The figures as a table"
            label=format!("Space of {}", server.name)
            columns=&["Day", "Used", "Free", "Backups"]
            rows=daily(&server.samples)
        />
    }
    .into_any()
}

/// Where the trend leads, until the disk is full at most.
fn ahead(last: &SpaceAt, outlook: Outlook) -> Vec<(DateTime<Utc>, u64)> {
    let Outlook::Fills { daily_bytes, .. } = outlook else { return Vec::new() };
    let days = u64::try_from(AHEAD.num_days()).unwrap_or_default();
    let then = last.used().saturating_add(daily_bytes.saturating_mul(days));
    vec![(last.at, last.used()), (last.at + AHEAD, then.min(last.space.total_bytes))]
}

/// The last figures of each day, the newest day first.
fn daily(samples: &[SpaceAt]) -> Vec<Vec<String>> {
    let mut days: Vec<&SpaceAt> = Vec::new();
    for sample in samples {
        match days.last_mut() {
            Some(last) if last.at.date_naive() == sample.at.date_naive() => *last = sample,
            _ => days.push(sample),
        }
    }
    let row = |sample: &SpaceAt| {
        vec![
            calendar::day_of_week(sample.at.date_naive()),
            figures::size(sample.used()),
            figures::size(sample.space.free_bytes),
            figures::size(sample.space.repositories_bytes),
        ]
    };
    days.into_iter().rev().map(row).collect()
}

#[cfg(test)]
mod tests {
    use backup_api::Space;

    use super::*;

    fn sample(at: &str, free_bytes: u64) -> SpaceAt {
        SpaceAt {
            at: at.parse().unwrap(),
            space: Space { total_bytes: 100_000_000_000, free_bytes, repositories_bytes: 1_000_000 },
        }
    }

    #[test]
    fn the_table_has_the_last_figures_of_each_day() {
        let samples = [
            sample("2026-11-21T00:00:00Z", 60_000_000_000),
            sample("2026-11-21T21:00:00Z", 50_000_000_000),
            sample("2026-11-22T03:00:00Z", 40_000_000_000),
        ];
        let expected = [["Sun 22 Nov", "60.0 GB", "40.0 GB", "1.0 MB"], ["Sat 21 Nov", "50.0 GB", "50.0 GB", "1.0 MB"]];
        assert_eq!(daily(&samples), expected.map(|row| row.map(ToOwned::to_owned).to_vec()));
    }

    #[test]
    fn the_trend_ends_where_the_disk_is_full() {
        let last = sample("2026-11-21T00:00:00Z", 10_000_000_000);
        assert!(ahead(&last, Outlook::Steady).is_empty());
        let slow = ahead(&last, Outlook::Fills { daily_bytes: 100_000_000, days: 100 });
        assert_eq!((slow[0].1, slow[1].1), (90_000_000_000, 91_400_000_000));
        let fast = ahead(&last, Outlook::Fills { daily_bytes: 10_000_000_000, days: 1 });
        assert_eq!(fast[1].1, 100_000_000_000);
    }
}
