//! What the restore wizard says of backup, target and consequences.

use backup_api::{BackupFormat, CurrentDatabase};
use leptos::prelude::*;

use super::{RestorePreview, asked::Asked};
use crate::{
    backups::{BackupLine, Trigger},
    components::{Moment, Notice, Tone, figures},
    subscriptions::ConnectionView,
};

/// What a backup holds: `Odoo 18.0 · 855 of 856 attachments, 1 missing`.
pub fn holds(line: &BackupLine) -> String {
    let odoo = line.odoo_version.as_ref().map_or_else(|| "Odoo".to_owned(), |version| format!("Odoo {version}"));
    let attachments = match (line.format, line.attachments) {
        (BackupFormat::Zip, Some((present, expected))) => {
            let missing = match expected.saturating_sub(present) {
                0 => "none missing".to_owned(),
                missing => format!("{} missing", figures::count(missing)),
            };
            format!("{} of {} attachments, {missing}", figures::count(present), figures::count(expected))
        }
        (BackupFormat::Zip, None) => "attachments not counted".to_owned(),
        _ => "the database only, no attachments".to_owned(),
    };
    format!("{odoo} · {attachments}")
}

/// The database that would be written, and what is known of the one that is there.
pub fn into(found: &RestorePreview, asked: &Asked) -> AnyView {
    let target = asked.target(found);
    let target = if target.is_empty() { "a new database".to_owned() } else { target };
    let more = into_text(found, asked);
    view! {
        <b>{target}</b>
        {more}
    }
    .into_any()
}

fn into_text(found: &RestorePreview, asked: &Asked) -> String {
    let mut text = place(&found.connection).map(|place| format!(" on {place}")).unwrap_or_default();
    if asked.copy {
        text.push_str(" · new, beside ");
        text.push_str(&found.database);
        return text;
    }
    match &found.preflight.current {
        Some(current) => text.push_str(&current_text(current, found)),
        None if found.preflight.is_passed() => text.push_str(" · there is no database of this name at present"),
        None => text.push_str(" · how it is at present could not be seen"),
    }
    text
}

fn current_text(current: &CurrentDatabase, found: &RestorePreview) -> String {
    let version = current.odoo_version.as_ref().or(found.odoo_version.as_ref());
    let parts = [
        current.database_bytes.map(|bytes| format!(" · now {} without attachments", figures::size(bytes))),
        current.last_change.map(|at| format!(" · last change {}", figures::age(at, found.as_of))),
        version.map(|version| format!(" · Odoo {version}")),
    ];
    parts.into_iter().flatten().collect()
}

/// Where the database is, without user and password.
fn place(connection: &ConnectionView) -> Option<String> {
    let (ConnectionView::OdooHttp { url, .. } | ConnectionView::Postgres { redacted_url: url, .. }) = connection;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (!host.is_empty()).then(|| host.to_owned())
}

/// What the restore means for what is there.
pub fn consequence(found: &RestorePreview, asked: &Asked) -> AnyView {
    let (database, target) = (&found.database, asked.target(found));
    if asked.copy {
        let target = if target.is_empty() { "A new database".to_owned() } else { target };
        let title = format!("{target} becomes a database of its own; {database} is not touched.");
        return notice(
            Tone::Plain,
            title,
            "Odoo knows it as a copy: it has an identity of its own. Unless it is neutralized, its mail servers and \
             scheduled actions are as active as in the original. It is not backed up here until it has a subscription."
                .into_any(),
        );
    }
    if !asked.replaces(found) {
        let title = format!("There is no database {database} at present, so nothing is replaced.");
        return notice(Tone::Plain, title, "The backup is restored under that name.".into_any());
    }
    let (created, as_of, undo) = (found.line.created_at, found.as_of, undo_text(found.undo_hours));
    let since = match found.line.trigger {
        // When it came here says nothing about when it was made.
        Trigger::Upload | Trigger::Url => "the file was made".into_any(),
        _ => view! { <Moment at=created as_of /> }.into_any(),
    };
    let more = view! {
        "What was entered since "
        {since}
        " will no longer be there. Odoo cannot undo this. "
        {undo}
    };
    notice(Tone::Bad, format!("This replaces the database {database} entirely."), more.into_any())
}

fn notice(tone: Tone, title: String, more: AnyView) -> AnyView {
    view! {
        <Notice tone>
            <p>
                <b>{title}</b>
                " "
                {more}
            </p>
        </Notice>
    }
    .into_any()
}

fn undo_text(hours: u32) -> String {
    match hours {
        0 => "Holdfast cannot either: its backup server keeps no replaced databases (its undo window is 0 hours)."
            .to_owned(),
        hours => format!(
            "Holdfast keeps the present database for {}: until then you can undo this restore here.",
            figures::counted(u64::from(hours), "hour")
        ),
    }
}

#[cfg(test)]
mod tests {
    use backup_api::CheckOutcome;
    use chrono::TimeDelta;

    use super::*;
    use crate::restores::asked::tests::preview;

    #[test]
    fn missing_attachments_and_dumps_are_told() {
        let mut line = preview(&[]).line;
        assert_eq!(holds(&line), "Odoo 18.0 · 855 of 856 attachments, 1 missing");
        line.attachments = Some((856, 856));
        assert_eq!(holds(&line), "Odoo 18.0 · 856 of 856 attachments, none missing");
        line.format = BackupFormat::Dump;
        assert_eq!(holds(&line), "Odoo 18.0 · the database only, no attachments");
    }

    #[test]
    fn the_target_is_told_as_far_as_it_is_known() {
        let mut found = preview(&[CheckOutcome::Pass]);
        let asked = Asked::default();
        found.preflight.current = Some(CurrentDatabase {
            odoo_version: None,
            database_bytes: Some(1_296_000_000),
            last_change: Some(found.as_of - TimeDelta::minutes(4)),
            sessions: None,
        });
        assert_eq!(
            into_text(&found, &asked),
            " on odoo-7.example.com · now 1.3 GB without attachments · last change 4 min ago · Odoo 18.0"
        );
        found.preflight.current = None;
        assert!(into_text(&found, &asked).ends_with("there is no database of this name at present"));
        found.preflight = preview(&[CheckOutcome::Stop]).preflight;
        found.preflight.current = None;
        assert!(into_text(&found, &asked).ends_with("could not be seen"));
        let copy = Asked { copy: true, ..asked };
        assert_eq!(into_text(&found, &copy), " on odoo-7.example.com · new, beside acme");
    }

    #[test]
    fn a_place_never_holds_user_or_password() {
        let postgres = |url: &str| {
            place(&ConnectionView::Postgres {
                redacted_url: url.to_owned(),
                filestore: String::new(),
                addons: String::new(),
            })
        };
        assert_eq!(postgres("postgres://odoo:…@db.example.com:5433/acme").as_deref(), Some("db.example.com:5433"));
        assert_eq!(postgres("postgres:///acme?host=/run/postgresql"), None);
    }

    #[test]
    fn no_undo_is_promised_where_there_is_none() {
        assert!(undo_text(0).contains("cannot either"));
        assert!(undo_text(1).contains("for 1 hour:"));
        assert!(undo_text(24).contains("for 24 hours:"));
    }
}
