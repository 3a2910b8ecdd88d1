//! Dialogs of a subscription: delete it, and the recovery kit.

use backup_api::RecoveryKit;
use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_query_map};

use super::{Subscription, SubscriptionId, api::DeleteSubscription};
use crate::{
    backups::{ServerKit, api::recovery_kits},
    components::{
        ActionFailure, Choice, CopyButton, Dialog, DialogEnd, Field, Notice, Tone, addresses::settled, fetched,
        figures, notice::failure_of, typed,
    },
    error::AppResult,
};

/// Asks before a subscription is deleted, by its name when it has backups, and what becomes of them.
#[component]
pub fn DeleteDialog(
    /// Which.
    id: SubscriptionId,
    /// What is known of it.
    subscription: Resource<AppResult<Subscription>>,
) -> impl IntoView {
    let delete = ServerAction::<DeleteSubscription>::new();
    let close = close_address();
    view! {
        <Dialog title="Delete this subscription?" close=close.clone()>
            {fetched(subscription, move |subscription, _| delete_form(&subscription, id, delete, close.clone()))}
        </Dialog>
    }
}

/// The address of the page without its dialog.
pub fn close_address() -> String {
    let (location, query) = (use_location(), use_query_map());
    query.with_untracked(|query| settled(&location.pathname.get_untracked(), query))
}

fn delete_form(
    subscription: &Subscription,
    id: SubscriptionId,
    delete: ServerAction<DeleteSubscription>,
    close: String,
) -> AnyView {
    let failure = failure_of(delete);
    let name = &subscription.name;
    let keep = typed::chosen(failure, "delete_backups", "false", true);
    let remove = typed::chosen(failure, "delete_backups", "true", false);
    let with_backups = (subscription.held_count > 0).then(|| {
        let backups = figures::counted(subscription.held_count, "backup");
        let stored = figures::size(subscription.stored_bytes);
        let (has, called) = (format!("{name} has {backups}"), format!("Its name is “{name}”."));
        view! {
            <Notice tone=Tone::Bad>
                <p>
                    <b>{has}</b>
                    {format!(", {stored} in storage. Decide what becomes of them.")}
                </p>
            </Notice>
            <fieldset class="field">
                <legend class="label">"Its backups"</legend>
                <div class="choices">
                    <Choice name="delete_backups" value="false" checked=keep label="Keep them" about="They stay on their servers. A new subscription with the same name and database, on one of these servers, finds them again." />
                    <Choice name="delete_backups" value="true" checked=remove label="Delete them" about="They are gone for good. Nobody can bring them back." />
                </div>
            </fieldset>
            <Field
                label="Type the subscription's name to confirm"
                name="typed_name"
                hint=called
                required=true
                failure
            />
        }
    });
    let without = (subscription.held_count == 0).then(|| {
        let none = format!("{name} has no backups.");
        view! { <p>{none}</p> }
    });
    view! {
        <ActionForm action=delete>
            <input type="hidden" name="id" value=id.0.to_string() />
            <div class="dialog-body">
                <ActionFailure action=delete fields=&["typed_name"] />
                <p>"The database itself is not touched. Its settings here, the list of its backups and its schedule end."</p>
                {without}
                {with_backups}
            </div>
            <DialogEnd close deed="Delete subscription" doing="Deleting …" pending=delete.pending() danger=true />
        </ActionForm>
    }
    .into_any()
}

/// How to read the backups without Holdfast.
#[component]
pub fn RecoveryKitDialog(
    /// Whose.
    id: SubscriptionId,
) -> impl IntoView {
    let kits = Resource::new(|| (), move |()| recovery_kits(id));
    let close = close_address();
    view! {
        <Dialog title="Recovery kit" close=close.clone()>
            <div class="dialog-body">
                <p>
                    "With this, the backups can be read with the stock "<code>"restic"</code>
                    " program if Holdfast were gone. Keep it somewhere safe that is not this machine."
                </p>
                {fetched(kits, |kits, _| kits.into_iter().map(server_view).collect_view().into_any())}
            </div>
            <div class="dialog-foot">
                <span class="muted">"That you looked is written to the action log"</span>
                <div class="row">
                    <a class="btn" href=close data-noscroll>"Close"</a>
                </div>
            </div>
        </Dialog>
    }
}

/// One server's kit under its name, or why it could not be had.
fn server_view(ServerKit { server, kit }: ServerKit) -> AnyView {
    let content = match kit {
        Ok(kit) => kit_view(&server, &kit),
        Err(error) => view! {
            <Notice tone=Tone::Warn>
                <p>{error.to_string()}</p>
            </Notice>
        }
        .into_any(),
    };
    view! {
        <div class="stack tight">
            <h3>{server}</h3>
            {content}
        </div>
    }
    .into_any()
}

fn kit_view(server: &str, kit: &RecoveryKit) -> AnyView {
    let password = kit.password.reveal().to_owned();
    // On the screen the password shows on demand only; what is copied works as it is.
    let commands = kit.instructions.replace(&password, "(the password)");
    view! {
        <dl class="facts">
            <dt>"Repository"</dt>
            <dd>
                <code>{kit.location.clone()}</code>
            </dd>
            <dt>"Password"</dt>
            <dd class="row">
                <details>
                    <summary>"Show the password"</summary>
                    <code>{password.clone()}</code>
                </details>
                <CopyButton text=password what="the password" />
            </dd>
        </dl>
        <div class="stack tight">
            <div class="row apart">
                <h4>"What to do"</h4>
                <CopyButton text=kit.instructions.clone() what="the commands" />
            </div>
            <pre class="pre" role="region" tabindex="0" aria-label=format!("Commands for {server}")>
                {commands}
            </pre>
        </div>
    }
    .into_any()
}
