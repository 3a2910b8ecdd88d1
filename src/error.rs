//! The one error type that crosses the wire. Every message tells an administrator what happened and what to do next.

use leptos::{
    prelude::{FromServerFnError, ServerFnErrorErr},
    server_fn::codec::JsonEncoding,
};
use serde::{Deserialize, Serialize};

/// Result of everything that can answer a browser.
pub type AppResult<T> = Result<T, AppError>;

/// What a browser is told when something could not be done. Causes are logged where they are handled, never sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AppError {
    /// Nobody is signed in, or the session ended.
    #[error("Your session has ended. Sign in again to continue.")]
    SignedOut,
    /// The person's role is too low.
    #[error("Your role does not allow this. Ask an administrator for the role “{needed}”.")]
    Forbidden {
        /// The role that it takes.
        needed: String,
    },
    /// The record is not there (any more).
    #[error("{what} was not found. It may have been deleted; go back to the list.")]
    NotFound {
        /// What was looked for, such as “This subscription”.
        what: String,
    },
    /// An input breaks a rule.
    #[error("{message}")]
    Invalid {
        /// The form field, if it is one.
        field: Option<String>,
        /// What is wrong with it and what is right.
        message: String,
    },
    /// It clashes with what is there or under way.
    #[error("{0}")]
    Conflict(String),
    /// A backup server did not answer; says nothing about the backups on it.
    #[error(
        "The backup server “{server}” does not answer. Check that it runs and that its address is right; its backups are not affected."
    )]
    ServerUnreachable {
        /// Its name.
        server: String,
    },
    /// A backup server refused, in its own words.
    #[error("{0}")]
    Refused(String),
    /// A fault of the panel.
    #[error(
        "Something went wrong here. Nothing was changed; the cause is in the panel's log. Try again, and report it if it stays."
    )]
    Internal,
    /// The request did not reach the panel or its answer could not be read.
    #[error("The panel did not answer as expected ({0}). Check the connection and try again.")]
    Transport(String),
}

impl AppError {
    /// An input error that belongs to a form field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field.to_owned()), message: message.into() }
    }

    /// An input error that belongs to no single field.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { field: None, message: message.into() }
    }

    /// The message for one field of a form, if this error is about it.
    pub fn for_field(&self, name: &str) -> Option<&str> {
        match self {
            Self::Invalid { field: Some(field), message } if field == name => Some(message),
            _ => None,
        }
    }

    /// A record that is not there.
    pub fn not_found(what: &str) -> Self {
        Self::NotFound { what: what.to_owned() }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        Self::Transport(error.to_string())
    }
}
