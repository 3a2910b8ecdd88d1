//! Refuses requests that another site made a browser send.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use url::Url;

use super::Panel;

/// What a refused request is told.
const FOREIGN: &str = "This request did not come from a page of this panel, so it was refused. Open the panel itself \
    and try again; behind a reverse proxy, set HOLDFAST_PUBLIC_URL to the address that people use.";

/// Lets requests that change something through only when the panel's own pages sent them.
pub async fn check(State(panel): State<Panel>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || is_own(request.headers(), panel.config.public_url.as_ref()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, FOREIGN).into_response()
}

/// Whether the headers say that a page of this panel sent the request. Scripts must say so, too (`Origin`).
fn is_own(headers: &HeaderMap, public: Option<&Url>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Set by browsers only, and not to be altered by pages.
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()).and_then(|origin| Url::parse(origin).ok()) else {
        return false;
    };
    if public.is_some_and(|public| public.origin() == origin.origin()) {
        return true;
    }
    text(header::HOST.as_str()).is_some_and(|host| authority(&origin).as_deref() == Some(host))
}

fn authority(origin: &Url) -> Option<String> {
    let host = origin.host_str()?;
    Some(origin.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether the request came over TLS, directly or to a proxy before the panel.
pub fn is_https(headers: &HeaderMap, public: Option<&Url>) -> bool {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    forwarded.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
        || public.is_some_and(|public| public.scheme() == "https")
}

/// Whether an `Accept` header asks for a page.
pub fn accepts_html(accept: &str) -> bool {
    accept.contains("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_panels_own_pages_may_change_things() {
        let public = Url::parse("https://backups.example.com").unwrap();
        for (own, pairs) in [
            (true, &[("sec-fetch-site", "same-origin")][..]),
            (true, &[("sec-fetch-site", "none")]),
            (false, &[("sec-fetch-site", "same-site"), ("origin", "http://panel:8070"), ("host", "panel:8070")]),
            (false, &[("sec-fetch-site", "cross-site")]),
            (true, &[("origin", "http://panel:8070"), ("host", "panel:8070")]),
            (true, &[("origin", "https://panel"), ("host", "panel")]),
            (true, &[("origin", "https://backups.example.com"), ("host", "10.0.0.1:8070")]),
            (false, &[("origin", "http://panel:8071"), ("host", "panel:8070")]),
            (false, &[("origin", "https://evil.example"), ("host", "panel:8070")]),
            (false, &[("origin", "null"), ("host", "panel:8070")]),
            (false, &[("host", "panel:8070")]),
        ] {
            assert_eq!(is_own(&headers(pairs), Some(&public)), own, "{pairs:?}");
        }
    }
}
