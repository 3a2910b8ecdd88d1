//! The testbed itself: it leaves nothing behind, and the stand-in answers as the recorded Odoo did.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in the functions around it too")]

mod lifetime;
mod protocol;
mod restores;
