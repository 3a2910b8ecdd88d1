//! What is found at a PostgreSQL target before anything is touched.

use std::path::PathBuf;

use backup_api::{
    BackupFormat, Check, CheckCode, CheckOutcome, CurrentDatabase, Failure, Preflight, RestoreMode, RestorePlan, Source,
};
use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::{PgConnection, Row};

use super::{
    super::replay::Head,
    disks::{database_space, filestore_check, filestore_space},
    extensions, filestore, neutralize,
    server::{Database, Login, Server, asked, close, database, login, run},
};
use crate::{repositories::BackupReader, server::App, sources};

/// A restored database needs about so many bytes for each byte of its plain dump: indexes, and rows with their headers.
const DATABASE_PER_DUMP_BYTE: u64 = 2;

/// What the checks go by.
struct Look<'a> {
    app: &'a App,
    plan: &'a RestorePlan,
    reader: &'a BackupReader,
    head: &'a Head,
    /// Modules that the backup's manifest names.
    modules: &'a [String],
    server: Server,
    login: Login,
    live: Option<Database>,
}

/// Adds what is found to the checks.
pub(in super::super) async fn preflight(
    app: &App,
    plan: &RestorePlan,
    reader: &BackupReader,
    head: &Head,
    modules: &[String],
    found: &mut Preflight,
) {
    let connected = async {
        let server = Server::of(app, plan).map_err(|problem| problem.message)?;
        let connection = server.maintenance().await.map_err(|problem| problem.message)?;
        Ok::<_, String>((server, connection))
    };
    let (server, mut connection) = match connected.await {
        Ok(connected) => connected,
        Err(message) => return found.checks.push(stop(CheckCode::Connection, message)),
    };
    let looked = async {
        let login = login(&mut connection).await?;
        let live = database(&mut connection, plan.database().as_str()).await?;
        let look = Look { app, plan, reader, head, modules, server, login, live };
        look.all(&mut connection, found).await
    };
    if let Err(failure) = looked.await {
        found.checks.push(stop(CheckCode::Connection, failure.message));
    }
    close(connection).await;
}

impl Look<'_> {
    async fn all(&self, connection: &mut PgConnection, found: &mut Preflight) -> Result<(), Failure> {
        let login = &self.login;
        let answers = format!("PostgreSQL {} answers as user {}.", login.version, login.name);
        found.checks.push(pass(CheckCode::Connection, answers));
        found.checks.push(self.name());
        found.checks.push(self.rights());
        let target = database(connection, self.plan.target.database().as_str()).await?;
        let (odoo_version, last_change) = match &target {
            Some(_) => self.ask_odoo().await,
            None => (None, None),
        };
        found.checks.push(odoo_check(self.reader.backup().odoo_version.as_deref(), odoo_version.as_deref()));
        found.checks.push(self.postgres_version());
        found.checks.push(extensions::check(connection, login, &self.head.extensions).await?);
        self.space_and_filestore(connection, found).await?;
        found.checks.push(self.attachments());
        if self.plan.neutralize {
            found.checks.push(self.neutralize());
        }
        let Some(live) = &self.live else { return Ok(()) };
        let (sessions, check) = self.sessions(connection).await?;
        if let RestoreMode::Replace = self.plan.mode {
            found.checks.push(check);
            found.current = Some(CurrentDatabase {
                odoo_version,
                database_bytes: live.bytes,
                last_change,
                sessions: Some(sessions),
            });
        }
        Ok(())
    }

    fn name(&self) -> Check {
        let name = self.plan.database();
        match (&self.plan.mode, &self.live) {
            (RestoreMode::Replace, Some(_)) => pass(CheckCode::Name, format!("The database {name} will be replaced.")),
            (RestoreMode::Replace, None) => {
                warn(CheckCode::Name, format!("There is no database {name} at the moment; it will be made anew."))
            }
            (RestoreMode::Copy { .. }, Some(_)) => {
                stop(CheckCode::Name, format!("There is a database {name} already. Choose another name for the copy."))
            }
            (RestoreMode::Copy { .. }, None) => pass(CheckCode::Name, format!("The name {name} is free.")),
        }
    }

    fn rights(&self) -> Check {
        let login = &self.login;
        let owner = self.live.as_ref().map(|live| live.owner.as_str());
        match owner {
            _ if login.is_superuser => warn(
                CheckCode::Rights,
                format!(
                    "User {} is a superuser. The dump is replayed by a role made for it, without any rights elsewhere; \
                     still, an owner without superuser rights is the better user for Odoo.",
                    login.name
                ),
            ),
            _ if !login.may_create_databases => stop(
                CheckCode::Rights,
                format!(
                    "User {0} may not create databases, which a restore beside the live one needs. Run ALTER ROLE \"{0}\" \
                     CREATEDB as an administrator of PostgreSQL.",
                    login.name
                ),
            ),
            Some(owner) if owner != login.name => stop(
                CheckCode::Rights,
                format!(
                    "The database belongs to {owner}, not to {}. Connect as {owner}, the user that Odoo uses.",
                    login.name
                ),
            ),
            _ => pass(CheckCode::Rights, format!("User {} may create databases and rename this one.", login.name)),
        }
    }

    /// The version in the target's database, and the last write that it noted.
    async fn ask_odoo(&self) -> (Option<String>, Option<DateTime<Utc>>) {
        let Ok(mut connection) = self.server.connect(self.plan.target.database().as_str()).await else {
            return (None, None);
        };
        // Somebody waits for the answer, and it is only to be shown.
        let limited = run(&mut connection, "SET statement_timeout = '5s'").await;
        let sql = "SELECT latest_version::text FROM ir_module_module WHERE name = 'base'";
        let version: Option<Option<String>> =
            sqlx::query_scalar(sql).fetch_optional(&mut connection).await.unwrap_or_default();
        let last = if limited.is_ok() { last_change(&mut connection).await } else { None };
        close(connection).await;
        (version.flatten().as_deref().and_then(sources::major_version), last)
    }

    fn postgres_version(&self) -> Check {
        let origin = self.head.server_version.clone().or_else(|| self.reader.backup().postgres_version.clone());
        let Some(origin) = origin else {
            let message = "The backup does not tell which PostgreSQL it is from.";
            return warn(CheckCode::PostgresVersion, message);
        };
        let major = origin.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse::<u32>().ok());
        let here = &self.login.version;
        match major {
            Some(major) if major > self.login.major => stop(
                CheckCode::PostgresVersion,
                format!(
                    "The backup is from PostgreSQL {origin}, this server is {here}: an older one may not understand it. \
                     Restore into PostgreSQL {major} or later."
                ),
            ),
            _ => pass(CheckCode::PostgresVersion, format!("From PostgreSQL {origin} into {here}.")),
        }
    }

    async fn space_and_filestore(&self, connection: &mut PgConnection, found: &mut Preflight) -> Result<(), Failure> {
        let live = filestore::live_folder(self.plan);
        let has_files = self.reader.backup().format == BackupFormat::Zip;
        let is_copy = matches!(self.plan.mode, RestoreMode::Copy { .. });
        let (reader, folder) = (self.reader.clone(), live.clone());
        let expected = reader.attachment_count();
        let keep_free = self.app.config.keep_free_bytes();
        let data_folder = self.database_disk(connection).await?;
        let bytes = self.live.as_ref().and_then(|live| live.bytes).unwrap_or_default();
        let needed = bytes.max(self.reader.backup().dump_bytes.saturating_mul(DATABASE_PER_DUMP_BYTE));
        let looking = tokio::task::spawn_blocking(move || {
            let mut checks = vec![database_space(data_folder.as_deref(), needed, keep_free)];
            if let Some(folder) = folder.as_deref().filter(|_| has_files) {
                checks.push(filestore_space(folder, filestore::bytes_needed(Some(folder), &reader), keep_free));
            }
            checks.push(filestore_check(folder.as_deref().filter(|_| has_files), has_files, expected, is_copy));
            checks
        });
        found.checks.extend(looking.await.unwrap_or_default());
        Ok(())
    }

    /// The folder of PostgreSQL's data, where it may be asked for and is on this machine.
    async fn database_disk(&self, connection: &mut PgConnection) -> Result<Option<PathBuf>, Failure> {
        if !self.server.is_local() {
            return Ok(None);
        }
        let sql = "SELECT setting FROM pg_settings WHERE name = 'data_directory'";
        let folder: Option<String> =
            sqlx::query_scalar(sql).fetch_optional(connection).await.map_err(|error| asked(&error))?;
        Ok(folder.map(PathBuf::from))
    }

    fn attachments(&self) -> Check {
        let backup = self.reader.backup();
        match &backup.attachments {
            None => warn(
                CheckCode::Attachments,
                "This backup holds the database only. The present filestore stays as it is: files that were removed or \
                 were in another filestore will be missing.",
            ),
            Some(files) if files.missing_count() > 0 => warn(
                CheckCode::Attachments,
                format!("{} of {} attachment files are missing in the backup.", files.missing_count(), files.expected),
            ),
            Some(files) => {
                pass(CheckCode::Attachments, format!("All {} attachment files are in the backup.", files.expected))
            }
        }
    }

    fn neutralize(&self) -> Check {
        let Source::Postgres { addons, .. } = &self.plan.target else { return pass(CheckCode::Neutralize, "") };
        let addons: Vec<PathBuf> = addons.iter().map(PathBuf::from).collect();
        let version = self.reader.backup().odoo_version.as_deref().and_then(version_of);
        if version.is_some_and(|version| version.0 < neutralize::FIRST_VERSION) {
            let message = "Odoo can neutralize from version 16 on; this backup is older. Restore without neutralizing.";
            return stop(CheckCode::Neutralize, message);
        }
        let base = [String::from("base")];
        let modules = self.modules.iter().chain(&base).map(String::as_str);
        let mut missing = neutralize::without_folder(modules, &addons);
        missing.sort_unstable();
        missing.dedup();
        if missing.iter().any(|name| name == "base") {
            let message = "Odoo's addons folders are not set in the subscription, or module “base” is not in them. \
                           Neutralizing needs each module's data/neutralize.sql: enter the folders, or restore without it.";
            return stop(CheckCode::Neutralize, message);
        }
        match neutralize::note(&missing) {
            Some(note) => warn(CheckCode::Neutralize, note),
            None => pass(CheckCode::Neutralize, "The restored database will be neutralized before it is put into use."),
        }
    }

    async fn sessions(&self, connection: &mut PgConnection) -> Result<(u64, Check), Failure> {
        // What kind of session it is, is not told of those of other users.
        let sql = "SELECT count(*), count(*) FILTER (WHERE NOT ($2 OR pg_has_role(current_user, a.usesysid, 'USAGE') \
                   OR ($3 AND NOT r.rolsuper))), string_agg(DISTINCT a.usename::text, ', ') \
                   FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid \
                   WHERE a.datname = $1 AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.pid <> pg_backend_pid()";
        let row = sqlx::query(sql)
            .bind(self.plan.database().as_str())
            .bind(self.login.is_superuser)
            .bind(self.login.may_signal)
            .fetch_one(connection)
            .await
            .map_err(|error| asked(&error))?;
        let (all, stay): (i64, i64) = (row.get(0), row.get(1));
        let who: Option<String> = row.get(2);
        let check = match (all, stay) {
            (0, _) => pass(CheckCode::Sessions, "Nobody is connected to the database."),
            (_, 0) => pass(CheckCode::Sessions, format!("{all} session(s) are open and will be ended at the swap.")),
            _ => stop(
                CheckCode::Sessions,
                format!(
                    "{stay} of {all} session(s) on the database belong to users whose sessions {} may not end ({}). Stop \
                     those programs first, or grant pg_signal_backend.",
                    self.login.name,
                    who.unwrap_or_default()
                ),
            ),
        };
        Ok((u64::try_from(all).unwrap_or_default(), check))
    }
}

/// The newest row of tables that are often written to: by number, which an index finds at once.
async fn last_change(connection: &mut PgConnection) -> Option<DateTime<Utc>> {
    let mut last: Option<NaiveDateTime> = None;
    let tables =
        ["mail_message", "ir_attachment", "res_partner", "sale_order", "account_move", "stock_move", "res_users_log"];
    for table in tables {
        let sql = format!("SELECT write_date FROM {table} WHERE write_date IS NOT NULL ORDER BY id DESC LIMIT 1");
        let found = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut *connection).await;
        last = last.max(found.ok().flatten());
    }
    last.map(|at| at.and_utc())
}

/// Compares the versions of Odoo in the backup and at the target.
pub(in super::super) fn odoo_check(backup: Option<&str>, target: Option<&str>) -> Check {
    let code = CheckCode::OdooVersion;
    let (Some(backup), Some(target)) = (backup, target) else {
        return warn(
            code,
            "Odoo's version in the backup and at the target cannot be compared. Make sure that they are the same.",
        );
    };
    match (version_of(backup), version_of(target)) {
        (Some(from), Some(to)) if from > to => stop(
            code,
            format!(
                "The backup is from Odoo {backup}, the target has {target}: an older Odoo cannot use it. Restore it where \
                     Odoo {backup} runs."
            ),
        ),
        (Some(from), Some(to)) if from == to => pass(code, format!("Both are Odoo {backup}.")),
        _ => warn(
            code,
            format!(
                "The backup is from Odoo {backup}, the target has {target}. Odoo {target} cannot use it before it was \
                     upgraded; run the Odoo that the backup is from."
            ),
        ),
    }
}

/// `18.0` and `saas~18.2` as numbers.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim_start_matches("saas~").split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

pub(in super::super) fn pass(code: CheckCode, message: impl Into<String>) -> Check {
    Check { code, outcome: CheckOutcome::Pass, message: message.into() }
}

pub(in super::super) fn warn(code: CheckCode, message: impl Into<String>) -> Check {
    Check { code, outcome: CheckOutcome::Warn, message: message.into() }
}

pub(in super::super) fn stop(code: CheckCode, message: impl Into<String>) -> Check {
    Check { code, outcome: CheckOutcome::Stop, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_odoo_is_refused_and_an_older_one_deserves_a_look() {
        let outcome = |backup, target| odoo_check(Some(backup), Some(target)).outcome;
        assert_eq!(outcome("18.0", "18.0"), CheckOutcome::Pass);
        assert_eq!(outcome("18.0", "17.0"), CheckOutcome::Stop);
        assert_eq!(outcome("saas~18.2", "18.0"), CheckOutcome::Stop);
        assert_eq!(outcome("17.0", "18.0"), CheckOutcome::Warn);
        assert_eq!(odoo_check(None, Some("18.0")).outcome, CheckOutcome::Warn);
    }
}
