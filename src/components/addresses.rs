//! Addresses of pages: query strings are read and written here, so that every list can be linked to.

use leptos_router::params::ParamsMap;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Escapes a text for use as a value in a query string.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => {
                escaped.push('%');
                escaped.push(char::from(HEX[usize::from(byte >> 4)]));
                escaped.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    escaped
}

/// A path with its query string; pairs with an empty value are left out.
pub fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.len() == path.len() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&escape(value));
    }
    text
}

/// What names the parts of a page that are open for a moment: dialogs, a row in change, the failure of a plain form.
const PASSING: [&str; 14] = [
    "wizard",
    "line",
    // What the import wizard shows.
    "source",
    "operation",
    "edit",
    "__path",
    "__err",
    "__typed",
    // What the restore wizard asks for.
    "options[neutralize]",
    "options[safety_backup]",
    "options[into]",
    "copy",
    "typed_name",
    "checked",
];

/// The address of this page without anything that is open for a moment.
pub fn settled(path: &str, query: &ParamsMap) -> String {
    opened(path, query, &[])
}

/// The address of this page with something opened, and nothing else that was.
pub fn opened(path: &str, query: &ParamsMap, open: &[(&'static str, String)]) -> String {
    let mut query = query.clone();
    for name in PASSING {
        query.remove(name);
    }
    for (name, value) in open {
        query.replace(*name, value.clone());
    }
    format!("{path}{}", query.to_query_string())
}

/// A value of the query string; empty when it is not there.
pub fn value(query: &ParamsMap, name: &str) -> String {
    query.get_str(name).unwrap_or_default().to_owned()
}

/// The page in the query string (from 1, as people count), as it is counted inside (from 0).
pub fn page(query: &ParamsMap) -> u32 {
    query.get_str("page").and_then(|page| page.parse::<u32>().ok()).unwrap_or(1).saturating_sub(1)
}

/// The value for the query string of a page counted from 0; empty for the first.
pub fn page_value(page: u32) -> String {
    if page == 0 { String::new() } else { (page + 1).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_leave_out_what_is_empty_and_escape_the_rest() {
        assert_eq!(address("/subscriptions", &[("search", ""), ("page", "")]), "/subscriptions");
        assert_eq!(
            address("/subscriptions", &[("search", "a&b ü"), ("state", ""), ("page", "2")]),
            "/subscriptions?search=a%26b%20%C3%BC&page=2"
        );
    }

    #[test]
    fn opening_something_keeps_the_list_and_closes_what_was_open() {
        let mut query = ParamsMap::new();
        query.insert("search", "acme".to_owned());
        query.insert("wizard", "create-backup".to_owned());
        query.insert("__err", "x".to_owned());
        assert_eq!(settled("/s", &query), "/s?search=acme");
        assert_eq!(opened("/s", &query, &[("edit", "7".to_owned())]), "/s?search=acme&edit=7");
        assert_eq!(settled("/s", &ParamsMap::new()), "/s");
    }

    #[test]
    fn pages_count_from_one_in_addresses() {
        let query = |page: &str| {
            let mut map = ParamsMap::new();
            map.insert("page", page.to_owned());
            map
        };
        assert_eq!(page(&ParamsMap::new()), 0);
        assert_eq!(page(&query("1")), 0);
        assert_eq!(page(&query("3")), 2);
        assert_eq!(page(&query("0")), 0);
        assert_eq!(page(&query("-1")), 0);
        assert_eq!(page_value(2), "3");
        assert_eq!(page_value(0), "");
    }
}
