//! What Holdfast's tests and its demo run against: a throwaway PostgreSQL, a real Odoo database in it with its
//! filestore, and a stand-in for Odoo's database manager on top of both.
//!
//! Not part of the product. Nothing here outlives the process that started it, even when that is killed.

mod cluster;
pub mod odoo;
mod tiny;
pub mod tls;

pub use cluster::{Clients, Cluster, postgres_bin};
pub use tiny::{TinyDatabase, addons, restore_fixture};
