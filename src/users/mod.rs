//! People: who they are, what they may do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{AppError, AppResult};

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

impl Role {
    /// Its name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Administrator].into_iter().find(|role| role.as_str() == text)
    }

    /// The role that somebody named.
    pub fn named(text: &str) -> AppResult<Self> {
        Self::parse(text).ok_or_else(|| AppError::field("role", "The role is viewer, operator or administrator."))
    }
}

/// The fewest characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 12;
