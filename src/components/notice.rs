//! Notices, failures, empty and loading states: each says what to do next.

use leptos::{
    prelude::*,
    server_fn::{ServerFn, client::Client},
};

use super::{Glyph, Icon, Tone, addresses, browser};
use crate::error::AppError;

/// A framed message.
#[component]
pub fn Notice(
    /// Colour and icon.
    tone: Tone,
    /// The message.
    children: Children,
) -> impl IntoView {
    let icon = match tone {
        Tone::Ok => Icon::Check,
        Tone::Warn => Icon::Warning,
        Tone::Bad => Icon::Wrong,
        Tone::Off | Tone::Work | Tone::Plain => Icon::Info,
    };
    view! {
        <div class=format!("notice {}", tone.class())>
            <Glyph icon size=18 />
            <div>{children()}</div>
        </div>
    }
}

/// Why something could not be shown or done.
#[component]
pub fn Failure(
    /// The error.
    error: AppError,
) -> impl IntoView {
    let sign_in = (error == AppError::SignedOut).then(|| {
        let here = leptos_router::hooks::use_location();
        let next = addresses::address("/sign-in", &[("next", &here.pathname.get_untracked())]);
        view! { <a href=next rel="external">"Sign in"</a> }
    });
    // It then is the page's whole content, and a page has a heading.
    let missing = matches!(error, AppError::NotFound { .. });
    let heading = missing.then(|| view! { <h1 class="lone">"Not found"</h1> });
    view! {
        <div role="alert" class:missing=missing>
            {heading} <Notice tone=Tone::Bad>
                <p>{error.to_string()}</p>
                {sign_in}
            </Notice>
        </div>
    }
}

/// The failure of an action, if its last try failed and the failure belongs to no single field.
#[component]
pub fn ActionFailure<S>(
    /// The action.
    action: ServerAction<S>,
    /// The fields of the form that show their own errors.
    #[prop(optional)]
    fields: &'static [&'static str],
) -> impl IntoView
where
    S: ServerFn<Error = AppError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
    S::Client: Client<AppError>,
{
    let failure = failure_of(action);
    Effect::new(move || failure.with(|failure| focus_wrong(failure.as_ref(), fields)));
    failure_view(failure, fields)
}

/// Puts the keyboard at the field that is wrong: it may be far from the button that was pressed.
fn focus_wrong(failure: Option<&AppError>, fields: &[&str]) {
    let Some(error) = failure else { return };
    if let Some(field) = fields.iter().find(|field| error.for_field(field).is_some()) {
        browser::focus_field(field);
    }
}

fn failure_view(failure: Signal<Option<AppError>>, fields: &'static [&'static str]) -> AnyView {
    (move || {
        failure
            .get()
            .filter(|error| !fields.iter().any(|field| error.for_field(field).is_some()))
            .map(|error| view! { <Failure error /> })
    })
    .into_any()
}

/// Why an action's last try failed.
pub fn failure_of<S>(action: ServerAction<S>) -> Signal<Option<AppError>>
where
    S: ServerFn<Error = AppError> + Clone + Send + Sync + 'static,
    S::Output: Send + Sync + 'static,
{
    let (pending, value) = (action.pending(), action.value());
    Signal::derive(move || {
        if pending.get() {
            return None;
        }
        value.with(|value| value.as_ref().and_then(|result| result.as_ref().err().cloned()))
    })
}

/// What stands where rows would be.
#[component]
pub fn Empty(
    /// Its icon.
    icon: Icon,
    /// What is not there.
    #[prop(into)]
    title: String,
    /// What to do about it.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Glyph icon size=34 />
            <h2>{title}</h2>
            {children()}
        </div>
    }
}

/// Keeps the place of what is being fetched.
#[component]
pub fn Waiting() -> impl IntoView {
    view! {
        <div class="waiting" role="status">
            <span class="visually-hidden">"Loading"</span>
            <i></i>
            <i></i>
            <i></i>
        </div>
    }
}
