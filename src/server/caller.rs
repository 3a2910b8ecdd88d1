//! Who is asking: the door of every server function and route.

use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use super::{Panel, origin};
use crate::{
    error::{AppError, AppResult},
    users::{Role, User},
};

/// A signed-in person with the session; put into the request by the session layer.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub user: User,
    /// The session's stored hash.
    pub session: Vec<u8>,
}

/// Where a request came from, for the throttle.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub String);

impl Caller {
    /// The person, if the role is high enough.
    pub fn at_least(self, role: Role) -> AppResult<Self> {
        if self.user.role < role {
            return Err(AppError::Forbidden { needed: role.as_str().to_owned() });
        }
        Ok(self)
    }
}

/// Runs the work of a server function that anybody may call.
pub async fn open_door<T>(work: impl AsyncFnOnce(Panel, Parts) -> AppResult<T>) -> AppResult<T> {
    let (Some(panel), Some(parts)) = (use_context::<Panel>(), use_context::<Parts>()) else {
        tracing::error!("A server function was called outside a request");
        return Err(AppError::Internal);
    };
    let headers = parts.headers.clone();
    let options = use_context::<ResponseOptions>();
    let called = parts.uri.path().starts_with("/api/");
    let answer = work(panel, parts).await;
    if let (Err(error), Some(options)) = (&answer, options) {
        set_status(&options, error, called, &headers);
    }
    answer
}

/// Runs the work of a server function for people of a role (or a higher one).
pub async fn door<T>(role: Role, work: impl AsyncFnOnce(Panel, Caller) -> AppResult<T>) -> AppResult<T> {
    open_door(async |panel, parts| {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or(AppError::SignedOut)?;
        work(panel, caller.at_least(role)?).await
    })
    .await
}

/// Programs get a fitting status, and so does a page about a missing record. A plain form post must stay a redirect.
fn set_status(options: &ResponseOptions, error: &AppError, called: bool, headers: &HeaderMap) {
    let form = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(origin::accepts_html);
    let missing = matches!(error, AppError::NotFound { .. });
    if (called && !form) || (!called && missing) {
        options.set_status(status_of(error));
    }
}

/// The HTTP status of an error.
pub const fn status_of(error: &AppError) -> StatusCode {
    match error {
        AppError::SignedOut => StatusCode::UNAUTHORIZED,
        AppError::Forbidden { .. } => StatusCode::FORBIDDEN,
        AppError::NotFound { .. } => StatusCode::NOT_FOUND,
        AppError::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        AppError::Conflict(_) => StatusCode::CONFLICT,
        AppError::ServerUnreachable { .. } | AppError::Refused(_) => StatusCode::BAD_GATEWAY,
        AppError::Internal | AppError::Transport(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
