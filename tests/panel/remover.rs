//! A double of a backup server that removes backups: it writes down what it is told, and answers when a test lets it.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, post},
};
use backup_api::{BackupId, JobId, JobKind, RepositoryId, StartRemoval};
use tokio::sync::watch;

use crate::{double::Remote, restorer::Restorer};

/// What it was told, and whether it answers.
#[derive(Clone)]
pub struct Remover {
    /// Its jobs and what it holds.
    pub jobs: Restorer,
    told: watch::Sender<Told>,
    answers: watch::Sender<bool>,
    loses: Arc<Mutex<bool>>,
}

/// What it was told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub orders: Vec<StartRemoval>,
    pub deleted: Vec<BackupId>,
}

impl Default for Remover {
    fn default() -> Self {
        Self {
            jobs: Restorer::default(),
            told: watch::Sender::default(),
            answers: watch::Sender::new(true),
            loses: Arc::default(),
        }
    }
}

impl Remover {
    pub async fn remote(&self) -> Remote {
        Remote::of(self.router(), "a-token").await
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/repositories/{repository}/removals", post(remove))
            .route("/v1/repositories/{repository}/backups/{backup}", delete(delete_one))
            .with_state(self.clone())
            .merge(self.jobs.router())
    }

    /// Keeps its answers back from now on, or gives them.
    pub fn answers(&self, answers: bool) {
        self.answers.send_replace(answers);
    }

    /// Takes the next order and breaks the connection off.
    pub fn loses_an_answer(&self) {
        *self.loses.lock().unwrap() = true;
    }

    /// What it was told by now.
    pub fn told(&self) -> Told {
        self.told.borrow().clone()
    }

    /// Waits until it was told so.
    pub async fn hears(&self, what: impl Fn(&Told) -> bool) {
        let mut told = self.told.subscribe();
        let heard = told.wait_for(|told| what(told));
        drop(tokio::time::timeout(std::time::Duration::from_mins(1), heard).await.unwrap().unwrap());
    }

    async fn may_answer(&self) {
        drop(self.answers.subscribe().wait_for(|answers| *answers).await.unwrap());
    }
}

async fn remove(
    State(it): State<Remover>,
    Path(repository): Path<RepositoryId>,
    Json(start): Json<StartRemoval>,
) -> Response {
    let job: JobId = start.job;
    it.told.send_modify(|told| told.orders.push(start));
    it.may_answer().await;
    let begun = it.jobs.begin(job, JobKind::Remove, repository);
    if std::mem::take(&mut *it.loses.lock().unwrap()) {
        let broken = futures::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("broken off")) });
        return (StatusCode::ACCEPTED, Body::from_stream(broken)).into_response();
    }
    begun.into_response()
}

async fn delete_one(State(it): State<Remover>, Path((_, backup)): Path<(RepositoryId, BackupId)>) -> StatusCode {
    it.told.send_modify(|told| told.deleted.push(backup));
    it.may_answer().await;
    StatusCode::NO_CONTENT
}
