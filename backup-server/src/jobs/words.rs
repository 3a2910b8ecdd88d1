//! The sentences of a job's log.

use std::time::Duration;

use backup_api::{Attachments, Backup, Source, SourceReport};

/// Names of missing files that the log shows.
const SHOWN: usize = 10;

/// `1.5 MB`, `1.9 GB`, `2.0 TB`, as everywhere in the panel: a megabyte is 1,000,000 bytes.
#[expect(clippy::match_overlapping_arm, reason = "an arm takes what those before it left")]
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        ..999_950_000 => (1_000_000, "MB"),
        ..999_950_000_000 => (1_000_000_000, "GB"),
        _ => (1_000_000_000_000, "TB"),
    };
    let tenths = bytes.saturating_add(unit / 20) / (unit / 10);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// `12.3 s`.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The source, without its secrets.
pub(super) fn source(source: &Source) -> String {
    match source {
        Source::OdooHttp { url, database, .. } => format!("the database {database} at {}", without_login(url)),
        Source::Postgres { database, filestore: Some(folder), .. } => {
            format!("the database {database} in PostgreSQL and its filestore {folder}")
        }
        Source::Postgres { database, filestore: None, .. } => {
            format!("the database {database} in PostgreSQL, without a filestore")
        }
    }
}

/// An address without the user and password that somebody may have put into it.
fn without_login(address: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(address) else { return "an address that cannot be read".to_owned() };
    // Both fail only for addresses that cannot hold a login.
    let _ = (parsed.set_username(""), parsed.set_password(None));
    parsed.set_query(None);
    parsed.to_string()
}

/// What a test found.
pub(super) fn report(report: &SourceReport) -> String {
    let facts = [
        report.odoo_version.as_ref().map(|version| format!("Odoo {version}")),
        report.postgres_version.as_ref().map(|version| format!("PostgreSQL {version}")),
        report.pg_dump_version.as_ref().map(|version| format!("pg_dump {version}")),
        report.database_bytes.map(|bytes| format!("database {}", size(bytes))),
        report.filestore_bytes.map(|bytes| format!("filestore {}", size(bytes))),
        report.attachment_count.map(|count| format!("{count} attachments with a file")),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    if facts.is_empty() { "The source answers.".to_owned() } else { format!("Found {}.", facts.join(", ")) }
}

/// The missing attachments.
pub(super) fn missing(attachments: &Attachments) -> String {
    let count = attachments.missing_count();
    let shown = attachments.missing.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if count > SHOWN as u64 { ", …" } else { "" };
    format!(
        "{count} of {} attachment files are not in the filestore and not in this backup: {shown}{more}.",
        attachments.expected
    )
}

/// The end of a job that succeeded.
pub(super) fn result(backup: &Backup, time: Duration) -> String {
    format!(
        "Stored {}: {} to download, of which {} is the database; it adds {} to the repository. Took {}.",
        backup.file_name,
        size(backup.size_bytes),
        size(backup.dump_bytes),
        size(backup.stored_bytes),
        seconds(time)
    )
}

#[cfg(test)]
mod tests {
    use backup_api::{DatabaseName, Secret};

    use super::*;

    #[test]
    fn sentences_have_figures_and_no_secrets() {
        assert_eq!((size(0), size(1_449_999), size(1_450_000)), ("0.0 MB".into(), "1.4 MB".into(), "1.5 MB".into()));
        assert_eq!((size(999_949_999), size(999_950_000)), ("999.9 MB".into(), "1.0 GB".into()));
        assert_eq!((size(412_340_000_000), size(999_950_000_000)), ("412.3 GB".into(), "1.0 TB".into()));
        let odoo = Source::OdooHttp {
            url: "https://me:hunter2@odoo.example.com/?key=hunter2".to_owned(),
            database: DatabaseName::parse("acme").unwrap(),
            master_password: Secret::new("hunter2"),
        };
        assert_eq!(source(&odoo), "the database acme at https://odoo.example.com/");
        let found = SourceReport { database_bytes: Some(52_000_000), ..SourceReport::default() };
        assert_eq!(report(&found), "Found database 52.0 MB.");
        let names = |count: u64| (0..count).map(|n| format!("aa/{n}")).collect();
        let lost = Attachments { expected: 30, present: 19, bytes: 0, missing: names(11) };
        assert!(missing(&lost).starts_with("11 of 30 attachment files"), "{}", missing(&lost));
        assert!(missing(&lost).ends_with("aa/9, …."), "{}", missing(&lost));
    }
}
