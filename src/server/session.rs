//! Sessions: an opaque token in a cookie, its hash in the database, an end when idle and an end in any case.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    Caller, ClientAddress, Panel,
    db::{millis, query},
    origin,
    randomness::hash_of_token,
};
use crate::{
    error::{AppError, AppResult},
    uploads::tus::is_chunk,
    users::{Role, User},
};

const COOKIE: &str = "holdfast_session";
/// A session that nobody used for so long has ended.
const IDLE: TimeDelta = TimeDelta::hours(12);
/// A session ends after this long in any case.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// How often the time of the last use is written down.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(5);
/// Addresses that are open to everybody.
const OPEN: [&str; 8] = ["/sign-in", "/set-up/", "/api/", "/pkg/", "/healthz", "/readyz", "/metrics", "/favicon"];

/// Begins a session; answers the cookie to set.
pub async fn begin(panel: &Panel, user: Uuid, headers: &HeaderMap) -> AppResult<HeaderValue> {
    let token = panel.randomness.token();
    let now = panel.clock.now();
    let mut tx = panel.db.begin().await?;
    query!(
        tx,
        execute,
        "DELETE FROM sessions WHERE created_at < $1 OR last_seen_at < $2",
        millis(now - LONGEST),
        millis(now - IDLE)
    )?;
    query!(
        tx,
        execute,
        "INSERT INTO sessions (token_hash, user_id, created_at, last_seen_at) VALUES ($1, $2, $3, $3)",
        hash_of_token(&token),
        user,
        millis(now)
    )?;
    tx.commit().await?;
    cookie(&token, LONGEST.num_seconds(), panel, headers)
}

/// Ends a session; answers the cookie that removes it.
pub async fn end(panel: &Panel, session: &[u8], headers: &HeaderMap) -> AppResult<HeaderValue> {
    let mut tx = panel.db.begin().await?;
    query!(tx, execute, "DELETE FROM sessions WHERE token_hash = $1", session)?;
    tx.commit().await?;
    cookie("", 0, panel, headers)
}

/// Puts the [`Caller`] into the request; sends people who are not signed in from a page to `/sign-in`.
pub async fn attach(State(panel): State<Panel>, mut request: Request, next: Next) -> Response {
    let address = client_address(&panel, &request);
    request.extensions_mut().insert(ClientAddress(address));
    let caller = match token_of(request.headers()) {
        Some(token) => {
            let hash = hash_of_token(&token);
            let asking = find(&panel, hash.clone());
            if is_chunk(&request) { panel.sessions.recall(&panel, hash, asking).await } else { asking.await }
        }
        None => Ok(None),
    };
    let signed_in = match caller {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            true
        }
        Ok(None) => false,
        Err(error) => return (super::caller::status_of(&error), error.to_string()).into_response(),
    };
    if !signed_in && wants_page(&request) {
        return to_sign_in(&request);
    }
    next.run(request).await
}

async fn find(panel: &Panel, hash: Vec<u8>) -> AppResult<Option<Caller>> {
    let now = panel.clock.now();
    let row: Option<(Uuid, String, String, String, i64)> = query!(
        panel.db,
        fetch_optional,
        "SELECT u.id, u.name, u.email, u.role, s.last_seen_at FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_hash = $1 AND s.created_at > $2 AND s.last_seen_at > $3",
        &hash,
        millis(now - LONGEST),
        millis(now - IDLE)
    )?;
    let Some((id, name, email, role, last_seen)) = row else { return Ok(None) };
    if last_seen < millis(now - TOUCH_EVERY) {
        let mut tx = panel.db.begin().await?;
        query!(tx, execute, "UPDATE sessions SET last_seen_at = $1 WHERE token_hash = $2", millis(now), &hash)?;
        tx.commit().await?;
    }
    let role = Role::parse(&role).ok_or(AppError::Internal)?;
    Ok(Some(Caller { user: User { id, name, email, role }, session: hash }))
}

fn token_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

fn cookie(token: &str, seconds: i64, panel: &Panel, headers: &HeaderMap) -> AppResult<HeaderValue> {
    let secure = if origin::is_https(headers, panel.config.public_url.as_ref()) { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(|_| AppError::Internal)
}

fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    request.method() == axum::http::Method::GET
        && !file
        && !OPEN.iter().any(|open| path.starts_with(open))
        && request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(origin::accepts_html)
}

fn to_sign_in(request: &Request) -> Response {
    let next = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let target = if next == "%2F" { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") };
    Redirect::to(&target).into_response()
}

fn client_address(panel: &Panel, request: &Request) -> String {
    let forwarded = || {
        let last = request.headers().get_all("x-forwarded-for").into_iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next().map(|address| address.trim().to_owned())
    };
    let direct = || {
        let info = request.extensions().get::<axum::extract::ConnectInfo<std::net::SocketAddr>>();
        info.map(|info| info.0.ip().to_string())
    };
    let forwarded = if panel.config.behind_proxy { forwarded() } else { None };
    forwarded.or_else(direct).unwrap_or_else(|| "unknown".to_owned())
}

/// A path of this panel to go to after sign-in; anything else becomes `/`.
pub fn local_path(next: &str) -> &str {
    let local = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if local && next.is_ascii() && !next.starts_with("/sign-in") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_paths_are_followed_after_sign_in() {
        assert_eq!(local_path("/subscriptions?state=danger"), "/subscriptions?state=danger");
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: b", "/sign-in"]
        {
            assert_eq!(local_path(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; holdfast_session=t0ken; c=d"));
        assert_eq!(token_of(&headers).as_deref(), Some("t0ken"));
        headers.insert(header::COOKIE, HeaderValue::from_static("xholdfast_session=other"));
        assert_eq!(token_of(&headers), None);
    }
}
