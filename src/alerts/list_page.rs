//! The page of alerts: channels, rules, and the delivery log.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use uuid::Uuid;

use super::{
    Delivery, DeliveryId, DeliveryState,
    api::{get_delivery, get_rules, list_channels, list_deliveries},
    channels_view::channels_view,
    log_view::log_view,
    rules_form::rules_view,
};
use crate::{
    components::{
        Head, Notice, Session, Tone,
        addresses::{address, page, value},
        fetched, fetched_beside,
    },
    operations::following::Live,
    users::Role,
};

const PATH: &str = "/alerts";
const TABS: [(&str, &str); 3] = [("", "Channels"), ("rules", "Rules"), ("log", "Delivery log")];

/// The page.
#[component]
pub fn AlertsPage() -> impl IntoView {
    let query = use_query_map();
    let session = expect_context::<Session>();
    let tab = Memo::new(move |_| query.with(|query| value(query, "tab")));
    let add = || view! { <a class="btn primary" href="/alerts/new">"Add channel"</a> }.into_any();
    let content = move || match tab.get().as_str() {
        "rules" => rules_tab(),
        "log" => log_tab(),
        _ => channels_tab(),
    };
    view! {
        <Head title="Alerts" lede="Who is told when a backup fails or is missing, storage runs low, or something was restored.".into_any()>
            {session.only(Role::Administrator, add)}
        </Head>
        <nav class="tabs" aria-label="Parts of alerts">
            <ul>
                {TABS
                    .map(|(name, label)| {
                        let current = move || (tab.get() == name).then_some("page");
                        view! {
                            <li>
                                <a href=address(PATH, &[("tab", name)]) aria-current=current data-noscroll>
                                    {label}
                                </a>
                            </li>
                        }
                    })
                    .into_iter()
                    .collect_view()}
            </ul>
        </nav>
        {content}
    }
}

fn channels_tab() -> AnyView {
    let live = expect_context::<Live>();
    let query = use_query_map();
    let channels = Resource::new(move || live.beat.get(), |_| list_channels());
    let tested = Memo::new(move |_| query.with(|query| value(query, "tested")));
    let outcome = move || {
        let id = tested.get().parse::<Uuid>().ok()?;
        let delivery = Resource::new(move || (), move |()| get_delivery(DeliveryId(id)));
        Some(fetched_beside(delivery, |delivery, _| outcome_view(&delivery)))
    };
    view! {
        <div class="stack">
            <div role="status">{outcome}</div>
            {fetched(channels, channels_view)}
        </div>
    }
    .into_any()
}

/// What came of a test.
fn outcome_view(delivery: &Delivery) -> AnyView {
    let (tone, begin) = match delivery.state {
        DeliveryState::Delivered => (Tone::Ok, "The test arrived at"),
        DeliveryState::Sending => (Tone::Plain, "The test is being sent to"),
        _ => (Tone::Bad, "The test did not arrive at"),
    };
    let (title, answer) = (format!("{begin} “{}”.", delivery.channel), format!(" {}", delivery.answer));
    view! {
        <Notice tone>
            <p>
                <b>{title}</b>
                {answer}
            </p>
        </Notice>
    }
    .into_any()
}

fn rules_tab() -> AnyView {
    // Not fetched again with every beat: what somebody types must stay.
    let rules = Resource::new(|| (), |()| get_rules());
    fetched(rules, rules_view)
}

fn log_tab() -> AnyView {
    let live = expect_context::<Live>();
    let query = use_query_map();
    let number = Memo::new(move |_| query.with(page));
    let deliveries = Resource::new(move || (number.get(), live.beat.get()), |(page, _)| list_deliveries(page));
    fetched(deliveries, move |page, role| {
        let href = |page: &str| address(PATH, &[("tab", "log"), ("page", page)]);
        log_view(page, number.get_untracked(), role, Box::new(href))
    })
}
