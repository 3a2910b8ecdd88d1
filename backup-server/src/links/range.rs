//! The `Range` header, as far as downloads need it: one range of bytes (RFC 9110, section 14).

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What part of a file is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, or one that is not understood, or several, or of another version of the file.
    All,
    /// These bytes, the end excluded; never empty.
    Part(Range<u64>),
    /// A range outside the file.
    Impossible,
}

/// Reads `Range` and `If-Range` for a file of `total` bytes.
pub(super) fn wanted(headers: &HeaderMap, etag: &str, total: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    match text(header::RANGE).filter(|_| is_same) {
        Some(range) => parse(range, total).unwrap_or(Wanted::All),
        None => Wanted::All,
    }
}

fn parse(text: &str, total: u64) -> Option<Wanted> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let range = match (first, last) {
        ("", last) => total.saturating_sub(number(last)?)..total,
        (first, "") => number(first)?..total,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(total)
        }
    };
    Some(if range.is_empty() { Wanted::Impossible } else { Wanted::Part(range) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("bytes=0-0", Some(Wanted::Part(0..1))),
            ("bytes=10-19", Some(Wanted::Part(10..20))),
            ("bytes=90-", Some(Wanted::Part(90..100))),
            ("bytes=90-1000", Some(Wanted::Part(90..100))),
            ("bytes=-10", Some(Wanted::Part(90..100))),
            ("bytes=-1000", Some(Wanted::Part(0..100))),
            ("bytes=-0", Some(Wanted::Impossible)),
            ("bytes=100-", Some(Wanted::Impossible)),
            ("bytes=100-200", Some(Wanted::Impossible)),
            ("bytes=5-4", None),
            ("bytes=0-1,5-6", None),
            ("bytes=+1-2", None),
            ("bytes=-", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse(text, 100), expected, "{text}");
        }
    }

    #[test]
    fn another_version_is_sent_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=1-".parse().unwrap());
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::Part(1..9));
        headers.insert(header::IF_RANGE, "\"a\"".parse().unwrap());
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::Part(1..9));
        headers.insert(header::IF_RANGE, "\"b\"".parse().unwrap());
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::All);
        headers.insert(header::IF_RANGE, "W/\"a\"".parse().unwrap());
        assert_eq!(wanted(&headers, "\"a\"", 9), Wanted::All);
    }
}
