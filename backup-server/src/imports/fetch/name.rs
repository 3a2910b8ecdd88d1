//! The name of a fetched file: what was asked for, what the answer says, or what the address ends with.

use reqwest::header::{CONTENT_DISPOSITION, HeaderMap};
use url::Url;

use crate::uploads::Format;

/// The longest name that is shown.
const LONGEST: usize = 255;

/// The best of the names that there are: the first that tells a format, else the first.
pub(super) fn best(asked: Option<&str>, headers: &HeaderMap, answered: &Url, first: &Url) -> String {
    let asked = asked.filter(|name| Format::of_name(name).is_some()).map(str::to_owned);
    asked.or_else(|| original(headers, answered, first)).unwrap_or_else(|| "the file".to_owned())
}

/// What it is called where it comes from.
pub(super) fn original(headers: &HeaderMap, answered: &Url, first: &Url) -> Option<String> {
    let names: Vec<String> = [of_headers(headers), of_path(answered), of_path(first)].into_iter().flatten().collect();
    let telling = names.iter().find(|name| Format::of_name(name).is_some());
    telling.or(names.first()).cloned()
}

/// `attachment; filename="acme.zip"; filename*=UTF-8''acm%C3%A9.zip`.
fn of_headers(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_DISPOSITION)?.as_bytes()).into_owned();
    let parameter = |wanted: &str| {
        let mut pairs = value.split(';').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(wanted))?;
        Some(value.trim().trim_matches('"').to_owned())
    };
    let extended = parameter("filename*").and_then(|value| value.rsplit_once('\'').map(|(_, name)| decode(name)));
    clean(&extended.or_else(|| parameter("filename"))?)
}

fn of_path(url: &Url) -> Option<String> {
    clean(&decode(url.path_segments()?.next_back()?))
}

/// The name alone, without folders and what does not show.
fn clean(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    let name = name.trim();
    (!name.is_empty() && !name.starts_with('.')).then(|| name.to_owned())
}

/// `%41` as `A`.
pub(super) fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = rest {
        let escaped = (*first == b'%').then(|| more.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(asked: Option<&str>, disposition: &str, url: &str) -> String {
        let mut headers = HeaderMap::new();
        if !disposition.is_empty() {
            headers.insert(CONTENT_DISPOSITION, disposition.parse().unwrap());
        }
        let url = url.parse().unwrap();
        best(asked, &headers, &url, &url)
    }

    #[test]
    fn the_best_name_is_taken() {
        let url = "https://example.com/files/acm%C3%A9%20.zip?token=x";
        assert_eq!(name(None, "", url), "acmé .zip");
        assert_eq!(name(Some("mine.dump"), "attachment; filename=a.zip", url), "mine.dump");
        assert_eq!(name(None, "attachment; filename=\"b.zip\"; size=3", url), "b.zip");
        assert_eq!(name(None, "attachment; filename=b.zip; filename*=UTF-8''%e2%82%ac.zip", url), "€.zip");
        assert_eq!(name(None, "attachment; filename=\"../../etc/b.zip\"", url), "b.zip");
        assert_eq!(name(None, "inline", url), "acmé .zip");
        assert_eq!(name(None, "attachment; filename=download", url), "acmé .zip", "one that tells the format");
        assert_eq!(name(None, "", "https://example.com/download"), "download");
        assert_eq!(name(None, "", "https://example.com/%2e%2e%2fx%0a.zip%zz"), "x.zip%zz");
        assert_eq!(name(None, "", "https://example.com/"), "the file");
    }
}
