//! The form of a subscription: a new one, and the General tab of an existing one.

use leptos::{form::FromFormData, html, prelude::*};
use leptos_router::{
    hooks::{use_location, use_query_map},
    params::ParamsMap,
};

use super::{
    MOST_KEPT, Subscription, SubscriptionId, SubscriptionInput,
    api::{SaveSubscription, TestConnection, get_subscription},
    connection_fields::connection_section,
    test_report::TestResult,
};
use crate::{
    alerts::{Override, api::get_override, override_form::alerts_view},
    backup_servers::{ServerList, api::list_servers},
    components::{
        ActionFailure, Badge, CopyButton, Field, FieldError, Head, Notice, Toast, Toasts, Tone,
        addresses::opened,
        badge::{standing_text, state_tone},
        fetched,
        field::field_error,
        figures,
        forms::form_data,
        notice::failure_of,
        typed,
    },
    error::{AppError, AppResult},
    operations::following::Live,
    schedules::{
        PlanPreview,
        api::{form_facts, preview_plan},
        fields::{PlanForm, first_input, preview_button, schedule_section},
    },
    users::Role,
};

/// Fields that show their own errors.
const FIELDS: &[&str] = &[
    "name",
    "database",
    "server",
    "odoo_url",
    "master_password",
    "postgres_url",
    "filestore",
    "addons",
    "daily",
    "weekly",
    "monthly",
    "keep_latest",
    "times",
    "cron",
    "spread",
    "zone",
];

/// What the form shows: the plan's fields hold what the second input says, which its first preview is of.
type Shown =
    (Option<Subscription>, Option<Override>, ServerList, Vec<String>, SubscriptionInput, Option<AppError>, PlanPreview);

/// The page of a new subscription.
#[component]
pub fn NewSubscriptionPage() -> impl IntoView {
    let shown = Resource::new(|| (), |()| load(None, ParamsMap::new()));
    view! {
        <Head title="New subscription" back=("/subscriptions", "Subscriptions") />
        {fetched(shown, form_view)}
    }
}

/// The General tab.
#[component]
pub fn SubscriptionSettings(
    /// Whose.
    id: SubscriptionId,
) -> impl IntoView {
    // Not fetched again with every beat: what somebody types must stay.
    let query = use_query_map().get_untracked();
    let shown = Resource::new(|| (), move |()| load(Some(id), query.clone()));
    fetched(shown, form_view)
}

async fn load(id: Option<SubscriptionId>, query: ParamsMap) -> AppResult<Shown> {
    let (subscription, own) = match id {
        Some(id) => (Some(get_subscription(id).await?), Some(get_override(id).await?)),
        None => (None, None),
    };
    let facts = form_facts().await?;
    let first = first_input(subscription.as_ref(), &facts, &query);
    let (preview, wrong) = match preview_plan(first.clone()).await {
        Ok(preview) => (preview, None),
        Err(error) => (PlanPreview::default(), Some(error)),
    };
    Ok((subscription, own, list_servers().await?, facts.zones, first, wrong, preview))
}

fn form_view((subscription, own, servers, zones, first, wrong, preview): Shown, role: Role) -> AnyView {
    let save = ServerAction::<SaveSubscription>::new();
    let test = ServerAction::<TestConnection>::new();
    let form = NodeRef::<html::Form>::new();
    let failure = failure_of(save);
    let plan = PlanForm::new(form, wrong.map_or(Ok(preview), Err));
    say_saved(save, subscription.is_some());
    let editable = role >= Role::Administrator;
    let connection =
        subscription.as_ref().map(|subscription| subscription.connection.clone().into()).unwrap_or_default();
    let run = move |_| {
        if let Some(data) = form_data(form)
            && let Ok(input) = TestConnection::from_form_data(&data)
        {
            test.dispatch(input);
        }
    };
    let (id, revision) = subscription
        .as_ref()
        .map(|subscription| (subscription.id.0.to_string(), subscription.revision.to_string()))
        .unzip();
    let cancel =
        if id.is_some() { None } else { Some(view! { <a class="btn quiet" href="/subscriptions">"Cancel"</a> }) };
    let label = if id.is_some() { "Save changes" } else { "Create subscription" };
    let further = subscription.as_ref().filter(|_| editable).map(further_view);
    let alerts = subscription.as_ref().zip(own).map(|(subscription, own)| alerts_view(subscription.id, own, role));
    view! {
        <div class="stack">
            {(!editable).then(|| view! {
                <Notice tone=Tone::Plain>
                    <p>"You can look at these settings; an administrator can change them."</p>
                </Notice>
            })}
            <div class="card">
                <ActionForm action=save node_ref=form>
                    {id.map(|id| view! { <input type="hidden" name="input[id]" value=id /> })}
                    {revision.map(|revision| view! { <input type="hidden" name="input[revision]" value=revision /> })}
                    // What a test said is of what stood there.
                    <fieldset disabled=!editable on:input=move |_| test.clear()>
                        {general_section(subscription.as_ref(), save, failure)}
                        {connection_section(connection, failure)}
                        {schedule_section(&first, zones, plan, failure)}
                        {backup_section(subscription.as_ref(), &servers, &first, plan, failure)}
                        {editable.then(|| view! {
                            <div class="section-foot row">
                                <button class="btn primary" disabled=save.pending()>
                                    {move || if save.pending().get() { "Saving …" } else { label }}
                                </button>
                                <button type="button" class="btn needs-script" disabled=test.pending() on:click=run>
                                    {move || if test.pending().get() { "Testing …" } else { "Test connection" }}
                                </button>
                                {preview_button(plan, subscription.is_some())}
                                {cancel}
                            </div>
                            <TestResult test />
                        })}
                    </fieldset>
                </ActionForm>
            </div>
            {alerts}
            {further}
        </div>
    }
    .into_any()
}

/// Tells that it was saved; the page that opens then fetches anew.
fn say_saved(save: ServerAction<SaveSubscription>, existing: bool) {
    let (toasts, live) = (expect_context::<Toasts>(), expect_context::<Live>());
    Effect::new(move || {
        if save.value().with(|value| matches!(value, Some(Ok(_)))) {
            toasts.show(Toast::done(if existing { "Changes saved" } else { "Subscription created" }));
            live.refresh();
        }
    });
}

fn general_section(
    subscription: Option<&Subscription>,
    save: ServerAction<SaveSubscription>,
    failure: Signal<Option<AppError>>,
) -> AnyView {
    let (name, database) =
        subscription.map(|subscription| (subscription.name.clone(), subscription.database.clone())).unwrap_or_default();
    view! {
        <section class="section" aria-labelledby="general-title">
            <h2 id="general-title">"Subscription"</h2>
            <ActionFailure action=save fields=FIELDS />
            <div class="fields">
                <Field label="Customer or name" name="input[name]" value=name placeholder="Acme Trading" required=true max=200 failure />
                <Field label="Database" name="input[database]" value=database hint="The database's name in PostgreSQL and Odoo." placeholder="acme" required=true min=2 max=63 failure />
            </div>
        </section>
    }
    .into_any()
}

fn backup_section(
    subscription: Option<&Subscription>,
    servers: &ServerList,
    first: &SubscriptionInput,
    plan: PlanForm,
    failure: Signal<Option<AppError>>,
) -> AnyView {
    let kept = |label: &'static str, name: &'static str, value: u16, hint: &'static str| {
        view! { <Field label name kind="number" value=value.to_string() hint min=0 max=u32::from(MOST_KEPT) required=true failure /> }
    };
    view! {
        <section class="section" id="plan" aria-labelledby="backup-title">
            <header>
                <h2 id="backup-title">"Backups"</h2>
                <p>
                    "Kept is the last good backup of so many days, weeks and months, a zip before a dump, and never fewer than the latest ones. The others are removed after the next good backup; pinned and uploaded ones never are."
                </p>
            </header>
            <div class="fields">
                {server_field(subscription, servers, failure)} {subscription.map(standing_fields)}
            </div>
            <div class="fields short" on:change=move |_| plan.ask()>
                {kept("Daily backups", "input[daily]", first.daily, "Days that keep their last one")}
                {kept("Weekly backups", "input[weekly]", first.weekly, "Weeks, Monday to Sunday")}
                {kept("Monthly backups", "input[monthly]", first.monthly, "Calendar months")}
                {kept("Keep latest", "input[keep_latest]", first.keep_latest, "Never fewer than this many")}
            </div>
            {plan.retention_view()}
        </section>
    }
    .into_any()
}

fn server_field(
    subscription: Option<&Subscription>,
    servers: &ServerList,
    failure: Signal<Option<AppError>>,
) -> AnyView {
    let chosen = match subscription {
        Some(subscription) => subscription.server.as_ref().map(|(id, _)| *id),
        None => servers.servers.iter().find(|server| server.embedded).map(|server| server.id),
    };
    let is_chosen = |id: &str, otherwise: bool| typed::chosen(failure, "input[server]", id, otherwise);
    let none_is_chosen = is_chosen("", chosen.is_none());
    let options: Vec<_> = servers
        .servers
        .iter()
        .map(|server| {
            let (id, name) = (server.id.0.to_string(), server.name.clone());
            let selected = is_chosen(&id, chosen == Some(server.id));
            view! { <option value=id selected=selected>{name}</option> }
        })
        .collect();
    let error = Signal::derive(move || field_error(failure, "input[server]"));
    let hint = match subscription {
        Some(subscription) if subscription.backup_count > 0 => {
            "When you change it, the backups so far stay on their server."
        }
        _ => "Where backups go. Without one, none can be made.",
    };
    view! {
        <div class="field">
            <label for="input-server">"Backup server"</label>
            <select id="input-server" name="input[server]" aria-describedby="input-server-about">
                <option value="" selected=none_is_chosen>"None (not configured)"</option>
                {options}
            </select>
            <div id="input-server-about">
                <FieldError error />
                <span class="hint">{hint}</span>
            </div>
        </div>
    }
    .into_any()
}

fn standing_fields(subscription: &Subscription) -> AnyView {
    let as_of = subscription.as_of;
    let tone = state_tone(subscription.standing.state(as_of));
    let uuid = subscription.backup_uuid.map(|uuid| uuid.to_string());
    let copy = uuid.clone().map(|uuid| view! { <CopyButton text=uuid what="Backup UUID" /> });
    view! {
        <div class="field">
            <label for="backup-uuid">"Backup UUID"</label>
            <div class="with-copy">
                <input id="backup-uuid" class="mono" readonly value=uuid.unwrap_or_else(|| "assigned with the first server".to_owned()) aria-describedby="backup-uuid-about" />
                {copy}
            </div>
            <span class="hint" id="backup-uuid-about">"The repository's identity on the server. Never changes."</span>
        </div>
        <dl class="facts">
            <dt>"Backup state"</dt>
            <dd>
                <Badge tone text=standing_text(&subscription.standing, as_of) />
            </dd>
            <dt>"Backup count"</dt>
            <dd>{figures::count(subscription.backup_count)}</dd>
        </dl>
    }
    .into_any()
}

/// The recovery kit and Delete, each behind a dialog.
fn further_view(subscription: &Subscription) -> AnyView {
    let (location, query) = (use_location(), use_query_map());
    let open = move |wizard: &'static str| {
        query
            .with_untracked(|query| opened(&location.pathname.get_untracked(), query, &[("wizard", wizard.to_owned())]))
    };
    let (kit, delete) = (open("recovery-kit"), open("delete-subscription"));
    let kit = subscription.backup_uuid.is_some().then(|| {
        view! {
            <section class="section" aria-labelledby="kit-title">
                <header>
                    <h2 id="kit-title">"Recovery kit"</h2>
                    <p>"Password and commands to read these backups with the stock restic program, without Holdfast."</p>
                </header>
                <div class="row">
                    <a class="btn" href=kit data-noscroll>"Show the recovery kit"</a>
                </div>
            </section>
        }
    });
    view! {
        <div class="card">
            {kit}
            <section class="section" aria-labelledby="delete-title">
                <header>
                    <h2 id="delete-title">"Delete"</h2>
                    <p>"Ends this subscription here. The database is not touched; you decide what becomes of the backups."</p>
                </header>
                <div class="row">
                    <a class="btn danger-quiet" href=delete data-noscroll>"Delete subscription …"</a>
                </div>
            </section>
        </div>
    }
    .into_any()
}
