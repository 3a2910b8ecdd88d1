//! What a person sees who opens a link that cannot be used: what happened, what to do, and the way back to the panel where
//! that is known. Programs get the same as JSON.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::router::Refusal;

const STYLE: &str = "\
    :root{color-scheme:light dark;background:light-dark(#f5f7f7,#0e1315);color:light-dark(#152024,#e8eef0)}\
    body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}\
    main{background:light-dark(#fff,#151c1f);border:1px solid light-dark(#e0e5e7,#29353a);border-radius:.8rem;padding:1.5rem}\
    h1{font-size:1.25rem;margin:0}\
    a{color:light-dark(#0b6b63,#4fc3b5)}\
    main :last-child{margin-bottom:0}";

/// A refusal as a small page for browsers, as JSON for all others; `panel` is where the panel is.
pub(super) fn explain(refusal: Refusal, headers: &HeaderMap, panel: Option<&str>) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accepted.contains("text/html") {
        return refusal.into_response();
    }
    let page = page(title(refusal.status), &refusal.error.message, panel);
    let protection = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (refusal.status, protection, Html(page)).into_response()
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::GONE => "This link does not work any more",
        StatusCode::NOT_FOUND => "This backup is not here any more",
        status if status.is_server_error() => "The download failed",
        _ => "This link cannot be used",
    }
}

fn page(title: &str, message: &str, panel: Option<&str>) -> String {
    let message = escape(message);
    let back =
        panel.map(|panel| format!("<p><a href=\"{}\">Go to the panel</a></p>", escape(panel))).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Holdfast</title>\
         <style>{STYLE}</style></head>\n\
         <body><main><h1>{title}</h1><p>{message}</p>{back}</main></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_message_nor_address_can_add_markup() {
        let page = page("No", "<script>&", Some("/\"><b>"));
        assert!(page.contains("<p>&lt;script&gt;&amp;</p>"), "{page}");
        assert!(page.contains("<a href=\"/&quot;&gt;&lt;b&gt;\">"), "{page}");
    }

    #[test]
    fn a_way_back_is_shown_where_it_is_known() {
        assert!(page("No", "Why.", Some("/subscriptions")).contains("href=\"/subscriptions\""));
        assert!(!page("No", "Why.", None).contains("href"));
    }
}
