//! The typed client: one method a route, one error type that tells an unreachable server from a refusal.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    ApiError, Backup, BackupId, CreateLink, DownloadLink, Job, JobId, LogLine, Preflight, RecoveryKit, RepositoryId,
    RestorePlan, RestoreState, Secret, ServerInfo, Source, SourceReport, StartBackup, StartImport, StartRemoval,
    StartRestore, StartUndo, StartVerification, Upload, UploadId, VerificationState,
};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take; a source test waits for Odoo and PostgreSQL.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// Talks to one backup server.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Secret,
}

/// Why a call did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke: says nothing about what the server holds.
    #[error("The backup server does not answer.")]
    Unreachable(#[source] reqwest::Error),
    /// The server understood and refused.
    #[error("{0}")]
    Refused(ApiError),
    /// Something answered that is no backup server of ours.
    #[error("What answers at this address is not a Holdfast backup server (HTTP status {status}).")]
    NotABackupServer {
        /// The status of the answer.
        status: StatusCode,
    },
}

impl ClientError {
    /// The refusal, if it is one.
    pub const fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

type Answer<T> = Result<T, ClientError>;

impl Client {
    /// A client for the server at `base`, such as `https://backup-1.example.com`.
    ///
    /// # Panics
    /// Never with the TLS provider that this workspace installs.
    pub fn new(base: &Url, token: Secret) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, base: base.clone(), token })
    }

    /// The server's state.
    pub async fn server(&self) -> Answer<ServerInfo> {
        self.ask(Method::GET, "v1/server").await
    }

    /// Tests a source.
    pub async fn test_source(&self, source: &Source) -> Answer<SourceReport> {
        json(self.request(Method::POST, "v1/sources/test").json(source).timeout(ANSWER_TIMEOUT)).await
    }

    /// Starts a backup, or finds it again when this job was started before.
    pub async fn start_backup(&self, repository: RepositoryId, start: &StartBackup) -> Answer<Job> {
        let path = format!("v1/repositories/{repository}/backups");
        json(self.request(Method::POST, &path).json(start).timeout(ANSWER_TIMEOUT)).await
    }

    /// All backups of a repository, the newest first.
    pub async fn backups(&self, repository: RepositoryId) -> Answer<Vec<Backup>> {
        self.ask(Method::GET, &format!("v1/repositories/{repository}/backups")).await
    }

    /// One backup.
    pub async fn backup(&self, repository: RepositoryId, backup: BackupId) -> Answer<Backup> {
        self.ask(Method::GET, &format!("v1/repositories/{repository}/backups/{backup}")).await
    }

    /// Removes a backup.
    pub async fn delete_backup(&self, repository: RepositoryId, backup: BackupId) -> Answer<()> {
        self.act(Method::DELETE, &format!("v1/repositories/{repository}/backups/{backup}")).await
    }

    /// Starts to remove backups, or finds that again when this job was started before.
    pub async fn start_removal(&self, repository: RepositoryId, start: &StartRemoval) -> Answer<Job> {
        let path = format!("v1/repositories/{repository}/removals");
        json(self.request(Method::POST, &path).json(start).timeout(ANSWER_TIMEOUT)).await
    }

    /// Makes a temporary link to download a backup.
    pub async fn create_link(
        &self,
        repository: RepositoryId,
        backup: BackupId,
        link: &CreateLink,
    ) -> Answer<DownloadLink> {
        let path = format!("v1/repositories/{repository}/backups/{backup}/links");
        json(self.request(Method::POST, &path).json(link).timeout(ANSWER_TIMEOUT)).await
    }

    /// Ends a link before its time.
    pub async fn revoke_link(&self, link: uuid::Uuid) -> Answer<()> {
        self.act(Method::DELETE, &format!("v1/links/{link}")).await
    }

    /// Looks at what a restore would meet, and touches nothing.
    pub async fn preflight(&self, repository: RepositoryId, backup: BackupId, plan: &RestorePlan) -> Answer<Preflight> {
        let path = format!("v1/repositories/{repository}/backups/{backup}/preflight");
        json(self.request(Method::POST, &path).json(plan).timeout(ANSWER_TIMEOUT)).await
    }

    /// Starts a restore, or finds it again when this job was started before.
    pub async fn start_restore(&self, repository: RepositoryId, backup: BackupId, start: &StartRestore) -> Answer<Job> {
        let path = format!("v1/repositories/{repository}/backups/{backup}/restores");
        json(self.request(Method::POST, &path).json(start).timeout(ANSWER_TIMEOUT)).await
    }

    /// Starts to undo a restore, or finds that again when this job was started before.
    pub async fn start_undo(&self, restore: JobId, start: &StartUndo) -> Answer<Job> {
        let path = format!("v1/restores/{restore}/undo");
        json(self.request(Method::POST, &path).json(start).timeout(ANSWER_TIMEOUT)).await
    }

    /// Begins an upload, or finds it again when it was begun before with the same name and length.
    pub async fn create_upload(
        &self,
        repository: RepositoryId,
        upload: UploadId,
        file_name: &str,
        length: u64,
    ) -> Answer<Upload> {
        let metadata = format!("filename {},id {}", BASE64.encode(file_name), BASE64.encode(upload.to_string()));
        let request = self.tus(Method::POST, &format!("v1/repositories/{repository}/uploads"));
        let request = request.header("Upload-Length", length).header("Upload-Metadata", metadata);
        sent(request.timeout(ANSWER_TIMEOUT)).await?;
        self.upload(upload).await
    }

    /// An upload as it is.
    pub async fn upload(&self, upload: UploadId) -> Answer<Upload> {
        self.ask(Method::GET, &format!("v1/uploads/{upload}")).await
    }

    /// Appends a chunk at `offset`; answers the offset after it. `checksum` is tus' `Upload-Checksum`, such as
    /// `sha256 <base64>`.
    pub async fn append(
        &self,
        upload: UploadId,
        offset: u64,
        checksum: Option<&str>,
        chunk: impl Into<reqwest::Body>,
    ) -> Answer<u64> {
        appended(self.patch(upload, offset, checksum, chunk.into()).timeout(ANSWER_TIMEOUT)).await
    }

    /// As [`Self::append`], but those in front of it may come later; answers the offset up to which nothing is missing.
    pub async fn append_ahead(
        &self,
        upload: UploadId,
        offset: u64,
        checksum: Option<&str>,
        chunk: impl Into<reqwest::Body>,
    ) -> Answer<u64> {
        let request = self.patch(upload, offset, checksum, chunk.into());
        appended(request.header(Upload::AHEAD_HEADER, "1").timeout(ANSWER_TIMEOUT)).await
    }

    /// As these two, with a chunk of `length` bytes that is still arriving. It may take as long as it takes to come: when to
    /// give up is the caller's to decide.
    pub async fn append_arriving(
        &self,
        upload: UploadId,
        offset: u64,
        checksum: Option<&str>,
        ahead: bool,
        chunk: reqwest::Body,
        length: u64,
    ) -> Answer<u64> {
        let mut request = self.patch(upload, offset, checksum, chunk).header("Content-Length", length);
        if ahead {
            request = request.header(Upload::AHEAD_HEADER, "1");
        }
        appended(request).await
    }

    fn patch(&self, upload: UploadId, offset: u64, checksum: Option<&str>, chunk: reqwest::Body) -> RequestBuilder {
        let mut request = self.tus(Method::PATCH, &format!("v1/uploads/{upload}")).header("Upload-Offset", offset);
        if let Some(checksum) = checksum {
            request = request.header("Upload-Checksum", checksum);
        }
        request.header("Content-Type", "application/offset+octet-stream").body(chunk)
    }

    /// Ends an upload and removes what arrived.
    pub async fn delete_upload(&self, upload: UploadId) -> Answer<()> {
        sent(self.tus(Method::DELETE, &format!("v1/uploads/{upload}")).timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    /// Starts to make a backup of a file from elsewhere, or finds that again when this job was started before.
    pub async fn start_import(&self, repository: RepositoryId, start: &StartImport) -> Answer<Job> {
        let path = format!("v1/repositories/{repository}/imports");
        json(self.request(Method::POST, &path).json(start).timeout(ANSWER_TIMEOUT)).await
    }

    /// What became of a restore.
    pub async fn restore_state(&self, restore: JobId) -> Answer<RestoreState> {
        self.ask(Method::GET, &format!("v1/restores/{restore}")).await
    }

    /// What is known of a repository's soundness.
    pub async fn verification(&self, repository: RepositoryId) -> Answer<VerificationState> {
        self.ask(Method::GET, &format!("v1/repositories/{repository}/verification")).await
    }

    /// Starts to verify a repository, or finds that again when this job was started before.
    pub async fn start_verification(&self, repository: RepositoryId, start: &StartVerification) -> Answer<Job> {
        let path = format!("v1/repositories/{repository}/verification");
        json(self.request(Method::POST, &path).json(start).timeout(ANSWER_TIMEOUT)).await
    }

    /// How to read a repository without Holdfast.
    pub async fn recovery_kit(&self, repository: RepositoryId) -> Answer<RecoveryKit> {
        self.ask(Method::GET, &format!("v1/repositories/{repository}/recovery-kit")).await
    }

    /// One job.
    pub async fn job(&self, job: JobId) -> Answer<Job> {
        self.ask(Method::GET, &format!("v1/jobs/{job}")).await
    }

    /// A job's log, the oldest line first.
    pub async fn job_log(&self, job: JobId) -> Answer<Vec<LogLine>> {
        self.ask(Method::GET, &format!("v1/jobs/{job}/log")).await
    }

    /// Asks a job to stop; answers its state at this moment.
    pub async fn cancel_job(&self, job: JobId) -> Answer<Job> {
        self.ask(Method::POST, &format!("v1/jobs/{job}/cancel")).await
    }

    /// Follows a job: its state now, then each change, until it is final.
    pub async fn job_events(&self, job: JobId) -> Answer<impl Stream<Item = Answer<Job>> + Send + use<>> {
        let answer = sent(self.request(Method::GET, &format!("v1/jobs/{job}/events"))).await?;
        let lines = lines(answer.bytes_stream().map_err(ClientError::Unreachable));
        Ok(lines.filter_map(async |line| match line {
            Ok(line) => Some(Ok(serde_json::from_str(line.strip_prefix("data:")?.trim_start()).ok()?)),
            Err(error) => Some(Err(error)),
        }))
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Answer<T> {
        json(self.request(method, path).timeout(ANSWER_TIMEOUT)).await
    }

    async fn act(&self, method: Method, path: &str) -> Answer<()> {
        sent(self.request(method, path).timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("Tus-Resumable", "1.0.0")
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.base.as_str().trim_end_matches('/');
        self.http.request(method, format!("{base}/{path}")).bearer_auth(self.token.reveal())
    }
}

async fn sent(request: RequestBuilder) -> Answer<reqwest::Response> {
    let answer = request.send().await.map_err(ClientError::Unreachable)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.bytes().await.map_err(ClientError::Unreachable)?;
    Err(serde_json::from_slice(&body).map_or(ClientError::NotABackupServer { status }, ClientError::Refused))
}

async fn appended(request: RequestBuilder) -> Answer<u64> {
    let answer = sent(request).await?;
    let after = answer.headers().get("Upload-Offset").and_then(|after| after.to_str().ok()?.parse().ok());
    after.ok_or(ClientError::NotABackupServer { status: answer.status() })
}

async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Answer<T> {
    let answer = sent(request).await?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(ClientError::Unreachable)?;
    serde_json::from_slice(&body).map_err(|_| ClientError::NotABackupServer { status })
}

/// Cuts a byte stream into lines, without their ends.
fn lines(
    bytes: impl Stream<Item = Answer<bytes::Bytes>> + Send + 'static,
) -> impl Stream<Item = Answer<String>> + Send {
    stream::unfold((Box::pin(bytes), Vec::new()), |(mut bytes, mut rest)| async move {
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                return Some((Ok(line), (bytes, rest)));
            }
            match bytes.next().await? {
                Ok(chunk) => rest.extend_from_slice(&chunk),
                Err(error) => return Some((Err(error), (bytes, rest))),
            }
        }
    })
}
