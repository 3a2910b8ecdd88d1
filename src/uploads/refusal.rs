//! Why a request about an upload is refused: an HTTP status as tus has it, and words.

use axum::http::StatusCode;
use backup_api::{ClientError, ErrorCode};

use super::{Refused, incoming::Cut};
use crate::{backup_servers::clients::Server, error::AppError, server::caller::status_of};

/// A refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// For programs.
    pub status: StatusCode,
    /// For people: what happened and what to do next.
    pub words: String,
}

impl Refusal {
    /// A refusal with these words.
    pub fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, words: words.into() }
    }

    /// What a backup server's error is to somebody who uploads.
    pub fn of_server(server: &Server, error: &ClientError) -> Self {
        let fault = server.fault(error);
        match error {
            ClientError::Unreachable(_) => Self::away(server),
            ClientError::Refused(refusal) => Self::new(status(refusal.code), fault.to_string()),
            ClientError::NotABackupServer { .. } => Self::new(StatusCode::BAD_GATEWAY, fault.to_string()),
        }
    }

    /// The backup server does not answer.
    pub fn away(server: &Server) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "The backup server “{}” does not answer. What has arrived there is kept; the upload can go on when it \
                 answers again.",
                server.name
            ),
        )
    }

    /// The client's connection broke, or it fell silent.
    pub fn cut() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "The chunk did not arrive whole; send it again.")
    }

    /// Whether the upload is not there any more.
    pub fn is_gone(&self) -> bool {
        self.status == StatusCode::GONE
    }
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Invalid => StatusCode::BAD_REQUEST,
        ErrorCode::NotFound | ErrorCode::UploadExpired => StatusCode::GONE,
        ErrorCode::Conflict | ErrorCode::WrongOffset => StatusCode::CONFLICT,
        ErrorCode::BadChecksum => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        let status = match error {
            AppError::ServerUnreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => status_of(&error),
        };
        Self::new(status, error.to_string())
    }
}

impl From<Cut> for Refusal {
    fn from(Cut: Cut) -> Self {
        Self::cut()
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        AppError::from(error).into()
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Name(_) | Refused::Empty(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refused.into_words())
    }
}
