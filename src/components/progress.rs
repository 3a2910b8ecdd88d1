//! Bars of progress and of used space.

use leptos::prelude::*;

/// A bar; without a value it only says that something goes on.
#[component]
pub fn Bar(
    /// Percent done.
    #[prop(into)]
    percent: Signal<Option<u64>>,
    /// What it measures, for those who listen.
    #[prop(into)]
    label: String,
    /// Class for its colour: empty, `warn` or `bad`.
    #[prop(optional)]
    tone: &'static str,
) -> impl IntoView {
    view! { <progress class=format!("bar {tone}") max="100" value=move || percent.get() aria-label=label></progress> }
}
