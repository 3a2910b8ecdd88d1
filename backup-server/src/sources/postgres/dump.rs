//! `pg_dump` as a stream of bytes whose end is trusted only when the program says that all went well.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use backup_api::{BackupFormat, Failure, FailureCode};
use tokio_util::sync::CancellationToken;

use super::{
    super::{pg_tools::PgTool, words},
    proof::{Proof, Running},
};

/// How much of what `pg_dump` says is kept: its last words.
const STDERR_KEPT: usize = 64 * 1024;
/// How much of that goes into a message.
const STDERR_SHOWN: usize = 600;
/// The last lines of a plain dump, with room for `\unrestrict`.
const TAIL: usize = 1024;
/// How often the watcher looks.
const WATCH: Duration = Duration::from_millis(100);
/// How long a program may live on after it closed its output.
const LINGER: Duration = Duration::from_secs(30);

/// A run of `pg_dump`, from before it starts until its verdict.
#[derive(Debug)]
pub(super) struct DumpRun {
    program: PgTool,
    arguments: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    format: BackupFormat,
    stall: Duration,
    cancel: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    child: Option<Child>,
    /// Reads along, and must end with it.
    proof: Running,
    /// Since when a reader waits for the next bytes. While nobody reads, `pg_dump` cannot be blamed for being slow.
    waiting_since: Option<Instant>,
    stderr: VecDeque<u8>,
    verdict: Option<Result<(), Failure>>,
}

/// The bytes of a dump. Its end is an error unless `pg_dump` ended well.
struct DumpReader {
    run: Arc<DumpRun>,
    stdout: ChildStdout,
    stderr_closed: mpsc::Receiver<()>,
    tail: Vec<u8>,
    /// Of a custom dump, whose last bytes say nothing.
    proof: Option<Proof>,
    bytes: u64,
    ended: bool,
}

impl DumpRun {
    /// Plans a dump of the database that `environment` names, under an exported snapshot.
    pub fn plan(
        program: &PgTool,
        environment: Vec<(&'static str, OsString)>,
        snapshot: &str,
        format: BackupFormat,
        stall: Duration,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        let mut arguments = vec!["--no-owner".to_owned(), "--no-password".to_owned(), format!("--snapshot={snapshot}")];
        match format {
            BackupFormat::Zip => arguments.push("--format=plain".to_owned()),
            // Compressed input does not deduplicate in the repository, which compresses itself.
            BackupFormat::Dump => arguments.extend(["--format=custom".to_owned(), "--compress=0".to_owned()]),
        }
        let (program, state) = (program.clone(), Mutex::default());
        Arc::new(Self { program, arguments, environment, format, stall, cancel, state })
    }

    /// Starts `pg_dump`. Blocks, as does the reader.
    pub fn start(self: &Arc<Self>) -> io::Result<Box<dyn Read + Send>> {
        self.spawn().map_err(|failure| {
            let error = io::Error::other(failure.message.clone());
            self.conclude(Err(failure));
            error
        })
    }

    fn spawn(self: &Arc<Self>) -> Result<Box<dyn Read + Send>, Failure> {
        if self.cancel.is_cancelled() {
            return Err(words::cancelled());
        }
        let proof = match self.format {
            BackupFormat::Zip => None,
            BackupFormat::Dump => Some(Proof::start(&self.program)?),
        };
        let mut command = Command::new(self.program.pg_dump());
        command.args(&self.arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("LC_ALL", "C").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // A group of its own, so that stopping it stops what it may have started, too.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let program = self.program.pg_dump();
            words::failure(
                FailureCode::PgDump,
                format!(
                    "{} could not be started: {error}. Install PostgreSQL's client programs on the backup server again.",
                    program.display()
                ),
            )
        })?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(words::failure(FailureCode::Internal, "pg_dump was started without its pipes."));
        };
        {
            let mut state = self.state();
            state.child = Some(child);
            state.proof = proof.as_ref().map(Proof::running).unwrap_or_default();
        }
        let stderr_closed = self.keep_stderr(stderr);
        self.watch();
        let run = Arc::clone(self);
        Ok(Box::new(DumpReader { run, stdout, stderr_closed, tail: Vec::new(), proof, bytes: 0, ended: false }))
    }

    /// How it ended: asked after the last byte.
    pub fn verdict(&self) -> Result<(), Failure> {
        let not_read = || words::failure(FailureCode::Internal, "The dump was not read to its end.");
        self.state().verdict.clone().unwrap_or_else(|| Err(not_read()))
    }

    /// Ends the program if it still runs.
    pub fn stop(&self) {
        self.end_with(words::failure(FailureCode::Internal, "The dump was not read to its end."));
    }

    fn end_with(&self, failure: Failure) {
        let mut state = self.state();
        if let Some(mut child) = state.child.take() {
            state.proof.stop();
            // Its id is its own until it is waited for, and the state's lock keeps others from doing that.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
            state.verdict.get_or_insert(Err(failure));
        }
    }

    fn conclude(&self, verdict: Result<(), Failure>) {
        self.state().verdict.get_or_insert(verdict);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the last words of the program; the receiver ends when there will be no more.
    fn keep_stderr(self: &Arc<Self>, mut stderr: ChildStderr) -> mpsc::Receiver<()> {
        let (open, closed) = mpsc::channel();
        let run = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let mut state = run.state();
                state.stderr.extend(&buffer[..read]);
                let surplus = state.stderr.len().saturating_sub(STDERR_KEPT);
                state.stderr.drain(..surplus);
            }
            drop(open);
        });
        closed
    }

    /// Ends the program when the job is cancelled or nothing comes.
    fn watch(self: &Arc<Self>) {
        let run = Arc::downgrade(self);
        thread::spawn(move || {
            while let Some(run) = run.upgrade() {
                let (runs, waited) = {
                    let state = run.state();
                    (state.child.is_some(), state.waiting_since.map(|since| since.elapsed()))
                };
                if !runs {
                    return;
                }
                if run.cancel.is_cancelled() {
                    return run.end_with(words::cancelled());
                }
                if waited.is_some_and(|waited| waited > run.stall) {
                    return run.end_with(run.stalled());
                }
                drop(run);
                thread::sleep(WATCH);
            }
        });
    }

    fn stalled(&self) -> Failure {
        let message = format!(
            "pg_dump gave nothing for {} seconds and was stopped. Another session may hold a lock on a table (look at \
             pg_stat_activity), or the PostgreSQL server hangs.{}",
            self.stall.as_secs(),
            self.last_words()
        );
        words::failure(FailureCode::Stalled, message)
    }

    fn last_words(&self) -> String {
        let stderr: Vec<u8> = self.state().stderr.iter().copied().collect();
        let text = String::from_utf8_lossy(&stderr);
        let text = text.trim();
        if text.is_empty() {
            return String::new();
        }
        let skipped = text.chars().count().saturating_sub(STDERR_SHOWN);
        format!(" It said: {}", text.chars().skip(skipped).collect::<String>())
    }

    /// Waits for the program, which closed its output; `None` when it was ended meanwhile and the verdict is known.
    fn wait(&self) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + LINGER;
        loop {
            let mut state = self.state();
            let Some(child) = state.child.as_mut() else { return Ok(None) };
            if let Some(status) = child.try_wait()? {
                state.child = None;
                return Ok(Some(status));
            }
            drop(state);
            if Instant::now() > deadline {
                self.end_with(words::failure(FailureCode::PgDump, "pg_dump closed its output but did not end."));
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn judge(&self, status: ExitStatus, tail: &[u8], bytes: u64) -> Result<(), Failure> {
        let said = self.last_words();
        let failed = |what: String| Err(words::failure(FailureCode::PgDump, what));
        if let Some(signal) = status.signal() {
            return failed(format!(
                "pg_dump was killed by signal {signal}: by someone, or by the system because memory ran out. Look at the \
                 system log, then try again.{said}"
            ));
        }
        if !status.success() {
            let code = status.code().unwrap_or_default();
            let advice = if said.contains("permission denied") {
                "The user in the connection URL must be allowed to read all of the database: use its owner. "
            } else {
                ""
            };
            return failed(format!("pg_dump failed with exit status {code}. {advice}{}", said.trim_start()));
        }
        let complete = match self.format {
            BackupFormat::Zip => ends_complete(tail),
            BackupFormat::Dump => bytes > 0,
        };
        if !complete {
            return failed(format!(
                "pg_dump ended without an error, but its output is not complete. Check what {} is.{said}",
                self.program.pg_dump().display()
            ));
        }
        Ok(())
    }
}

impl DumpReader {
    fn finish(&mut self) -> io::Result<()> {
        self.ended = true;
        if let Some(status) = self.run.wait()? {
            // A little patience: the last words may still be in the pipe.
            let _ = self.stderr_closed.recv_timeout(Duration::from_secs(1));
            let verdict = self.run.judge(status, &self.tail, self.bytes);
            let verdict = verdict.and_then(|()| self.proof.take().map_or(Ok(()), Proof::finish));
            self.run.conclude(verdict);
        }
        self.run.verdict().map_err(|failure| io::Error::other(failure.message))
    }

    /// Looks at what was read, which a hanging `pg_restore` must not hold up for ever.
    fn look_at(&mut self, read: &[u8]) {
        if let Some(proof) = &mut self.proof {
            self.run.state().waiting_since = Some(Instant::now());
            proof.write(read);
            self.run.state().waiting_since = None;
        }
        self.bytes += read.len() as u64;
        self.tail.extend_from_slice(&read[read.len().saturating_sub(TAIL)..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }
}

impl Read for DumpReader {
    /// Fills the buffer: short reads would shrink the chunker's buffer for good.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return self.run.verdict().map(|()| 0).map_err(|failure| io::Error::other(failure.message));
        }
        let mut filled = 0;
        while filled < buffer.len() {
            self.run.state().waiting_since = Some(Instant::now());
            let read = self.stdout.read(&mut buffer[filled..]);
            self.run.state().waiting_since = None;
            match read {
                Ok(0) => {
                    self.look_at(&buffer[..filled]);
                    self.finish()?;
                    return Ok(filled);
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.look_at(&buffer[..filled]);
        Ok(filled)
    }
}

impl Drop for DumpReader {
    fn drop(&mut self) {
        self.run.stop();
    }
}

/// Whether a plain dump's last lines are those that `pg_dump` writes when it got to its end.
fn ends_complete(tail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(tail);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "--");
    lines.rfind(|line| !line.starts_with("\\unrestrict")) == Some("-- PostgreSQL database dump complete")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_dump_is_complete_when_its_last_line_says_so() {
        assert!(ends_complete(b"x\n--\n-- PostgreSQL database dump complete\n--\n\n"));
        assert!(ends_complete(b"x\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"));
        assert!(!ends_complete(b"-- PostgreSQL database dump complete\nmore\n"));
        assert!(!ends_complete(b""));
    }
}
