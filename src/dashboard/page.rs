//! The page of the overview: what people see first.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{Overview, api::get_overview, attention::attention_view, failures::failures_view, storage::storage_view};
use crate::{
    components::{Badge, Empty, Head, Icon, addresses, badge::state_tone, fetched, fetched_beside, figures},
    operations::{following::Live, progress::Works},
    subscriptions::{BackupState, StateCounts, list_page::lede},
    users::Role,
};

/// The overview.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let parameters = use_query_map();
    let page = Memo::new(move |_| parameters.with(addresses::page));
    let live = expect_context::<Live>();
    let overview = Resource::new(move || (page.get(), live.beat.get()), |(page, _)| get_overview(page));
    let told = |overview: Overview, _| (overview.counts.all() > 0).then(|| lede(&overview.counts)).into_any();
    view! {
        <Head title="Overview" lede=fetched_beside(overview, told) />
        {fetched(overview, |overview, role| match overview.counts.all() {
            0 => welcome_view(role),
            _ => tiles_view(&overview.counts),
        })}
        <Works subscription=None />
        {fetched_beside(overview, move |overview, _| match overview.counts.all() {
            0 => ().into_any(),
            _ => cards_view(&overview, page.get_untracked()),
        })}
    }
}

fn cards_view(overview: &Overview, page: u32) -> AnyView {
    view! {
        <div class="overview">
            {failures_view(overview)} {attention_view(overview, page)} {storage_view(overview)}
        </div>
    }
    .into_any()
}

/// What a state says, in a few words.
const fn meaning(state: BackupState) -> &'static str {
    match state {
        BackupState::Normal => "a good backup within a day",
        BackupState::Warning => "the latest is 1 to 5 days old",
        BackupState::Danger => "over 5 days old, or none yet",
        BackupState::NotConfigured => "no backup server is set",
    }
}

fn tiles_view(counts: &StateCounts) -> AnyView {
    let tile = |state: BackupState| {
        let href = addresses::address("/subscriptions", &[("state", state.as_str())]);
        let count = counts.of(state);
        let tone = state_tone(state);
        let class = format!("tile {}", if count == 0 { "none" } else { tone.class() });
        view! {
            <li>
                <a class=class href=href>
                    <b class="figures">{figures::count(count)}</b>
                    <Badge tone text=state.label() />
                    <span class="sub">{meaning(state)}</span>
                </a>
            </li>
        }
    };
    view! {
        <ul class="tiles" aria-label="Subscriptions by state">
            {BackupState::ALL.map(tile).into_iter().collect_view()}
        </ul>
    }
    .into_any()
}

/// A fresh installation: what to do first.
fn welcome_view(role: Role) -> AnyView {
    let content = if role >= Role::Administrator {
        view! {
            <Empty icon=Icon::Database title="Nothing is backed up yet">
                <p>"Three steps, and Holdfast looks after your databases from then on."</p>
                <ol class="first-steps">
                    <li>
                        <b>"Create a subscription"</b>
                        <span>"One hosted Odoo database: how to reach it, where its backups go, how many are kept."</span>
                    </li>
                    <li>
                        <b>"Test its connection"</b>
                        <span>"The form says what it finds, before anything is saved."</span>
                    </li>
                    <li>
                        <b>"Create the first backup"</b>
                        <span>"From then on its schedule makes them, every night unless you say otherwise."</span>
                    </li>
                </ol>
                <div class="row">
                    <a class="btn primary" href="/subscriptions/new">"New subscription"</a>
                </div>
            </Empty>
        }
        .into_any()
    } else {
        view! {
            <Empty icon=Icon::Database title="Nothing is backed up yet">
                <p>"An administrator adds the first subscription; then you see here how its backups stand."</p>
            </Empty>
        }
        .into_any()
    };
    view! { <div class="card">{content}</div> }.into_any()
}
