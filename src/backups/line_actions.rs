//! What can be done with a backup line: download, restore, comment, pin, read its log, delete.

use backup_api::BackupFormat;
use leptos::{html, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{
    BackupLine, COMMENT_CHARS, LineId, LinePage,
    api::{DeleteLine, SetPinned},
    lines::LineContext,
};
use crate::{
    components::{
        ActionFailure, Dialog, DialogEnd, Failure, Glyph, Icon, Notice, Toast, Toasts, Tone,
        addresses::{opened, settled},
        fetched, figures,
        notice::failure_of,
        typed,
    },
    error::{AppError, AppResult},
    operations::following::Live,
    restores::wizard,
    subscriptions::dialogs::close_address,
    users::Role,
};

impl LineContext {
    fn path(self) -> String {
        format!("/subscriptions/{}", self.subscription.0)
    }

    /// The page's address with something about a line opened.
    fn opened(self, open: &[(&'static str, String)]) -> String {
        self.parameters.with_untracked(|query| opened(&self.path(), query, open))
    }
}

/// A line's comment, and the form to change it while the address says so.
#[component]
pub fn Comment(
    /// What the rows share.
    context: LineContext,
    /// Which line.
    line: LineId,
    /// Its comment.
    text: String,
) -> impl IntoView {
    let edit = context.opened(&[("edit", line.0.to_string())]);
    let editing = Memo::new(move |_| context.edited.with(|edited| *edited == line.0.to_string()));
    let may_edit = context.role >= Role::Operator;
    move || {
        let text = text.clone();
        if editing.get() {
            return comment_form(context, line, text);
        }
        let edit = (may_edit && !text.is_empty()).then(|| {
            let edit = edit.clone();
            view! {
                <a class="copy" href=edit data-noscroll aria-label="Change the comment">
                    <Glyph icon=Icon::Pencil size=13 />
                </a>
            }
        });
        view! {
            <span class="sub row tight">
                {text}
                {edit}
            </span>
        }
        .into_any()
    }
}

fn comment_form(context: LineContext, line: LineId, text: String) -> AnyView {
    let action = context.comment;
    let close = context.parameters.with_untracked(|query| settled(&context.path(), query));
    let navigate = use_navigate();
    let input = NodeRef::<html::Input>::new();
    let text = typed::text(failure_of(action), "comment", text);
    let before = action.version().get_untracked();
    let back = close.clone();
    let leave = move || navigate(&back, NavigateOptions { scroll: false, replace: true, ..NavigateOptions::default() });
    let end = leave.clone();
    Effect::new(move || {
        if let Some(input) = input.get() {
            context.typing.set(true);
            let _ = input.focus();
        }
    });
    on_cleanup(move || {
        context.typing.try_set(false);
    });
    Effect::new(move || {
        let done = action.version().get() > before && action.value().with(|value| matches!(value, Some(Ok(()))));
        if done {
            end();
        }
    });
    view! {
        <ActionForm action attr:class="editing row">
            <input type="hidden" name="line" value=line.0.to_string() />
            <input
                node_ref=input
                name="comment"
                value=text
                maxlength=COMMENT_CHARS.to_string()
                aria-label="Comment"
                autocomplete="off"
                on:keydown=move |event| {
                    if event.key() == "Escape" {
                        leave();
                    }
                }
            />
            <button class="btn small primary" disabled=action.pending()>"Save"</button>
            <a class="btn small quiet" href=close data-noscroll>"Cancel"</a>
            <ActionFailure action />
        </ActionForm>
    }
    .into_any()
}

/// Download, restore and the menu of everything else.
#[component]
pub fn LineMenu(
    /// What the rows share.
    context: LineContext,
    /// The line.
    line: BackupLine,
) -> impl IntoView {
    let operator = context.role >= Role::Operator;
    let id = line.id.0.to_string();
    let menu = format!("menu-{id}");
    let download = format!("/lines/{id}/download");
    let usable = line.is_usable() && operator;
    let main = usable.then(|| {
        let (label, restores) = (format!("Download {}", line.name), format!("Restore {}", line.name));
        view! {
            <a class="btn small" href=download.clone() rel="external" aria-label=label>
                "Download"
            </a>
            <a class="btn small" href=context.opened(&wizard::parameters(&line)) data-noscroll aria-label=restores>
                "Restore"
            </a>
        }
    });
    let smaller = (usable && line.format == BackupFormat::Zip).then(|| {
        view! {
            <li>
                <a href=format!("{download}?compression=deflated") rel="external">
                    <Glyph icon=Icon::Download />
                    "Download, compressed"
                </a>
            </li>
        }
    });
    let log = line.operation.map(|operation| {
        view! {
            <li>
                <a href=format!("/operations/{}", operation.0)>
                    <Glyph icon=Icon::Log />
                    "Log"
                </a>
            </li>
        }
    });
    let changes = operator.then(|| changes_view(context, &line));
    let empty = smaller.is_none() && log.is_none() && changes.is_none();
    let element = NodeRef::<html::Div>::new();
    // Whatever is chosen, the menu has done its work.
    let hide = move |_| {
        if let Some(element) = element.get_untracked() {
            let _ = element.hide_popover();
        }
    };
    let more = (!empty).then(|| {
        view! {
            <button type="button" class="btn small quiet icon" popovertarget=menu.clone() aria-label=format!("More for {}", line.name)>
                <Glyph icon=Icon::More size=18 />
            </button>
            <div class="menu" id=menu popover="auto" node_ref=element on:click=hide>
                <ul>{smaller} {log} {changes}</ul>
            </div>
        }
    });
    view! { <div class="actions">{main} {more}</div> }
}

fn changes_view(context: LineContext, line: &BackupLine) -> AnyView {
    let id = line.id.0.to_string();
    let edit = context.opened(&[("edit", id.clone())]);
    let delete = context.opened(&[("wizard", "delete-backup".to_owned()), ("line", id.clone())]);
    let words = if line.comment.is_empty() { "Add a comment" } else { "Change the comment" };
    let pin_words = if line.pinned { "Unpin" } else { "Pin: never remove by itself" };
    let (usable, pinned) = (line.is_usable(), line.pinned);
    let delete_words = if line.is_usable() { "Delete …" } else { "Remove this line …" };
    view! {
        <li>
            <a href=edit data-noscroll>
                <Glyph icon=Icon::Pencil />
                {words}
            </a>
        </li>
        {(usable || pinned).then(|| view! {
            <li>
                <ActionForm action=context.pin>
                    <input type="hidden" name="line" value=id />
                    <input type="hidden" name="pinned" value=(!pinned).to_string() />
                    <button>
                        <Glyph icon=Icon::Pin />
                        {pin_words}
                    </button>
                </ActionForm>
            </li>
        })}
        <li>
            <a class="danger" href=delete data-noscroll>
                <Glyph icon=Icon::Bin />
                {delete_words}
            </a>
        </li>
    }
    .into_any()
}

/// Asks before a backup is deleted.
#[component]
pub fn DeleteLineDialog(
    /// Its identity as the address has it.
    line: String,
    /// The lines on the page.
    page: Resource<AppResult<LinePage>>,
    /// Unpins it: a pinned one is not deleted.
    pin: ServerAction<SetPinned>,
) -> impl IntoView {
    let delete = ServerAction::<DeleteLine>::new();
    let (live, toasts, navigate) = (expect_context::<Live>(), expect_context::<Toasts>(), use_navigate());
    let close = close_address();
    let back = close.clone();
    Effect::new(move || {
        if delete.value().with(|value| matches!(value, Some(Ok(())))) {
            toasts.show(Toast::done("Deleted"));
            live.refresh();
            navigate(&back, NavigateOptions { scroll: false, replace: true, ..NavigateOptions::default() });
        }
    });
    view! {
        <Dialog title="Delete this backup?" close=close.clone()>
            {fetched(page, move |page, role| {
                let found = page.lines.into_iter().find(|other| other.id.0.to_string() == line);
                match found.filter(|_| role >= Role::Operator) {
                    Some(line) if line.pinned => unpin_form(&line, pin, close.clone()),
                    Some(line) => delete_form(&line, delete, close.clone()),
                    None => gone_view(close.clone()),
                }
            })}
        </Dialog>
    }
}

fn gone_view(close: String) -> AnyView {
    view! {
        <div class="dialog-body">
            <Failure error=AppError::not_found("This backup") />
        </div>
        <div class="dialog-foot">
            <div class="row">
                <a class="btn" href=close data-noscroll>"Close"</a>
            </div>
        </div>
    }
    .into_any()
}

/// Which backup it is about.
fn named_view(line: &BackupLine) -> impl IntoView + use<> {
    let size = line.size_bytes.map(|bytes| format!(" · {} MB", figures::megabytes(bytes))).unwrap_or_default();
    let comment = (!line.comment.is_empty()).then(|| format!(" · {}", line.comment));
    view! {
        <p>
            <b class="file">{line.name.clone()}</b>
            {size}
            {comment}
        </p>
    }
}

/// In place of a deletion that would be refused. Once it is unpinned, the dialog asks about deleting it.
fn unpin_form(line: &BackupLine, pin: ServerAction<SetPinned>, close: String) -> AnyView {
    let (id, named) = (line.id.0.to_string(), named_view(line));
    view! {
        <ActionForm action=pin>
            <input type="hidden" name="line" value=id />
            <input type="hidden" name="pinned" value="false" />
            <div class="dialog-body">
                <ActionFailure action=pin />
                {named}
                <Notice tone=Tone::Warn>
                    <p>"It is pinned: somebody wanted to keep it. Unpin it first, then it can be deleted."</p>
                </Notice>
            </div>
            <DialogEnd close deed="Unpin" doing="Unpinning …" pending=pin.pending() />
        </ActionForm>
    }
    .into_any()
}

fn delete_form(line: &BackupLine, delete: ServerAction<DeleteLine>, close: String) -> AnyView {
    let (tone, warning) = if line.is_usable() {
        (Tone::Bad, "It is removed from its backup server for good. Nobody can bring it back.")
    } else {
        (Tone::Plain, "There is no file behind this line; only the line is removed. The operation's log stays.")
    };
    let (id, named) = (line.id.0.to_string(), named_view(line));
    view! {
        <ActionForm action=delete>
            <input type="hidden" name="line" value=id />
            <div class="dialog-body">
                <ActionFailure action=delete />
                {named}
                <Notice tone>
                    <p>{warning}</p>
                </Notice>
            </div>
            <DialogEnd close deed="Delete" doing="Deleting …" pending=delete.pending() danger=true />
        </ActionForm>
    }
    .into_any()
}
