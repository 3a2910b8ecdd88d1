//! Restores through a running Odoo: whatever goes wrong, the old database answers complete, or the new one does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in the functions around it too")]

mod crashes;
mod names;
#[path = "../api/setting.rs"]
#[expect(dead_code, reason = "shared with the tests of the API, which need more of it")]
mod setting;
mod stage;
mod traps;
mod whole_way;
mod windows;
