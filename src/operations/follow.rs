//! Follows each unfinished operation on its backup server until the server says how it ended.

use std::time::Duration;

use backup_api::{ClientError, ErrorCode, Failure, FailureCode, Job, JobState, LogLevel, LogLine, Phase};
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use tokio::time::Instant;

use super::{
    OperationId, OperationKind,
    orders::Order,
    outcome::{self, End},
    rate::Rate,
    store::{self, Stored},
};
use crate::{
    backup_servers::{
        self,
        clients::{self, Server},
    },
    backups::Trigger,
    error::{AppError, AppResult},
    retention,
    server::Panel,
};

const UNKNOWN_THERE: &str =
    "The backup server does not know this work any more: it was started anew or set up anew meanwhile.";
const NOT_BEGUN: &str = "Nothing was begun: the database is as it was.";
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A restore that could not be handed over for this long is not begun any more: who asked for it may have gone on. Nor
/// does retention stand in the way of the next backup for longer.
const LATEST: TimeDelta = TimeDelta::minutes(15);
/// A planned backup that could not be handed over for this long has failed, so that somebody hears of it.
const LATEST_PLANNED: TimeDelta = TimeDelta::hours(1);
/// A backup that gets no further for this long has failed. The backup server's own limits are shorter; they do not help
/// when it hangs itself. Nor is a server that does not answer waited for longer.
const LONGEST_STANDSTILL: TimeDelta = TimeDelta::hours(6);
/// How often a server is asked for the log of a job that has ended.
const LOG_TRIES: u32 = 4;
/// How long a panel that follows an operation is believed to be there after its last sign.
pub const LEASE: TimeDelta = TimeDelta::minutes(3);
/// How often it is looked whether somebody asked for a stop in another panel.
const LOOK: Duration = Duration::from_secs(5);
/// Without an event for this long the server is asked: a dead connection looks like a quiet one.
const QUIET: Duration = Duration::from_secs(30);

/// Follows every operation that had not ended when the panel did.
pub async fn resume(panel: &Panel) -> AppResult<()> {
    for stored in store::unfinished(panel).await? {
        panel.live.publish(&stored.operation);
        begin(panel, stored.operation.id, true);
    }
    Ok(())
}

/// Says that this panel is there, and follows the operations of one that has not said so for a while.
pub async fn keep_leases(panel: &Panel) -> AppResult<()> {
    for id in store::keep_leases(panel, panel.clock.now() + LEASE).await? {
        // After a restart this panel follows what it left.
        if !panel.live.knows(id) {
            tracing::info!(operation.id = %id.0, "Taking over operation {}: the panel that followed it is gone", id.0);
            panel.live.publish(&store::find(panel, id).await?.operation);
            begin(panel, id, true);
        }
    }
    Ok(())
}

/// Follows an operation in the background; `resumed` if the server may have heard of it before.
pub fn begin(panel: &Panel, id: OperationId, resumed: bool) {
    let panel = panel.clone();
    let tasks = panel.tasks.clone();
    tasks.spawn(async move {
        let stop = panel.stop.clone();
        stop.run_until_cancelled(Box::pin(follow(&panel, id, resumed))).await;
    });
}

async fn follow(panel: &Panel, id: OperationId, resumed: bool) {
    let wake = panel.live.waker(id);
    let mut follower =
        Follower { panel, maybe_sent: resumed, said: None, rate: Rate::default(), since: Instant::now(), moved: None };
    let mut pause = FIRST_PAUSE;
    loop {
        let end = match follower.attempt_or_give_up(id).await {
            Ok(end) | Err(Trouble::Over(end)) => end,
            Err(Trouble::Again(reason)) => {
                follower.say(id, &reason).await;
                // Waking it up early is for a cancellation.
                drop(tokio::time::timeout(pause, wake.notified()).await);
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
        };
        match outcome::settle(panel, id, end).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(operation.id = %id.0, "The end of operation {} was not written down: {error}", id.0);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

struct Follower<'a> {
    panel: &'a Panel,
    /// The server may know the job although it has never said so.
    maybe_sent: bool,
    /// The trouble that was last written to the log.
    said: Option<String>,
    rate: Rate,
    since: Instant,
    /// What was last seen to move, and when.
    moved: Option<(Phase, u64, DateTime<Utc>)>,
}

/// Why an attempt did not end with the server's verdict.
enum Trouble {
    /// Says nothing about the job: try again.
    Again(String),
    /// It is over all the same.
    Over(End),
}

impl From<AppError> for Trouble {
    fn from(error: AppError) -> Self {
        Self::Again(error.to_string())
    }
}

impl Follower<'_> {
    async fn attempt_or_give_up(&mut self, id: OperationId) -> Result<End, Trouble> {
        match self.attempt(id).await {
            Err(Trouble::Again(reason)) => Err(self.given_up(id).await?.map_or(Trouble::Again(reason), Trouble::Over)),
            done => done,
        }
    }

    /// The end of an operation whose server has been away for so long that nothing shall wait for it any more. What it
    /// did all the same is found when it is back: a backup by its list, a restore because it is asked for.
    async fn given_up(&self, id: OperationId) -> AppResult<Option<End>> {
        let stored = store::find(self.panel, id).await?;
        let Some(server) = stored.server else { return Ok(None) };
        let since = backup_servers::store::unreachable_since(self.panel, server).await?;
        let Some(since) = since else { return Ok(None) };
        let (from, patience) = if stored.cancel_asked {
            (since, LATEST)
        } else {
            // What was asked for when it was away already has its own time.
            (since.max(stored.operation.created_at), LONGEST_STANDSTILL)
        };
        Ok((self.panel.clock.now() - from >= patience).then(|| End::out_of_reach(&stored)))
    }

    async fn attempt(&mut self, id: OperationId) -> Result<End, Trouble> {
        let mut stored = store::find(self.panel, id).await?;
        self.panel.live.refresh(&mut stored.operation);
        if let (false, Some(end)) = (stored.accepted || self.maybe_sent, self.withdrawn(&stored)) {
            return Err(Trouble::Over(end));
        }
        let Some(server) = stored.server else {
            return Err(Trouble::Over(End::lost(&stored, "Its backup server was deleted from the panel.")));
        };
        let server = clients::server(self.panel, server).await?;
        if !stored.accepted {
            self.hand_over(&mut stored, &server).await?;
        }
        self.watch(stored, &server).await
    }

    /// Why an operation is not handed over any more.
    fn withdrawn(&self, stored: &Stored) -> Option<End> {
        if stored.cancel_asked {
            return Some(End::cancelled_before_start());
        }
        let latest = match stored.operation.kind {
            OperationKind::Restore | OperationKind::Undo | OperationKind::Retention => LATEST,
            OperationKind::Backup if stored.trigger == Trigger::Schedule => LATEST_PLANNED,
            _ => return None,
        };
        (self.panel.clock.now() - stored.operation.created_at >= latest).then(|| End::too_late(stored))
    }

    /// Gives the job to the server; giving it twice starts it once.
    async fn hand_over(&mut self, stored: &mut Stored, server: &Server) -> Result<(), Trouble> {
        let id = stored.operation.id;
        if self.maybe_sent && self.is_known_there(stored, server).await? {
            return Ok(());
        }
        let order = order_of(self.panel, stored).await?;
        match order.give(&server.client).await {
            Ok(job) => {
                store::accept(self.panel, id).await?;
                self.observe(stored, &job).await?;
                Ok(())
            }
            Err(ClientError::Refused(refusal)) => {
                let code =
                    if refusal.code == ErrorCode::NoSpace { FailureCode::NoSpace } else { FailureCode::Internal };
                let message = match refusal.code {
                    ErrorCode::Unauthorized => server.fault(&ClientError::Refused(refusal)).to_string(),
                    _ => refusal.message,
                };
                let replaces = stored.operation.kind.replaces();
                let message = if replaces && !self.maybe_sent { format!("{message} {NOT_BEGUN}") } else { message };
                Err(Trouble::Over(End::Failed { state: JobState::Failed, failure: Failure { code, message } }))
            }
            Err(error) => {
                let never_left = matches!(&error, ClientError::Unreachable(cause) if cause.is_connect());
                self.maybe_sent |= !never_left;
                if !self.maybe_sent && stored.operation.kind == OperationKind::Retention {
                    retention::store::take_back(self.panel, id).await?;
                }
                Err(Trouble::Again(server.fault(&error).to_string()))
            }
        }
    }

    /// Whether a server that may have heard of a job knows it: it is not given twice, for what it is about may have
    /// changed meanwhile. One that it does not know is not begun any more if it is withdrawn.
    async fn is_known_there(&mut self, stored: &mut Stored, server: &Server) -> Result<bool, Trouble> {
        let id = stored.operation.id;
        match server.client.job(backup_api::JobId(id.0)).await {
            Ok(job) => {
                store::accept(self.panel, id).await?;
                self.observe(stored, &job).await?;
                Ok(true)
            }
            Err(error) if is_unknown(&error) => match self.withdrawn(stored) {
                Some(end) => Err(Trouble::Over(end)),
                None => Ok(false),
            },
            Err(error) => Err(Trouble::Again(server.fault(&error).to_string())),
        }
    }

    /// Watches the job to its end.
    async fn watch(&mut self, mut stored: Stored, server: &Server) -> Result<End, Trouble> {
        let (id, job) = (stored.operation.id, backup_api::JobId(stored.operation.id.0));
        let wake = self.panel.live.waker(id);
        let lost = End::lost(&stored, UNKNOWN_THERE);
        let trouble = |error: ClientError| {
            if is_unknown(&error) {
                return Trouble::Over(lost.clone());
            }
            Trouble::Again(server.fault(&error).to_string())
        };
        if stored.cancel_asked {
            server.client.cancel_job(job).await.map_err(&trouble)?;
        }
        let mut events = Box::pin(server.client.job_events(job).await.map_err(&trouble)?);
        self.recovered(id).await;
        let mut look = tokio::time::interval(LOOK);
        let (mut stopping, mut heard) = (stored.cancel_asked, Instant::now());
        loop {
            let (seen, ended) = tokio::select! {
                _ = look.tick(), if !stopping => {
                    stopping = store::is_to_stop(self.panel, id).await?;
                    if !stopping {
                        continue;
                    }
                    (server.client.cancel_job(job).await, false)
                }
                event = events.next() => match event {
                    Some(event) => (event, false),
                    // The stream broke off: the last word is asked for.
                    None => (server.client.job(job).await, true),
                },
                () = tokio::time::sleep_until(heard + QUIET) => (server.client.job(job).await, false),
                () = wake.notified() => (server.client.cancel_job(job).await, false),
            };
            let seen = seen.map_err(&trouble)?;
            heard = Instant::now();
            if seen.state.is_final() {
                let log = self.last_log(server, job).await;
                return Ok(End::Told { job: Box::new(seen), log });
            }
            if stored.operation.kind == OperationKind::Backup && self.stands_still(&seen) {
                server.client.cancel_job(job).await.map_err(&trouble)?;
                return Ok(End::stood_still());
            }
            self.observe(&mut stored, &seen).await?;
            if ended {
                return Err(Trouble::Again("The backup server broke the connection off.".to_owned()));
            }
        }
    }

    /// The server's log of a job that has ended: it forgets it some time, so that this is the moment to keep it.
    async fn last_log(&self, server: &Server, job: backup_api::JobId) -> Vec<LogLine> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..LOG_TRIES {
            if let Ok(log) = server.client.job_log(job).await {
                return log;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        match server.client.job_log(job).await {
            Ok(log) => log,
            Err(error) => {
                let reason = server.fault(&error);
                let message = format!("What the backup server wrote down of this could not be read: {reason}");
                vec![LogLine { at: self.panel.clock.now(), level: LogLevel::Warn, message }]
            }
        }
    }

    /// Whether a running job has got no further for too long.
    fn stands_still(&mut self, job: &Job) -> bool {
        let (now, at) = (self.panel.clock.now(), (job.phase, job.progress.done_bytes));
        match self.moved {
            Some((phase, bytes, since)) if (phase, bytes) == at && job.state == JobState::Running => {
                now - since >= LONGEST_STANDSTILL
            }
            _ => {
                self.moved = Some((at.0, at.1, now));
                false
            }
        }
    }

    /// Tells everybody who watches where the job stands.
    async fn observe(&mut self, stored: &mut Stored, job: &Job) -> AppResult<()> {
        if job.state.is_final() {
            return Ok(());
        }
        let operation = &mut stored.operation;
        let began = operation.state != JobState::Running && job.state == JobState::Running;
        operation.state = job.state;
        operation.phase = job.phase;
        operation.progress = job.progress;
        operation.started_at = job.started_at;
        operation.bytes_per_second = self.rate.after(job.phase, job.progress.done_bytes, self.since.elapsed());
        if began {
            store::start(self.panel, operation).await?;
        }
        self.panel.live.publish(operation);
        Ok(())
    }

    /// Writes a trouble to the operation's log, once.
    async fn say(&mut self, id: OperationId, reason: &str) {
        if self.said.as_deref() == Some(reason) {
            return;
        }
        self.said = Some(reason.to_owned());
        let message = format!("{reason} Holdfast keeps trying; whether the work goes on is not known until then.");
        self.write(id, LogLevel::Warn, message).await;
    }

    async fn recovered(&mut self, id: OperationId) {
        if self.said.take().is_some() {
            self.write(id, LogLevel::Info, "The backup server answers again.".to_owned()).await;
        }
    }

    async fn write(&self, id: OperationId, level: LogLevel, message: String) {
        let line = LogLine { at: self.panel.clock.now(), level, message };
        let written = async {
            let mut tx = self.panel.db.begin().await?;
            store::log(&mut tx, id, std::slice::from_ref(&line)).await?;
            tx.commit().await?;
            AppResult::Ok(())
        };
        if written.await.is_err() {
            tracing::warn!(operation.id = %id.0, "{}", line.message);
        }
    }
}

async fn order_of(panel: &Panel, stored: &Stored) -> Result<Order, Trouble> {
    Order::of(panel, stored).await.map_err(|error| match error {
        AppError::Internal => Trouble::Again(error.to_string()),
        error => Trouble::Over(End::Failed {
            state: JobState::Failed,
            failure: Failure { code: FailureCode::Source, message: error.to_string() },
        }),
    })
}

fn is_unknown(error: &ClientError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.code == ErrorCode::NotFound)
}
