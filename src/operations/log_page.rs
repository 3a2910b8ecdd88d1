//! One operation: how it stands, why it failed, and its log.

use backup_api::{JobState, LogLevel, LogLine};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use uuid::Uuid;

use super::{
    Operation, OperationId,
    api::{get_operation, operation_log},
    following::Live,
    list_page::duration_text,
    progress::{StateBadge, WorkLines, doing, title},
};
use crate::{
    components::{Head, Moment, Notice, Tone, addresses::value, fetched, moment::Style},
    error::{AppError, AppResult},
    restores::{steps_view, summary, undo_dialog},
    uploads::{ImportFacts, restore_address},
    users::Role,
};

type Shown = (Operation, Vec<LogLine>, DateTime<Utc>);

/// The page of an operation.
#[component]
pub fn OperationPage() -> impl IntoView {
    let parameters = use_params_map();
    let live = expect_context::<Live>();
    let id = Memo::new(move |_| {
        parameters.with(|parameters| parameters.get_str("id").and_then(|id| id.parse::<Uuid>().ok()))
    });
    // Besides the minute's beat, the log is fetched again when the operation enters another phase.
    let phase = Memo::new(move |_| {
        let id = id.get().map(OperationId);
        live.unfinished.with(|known| {
            known
                .iter()
                .flatten()
                .find(|operation| Some(operation.id) == id)
                .map(|operation| (operation.state, operation.phase))
        })
    });
    let shown = Resource::new(move || (id.get(), live.beat.get(), phase.get()), |(id, ..)| load(id.map(OperationId)));
    let query = use_query_map();
    let asks = Memo::new(move |_| query.with(|query| value(query, "wizard")) == "undo");
    fetched(shown, move |shown, role| page_view(shown, role, asks))
}

async fn load(id: Option<OperationId>) -> AppResult<Shown> {
    let id = id.ok_or_else(|| AppError::not_found("This operation"))?;
    let operation = get_operation(id).await?;
    let log = operation_log(id).await?;
    let as_of =
        [Some(operation.created_at), operation.started_at, operation.finished_at, log.last().map(|line| line.at)];
    let as_of = as_of.into_iter().flatten().max().unwrap_or(operation.created_at);
    Ok((operation, log, as_of))
}

fn page_view((operation, log, as_of): Shown, role: Role, asks: Memo<bool>) -> AnyView {
    let title = title(&operation);
    let asked = operation.clone();
    let badge = view! { <StateBadge state=operation.state /> }.into_any();
    let failure = operation.failure.clone().map(|failure| {
        let tone = if operation.state == JobState::Cancelled { Tone::Plain } else { Tone::Bad };
        view! {
            <Notice tone>
                <p>{failure.message}</p>
            </Notice>
        }
    });
    let outcome = summary::outcome_view(&operation, as_of, role);
    let ended_steps = (operation.state.is_final() && operation.state != JobState::Succeeded)
        .then(|| steps_view(&operation).map(|steps| view! { <div class="card padded">{steps}</div> }));
    let running = (!operation.state.is_final()).then(|| running_view(&operation, as_of, role));
    view! {
        <Head title back=("/operations", "Operations") beside=badge />
        {move || (role >= Role::Operator && asks.get()).then(|| undo_dialog::dialog_view(&asked)).flatten()}
        <div class="stack">
            {running} {failure} {ended_steps} {outcome}
            <div class="card padded">{facts_view(&operation, as_of)}</div>
            <section class="stack tight" aria-labelledby="log-title">
                <h2 id="log-title">"Log"</h2>
                {log_view(log, as_of)}
            </section>
        </div>
    }
    .into_any()
}

fn running_view(operation: &Operation, as_of: DateTime<Utc>, role: Role) -> impl IntoView + use<> {
    let live = expect_context::<Live>();
    let (id, first) = (operation.id, operation.clone());
    let followed = Memo::new(move |_| {
        live.unfinished.with(|known| match known {
            Some(known) => known.iter().find(|operation| operation.id == id).cloned(),
            None => Some(first.clone()),
        })
    });
    let steps = move || followed.with(|operation| operation.as_ref().and_then(steps_view));
    view! {
        <section class="card work-card" aria-label="Progress">
            <WorkLines operation=followed as_of=Some(as_of) title=doing(operation.kind).to_owned() id role log=false />
            {steps}
        </section>
    }
}

fn facts_view(operation: &Operation, as_of: DateTime<Utc>) -> impl IntoView + use<> {
    let subscription = operation.subscription_name.clone();
    let subscription = match operation.subscription {
        Some(id) => view! { <a href=format!("/subscriptions/{}", id.0)>{subscription}</a> }.into_any(),
        None => subscription.into_any(),
    };
    let moment = |at: Option<DateTime<Utc>>| match at {
        Some(at) => view! { <Moment at as_of style=Style::Full /> }.into_any(),
        None => "–".into_any(),
    };
    let last_phase = (operation.state != JobState::Succeeded).then(|| {
        view! {
            <dt>"Last phase"</dt>
            <dd>{operation.phase.label()}</dd>
        }
    });
    let import = operation.import.as_ref().map(|import| import_rows(import, restore_address(operation)));
    let restore = operation.restore.as_ref().map(|facts| summary::facts_rows(operation.kind, facts, as_of));
    let (live, timed) = (expect_context::<Live>(), operation.clone());
    let duration = move || duration_text(&timed, live.now.get().unwrap_or(as_of));
    view! {
        <dl class="facts">
            <dt>"Subscription"</dt>
            <dd>{subscription}</dd>
            {restore}
            {import}
            <dt>"Backup server"</dt>
            <dd>{operation.server.clone()}</dd>
            <dt>"Asked by"</dt>
            <dd>{operation.asked_by.clone()}</dd>
            <dt>"Asked for"</dt>
            <dd>{moment(Some(operation.created_at))}</dd>
            <dt>"Began"</dt>
            <dd>{moment(operation.started_at)}</dd>
            <dt>"Ended"</dt>
            <dd>{moment(operation.finished_at)}</dd>
            <dt>"Duration"</dt>
            <dd>{duration}</dd>
            {last_phase}
        </dl>
    }
}

/// Which file an import is about, and the way to its restore.
fn import_rows(import: &ImportFacts, restore: Option<String>) -> AnyView {
    let restore = restore.map(|address| {
        view! {
            " · "
            <a href=address>"Restore it"</a>
        }
    });
    view! {
        <dt>"File"</dt>
        <dd>
            <span class="file">{import.in_words()}</span>
            {restore}
        </dd>
    }
    .into_any()
}

fn log_view(log: Vec<LogLine>, as_of: DateTime<Utc>) -> AnyView {
    if log.is_empty() {
        return view! { <p class="muted">"Nothing has been written yet."</p> }.into_any();
    }
    let lines: Vec<_> = log
        .into_iter()
        .map(|line| {
            let (class, level) = level(line.level);
            view! {
                <li class=class>
                    <Moment at=line.at as_of style=Style::Time />
                    <span class="level">{level}</span>
                    <span>{line.message}</span>
                </li>
            }
        })
        .collect();
    view! { <ol class="card log">{lines}</ol> }.into_any()
}

const fn level(level: LogLevel) -> (&'static str, &'static str) {
    match level {
        LogLevel::Info => ("info", "Info"),
        LogLevel::Warn => ("warn", "Warning"),
        LogLevel::Error => ("error", "Error"),
    }
}
