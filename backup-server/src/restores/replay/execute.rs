//! Sends the statements of a dump to PostgreSQL, one at a time.

use backup_api::{Failure, FailureCode};
use bytes::{Bytes, BytesMut};
use sqlx::{
    AssertSqlSafe, Executor, PgConnection,
    postgres::{PgCopyIn, PgDatabaseError},
};

use super::{contents::TableName, harmless::Harmless, judge::Judge, refusals::excerpt};

/// Bytes of rows that are sent at once.
const SENT: usize = 256 * 1024;

/// For the replaying session alone: a crash loses the scratch database anyway, and limits are meant for Odoo's requests.
const SESSION: [&str; 6] = [
    "SET standard_conforming_strings = on",
    "SET synchronous_commit = off",
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SELECT pg_catalog.set_config('maintenance_work_mem', greatest(262144, setting::int)::text, false) \
     FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem'",
];

/// Makes the session ready.
pub(super) async fn begin(connection: &mut PgConnection) -> Result<(), Failure> {
    for sql in SESSION {
        run(connection, sql).await.map_err(|error| failed(sql, &error))?;
    }
    Ok(())
}

/// Gives the session its own settings back.
pub(super) async fn finish(connection: &mut PgConnection) -> Result<(), Failure> {
    let sql = "RESET ALL";
    run(connection, sql).await.map(drop).map_err(|error| failed(sql, &error))
}

/// Executes a statement that the judge let pass.
pub(super) async fn statement(
    connection: &mut PgConnection,
    judge: &mut Judge,
    sql: &str,
    harmless: &Harmless,
) -> Result<(), Failure> {
    let Err(error) = run(connection, sql).await else { return Ok(()) };
    let known = error.as_database_error().and_then(|error| harmless.note(&error.code()?, error.message()));
    let Some(note) = known else { return Err(failed(sql, &error)) };
    if !note.is_empty() {
        judge.notes.add(&note);
    }
    Ok(())
}

/// Executes a statement that must not fail.
pub(super) async fn alone(connection: &mut PgConnection, sql: &str) -> Result<(), Failure> {
    run(connection, sql).await.map(drop).map_err(|error| failed(sql, &error))
}

/// Executes several statements in one transaction, or none of them.
pub(super) async fn together(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.map(drop)
}

/// Executes an `INSERT` of so many rows.
pub(super) async fn insert(
    connection: &mut PgConnection,
    table: &TableName,
    sql: &str,
    rows: u64,
) -> Result<(), Failure> {
    let written = run(connection, sql).await.map_err(|error| failed(sql, &error))?;
    counted(table, rows, written)
}

/// A `COPY` under way.
pub(super) struct Copying<'c> {
    table: TableName,
    sql: String,
    sink: PgCopyIn<&'c mut PgConnection>,
    waiting: BytesMut,
    rows: u64,
}

impl<'c> Copying<'c> {
    /// Begins; `sql` is the judge's.
    pub async fn begin(connection: &'c mut PgConnection, table: TableName, sql: String) -> Result<Self, Failure> {
        let sink = connection.copy_in_raw(&sql).await.map_err(|error| failed(&sql, &error))?;
        Ok(Self { table, sql, sink, waiting: BytesMut::new(), rows: 0 })
    }

    /// Sends rows, in pieces that are worth a journey.
    pub async fn send(&mut self, data: Bytes, rows: u64) -> Result<(), Failure> {
        self.rows += rows;
        if self.waiting.is_empty() && data.len() >= SENT {
            return self.sink.send(data).await.map(drop).map_err(|error| failed(&self.sql, &error));
        }
        self.waiting.extend_from_slice(&data);
        if self.waiting.len() >= SENT { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let sent = self.sink.send(&self.waiting[..]).await.map(drop);
        self.waiting.clear();
        sent.map_err(|error| failed(&self.sql, &error))
    }

    /// Ends it; gives the table and its rows, as counted here and by PostgreSQL.
    pub async fn finish(mut self) -> Result<(TableName, u64), Failure> {
        self.flush().await?;
        let written = self.sink.finish().await.map_err(|error| failed(&self.sql, &error))?;
        counted(&self.table, self.rows, written)?;
        Ok((self.table, self.rows))
    }
}

/// Sends a text that holds one statement: with two, PostgreSQL refuses it.
async fn run(connection: &mut PgConnection, sql: &str) -> sqlx::Result<u64> {
    let query = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
    connection.execute(query).await.map(|done| done.rows_affected())
}

/// Compares what PostgreSQL wrote with what the dump holds.
fn counted(table: &TableName, rows: u64, written: u64) -> Result<(), Failure> {
    if rows == written {
        return Ok(());
    }
    let message = format!(
        "The dump holds {rows} rows of {table}, but PostgreSQL wrote {written}. It was not put into use. Take another \
         backup."
    );
    Err(Failure { code: FailureCode::Mismatch, message })
}

/// What an error means to an administrator.
fn failed(sql: &str, error: &sqlx::Error) -> Failure {
    let excerpt = excerpt(sql);
    let Some(said) = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) else {
        let message = format!(
            "The connection to PostgreSQL broke during “{excerpt}”: {error}. Look at PostgreSQL's log, then restore again."
        );
        return Failure { code: FailureCode::Sql, message };
    };
    let is_data = ["COPY", "INSERT"].iter().any(|begin| excerpt.starts_with(begin));
    // What stands in quotes behind a colon is a value of a row.
    let message = if is_data { before(said.message(), ": \"") } else { said.message() };
    let place = said.r#where().filter(|place| place.starts_with("COPY ")).map(|place| before(place, ": "));
    let place = place.map(|place| format!(" ({})", place.lines().next().unwrap_or_default())).unwrap_or_default();
    let code = match said.code() {
        "53100" => FailureCode::NoSpace,
        _ => FailureCode::Sql,
    };
    let advice = advice(said.code());
    let message = format!("PostgreSQL refused “{excerpt}”: {message}{place}, error {}. {advice}", said.code());
    Failure { code, message }
}

fn advice(sqlstate: &str) -> &'static str {
    match (sqlstate, sqlstate.get(..2).unwrap_or_default()) {
        ("53100", _) => "The disk of the PostgreSQL server is full: make room there, then restore again.",
        ("42501", _) => "The user has not the right to do that: restore as the owner of the database.",
        ("0A000" | "42601" | "42704" | "42883", _) => {
            "The backup may come from a newer PostgreSQL, or need an extension that is not installed on this server."
        }
        (_, "57" | "08") => "PostgreSQL was stopped or ended the connection: look at its log, then restore again.",
        (_, "53" | "54" | "58") => "PostgreSQL is short of something: look at its log, then restore again.",
        (_, "22" | "23") => "The backup's rows are damaged or were changed: take another backup.",
        _ => "Take another backup; if they all fail, look at PostgreSQL's log.",
    }
}

fn before<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split(mark).next().unwrap_or(text)
}
