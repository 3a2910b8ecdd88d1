//! Both sources against a real PostgreSQL with a real Odoo database, whole and with everything that can go wrong.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod odoo;
mod odoo_traps;
mod postgres;
mod programs;
mod setting;
