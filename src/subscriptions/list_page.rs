//! The list of subscriptions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    BackupState, ListQuery, PAGE_ROWS, SortColumn, StateCounts, SubscriptionPage, SubscriptionRow,
    api::list_subscriptions, query, selection::Selection,
};
use crate::{
    components::{
        Badge, Column, Empty, Head, Icon, Moment, Pager, Search, Session, Table, badge::state_tone, fetched,
        fetched_beside, figures,
    },
    operations::following::Live,
    users::Role,
};

/// The list.
#[component]
pub fn SubscriptionsPage() -> impl IntoView {
    let parameters = use_query_map();
    let query = Memo::new(move |_| parameters.with(query::parse));
    let live = expect_context::<Live>();
    let session = expect_context::<Session>();
    let page = Resource::new(move || (query.get(), live.beat.get()), |(query, _)| list_subscriptions(query));
    let selection = Selection::new();
    let add = || view! { <a class="btn primary" href="/subscriptions/new">"New subscription"</a> }.into_any();
    view! {
        <Head title="Subscriptions" lede=fetched_beside(page, |page, _| lede(&page.counts).into_any())>
            {session.only(Role::Administrator, add)}
        </Head>
        <div class="toolbar">
            <Search
                label="Search name, database, server"
                path="/subscriptions"
                value=Signal::derive(move || query.get().search)
                keep=Signal::derive(move || query::kept(&query.get()))
                href=Arc::new(move |search| {
                    query::href(&ListQuery { search, page: 0, ..query.get_untracked() })
                })
            />
            {fetched_beside(page, move |page, _| chips(&query.get_untracked(), &page.counts))}
        </div>
        {fetched(page, move |page, role| page_view(&query.get_untracked(), page, role, selection))}
    }
}

/// `128 subscriptions · 3 need attention`.
pub fn lede(counts: &StateCounts) -> String {
    let all = figures::counted(counts.all(), "subscription");
    match counts.warning + counts.danger {
        0 => all,
        1 => format!("{all} · 1 needs attention"),
        some => format!("{all} · {} need attention", figures::count(some)),
    }
}

fn chips(query: &ListQuery, counts: &StateCounts) -> AnyView {
    let chip = |state: Option<BackupState>, label: &'static str, count: u64| {
        let href = query::href(&ListQuery { state, page: 0, ..query.clone() });
        let current = (query.state == state).then_some("true");
        view! {
            <li>
                <a href=href aria-current=current data-noscroll>
                    {label}
                    <span>{figures::count(count)}</span>
                </a>
            </li>
        }
    };
    let states = BackupState::ALL.map(|state| chip(Some(state), state.label(), counts.of(state)));
    view! {
        <ul class="chips" aria-label="Backup state">
            {chip(None, "All", counts.all())} {states.into_iter().collect_view()}
        </ul>
    }
    .into_any()
}

fn page_view(query: &ListQuery, page: SubscriptionPage, role: Role, selection: Selection) -> AnyView {
    if page.rows.is_empty() {
        return empty_view(query, &page.counts, role);
    }
    let as_of = page.as_of;
    let selection = (role >= Role::Operator).then_some(selection);
    let shown = page.rows.iter().map(|row| row.id).collect();
    let rows: Vec<_> = page.rows.into_iter().map(|row| row_view(row, as_of, selection)).collect();
    let pages = query.clone();
    let href = move |page: &str| {
        let page = page.parse::<u32>().unwrap_or(1).saturating_sub(1);
        query::href(&ListQuery { page, ..pages.clone() })
    };
    let table = view! {
        <Table label="Subscriptions" class="linked" columns=columns(query, selection.is_some()) rows />
    }
    .into_any();
    view! {
        {match selection {
            Some(selection) => selection.form_view(shown, table),
            None => table,
        }}
        <Pager page=query.page rows=PAGE_ROWS matching=page.matching href=Box::new(href) />
    }
    .into_any()
}

fn columns(query: &ListQuery, selectable: bool) -> Vec<Column> {
    let column = |column: SortColumn, label: &'static str| Column {
        label,
        number: matches!(column, SortColumn::Count | SortColumn::Size),
        href: Some(query::href(&query::sorted_by(query, column))),
        sorted: (query.sort == column).then_some(query.descending),
    };
    let columns = vec![
        column(SortColumn::Name, "Subscription"),
        column(SortColumn::State, "Backup state"),
        column(SortColumn::Database, "Database"),
        column(SortColumn::OdooVersion, "Odoo"),
        column(SortColumn::Server, "Backup server"),
        column(SortColumn::LatestBackup, "Latest backup"),
        column(SortColumn::Count, "Backups"),
        column(SortColumn::Size, "Latest, MB"),
    ];
    selectable.then(|| Column::plain("")).into_iter().chain(columns).collect()
}

fn row_view(row: SubscriptionRow, as_of: DateTime<Utc>, selection: Option<Selection>) -> AnyView {
    let state = row.standing.state(as_of);
    let latest = row.standing.latest.map(|at| {
        view! {
            <span>{figures::age(at, as_of)}</span>
            <span class="sub">
                <Moment at as_of />
            </span>
        }
    });
    let latest_label = if latest.is_some() { "" } else { "No backup yet" };
    view! {
        <tr role="row">
            {selection.map(|selection| selection.cell_view(row.id, &row.name))}
            <td role="cell" class="lead">
                <a class="row-link" href=format!("/subscriptions/{}", row.id.0)>{row.name}</a>
            </td>
            <td role="cell" class="aside">
                <Badge tone=state_tone(state) text=state.label() />
            </td>
            <td role="cell" data-label="Database">
                <span class="mono">{row.database}</span>
            </td>
            <td role="cell" data-label="Odoo">
                <span>{row.odoo_version.unwrap_or_else(|| "–".to_owned())}</span>
            </td>
            <td role="cell" data-label="Backup server">
                <span>{row.server.unwrap_or_else(|| "–".to_owned())}</span>
            </td>
            <td role="cell" data-label="Latest backup">{latest} <span class="muted">{latest_label}</span></td>
            <td role="cell" class="number" data-label="Backups">
                <span>{figures::count(row.backup_count)}</span>
            </td>
            <td role="cell" class="number" data-label="Latest, MB">
                <span>{row.latest_bytes.map_or_else(|| "–".to_owned(), figures::megabytes)}</span>
            </td>
        </tr>
    }
    .into_any()
}

fn empty_view(query: &ListQuery, counts: &StateCounts, role: Role) -> AnyView {
    let narrowed = query.state.is_some() || !query.search.is_empty() || counts.all() > 0;
    let content = match (narrowed, role >= Role::Administrator) {
        (true, _) => view! {
            <Empty icon=Icon::Database title="No subscription matches">
                <p>"Try fewer letters or another state, or look at all of them."</p>
                <div class="row">
                    <a class="btn" href="/subscriptions">"Clear search and filter"</a>
                </div>
            </Empty>
        }
        .into_any(),
        (false, true) => view! {
            <Empty icon=Icon::Database title="No subscriptions yet">
                <p>
                    "A subscription is one hosted Odoo database: how to reach it, where its backups go and how many are kept. Add the first one, test its connection and make a backup."
                </p>
                <div class="row">
                    <a class="btn primary" href="/subscriptions/new">"New subscription"</a>
                </div>
            </Empty>
        }
        .into_any(),
        (false, false) => view! {
            <Empty icon=Icon::Database title="No subscriptions yet">
                <p>"An administrator adds the first one."</p>
            </Empty>
        }
        .into_any(),
    };
    view! { <div class="card">{content}</div> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lede_counts_what_needs_attention() {
        let counts = |warning, danger| lede(&StateCounts { normal: 2, warning, danger, not_configured: 1 });
        assert_eq!(counts(0, 0), "3 subscriptions");
        assert_eq!(counts(1, 0), "4 subscriptions · 1 needs attention");
        assert_eq!(counts(1, 2), "6 subscriptions · 3 need attention");
    }
}
