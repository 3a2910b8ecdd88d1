//! The search field above a list: a plain GET form, which goes by itself once the page is interactive.

use std::{sync::Arc, time::Duration};

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::use_navigate};

/// How long typing must rest before the list follows.
const REST: Duration = Duration::from_millis(250);

/// A search field.
#[component]
pub fn Search(
    /// What it searches, as its label.
    label: &'static str,
    /// The page's path.
    #[prop(into)]
    path: String,
    /// What is searched at the moment.
    #[prop(into)]
    value: Signal<String>,
    /// What else the query string keeps.
    #[prop(into)]
    keep: Signal<Vec<(&'static str, String)>>,
    /// The address for a search.
    href: Arc<dyn Fn(String) -> String + Send + Sync>,
) -> impl IntoView {
    let navigate = use_navigate();
    let typed = StoredValue::new(value.get_untracked());
    let go = move || {
        let Some(text) = typed.try_get_value() else { return };
        if text.trim() != value.get_untracked() {
            let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
            navigate(&href(text.trim().to_owned()), options);
        }
    };
    // Each key starts a rest of its own; only the last one's end counts.
    let keys = StoredValue::new(0_u32);
    let rested = go.clone();
    let input = move |event| {
        typed.set_value(event_target_value(&event));
        keys.update_value(|keys| *keys = keys.wrapping_add(1));
        let (key, go) = (keys.get_value(), rested.clone());
        set_timeout(
            move || {
                if keys.try_get_value() == Some(key) {
                    go();
                }
            },
            REST,
        );
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        go();
    };
    let hidden = move || {
        let pairs = keep.get();
        pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
            .collect_view()
    };
    view! {
        <form method="get" action=path role="search" on:submit=submit>
            {hidden}
            <input
                type="search"
                name="search"
                aria-label=label
                placeholder=label
                autocomplete="off"
                spellcheck="false"
                value=value.get_untracked()
                prop:value=move || value.get()
                on:input=input
            />
            <button class="btn">"Search"</button>
        </form>
    }
}
