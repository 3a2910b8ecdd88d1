//! People: who they are, what they may do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{AppError, AppResult},
    names::names,
};

pub mod api;
#[cfg(feature = "ssr")]
pub mod changes;
#[cfg(feature = "ssr")]
pub mod people;
#[cfg(feature = "ssr")]
pub mod set_up;
pub mod set_up_page;
#[cfg(feature = "ssr")]
pub mod sign_in;
pub mod sign_in_page;
#[cfg(feature = "ssr")]
pub mod store;

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Identity.
    pub id: Uuid,
    /// Name as shown in the action log.
    pub name: String,
    /// Address to sign in with, in lower case.
    pub email: String,
    /// What they may do.
    pub role: Role,
}

/// What somebody may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at everything but secrets.
    Viewer,
    /// Make, download and restore backups.
    Operator,
    /// Change subscriptions, backup servers and people.
    Administrator,
}

names!(Role { Viewer: "viewer", Operator: "operator", Administrator: "administrator" });

impl Role {
    /// The role that somebody named.
    pub fn named(text: &str) -> AppResult<Self> {
        Self::parse(text).ok_or_else(|| AppError::field("role", "The role is viewer, operator or administrator."))
    }
}

/// The fewest characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 12;
