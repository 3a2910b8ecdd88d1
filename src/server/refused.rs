//! Plain forms that were refused: keeps what was typed for the page that is shown again, in memory and for minutes.
//!
//! A plain form's failure comes back as a redirect to the form's page with the error in its address. What was typed does
//! not go there: it would be in the browser's history and in every log on the way. The address names it by a token.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use axum::{
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::use_context;
use url::{Url, form_urlencoded};

use super::{Panel, origin};
use crate::components::typed::Typed;

/// Names what was typed in the address of the page that is shown again.
const TOKEN: &str = "__typed";
/// Parts of names of fields that hold secrets.
const SECRET: [&str; 5] = ["password", "token", "secret", "key", "postgres_url"];
/// Longer forms are passed on as they are, and nothing of them is kept.
const LONGEST_BYTES: usize = 64 * 1024;
/// Forms kept at a time; the oldest make room.
const MOST_FORMS: usize = 100;
/// How long a form is kept.
const MEMORY: TimeDelta = TimeDelta::minutes(10);

/// The forms that were refused lately.
#[derive(Debug, Default)]
pub struct Refused(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    token: String,
    at: DateTime<Utc>,
    typed: Typed,
}

impl Refused {
    fn keep(&self, token: String, at: DateTime<Utc>, typed: Typed) {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forms.retain(|kept| at - kept.at < MEMORY);
        if forms.len() == MOST_FORMS {
            forms.pop_front();
        }
        forms.push_back(Kept { token, at, typed });
    }

    fn find(&self, token: &str, now: DateTime<Utc>) -> Option<Typed> {
        let forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = forms.iter().find(|kept| kept.token == token && now - kept.at < MEMORY)?;
        Some(kept.typed.clone())
    }
}

/// What was typed into the form that this request shows again.
pub fn typed() -> Typed {
    let found = || {
        let (panel, parts) = (use_context::<Panel>()?, use_context::<Parts>()?);
        let (_, token) = form_urlencoded::parse(parts.uri.query()?.as_bytes()).find(|(name, _)| name == TOKEN)?;
        panel.refused.find(&token, panel.clock.now())
    };
    found().unwrap_or_default()
}

/// Keeps what was typed when a plain form is refused.
pub async fn keep(State(panel): State<Panel>, request: Request, next: Next) -> Response {
    if !is_plain_form(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(sent) = body::to_bytes(body, LONGEST_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut answer = next.run(Request::from_parts(parts, Body::from(sent.clone()))).await;
    let token = panel.randomness.token();
    if let Some(location) = location_with(answer.headers(), &token) {
        panel.refused.keep(token, panel.clock.now(), without_secrets(&sent));
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

fn is_plain_form(request: &Request) -> bool {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let length = text(header::CONTENT_LENGTH).parse::<usize>().ok();
    request.method() == Method::POST
        && request.uri().path().starts_with("/api/")
        && origin::accepts_html(text(header::ACCEPT))
        && text(header::CONTENT_TYPE).starts_with("application/x-www-form-urlencoded")
        && length.is_some_and(|length| length <= LONGEST_BYTES)
}

/// The address to go to, if it tells of a failure: with the token, and without what earlier failures left in it.
fn location_with(headers: &HeaderMap, token: &str) -> Option<HeaderValue> {
    let mut address = Url::parse(headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let last = |name: &str| pairs.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (path, error) = (last("__path")?, last("__err")?);
    let others = pairs.iter().filter(|(key, _)| !["__path", "__err", TOKEN].contains(&key.as_str()));
    address.query_pairs_mut().clear().extend_pairs(others).extend_pairs([
        ("__path", path.as_str()),
        ("__err", error.as_str()),
        (TOKEN, token),
    ]);
    HeaderValue::from_str(address.as_str()).ok()
}

fn without_secrets(sent: &[u8]) -> Typed {
    Typed(form_urlencoded::parse(sent).into_owned().filter(|(name, value)| !is_secret(name, value)).collect())
}

/// By the field's name; and addresses that hold a password, or a query, which may be somebody's signature.
fn is_secret(name: &str, value: &str) -> bool {
    let tells = |url: Url| url.password().is_some() || url.query().is_some();
    SECRET.iter().any(|part| name.contains(part)) || Url::parse(value.trim()).is_ok_and(tells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_800_000, 0).unwrap()
    }

    fn typed(name: &str) -> Typed {
        Typed(vec![("name".to_owned(), name.to_owned())])
    }

    #[test]
    fn secrets_are_not_kept() {
        let sent = b"input%5Bname%5D=Acme+%26+Co&input%5Bmaster_password%5D=hunter2&password=hunter2&token=t\
            &input%5Bpostgres_url%5D=postgres%3A%2F%2Fu%40h%2F&input%5Bs3_secret_key%5D=k\
            &url=https%3A%2F%2Fada%3Ahunter2%40example.com%2Fa.zip&signed=https%3A%2F%2Fexample.com%2Fa.zip%3Fsignature%3D1&link=https%3A%2F%2Fexample.com%2Fa.zip";
        let Typed(fields) = without_secrets(sent);
        let kept: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("input[name]", "Acme & Co"), ("link", "https://example.com/a.zip")]);
    }

    #[test]
    fn forms_are_forgotten_by_age_and_by_number() {
        let forms = Refused::default();
        forms.keep("first".to_owned(), now(), typed("Acme"));
        assert_eq!(forms.find("first", now() + TimeDelta::minutes(9)), Some(typed("Acme")));
        assert_eq!(forms.find("first", now() + MEMORY), None);
        assert_eq!(forms.find("other", now()), None);
        for number in 0..MOST_FORMS {
            forms.keep(number.to_string(), now(), typed("Globex"));
        }
        assert_eq!(forms.find("first", now()), None);
        assert_eq!(forms.find("0", now()), Some(typed("Globex")));
    }

    #[test]
    fn the_address_tells_of_the_last_failure_only() {
        let location = |location: &'static str| {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            location_with(&headers, "t2").map(|value| value.to_str().unwrap().to_owned())
        };
        let address = location("http://p/s?tab=general&__path=%2Fapi%2Fa&__err=x&__typed=t1&__path=%2Fapi%2Fb&__err=y");
        assert_eq!(address.unwrap(), "http://p/s?tab=general&__path=%2Fapi%2Fb&__err=y&__typed=t2");
        assert_eq!(location("http://p/s?tab=general"), None, "that is where a success goes");
        assert_eq!(location("/subscriptions"), None);
    }
}
