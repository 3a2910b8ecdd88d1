//! Takes jobs, runs them within the limits, and keeps journal and memory in step.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backup_api::{
    Backup, BackupId, Failure, FailureCode, Job, JobId, JobKind, JobState, LogLine, Phase, Progress, RepositoryId,
    Restored,
};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{
    JobContext,
    journal::{JobLog, Journal, Record, outdated},
    table::{Entry, Table},
};
use crate::config::Clock;

/// How long cancelled jobs may take to clean up when the server stops.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// The work of a job.
pub(crate) type Work = Box<dyn FnOnce(JobContext) -> BoxFuture<'static, Result<Done, Failure>> + Send>;

/// What work that succeeded did.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// Made a backup.
    Backup(Box<Backup>),
    /// Restored a backup.
    Restored(Box<Restored>),
    /// What there is nothing more to say of.
    Other,
}

/// A job to take.
#[derive(Clone, Debug)]
pub(crate) struct NewJob {
    /// Its identity, chosen by whoever asks.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The repository that it works on.
    pub repository: RepositoryId,
    /// The backup that it makes, if it makes one.
    pub backup: Option<BackupId>,
    /// Stands for all that was asked.
    pub fingerprint: String,
}

/// Why a job was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("This job was started before with other content; use a new job identity.")]
    OtherContent,
    #[error("Another job makes this backup already; use a new backup identity.")]
    BackupInWork,
    #[error("The backup server is stopping and takes no new jobs; try again when it runs again.")]
    Stopping,
    #[error("The job could not be written to the journal: {0}. Look at the disk of the backup server.")]
    Journal(#[from] io::Error),
}

/// Runs the jobs of a server.
#[derive(Clone)]
pub(crate) struct JobRunner(Arc<Inner>);

struct Inner {
    journal: Journal,
    clock: Clock,
    limit: usize,
    table: Mutex<Table>,
    /// Held from the decision on a change of state until it is written and published, so that these never overtake.
    changing: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
}

impl JobRunner {
    /// Remembers `records`; nothing of them runs.
    pub fn new(journal: Journal, records: Vec<Record>, limit: usize, clock: Clock) -> Self {
        let entries = records.into_iter().map(|record| (record.job.id, Entry::new(record, None))).collect();
        let table = Mutex::new(Table { entries, ..Table::default() });
        let changing = tokio::sync::Mutex::default();
        Self(Arc::new(Inner { journal, clock, limit, table, changing, tasks: TaskTracker::new() }))
    }

    /// Takes a job and runs it when its turn comes; asked again with the same content, answers the job as it is.
    pub async fn submit(&self, new: NewJob, work: Work) -> Result<Job, SubmitError> {
        let changing = self.0.changing.lock().await;
        if let Some(known) = self.known(&new)? {
            return Ok(known);
        }
        let record = Record { job: self.queued(&new), fingerprint: new.fingerprint, backup: new.backup };
        let job = record.job.clone();
        self.save(record.clone()).await?;
        {
            let mut table = self.table();
            table.entries.insert(job.id, Entry::new(record, Some(work)));
            table.queue.push_back(job.id);
        }
        drop(changing);
        self.start_next();
        Ok(job)
    }

    fn known(&self, new: &NewJob) -> Result<Option<Job>, SubmitError> {
        let table = self.table();
        if let Some(entry) = table.entries.get(&new.id) {
            let same = entry.fingerprint == new.fingerprint;
            return if same { Ok(Some(entry.job.borrow().clone())) } else { Err(SubmitError::OtherContent) };
        }
        if table.closed {
            return Err(SubmitError::Stopping);
        }
        new.backup.and_then(|backup| table.maker_of(backup)).map_or(Ok(None), |_| Err(SubmitError::BackupInWork))
    }

    fn queued(&self, new: &NewJob) -> Job {
        Job {
            id: new.id,
            kind: new.kind,
            repository: new.repository,
            state: JobState::Queued,
            phase: Phase::Waiting,
            progress: Progress::default(),
            created_at: self.0.clock.now(),
            started_at: None,
            finished_at: None,
            failure: None,
            backup: None,
            restored: None,
            removed: Vec::new(),
        }
    }

    /// A job as it is.
    pub fn get(&self, id: JobId) -> Option<Job> {
        self.table().entries.get(&id).map(|entry| entry.job.borrow().clone())
    }

    /// A job now and at each change.
    pub fn follow(&self, id: JobId) -> Option<watch::Receiver<Job>> {
        self.table().entries.get(&id).map(|entry| entry.job.subscribe())
    }

    /// A job's log, the oldest line first.
    pub async fn log(&self, id: JobId) -> io::Result<Vec<LogLine>> {
        let journal = self.0.journal.clone();
        tokio::task::spawn_blocking(move || journal.read_log(id)).await.map_err(io::Error::other)?
    }

    /// How many jobs run and how many wait.
    pub fn load(&self) -> (usize, usize) {
        let table = self.table();
        (table.running.len(), table.queue.len())
    }

    /// Whether a job works in a repository.
    pub fn is_busy(&self, repository: RepositoryId) -> bool {
        self.table().is_busy(repository)
    }

    /// Whether new jobs are refused because the server stops.
    pub fn is_closed(&self) -> bool {
        self.table().closed
    }

    /// Stops a job: a waiting one at once, a running one as soon as its work notices. Answers its state now.
    pub async fn cancel(&self, id: JobId) -> Option<Job> {
        let is_waiting = {
            let mut table = self.table();
            let place = table.queue.iter().position(|queued| *queued == id);
            let entry = table.entries.get_mut(&id)?;
            entry.lasts = false;
            entry.cancel.cancel();
            if place.is_some() {
                // What it would have worked with is free again.
                entry.work = None;
            }
            place.and_then(|place| table.queue.remove(place)).is_some()
        };
        if is_waiting {
            let failure = Failure { code: FailureCode::Cancelled, message: "Cancelled before it began.".to_owned() };
            self.finish(id, Err(failure)).await;
        }
        self.get(id)
    }

    /// Takes no new jobs, gives running ones `grace` to end, then cancels them: they end as interrupted.
    pub async fn shut_down(&self, grace: Duration) {
        let waiting: Vec<JobId> = {
            let mut table = self.table();
            table.closed = true;
            table.queue.drain(..).collect()
        };
        for id in waiting {
            self.interrupt(id).await;
        }
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_ok() {
            return;
        }
        let running: Vec<JobId> = self.table().running.keys().copied().collect();
        for id in &running {
            if let Some(entry) = self.table().entries.get(id) {
                entry.cancel.cancel();
            }
        }
        if tokio::time::timeout(CLEAN_UP, self.0.tasks.wait()).await.is_err() {
            for id in running {
                self.interrupt(id).await;
            }
        }
    }

    async fn interrupt(&self, id: JobId) {
        if let Some(job) = self.get(id) {
            self.finish(id, Err(interrupted(job.kind))).await;
        }
    }

    pub(super) fn start_next(&self) {
        while let Some((id, work)) = { self.table().take_next(self.0.limit) } {
            self.0.tasks.spawn(self.clone().run(id, work));
        }
    }

    async fn run(self, id: JobId, work: Work) {
        let now = self.0.clock.now();
        self.change(id, |job| (job.state, job.started_at) = (JobState::Running, Some(now))).await;
        if let Some(context) = self.context(id) {
            let outcome = tokio::spawn(async { work(context).await }).await;
            let outcome = outcome.unwrap_or_else(|error| {
                let cause = panic_text(error);
                tracing::error!(job.id = %id, cause, "Job {id} panicked");
                let message = "A fault of the backup server ended this job; its log has the cause.".to_owned();
                Err(Failure { code: FailureCode::Internal, message })
            });
            self.finish(id, outcome).await;
        }
        self.trim().await;
        self.table().running.remove(&id);
        self.start_next();
    }

    /// The connection of work to its job.
    pub fn context(&self, id: JobId) -> Option<JobContext> {
        let log = self.0.journal.open_log(id).unwrap_or_else(|error| {
            tracing::warn!(job.id = %id, %error, "Could not open the log of job {id}");
            JobLog::closed()
        });
        let table = self.table();
        let entry = table.entries.get(&id)?;
        let (cancel, job) = (entry.cancel.clone(), entry.job.clone());
        Some(JobContext { id, cancel, job, log: Arc::new(log), clock: self.0.clock.clone(), shown: None })
    }

    /// Brings a job to its final state, whatever it was, unless it is final already.
    pub(super) async fn finish(&self, id: JobId, outcome: Result<Done, Failure>) {
        let Some(context) = self.context(id) else { return };
        let kind = context.job.borrow().kind;
        let is_stopped =
            context.cancel.is_cancelled() || matches!(&outcome, Err(failure) if *failure == interrupted(kind));
        if outcome.is_err() && is_stopped && self.goes_on_later(id) {
            return;
        }
        let outcome = outcome.map_err(|failure| self.as_asked(&context, failure));
        if let Err(failure) = &outcome {
            context.error(&failure.message);
        }
        let now = self.0.clock.now();
        self.change(id, |job| {
            job.finished_at = Some(now);
            match outcome {
                Ok(done) => {
                    job.state = JobState::Succeeded;
                    match done {
                        Done::Backup(backup) => job.backup = Some(*backup),
                        Done::Restored(restored) => job.restored = Some(*restored),
                        Done::Other => {}
                    }
                }
                Err(failure) => (job.state, job.failure) = (state_of(failure.code), Some(failure)),
            }
        })
        .await;
    }

    /// Work that was told to stop fails in many ways; what counts is who told it.
    fn as_asked(&self, context: &JobContext, failure: Failure) -> Failure {
        let kind = context.job.borrow().kind;
        // That it cannot be told which database is live stays so, whoever stopped the work; it is finished later.
        let is_open = moves_databases(kind) && failure.code == FailureCode::Interrupted;
        match (context.cancel.is_cancelled(), self.is_closed()) {
            _ if is_open => failure,
            (true, true) => interrupted(kind),
            (true, false) if failure.code != FailureCode::Cancelled => {
                let message = if moves_databases(kind) {
                    "Cancelled on request; the live database is as it was."
                } else {
                    "Cancelled on request; nothing was kept."
                };
                Failure { code: FailureCode::Cancelled, message: message.to_owned() }
            }
            _ => failure,
        }
    }

    /// Changes a job that is not final: first on disk, then for all who follow it.
    pub(super) async fn change(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        let _changing = self.0.changing.lock().await;
        let Some(mut record) = self.table().entries.get(&id).map(Entry::record) else { return };
        if record.job.state.is_final() {
            return;
        }
        change(&mut record.job);
        let job = record.job.clone();
        if let Err(error) = self.save(record).await {
            // A full disk must not keep the outcome from those who wait for it; a restart says "interrupted".
            tracing::error!(job.id = %id, %error, "Could not write the journal of job {id}");
        }
        if let Some(entry) = self.table().entries.get(&id) {
            entry.job.send_replace(job);
        }
    }

    async fn save(&self, record: Record) -> io::Result<()> {
        let journal = self.0.journal.clone();
        tokio::task::spawn_blocking(move || journal.save(&record)).await.map_err(io::Error::other)?
    }

    /// Forgets old finished jobs.
    pub async fn trim(&self) {
        let _changing = self.0.changing.lock().await;
        let old = {
            let mut table = self.table();
            let finished = table.entries.iter().filter_map(|(id, entry)| Some((*id, entry.job.borrow().finished_at?)));
            let old = outdated(&finished.collect::<Vec<_>>(), self.0.clock.now());
            table.entries.retain(|id, _| !old.contains(id));
            old
        };
        let journal = self.0.journal.clone();
        let removing = tokio::task::spawn_blocking(move || old.into_iter().try_for_each(|id| journal.remove(id)));
        if let Ok(Err(error)) = removing.await {
            tracing::warn!(%error, "Could not remove the journal of an old job");
        }
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a job changes which database has a name.
const fn moves_databases(kind: JobKind) -> bool {
    matches!(kind, JobKind::Restore | JobKind::Undo)
}

/// The failure of a job whose process ended.
pub(super) fn interrupted(kind: JobKind) -> Failure {
    let message = if moves_databases(kind) {
        "The backup server stopped while this job ran. One complete database has the live name; what was begun, the \
         server finishes or takes back when it runs again. Look at the database before you go on."
    } else {
        "The backup server stopped while this job ran; nothing was kept. Start it again."
    };
    Failure { code: FailureCode::Interrupted, message: message.to_owned() }
}

const fn state_of(code: FailureCode) -> JobState {
    match code {
        FailureCode::Cancelled => JobState::Cancelled,
        FailureCode::Interrupted => JobState::Interrupted,
        _ => JobState::Failed,
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let panic = match error.try_into_panic() {
        Ok(panic) => panic,
        Err(error) => return error.to_string(),
    };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".to_owned())
}
