//! The recorded pages of the database manager.

/// A 405, for a GET on an address that wants a POST.
pub(super) const METHOD_NOT_ALLOWED: &str = include_str!("../../fixtures/http/bk_get.body");
/// A 500, for a missing field.
pub(super) const INTERNAL_ERROR: &str = include_str!("../../fixtures/http/bk_nopw.body");

const WITH_ERROR: &str = include_str!("../../fixtures/http/bk_wrongpw.body");
const DISABLED_WITH_ERROR: &str = include_str!("../../fixtures/http/nl_backup.body");
const INSECURE: &str = include_str!("../../fixtures/http/ins_mgr.body");
/// The recorded error, as it stands in both pages.
const ALERT: &str = r#"<div class="alert alert-danger">Database backup error: Access Denied</div>"#;

/// The manager page: with the insecure password's warning, or with the manager disabled.
pub(super) fn manager(list_db: bool, insecure: bool) -> String {
    match (list_db, insecure) {
        (false, _) => DISABLED_WITH_ERROR.replace(ALERT, ""),
        (true, true) => INSECURE.to_owned(),
        (true, false) => WITH_ERROR.replace(ALERT, ""),
    }
}

/// The manager page with an error, such as `Database backup error: Access Denied`.
pub(super) fn error(list_db: bool, message: &str) -> String {
    let page = if list_db { WITH_ERROR } else { DISABLED_WITH_ERROR };
    page.replace(ALERT, &format!(r#"<div class="alert alert-danger">{}</div>"#, escape(message)))
}

/// What the development version answers with status 422.
pub(super) fn unprocessable(verb: &str, message: &str) -> String {
    let message = escape(message);
    format!(
        "<!doctype html>\n<html lang=en>\n<title>422 Unprocessable Entity</title>\n\
         <h1>Unprocessable Entity</h1>\n<p>Could not {verb} database. {message}</p>\n"
    )
}

/// As markupsafe escapes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}
