//! Holdfast: the control panel that keeps many Odoo databases backed up and gets them back.
//!
//! One folder a feature: `mod.rs` holds the types that browser and server share, `api.rs` the server functions,
//! `store.rs` the SQL (feature `ssr`), pages and wizards one file each.
#![recursion_limit = "256"]
#![expect(clippy::needless_pass_by_value, reason = "components take their props by value")]
#![expect(clippy::similar_names, reason = "a line and what is live are the field's words")]

pub mod app;
pub mod backup_servers;
pub mod backups;
pub mod components;
pub mod error;
pub mod operations;
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
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(app::App);
}
