//! The backup server through its own client, over TCP, against a real PostgreSQL and the Odoo stand-in.

mod setting;
mod whole_way;
