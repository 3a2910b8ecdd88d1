//! What is found at an Odoo before a restore, without changing anything there.

use backup_api::{
    Backup, BackupFormat, Check, CheckCode, CheckOutcome, CurrentDatabase, JobId, Preflight, RestoreMode, RestorePlan,
};

use super::{
    super::{journal, replay::Head},
    target::{Place, Target},
};
use crate::{
    jobs::size,
    server::App,
    sources::odoo::{hides_filtered, look_at_server},
};

/// Extensions that the owner of a database may create (PostgreSQL marks them as trusted).
const TRUSTED: [&str; 18] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "seg",
    "tablefunc",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
];

/// The checks, as they come.
struct Checks<'a> {
    found: &'a mut Preflight,
}

impl Checks<'_> {
    fn add(&mut self, code: CheckCode, outcome: CheckOutcome, message: impl Into<String>) {
        self.found.checks.push(Check { code, outcome, message: message.into() });
    }

    fn pass(&mut self, code: CheckCode, message: impl Into<String>) {
        self.add(code, CheckOutcome::Pass, message);
    }

    fn warn(&mut self, code: CheckCode, message: impl Into<String>) {
        self.add(code, CheckOutcome::Warn, message);
    }

    fn stop(&mut self, code: CheckCode, message: impl Into<String>) {
        self.add(code, CheckOutcome::Stop, message);
    }
}

/// Adds what is found to the checks.
pub(super) async fn look(app: &App, plan: &RestorePlan, backup: &Backup, head: &Head, found: &mut Preflight) {
    let mut checks = Checks { found };
    let target = match Target::open(app, plan).await {
        Ok(target) => target,
        Err(why) => return checks.stop(CheckCode::Connection, why.message),
    };
    let server = look_at_server(&target.odoo, &target.url, &target.password).await;
    if !server.problems.is_empty() {
        for problem in server.problems {
            checks.stop(CheckCode::Connection, problem.message);
        }
        return;
    }
    let version = server.odoo_version.unwrap_or_default();
    let words = format!("Odoo {version} answers, its database manager is enabled and the master password is right.");
    checks.pass(CheckCode::Connection, words);
    let replaces = name(&mut checks, &target, plan, &version).await;
    if replaces {
        checks.found.current = Some(CurrentDatabase { odoo_version: Some(version.clone()), ..Default::default() });
    }
    versions(&mut checks, &version, backup, head);
    extensions(&mut checks, head);
    space(&mut checks, app, backup);
    filestore(&mut checks, plan, backup, replaces);
    neutralize(&mut checks, plan, backup, &version);
    sessions(&mut checks, plan, replaces);
}

/// Whether the name can be taken; tells whether a database is replaced.
async fn name(checks: &mut Checks<'_>, target: &Target, plan: &RestorePlan, version: &str) -> bool {
    let database = plan.database();
    let is_copy = matches!(plan.mode, RestoreMode::Copy { .. });
    let places = (target.place(database.as_str()).await, target.odoo.databases().await);
    let (place, listed) = match places {
        (Ok(place), Ok(listed)) => (place, listed),
        (Err(why), _) => {
            checks.stop(CheckCode::Name, why.message);
            return false;
        }
        (_, Err(why)) => {
            checks.stop(CheckCode::Name, target.unanswered(why).message);
            return false;
        }
    };
    let message = match place {
        Place::Listed | Place::Unlisted if is_copy => {
            let message = format!("There is a database “{database}” already. Choose another name for the copy.");
            checks.stop(CheckCode::Name, message);
            return false;
        }
        Place::Unlisted => {
            let message = format!(
                "Odoo has the database “{database}” but does not list it: it was started for certain databases only (-d \
                 or db_name), and then neither verifies nor removes what it restores. Restore into PostgreSQL directly, \
                 or start Odoo without -d."
            );
            checks.stop(CheckCode::Name, message);
            return true;
        }
        Place::Listed => format!("The database “{database}” is there and will be replaced."),
        Place::Absent => format!("The name “{database}” is free."),
    };
    let shown = target.odoo.shown_databases().await.unwrap_or_else(|_| listed.clone());
    let is_hidden = |name: &str| !shown.iter().any(|known| known == name);
    if place == Place::Listed && hides_filtered(version) && is_hidden(database.as_str()) {
        let message = format!(
            "Odoo has a database “{database}” but hides it under this address: its dbfilter does not match the host \
             name. Enter the address that people use for this database."
        );
        checks.stop(CheckCode::Name, message);
    } else if hides_filtered(version) && listed.iter().any(|name| is_hidden(name)) {
        let (scratch, _) = journal::names(database, JobId(uuid::Uuid::nil()));
        let scratch = scratch.trim_end_matches('0').to_owned();
        checks.warn(
            CheckCode::Name,
            format!(
                "{message} Odoo's dbfilter hides some databases under this address. If it hides names that begin with \
                 “{scratch}” too, the restore ends before anything is replaced, as it cannot be verified."
            ),
        );
    } else if place == Place::Listed && listed.len() == 1 {
        checks.warn(
            CheckCode::Name,
            format!(
                "{message} It is the only one that Odoo lists. If Odoo was started for it alone (-d or db_name), the \
                 restore ends before anything is replaced, as it cannot be verified."
            ),
        );
    } else {
        checks.pass(CheckCode::Name, message);
    }
    place == Place::Listed
}

fn versions(checks: &mut Checks<'_>, server: &str, backup: &Backup, head: &Head) {
    match backup.odoo_version.as_deref() {
        None => checks.warn(
            CheckCode::OdooVersion,
            format!(
                "The backup does not say of which Odoo it is; this one is {server}. Odoo itself does not check it."
            ),
        ),
        Some(version) if version == server => {
            checks.pass(CheckCode::OdooVersion, format!("The backup and the server are both Odoo {server}."));
        }
        Some(version) => checks.stop(
            CheckCode::OdooVersion,
            format!(
                "The backup is of Odoo {version}, the server is Odoo {server}, which cannot run it (and would not say \
                 so). Restore it with Odoo {version}."
            ),
        ),
    }
    let from = head.server_version.as_deref().or(backup.postgres_version.as_deref());
    let from = from.map_or_else(String::new, |version| format!(" The backup is of PostgreSQL {version}."));
    checks.warn(
        CheckCode::PostgresVersion,
        format!(
            "Odoo does not tell the version of its PostgreSQL.{from} If it is older there, the restore ends before \
             anything is replaced."
        ),
    );
}

fn extensions(checks: &mut Checks<'_>, head: &Head) {
    let untrusted: Vec<&str> =
        head.extensions.iter().map(String::as_str).filter(|name| !TRUSTED.contains(name)).collect();
    let code = CheckCode::Extensions;
    if untrusted.is_empty() {
        return checks.pass(code, "Odoo's user may create the extensions of the backup, where they are installed.");
    }
    checks.warn(
        code,
        format!(
            "The backup needs extensions that only a superuser creates: {}. Odoo's user must be one, or the restore ends \
             before anything is replaced.",
            untrusted.join(", ")
        ),
    );
}

fn space(checks: &mut Checks<'_>, app: &App, backup: &Backup) {
    match app.sources.settings().staging.check_space(backup.size_bytes) {
        Err(why) => checks.stop(CheckCode::Space, why.message),
        Ok(()) => checks.warn(
            CheckCode::Space,
            format!(
                "Odoo does not tell the free space of its disks. It needs room for the backup twice ({} each, \
                 unpacked) and for the database beside the present one.",
                size(backup.size_bytes)
            ),
        ),
    }
}

fn filestore(checks: &mut Checks<'_>, plan: &RestorePlan, backup: &Backup, replaces: bool) {
    match backup.format {
        BackupFormat::Zip => {
            checks.pass(CheckCode::Filestore, "Odoo keeps the files of attachments; each is compared afterwards.");
        }
        BackupFormat::Dump if replaces => checks.warn(
            CheckCode::Filestore,
            format!(
                "The backup holds the database only. The present files of attachments are fetched from Odoo and kept \
                 with “{}”; attachments that were removed since the backup will have no file. This needs room for them \
                 on the backup server, twice.",
                plan.database()
            ),
        ),
        BackupFormat::Dump => checks.warn(
            CheckCode::Filestore,
            "The backup holds the database only: all attachments in files will be missing.",
        ),
    }
}

fn neutralize(checks: &mut Checks<'_>, plan: &RestorePlan, backup: &Backup, server: &str) {
    if !plan.neutralize {
        return;
    }
    let old = [backup.odoo_version.as_deref(), Some(server)].into_iter().flatten().find(|version| !knows(version));
    match old {
        Some(version) => checks.stop(
            CheckCode::Neutralize,
            format!("Odoo {version} cannot neutralize; Odoo can from version 16 on. Restore without neutralizing."),
        ),
        None => {
            checks.pass(CheckCode::Neutralize, "Odoo neutralizes the database as it restores it; this is verified.");
        }
    }
}

/// Whether this Odoo can neutralize.
fn knows(version: &str) -> bool {
    let number = version.trim_start_matches("saas~").split('.').next().and_then(|major| major.parse::<u32>().ok());
    number.is_some_and(|major| major >= 16)
}

fn sessions(checks: &mut Checks<'_>, plan: &RestorePlan, replaces: bool) {
    if !replaces {
        return;
    }
    let kept = if plan.undo_seconds == 0 {
        "It is removed as soon as the restored one is verified.".to_owned()
    } else {
        let hours = plan.undo_seconds.div_ceil(3600);
        format!(
            "It is kept for an undo ({hours} h) under another name, which Odoo lists: Odoo goes on running its scheduled \
             actions, such as sending mail, so choose a short time for undo if that would harm."
        )
    };
    let message = format!("Odoo ends all sessions of “{}” when it is replaced. {kept}", plan.database());
    if plan.undo_seconds == 0 {
        checks.pass(CheckCode::Sessions, message);
    } else {
        checks.warn(CheckCode::Sessions, message);
    }
}
