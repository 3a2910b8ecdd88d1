//! The PostgreSQL server that is restored into: connections, and what its catalogs tell.

use std::time::Duration;

use backup_api::{Failure, FailureCode, Problem, RestorePlan, Secret, Source};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, error::DatabaseError};

use super::super::task::failure;
use crate::{
    server::App,
    sources::{AddressPolicy, Connected, ServerAddress},
};

pub(super) use crate::sources::unusable;

/// Databases that one can connect to when the live one does not exist or is being renamed.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// How long a connection may take to end in the polite way.
const POLITE: Duration = Duration::from_secs(5);

/// A server, as it is reached with one login.
#[derive(Clone)]
pub(super) struct Server {
    address: ServerAddress,
    policy: AddressPolicy,
    limit: Duration,
    /// How long a statement waits for a lock; zero for as long as it takes.
    lock_wait: Duration,
}

/// Who is connected, and to what.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub name: String,
    pub is_superuser: bool,
    pub may_create_databases: bool,
    /// Whether it may end the sessions of other roles that are no superusers.
    pub may_signal: bool,
    /// Such as `15.18`.
    pub version: String,
    pub major: u32,
}

/// A database as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub oid: u32,
    pub owner: String,
    /// The part of `CREATE DATABASE` that makes another one sort and compare in the same way.
    pub locale: String,
    pub bytes: Option<u64>,
}

impl Server {
    /// The server of a plan.
    pub fn of(app: &App, plan: &RestorePlan) -> Result<Self, Problem> {
        Self::at(app, &plan.target)
    }

    fn at(app: &App, target: &Source) -> Result<Self, Problem> {
        let settings = app.sources.settings();
        let url = match target {
            Source::Postgres { url, .. } => url.clone(),
            Source::OdooHttp { .. } => Secret::new(""),
        };
        let address = ServerAddress::parse(&url)?;
        let (policy, limit) = (settings.addresses.clone(), settings.timeouts.connect);
        Ok(Self { address, policy, limit, lock_wait: Duration::ZERO })
    }

    /// The same server, where a statement waits so long for a lock at most.
    pub fn waiting(self, lock_wait: Duration) -> Self {
        Self { lock_wait, ..self }
    }

    /// The same server as somebody else.
    pub fn with_login(&self, user: &str, password: Secret) -> Self {
        Self { address: self.address.with_login(user, password), ..self.clone() }
    }

    /// Whether it runs on this machine, so that its disk may be one of ours.
    pub fn is_local(&self) -> bool {
        self.address.is_local()
    }

    /// Connects to a database.
    pub async fn connect(&self, database: &str) -> Result<PgConnection, Problem> {
        let Connected { mut connection, .. } = self.address.connect(database, &self.policy, self.limit).await?;
        let settled = self.settle(&mut connection).await;
        settled.map_err(|failure| crate::sources::unreachable_problem(failure.message))?;
        Ok(connection)
    }

    /// Makes a connection's settings ours.
    pub async fn settle(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        // Limits that an administrator set for Odoo's requests are not meant for this; and what is told as done must not
        // be lost when PostgreSQL crashes, however its server is set.
        let settings = format!(
            "SET statement_timeout = 0; SET lock_timeout = {}; SET synchronous_commit = on; \
             SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.unnest(ARRAY['idle_session_timeout', \
             'idle_in_transaction_session_timeout', 'transaction_timeout']) name \
             WHERE pg_catalog.current_setting(name, true) IS NOT NULL",
            self.lock_wait.as_millis()
        );
        run(connection, &settings).await
    }

    /// Connects to a database that is neither the live one nor any that is made here.
    pub async fn maintenance(&self) -> Result<PgConnection, Problem> {
        let mut first = None;
        for database in MAINTENANCE {
            match self.connect(database).await {
                Ok(connection) => return Ok(connection),
                Err(problem) => drop(first.get_or_insert(problem)),
            }
        }
        Err(first.unwrap_or_else(|| crate::sources::unreachable_problem("There is no database to connect to.")))
    }
}

/// Who is connected.
pub(super) async fn login(connection: &mut PgConnection) -> Result<Login, Failure> {
    let sql = "SELECT rolname::text, rolsuper, rolcreatedb OR rolsuper, \
               rolsuper OR pg_has_role(current_user, 'pg_signal_backend', 'USAGE'), \
               split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int \
               FROM pg_roles WHERE rolname = current_user";
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(|error| asked(&error))?;
    let number: i32 = row.get(5);
    Ok(Login {
        name: row.get(0),
        is_superuser: row.get(1),
        may_create_databases: row.get(2),
        may_signal: row.get(3),
        version: row.get(4),
        major: u32::try_from(number / 10_000).unwrap_or_default(),
    })
}

/// A database by name; `None` when there is none.
pub(super) async fn database(connection: &mut PgConnection, name: &str) -> Result<Option<Database>, Failure> {
    // Columns differ between versions: asked for as JSON, a missing one is only missing.
    let sql = "SELECT oid::int8, pg_get_userbyid(datdba)::text, pg_encoding_to_char(encoding)::text, to_jsonb(d)::text, \
               CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END \
               FROM pg_database d WHERE datname = $1";
    let row = sqlx::query(sql).bind(name).fetch_optional(connection).await.map_err(|error| asked(&error))?;
    Ok(row.map(|row| {
        let facts: serde_json::Value = serde_json::from_str(row.get::<&str, _>(3)).unwrap_or_default();
        Database {
            oid: u32::try_from(row.get::<i64, _>(0)).unwrap_or_default(),
            owner: row.get(1),
            locale: locale(row.get(2), &facts),
            bytes: row.get::<Option<i64>, _>(4).and_then(|bytes| u64::try_from(bytes).ok()),
        }
    }))
}

fn locale(encoding: &str, facts: &serde_json::Value) -> String {
    let text = |name: &str| facts.get(name).and_then(serde_json::Value::as_str);
    let mut options = format!("ENCODING {}", literal(encoding));
    for (option, column) in [("LC_COLLATE", "datcollate"), ("LC_CTYPE", "datctype")] {
        if let Some(value) = text(column) {
            options = format!("{options} {option} {}", literal(value));
        }
    }
    let icu = text("datlocale").or_else(|| text("daticulocale"));
    match (text("datlocprovider"), icu) {
        (Some("i"), Some(icu)) => format!("{options} LOCALE_PROVIDER icu ICU_LOCALE {}", literal(icu)),
        (Some("b"), Some(builtin)) => format!("{options} LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(builtin)),
        _ => options,
    }
}

/// What the database with a number is called at the moment; `None` when there is none.
pub(super) async fn name_of(connection: &mut PgConnection, oid: Option<u32>) -> Result<Option<String>, Failure> {
    let Some(oid) = oid else { return Ok(None) };
    let sql = "SELECT datname::text FROM pg_database WHERE oid::int8 = $1";
    let name = sqlx::query_scalar(sql).bind(i64::from(oid)).fetch_optional(connection).await;
    name.map_err(|error| asked(&error))
}

/// Removes a database, ending its sessions; none of that name is as good. Only ever called with names that this program
/// made, or for the database whose replacement was verified.
pub(super) async fn drop_database(connection: &mut PgConnection, major: u32, name: &str) -> Result<(), Failure> {
    if database(connection, name).await?.is_none() {
        return Ok(());
    }
    run(connection, &format!("ALTER DATABASE {0} IS_TEMPLATE false", quote(name))).await?;
    if major >= 13 {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(name));
        let forced = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await;
        // By force it may not end an autovacuum, which is nobody's session; the plain way ends it.
        if !forced.as_ref().is_err_and(|error| state_of(error) == "42501") {
            return forced.map(drop).map_err(|error| asked(&error));
        }
    }
    run(connection, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", quote(name))).await?;
    end_sessions_once(connection, name).await;
    run(connection, &format!("DROP DATABASE IF EXISTS {}", quote(name))).await
}

/// Ends the sessions of a database; those that may not be ended stay.
pub(super) async fn end_sessions_once(connection: &mut PgConnection, database: &str) {
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
    let pids: Vec<i32> = sqlx::query_scalar(sql).bind(database).fetch_all(&mut *connection).await.unwrap_or_default();
    for pid in pids {
        // One by one, for a session that may not be ended is an error for all in the same question.
        let _ = sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut *connection).await;
    }
}

/// Runs statements that give nothing back.
pub(super) async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), Failure> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop).map_err(|error| asked(&error))
}

/// A name in SQL.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Ends a connection in the polite way, so that the server knows at once.
pub(super) async fn close(connection: PgConnection) {
    // That it ended is all that counts.
    let _ = tokio::time::timeout(POLITE, connection.close()).await;
}

/// SQLSTATE of an error of the server; empty for a broken connection.
pub(super) fn state_of(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(DatabaseError::code).unwrap_or_default().into_owned()
}

/// A question or command that failed, in words.
pub(super) fn asked(error: &sqlx::Error) -> Failure {
    let said = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    match state_of(error).as_str() {
        "53100" => failure(
            FailureCode::NoSpace,
            format!("PostgreSQL's disk is full ({said}). Free some space there and restore again."),
        ),
        "42501" => failure(
            FailureCode::Preflight,
            format!("PostgreSQL does not allow it ({said}). Connect as the database's owner, with the right CREATEDB."),
        ),
        "55006" => failure(FailureCode::InUse, format!("The database is in use and could not be taken over ({said}).")),
        _ => failure(FailureCode::Source, format!("PostgreSQL broke off: {said}. Look at its log, then try again.")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use testbed::Cluster;

    use super::*;

    #[tokio::test]
    async fn a_database_that_is_being_vacuumed_is_removed() {
        let cluster = Cluster::start().unwrap();
        let administrator = |sql: &str| cluster.sql_as("postgres", "postgres", sql).unwrap();
        administrator("ALTER SYSTEM SET autovacuum_naptime = 1");
        administrator("SELECT pg_reload_conf()");
        cluster.create_database("vacuumed", None).unwrap();
        for sql in [
            "CREATE TABLE slow (a int) WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
                 autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)",
            "INSERT INTO slow SELECT generate_series(1, 100000)",
            "DELETE FROM slow",
        ] {
            cluster.sql("vacuumed", sql).unwrap();
        }
        let patience = Instant::now() + Duration::from_mins(1);
        let workers = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'vacuumed' AND
                       backend_type = 'autovacuum worker'";
        while administrator(workers).trim() == "0" {
            assert!(Instant::now() < patience, "no autovacuum came");
        }
        let mut connection = PgConnection::connect(&format!("{}postgres", cluster.url())).await.unwrap();
        drop_database(&mut connection, 15, "vacuumed").await.unwrap();
        assert!(database(&mut connection, "vacuumed").await.unwrap().is_none());
    }
}
