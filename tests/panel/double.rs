//! Backup servers for tests: a real one behind a socket that can be shut, and a double that says what a test wants.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use backup_api::{ApiError, Backup, ErrorCode, RepositoryId, ServerInfo, Space};
use backup_server::{BackupServer, Config};
use chrono::DateTime;
use holdfast::backup_servers::api::SaveServer;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{browser::Browser, stage::Turned};

/// A server at an address that can be shut and opened again.
pub struct Remote {
    pub address: std::net::SocketAddr,
    pub token: String,
    router: Router,
    serving: Option<JoinHandle<()>>,
    /// Removed with it.
    folder: Option<TempDir>,
}

impl Remote {
    /// A real backup server with its own folder.
    pub async fn real(turned: &Turned) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(folder.path().join("server"));
        config.clock = turned.clock();
        let server = BackupServer::start(config).await.unwrap();
        let mut remote = Self::of(server.router(), server.token().reveal()).await;
        remote.folder = Some(folder);
        remote
    }

    pub async fn of(router: Router, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut remote = Self { address, token: token.to_owned(), router, serving: None, folder: None };
        remote.serve(listener);
        remote
    }

    fn serve(&mut self, listener: TcpListener) {
        let router = self.router.clone();
        self.serving = Some(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    }

    /// Nothing answers any more; what runs goes on.
    pub async fn shut(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        drop(serving.await);
    }

    /// Answers again at the same address.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    /// Answers at the same address, as another does.
    pub async fn open_as(&mut self, router: Router) {
        self.router = router;
        self.open().await;
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds it to a panel; gives its id.
    pub async fn register(&self, browser: &Browser, name: &str) -> String {
        let form = [("input[name]", name), ("input[url]", &self.url()), ("input[token]", &self.token)];
        browser.call::<SaveServer>(&form).await.unwrap().0.to_string()
    }
}

/// What a double says that it holds, in whatever repository.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<(Vec<Backup>, usize)>>);

impl Held {
    pub fn set(&self, backups: Vec<Backup>) {
        self.0.lock().unwrap().0 = backups;
    }

    /// How often it was asked for its list.
    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }

    /// A server that says so.
    pub async fn remote(&self) -> Remote {
        Remote::of(self.router(), "a-token").await
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/server", get(info))
            .route("/v1/repositories/{repository}/backups", get(backups))
            .with_state(self.clone())
    }
}

type Answer<T> = Result<Json<T>, (StatusCode, Json<ApiError>)>;

async fn info(headers: HeaderMap) -> Answer<ServerInfo> {
    if headers.get("authorization").is_none_or(|value| value != "Bearer a-token") {
        let error = ApiError { code: ErrorCode::Unauthorized, message: "Not this token.".to_owned() };
        return Err((StatusCode::UNAUTHORIZED, Json(error)));
    }
    Ok(Json(ServerInfo {
        version: "9.9.9".to_owned(),
        started_at: DateTime::UNIX_EPOCH,
        space: Space { total_bytes: 100, free_bytes: 60, repositories_bytes: 10 },
        repositories: 0,
        pg_dump_versions: Vec::new(),
        running_jobs: 0,
        queued_jobs: 0,
        upload_limit_bytes: backup_api::Upload::LIMIT_BYTES,
        url_limit_bytes: None,
        peak_memory_bytes: None,
    }))
}

async fn backups(State(held): State<Held>, Path(repository): Path<RepositoryId>) -> Json<Vec<Backup>> {
    let mut held = held.0.lock().unwrap();
    held.1 += 1;
    Json(held.0.iter().cloned().map(|backup| Backup { repository, ..backup }).collect())
}
