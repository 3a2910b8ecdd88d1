//! The action log: who did what, for which subscription, and how it ended.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{ActionEntry, ActionOutcome, ActionPage, LOG_PAGE_ROWS, api::list_actions, following::Live};
use crate::{
    components::{
        AgeCell, Badge, Column, Empty, Head, Icon, Pager, Search, Table, Tone,
        addresses::{address, page, value},
        fetched,
    },
    subscriptions::SubscriptionId,
};

const PATH: &str = "/action-log";

/// The page of the action log.
#[component]
pub fn ActionLogPage() -> impl IntoView {
    let parameters = use_query_map();
    let live = expect_context::<Live>();
    let search = Memo::new(move |_| parameters.with(|query| value(query, "search")));
    let number = Memo::new(move |_| parameters.with(page));
    let entries = Resource::new(
        move || (search.get(), number.get(), live.beat.get()),
        |(search, page, _)| list_actions(search, None, page),
    );
    view! {
        <Head title="Action log" lede="Who did what, and how it ended. Entries are never changed or removed.".into_any() />
        <div class="toolbar">
            <Search
                label="Search person, action, subscription"
                path=PATH
                value=search
                keep=Signal::derive(Vec::new)
                href=Arc::new(|search| address(PATH, &[("search", &search)]))
            />
        </div>
        {fetched(entries, move |page, _| {
            let search = search.get_untracked();
            let searched = !search.is_empty();
            let href = move |page: &str| address(PATH, &[("search", &search), ("page", page)]);
            table_view(page, number.get_untracked(), true, searched, Box::new(href))
        })}
    }
}

/// The entries about one subscription, as a tab of its page.
#[component]
pub fn SubscriptionActions(
    /// Which.
    subscription: SubscriptionId,
) -> impl IntoView {
    let parameters = use_query_map();
    let live = expect_context::<Live>();
    let number = Memo::new(move |_| parameters.with(page));
    let entries = Resource::new(
        move || (number.get(), live.beat.get()),
        move |(page, _)| list_actions(String::new(), Some(subscription), page),
    );
    fetched(entries, move |page, _| {
        let path = format!("/subscriptions/{}", subscription.0);
        let href = move |page: &str| address(&path, &[("tab", "log"), ("page", page)]);
        table_view(page, number.get_untracked(), false, false, Box::new(href))
    })
}

fn table_view(
    page: ActionPage,
    number: u32,
    named: bool,
    searched: bool,
    href: Box<dyn Fn(&str) -> String>,
) -> AnyView {
    if page.entries.is_empty() {
        return empty_view(searched);
    }
    let as_of = page.as_of;
    let mut columns =
        vec![Column::plain("What"), Column::plain("Outcome"), Column::plain("Who"), Column::plain("When")];
    if named {
        columns.insert(2, Column::plain("Subscription"));
    }
    let rows: Vec<_> = page.entries.into_iter().map(|entry| row_view(entry, as_of, named)).collect();
    view! {
        <Table label="Action log" columns rows />
        <Pager page=number rows=LOG_PAGE_ROWS matching=page.matching href />
    }
    .into_any()
}

fn row_view(entry: ActionEntry, as_of: DateTime<Utc>, named: bool) -> AnyView {
    let subscription = named.then(|| {
        let name = entry.subscription_name.unwrap_or_default();
        let blank = name.is_empty();
        let name = match entry.subscription {
            Some(id) => view! { <a href=format!("/subscriptions/{}", id.0)>{name}</a> }.into_any(),
            None => view! { <span>{name}</span> }.into_any(),
        };
        view! { <td role="cell" data-label="Subscription" class:blank=blank>{name}</td> }
    });
    view! {
        <tr role="row">
            <td role="cell" class="lead">{entry.what}</td>
            <td role="cell" class="aside">
                <Badge tone=tone(entry.outcome) text=entry.outcome.label() />
            </td>
            {subscription}
            <td role="cell" data-label="Who">
                <span>{entry.who}</span>
            </td>
            <AgeCell label="When" at=entry.at as_of />
        </tr>
    }
    .into_any()
}

const fn tone(outcome: ActionOutcome) -> Tone {
    match outcome {
        ActionOutcome::Done => Tone::Ok,
        ActionOutcome::Started => Tone::Plain,
        ActionOutcome::Failed => Tone::Bad,
    }
}

fn empty_view(searched: bool) -> AnyView {
    let (title, advice) = if searched {
        ("Nothing matches", "Try fewer letters, or clear the search.")
    } else {
        ("Nothing has been done yet", "Every backup, download, change and deletion is written here.")
    };
    view! {
        <div class="card">
            <Empty icon=Icon::Log title>
                <p>{advice}</p>
                {searched.then(|| view! { <div class="row"><a class="btn" href=PATH>"Clear search"</a></div> })}
            </Empty>
        </div>
    }
    .into_any()
}
