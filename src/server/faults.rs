//! How causes become [`AppError`]s: logged once here, told in words.

use backup_api::{ClientError, ErrorCode};
use sqlx::error::ErrorKind;

use super::secrets::Unreadable;
use crate::error::AppError;

/// A unique rule of the tables: its name in PostgreSQL, its columns in SQLite's message, the field and what to say.
const UNIQUE: [(&str, &str, &str, &str); 5] = [
    ("users_email_key", "users.email", "email", "Somebody with this address is there already; use another one."),
    (
        "backup_servers_name_key",
        "backup_servers.name_key",
        "name",
        "A backup server of this name is there already; choose another name.",
    ),
    (
        "subscriptions_name_database_key",
        "subscriptions.name_key",
        "name",
        "A subscription of this name for this database is there already; choose another name.",
    ),
    (
        "alert_channels_name_key",
        "alert_channels.name_key",
        "name",
        "A channel of this name is there already; choose another name.",
    ),
    (
        "operations_one_unfinished",
        "operations.subscription_id",
        "",
        "Another operation of this subscription is under way. Wait until it has ended, or cancel it under Operations.",
    ),
];

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(cause) = &error
            && cause.kind() == ErrorKind::UniqueViolation
            && let Some((_, _, field, message)) = UNIQUE
                .iter()
                .find(|(name, columns, ..)| cause.constraint() == Some(*name) || cause.message().contains(columns))
        {
            return if field.is_empty() { Self::Conflict((*message).to_owned()) } else { Self::field(field, *message) };
        }
        tracing::error!("The panel's database did not do as asked: {error}");
        Self::Internal
    }
}

impl From<Unreadable> for AppError {
    fn from(error: Unreadable) -> Self {
        tracing::error!("{error}; was the file secret.key replaced?");
        Self::Refused(
            "A stored secret cannot be read any more: the key file of the panel is not the one it was stored with. \
             Put the old “secret.key” back, or enter the secret again."
                .to_owned(),
        )
    }
}

/// What a call to the backup server called `server` became.
pub fn of_server(server: &str, error: &ClientError) -> AppError {
    match error {
        ClientError::Unreachable(cause) => {
            tracing::warn!("Backup server {server} does not answer: {}", chain(cause));
            AppError::ServerUnreachable { server: server.to_owned() }
        }
        ClientError::Refused(refusal) if refusal.code == ErrorCode::Unauthorized => AppError::Refused(format!(
            "The backup server “{server}” does not accept the stored token. Copy its current token into its form."
        )),
        ClientError::Refused(refusal) if refusal.code == ErrorCode::Conflict => {
            AppError::Conflict(refusal.message.clone())
        }
        ClientError::Refused(refusal) => AppError::Refused(refusal.message.clone()),
        ClientError::NotABackupServer { .. } => AppError::Refused(format!(
            "{error} Check the address of “{server}”; a proxy in between may answer in its place."
        )),
    }
}

/// An error with its causes, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
