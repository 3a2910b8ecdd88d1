//! Sign-in.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api::SignIn;
use crate::components::{ActionFailure, Field, addresses, notice::failure_of, page::Door};

/// The sign-in page; `?next=` is where to go afterwards.
#[component]
pub fn SignInPage() -> impl IntoView {
    let action = ServerAction::<SignIn>::new();
    let query = use_query_map();
    let next = query.with_untracked(|query| addresses::value(query, "next"));
    let failure = failure_of(action);
    view! {
        <Door title="Sign in">
            <h1>"Sign in"</h1>
            <ActionFailure action fields=&["email", "password"] />
            <ActionForm action>
                <input type="hidden" name="next" value=next />
                <Field label="Email address" name="email" kind="email" autocomplete="username" required=true autofocus=true failure />
                <Field
                    label="Password"
                    name="password"
                    kind="password"
                    autocomplete="current-password"
                    required=true
                    failure
                />
                <button class="btn primary" disabled=action.pending()>
                    {move || if action.pending().get() { "Signing in …" } else { "Sign in" }}
                </button>
            </ActionForm>
            <p class="hint">
                "No account yet? The first one is made with the link that Holdfast printed when it started; "
                <code>"holdfast set-up-link"</code> " prints a new one."
            </p>
        </Door>
    }
}
