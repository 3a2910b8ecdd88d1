//! The moment in which one database takes the place of another: one transaction with both renames.
//!
//! PostgreSQL keeps new connections to a database waiting while its rename is open, and waits itself until the old ones
//! are gone, which a second connection sees to. What happens to the filestore happens inside, before the commit.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use backup_api::{Failure, FailureCode};
use sqlx::PgConnection;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    super::{journal::Session, task::failure},
    server::{Server, asked, close, end_sessions_once, quote, run, state_of, unusable},
};

/// How often a rename is tried that PostgreSQL gave up after five seconds because of sessions.
const ATTEMPTS: u32 = 4;
/// Between two looks at who is connected.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How often a session that waits for the filestore says that it lives.
const SAY_SO: Duration = Duration::from_secs(10);
/// How long a session may take to end that was told to.
const GONE_WITHIN: Duration = Duration::from_secs(15);
/// Should this machine, its power or the network fail amid a swap, PostgreSQL lets go of both names within a minute instead
/// of two hours. Over a socket of its own machine the first ones are taken and mean nothing.
const LET_GO: &str = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; \
    SET idle_in_transaction_session_timeout = '60s'; \
    SELECT pg_catalog.set_config(name, '15s', false) FROM pg_catalog.unnest(ARRAY['tcp_user_timeout']) name \
    WHERE pg_catalog.current_setting(name, true) IS NOT NULL";
/// When a session began, as a number.
const BEGAN_AT: &str = "(extract(epoch FROM backend_start) * 1000000)::int8";

/// A session that can rename, to be written down before it does.
pub(super) struct Ready {
    connection: PgConnection,
    /// How it is known.
    pub session: Session,
}

/// Opens a session that can rename.
pub(super) async fn ready(server: &Server) -> Result<Ready, Failure> {
    let mut connection = server.maintenance().await.map_err(unusable)?;
    run(&mut connection, LET_GO).await?;
    let sql = format!("SELECT pid, {BEGAN_AT} FROM pg_stat_activity WHERE pid = pg_backend_pid()");
    let known = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await;
    let (pid, began_at) = known.map_err(|error| asked(&error))?;
    Ok(Ready { connection, session: Session { pid, began_at } })
}

/// Ends a session that may still rename, and waits until it is gone: only then what the catalog says stays so. Its
/// connection may be broken on this side alone, and a commit of it still be at work.
pub(super) async fn end(connection: &mut PgConnection, session: Session) -> Result<(), Failure> {
    let began = Instant::now();
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND {BEGAN_AT} = $2");
    loop {
        let told = sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(sql.clone()));
        let told = told.bind(session.pid).bind(session.began_at).fetch_optional(&mut *connection).await;
        if told.map_err(|error| asked(&error))?.is_none() {
            return Ok(());
        }
        if began.elapsed() > GONE_WITHIN {
            let message = format!(
                "PostgreSQL's session {} still renames databases and does not end, though it was told to. It is looked \
                 at again; look at the disks and the log of the PostgreSQL server.",
                session.pid
            );
            return Err(failure(FailureCode::Source, message));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Who takes whose place.
pub(super) struct Swap<'a> {
    /// The live name.
    pub live: &'a str,
    /// The name that the present holder of the live name gets; `None` when there is none.
    pub outgoing: Option<&'a str>,
    /// The present name of the database that becomes the live one.
    pub incoming: &'a str,
}

/// Why a swap did not end well.
pub(super) enum SwapError {
    /// Nothing was renamed.
    Untouched(Failure),
    /// The connection broke while the renames were being committed: only a look at the catalog tells.
    Unknown(Failure),
}

impl Swap<'_> {
    /// Does it. `inside` runs when nobody can be connected to either database, just before the commit.
    pub async fn run<F>(&self, server: &Server, ready: Ready, inside: F) -> Result<(), SwapError>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let mut connection = ready.connection;
        let renamed = self.rename(server, &mut connection).await;
        let done = match renamed {
            Ok(()) => awake(&mut connection, inside).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = done {
            // A broken connection is rolled back by the server itself.
            let _ = run(&mut connection, "ROLLBACK").await;
            close(connection).await;
            return Err(SwapError::Untouched(failure));
        }
        let committed = run(&mut connection, "COMMIT").await;
        close(connection).await;
        committed.map_err(SwapError::Unknown)
    }

    async fn rename(&self, server: &Server, connection: &mut PgConnection) -> Result<(), Failure> {
        if let Some(outgoing) = self.outgoing {
            self.take_out(server, connection, outgoing).await?;
        } else {
            run(connection, "BEGIN").await?;
        }
        let (live, incoming) = (quote(self.live), quote(self.incoming));
        run(connection, &format!("ALTER DATABASE {incoming} RENAME TO {live}")).await?;
        run(connection, &format!("ALTER DATABASE {live} IS_TEMPLATE false ALLOW_CONNECTIONS true")).await
    }

    /// Renames the live database while a second connection ends its sessions.
    async fn take_out(&self, server: &Server, connection: &mut PgConnection, outgoing: &str) -> Result<(), Failure> {
        let mut other = server.maintenance().await.map_err(unusable)?;
        let sql = format!("ALTER DATABASE {} RENAME TO {}", quote(self.live), quote(outgoing));
        let mut renamed = Err(in_use("sessions came again and again"));
        for _attempt in 0..ATTEMPTS {
            run(connection, "BEGIN").await?;
            let outcome = tokio::select! {
                outcome = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut *connection) => outcome.map(drop),
                never = end_sessions(&mut other, self.live) => match never {},
            };
            let busy = outcome.as_ref().is_err_and(|error| state_of(error) == "55006");
            if !busy {
                renamed = outcome.map_err(|error| asked(&error));
                break;
            }
            run(connection, "ROLLBACK").await?;
            renamed = Err(in_use(&connected(&mut other, self.live).await));
        }
        close(other).await;
        renamed?;
        run(connection, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", quote(outgoing))).await
    }
}

/// Waits for `inside`, and lets the session, which PostgreSQL ends when it is silent, say that it lives.
async fn awake<F>(connection: &mut PgConnection, inside: F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let mut inside = pin!(inside);
    let mut ticks = interval(SAY_SO);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            done = &mut inside => return done,
            _ = ticks.tick() => {
                // Folders are never left amid their exchange; that the session is gone shows at the commit.
                let _ = run(connection, "SELECT 1").await;
            }
        }
    }
}

/// Ends the sessions of a database again and again; those that may not be ended stay.
async fn end_sessions(connection: &mut PgConnection, database: &str) -> std::convert::Infallible {
    loop {
        end_sessions_once(connection, database).await;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Who is connected, in words.
async fn connected(connection: &mut PgConnection, database: &str) -> String {
    let sql = "SELECT string_agg(DISTINCT coalesce(usename, '?') || ' (' || coalesce(nullif(application_name, ''), \
               backend_type, 'a program that is not told') || ')', ', ') FROM pg_stat_activity WHERE datname = $1";
    let found: Result<Option<String>, _> = sqlx::query_scalar(sql).bind(database).fetch_one(connection).await;
    found.ok().flatten().unwrap_or_else(|| "a prepared transaction, perhaps".to_owned())
}

fn in_use(who: &str) -> Failure {
    failure(
        FailureCode::InUse,
        format!(
            "The database could not be taken over, because it stayed in use: {who}. Nothing was changed. Stop those \
             programs, or connect as a user that may end their sessions, and restore again."
        ),
    )
}
