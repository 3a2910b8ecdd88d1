//! Short messages about what just happened.

use std::time::Duration;

use leptos::prelude::*;

use super::{Glyph, Icon, Tone};

/// How long good news stays; bad news stays until it is dismissed.
const SHOWN: Duration = Duration::from_secs(8);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// Colour and icon.
    pub tone: Tone,
    /// What happened, in a few words.
    pub title: String,
    /// More about it.
    pub text: String,
    /// Where to read on: address and words.
    pub link: Option<(String, &'static str)>,
}

impl Toast {
    /// Good news in one line.
    pub fn done(title: impl Into<String>) -> Self {
        Self { tone: Tone::Ok, title: title.into(), text: String::new(), link: None }
    }
}

/// The messages on the page; in the context of every page.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<(u32, Toast)>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// An empty list, put into the context.
    pub fn provide() -> Self {
        let toasts = Self { shown: RwSignal::new(Vec::new()), next: StoredValue::new(0) };
        provide_context(toasts);
        toasts
    }

    /// Shows a message.
    pub fn show(self, toast: Toast) {
        let Some(number) = self.next.try_get_value() else { return };
        self.next.set_value(number + 1);
        if toast.tone != Tone::Bad {
            set_timeout(move || self.dismiss(number), SHOWN);
        }
        self.shown.update(|shown| shown.push((number, toast)));
    }

    fn dismiss(self, number: u32) {
        self.shown.try_update(|shown| shown.retain(|(other, _)| *other != number));
    }
}

/// The place where messages appear.
#[component]
pub fn ToastRegion() -> impl IntoView {
    let toasts = expect_context::<Toasts>();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.shown.get() key=|(number, _)| *number let((number, toast))>
                {toast_view(toast, move || toasts.dismiss(number))}
            </For>
        </div>
    }
}

fn toast_view(toast: Toast, dismiss: impl Fn() + 'static) -> impl IntoView {
    let icon = if toast.tone == Tone::Bad { Icon::Wrong } else { Icon::Check };
    view! {
        <div class=format!("toast {}", toast.tone.class())>
            <Glyph icon size=18 />
            <div>
                <b>{toast.title}</b>
                {(!toast.text.is_empty()).then(|| view! { <p>{toast.text}</p> })}
                {toast.link.map(|(href, words)| view! { <a href=href>{words}</a> })}
            </div>
            <button type="button" class="btn quiet icon" aria-label="Dismiss" on:click=move |_| dismiss()>
                <Glyph icon=Icon::Close size=14 />
            </button>
        </div>
    }
}
