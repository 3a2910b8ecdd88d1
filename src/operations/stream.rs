//! Follows `/events/operations`: one connection a tab, only while the tab is in front, reopened with growing delay.
//!
//! Several windows can be in front at once. When that is too many for one browser's connections, the panel ends the stream
//! of the one that opened it first: that one asks every few seconds instead, until somebody turns to it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use chrono::TimeDelta;
use leptos::{leptos_dom::helpers::IntervalHandle, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

use super::{
    CROWDED, Operation, OperationFilter, OperationId,
    api::{get_operation, list_operations},
    following::Live,
};
use crate::components::browser;

const PATH: &str = "/events/operations";
/// The longest pause before the next try, as a power of two of seconds.
const MOST_DOUBLINGS: u32 = 6;
/// How often lists are fetched again without any event, so that ages stay true.
const BEAT: Duration = Duration::from_mins(1);
/// How often a tab without a stream asks.
const ASK: Duration = Duration::from_secs(5);
/// What must not be disturbed by fetching a list again.
const IN_USE: &str = "dialog[open], .editing, [popover]:popover-open";

/// Follows operations until the current owner ends; `ended` is told of each that ends.
pub fn follow(live: Live, ended: impl Fn(&Operation) + 'static) {
    let follower = Rc::new(Follower {
        live,
        ended: Box::new(ended),
        stream: RefCell::new(None),
        crowded_out: Cell::new(false),
        failures: Cell::new(0),
        ahead: Cell::new(TimeDelta::zero()),
        hidden: Cell::new(false),
        over: Cell::new(false),
    });
    let visibility = window_event_listener_untyped("visibilitychange", {
        let follower = Rc::clone(&follower);
        move |_| follower.show_or_hide()
    });
    let focus = window_event_listener_untyped("focus", {
        let follower = Rc::clone(&follower);
        move |_| follower.turned_to()
    });
    let timers = [
        every(BEAT, {
            let follower = Rc::clone(&follower);
            move || follower.beat()
        }),
        every(Duration::from_secs(1), {
            let follower = Rc::clone(&follower);
            move || follower.tick()
        }),
        every(ASK, {
            let follower = Rc::clone(&follower);
            move || follower.ask()
        }),
    ];
    follower.show_or_hide();
    let kept = StoredValue::new_local((follower, [visibility, focus], timers));
    on_cleanup(move || {
        kept.try_update_value(|(follower, _, timers)| {
            follower.end();
            timers.iter().flatten().for_each(IntervalHandle::clear);
        });
    });
}

fn every(period: Duration, act: impl Fn() + 'static) -> Option<IntervalHandle> {
    set_interval_with_handle(act, period).ok()
}

struct Follower {
    live: Live,
    ended: Box<dyn Fn(&Operation)>,
    stream: RefCell<Option<Stream>>,
    /// Whether the panel ended the stream in favour of other tabs.
    crowded_out: Cell<bool>,
    failures: Cell<u32>,
    ahead: Cell<TimeDelta>,
    hidden: Cell<bool>,
    over: Cell<bool>,
}

/// An open connection with what listens to it; dropped, it is closed.
struct Stream {
    source: EventSource,
    _listeners: [Closure<dyn Fn(MessageEvent)>; 4],
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
    }
}

impl Follower {
    fn show_or_hide(self: &Rc<Self>) {
        if self.over.get() {
            return;
        }
        if browser::is_visible() {
            self.open();
            // States and ages went on while nobody looked.
            if self.hidden.replace(false) {
                self.beat();
            }
        } else {
            self.hidden.set(true);
            self.stream.take();
        }
    }

    fn turned_to(self: &Rc<Self>) {
        if self.crowded_out.get() {
            self.show_or_hide();
        }
    }

    fn open(self: &Rc<Self>) {
        self.crowded_out.set(false);
        let Ok(source) = EventSource::new(PATH) else { return };
        let changed = self.listener(|follower, event| follower.changed(&event));
        let crowded = self.listener(|follower, _| follower.make_room());
        let opened = self.listener(|follower, _| follower.opened());
        let failed = self.listener(|follower, _| follower.failed());
        let _ = source.add_event_listener_with_callback("operation", changed.as_ref().unchecked_ref());
        let _ = source.add_event_listener_with_callback(CROWDED, crowded.as_ref().unchecked_ref());
        source.set_onopen(Some(opened.as_ref().unchecked_ref()));
        source.set_onerror(Some(failed.as_ref().unchecked_ref()));
        self.stream.replace(Some(Stream { source, _listeners: [changed, crowded, opened, failed] }));
    }

    fn listener(self: &Rc<Self>, act: fn(&Rc<Self>, MessageEvent)) -> Closure<dyn Fn(MessageEvent)> {
        let follower = Rc::clone(self);
        Closure::new(move |event| act(&follower, event))
    }

    fn changed(&self, event: &MessageEvent) {
        let Some(data) = event.data().as_string() else { return };
        if let Ok(operation) = serde_json::from_str::<Operation>(&data) {
            self.take(operation);
        }
    }

    fn take(&self, operation: Operation) {
        if self.live.take(operation.clone()) {
            (self.ended)(&operation);
        }
    }

    fn make_room(&self) {
        self.close();
        self.crowded_out.set(true);
    }

    fn opened(self: &Rc<Self>) {
        self.failures.set(0);
        self.compare();
    }

    fn ask(self: &Rc<Self>) {
        if self.crowded_out.get() && !self.over.get() && browser::is_visible() {
            self.compare();
            // What began and ended since the last time is only in the lists.
            self.beat();
        }
    }

    /// Compares what was known with what is: operations may have begun and ended while nothing was followed.
    fn compare(self: &Rc<Self>) {
        let follower = Rc::clone(self);
        let known = self.known();
        spawn_local(async move {
            let Ok(page) = list_operations(OperationFilter::Unfinished, None, 0).await else { return };
            if let Some(now) = browser::now() {
                follower.ahead.set(page.as_of - now);
            }
            for id in known.into_iter().filter(|id| page.operations.iter().all(|operation| operation.id != *id)) {
                if let Ok(operation) = get_operation(id).await {
                    follower.take(operation);
                }
            }
            // What a stream has said meanwhile is newer.
            if follower.crowded_out.get() {
                page.operations.into_iter().rev().for_each(|operation| follower.take(operation));
            } else {
                follower.live.unfinished.try_update(|known| {
                    known.get_or_insert(page.operations);
                });
            }
        });
    }

    fn known(&self) -> Vec<OperationId> {
        let known = self.live.unfinished.try_get_untracked().flatten().unwrap_or_default();
        known.iter().map(|operation| operation.id).collect()
    }

    /// The browser's own retry has a fixed pace; a server that restarts is better asked with growing pauses.
    fn failed(self: &Rc<Self>) {
        self.close();
        let failures = self.failures.get().min(MOST_DOUBLINGS);
        self.failures.set(failures + 1);
        let follower = Rc::clone(self);
        set_timeout(move || follower.show_or_hide(), Duration::from_secs(1 << failures));
    }

    fn close(&self) {
        if let Some(stream) = &*self.stream.borrow() {
            // Not dropped here: that would free the very listener that runs.
            stream.source.close();
        }
    }

    fn beat(&self) {
        if browser::is_visible() && !browser::has(IN_USE) {
            self.live.refresh();
        }
    }

    fn tick(&self) {
        if self.live.unfinished.with_untracked(|known| known.as_ref().is_some_and(|known| !known.is_empty())) {
            self.live.tick(self.ahead.get());
        }
    }

    fn end(&self) {
        self.over.set(true);
        self.stream.take();
    }
}
