//! Something that goes on in a dialog and ends with it: whoever leaves is asked first, whichever way they go.

use leptos::prelude::*;

/// Links with this attribute are the answer to the question, and lead away.
pub const LEAVES: &str = "data-leaves";

/// Asks before a dialog is left in which something goes on.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    holds: RwSignal<bool>,
    asked: RwSignal<bool>,
}

impl Default for Guard {
    /// Nothing goes on yet; ends with the current owner.
    fn default() -> Self {
        Self { holds: RwSignal::new(false), asked: RwSignal::new(false) }
    }
}

impl Guard {
    /// Whether something goes on.
    pub fn hold(self, holds: bool) {
        #[cfg(feature = "hydrate")]
        browser::hold(self, holds);
        self.holds.try_set(holds);
        if !holds {
            self.asked.try_set(false);
        }
    }

    /// Whether somebody wanted to leave and has not answered yet.
    pub fn asks(self) -> bool {
        // Asked once more while the dialog goes, it says no.
        self.asked.try_get() == Some(true)
    }

    /// They want to stay.
    pub fn stay(self) {
        self.asked.set(false);
    }

    /// Whether the dialog stays for now; asks then.
    pub fn stays(self) -> bool {
        let holds = self.holds.try_get_untracked() == Some(true);
        if holds {
            self.asked.set(true);
        }
        holds
    }
}

#[cfg(feature = "hydrate")]
pub use browser::listen;

#[cfg(feature = "hydrate")]
mod browser {
    use std::cell::RefCell;

    use leptos::{ev, prelude::*};
    use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
    use web_sys::{Element, Event, MouseEvent};

    use super::{Guard, LEAVES};

    thread_local! {
        /// What holds at the moment, and the address that shows it.
        static HELD: RefCell<Option<(Guard, String)>> = const { RefCell::new(None) };
    }

    pub fn hold(guard: Guard, holds: bool) {
        HELD.with_borrow_mut(|held| {
            if !holds {
                *held = None;
            } else if held.is_none() {
                *held = window().location().href().ok().map(|address| (guard, address));
            }
        });
    }

    fn held() -> Option<(Guard, String)> {
        HELD.with_borrow(Clone::clone)
    }

    /// Stands in the way of the browser's Back and Forward, of links and of closing the page. To be called before there is
    /// a router: of an event of the window itself, Chromium tells those first who listened first, whatever the phase.
    pub fn listen() {
        let hear = Closure::<dyn Fn(Event)>::new(|event: Event| match event.dyn_into::<MouseEvent>() {
            Ok(click) => clicked(&click),
            Err(event) => moved(&event),
        });
        let hear = hear.into_js_value();
        for event in ["click", "popstate"] {
            let _ = window().add_event_listener_with_callback_and_bool(event, hear.unchecked_ref(), true);
        }
        drop(window_event_listener(ev::beforeunload, |event| {
            if held().is_some() {
                event.prevent_default();
                // What older browsers ask for; the words are the browser's own.
                event.set_return_value("Something is under way.");
            }
        }));
    }

    /// A link that leads away in this window waits for the answer.
    fn clicked(event: &MouseEvent) {
        let Some((guard, _)) = held() else { return };
        let elsewhere =
            event.button() != 0 || event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        let link = event.target().and_then(|target| target.dyn_into::<Element>().ok()?.closest("a[href]").ok()?);
        let leads = link.is_some_and(|link| {
            ["target", "download", LEAVES].into_iter().all(|attribute| !link.has_attribute(attribute))
        });
        if leads && !elsewhere && guard.stays() {
            event.prevent_default();
            event.stop_propagation();
        }
    }

    /// The browser is at another page of its history already: the address goes back to what is shown, and nobody else
    /// hears of it.
    fn moved(event: &Event) {
        let Some((guard, here)) = held() else { return };
        if !guard.stays() {
            return;
        }
        event.stop_immediate_propagation();
        if let Ok(history) = window().history() {
            let _ = history.push_state_with_url(&JsValue::NULL, "", Some(&here));
        }
    }
}
