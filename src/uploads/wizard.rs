//! The wizard “Restore local database”: a file from this computer or from a URL becomes a backup line, and is restored
//! from there by the same wizard as every other.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use uuid::Uuid;

use super::{api::get_import_setting, progress::progress_view, upload_form, url_form, wizard_address};
use crate::{
    backups::COMMENT_CHARS,
    components::{Choice, Dialog, Guard, addresses::value, fetched, typed},
    error::AppError,
    operations::OperationId,
    subscriptions::{SubscriptionId, dialogs::close_address},
};

/// The dialog.
#[component]
pub fn ImportDialog(
    /// For which subscription.
    id: SubscriptionId,
) -> impl IntoView {
    let query = use_query_map();
    let operation = Memo::new(move |_| {
        query.with(|query| query.get_str("operation").and_then(|id| id.parse::<Uuid>().ok())).map(OperationId)
    });
    let from_url = Memo::new(move |_| query.with(|query| value(query, "source")) == "url");
    let (close, guard) = (close_address(), Guard::default());
    let content = {
        let close = close.clone();
        move || match operation.get() {
            Some(operation) => progress_view(id, operation, close.clone()),
            None => source_view(id, from_url.get(), close.clone(), guard),
        }
    };
    view! {
        <Dialog title="Restore local database" close guard>
            {content}
        </Dialog>
    }
}

/// Asked once: an upload must not be disturbed by fetching anything again.
fn source_view(id: SubscriptionId, from_url: bool, close: String, guard: Guard) -> AnyView {
    let setting = Resource::new(|| (), move |()| get_import_setting(id));
    fetched(setting, move |setting, _| {
        if from_url {
            url_form::view(id, &setting, close.clone())
        } else {
            upload_form::view(id, setting, close.clone(), guard)
        }
    })
}

/// Where the file is: a link each, so that it can be chosen without scripts.
pub fn sources_view(id: SubscriptionId, from_url: bool) -> AnyView {
    let links = [("", "Upload a file", false), ("url", "From a URL", true)].map(|(source, label, is_url)| {
        let current = (is_url == from_url).then_some("true");
        view! {
            <li>
                <a href=wizard_address(id, &[("source", source)]) aria-current=current data-noscroll>
                    {label}
                </a>
            </li>
        }
    });
    view! {
        <ul class="chips" aria-label="Where the file is">
            {links.into_iter().collect_view()}
        </ul>
    }
    .into_any()
}

/// What both sources ask for besides the file.
pub fn wishes_view(failure: Signal<Option<AppError>>) -> AnyView {
    let comment = typed::text(failure, "comment", String::new());
    let restore = typed::chosen(failure, "then_restore", "true", true);
    let keep = typed::chosen(failure, "then_restore", "false", false);
    view! {
        <div class="field">
            <label for="comment">"Comment"</label>
            <input id="comment" name="comment" value=comment maxlength=COMMENT_CHARS.to_string() autocomplete="off" aria-describedby="comment-about" />
            <span class="hint" id="comment-about">"May stay empty. The file's own name is noted in any case."</span>
        </div>
        <fieldset class="field">
            <legend class="label">"Then"</legend>
            <div class="choices">
                <Choice name="then_restore" value="true" checked=restore label="Restore it" about="Opens the restore, with its options, checks and undo." />
                <Choice name="then_restore" value="false" checked=keep label="Only keep it" about="As a backup line that can be restored later." />
            </div>
        </fieldset>
    }
    .into_any()
}

/// What will happen, as a list.
pub fn will_view(first: String) -> AnyView {
    view! {
        <ul class="will" aria-label="What will happen">
            <li>{first}</li>
            <li>"All of the file is read and checked before anything of it is kept. A damaged file is refused with the reason."</li>
            <li>"It becomes a backup of this subscription; no database is touched before you confirm its restore."</li>
        </ul>
    }
    .into_any()
}
