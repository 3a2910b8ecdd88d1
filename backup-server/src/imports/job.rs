//! The import job: get the file, check all of it, store it.

use std::time::Instant;

use backup_api::{Backup, Failure, FailureCode, RepositoryId, StartImport};

use super::{
    check::{self, Candidate},
    fetch::{self, Target},
};
use crate::{
    jobs::{JobContext, Wanted, check_space, size, store},
    server::App,
    sources::{OpenedSource, SourceGuard},
    uploads::Lease,
};

/// An import to be made.
pub(super) struct ImportJob {
    pub app: App,
    pub repository: RepositoryId,
    pub start: StartImport,
    pub origin: Origin,
}

/// Where the file is.
pub(super) enum Origin {
    /// Here.
    Upload(Lease),
    /// On another server.
    Url(Target),
}

/// How an import ended without a backup.
enum Stopped {
    /// The file is no backup, and will be none the next time.
    Refused(Failure),
    /// Something else was in the way.
    Failed(Failure),
}

impl ImportJob {
    /// Makes it.
    pub async fn run(self, context: JobContext) -> Result<Backup, Failure> {
        let Self { app, repository, start, origin } = self;
        let importing = Importing { app: &app, repository, start: &start, context: &context };
        match origin {
            Origin::Upload(lease) => importing.uploaded(lease).await,
            Origin::Url(target) => importing.fetched(&target).await,
        }
    }
}

struct Importing<'a> {
    app: &'a App,
    repository: RepositoryId,
    start: &'a StartImport,
    context: &'a JobContext,
}

impl Importing<'_> {
    async fn uploaded(&self, lease: Lease) -> Result<Backup, Failure> {
        let upload = lease.upload();
        self.context.info(format!("Importing the uploaded file “{}” ({}).", upload.file_name, size(upload.length)));
        let file = Candidate { path: lease.path(), bytes: upload.length, format: lease.format() };
        match self.import(&file).await {
            Ok(backup) => {
                lease.remove().await;
                Ok(backup)
            }
            Err(Stopped::Refused(failure)) => {
                lease.remove().await;
                Err(failure)
            }
            Err(Stopped::Failed(failure)) => {
                self.context.info("The uploaded file is kept: it can be imported again.");
                Err(failure)
            }
        }
    }

    async fn fetched(&self, target: &Target) -> Result<Backup, Failure> {
        self.context.info(format!("Fetching a file from {}.", target.host()));
        let fetched = fetch::fetch(&self.app.fetching, self.context, target).await?;
        self.context.info(format!("“{}” is here as a whole ({}).", fetched.name, size(fetched.bytes)));
        let file = Candidate { path: fetched.file.path().to_owned(), bytes: fetched.bytes, format: fetched.format };
        let imported = self.import(&file).await;
        // Removing a large file takes a while; nobody hears of the end before.
        let removed = tokio::task::spawn_blocking(move || drop(fetched.file)).await;
        removed.map_err(|error| Failure { code: FailureCode::Internal, message: error.to_string() })?;
        imported.map_err(|(Stopped::Refused(failure) | Stopped::Failed(failure))| failure)
    }

    async fn import(&self, file: &Candidate) -> Result<Backup, Stopped> {
        let began = Instant::now();
        let (app, context) = (self.app, self.context);
        let room = check_space(app.layout.root(), Some(file.bytes), app.config.keep_free_bytes());
        context.info(room.map_err(Stopped::Failed)?);
        let checked = check::check(app, context, file).await.map_err(|failure| match failure.code {
            FailureCode::Incomplete | FailureCode::Sql => Stopped::Refused(failure),
            _ => Stopped::Failed(failure),
        })?;
        for warning in &checked.facts.warnings {
            context.warn(warning);
        }
        let wanted = Wanted {
            id: self.start.backup,
            database: self.start.database.clone(),
            format: file.format,
            comment: self.start.comment.clone(),
        };
        let opened = OpenedSource {
            content: checked.content,
            finish: Box::new(|| Ok(())),
            facts: checked.facts,
            guard: SourceGuard(Vec::new()),
        };
        store(app, self.repository, context, wanted, opened, began).await.map_err(Stopped::Failed)
    }
}
