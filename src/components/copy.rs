//! A button that copies a text.

use std::time::Duration;

use leptos::{prelude::*, task::spawn_local};

use super::{Glyph, Icon, browser};

/// Copies a text to the clipboard and says so.
#[component]
pub fn CopyButton(
    /// What to copy.
    #[prop(into)]
    text: String,
    /// What it is, for the accessible name: “Copy remote line UUID”.
    what: &'static str,
) -> impl IntoView {
    // None: not tried.
    let copied = RwSignal::new(None::<bool>);
    let copy = move |_| {
        let text = text.clone();
        spawn_local(async move {
            copied.set(Some(browser::copy(&text).await));
            set_timeout(
                move || {
                    copied.try_set(None);
                },
                Duration::from_secs(3),
            );
        });
    };
    let said = move || match copied.get() {
        None => "",
        Some(true) => "Copied",
        Some(false) => "Select the text and copy it",
    };
    view! {
        <span class="copying">
        <button type="button" class="copy needs-script" class:done=move || copied.get() == Some(true) aria-label=format!("Copy {what}") on:click=copy>
            <Glyph icon=Icon::Copy size=14 />
        </button>
        <span class="small muted" role="status">{said}</span>
        </span>
    }
}
