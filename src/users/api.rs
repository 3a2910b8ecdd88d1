//! Server functions: who is signed in, first set-up, sign-in and sign-out.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::User;
#[cfg(feature = "ssr")]
use super::{Role, set_up as links, sign_in as signing};
use crate::error::AppError;
#[cfg(feature = "ssr")]
use crate::server::{self, Caller, ClientAddress, door, open_door};

/// Who is signed in; `None` when nobody is.
#[server]
pub async fn current_user() -> Result<Option<User>, AppError> {
    open_door(async |_, parts| Ok(parts.extensions.get::<Caller>().map(|caller| caller.user.clone()))).await
}

/// Makes the first administrator with the printed one-time link and signs in; goes to `/`.
#[server]
pub async fn set_up(token: String, name: String, email: String, password: String) -> Result<(), AppError> {
    open_door(async |panel, parts| {
        let user = links::use_link(&panel, &token, &name, &email, backup_api::Secret::new(password)).await?;
        start_session(&panel, &user, &parts).await?;
        leptos_axum::redirect("/");
        Ok(())
    })
    .await
}

/// Whether a set-up link still works.
#[server]
pub async fn set_up_is_open(token: String) -> Result<bool, AppError> {
    open_door(async |panel, _| links::is_open(&panel, &token).await).await
}

/// Signs in; goes to `next` if that is a local path, else to `/`.
#[server]
pub async fn sign_in(email: String, password: String, #[server(default)] next: String) -> Result<(), AppError> {
    open_door(async |panel, parts| {
        let client = parts.extensions.get::<ClientAddress>().map_or("unknown", |address| address.0.as_str());
        let user = signing::check(&panel, client, &email, backup_api::Secret::new(password)).await?;
        start_session(&panel, &user, &parts).await?;
        leptos_axum::redirect(server::local_path(&next));
        Ok(())
    })
    .await
}

/// Ends the session; goes to `/sign-in`.
#[server]
pub async fn sign_out() -> Result<(), AppError> {
    let headers = use_context::<axum::http::request::Parts>().map(|parts| parts.headers).unwrap_or_default();
    door(Role::Viewer, async |panel, caller| {
        set_cookie(server::end_session(&panel, &caller.session, &headers).await?);
        leptos_axum::redirect("/sign-in");
        Ok(())
    })
    .await
}

#[cfg(feature = "ssr")]
async fn start_session(panel: &server::Panel, user: &User, parts: &axum::http::request::Parts) -> Result<(), AppError> {
    set_cookie(server::begin_session(panel, user.id, &parts.headers).await?);
    Ok(())
}

#[cfg(feature = "ssr")]
fn set_cookie(cookie: axum::http::HeaderValue) {
    if let Some(options) = use_context::<leptos_axum::ResponseOptions>() {
        options.append_header(axum::http::header::SET_COOKIE, cookie);
    }
}
