//! The wizard's source “Upload a file”: choose or drop it, follow it, pause it, go on.

use leptos::{ev, html, prelude::*};

use super::{
    ImportSetting, OpenUpload,
    api::ImportUpload,
    transfer::{Act, Stage, Transfer},
    wizard::{sources_view, will_view, wishes_view},
};
use crate::{
    components::{ActionFailure, Bar, Guard, Notice, Tone, figures},
    subscriptions::SubscriptionId,
};

/// The form.
pub fn view(id: SubscriptionId, setting: ImportSetting, close: String, guard: Guard) -> AnyView {
    let will = format!(
        "The file goes to {} in small parts, each checked; an interrupted upload goes on where it stopped.",
        setting.server
    );
    let transfer = Transfer::new(id, setting.open);
    // Nothing here works before the page is interactive.
    let interactive = RwSignal::new(false);
    Effect::new(move || interactive.set(true));
    Effect::new(move || guard.hold(transfer.stage.try_with(Stage::is_under_way) == Some(true)));
    on_cleanup(move || guard.hold(false));
    let begun = move || transfer.stage.with(|stage| *stage != Stage::Idle);
    let start = move |event: ev::SubmitEvent| {
        event.prevent_default();
        transfer.act(Act::Start);
    };
    view! {
        <form class="import" node_ref=transfer.form on:submit=start>
            <div class="dialog-body">
                <div hidden=begun>{sources_view(id, false)}</div>
                <div hidden=move || interactive.get()>
                    <Notice tone=Tone::Warn>
                        <p>
                            "Uploading in parts needs JavaScript. Without it, put the file where the backup server can fetch it, and use “From a URL”."
                        </p>
                    </Notice>
                </div>
                <div hidden=move || begun() || !interactive.get()>{file_view(transfer)}</div>
                {open_view(id, transfer)}
                {upload_view(transfer)}
                {wishes_view(Signal::stored(None))}
                {will_view(will)}
            </div>
            {leave_view(guard, close.clone())}
            <div class="dialog-foot" hidden=move || guard.asks()>
                <span class="muted">"Written to the action log"</span>
                {buttons_view(transfer, close)}
            </div>
        </form>
    }
    .into_any()
}

/// Asked of who leaves the dialog while bytes move.
fn leave_view(guard: Guard, close: String) -> AnyView {
    let keep = NodeRef::<html::Button>::new();
    Effect::new(move || {
        if guard.asks() {
            // A frame later it is shown and can have the keyboard.
            request_animation_frame(move || {
                if let Some(keep) = keep.get_untracked() {
                    let _ = keep.focus();
                }
            });
        }
    });
    view! {
        <div class="dialog-foot" role="alertdialog" aria-labelledby="leave-title" aria-describedby="leave-about" hidden=move || !guard.asks()>
            <p>
                <b id="leave-title">"Stop the upload?"</b>
                " "
                <span id="leave-about">
                    "What has arrived is kept for a day: choose the same file again, and it goes on from there."
                </span>
            </p>
            <div class="row">
                <a class="btn" href=close data-noscroll data-leaves>"Stop and close"</a>
                <button type="button" class="btn primary" node_ref=keep on:click=move |_| guard.stay()>"Keep uploading"</button>
            </div>
        </div>
    }
    .into_any()
}

fn file_view(transfer: Transfer) -> AnyView {
    let over = RwSignal::new(false);
    let drag = move |event: ev::DragEvent| {
        event.prevent_default();
        over.set(true);
    };
    let drop = move |event: ev::DragEvent| {
        over.set(false);
        transfer.act(Act::Drop(event));
    };
    let refusal = move || transfer.refusal.get();
    let chosen = move || {
        transfer
            .chosen
            .with(|chosen| chosen.as_ref().map(|chosen| format!("{} · {}", chosen.name, figures::size(chosen.length))))
    };
    let known = move || {
        let sent = transfer.upload.get().map(|_| transfer.sent.get()).filter(|sent| *sent > 0)?;
        Some(format!("{} of it are there already: the upload goes on from there.", figures::size(sent)))
    };
    view! {
        <div class="field">
            <label class="drop" class:over=move || over.get() on:dragover=drag on:dragleave=move |_| over.set(false) on:drop=drop>
                <b>"Choose a backup file, or drop it here"</b>
                <input
                    type="file"
                    accept=".zip,.dump"
                    autofocus
                    aria-describedby="file-about"
                    aria-invalid=move || refusal().is_some().then_some("true")
                    on:change=move |event| transfer.act(Act::Choose(event))
                />
                <span class="chosen">{chosen}</span>
            </label>
            <div id="file-about">
                <div class="field-error" role="alert">{refusal}</div>
                <span class="hint" role="status">{known}</span>
                <span class="hint">
                    "A .zip as Odoo's database manager makes it, or a .dump in pg_dump's custom format; under 1,000 MB."
                </span>
            </div>
        </div>
    }
    .into_any()
}

/// Uploads of before that wait for their file, or only for their import.
fn open_view(id: SubscriptionId, transfer: Transfer) -> AnyView {
    let import = ServerAction::<ImportUpload>::new();
    let rows = move || {
        let open = transfer.open.get();
        open.into_iter().map(|open| open_row(id, transfer, import, open)).collect_view()
    };
    let idle = move || transfer.stage.with(|stage| *stage == Stage::Idle);
    view! {
        <section class="stack tight" aria-label="Unfinished uploads" hidden=move || !idle() || transfer.open.with(Vec::is_empty)>
            <ActionFailure action=import />
            <ul class="open-uploads">{rows}</ul>
        </section>
    }
    .into_any()
}

fn open_row(id: SubscriptionId, transfer: Transfer, import: ServerAction<ImportUpload>, open: OpenUpload) -> AnyView {
    let (upload, complete) = (open.id, open.is_complete());
    let text = match open.offset {
        Some(_) if complete => "all of it has arrived; it is imported with the comment and the choice below".to_owned(),
        Some(offset) => {
            format!(
                "{} of {} have arrived; choose the same file to go on",
                figures::size(offset),
                figures::size(open.length)
            )
        }
        None => "the backup server does not answer now".to_owned(),
    };
    let name = open.file_name.clone();
    let now = move |_| {
        let (comment, then_restore) = transfer.wishes();
        import.dispatch(ImportUpload { subscription: id, upload, comment, then_restore });
    };
    view! {
        <li>
            <span>
                <b class="file">{open.file_name}</b>
                <span class="sub">{text}</span>
            </span>
            <span class="row">
                {complete.then(|| view! { <button type="button" class="btn small" on:click=now>"Import it"</button> })}
                <button
                    type="button"
                    class="btn small quiet"
                    aria-label=format!("Discard {name}")
                    on:click=move |_| transfer.act(Act::Discard(upload))
                >
                    "Discard"
                </button>
            </span>
        </li>
    }
    .into_any()
}

fn upload_view(transfer: Transfer) -> AnyView {
    let stage = Memo::new(move |_| transfer.stage.with(Stage::words));
    let stopped = move || match transfer.stage.get() {
        Stage::Stopped(reason) => Some(view! {
            <Notice tone=Tone::Bad>
                <p>{reason}</p>
            </Notice>
        }),
        _ => None,
    };
    let name = move || transfer.chosen.with(|chosen| chosen.as_ref().map(|chosen| chosen.name.clone()));
    let percent = Signal::derive(move || transfer.percent());
    view! {
        <section class="card work-card" aria-label="Upload" hidden=move || transfer.stage.with(|stage| *stage == Stage::Idle)>
            <div>
                <b class="file">{name}</b>
                " "
                // Only a change of the stage is read out; the figures change too often.
                <span class="muted" role="status">{stage}</span>
            </div>
            <Bar percent label="Progress of the upload" />
            <p>{move || transfer.figures()}</p>
            <div role="alert">{stopped}</div>
        </section>
    }
    .into_any()
}

fn buttons_view(transfer: Transfer, close: String) -> AnyView {
    let idle = move || transfer.stage.with(|stage| *stage == Stage::Idle);
    let moving = move || transfer.stage.with(|stage| matches!(stage, Stage::Sending | Stage::Waiting { .. }));
    let halted = move || transfer.stage.with(|stage| matches!(stage, Stage::Paused | Stage::Stopped(_)));
    let importing = move || transfer.stage.with(|stage| *stage == Stage::Importing);
    let lacks_file = move || transfer.chosen.with(Option::is_none);
    let start = move || if transfer.upload.with(Option::is_some) { "Go on uploading" } else { "Upload" };
    view! {
        <div class="row">
            <a class="btn" href=close data-noscroll hidden=move || !idle()>"Cancel"</a>
            <button class="btn primary" hidden=move || !idle() disabled=lacks_file>{start}</button>
            <button type="button" class="btn" hidden=move || idle() || importing() on:click=move |_| transfer.act(Act::Cancel)>
                "Cancel upload"
            </button>
            <button type="button" class="btn" hidden=move || !moving() on:click=move |_| transfer.act(Act::Pause)>"Pause"</button>
            <button type="button" class="btn primary" hidden=move || !halted() on:click=move |_| transfer.act(Act::Start)>
                "Resume"
            </button>
            <span class="muted" hidden=move || !importing()>"Starting the check …"</span>
        </div>
    }
    .into_any()
}
