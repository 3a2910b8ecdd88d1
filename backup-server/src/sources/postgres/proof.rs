//! Reads along a custom dump with `pg_restore`: that `pg_dump` ended without an error does not say that all of it came.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use backup_api::{Failure, FailureCode};

use super::super::{
    pg_tools::{PgTool, not_judged},
    words,
};

/// How much of what it says is shown.
const SHOWN: u64 = 600;
/// How long it may live on after the last byte.
const LINGER: Duration = Duration::from_mins(1);

/// A run of `pg_restore` that turns the dump into SQL for nobody. What is given to it waits in a pipe, nothing is kept.
pub(super) struct Proof {
    running: Running,
    /// Until the last byte, or until it will have no more.
    input: Option<ChildStdin>,
    said: Option<JoinHandle<Vec<u8>>>,
}

/// The program, to be ended by whoever must; then writing to it fails.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<Option<Child>>>);

impl Running {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it if it still runs.
    pub fn stop(&self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Proof {
    /// Starts it.
    pub fn start(tool: &PgTool) -> Result<Self, Failure> {
        let program = tool.pg_restore();
        let mut command = Command::new(&program);
        command.args(["--file=/dev/null", "--format=custom"]).env_clear().env("LC_ALL", "C").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let message = format!(
                "{} could not be started to check the dump: {error}. Install PostgreSQL's client programs on the backup \
                 server again.",
                program.display()
            );
            words::failure(FailureCode::PgDump, message)
        })?;
        let (input, stderr) = (child.stdin.take(), child.stderr.take());
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            // More than a few words are read and dropped, so that it never waits.
            let rest = stderr.map(|mut stderr| {
                let first = stderr.by_ref().take(SHOWN).read_to_end(&mut said);
                first.and_then(|_| io::copy(&mut stderr, &mut io::sink()))
            });
            drop(rest);
            said
        });
        let running = Running(Arc::new(Mutex::new(Some(child))));
        Ok(Self { running, input, said: Some(said) })
    }

    /// What ends it before its time.
    pub fn running(&self) -> Running {
        self.running.clone()
    }

    /// Gives it the next bytes. It takes no more when it has seen enough to refuse them: then [`Self::finish`] tells.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.input.as_mut().is_some_and(|input| input.write_all(bytes).is_err()) {
            self.input = None;
        }
    }

    /// After the last byte: whether all of it was there.
    pub fn finish(mut self) -> Result<(), Failure> {
        drop(self.input.take());
        let ended = self.wait();
        self.running.stop();
        let Some(status) = ended else { return Err(words::failure(FailureCode::PgDump, hangs())) };
        if status.success() {
            return Ok(());
        }
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let said = said.trim();
        Err(not_judged(status, said, "nothing was kept")
            .unwrap_or_else(|| words::failure(FailureCode::PgDump, incomplete(said))))
    }

    /// Waits for its end; `None` when it takes too long.
    fn wait(&self) -> Option<ExitStatus> {
        let deadline = Instant::now() + LINGER;
        loop {
            let ended = self.running.child().as_mut()?.try_wait().ok()?;
            if ended.is_some() || Instant::now() > deadline {
                return ended;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn incomplete(said: &str) -> String {
    format!(
        "pg_dump ended without an error, but its output is not complete: pg_restore cannot read all of it. Check which \
         pg_dump it is and try again. It said: {said}"
    )
}

fn hangs() -> String {
    format!(
        "pg_restore, which reads the dump to check it, did not end within {} seconds after the last byte and was stopped; \
         nothing was kept. Look at the load of the backup server, then try again.",
        LINGER.as_secs()
    )
}

impl Drop for Proof {
    fn drop(&mut self) {
        self.running.stop();
    }
}
