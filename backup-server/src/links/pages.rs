//! What a person sees who opens a link that cannot be used; programs get the same as JSON.

use axum::{
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
};

use crate::router::Refusal;

/// A refusal as a small page for browsers, as JSON for all others.
pub(super) fn explain(refusal: Refusal, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accepted.contains("text/html") {
        return refusal.into_response();
    }
    let title = if refusal.status.is_server_error() { "The download failed" } else { "This link cannot be used" };
    let page = page(title, &refusal.error.message);
    let protection = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (refusal.status, protection, Html(page)).into_response()
}

fn page(title: &str, message: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;\
         margin:15vh auto;padding:0 1rem}}</style></head>\n\
         <body><main><h1>{title}</h1><p>{message}</p></main></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_add_markup() {
        assert!(page("No", "<script>&").contains("<p>&lt;script&gt;&amp;</p>"));
    }
}
