//! The few things that only a browser can do; on the server each of them does nothing.

use chrono::{DateTime, Utc};

use super::calendar::WallClock;

#[cfg(feature = "hydrate")]
mod here {
    use std::sync::atomic::{AtomicBool, Ordering};

    use leptos::prelude::{document, window};

    use super::{DateTime, Utc, WallClock};

    static HYDRATED: AtomicBool = AtomicBool::new(false);

    /// Marks the page as interactive.
    pub fn set_hydrated() {
        HYDRATED.store(true, Ordering::Relaxed);
        if let Some(root) = document().document_element() {
            // A marker for styles and tests; nothing depends on it.
            let _ = root.set_attribute("data-hydrated", "");
        }
    }

    /// Whether the page is interactive: what is rendered from now on need not be as the server would.
    pub fn is_hydrated() -> bool {
        HYDRATED.load(Ordering::Relaxed)
    }

    /// What the viewer's clock showed at a moment.
    pub fn local(at: DateTime<Utc>) -> Option<WallClock> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our time fit a double exactly")]
        let date = js_sys::Date::new(&(at.timestamp_millis() as f64).into());
        Some(WallClock {
            year: i32::try_from(date.get_full_year()).ok()?,
            month: date.get_month() + 1,
            day: date.get_date(),
            hour: date.get_hours(),
            minute: date.get_minutes(),
            second: date.get_seconds(),
        })
    }

    /// The browser's clock.
    pub fn now() -> Option<DateTime<Utc>> {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of our time fit")]
        DateTime::from_timestamp_millis(js_sys::Date::now() as i64)
    }

    /// Whether the tab is in front.
    pub fn is_visible() -> bool {
        document().visibility_state() == web_sys::VisibilityState::Visible
    }

    /// Whether an element that matches is on the page.
    pub fn has(selector: &str) -> bool {
        document().query_selector(selector).ok().flatten().is_some()
    }

    /// Puts the keyboard at the page's main part, so that a new page is read from its start.
    pub fn focus_main() {
        use wasm_bindgen::JsCast;
        let main = document().get_element_by_id("main");
        if let Some(main) = main.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = main.focus();
        }
    }

    /// Puts the keyboard at the field that posts `name` or `input[name]`.
    pub fn focus_field(name: &str) {
        use wasm_bindgen::JsCast;
        let selector = format!("[name=\"{name}\"]:not([type=hidden]), [name=\"input[{name}]\"]:not([type=hidden])");
        let field = document().query_selector(&selector).ok().flatten();
        if let Some(field) = field.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = field.focus();
        }
    }

    /// Brings the navigation's link of this page into sight, where the navigation is too narrow for all of them.
    pub fn show_current_link() {
        use wasm_bindgen::JsCast;
        leptos::prelude::request_animation_frame(|| {
            let link = document().query_selector("nav[aria-label=Main] [aria-current]").ok().flatten();
            let Some(link) = link.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) else { return };
            if let Ok(Some(navigation)) = link.closest("nav") {
                navigation.set_scroll_left(link.offset_left() - navigation.client_width() / 3);
            }
        });
    }

    /// Loads the page again after a fault that ended its scripts, so that it answers again: once in a while, and not
    /// before it ever was interactive, or it would do so for ever.
    pub fn start_over() {
        const KEY: &str = "holdfast-started-over";
        let Ok(Some(storage)) = window().session_storage() else { return };
        #[expect(clippy::cast_possible_truncation, reason = "minutes of our time fit")]
        let minute = (js_sys::Date::now() / 60_000.0) as i64;
        let before = storage.get_item(KEY).ok().flatten().and_then(|text| text.parse::<i64>().ok());
        let lately = before.is_some_and(|before| minute - before < 2);
        if is_hydrated() && !lately && storage.set_item(KEY, &minute.to_string()).is_ok() {
            // It cannot fail in a way that there would be anything to do about.
            let _ = window().location().reload();
        }
    }

    /// Puts a text on the clipboard; says whether that worked (it takes a secure context and the person's consent).
    pub async fn copy(text: &str) -> bool {
        let navigator = window().navigator();
        // Over plain HTTP on another host there is no clipboard at all.
        let clipboard = js_sys::Reflect::get(&navigator, &"clipboard".into()).unwrap_or_default();
        if clipboard.is_undefined() {
            return false;
        }
        wasm_bindgen_futures::JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
    }
}

#[cfg(not(feature = "hydrate"))]
mod here {
    use super::{DateTime, Utc, WallClock};

    /// Whether the page is interactive.
    pub const fn is_hydrated() -> bool {
        false
    }

    /// What the viewer's clock showed: unknown here.
    pub const fn local(_at: DateTime<Utc>) -> Option<WallClock> {
        None
    }

    /// The browser's clock: there is none here.
    pub const fn now() -> Option<DateTime<Utc>> {
        None
    }

    /// Whether the tab is in front: there is none here.
    pub const fn is_visible() -> bool {
        false
    }

    /// Whether an element is on the page: there is none here.
    pub const fn has(_selector: &str) -> bool {
        false
    }

    /// Puts the keyboard at the page's main part.
    pub const fn focus_main() {}

    /// Puts the keyboard at a field.
    pub const fn focus_field(_name: &str) {}

    /// Brings the navigation's link of this page into sight.
    pub const fn show_current_link() {}

    /// Puts a text on the clipboard.
    pub async fn copy(_text: &str) -> bool {
        false
    }
}

pub use here::{copy, focus_field, focus_main, has, is_hydrated, is_visible, local, now, show_current_link};
#[cfg(feature = "hydrate")]
pub use here::{set_hydrated, start_over};
