//! Odoo's `manifest.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What Odoo says of a backup. All of it is the sender's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The database's name.
    pub db_name: Option<String>,
    /// Odoo's version in full, such as `18.0-20251120`.
    pub version: Option<String>,
    /// Odoo's version, such as `18.0`.
    pub major_version: Option<String>,
    /// PostgreSQL's version, such as `15.0`.
    pub pg_version: Option<String>,
    /// Installed modules with their versions.
    pub modules: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads it; `None` when it is not what Odoo writes.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}
