//! The wizard that makes a backup: what it will hold, and a comment.

use leptos::{html, prelude::*};

use super::{COMMENT_CHARS, api::CreateBackup};
use crate::{
    components::{
        ActionFailure, Choice, Dialog, DialogEnd, Failure, FieldError, Notice, Tone, fetched, field::field_error,
        figures, notice::failure_of, typed,
    },
    error::{AppError, AppResult},
    subscriptions::{ConnectionView, Subscription, SubscriptionId, dialogs::close_address},
    users::Role,
};

/// The dialog.
#[component]
pub fn CreateDialog(
    /// Of which subscription.
    id: SubscriptionId,
    /// What is known of it.
    subscription: Resource<AppResult<Subscription>>,
) -> impl IntoView {
    let create = ServerAction::<CreateBackup>::new();
    let close = close_address();
    view! {
        <Dialog title="Create backup" close=close.clone()>
            {fetched(subscription, move |subscription, role| match (role >= Role::Operator, &subscription.server) {
                (false, _) => refusal(AppError::Forbidden { needed: "operator".to_owned() }),
                (_, None) => refusal(AppError::Conflict(
                    "This subscription has no backup server. Choose one on its General tab first.".to_owned(),
                )),
                (true, Some((_, server))) => form_view(&subscription, server, id, create, close.clone()),
            })}
        </Dialog>
    }
}

fn refusal(error: AppError) -> AnyView {
    view! {
        <div class="dialog-body">
            <Failure error />
        </div>
    }
    .into_any()
}

fn form_view(
    subscription: &Subscription,
    server: &str,
    id: SubscriptionId,
    create: ServerAction<CreateBackup>,
    close: String,
) -> AnyView {
    let reads = format!("{server} reads {} while it stays in use; nobody is signed out.", subscription.database);
    let expectation = expectation(subscription);
    let without_filestore =
        matches!(&subscription.connection, ConnectionView::Postgres { filestore, .. } if filestore.is_empty());
    let failure = failure_of(create);
    let comment = comment_area(typed::text(failure, "comment", String::new()));
    let error = Signal::derive(move || field_error(failure, "comment"));
    let hint = format!(
        "May stay empty. At most {} characters; you can change it later.",
        figures::count(COMMENT_CHARS as u64)
    );
    let is_zip = typed::chosen(failure, "format", "zip", true);
    let is_dump = typed::chosen(failure, "format", "dump", false);
    view! {
        <ActionForm action=create>
            <input type="hidden" name="subscription" value=id.0.to_string() />
            <div class="dialog-body">
                <ActionFailure action=create fields=&["comment"] />
                <fieldset class="field">
                    <legend class="label">"What to back up"</legend>
                    <div class="choices">
                        <Choice name="format" value="zip" checked=is_zip label="Database and filestore" about="A zip that Odoo restores, with every attachment." autofocus=true />
                        <Choice name="format" value="dump" checked=is_dump label="Database only" about="A dump for pg_restore. Attachments in files are not in it." />
                    </div>
                </fieldset>
                {without_filestore.then(|| view! {
                    <Notice tone=Tone::Warn>
                        <p>"No filestore folder is set for this subscription: a zip can be made only while the database has no attachments in files."</p>
                    </Notice>
                })}
                <div class="field">
                    <label for="comment">"Comment"</label>
                    {comment}
                    <div id="comment-about">
                        <FieldError error />
                        <span class="hint">{hint}</span>
                    </div>
                </div>
                <ul class="will" aria-label="What will happen">
                    <li>{reads}</li>
                    <li>"Everything is verified. A backup that is not complete is not kept and counts as failed."</li>
                    <li>{expectation}</li>
                </ul>
            </div>
            <DialogEnd close deed="Create backup" doing="Starting …" pending=create.pending() />
        </ActionForm>
    }
    .into_any()
}

/// With no child at all when it is empty: a child would hide the example.
fn comment_area(typed: String) -> AnyView {
    let area = html::textarea()
        .id("comment")
        .name("comment")
        .aria_describedby("comment-about")
        .rows(2)
        .maxlength(COMMENT_CHARS.to_string())
        .placeholder("before the 18.0.2 upgrade");
    if typed.is_empty() { area.into_any() } else { area.child(typed).into_any() }
}

/// What it will take, as far as that is known.
fn expectation(subscription: &Subscription) -> String {
    match subscription.latest_bytes {
        Some(bytes) => format!(
            "The latest file has {} MB; only what changed since is added to storage.",
            figures::megabytes(bytes)
        ),
        None => "It is the first: everything is read and stored. Later ones only add what changed.".to_owned(),
    }
}
