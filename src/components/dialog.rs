//! Dialogs: each has an address, so it works without scripts as a section of the page; with scripts it is modal.

use leptos::{ev, html, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{Glyph, Guard, Icon};

/// A dialog that is open as long as it is rendered. Closing it goes to `close`.
#[component]
pub fn Dialog(
    /// Its heading.
    #[prop(into)]
    title: String,
    /// The address of the page without it.
    #[prop(into)]
    close: String,
    /// Asks before it is closed.
    #[prop(optional)]
    guard: Option<Guard>,
    /// Its content.
    children: Children,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    // Set when it is taken off the page: the `close` event that follows must not navigate.
    let gone = StoredValue::new(false);
    let navigate = use_navigate();
    let address = close.clone();
    Effect::new(move || {
        if let Some(dialog) = element.get() {
            // A frame later its content is there, and the keyboard goes to what asks for it.
            request_animation_frame(move || show_modal(&dialog));
        }
    });
    on_cleanup(move || {
        gone.try_set_value(true);
        // Closing gives the keyboard back to whatever opened it.
        if let Some(Some(dialog)) = element.try_get_untracked() {
            dialog.close();
        }
    });
    let stays = move || guard.is_some_and(Guard::stays);
    let closed = move |_| {
        if gone.try_get_value() != Some(false) {
            return;
        }
        if !stays() {
            return navigate(&address, NavigateOptions { scroll: false, ..NavigateOptions::default() });
        }
        // Some browsers let nobody keep a dialog open for whom Escape is pressed twice.
        if let Some(dialog) = element.get_untracked() {
            show_modal(&dialog);
        }
    };
    let cancelled = move |event: ev::Event| {
        if stays() {
            event.prevent_default();
        }
    };
    view! {
        <dialog class="dialog" open node_ref=element aria-labelledby="dialog-title" on:close=closed on:cancel=cancelled>
            <header>
                <h2 id="dialog-title">{title}</h2>
                <a class="btn quiet icon" href=close data-noscroll aria-label="Close">
                    <Glyph icon=Icon::Close />
                </a>
            </header>
            {children()}
        </dialog>
    }
}

/// The end of a form in a dialog: the way out, and the button that does it.
#[component]
pub fn DialogEnd(
    /// The address of the page without the dialog.
    #[prop(into)]
    close: String,
    /// What the button does.
    #[prop(into)]
    deed: String,
    /// What it says meanwhile.
    doing: &'static str,
    /// Whether that is now.
    #[prop(into)]
    pending: Signal<bool>,
    /// It cannot be taken back: the keyboard begins at the way out.
    #[prop(optional)]
    danger: bool,
) -> impl IntoView {
    view! {
        <div class="dialog-foot">
            <span class="muted">"Written to the action log"</span>
            <div class="row">
                <a class="btn" href=close data-noscroll autofocus=danger>"Cancel"</a>
                <button class="btn" class:danger=danger class:primary=!danger disabled=pending>
                    {move || if pending.get() { doing.to_owned() } else { deed.clone() }}
                </button>
            </div>
        </div>
    }
}

/// Makes the element, open as the server sent it, modal.
fn show_modal(dialog: &leptos::web_sys::HtmlDialogElement) {
    // It may have been closed within that frame.
    if !dialog.is_connected() {
        return;
    }
    let _ = dialog.remove_attribute("open");
    // It fails only when it is not on the page any more; then there is nothing to show.
    let _ = dialog.show_modal();
}
