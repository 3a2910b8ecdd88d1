//! The wizard's second page: the import as it goes on, how it ended, and on to the restore.

use backup_api::JobState;
use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{restore_address, wizard_address};
use crate::{
    components::{Notice, Tone, fetched},
    operations::{
        Operation, OperationId,
        api::get_operation,
        following::Live,
        progress::{WorkLines, doing},
    },
    subscriptions::SubscriptionId,
    users::Role,
};

/// The page.
pub fn progress_view(subscription: SubscriptionId, id: OperationId, close: String) -> AnyView {
    let live = expect_context::<Live>();
    let operation = Resource::new(move || live.beat.get(), move |_| get_operation(id));
    let navigate = use_navigate();
    Effect::new(move || {
        // The page may go while this waits for its turn.
        let done = operation.try_with(|found| match found {
            Some(Ok(found)) if found.import.as_ref().is_some_and(|import| import.then_restore) => {
                restore_address(found)
            }
            _ => None,
        });
        if let Some(address) = done.flatten() {
            // Going back must not lead here again.
            navigate(&address, NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() });
        }
    });
    fetched(operation, move |operation, role| {
        let content = if operation.state.is_final() { ended_view(&operation) } else { running_view(&operation, role) };
        view! {
            <div class="dialog-body">{content}</div>
            <div class="dialog-foot">
                <a href=format!("/operations/{}", id.0)>"The import and its log"</a>
                <div class="row">
                    {next_view(subscription, &operation)}
                    <a class="btn" href=close.clone() data-noscroll>"Close"</a>
                </div>
            </div>
        }
        .into_any()
    })
}

fn running_view(operation: &Operation, role: Role) -> AnyView {
    let live = expect_context::<Live>();
    let (id, first) = (operation.id, operation.clone());
    let followed = Memo::new(move |_| {
        let known = live.unfinished.with(|known| known.as_ref()?.iter().find(|operation| operation.id == id).cloned());
        Some(known.unwrap_or_else(|| first.clone()))
    });
    let file = operation.import.as_ref().map(super::ImportFacts::in_words).unwrap_or_default();
    view! {
        <section class="card work-card" aria-label="Progress of the import">
            <WorkLines operation=followed as_of=operation.started_at title=doing(operation.kind).to_owned() id role log=false />
        </section>
        <p>
            <b class="file">{file}</b>
            " is read and checked as a whole before anything of it is kept. You may close this page; the import goes on."
        </p>
    }
    .into_any()
}

fn ended_view(operation: &Operation) -> AnyView {
    let file = operation.import.as_ref().map(super::ImportFacts::in_words).unwrap_or_default();
    let (tone, text) = match operation.state {
        JobState::Succeeded => (Tone::Ok, format!("{file} was checked and is a backup of this subscription now.")),
        JobState::Cancelled => (Tone::Plain, format!("The import of {file} was cancelled; nothing was kept of it.")),
        _ => (Tone::Bad, format!("{file} could not be imported.")),
    };
    let reason = operation.failure.as_ref().filter(|_| operation.state != JobState::Cancelled);
    let reason = reason.map(|failure| view! { <p>{failure.message.clone()}</p> });
    view! {
        <div role="status">
            <Notice tone>
                <p>
                    <b>{text}</b>
                </p>
                {reason}
            </Notice>
        </div>
    }
    .into_any()
}

/// Where a person goes on from here.
fn next_view(subscription: SubscriptionId, operation: &Operation) -> Option<AnyView> {
    if !operation.state.is_final() {
        return None;
    }
    if let Some(address) = restore_address(operation) {
        return Some(view! { <a class="btn primary" href=address data-noscroll>"Restore it"</a> }.into_any());
    }
    let again = wizard_address(subscription, &[]);
    Some(view! { <a class="btn" href=again data-noscroll>"Choose another file"</a> }.into_any())
}
