//! A custom-format dump as plain SQL.

use std::{io, process::Stdio};

use async_stream::try_stream;
use backup_api::{Failure, FailureCode};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, Command},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    reading::cancelled,
    stream::{DumpStream, failure_of, io_error},
};
use crate::sources::{PgTool, not_judged};

/// How much is read at once.
const PIECE: usize = 256 * 1024;
/// How much of what the program says is kept.
const SAID: u64 = 64 * 1024;
/// How much of that goes into a message.
const SHOWN: usize = 300;

/// A custom-format dump as plain SQL, through `pg_restore`. The end of the stream is an error, with its [`Failure`] (see
/// [`failure_of`]), unless `pg_restore` ended well. Dropping the stream ends the program.
pub fn plain_of_custom(tool: &PgTool, dump: DumpStream, cancel: &CancellationToken) -> DumpStream {
    let (tool, cancel) = (tool.clone(), cancel.clone());
    Box::pin(try_stream! {
        let mut running = Running::start(&tool, dump)?;
        let mut piece = BytesMut::with_capacity(PIECE);
        loop {
            let read = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(io_error(cancelled())),
                read = running.stdout.read_buf(&mut piece) => read,
            }?;
            if read == 0 {
                break;
            }
            yield Bytes::copy_from_slice(&piece);
            piece.clear();
        }
        running.verdict(&tool).await.map_err(io_error)?;
    })
}

/// A run of `pg_restore`; it ends when this is dropped.
struct Running {
    child: Child,
    stdout: tokio::process::ChildStdout,
    feeding: JoinHandle<io::Result<()>>,
    listening: JoinHandle<Vec<u8>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.feeding.abort();
        self.listening.abort();
    }
}

impl Running {
    fn start(tool: &PgTool, dump: DumpStream) -> io::Result<Self> {
        let mut command = Command::new(tool.pg_restore());
        command.args(["--file=-", "--no-owner"]).env_clear().env("LC_ALL", "C");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| io_error(not_run(tool, &error)))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("pg_restore was started without its pipes"));
        };
        let (feeding, listening) = (tokio::spawn(feed(dump, stdin)), tokio::spawn(listen(stderr)));
        Ok(Self { child, stdout, feeding, listening })
    }

    /// How it ended, asked after its last byte.
    async fn verdict(&mut self, tool: &PgTool) -> Result<(), Failure> {
        let status = self.child.wait().await.map_err(|error| not_run(tool, &error))?;
        // When what goes in broke off, that is why the program failed.
        if self.feeding.is_finished()
            && let Ok(Err(error)) = (&mut self.feeding).await
        {
            return Err(failure_of(error));
        }
        if status.success() {
            return Ok(());
        }
        let said = (&mut self.listening).await.unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).trim().chars().take(SHOWN).collect();
        if said.contains("unsupported version") {
            let message = format!(
                "The backup was made by a pg_dump that is newer than the backup server's pg_restore {} ({said}). Install \
                 newer PostgreSQL client programs there.",
                tool.version()
            );
            return Err(Failure { code: FailureCode::PgDump, message });
        }
        let message = format!("The backup's dump is cut off or damaged: {said} ({status}). Take another backup.");
        let damaged = Failure { code: FailureCode::Incomplete, message };
        Err(not_judged(status, &said, "nothing came of it").unwrap_or(damaged))
    }
}

fn not_run(tool: &PgTool, error: &io::Error) -> Failure {
    let message = format!(
        "{} could not be run: {error}. Install PostgreSQL's client programs on the backup server again.",
        tool.pg_restore().display()
    );
    Failure { code: FailureCode::PgDump, message }
}

/// Gives it the dump. That it stops reading is its own business: its exit status tells why.
async fn feed(mut dump: DumpStream, mut stdin: ChildStdin) -> io::Result<()> {
    while let Some(bytes) = dump.next().await {
        if stdin.write_all(&bytes?).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Keeps its first words: a damaged dump can make it repeat itself.
async fn listen(mut stderr: ChildStderr) -> Vec<u8> {
    let mut said = Vec::new();
    if (&mut stderr).take(SAID).read_to_end(&mut said).await.is_ok() {
        // The rest must be read, or the program waits for ever; that it cannot be read changes nothing.
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    }
    said
}
