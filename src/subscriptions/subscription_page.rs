//! The page of one subscription: how its backups stand, what runs, and tabs for backups, settings and history.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use uuid::Uuid;

use super::{
    Subscription, SubscriptionId,
    api::get_subscription,
    dialogs::{DeleteDialog, RecoveryKitDialog},
    form::SubscriptionSettings,
};
use crate::{
    backups::{create_wizard::CreateDialog, lines::Lines},
    components::{
        Badge, Head,
        addresses::{address, opened, value},
        badge::{standing_text, state_tone},
        fetched, figures,
    },
    error::{AppError, AppResult},
    history::views::SubscriptionHistory,
    operations::{
        actions_page::SubscriptionActions, following::Live, list_page::SubscriptionOperations, progress::Works,
    },
    restores::undo_dialog::UndoOffer,
    uploads::wizard::ImportDialog,
    users::Role,
};

/// The tabs of a subscription's page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    /// Its backup lines.
    #[default]
    Backups,
    /// Its settings.
    General,
    /// Its operations.
    Operations,
    /// Its entries of the action log.
    Log,
}

impl Tab {
    const ALL: [Self; 4] = [Self::Backups, Self::General, Self::Operations, Self::Log];

    const fn name(self) -> &'static str {
        match self {
            Self::Backups => "",
            Self::General => "general",
            Self::Operations => "operations",
            Self::Log => "log",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Backups => "Backups",
            Self::General => "General",
            Self::Operations => "Operations",
            Self::Log => "Action log",
        }
    }

    fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|tab| tab.name() == name).unwrap_or_default()
    }
}

/// The page.
#[component]
pub fn SubscriptionPage() -> impl IntoView {
    let parameters = use_params_map();
    let id = Memo::new(move |_| {
        parameters
            .with(|parameters| parameters.get_str("id").and_then(|id| id.parse::<Uuid>().ok()))
            .map(SubscriptionId)
    });
    // Another subscription is another page: nothing of the one before stays.
    move || match id.get() {
        Some(id) => page_of(id),
        None => view! { <crate::components::NotFound /> }.into_any(),
    }
}

async fn load(id: SubscriptionId) -> AppResult<Subscription> {
    get_subscription(id).await
}

fn page_of(id: SubscriptionId) -> AnyView {
    let query = use_query_map();
    let live = expect_context::<Live>();
    let tab = Memo::new(move |_| query.with(|query| Tab::parse(&value(query, "tab"))));
    let wizard = Memo::new(move |_| query.with(|query| value(query, "wizard")));
    let subscription = Resource::new(move || (live.beat.get(), tab.get()), move |_| load(id));
    // Known in the browser only: who goes back to the dialog that deleted it finds nothing to delete.
    let gone = RwSignal::new(false);
    Effect::new(move || {
        if subscription.with(|found| matches!(found, Some(Err(AppError::NotFound { .. })))) {
            gone.set(true);
        }
    });
    let dialogs = move || match wizard.get().as_str() {
        _ if gone.get() => None,
        "create-backup" => Some(view! { <CreateDialog id subscription /> }.into_any()),
        "import" => Some(view! { <ImportDialog id /> }.into_any()),
        "recovery-kit" => Some(view! { <RecoveryKitDialog id /> }.into_any()),
        "delete-subscription" => Some(view! { <DeleteDialog id subscription /> }.into_any()),
        _ => None,
    };
    let content = move || match tab.get() {
        Tab::Backups => view! {
            <Lines subscription=id />
            <SubscriptionHistory id />
        }
        .into_any(),
        Tab::General => view! { <SubscriptionSettings id /> }.into_any(),
        Tab::Operations => view! { <SubscriptionOperations subscription=id /> }.into_any(),
        Tab::Log => view! { <SubscriptionActions subscription=id /> }.into_any(),
    };
    // The parts stay as they are while the page does, whatever is fetched again: somebody may be typing there. They are in
    // no Suspense, where the server would make them anew with each look for what to wait for, and the browser would take
    // what the first ones fetched for the page of the last. Where there is no such subscription, the style hides them.
    view! {
        {fetched(subscription, move |subscription, role| head_view(&subscription, role))}
        {dialogs}
        <div class="parts">
            <Works subscription=Some(id) />
            <UndoOffer subscription=id />
            <Tabs id tab />
            {content}
        </div>
    }
    .into_any()
}

#[component]
fn Tabs(
    /// The subscription.
    id: SubscriptionId,
    /// The tab that is shown.
    tab: Memo<Tab>,
) -> impl IntoView {
    let path = format!("/subscriptions/{}", id.0);
    let links = Tab::ALL.map(|other| {
        let href = address(&path, &[("tab", other.name())]);
        let current = move || (tab.get() == other).then_some("page");
        view! {
            <li>
                <a href=href aria-current=current data-noscroll>
                    {other.label()}
                </a>
            </li>
        }
    });
    view! {
        <nav class="tabs" aria-label="Parts of this subscription">
            <ul>{links.into_iter().collect_view()}</ul>
        </nav>
    }
}

fn head_view(subscription: &Subscription, role: Role) -> AnyView {
    let as_of = subscription.as_of;
    let tone = state_tone(subscription.standing.state(as_of));
    let badge = view! { <Badge tone text=standing_text(&subscription.standing, as_of) /> }.into_any();
    let id = subscription.id;
    let create = (role >= Role::Operator && subscription.server.is_some()).then(|| {
        let query = use_query_map();
        let href = move |wizard: &str| {
            let path = format!("/subscriptions/{}", id.0);
            query.with(|query| opened(&path, query, &[("wizard", wizard.to_owned())]))
        };
        view! {
            <a class="btn" href=move || href("import") data-noscroll>
                "Restore local database"
            </a>
            <a class="btn primary" href=move || href("create-backup") data-noscroll>
                "Create backup"
            </a>
        }
    });
    view! {
        <Head title=subscription.name.clone() back=("/subscriptions", "Subscriptions") beside=badge>
            {create}
        </Head>
        {glance_view(subscription)}
    }
    .into_any()
}

fn glance_view(subscription: &Subscription) -> impl IntoView + use<> {
    let server = match &subscription.server {
        Some((_, name)) => name.clone(),
        None => "none".to_owned(),
    };
    let dash = || "–".to_owned();
    let facts = [
        ("Backups", figures::count(subscription.backup_count)),
        ("Latest", subscription.latest_bytes.map_or_else(dash, |bytes| format!("{} MB", figures::megabytes(bytes)))),
        ("Stored in all", figures::size(subscription.stored_bytes)),
        ("Database", subscription.database.clone()),
        ("Odoo", subscription.odoo_version.clone().unwrap_or_else(dash)),
        ("Backup server", server),
        ("Schedule", subscription.schedule.in_words().unwrap_or_else(|| "off".to_owned())),
    ];
    let facts = facts.map(|(name, figure)| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd>{figure}</dd>
            </div>
        }
    });
    view! { <dl class="glance">{facts.into_iter().collect_view()}</dl> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_have_addresses() {
        for tab in Tab::ALL {
            assert_eq!(Tab::parse(tab.name()), tab);
        }
        assert_eq!(Tab::parse("nonsense"), Tab::Backups);
    }
}
