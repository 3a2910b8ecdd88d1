//! What can be wrong with an arriving backup, in words for administrators.

use std::io;

use backup_api::{Failure, FailureCode};

/// Why a file is no whole Odoo backup.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The staged file could not be read.
    #[error("The received file could not be read on this server: {0}.")]
    Read(#[source] io::Error),
    /// No end record: cut off, or something else.
    #[error(
        "What arrived is no whole zip ({0}): the transfer was cut off (Odoo's limit_time_real, a proxy), or it is another kind of file. Look at Odoo's log and try again."
    )]
    NotAZip(String),
    /// An entry's bytes are not what the zip says.
    #[error("“{name}” in the zip is damaged ({cause}). Try again; if it stays, look at the disk of the Odoo server.")]
    Damaged {
        /// The entry.
        name: String,
        /// What differs.
        cause: String,
    },
    /// No `dump.sql`.
    #[error("The zip has no dump.sql, so there is no database in it. Make the backup again.")]
    NoDump,
    /// `dump.sql` does not end as `pg_dump` ends it.
    #[error(
        "The database in the zip is cut off: dump.sql does not end with pg_dump's last line. pg_dump failed on the Odoo server; look at its log."
    )]
    TruncatedDump,
    /// The zip tries to do harm or cannot be trusted.
    #[error("The zip is refused: {0}. Odoo makes no such file.")]
    Refused(String),
    /// Larger than allowed.
    #[error(
        "The zip is refused: {0}. No real backup is like that; if you do not know where it comes from, do not use it."
    )]
    TooLarge(String),
    /// Stopped on request.
    #[error("Cancelled; nothing was kept.")]
    Cancelled,
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let code = match &error {
            ArchiveError::Read(_) => FailureCode::Storage,
            ArchiveError::Cancelled => FailureCode::Cancelled,
            ArchiveError::TruncatedDump => FailureCode::PgDump,
            ArchiveError::NotAZip(_)
            | ArchiveError::Damaged { .. }
            | ArchiveError::NoDump
            | ArchiveError::Refused(_)
            | ArchiveError::TooLarge(_) => FailureCode::Incomplete,
        };
        Self { code, message: error.to_string() }
    }
}
