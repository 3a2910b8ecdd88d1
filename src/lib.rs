//! Holdfast: the control panel that keeps many Odoo databases backed up and gets them back.
//!
//! One folder a feature: `mod.rs` holds the types that browser and server share, `api.rs` the server functions,
//! `store.rs` the SQL (feature `ssr`), pages and wizards one file each.
#![recursion_limit = "256"]
#![expect(clippy::needless_pass_by_value, reason = "components take their props by value")]
#![expect(clippy::similar_names, reason = "a line and what is live are the field's words")]

pub mod alerts;
pub mod app;
pub mod backup_servers;
pub mod backups;
pub mod charts;
pub mod components;
pub mod dashboard;
pub mod error;
pub mod history;
mod names;
pub mod operations;
pub mod pages;
pub mod restores;
pub mod retention;
pub mod schedules;
#[cfg(feature = "ssr")]
pub mod server;
pub mod subscriptions;
pub mod uploads;
pub mod users;

/// Called by the page once the WebAssembly module is loaded: makes the server-rendered page interactive.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    std::panic::set_hook(Box::new(|panic| {
        console_error_panic_hook::hook(panic);
        // For one, a part of the code that a newer panel does not have any more.
        components::browser::start_over();
    }));
    components::guard::listen();
    wasm_bindgen_futures::spawn_local(async {
        let Some(body) = leptos::prelude::document().body() else { return };
        // Comes back when the part that holds this page is loaded and the page is bound to it.
        leptos::mount::hydrate_from_async(body, app::App).await.forget();
        // A frame later than effects, so that everything listens when the marker says so.
        leptos::prelude::request_animation_frame(components::browser::set_hydrated);
    });
}
