//! The panel's database: one SQL text for SQLite and PostgreSQL.

use std::{
    path::Path,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::{
    PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::StartError;

/// How long a statement waits for another process that holds the SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read at the same time.
const READERS: u32 = 4;

/// One of the two databases.
#[derive(Clone, Debug)]
pub struct Db {
    pools: On<Files, PgPool>,
    changes: Changes,
}

/// One writer, so that nobody waits on a lock inside the process, and several readers.
#[derive(Clone, Debug)]
struct Files {
    read: SqlitePool,
    write: SqlitePool,
}

/// A transaction; rolled back unless committed. SQLite's is begun with `BEGIN IMMEDIATE`.
#[derive(Debug)]
pub struct Tx {
    on: On<Transaction<'static, Sqlite>, Transaction<'static, Postgres>>,
    changes: Changes,
}

/// Counts what this process committed.
#[derive(Clone, Debug, Default)]
struct Changes(Arc<AtomicU64>);

/// Counts one change when it goes, also when nobody waited for its end.
struct Counted<'a>(&'a Changes);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The same thing of either database; what [`query!`](crate::server::db::query) matches on.
#[derive(Clone, Debug)]
pub enum On<S, P> {
    /// SQLite's.
    Sqlite(S),
    /// PostgreSQL's.
    Postgres(P),
}

/// Runs one SQL text on a [`Db`] or in a [`Tx`]: `query!(db, fetch_all, SQL, arguments…)`.
///
/// The verbs are those of `sqlx::query_as`, and `execute`, which gives the number of rows touched.
macro_rules! query {
    ($on:expr, execute, $sql:expr $(, $argument:expr)* $(,)?) => {
        match $on.on() {
            $crate::server::db::On::Sqlite(c) => {
                sqlx::query($sql)$(.bind($argument))*.execute(c).await.map(|done| done.rows_affected())
            }
            $crate::server::db::On::Postgres(c) => {
                sqlx::query($sql)$(.bind($argument))*.execute(c).await.map(|done| done.rows_affected())
            }
        }
    };
    ($on:expr, $verb:ident, $sql:expr $(, $argument:expr)* $(,)?) => {
        match $on.on() {
            $crate::server::db::On::Sqlite(c) => sqlx::query_as($sql)$(.bind($argument))*.$verb(c).await,
            $crate::server::db::On::Postgres(c) => sqlx::query_as($sql)$(.bind($argument))*.$verb(c).await,
        }
    };
}
pub(crate) use query;

/// Runs one SQL text with many rows of `VALUES` in its middle, in a [`Tx`]; gives the number of rows touched:
/// `write_many!(tx, BEFORE, rows, |row, item| row.push_bind(…), AFTER)`. Their columns are `column1`, `column2`, ….
macro_rules! write_many {
    ($on:expr, $before:expr, $rows:expr, |$row:ident, $item:ident| $push:expr, $after:expr) => {
        match $on.on() {
            $crate::server::db::On::Sqlite(c) => {
                let mut builder = sqlx::QueryBuilder::<sqlx::Sqlite>::new($before);
                builder.push_values($rows, |mut $row, $item| {
                    $push;
                });
                builder.push($after);
                builder.build().execute(c).await.map(|done| done.rows_affected())
            }
            $crate::server::db::On::Postgres(c) => {
                let mut builder = sqlx::QueryBuilder::<sqlx::Postgres>::new($before);
                builder.push_values($rows, |mut $row, $item| {
                    $push;
                });
                builder.push($after);
                builder.build().execute(c).await.map(|done| done.rows_affected())
            }
        }
    };
}
pub(crate) use write_many;

impl Db {
    /// Opens the database and brings its tables up to date. With a URL it is PostgreSQL, else a SQLite file in `data`.
    pub async fn open(url: Option<&str>, data: &Path) -> Result<Self, StartError> {
        match url {
            Some(url) => {
                let pool = pool(8).connect(url).await?;
                sqlx_macros::migrate!("migrations/postgres").run(&pool).await?;
                Ok(Self { pools: On::Postgres(pool), changes: Changes::default() })
            }
            None => Ok(Self { pools: On::Sqlite(Files::open(data).await?), changes: Changes::default() }),
        }
    }

    /// Where reading statements go.
    pub const fn on(&self) -> On<&SqlitePool, &PgPool> {
        match &self.pools {
            On::Sqlite(files) => On::Sqlite(&files.read),
            On::Postgres(pool) => On::Postgres(pool),
        }
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let on = match &self.pools {
            On::Sqlite(files) => On::Sqlite(files.write.begin_with("BEGIN IMMEDIATE").await?),
            On::Postgres(pool) => On::Postgres(pool.begin().await?),
        };
        Ok(Tx { on, changes: self.changes.clone() })
    }

    /// How many transactions of this process were committed: as long as it is the same, nothing that was read is another
    /// through this process.
    pub fn changes(&self) -> u64 {
        self.changes.0.load(Ordering::SeqCst)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match &self.pools {
            On::Sqlite(Files { read, write }) => {
                read.close().await;
                write.close().await;
            }
            On::Postgres(pool) => pool.close().await,
        }
    }
}

impl Files {
    async fn open(data: &Path) -> Result<Self, StartError> {
        let options = SqliteConnectOptions::new()
            .filename(data.join("holdfast.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let write = pool(1).connect_with(options.clone()).await?;
        let migrations = sqlx_macros::migrate!("migrations/sqlite");
        set_aside(&write, &migrations, data).await?;
        migrations.run(&write).await?;
        let read = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { read, write })
    }
}

/// Connections that are kept as long as the pool is: what ends them after a while can miscount them and then takes a whole
/// processor for ever (sqlx issue 3645). One that is broken is found before it is used.
fn pool<D: sqlx::Database>(connections: u32) -> PoolOptions<D> {
    PoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None)
}

impl Tx {
    /// Where the transaction's statements go.
    pub fn on(&mut self) -> On<&mut SqliteConnection, &mut PgConnection> {
        match &mut self.on {
            On::Sqlite(tx) => On::Sqlite(tx),
            On::Postgres(tx) => On::Postgres(tx),
        }
    }

    /// Keeps what was written.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { on, changes } = self;
        let _counted = Counted(&changes);
        match on {
            On::Sqlite(tx) => tx.commit().await,
            On::Postgres(tx) => tx.commit().await,
        }
    }
}

/// Copies the SQLite file to `before-<version>.sqlite` when there are tables that will be changed.
async fn set_aside(pool: &SqlitePool, migrations: &sqlx::migrate::Migrator, data: &Path) -> Result<(), StartError> {
    let known: Option<(i64,)> =
        sqlx::query_as("SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'").fetch_optional(pool).await?;
    if known.is_none() {
        return Ok(());
    }
    let (applied,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations").fetch_one(pool).await?;
    let Some(next) = migrations.iter().map(|migration| migration.version).find(|version| *version > applied) else {
        return Ok(());
    };
    let copy = data.join(format!("before-{next}.sqlite"));
    if copy.exists() {
        // An earlier start was cut off after it had made the copy: that one is the older and truer.
        return Ok(());
    }
    let unfinished = data.join(format!("before-{next}.sqlite.part"));
    if unfinished.exists() {
        std::fs::remove_file(&unfinished)?;
    }
    sqlx::query("VACUUM INTO $1").bind(unfinished.to_string_lossy().into_owned()).execute(pool).await?;
    super::secrets::keep_private(&unfinished)?;
    std::fs::rename(&unfinished, &copy)?;
    tracing::info!("Set a copy of the database aside as {}", copy.display());
    Ok(())
}

/// A moment as it is stored.
pub const fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// A stored moment.
pub fn moment(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// A count or size as it is stored.
pub fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored count or size.
pub fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere in a lower-case column.
pub fn anywhere(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.trim().to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Checks that a text is a PostgreSQL URL.
pub fn is_postgres_url(url: &str) -> bool {
    (url.starts_with("postgres://") || url.starts_with("postgresql://"))
        && sqlx::postgres::PgConnectOptions::from_str(url).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_its_own_signs_and_nothing_by_pattern() {
        assert_eq!(anywhere("  50%_Off\\ "), "%50\\%\\_off\\\\%");
        assert_eq!(anywhere(""), "%%");
    }

    #[test]
    fn moments_keep_their_milliseconds() {
        let at = DateTime::from_timestamp_millis(1_763_800_000_123).unwrap();
        assert_eq!(moment(millis(at)), at);
    }
}
