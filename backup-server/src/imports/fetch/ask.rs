//! One question: from the first address through redirects to an answer, each address checked before it is dialled.

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use reqwest::{
    Client, Response,
    header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use tokio::time::timeout;
use url::Url;

use super::{
    Fetching, Target,
    words::{self, Stop},
};
use crate::{sources::tls, uploads::Format};

/// How often an address may lead on.
const REDIRECTS: usize = 5;

/// Reads a URL and a file's name.
pub(super) fn parse(text: &str, name: Option<&str>) -> Result<Target, String> {
    const EXAMPLE: &str = "Write it as https://example.com/backups/acme.zip.";
    // What the parser says may quote what was given.
    let mut url = Url::parse(text.trim()).map_err(|error| format!("The address is invalid: {error}. {EXAMPLE}"))?;
    check_scheme(&url).map_err(|why| format!("The address cannot be fetched: {why}. {EXAMPLE}"))?;
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| Format::of_name(name).is_none()) {
        return Err("The file's name must end in .zip or .dump, for that tells what is in it.".to_owned());
    }
    let login = login(&url);
    // Both fail only for addresses that cannot hold a login.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_fragment(None);
    Ok(Target { url, login, name: name.map(str::to_owned) })
}

fn check_scheme(url: &Url) -> Result<(), &'static str> {
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        _ => Err("it must begin with http:// or https://"),
    }
}

/// `Authorization` for the user and password of an address.
fn login(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let text = format!("{}:{}", super::name::decode(url.username()), super::name::decode(url.password().unwrap_or("")));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(text))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The answer to a request for the file, and the address that gave it.
pub(super) async fn ask(settings: &Fetching, target: &Target, more: &HeaderMap) -> Result<(Response, Url), Stop> {
    let mut url = target.url.clone();
    for _ in 0..=REDIRECTS {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = dial(settings, &url).await?.get(url.clone()).headers(more.clone());
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(login) = target.login.clone().filter(|_| url.origin() == target.url.origin()) {
            request = request.header(AUTHORIZATION, login);
        }
        let answered = timeout(settings.stall, request.send()).await;
        let answered = answered.map_err(|_| words::stalled(&host, 0, settings.stall))?;
        let response = answered.map_err(|error| words::no_answer(error, &host))?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok((response, url));
        }
        url = next(&url, &response).map_err(|why| words::bad_redirect(&host, why))?;
    }
    Err(words::redirects(REDIRECTS))
}

/// Where an answer leads.
fn next(from: &Url, response: &Response) -> Result<Url, &'static str> {
    let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or("it names none")?;
    let mut to = from.join(to).map_err(|_| "it cannot be read")?;
    check_scheme(&to)?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err("it leaves the encrypted connection (http:// instead of https://)");
    }
    // A login that an answer gives is none that somebody here entered.
    let _ = (to.set_username(""), to.set_password(None));
    Ok(to)
}

/// A client that dials the addresses of this host that were checked, and no others.
async fn dial(settings: &Fetching, url: &Url) -> Result<Client, Stop> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses = settings.addresses.resolve(host, port).await;
    let addresses = addresses.map_err(|error| words::address(&error.to_string()))?;
    let client = tls::client(url).resolve_to_addrs(host, &addresses).connect_timeout(settings.connect).build();
    client.map_err(|error| words::client(&error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_taken_out_of_the_address_and_shows_nowhere() {
        let target = parse(" https://me:p%40ss@Example.com:8443/a.zip?key=1#x ", Some(" a.ZIP ")).unwrap();
        assert_eq!(
            (target.url.as_str(), target.name.as_deref()),
            ("https://example.com:8443/a.zip?key=1", Some("a.ZIP"))
        );
        let login = target.login.unwrap();
        assert_eq!(login, format!("Basic {}", BASE64.encode("me:p@ss")));
        assert!(!format!("{login:?}").contains("Basic"));
        assert_eq!(parse("http://example.com/a", None).unwrap().login, None);
    }

    #[test]
    fn other_addresses_say_how_to_write_one_and_repeat_nothing() {
        for bad in [
            "",
            "example.com/a.zip",
            "ftp://u:secret@example.com/a.zip",
            "file:///secret",
            "http://u:secret@/",
            "https://[secret",
        ] {
            let Err(message) = parse(bad, None) else { panic!("{bad} is taken") };
            assert!(message.contains("https://example.com/") && !message.contains("secret"), "{message}");
        }
        assert!(parse("https://example.com/a", Some("a.tar")).is_err_and(|message| message.contains(".zip or .dump")));
    }
}
