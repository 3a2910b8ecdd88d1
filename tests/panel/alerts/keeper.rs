//! A double of a backup server whose backups and verifications end as a test says.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use backup_api::{
    Backup, Failure, FailureCode, Job, JobId, JobKind, JobState, RepositoryId, StartBackup, StartVerification,
    VerificationState,
};
use chrono::{DateTime, Utc};
use holdfast::{
    backups::api::{CreateBackup, VerifyBackups},
    operations::{Operation, OperationId},
    subscriptions::SubscriptionId,
};

use crate::{browser::Browser, double::Remote, remover::Remover, restore_scene::backup, restorer::Restorer};

/// The double.
#[derive(Clone)]
pub struct Keeper {
    pub jobs: Restorer,
    pub remover: Remover,
    state: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    backups: Vec<(RepositoryId, StartBackup)>,
    held: Vec<Backup>,
    verified: VerificationState,
}

impl Default for Keeper {
    fn default() -> Self {
        let remover = Remover::default();
        Self { jobs: remover.jobs.clone(), remover, state: Arc::default() }
    }
}

impl Keeper {
    pub async fn remote(&self) -> Remote {
        let router = Router::new()
            .route("/v1/repositories/{repository}/backups", post(begin))
            .route("/v1/repositories/{repository}/verification", get(verified).post(verify))
            .with_state(self.clone())
            .merge(self.remover.router());
        Remote::of(router, "a-token").await
    }

    /// What it says of its own verifications.
    pub fn verified(&self, state: VerificationState) {
        self.state.lock().unwrap().verified = state;
    }

    /// Asks for a backup.
    pub async fn begins(&self, browser: &Browser, id: SubscriptionId) -> OperationId {
        let operation = browser.call::<CreateBackup>(&[("subscription", &id.0.to_string())]).await.unwrap();
        self.jobs.knows(JobId(operation.0)).await;
        operation
    }

    /// Makes a good backup of so many bytes.
    pub async fn succeeds(&self, browser: &Browser, id: SubscriptionId, at: DateTime<Utc>, bytes: u64) -> Operation {
        let operation = self.begins(browser, id).await;
        self.ends_well(operation, at, bytes);
        browser.end_of(operation).await
    }

    /// Makes the backup that was asked for last a good one.
    pub fn ends_well(&self, operation: OperationId, at: DateTime<Utc>, bytes: u64) {
        let made = {
            let mut state = self.state.lock().unwrap();
            let (repository, start) = state.backups.last().unwrap().clone();
            let made = Backup {
                id: start.backup,
                repository,
                created_at: at,
                size_bytes: bytes,
                format: start.format,
                ..backup(state.backups.len() as u128, "18.0")
            };
            state.held.push(made.clone());
            self.jobs.held.set(state.held.clone());
            made
        };
        self.jobs.change(JobId(operation.0), |job| {
            job.state = JobState::Succeeded;
            job.finished_at = Some(at);
            job.backup = Some(made);
        });
    }

    /// Removes what it was told last.
    pub fn removes(&self, operation: OperationId) {
        let ordered = self.remover.told().orders.pop().unwrap().backups;
        {
            let mut state = self.state.lock().unwrap();
            state.held.retain(|backup| !ordered.contains(&backup.id));
            self.jobs.held.set(state.held.clone());
        }
        self.jobs.change(JobId(operation.0), |job| {
            job.state = JobState::Succeeded;
            job.removed = ordered;
        });
    }

    /// Lets a backup fail.
    pub async fn fails(&self, browser: &Browser, id: SubscriptionId, code: FailureCode, words: &str) -> Operation {
        let operation = self.begins(browser, id).await;
        self.end_badly(operation, code, words);
        browser.end_of(operation).await
    }

    /// Makes a verification end; with words it found damage.
    pub async fn verifies(&self, browser: &Browser, id: SubscriptionId, damage: Option<&str>) -> Operation {
        let operation = browser.call::<VerifyBackups>(&[("subscription", &id.0.to_string())]).await.unwrap();
        self.jobs.knows(JobId(operation.0)).await;
        match damage {
            Some(words) => self.end_badly(operation, FailureCode::Mismatch, words),
            None => self.jobs.change(JobId(operation.0), |job| job.state = JobState::Succeeded),
        }
        browser.end_of(operation).await
    }

    /// Makes an operation fail.
    pub fn end_badly(&self, operation: OperationId, code: FailureCode, words: &str) {
        self.jobs.change(JobId(operation.0), |job| {
            job.state = JobState::Failed;
            job.failure = Some(Failure { code, message: words.to_owned() });
        });
    }
}

async fn begin(
    State(keeper): State<Keeper>,
    Path(repository): Path<RepositoryId>,
    Json(start): Json<StartBackup>,
) -> (StatusCode, Json<Job>) {
    let job = start.job;
    keeper.state.lock().unwrap().backups.push((repository, start));
    keeper.jobs.begin(job, JobKind::Backup, repository)
}

async fn verify(
    State(keeper): State<Keeper>,
    Path(repository): Path<RepositoryId>,
    Json(start): Json<StartVerification>,
) -> (StatusCode, Json<Job>) {
    keeper.jobs.begin(start.job, JobKind::Verify, repository)
}

async fn verified(State(keeper): State<Keeper>, Path(_): Path<RepositoryId>) -> Json<VerificationState> {
    Json(keeper.state.lock().unwrap().verified.clone())
}
