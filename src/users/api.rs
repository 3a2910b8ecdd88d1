//! Server functions: who is signed in, first set-up, sign-in and sign-out.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::User;
use crate::error::AppError;

/// Who is signed in; `None` when nobody is.
#[server]
pub async fn current_user() -> Result<Option<User>, AppError> {
    Err(AppError::Internal)
}

/// Makes the first administrator with the printed one-time link and signs in; goes to `/`.
#[server]
pub async fn set_up(token: String, name: String, email: String, password: String) -> Result<(), AppError> {
    let _ = (token, name, email, password);
    Err(AppError::Internal)
}

/// Whether a set-up link still works.
#[server]
pub async fn set_up_is_open(token: String) -> Result<bool, AppError> {
    let _ = token;
    Err(AppError::Internal)
}

/// Signs in; goes to `next` if that is a local path, else to `/`.
#[server]
pub async fn sign_in(email: String, password: String, #[server(default)] next: String) -> Result<(), AppError> {
    let _ = (email, password, next);
    Err(AppError::Internal)
}

/// Ends the session; goes to `/sign-in`.
#[server]
pub async fn sign_out() -> Result<(), AppError> {
    Err(AppError::Internal)
}
