//! What the restore wizard's form says at the moment, and whether that can be begun.

use backup_api::CheckOutcome;
use leptos_router::params::ParamsMap;

use super::{RestoreOptions, RestorePreview};
use crate::components::{addresses::value, figures};

/// Names of the form's fields; the first three are the server function's.
pub const NEUTRALIZE: &str = "options[neutralize]";
/// Safety backup first.
pub const SAFETY_BACKUP: &str = "options[safety_backup]";
/// Name of the copy.
pub const INTO: &str = "options[into]";
/// Whether it shall be a copy; without it the name of the copy says nothing.
pub const COPY: &str = "copy";
/// The name that confirms.
pub const TYPED_NAME: &str = "typed_name";
/// Says that an address holds a form's options: an absent checkbox is then one that was cleared.
pub const CHECKED: &str = "checked";

/// What the form says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Neutralize.
    pub neutralize: bool,
    /// Safety backup first.
    pub safety_backup: bool,
    /// Into another database.
    pub copy: bool,
    /// The other database's name.
    pub into: String,
    /// The name that was typed to confirm.
    pub typed_name: String,
}

impl Asked {
    /// What an address says; at first, a replacement with a safety backup.
    pub fn parse(query: &ParamsMap) -> Self {
        let is_on = |name| query.get_str(name).is_some();
        Self {
            neutralize: is_on(NEUTRALIZE),
            safety_backup: is_on(SAFETY_BACKUP) || !is_on(CHECKED),
            copy: is_on(COPY),
            into: value(query, INTO),
            typed_name: value(query, TYPED_NAME),
        }
    }

    /// The same for the server.
    pub fn options(&self) -> RestoreOptions {
        let into = if self.copy { self.into.trim().to_owned() } else { String::new() };
        RestoreOptions { neutralize: self.neutralize, safety_backup: self.safety_backup, into }
    }

    /// Whether the name of the copy is still to be entered.
    pub fn lacks_name(&self) -> bool {
        self.copy && self.into.trim().is_empty()
    }

    /// The database that there would be.
    pub fn target(&self, preview: &RestorePreview) -> String {
        if self.copy { self.into.trim().to_owned() } else { preview.database.clone() }
    }

    /// Whether a database would be replaced.
    pub fn replaces(&self, preview: &RestorePreview) -> bool {
        // A database that could not be looked at may well be there.
        !self.copy && (preview.preflight.current.is_some() || !preview.preflight.is_passed())
    }

    /// What the button does, in its own words.
    pub fn deed(&self, preview: &RestorePreview) -> String {
        let target = self.target(preview);
        match (self.replaces(preview), target.is_empty()) {
            (true, _) => format!("Replace {target}"),
            (false, true) => "Create the copy".to_owned(),
            (false, false) => format!("Create {target}"),
        }
    }

    /// Why that cannot be begun, apart from what a person has yet to enter.
    pub fn barrier(preview: &RestorePreview) -> Option<String> {
        if preview.busy.is_some() {
            return Some("Another operation is under way.".to_owned());
        }
        match count(preview, CheckOutcome::Stop) {
            0 if preview.preflight.checks.is_empty() => Some("Nothing could be checked.".to_owned()),
            0 => None,
            1 => Some("A check stops this restore.".to_owned()),
            stops => Some(format!("{} stop this restore.", figures::counted(stops, "check"))),
        }
    }

    /// What a person has yet to enter.
    pub fn missing(&self, preview: &RestorePreview) -> Option<String> {
        let target = self.target(preview);
        if self.lacks_name() {
            Some("Enter the new database's name.".to_owned())
        } else if self.typed_name.trim() == target {
            None
        } else {
            Some(format!("Type {target} to confirm."))
        }
    }
}

/// How many checks ended so.
pub fn count(preview: &RestorePreview, outcome: CheckOutcome) -> u64 {
    preview.preflight.checks.iter().map(|check| u64::from(check.outcome == outcome)).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use backup_api::{BackupFormat, BackupId, Check, CheckCode, CurrentDatabase, Preflight};
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::{
        backups::{BackupLine, LineId, LineResult, Trigger},
        subscriptions::{ConnectionView, SubscriptionId},
    };

    pub fn preview(outcomes: &[CheckOutcome]) -> RestorePreview {
        let check = |outcome: &CheckOutcome| Check {
            code: CheckCode::Space,
            outcome: *outcome,
            message: "41.2 GB free, 2.6 GB needed.".to_owned(),
        };
        RestorePreview {
            line: BackupLine {
                id: LineId(Uuid::from_u128(1)),
                subscription: SubscriptionId(Uuid::from_u128(2)),
                name: "acme_2026-11-22_02-04-11.zip".to_owned(),
                format: BackupFormat::Zip,
                size_bytes: Some(1_284_600_000),
                stored_bytes: None,
                server: "Frankfurt 1".to_owned(),
                remote_id: BackupId(Uuid::from_u128(3)),
                created_at: DateTime::UNIX_EPOCH,
                comment: String::new(),
                trigger: Trigger::Manual,
                result: LineResult::Good,
                attachments: Some((855, 856)),
                odoo_version: Some("18.0".to_owned()),
                pinned: false,
                operation: None,
                fate: None,
            },
            subscription_name: "Acme Trading".to_owned(),
            database: "acme".to_owned(),
            target: "acme".to_owned(),
            connection: ConnectionView::OdooHttp {
                url: "https://odoo-7.example.com".to_owned(),
                has_master_password: true,
            },
            server: "Frankfurt 1".to_owned(),
            odoo_version: Some("18.0".to_owned()),
            neutralize: Ok(()),
            undo_hours: 24,
            busy: None,
            preflight: Preflight {
                checks: outcomes.iter().map(check).collect(),
                current: Some(CurrentDatabase::default()),
            },
            as_of: DateTime::UNIX_EPOCH,
        }
    }

    fn query(pairs: &[(&'static str, &str)]) -> ParamsMap {
        let mut query = ParamsMap::new();
        for (name, value) in pairs {
            query.insert(*name, (*value).to_owned());
        }
        query
    }

    #[test]
    fn a_safety_backup_is_made_unless_somebody_cleared_it() {
        assert!(Asked::parse(&query(&[])).options().safety_backup);
        assert!(!Asked::parse(&query(&[(CHECKED, "true")])).options().safety_backup);
        assert!(Asked::parse(&query(&[(CHECKED, "true"), (SAFETY_BACKUP, "true")])).options().safety_backup);
    }

    #[test]
    fn a_name_without_the_wish_for_a_copy_says_nothing() {
        let mut asked = Asked::parse(&query(&[(INTO, " acme_test ")]));
        assert_eq!((asked.options().copy(), asked.target(&preview(&[]))), (None, "acme".to_owned()));
        asked.copy = true;
        assert_eq!((asked.options().copy(), asked.target(&preview(&[]))), (Some("acme_test"), "acme_test".to_owned()));
    }

    #[test]
    fn the_button_says_what_it_does() {
        use CheckOutcome::{Pass, Stop};
        let mut asked = Asked::default();
        let mut found = preview(&[Pass]);
        assert_eq!(asked.deed(&found), "Replace acme");
        found.preflight.current = None;
        assert_eq!(asked.deed(&found), "Create acme", "there is none of that name");
        found.preflight = preview(&[Stop]).preflight;
        found.preflight.current = None;
        assert_eq!(asked.deed(&found), "Replace acme", "nothing could be asked");
        asked.copy = true;
        assert_eq!(asked.deed(&found), "Create the copy");
        "acme_test".clone_into(&mut asked.into);
        assert_eq!(asked.deed(&found), "Create acme_test");
    }

    #[test]
    fn only_what_passed_and_was_typed_can_be_begun() {
        use CheckOutcome::{Pass, Stop, Warn};
        let asked = Asked { typed_name: " acme ".to_owned(), ..Asked::default() };
        assert_eq!(Asked::barrier(&preview(&[Pass, Warn])), None);
        assert_eq!(asked.missing(&preview(&[Pass])), None);
        for (outcomes, reason) in [
            (&[][..], "Nothing could be checked."),
            (&[Stop, Pass], "A check stops this restore."),
            (&[Stop, Stop], "2 checks stop this restore."),
        ] {
            assert_eq!(Asked::barrier(&preview(outcomes)).as_deref(), Some(reason));
        }
        let busy = RestorePreview { busy: Some("A backup runs.".to_owned()), ..preview(&[Pass]) };
        assert!(Asked::barrier(&busy).is_some());
        for (typed, copy, into, reason) in [
            ("Acme", false, "", "Type acme to confirm."),
            ("", true, " ", "Enter the new database's name."),
            ("acme", true, "acme_test", "Type acme_test to confirm."),
        ] {
            let asked = Asked { typed_name: typed.to_owned(), copy, into: into.to_owned(), ..Asked::default() };
            assert_eq!(asked.missing(&preview(&[Pass])).as_deref(), Some(reason));
        }
    }
}
