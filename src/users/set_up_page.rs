//! First set-up: the one-time link makes the first administrator.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{
    PASSWORD_MIN_CHARS,
    api::{SetUp, set_up_is_open},
};
use crate::components::{ActionFailure, Failure, Field, notice::failure_of, page::Door};

/// The page behind the printed link.
#[component]
pub fn SetUpPage() -> impl IntoView {
    let params = use_params_map();
    let token = Memo::new(move |_| params.with(|params| params.get_str("token").unwrap_or_default().to_owned()));
    let open = Resource::new(move || token.get(), set_up_is_open);
    let action = ServerAction::<SetUp>::new();
    view! {
        <Door title="Set up">
            <Suspense>
                {move || Suspend::new(async move {
                    match open.await {
                        Ok(true) => form_view(action, token.get_untracked()),
                        Ok(false) => used_view(),
                        Err(error) => view! { <Failure error /> }.into_any(),
                    }
                })}
            </Suspense>
        </Door>
    }
}

fn used_view() -> AnyView {
    view! {
        <h1>"This link does not work any more"</h1>
        <p class="muted">
            "It works once, and only until there is an administrator. Start Holdfast again: while nobody can sign in, it prints a new link."
        </p>
        <a class="btn primary" href="/sign-in">"Sign in"</a>
    }
    .into_any()
}

fn form_view(action: ServerAction<SetUp>, token: String) -> AnyView {
    let failure = failure_of(action);
    let least = u32::try_from(PASSWORD_MIN_CHARS).ok();
    view! {
        <div>
            <h1>"Welcome to Holdfast"</h1>
            <p class="muted">"Create the first administrator. You can add other people later."</p>
        </div>
        <ActionFailure action fields=&["name", "email", "password"] />
        <ActionForm action>
            <input type="hidden" name="token" value=token />
            <Field label="Your name" name="name" autocomplete="name" hint="As the action log will show it." required=true autofocus=true failure />
            <Field label="Email address" name="email" kind="email" autocomplete="username" required=true failure />
            <Field
                label="Password"
                name="password"
                kind="password"
                autocomplete="new-password"
                hint=format!("At least {PASSWORD_MIN_CHARS} characters; a few unrelated words are easy to remember.")
                min=least.unwrap_or(1)
                required=true
                failure
            />
            <button class="btn primary" disabled=action.pending()>
                {move || if action.pending().get() { "Creating …" } else { "Create administrator" }}
            </button>
        </ActionForm>
    }
    .into_any()
}
