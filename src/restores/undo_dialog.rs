//! Undoing a restore: the dialog that asks, and the notice on the subscription's page while it is possible.

use leptos::prelude::*;

use super::{RestoreFacts, Undo, api::UndoRestore, summary};
use crate::{
    components::{ActionFailure, Dialog, DialogEnd, Field, Moment, Notice, Tone, fetched_beside, notice::failure_of},
    operations::{Operation, OperationFilter, api::list_operations, following::Live},
    subscriptions::{SubscriptionId, dialogs::close_address},
};

/// The dialog; `None` when this operation's restore cannot be undone.
pub fn dialog_view(operation: &Operation) -> Option<AnyView> {
    let facts = operation.restore.as_ref()?;
    let Undo::Offered { until } = facts.undo else { return None };
    let undo = ServerAction::<UndoRestore>::new();
    let close = close_address();
    let failure = failure_of(undo);
    let (id, database) = (facts.restore.0.to_string(), facts.database.clone());
    let hint = format!("Its name is “{database}”.");
    let words = format!("Bring {database} back");
    let (back, consequence) = (close.clone(), consequence(operation, facts));
    Some(
        view! {
            <Dialog title="Undo this restore?" close>
                <ActionForm action=undo>
                    <input type="hidden" name="operation" value=id />
                    <div class="dialog-body">
                        <ActionFailure action=undo fields=&["typed_name"] />
                        {consequence}
                        <p class="muted">
                            "Possible until "
                            <Moment at=until as_of=until />
                            "."
                        </p>
                        <Field
                            label="Type the database's name to confirm"
                            name="typed_name"
                            hint
                            required=true
                            failure
                        />
                    </div>
                    <DialogEnd close=back deed=words doing="Starting …" pending=undo.pending() danger=true />
                </ActionForm>
            </Dialog>
        }
        .into_any(),
    )
}

fn consequence(operation: &Operation, facts: &RestoreFacts) -> AnyView {
    let database = &facts.database;
    let title = format!("{database} becomes what it was before this restore.");
    let more = format!(" The database that was restored from {} is removed.", facts.line_name);
    let since = operation.finished_at.map(|at| {
        view! {
            <p>
                "What was entered since the restore, "
                <Moment at as_of=at />
                ", will no longer be there. This cannot be undone again; the backup stays."
            </p>
        }
    });
    view! {
        <Notice tone=Tone::Bad>
            <p>
                <b>{title}</b>
                {more}
            </p>
            {since}
        </Notice>
    }
    .into_any()
}

/// Offers the undo of a subscription's latest restore while that is possible.
#[component]
pub fn UndoOffer(
    /// Whose.
    subscription: SubscriptionId,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let operations = Resource::new(
        move || live.beat.get(),
        move |_| list_operations(OperationFilter::Restores, Some(subscription), 0),
    );
    fetched_beside(operations, move |page, role| {
        let offered = page.operations.iter().filter_map(|operation| operation.restore.as_ref()).find_map(|facts| {
            match facts.undo {
                Undo::Offered { until } => Some(summary::offer_view(facts, until, page.as_of, role)),
                _ => None,
            }
        });
        view! { <div class="works">{offered}</div> }.into_any()
    })
}
