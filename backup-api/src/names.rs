//! Names and identities: each of its own type, so that one is never taken for another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// A subscription's repository: the panel's "Backup UUID".
    RepositoryId
}
uuid_id! {
    /// One backup: the panel's "remote line UUID", written into the snapshot.
    BackupId
}
uuid_id! {
    /// One file that arrives in chunks.
    UploadId
}
uuid_id! {
    /// One long-running work; chosen by whoever asks for it, so that asking twice starts it once.
    JobId
}

/// The name of an Odoo database: `^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`, at most 63 bytes, as Odoo and PostgreSQL allow.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]+$"))]
pub struct DatabaseName(String);

/// Why a text is no [`DatabaseName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseName {
    /// Fewer than two characters.
    #[error("Enter the database's name: at least two characters.")]
    TooShort,
    /// PostgreSQL cuts identifiers at 63 bytes.
    #[error("A database name has at most 63 characters; this one has {0}.")]
    TooLong(usize),
    /// A character outside the allowed ones.
    #[error(
        "A database name starts with a letter or digit and then has only letters, digits, “_”, “.” and “-”; “{0}” is not allowed."
    )]
    Character(char),
}

impl DatabaseName {
    /// Parses a name; says what is wrong with it otherwise.
    pub fn parse(text: &str) -> Result<Self, InvalidDatabaseName> {
        if let Some(wrong) = text.char_indices().find_map(|(at, c)| {
            let allowed = c.is_ascii_alphanumeric() || (at > 0 && matches!(c, '_' | '.' | '-'));
            (!allowed).then_some(c)
        }) {
            return Err(InvalidDatabaseName::Character(wrong));
        }
        match text.len() {
            0 | 1 => Err(InvalidDatabaseName::TooShort),
            2..=63 => Ok(Self(text.to_owned())),
            long => Err(InvalidDatabaseName::TooLong(long)),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DatabaseName {
    type Error = InvalidDatabaseName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DatabaseName> for String {
    fn from(name: DatabaseName) -> Self {
        name.0
    }
}

/// A password, token or connection URL: travels on the wire, never shows in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = "password"))]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_odoo_allows_parse_and_others_say_why_not() {
        for good in ["ab", "acme", "acme-18.0_test", "9lives"] {
            assert_eq!(DatabaseName::parse(good).map(String::from), Ok(good.to_owned()));
        }
        assert_eq!(DatabaseName::parse(""), Err(InvalidDatabaseName::TooShort));
        assert_eq!(DatabaseName::parse("a"), Err(InvalidDatabaseName::TooShort));
        assert_eq!(DatabaseName::parse("-a"), Err(InvalidDatabaseName::Character('-')));
        assert_eq!(DatabaseName::parse("../etc"), Err(InvalidDatabaseName::Character('.')));
        assert_eq!(DatabaseName::parse("a b"), Err(InvalidDatabaseName::Character(' ')));
        assert_eq!(DatabaseName::parse(&"a".repeat(64)), Err(InvalidDatabaseName::TooLong(64)));
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }
}
