//! Addresses of checks with a place for the subscription in them: one address, a check for each.

use url::Url;
use uuid::Uuid;

use super::input;
use crate::error::{AppError, AppResult};

const UUID: &str = "{uuid}";
const SLUG: &str = "{slug}";

/// The address of a subscription's check: `{uuid}` is its backup UUID, `{slug}` its database and the end of that.
pub fn filled(template: &str, uuid: Uuid, database: &str) -> String {
    template.replace(UUID, &uuid.to_string()).replace(SLUG, &slug(database, uuid))
}

/// Small letters, digits and hyphens, as services of checks want them. Two databases may have one name: hence the digits.
fn slug(database: &str, uuid: Uuid) -> String {
    let letters = database.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let uuid = uuid.simple().to_string();
    format!("{}-{}", letters.collect::<String>().trim_matches('-'), &uuid[uuid.len() - 8..])
}

/// Checks an address that somebody entered; gives what may be shown of it, and whether there is a check for each
/// subscription.
pub fn check(field: &str, text: &str) -> AppResult<(String, bool)> {
    let sample = |uuid: Uuid, database: &str| input::parse(field, &filled(text, uuid, database));
    let url = sample(Uuid::nil(), "a")?;
    let wrong = |words: &str| Err(AppError::field(field, words));
    if url.origin() != sample(Uuid::max(), "b")?.origin() {
        return wrong("Only the part after the host may hold {slug} or {uuid}.");
    }
    if has_braces(&url) {
        return wrong("Only {slug} and {uuid} are filled in; take other braces out of the address.");
    }
    Ok((input::place(&url), text.contains(UUID) || text.contains(SLUG)))
}

fn has_braces(url: &Url) -> bool {
    [url.path(), url.query().unwrap_or_default()]
        .iter()
        .any(|part| part.contains(['{', '}']) || part.contains("%7B") || part.contains("%7D"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_subscription_has_an_address_of_its_own() {
        let uuid = Uuid::from_u128(0x0193_a5b0_0000_7000_8000_0000_dead_beef);
        let filled = |template| filled(template, uuid, "Acme_2026.Prod");
        assert_eq!(
            filled("https://hc-ping.com/key/{slug}?create=1"),
            "https://hc-ping.com/key/acme-2026-prod-deadbeef?create=1"
        );
        assert_eq!(filled("https://hc.example.com/{uuid}"), format!("https://hc.example.com/{uuid}"));
    }

    #[test]
    fn an_address_is_checked_before_it_is_kept() {
        let place = || "https://hc-ping.com".to_owned();
        assert_eq!(check("f", "https://hc-ping.com/key/{slug}?create=1").unwrap(), (place(), true));
        assert_eq!(check("f", "https://hc-ping.com/{uuid}").unwrap(), (place(), true));
        assert_eq!(check("f", "https://hc-ping.com/0193a5b0").unwrap(), (place(), false));
        for wrong in ["https://{slug}.example.com/", "https://hc-ping.com/{name}", "hc-ping.com/{slug}"] {
            let error = check("f", wrong).unwrap_err();
            assert!(error.for_field("f").is_some(), "{wrong}: {error:?}");
        }
    }
}
