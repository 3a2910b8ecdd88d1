//! Both sources against a real PostgreSQL with a real Odoo database, whole and with everything that can go wrong.

mod odoo;
mod postgres;
mod setting;
