//! Headers that every answer carries.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use leptos::{nonce::use_nonce, prelude::use_context};
use leptos_axum::ResponseOptions;

/// Headers that are the same for every answer, unless a route says otherwise.
const FIXED: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];
/// For answers that are no page: nothing may run in them.
const NOTHING_RUNS: &str = "default-src 'none'; frame-ancestors 'none'";

/// Adds the headers.
pub async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING_RUNS));
    // Pages and answers show what only this person may see.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Called while a page is rendered: lets its own scripts run, by their nonce, and nothing else.
pub fn allow_own_scripts() {
    let (Some(nonce), Some(options)) = (use_nonce(), use_context::<ResponseOptions>()) else { return };
    let policy = format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         style-src-attr 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        options.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// How long a file of the pages may be kept: for ever if its name holds its hash.
pub fn keep_for(path: &str, headers: &mut HeaderMap) {
    let hashed = path.starts_with("/pkg/") && has_hash(path);
    let value = if hashed { "public, max-age=31536000, immutable" } else { "public, max-age=0, must-revalidate" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
}

/// `holdfast.<hash>.js`, `holdfast_bg.<hash>.wasm`: a middle part of at least 16 signs.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut parts = name.split('.');
    let middle = parts.nth(1).filter(|part| part.len() >= 16);
    middle.is_some() && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_a_hash_in_their_name_are_kept_for_ever() {
        let kept = |path: &str| {
            let mut headers = HeaderMap::new();
            keep_for(path, &mut headers);
            headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable")
        };
        assert!(kept("/pkg/holdfast.3tbpmWQwkVVvSuwgcFCkzQ.js"));
        assert!(kept("/pkg/holdfast_bg.3tbpmWQwkVVvSuwgcFCkzQ.wasm"));
        assert!(!kept("/pkg/holdfast.js"));
        assert!(!kept("/favicon.svg"));
        assert!(!kept("/holdfast.3tbpmWQwkVVvSuwgcFCkzQ.js"));
    }
}
