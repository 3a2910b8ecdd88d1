//! A moment: its date in the viewer's zone once the page is interactive, in UTC before and without scripts.

use chrono::{DateTime, Datelike, Utc};
use leptos::prelude::*;

use super::{browser, calendar, calendar::WallClock};

/// How a moment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `22 Nov 02:04`.
    #[default]
    Short,
    /// `02:04:11`.
    Time,
    /// `2026-11-22 02:04:11`.
    Full,
}

/// A moment as a `<time>`.
#[component]
pub fn Moment(
    /// When.
    at: DateTime<Utc>,
    /// When the panel answered: dates of that year are written without it.
    as_of: DateTime<Utc>,
    /// How to write it.
    #[prop(optional)]
    style: Style,
) -> impl IntoView {
    let write = move |clock: &WallClock| match style {
        Style::Short => clock.short(as_of.year()),
        Style::Time => clock.time(),
        Style::Full => clock.full(),
    };
    let local = move || browser::local(at).map(|clock| write(&clock));
    let utc = format!("{} UTC", write(&WallClock::utc(at)));
    // What is rendered after hydration starts with the viewer's zone: no flash of UTC when a list is fetched again.
    let text = RwSignal::new(browser::is_hydrated().then(local).flatten().unwrap_or(utc));
    Effect::new(move || {
        if let Some(local) = local() {
            text.set(local);
        }
    });
    view! {
        <time datetime=calendar::machine(at) title=format!("{} UTC", WallClock::utc(at).full())>
            {text}
        </time>
    }
}
