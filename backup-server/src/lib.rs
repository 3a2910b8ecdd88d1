//! Keeps and restores backups of Odoo databases; driven over HTTP (`/v1`), as its own process or inside the panel's.

pub mod archives;
mod config;
mod disk;
mod durable;
mod imports;
mod jobs;
mod keys;
mod links;
mod openapi;
mod removals;
pub mod repositories;
pub mod restores;
mod router;
mod seal;
mod server;
pub mod sources;
mod uploads;
mod verifications;

pub use config::{Clock, Config, Layout};
pub use server::{BackupServer, StartError};

/// Makes ring the process's TLS provider; calling it again does nothing.
pub fn install_tls_provider() {
    // An Err says that one is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}
