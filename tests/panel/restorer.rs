//! A double of a backup server that restores: it writes down what it is asked, and its jobs go as a test says.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use backup_api::{
    ApiError, BackupId, ErrorCode, Job, JobId, JobKind, JobState, LogLevel, LogLine, Phase, Preflight, Progress,
    RepositoryId, RestorePlan, RestoreStanding, RestoreState, Restored, StartRestore, StartUndo,
};
use chrono::DateTime;
use futures::Stream;
use tokio::sync::watch;

use crate::double::{Held, Remote};

/// What it was asked and what it says.
#[derive(Clone)]
pub struct Restorer {
    pub held: Held,
    state: Arc<Mutex<Said>>,
    jobs: watch::Sender<HashMap<JobId, Job>>,
}

#[derive(Default)]
struct Said {
    preflight: Preflight,
    plans: Vec<RestorePlan>,
    restores: Vec<(BackupId, StartRestore)>,
    undos: Vec<(JobId, StartUndo)>,
    refusal: Option<ApiError>,
    standings: HashMap<JobId, RestoreState>,
    logs_lost: u32,
}

impl Default for Restorer {
    fn default() -> Self {
        Self { held: Held::default(), state: Arc::default(), jobs: watch::channel(HashMap::new()).0 }
    }
}

impl Restorer {
    pub async fn remote(&self) -> Remote {
        Remote::of(self.router(), "a-token").await
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/repositories/{repository}/backups/{backup}/preflight", post(preflight))
            .route("/v1/repositories/{repository}/backups/{backup}/restores", post(restore))
            .route("/v1/restores/{restore}", get(restore_state))
            .route("/v1/restores/{restore}/undo", post(undo))
            .route("/v1/jobs/{job}", get(job))
            .route("/v1/jobs/{job}/events", get(events))
            .route("/v1/jobs/{job}/log", get(log))
            .route("/v1/jobs/{job}/cancel", post(cancel))
            .with_state(self.clone())
            .merge(self.held.router())
    }

    pub fn finds(&self, preflight: Preflight) {
        self.state.lock().unwrap().preflight = preflight;
    }

    /// Refuses every restore from now on.
    pub fn refuses(&self, code: ErrorCode, words: &str) {
        self.state.lock().unwrap().refusal = Some(ApiError { code, message: words.to_owned() });
    }

    /// What it says from now on of a restore's end.
    pub fn stands(&self, restore: JobId, restored: Option<Restored>, standing: RestoreStanding) {
        self.state.lock().unwrap().standings.insert(restore, RestoreState { restore, restored, standing });
    }

    /// Does not say so many times from now on what it wrote down.
    pub fn loses_logs(&self, times: u32) {
        self.state.lock().unwrap().logs_lost = times;
    }

    /// What the last preflight was asked.
    pub fn looked_at(&self) -> RestorePlan {
        self.state.lock().unwrap().plans.last().unwrap().clone()
    }

    /// Every restore that it was asked for.
    pub fn restores(&self) -> Vec<(BackupId, StartRestore)> {
        self.state.lock().unwrap().restores.clone()
    }

    /// Every undoing that it was asked for.
    pub fn undos(&self) -> Vec<(JobId, StartUndo)> {
        self.state.lock().unwrap().undos.clone()
    }

    /// Changes a job; whoever follows it hears of it.
    pub fn change(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        self.jobs.send_modify(|jobs| change(jobs.get_mut(&id).unwrap()));
    }

    /// Waits until it knows a job.
    pub async fn knows(&self, id: JobId) {
        let mut jobs = self.jobs.subscribe();
        let known = jobs.wait_for(|jobs| jobs.contains_key(&id));
        drop(tokio::time::timeout(std::time::Duration::from_mins(1), known).await.unwrap().unwrap());
    }

    /// As if it had been set up anew.
    pub fn forget_everything(&self) {
        self.jobs.send_modify(HashMap::clear);
    }

    pub fn begin(&self, id: JobId, kind: JobKind, repository: RepositoryId) -> (StatusCode, Json<Job>) {
        let job = Job {
            id,
            kind,
            repository,
            state: JobState::Running,
            phase: Phase::Checking,
            progress: Progress::default(),
            created_at: DateTime::UNIX_EPOCH,
            started_at: Some(DateTime::UNIX_EPOCH),
            finished_at: None,
            failure: None,
            backup: None,
            restored: None,
            removed: Vec::new(),
        };
        self.jobs.send_modify(|jobs| {
            jobs.entry(id).or_insert(job);
        });
        (StatusCode::ACCEPTED, Json(self.jobs.borrow()[&id].clone()))
    }

    fn job(&self, id: JobId) -> Answer<Job> {
        let unknown = ApiError { code: ErrorCode::NotFound, message: "No such job.".to_owned() };
        self.jobs.borrow().get(&id).cloned().map(Json).ok_or((StatusCode::NOT_FOUND, Json(unknown)))
    }
}

type Answer<T> = Result<Json<T>, (StatusCode, Json<ApiError>)>;
type OfBackup = Path<(RepositoryId, BackupId)>;

async fn preflight(State(it): State<Restorer>, _: OfBackup, Json(plan): Json<RestorePlan>) -> Json<Preflight> {
    let mut said = it.state.lock().unwrap();
    said.plans.push(plan);
    Json(said.preflight.clone())
}

async fn restore(
    State(it): State<Restorer>,
    Path((repository, backup)): OfBackup,
    Json(start): Json<StartRestore>,
) -> Result<(StatusCode, Json<Job>), (StatusCode, Json<ApiError>)> {
    if let Some(refusal) = it.state.lock().unwrap().refusal.clone() {
        return Err((StatusCode::CONFLICT, Json(refusal)));
    }
    it.state.lock().unwrap().restores.push((backup, start.clone()));
    Ok(it.begin(start.job, JobKind::Restore, repository))
}

async fn undo(
    State(it): State<Restorer>,
    Path(restore): Path<JobId>,
    Json(start): Json<StartUndo>,
) -> (StatusCode, Json<Job>) {
    it.state.lock().unwrap().undos.push((restore, start.clone()));
    it.begin(start.job, JobKind::Undo, RepositoryId(uuid::Uuid::nil()))
}

async fn restore_state(State(it): State<Restorer>, Path(id): Path<JobId>) -> Answer<RestoreState> {
    let unknown = ApiError { code: ErrorCode::NotFound, message: "No such restore.".to_owned() };
    let known = it.state.lock().unwrap().standings.get(&id).cloned();
    known.map(Json).ok_or((StatusCode::NOT_FOUND, Json(unknown)))
}

async fn job(State(it): State<Restorer>, Path(id): Path<JobId>) -> Answer<Job> {
    it.job(id)
}

async fn log(State(it): State<Restorer>, Path(_): Path<JobId>) -> Answer<Vec<LogLine>> {
    let mut said = it.state.lock().unwrap();
    if said.logs_lost > 0 {
        said.logs_lost -= 1;
        let error = ApiError { code: ErrorCode::Internal, message: "The log is busy.".to_owned() };
        return Err((StatusCode::INTERNAL_SERVER_ERROR, Json(error)));
    }
    let message = "Looked at everything.".to_owned();
    Ok(Json(vec![LogLine { at: DateTime::UNIX_EPOCH, level: LogLevel::Info, message }]))
}

async fn cancel(State(it): State<Restorer>, Path(id): Path<JobId>) -> Answer<Job> {
    drop(it.job(id)?);
    it.change(id, |job| job.state = JobState::Cancelled);
    it.job(id)
}

type Events = Sse<std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>;

async fn events(State(it): State<Restorer>, Path(id): Path<JobId>) -> Result<Events, (StatusCode, Json<ApiError>)> {
    drop(it.job(id)?);
    let mut jobs = it.jobs.subscribe();
    Ok(Sse::new(Box::pin(async_stream::stream! {
        loop {
            let Some(job) = jobs.borrow_and_update().get(&id).cloned() else { break };
            yield Ok(Event::default().event("job").json_data(&job).unwrap());
            if job.state.is_final() || jobs.changed().await.is_err() {
                break;
            }
        }
    })))
}
