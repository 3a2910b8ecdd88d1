//! SQL dumps, read and executed by this program itself: statement by statement, never through `psql`.
//!
//! A dump may come from anywhere. It is split by a lexer of our own, each statement must be of a kind that `pg_dump`
//! writes, and each goes to PostgreSQL by itself: no meta-command can run, and every error has its cause.

mod batch;
mod compare;
mod contents;
mod custom;
mod execute;
mod extensions;
mod harmless;
mod judge;
mod lexer;
mod notes;
mod promptly;
mod reading;
mod refusals;
mod routines;
mod stream;
mod tokens;

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use backup_api::Failure;

use batch::Batch;
use execute::Copying;
use harmless::Harmless;
use judge::{Action, Judge};
use lexer::Piece;
use reading::Reading;

pub use compare::compare;
pub use contents::{Contents, Counted, Head, Replayed, TableName};
pub use custom::plain_of_custom;
pub use extensions::Extension;
pub use stream::{DumpStream, failure_of, io_error};

/// Executes a plain SQL dump statement by statement on a connection of the scratch database's owner.
///
/// `on_bytes` hears how many bytes of the dump were read so far. After a failure the connection may stand amid a
/// statement: close it. After success its settings are those that it came with.
pub async fn replay(
    dump: DumpStream,
    connection: &mut PgConnection,
    on_bytes: impl Fn(u64) + Send + Sync,
    cancel: &CancellationToken,
) -> Result<Replayed, Failure> {
    let replaying = replay_unless_cancelled(dump, connection, on_bytes);
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(reading::cancelled()),
        replayed = replaying => replayed,
    }
}

async fn replay_unless_cancelled(
    dump: DumpStream,
    connection: &mut PgConnection,
    on_bytes: impl Fn(u64) + Send + Sync,
) -> Result<Replayed, Failure> {
    let (mut reading, mut judge) = (Reading::new(dump, on_bytes), Judge::default());
    let mut batch = Batch::default();
    promptly::send_promptly(connection).await;
    execute::begin(connection).await?;
    while let Some(piece) = reading.next().await? {
        let Piece::Statement(mut sql) = piece else { continue };
        let action = judge.judge(&sql)?;
        if action == Action::Execute(Harmless::Nothing) {
            match batch.take(connection, sql).await? {
                Some(alone) => sql = alone,
                None => continue,
            }
        }
        batch.send(connection).await?;
        match action {
            Action::Skip => {}
            Action::Execute(harmless) => execute::statement(connection, &mut judge, &sql, &harmless).await?,
            Action::Insert(table, rows) => {
                execute::insert(connection, &table, &sql, rows).await?;
                judge.add_rows(&table, rows);
            }
            Action::Copy(table, sql) => {
                let mut copying = Copying::begin(connection, table, sql).await?;
                while let Some(Piece::Rows(data, rows)) = reading.next().await? {
                    copying.send(data, rows).await?;
                }
                let (table, rows) = copying.finish().await?;
                judge.add_rows(&table, rows);
            }
        }
    }
    batch.send(connection).await?;
    execute::finish(connection).await?;
    Ok(Replayed { contents: judge.contents, notes: judge.notes.into_lines() })
}

/// Reads a whole dump and refuses what [`replay`] would refuse, without executing anything.
pub async fn read(
    dump: DumpStream,
    on_bytes: impl Fn(u64) + Send + Sync,
    cancel: &CancellationToken,
) -> Result<Contents, Failure> {
    let (mut reading, mut judge) = (Reading::new(dump, on_bytes), Judge::default());
    let mut table = None;
    let walking = async {
        while let Some(piece) = reading.next().await? {
            match piece {
                Piece::Statement(sql) => match judge.judge(&sql)? {
                    Action::Insert(table, rows) => judge.add_rows(&table, rows),
                    Action::Copy(copied, _) => table = Some(copied),
                    Action::Execute(_) | Action::Skip => {}
                },
                Piece::Rows(_, rows) => {
                    if let Some(table) = &table {
                        judge.add_rows(table, rows);
                    }
                }
                Piece::EndOfRows | Piece::Origin(_) => {}
            }
        }
        Ok(judge.contents)
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(reading::cancelled()),
        contents = walking => contents,
    }
}

/// What the beginning of a dump tells. Reads as little as possible: to its first table, or what else is no setting.
pub async fn head(dump: DumpStream) -> Result<Head, Failure> {
    let (mut reading, mut judge, mut head) = (Reading::new(dump, |_| ()), Judge::default(), Head::default());
    while let Some(piece) = reading.next().await? {
        let ended = match piece {
            Piece::Origin(comment) => {
                head.note(&comment);
                false
            }
            Piece::Statement(sql) => {
                judge.judge(&sql)?;
                judge.is_past_head()
            }
            Piece::Rows(..) | Piece::EndOfRows => true,
        };
        if ended {
            break;
        }
    }
    head.extensions = judge.contents.extensions;
    Ok(head)
}
