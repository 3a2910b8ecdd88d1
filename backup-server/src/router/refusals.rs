//! What a refused request answers: always JSON `{code, message}` with a fitting status.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use backup_api::{ApiError, ErrorCode};

use crate::{jobs::SubmitError, repositories::StorageError};

/// What a handler gives.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// A refusal and its status.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub error: ApiError,
}

impl Refusal {
    /// Any refusal.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, error: ApiError { code, message: message.into() } }
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::Invalid, message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        let message = "The token is missing or is not the one of this backup server. Enter the token that the server \
                       printed at its first start; it is in the file “token” of its data folder.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        let message = "This address does not take this method; /v1/openapi.json says which it takes.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Invalid, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
    }

    /// 500, its cause logged and not sent.
    pub fn internal(what: &str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, "{what}");
        let message = format!("{what}. The backup server's log has the cause.");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }

    /// 500 after a panic, which the panic hook has logged.
    pub fn panicked() -> Self {
        let message = "A fault of the backup server ended this request; its log has the cause.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.error)).into_response()
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        let status = match error.code() {
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Conflict => StatusCode::CONFLICT,
            ErrorCode::Invalid => StatusCode::BAD_REQUEST,
            ErrorCode::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            ErrorCode::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!(%error, "A repository refused");
        }
        Self { status, error: error.into() }
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Self {
        match &error {
            SubmitError::OtherContent | SubmitError::BackupInWork => Self::conflict(error.to_string()),
            SubmitError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::StorageUnavailable, error.to_string())
            }
            SubmitError::Journal(cause) if cause.kind() == std::io::ErrorKind::StorageFull => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::NoSpace, error.to_string())
            }
            SubmitError::Journal(cause) => Self::internal("The job could not be written to the journal", cause),
        }
    }
}
