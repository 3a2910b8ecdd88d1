//! A running operation: its phase, how far it is, how fast, how long it still takes, and Cancel.

use backup_api::JobState;
use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{Operation, OperationId, OperationKind, api::CancelOperation, following::Live};
use crate::{
    components::{ActionFailure, Badge, Bar, Session, Toast, Tone, badge::job_state, figures},
    subscriptions::SubscriptionId,
    users::Role,
};

/// Cards of the work under way for one subscription, or for all.
#[component]
pub fn Works(
    /// Whose; `None` for everybody's.
    subscription: Option<SubscriptionId>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let session = expect_context::<Session>();
    view! {
        <Transition>
            {move || Suspend::new(async move {
                let role = session.role().await;
                let first = live.first.await.ok();
                let as_of = first.as_ref().map(|page| page.as_of);
                let first = first.map(|page| page.operations).unwrap_or_default();
                let works = Memo::new(move |_| live.unfinished(&first, subscription));
                let ids = move || works.with(|works| works.iter().map(|operation| operation.id).collect::<Vec<_>>());
                view! {
                    <div class="works">
                        <For each=ids key=|id| *id let(id)>
                            {work_card(works, id, as_of, role, subscription.is_none())}
                        </For>
                    </div>
                }
            })}
        </Transition>
    }
}

fn work_card(
    works: Memo<Vec<Operation>>,
    id: OperationId,
    as_of: Option<DateTime<Utc>>,
    role: Role,
    named: bool,
) -> AnyView {
    let operation = Memo::new(move |_| works.with(|works| works.iter().find(|work| work.id == id).cloned()));
    let (kind, name) = operation.with_untracked(|operation| {
        operation.as_ref().map(|operation| (operation.kind, operation.subscription_name.clone())).unzip()
    });
    let (kind, name) = (kind.unwrap_or(OperationKind::Backup), name.filter(|_| named).unwrap_or_default());
    let (of, title) =
        if named { (format!(" of {name}"), format!("{} {name}", doing(kind))) } else { (name, doing(kind).to_owned()) };
    view! {
        <section class="card work-card" aria-label=format!("{}{of} under way", kind.label())>
            <WorkLines operation as_of title id role log=true />
        </section>
    }
    .into_any()
}

/// The lines of a running operation's card.
#[component]
pub fn WorkLines(
    /// The operation; `None` once it is over.
    operation: Memo<Option<Operation>>,
    /// When the panel answered, for the time that has passed until the browser reckons the server's clock.
    as_of: Option<DateTime<Utc>>,
    /// What is done.
    title: String,
    /// Its identity.
    id: OperationId,
    /// What the person may do.
    role: Role,
    /// Whether to link to the log.
    log: bool,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let cancel = ServerAction::<CancelOperation>::new();
    let percent = Signal::derive(move || operation.with(|operation| operation.as_ref().and_then(percent_done)));
    let phase = Memo::new(move |_| operation.with(|operation| operation.as_ref().map(phase_text)));
    let figures = move || {
        let now = live.now.get().or(as_of);
        operation.with(|operation| operation.as_ref().map(|operation| figures_text(operation, now)))
    };
    let may_cancel = role >= Role::Operator;
    view! {
        <div class="row apart">
            <div>
                <b>{title}</b>
                " "
                // Only the phase is read out as it changes; the figures change too often.
                <span class="muted" aria-live="polite">{phase}</span>
            </div>
            <div class="row">
                {log.then(|| view! { <a class="btn small" href=format!("/operations/{}", id.0)>"Log"</a> })}
                {may_cancel
                    .then(|| {
                        view! {
                            <ActionForm action=cancel>
                                <input type="hidden" name="id" value=id.0.to_string() />
                                <button class="btn small" disabled=cancel.pending()>
                                    {move || if cancel.version().get() > 0 { "Cancelling …" } else { "Cancel" }}
                                </button>
                            </ActionForm>
                        }
                    })}
            </div>
        </div>
        <Bar percent label="Progress of this phase" />
        <p>{figures}</p>
        <ActionFailure action=cancel />
    }
}

/// What an operation of this kind does, in a word or two.
pub const fn doing(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Backup => "Backing up",
        OperationKind::Restore => "Restoring",
        OperationKind::Undo => "Undoing a restore",
        OperationKind::Verify => "Verifying",
        OperationKind::Import => "Importing",
        OperationKind::Retention => "Removing backups",
    }
}

/// What an operation is: `Backup of Acme Trading`.
pub fn title(operation: &Operation) -> String {
    let what = match operation.kind {
        OperationKind::Undo => "Undo of a restore",
        kind => kind.label(),
    };
    format!("{what} of {}", operation.subscription_name)
}

/// Percent of the phase, where its size is known.
fn percent_done(operation: &Operation) -> Option<u64> {
    operation.progress.total_bytes.map(|total| figures::percent(operation.progress.done_bytes, total))
}

/// The phase in words; a queued operation says what it waits for.
pub fn phase_text(operation: &Operation) -> String {
    if operation.state == JobState::Queued {
        "Waiting for its turn".to_owned()
    } else {
        operation.phase.label().to_owned()
    }
}

/// `412.0 of 1,190.0 MB · 96.0 MB/s · 12 s · about 9 s left`.
pub fn figures_text(operation: &Operation, now: Option<DateTime<Utc>>) -> String {
    let mut parts = Vec::new();
    let (done, total) = (operation.progress.done_bytes, operation.progress.total_bytes);
    parts.extend(figures::moved(done, total));
    parts.extend(figures::speed(operation.bytes_per_second));
    if let (Some(started), Some(now)) = (operation.started_at, now) {
        parts.push(format!("running for {}", figures::duration(figures::seconds_between(started, now))));
    }
    parts.extend(figures::left(done, total, operation.bytes_per_second));
    parts.join(" · ")
}

/// What is told when an operation ends.
pub fn end_toast(operation: &Operation) -> Toast {
    let (tone, end) = match operation.state {
        JobState::Succeeded => (Tone::Ok, "is complete"),
        JobState::Cancelled => (Tone::Plain, "was cancelled"),
        JobState::Interrupted => (Tone::Bad, "was interrupted"),
        _ => (Tone::Bad, "failed"),
    };
    let text = operation.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
    let text = match (operation.state, operation.kind) {
        (JobState::Cancelled, kind) if kind.makes_line() => "Nothing was kept.".to_owned(),
        _ => text,
    };
    let title = format!("{} {end}", title(operation));
    Toast { tone, title, text, link: Some((format!("/operations/{}", operation.id.0), "Read the log")) }
}

/// An operation's state as a badge.
#[component]
pub fn StateBadge(
    /// The state.
    state: JobState,
) -> impl IntoView {
    let (tone, text) = job_state(state);
    view! { <Badge tone text /> }
}

#[cfg(test)]
mod tests {
    use backup_api::{Failure, FailureCode};
    use chrono::TimeDelta;

    use super::*;
    use crate::operations::following::tests::operation;

    #[test]
    fn figures_tell_what_is_known_and_nothing_else() {
        let mut work = operation(1, JobState::Running);
        let now = work.started_at.map(|started| started + TimeDelta::seconds(12));
        assert_eq!(figures_text(&work, now), "412.0 of 1,190.0 MB · 96.0 MB/s · running for 12 s · about 9 s left");
        assert_eq!(percent_done(&work), Some(34));
        work.progress.total_bytes = None;
        work.bytes_per_second = None;
        assert_eq!(figures_text(&work, None), "412.0 MB");
        assert_eq!(percent_done(&work), None);
        work.progress.done_bytes = 0;
        assert_eq!(figures_text(&work, None), "");
    }

    #[test]
    fn a_failure_is_told_with_its_reason_and_stays() {
        let mut work = operation(1, JobState::Failed);
        work.failure = Some(Failure { code: FailureCode::PgDump, message: "pg_dump ended with status 1.".to_owned() });
        let toast = end_toast(&work);
        assert_eq!((toast.tone, toast.text.as_str()), (Tone::Bad, "pg_dump ended with status 1."));
        assert_eq!(toast.title, "Backup of Acme Trading failed");
        assert_eq!(end_toast(&operation(1, JobState::Cancelled)).text, "Nothing was kept.");
    }
}
