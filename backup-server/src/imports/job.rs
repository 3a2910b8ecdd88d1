//! The import job: get the file, check all of it, store it.

use std::time::Instant;

use backup_api::{Backup, Failure, FailureCode, RepositoryId, StartImport};
use futures::future::BoxFuture;

use super::{
    check::{self, Candidate},
    fetch::{self, Kept, Target},
};
use crate::{
    jobs::{Done, JobContext, Wanted, Work, check_space, size, store},
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
    /// On another server, and as much of it as has arrived.
    Url(Target, Box<Kept>),
}

/// How an import ended without a backup.
enum Stopped {
    /// The file is no backup, and will be none the next time.
    Refused(Failure),
    /// Something else was in the way.
    Failed(Failure),
}

impl ImportJob {
    /// As the work of a job.
    pub fn into_work(self) -> Work {
        Box::new(|context| -> BoxFuture<'static, _> {
            Box::pin(async { self.run(context).await.map(|backup| Done::Backup(Box::new(backup))) })
        })
    }

    /// Makes it.
    async fn run(self, context: JobContext) -> Result<Backup, Failure> {
        let Self { app, repository, start, origin } = self;
        let importing = Importing { app: &app, repository, start: &start, context: &context };
        match origin {
            Origin::Upload(lease) => importing.uploaded(lease).await,
            Origin::Url(target, kept) => importing.fetched(&target, *kept).await,
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
        match self.import(&file, self.start.comment.clone()).await {
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

    async fn fetched(&self, target: &Target, mut kept: Kept) -> Result<Backup, Failure> {
        let imported = self.fetch(target, &mut kept).await;
        let is_stopped = self.context.cancel.is_cancelled() && self.app.jobs.goes_on_later(self.context.id);
        if imported.is_err() && is_stopped {
            return imported;
        }
        // Removing a large file takes a while; nobody hears of the end before.
        let removed = tokio::task::spawn_blocking(move || kept.remove()).await;
        removed.map_err(|error| Failure { code: FailureCode::Internal, message: error.to_string() })?;
        imported
    }

    async fn fetch(&self, target: &Target, kept: &mut Kept) -> Result<Backup, Failure> {
        self.context.info(format!("Fetching a file from {}.", target.host()));
        let fetched = fetch::fetch(&self.app.fetching, self.context, target, kept).await?;
        self.context.info(format!("“{}” is here as a whole ({}).", fetched.name, size(fetched.bytes)));
        let file = Candidate { path: kept.part(), bytes: fetched.bytes, format: fetched.format };
        let imported = self.import(&file, commented(&self.start.comment, &fetched.original)).await;
        imported.map_err(|(Stopped::Refused(failure) | Stopped::Failed(failure))| failure)
    }

    async fn import(&self, file: &Candidate, comment: String) -> Result<Backup, Stopped> {
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
        let wanted =
            Wanted { id: self.start.backup, database: self.start.database.clone(), format: file.format, comment };
        let opened = OpenedSource {
            content: checked.content,
            finish: Box::new(|| Ok(())),
            facts: checked.facts,
            guard: SourceGuard(Vec::new()),
        };
        store(app, self.repository, context, wanted, opened, began).await.map_err(Stopped::Failed)
    }
}

/// What is kept with a backup: what was said about it, and what the file is called where it comes from.
fn commented(comment: &str, original: &str) -> String {
    match comment {
        _ if original.is_empty() || comment.contains(original) => comment.to_owned(),
        "" => original.to_owned(),
        _ => format!("{comment} ({original} at its source)"),
    }
}

#[cfg(test)]
mod tests {
    use super::commented;

    #[test]
    fn the_name_that_a_file_had_is_told_once() {
        assert_eq!(commented("acme.zip: by the customer", "acme.zip"), "acme.zip: by the customer");
        assert_eq!(commented("acme.zip", "get"), "acme.zip (get at its source)");
        assert_eq!(commented("", "get"), "get");
        assert_eq!(commented("a file from files.example.com", ""), "a file from files.example.com");
    }
}
