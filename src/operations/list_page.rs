//! The page of operations, and the table of them that a subscription's page shows too.

use backup_api::JobState;
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    LOG_PAGE_ROWS, Operation, OperationFilter, OperationPage,
    api::list_operations,
    following::Live,
    progress::{StateBadge, Works, phase_text},
};
use crate::{
    components::{
        AgeCell, Column, Empty, Head, Icon, Pager, Table,
        addresses::{address, page, value},
        fetched, figures,
    },
    restores::summary,
};

const FILTERS: [(OperationFilter, &str, &str); 3] = [
    (OperationFilter::All, "", "All"),
    (OperationFilter::Unfinished, "unfinished", "Under way"),
    (OperationFilter::Failed, "failed", "Failed"),
];

/// Every operation, the newest first.
#[component]
pub fn OperationsPage() -> impl IntoView {
    let parameters = use_query_map();
    let live = expect_context::<Live>();
    let filter = Memo::new(move |_| parameters.with(|query| parse_filter(&value(query, "show"))));
    let number = Memo::new(move |_| parameters.with(page));
    let operations = Resource::new(
        move || (filter.get(), number.get(), live.beat.get()),
        |(filter, page, _)| list_operations(filter, None, page),
    );
    let chips = move || {
        FILTERS
            .map(|(other, name, label)| {
                let current = (filter.get() == other).then_some("true");
                view! {
                    <li>
                        <a href=address("/operations", &[("show", name)]) aria-current=current data-noscroll>
                            {label}
                        </a>
                    </li>
                }
            })
            .into_iter()
            .collect_view()
    };
    view! {
        <Head title="Operations" />
        <div class="stack">
            <Works subscription=None />
            <div>
                <div class="toolbar">
                    <ul class="chips" aria-label="Which operations">{chips}</ul>
                </div>
                {fetched(operations, move |page, _| {
                    let show = filter_name(filter.get_untracked());
                    let href = move |page: &str| address("/operations", &[("show", show), ("page", page)]);
                    table_view(page, number.get_untracked(), true, Box::new(href))
                })}
            </div>
        </div>
    }
}

fn parse_filter(name: &str) -> OperationFilter {
    FILTERS.iter().find(|(_, other, _)| *other == name).map_or(OperationFilter::All, |(filter, ..)| *filter)
}

fn filter_name(filter: OperationFilter) -> &'static str {
    FILTERS.iter().find(|(other, ..)| *other == filter).map_or("", |(_, name, _)| name)
}

/// A page of operations; `named`: with their subscriptions.
pub fn table_view(page: OperationPage, number: u32, named: bool, href: Box<dyn Fn(&str) -> String>) -> AnyView {
    if page.operations.is_empty() {
        return empty_view(named);
    }
    let as_of = page.as_of;
    let mut columns = vec![
        Column::plain("Operation"),
        Column::plain("State"),
        Column::plain("Backup server"),
        Column::plain("Asked by"),
        Column::plain("Asked for"),
        Column::plain("Duration").number(),
    ];
    if named {
        columns.insert(2, Column::plain("Subscription"));
    }
    let rows: Vec<_> = page.operations.into_iter().map(|operation| row_view(operation, as_of, named)).collect();
    view! {
        <Table label="Operations" class="linked" columns rows />
        <Pager page=number rows=LOG_PAGE_ROWS matching=page.matching href />
    }
    .into_any()
}

fn row_view(operation: Operation, as_of: DateTime<Utc>, named: bool) -> AnyView {
    let under = match (operation.state, &operation.failure) {
        (JobState::Running, _) => phase_text(&operation),
        (JobState::Failed | JobState::Interrupted, Some(failure)) => failure.message.clone(),
        _ => String::new(),
    };
    let about = operation.restore.as_ref().map(|facts| {
        let about = summary::line_text(operation.kind, facts);
        view! { <span class="sub ink">{about}</span> }
    });
    let file = operation.import.as_ref().map(|import| view! { <span class="sub file">{import.in_words()}</span> });
    let duration = duration_text(&operation, as_of);
    let subscription = named.then(|| {
        let name = operation.subscription_name.clone();
        let name = match operation.subscription {
            Some(id) => view! { <a href=format!("/subscriptions/{}", id.0)>{name}</a> }.into_any(),
            None => view! { <span>{name}</span> }.into_any(),
        };
        view! {
            <td role="cell" data-label="Subscription">
                {name}
            </td>
        }
    });
    view! {
        <tr role="row">
            <td role="cell" class="lead">
                <a class="row-link" href=format!("/operations/{}", operation.id.0)>{operation.kind.label()}</a>
                {about}
                {file}
                <span class="sub">{under}</span>
            </td>
            <td role="cell" class="aside">
                <StateBadge state=operation.state />
            </td>
            {subscription}
            <td role="cell" data-label="Backup server">
                <span>{operation.server}</span>
            </td>
            <td role="cell" data-label="Asked by">
                <span>{operation.asked_by}</span>
            </td>
            <AgeCell label="Asked for" at=operation.created_at as_of />
            <td role="cell" class="number" data-label="Duration">
                <span>{duration}</span>
            </td>
        </tr>
    }
    .into_any()
}

/// How long it took, or has taken so far.
pub fn duration_text(operation: &Operation, as_of: DateTime<Utc>) -> String {
    operation.started_at.map_or_else(
        || "–".to_owned(),
        |started| figures::duration(figures::seconds_between(started, operation.finished_at.unwrap_or(as_of))),
    )
}

fn empty_view(named: bool) -> AnyView {
    let advice = if named {
        "Backups and restores show here while they run and after. Start one on a subscription's page."
    } else {
        "Backups and restores of this subscription show here while they run and after, each with its log."
    };
    view! {
        <div class="card">
            <Empty icon=Icon::Work title="No operations">
                <p>{advice}</p>
            </Empty>
        </div>
    }
    .into_any()
}

/// The operations of one subscription, as a tab of its page.
#[component]
pub fn SubscriptionOperations(
    /// Whose.
    subscription: crate::subscriptions::SubscriptionId,
) -> impl IntoView {
    let parameters = use_query_map();
    let live = expect_context::<Live>();
    let number = Memo::new(move |_| parameters.with(page));
    let operations = Resource::new(
        move || (number.get(), live.beat.get()),
        move |(page, _)| list_operations(OperationFilter::All, Some(subscription), page),
    );
    fetched(operations, move |page, _| {
        let path = format!("/subscriptions/{}", subscription.0);
        let href = move |page: &str| address(&path, &[("tab", "operations"), ("page", page)]);
        table_view(page, number.get_untracked(), false, Box::new(href))
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::operations::following::tests::operation;

    #[test]
    fn filters_survive_their_names() {
        for (filter, ..) in FILTERS {
            assert_eq!(parse_filter(filter_name(filter)), filter);
        }
        assert_eq!(parse_filter("nonsense"), OperationFilter::All);
    }

    #[test]
    fn durations_run_until_the_end_or_now() {
        let mut work = operation(1, JobState::Running);
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(75);
        assert_eq!(duration_text(&work, now), "1 min 15 s");
        work.finished_at = Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(5));
        assert_eq!(duration_text(&work, now), "5 s");
        work.started_at = None;
        assert_eq!(duration_text(&work, now), "–");
    }
}
