//! One of several things to choose from, each with its explanation.

use leptos::prelude::*;

/// A radio button with what it stands for and what that means.
#[component]
pub fn Choice(
    /// The field.
    name: &'static str,
    /// What is sent.
    #[prop(into)]
    value: String,
    /// Whether it is chosen at first.
    checked: bool,
    /// What it stands for.
    label: &'static str,
    /// What that means.
    about: &'static str,
    /// Whether the keyboard begins here.
    #[prop(optional)]
    autofocus: bool,
) -> impl IntoView {
    view! {
        <label class="choice">
            <input type="radio" name=name value=value checked=checked autofocus=autofocus />
            <span>
                <b>{label}</b>
                <span>{about}</span>
            </span>
        </label>
    }
}
