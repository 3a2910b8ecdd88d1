//! SQL dumps, read and executed by this program itself: statement by statement, never through `psql`.
//!
//! A dump may come from anywhere. It is split by a lexer of our own, each statement must be of a kind that `pg_dump`
//! writes, and each goes to PostgreSQL by itself: no meta-command can run, and every error has its cause.

mod contents;
mod stream;

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use backup_api::{Failure, FailureCode};

use crate::sources::PgTool;

pub use contents::{Contents, Counted, Head, Replayed, TableName};
pub use stream::{DumpStream, failure_of, io_error};

/// Executes a plain SQL dump statement by statement on a connection of the scratch database's owner.
///
/// `on_bytes` hears how many bytes of the dump were read so far. After a failure the connection may stand amid a
/// statement: close it. After success its settings are those that it came with.
pub async fn replay(
    _dump: DumpStream,
    _connection: &mut PgConnection,
    _on_bytes: impl Fn(u64) + Send + Sync,
    _cancel: &CancellationToken,
) -> Result<Replayed, Failure> {
    Err(unfinished())
}

/// Reads a whole dump and refuses what [`replay`] would refuse, without executing anything.
pub async fn read(
    _dump: DumpStream,
    _on_bytes: impl Fn(u64) + Send + Sync,
    _cancel: &CancellationToken,
) -> Result<Contents, Failure> {
    Err(unfinished())
}

/// What the beginning of a dump tells. Reads as little as possible.
pub async fn head(_dump: DumpStream) -> Result<Head, Failure> {
    Err(unfinished())
}

/// Compares a live database with what the dump held: the rows of every table, every sequence, extensions.
pub async fn compare(_connection: &mut PgConnection, _expected: &Contents) -> Result<Counted, Failure> {
    Err(unfinished())
}

/// A custom-format dump as plain SQL, through `pg_restore`. The end of the stream is an error, with its [`Failure`] (see
/// [`failure_of`]), unless `pg_restore` ended well.
pub fn plain_of_custom(_tool: &PgTool, dump: DumpStream, _cancel: &CancellationToken) -> DumpStream {
    dump
}

fn unfinished() -> Failure {
    Failure { code: FailureCode::Internal, message: "This server cannot restore yet.".to_owned() }
}
