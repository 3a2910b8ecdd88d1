//! Keeps and restores backups of Odoo databases; driven over HTTP.

pub mod archives;
pub mod repositories;
pub mod sources;
