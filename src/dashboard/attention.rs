//! The last four weeks of the subscriptions, on the overview: those that need attention first.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{BackupDays, Overview, ROWS};
use crate::{
    charts::{HeatLegend, HeatRow, TableBehind},
    components::{
        Badge, Pager, addresses,
        badge::{standing_text, state_tone},
        calendar,
    },
    history::Verdict,
};

/// The card; `page` counts from 0.
pub fn attention_view(overview: &Overview, page: u32) -> AnyView {
    let as_of = overview.as_of;
    let rows: Vec<_> = overview.rows.iter().map(|row| row_view(row, as_of)).collect();
    let days = overview
        .rows
        .first()
        .map(|row| format!("{} to {}", calendar::day(row.days.first), calendar::day(row.days.today())));
    let content = if rows.is_empty() {
        let words =
            if overview.configured() == 0 { "No subscription has a backup server yet." } else { "There are no more." };
        view! { <p class="muted">{words}</p> }.into_any()
    } else {
        view! {
            <ul class="weeks">{rows}</ul>
            <HeatLegend />
            <TableBehind
                summary="The days as a table"
                label="Days of the last four weeks"
                columns=&["Subscription", "With a good backup", "Only failed", "Without"]
                rows=overview.rows.iter().map(table_row).collect()
            />
        }
        .into_any()
    };
    let href = |page: &str| addresses::address("/", &[("page", page)]);
    let matching = overview.configured();
    // All of them are above: nobody needs to be told how many those are.
    let pager = (page > 0 || matching > u64::from(ROWS))
        .then(|| view! { <Pager page rows=ROWS matching href=Box::new(href) /> });
    view! {
        <section class="card padded stack tight" aria-labelledby="weeks-heading">
            <div class="row apart">
                <h2 id="weeks-heading">"The last four weeks"</h2>
                <span class="sub">"Oldest latest backup first. "{days}</span>
            </div>
            {content}
            {pager}
        </section>
    }
    .into_any()
}

fn row_view(row: &BackupDays, as_of: DateTime<Utc>) -> AnyView {
    let tone = state_tone(row.standing.state(as_of));
    view! {
        <li>
            <a href=format!("/subscriptions/{}", row.id.0)>{row.name.clone()}</a>
            <Badge tone text=standing_text(&row.standing, as_of) />
            <HeatRow row=row.days.clone() id=format!("days-{}", row.id.0) title=format!("The last four weeks of {}", row.name) />
        </li>
    }
    .into_any()
}

fn table_row(row: &BackupDays) -> Vec<String> {
    let count = |verdicts: &[Verdict]| row.days.count(verdicts).to_string();
    vec![
        row.name.clone(),
        count(&[Verdict::Good, Verdict::Removed, Verdict::Mixed]),
        count(&[Verdict::Failed]),
        count(&[Verdict::Nothing]),
    ]
}
