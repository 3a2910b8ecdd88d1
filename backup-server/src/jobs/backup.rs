//! The backup job: test the source, look at the disk, open the source, store it.

use std::time::Instant;

use backup_api::{
    Backup, BackupFormat, Failure, FailureCode, Phase, Problem, ProblemCode, RepositoryId, Severity, Source,
    SourceReport, StartBackup,
};

use super::{JobContext, Wanted, reporter, space, store, words};
use crate::{
    server::App,
    sources::{self, OpenedSource},
};

/// A backup to be made.
pub(crate) struct BackupJob {
    pub app: App,
    pub repository: RepositoryId,
    pub start: StartBackup,
}

impl BackupJob {
    /// Makes it, and tells the log each step.
    pub async fn run(self, context: JobContext) -> Result<Backup, Failure> {
        let began = Instant::now();
        context.enter(Phase::Checking);
        let report = self.check_source(&context).await?;
        self.check_space(&context, &report).await?;
        let opened = self.open(&context).await?;
        self.app.config.pass("checked").await;
        self.store(&context, opened, began).await
    }

    async fn check_source(&self, context: &JobContext) -> Result<SourceReport, Failure> {
        let source = &self.start.source;
        context.info(format!("Testing {}.", words::source(source)));
        let report = tokio::select! {
            report = self.app.sources.test(source) => report,
            () = context.cancel.cancelled() => return Err(cancelled()),
        };
        let of_concern = report.problems.iter().filter(|problem| self.concerns(problem));
        let (stops, warnings): (Vec<&Problem>, Vec<&Problem>) =
            of_concern.partition(|problem| problem.severity == Severity::Stop);
        for problem in warnings {
            context.warn(&problem.message);
        }
        if !stops.is_empty() {
            let message = stops.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n");
            // Only what may pass by itself is worth another try.
            let passes = stops.iter().all(|problem| problem.code == ProblemCode::Unreachable);
            let code = if passes { FailureCode::Unreachable } else { FailureCode::Source };
            return Err(Failure { code, message });
        }
        context.info(words::report(&report));
        Ok(report)
    }

    /// Whether a problem matters to this backup: a dump has no files of the filestore, and only restores need addons.
    fn concerns(&self, problem: &Problem) -> bool {
        use ProblemCode::{AddonsMissing, AttachmentsMissing, FilestoreMissing, FilestoreNotSet, FilestoreUnreadable};
        // Odoo has programs of its own; those here only check a dump.
        let through_odoo = matches!(self.start.source, Source::OdooHttp { .. });
        if through_odoo && problem.code == ProblemCode::NoMatchingPgDump {
            return self.start.format == BackupFormat::Dump;
        }
        if problem.code == AddonsMissing {
            return false;
        }
        let of_filestore =
            matches!(problem.code, FilestoreMissing | FilestoreUnreadable | FilestoreNotSet | AttachmentsMissing);
        self.start.format == BackupFormat::Zip || !of_filestore
    }

    async fn check_space(&self, context: &JobContext, report: &SourceReport) -> Result<(), Failure> {
        let backups = self.app.repositories.list(self.repository).await.map_err(Failure::from)?;
        let previous = backups.into_iter().find(|backup| backup.format == self.start.format);
        let is_staged = matches!(self.start.source, Source::OdooHttp { .. });
        let needed = space::needed(self.start.format, is_staged, report, previous.as_ref());
        let sentence = space::check(self.app.layout.root(), needed, self.app.config.keep_free_bytes())?;
        context.info(sentence);
        Ok(())
    }

    async fn open(&self, context: &JobContext) -> Result<OpenedSource, Failure> {
        let began = Instant::now();
        if let Source::OdooHttp { .. } = self.start.source {
            context.info(match self.start.format {
                BackupFormat::Zip => "Asking Odoo for the zip. Odoo builds all of it before it sends the first byte.",
                BackupFormat::Dump => "Asking Odoo for the dump. Odoo sends it while it makes it.",
            });
        }
        let (source, cancel) = (&self.start.source, context.cancel.clone());
        let opened = self.app.sources.open(source, self.start.format, reporter(context), cancel).await?;
        for warning in &opened.facts.warnings {
            context.warn(warning);
        }
        if let Some(bare) = &opened.facts.bare {
            let failure = Failure { code: FailureCode::Source, message: bare.clone() };
            let dropped = tokio::task::spawn_blocking(move || drop(opened)).await;
            return Err(dropped.map_or_else(|error| sources::broken(&error), |()| failure));
        }
        context.info(format!("The source is ready after {}.", words::seconds(began.elapsed())));
        Ok(opened)
    }

    async fn store(&self, context: &JobContext, opened: OpenedSource, began: Instant) -> Result<Backup, Failure> {
        let wanted = Wanted {
            id: self.start.backup,
            database: self.start.source.database().clone(),
            format: self.start.format,
            comment: self.start.comment.clone(),
        };
        store(&self.app, self.repository, context, wanted, opened, began).await
    }
}

fn cancelled() -> Failure {
    Failure { code: FailureCode::Cancelled, message: "Cancelled on request; nothing was kept.".to_owned() }
}
