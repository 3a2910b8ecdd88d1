//! What a page of Odoo's database manager says.

/// A page, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// The error on it, without tags and escapes.
    pub error: Option<String>,
    /// It is the database manager's.
    pub is_manager: bool,
    /// `list_db = False`.
    pub disabled: bool,
    /// The master password is still the default.
    pub insecure: bool,
}

/// The longest error that is passed on.
const MAX_ERROR: usize = 1000;

impl Page {
    /// Reads a page: the manager with an alert, the development version's short error page, or Werkzeug's.
    pub fn read(html: &str) -> Self {
        let alerts: Vec<String> = elements(html, "<div class=\"alert alert-danger", "</div>").collect();
        let of_an_action = alerts.iter().find(|alert| alert.starts_with("Database ") && alert.contains(" error:"));
        let paragraph = || elements(html, "<p>", "</p>").find(|text| text.starts_with("Could not "));
        let error = of_an_action.cloned().or_else(paragraph);
        Self {
            error: error.map(|text| text.chars().take(MAX_ERROR).collect()),
            is_manager: html.contains("o_database_list") || html.contains("/web/database/"),
            disabled: html.contains("database manager has been disabled by the administrator"),
            insecure: html.contains("database manager is not protected"),
        }
    }
}

/// Whether bytes at the start of a file are those of a web page.
pub(crate) fn is_html(start: &[u8]) -> bool {
    let text = start.trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    begins(b"<!doctype") || begins(b"<html") || begins(b"<head") || begins(b"<?xml")
}

/// The title of a page.
pub(crate) fn title(html: &str) -> Option<String> {
    elements(html, "<title", "</title>").next().filter(|title| !title.is_empty())
}

/// The texts of all elements that begin so.
fn elements<'a>(html: &'a str, opening: &'a str, closing: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut rest = html;
    std::iter::from_fn(move || {
        let at = rest.find(opening)?;
        let (_, after) = rest[at..].split_once('>')?;
        let (inner, left) = after.split_once(closing).unwrap_or((after, ""));
        rest = left;
        Some(plain(inner))
    })
}

/// Takes tags, escapes and superfluous space out.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = after.split_once(';').and_then(|(name, left)| Some((character(name)?, left)));
        if let Some((character, left)) = entity {
            plain.push(character);
            rest = left;
        } else {
            plain.push('&');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_manager_page_is_read_and_unescaped() {
        let page = Page::read(
            r#"<div class="o_database_list"><div class="alert alert-danger">Database backup error: Database &#39;x&amp;y&#39; is not known</div>"#,
        );
        assert_eq!(page.error.as_deref(), Some("Database backup error: Database 'x&y' is not known"));
        assert!(page.is_manager && !page.disabled && !page.insecure);
    }

    #[test]
    fn a_disabled_manager_is_seen_beside_the_error() {
        let page = Page::read(
            "<div class=\"alert alert-danger text-center\">The database manager has been disabled by the administrator</div>\
             <div class=\"alert alert-danger\">Database backup error: Access Denied</div>",
        );
        assert!(page.disabled);
        assert_eq!(page.error.as_deref(), Some("Database backup error: Access Denied"));
    }

    #[test]
    fn the_development_versions_error_is_read() {
        let page =
            Page::read("<!doctype html><title>422</title><h1>x</h1><p>Could not backup database. Access &lt;b&gt;</p>");
        assert_eq!(page.error.as_deref(), Some("Could not backup database. Access <b>"));
    }

    #[test]
    fn a_page_of_another_kind_has_no_error_but_a_title() {
        let html = "<html><head><title>Sign in\n to  proxy</title></head><p>Hello";
        assert_eq!(Page::read(html), Page::default());
        assert_eq!(title(html).as_deref(), Some("Sign in to proxy"));
        assert!(is_html(b"\n <!DOCTYPE html><html>") && is_html(b"<html>") && !is_html(b"PK\x03\x04") && !is_html(b""));
    }

    #[test]
    fn broken_escapes_and_tags_do_no_harm() {
        assert_eq!(plain("a & b &bogus; &#xfffffff; <b"), "a & b &bogus; &#xfffffff;");
        assert_eq!(plain("&#x27;<br/>&quot;"), "' \"");
    }
}
