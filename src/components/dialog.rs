//! Dialogs: each has an address, so it works without scripts as a section of the page; with scripts it is modal.

use leptos::{html, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};

use super::{Glyph, Icon};

/// A dialog that is open as long as it is rendered. Closing it goes to `close`.
#[component]
pub fn Dialog(
    /// Its heading.
    #[prop(into)]
    title: String,
    /// The address of the page without it.
    #[prop(into)]
    close: String,
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
    let closed = move |_| {
        if gone.try_get_value() == Some(false) {
            navigate(&address, NavigateOptions { scroll: false, ..NavigateOptions::default() });
        }
    };
    view! {
        <dialog class="dialog" open node_ref=element aria-labelledby="dialog-title" on:close=closed>
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
