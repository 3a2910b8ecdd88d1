//! A double of a backup server that receives uploads and imports them: strict about the protocol, its jobs as a test
//! says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use backup_api::{
    ApiError, Attachments, Backup, BackupFormat, ErrorCode, Job, JobId, JobKind, JobState, RepositoryId, StartImport,
    Upload, UploadId,
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::{double::Remote, restorer::Restorer};

/// How long it keeps an upload that nothing is added to.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

/// What it received and was asked.
#[derive(Clone, Default)]
pub struct Receiver {
    pub jobs: Restorer,
    state: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    uploads: HashMap<UploadId, (Upload, Vec<u8>)>,
    imports: Vec<(RepositoryId, StartImport)>,
    refusal: Option<(u16, ApiError)>,
    ahead: Vec<u64>,
}

impl Receiver {
    pub async fn remote(&self) -> Remote {
        let router = Router::new()
            .route("/v1/repositories/{repository}/uploads", post(create))
            .route("/v1/uploads/{upload}", get(show).patch(append).head(offset).delete(remove))
            .route("/v1/repositories/{repository}/imports", post(import))
            .with_state(self.clone())
            .merge(self.jobs.router());
        Remote::of(router, "a-token").await
    }

    /// What has arrived of an upload; `None` when it is not there.
    pub fn bytes(&self, id: UploadId) -> Option<Vec<u8>> {
        self.state.lock().unwrap().uploads.get(&id).map(|(_, bytes)| bytes.clone())
    }

    /// Where chunks began that came before those in front of them; it keeps none of those.
    pub fn ahead(&self) -> Vec<u64> {
        self.state.lock().unwrap().ahead.clone()
    }

    /// Every upload that is there.
    pub fn uploads(&self) -> Vec<Upload> {
        self.state.lock().unwrap().uploads.values().map(|(upload, _)| upload.clone()).collect()
    }

    /// Every import that it was asked for.
    pub fn imports(&self) -> Vec<(RepositoryId, StartImport)> {
        self.state.lock().unwrap().imports.clone()
    }

    /// Refuses everything about uploads and imports, or nothing any more.
    pub fn refuses(&self, refusal: Option<(u16, ErrorCode, &str)>) {
        self.state.lock().unwrap().refusal =
            refusal.map(|(status, code, words)| (status, ApiError { code, message: words.to_owned() }));
    }

    /// As if nothing had come for too long.
    pub fn sweeps(&self) {
        self.state.lock().unwrap().uploads.clear();
    }

    /// Lets the import of a job succeed.
    pub fn succeeds(&self, id: JobId) -> Backup {
        let (repository, start) =
            self.imports().into_iter().find(|(_, start)| start.job == id).expect("it was asked for");
        let backup = Backup {
            id: start.backup,
            repository,
            created_at: DateTime::UNIX_EPOCH,
            database: start.database.clone(),
            format: BackupFormat::Zip,
            file_name: format!("{}_1970-01-01_00-00-00.zip", start.database),
            size_bytes: 7,
            stored_bytes: 7,
            dump_sha256: String::new(),
            dump_bytes: 7,
            attachments: Some(Attachments { present: 3, expected: 3, bytes: 3, missing: Vec::new() }),
            odoo_version: Some("18.0".to_owned()),
            postgres_version: None,
            comment: start.comment,
        };
        self.jobs.held.set(vec![backup.clone()]);
        self.jobs.change(id, |job| {
            job.state = JobState::Succeeded;
            job.backup = Some(backup.clone());
        });
        backup
    }

    fn upload(&self, id: UploadId) -> Result<Upload, Refused> {
        let state = self.state.lock().unwrap();
        refused(&state)?;
        let (upload, bytes) =
            state.uploads.get(&id).ok_or_else(|| refusal(410, ErrorCode::UploadExpired, "It was removed."))?;
        Ok(Upload { offset: u64::try_from(bytes.len()).unwrap(), ..upload.clone() })
    }
}

/// What a refused request is answered.
type Refused = (StatusCode, Json<ApiError>);

fn refusal(status: u16, code: ErrorCode, words: &str) -> Refused {
    (StatusCode::from_u16(status).unwrap(), Json(ApiError { code, message: words.to_owned() }))
}

fn refused(state: &Received) -> Result<(), Refused> {
    match &state.refusal {
        Some((status, error)) => Err(refusal(*status, error.code, &error.message)),
        None => Ok(()),
    }
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    headers[name].to_str().unwrap().parse().unwrap()
}

fn check_version(headers: &HeaderMap) {
    assert_eq!(headers["tus-resumable"], "1.0.0");
}

async fn create(
    State(it): State<Receiver>,
    Path(repository): Path<RepositoryId>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    check_version(&headers);
    let mut state = it.state.lock().unwrap();
    refused(&state)?;
    let metadata: HashMap<String, String> = headers["upload-metadata"]
        .to_str()
        .unwrap()
        .split(',')
        .map(|pair| pair.split_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), String::from_utf8(BASE64.decode(value).unwrap()).unwrap()))
        .collect();
    let id = UploadId(metadata["id"].parse().unwrap());
    let upload = Upload {
        id,
        repository,
        file_name: metadata["filename"].clone(),
        length: number(&headers, "upload-length"),
        offset: 0,
        expires_at: DateTime::<Utc>::from(std::time::SystemTime::now()) + KEPT,
    };
    state.uploads.entry(id).or_insert((upload, Vec::new()));
    Ok((StatusCode::CREATED, [("location", format!("/v1/uploads/{}", id.0))]).into_response())
}

async fn show(State(it): State<Receiver>, Path(id): Path<UploadId>) -> Result<Json<Upload>, Refused> {
    it.upload(id).map(Json)
}

async fn offset(State(it): State<Receiver>, Path(id): Path<UploadId>) -> Result<Response, Refused> {
    let upload = it.upload(id)?;
    Ok([("upload-offset", upload.offset.to_string())].into_response())
}

async fn append(
    State(it): State<Receiver>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
    chunk: Bytes,
) -> Result<Response, Refused> {
    check_version(&headers);
    let upload = it.upload(id)?;
    assert!(u64::try_from(chunk.len()).unwrap() <= Upload::CHUNK_BYTES);
    let begins = number(&headers, "upload-offset");
    if begins != upload.offset && headers.contains_key(Upload::AHEAD_HEADER) {
        it.state.lock().unwrap().ahead.push(begins);
        return Ok((StatusCode::NO_CONTENT, [("upload-offset", upload.offset.to_string())]).into_response());
    }
    if begins != upload.offset {
        return Err(refusal(409, ErrorCode::WrongOffset, "It does not begin where the last one ended."));
    }
    if let Some(checksum) = headers.get("upload-checksum") {
        let expected = format!("sha256 {}", BASE64.encode(Sha256::digest(&chunk)));
        if *checksum != expected {
            return Err(refusal(460, ErrorCode::BadChecksum, "It has another checksum."));
        }
    }
    let after = upload.offset + u64::try_from(chunk.len()).unwrap();
    if after > upload.length {
        return Err(refusal(413, ErrorCode::TooLarge, "More than was announced."));
    }
    it.state.lock().unwrap().uploads.get_mut(&id).unwrap().1.extend_from_slice(&chunk);
    Ok((StatusCode::NO_CONTENT, [("upload-offset", after.to_string())]).into_response())
}

async fn remove(State(it): State<Receiver>, Path(id): Path<UploadId>) -> Result<StatusCode, Refused> {
    it.upload(id)?;
    it.state.lock().unwrap().uploads.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

async fn import(
    State(it): State<Receiver>,
    Path(repository): Path<RepositoryId>,
    Json(start): Json<StartImport>,
) -> Result<(StatusCode, Json<Job>), Refused> {
    let mut state = it.state.lock().unwrap();
    refused(&state)?;
    state.imports.push((repository, start.clone()));
    drop(state);
    Ok(it.jobs.begin(start.job, JobKind::Import, repository))
}
