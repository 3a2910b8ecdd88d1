//! What the tests of restores share: a subscription on a double of a backup server, with one good line.

use backup_api::{
    Attachments, Backup, BackupFormat, BackupId, Check, CheckCode, CheckOutcome, DatabaseName, JobId, JobState,
    Preflight, RepositoryId, Restored,
};
use chrono::TimeDelta;
use holdfast::{
    backups::BackupLine,
    error::AppError,
    operations::{
        Operation, OperationId,
        api::{GetOperation, ListActions},
    },
    restores::{
        RestorePreview, Undo,
        api::{Preflight as Preview, Restore, UndoRestore},
    },
    subscriptions::SubscriptionId,
    users::Role,
};
use uuid::Uuid;

use crate::{browser::Browser, double::Remote, restorer::Restorer, stage::Stage};

pub const DIRECT: [(&str, &str); 2] =
    [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo@db/")];

/// A subscription on a double, with one good line of Odoo 18.
pub struct Scene {
    pub browser: Browser,
    pub restorer: Restorer,
    pub remote: Remote,
    pub server: String,
    pub id: SubscriptionId,
    pub line: BackupLine,
}

impl Scene {
    pub async fn of(stage: &Stage) -> Self {
        let administrator = stage.administrator().await;
        let restorer = Restorer::default();
        let remote = restorer.remote().await;
        let server = remote.register(&administrator, "Far").await;
        restorer.held.set(vec![backup(1, "18.0")]);
        restorer.finds(Preflight { checks: vec![check(CheckOutcome::Pass)], current: None });
        let id = administrator.add("Acme", "acme", &server, &DIRECT).await;
        let browser = stage.signed_in(Role::Operator).await;
        let line = browser.lines(id).await.remove(0);
        Self { browser, restorer, remote, server, id, line }
    }

    pub async fn preview(&self, options: &[(&str, &str)]) -> Result<RestorePreview, AppError> {
        let line = self.line.id.0.to_string();
        let mut form = vec![("line", line.as_str())];
        form.extend(options);
        self.browser.call::<Preview>(&form).await
    }

    pub async fn restore(&self, options: &[(&str, &str)]) -> Result<OperationId, AppError> {
        restore(&self.browser, &self.line, options).await
    }

    pub async fn undo(&self, restore: OperationId) -> Result<OperationId, AppError> {
        let id = restore.0.to_string();
        self.browser.call::<UndoRestore>(&[("operation", &id), ("typed_name", "acme")]).await
    }

    /// Starts a restore and lets it end as `done` says.
    pub async fn restored(&self, options: &[(&str, &str)], done: Restored) -> Operation {
        let operation = self.restore(options).await.unwrap();
        self.restorer.knows(JobId(operation.0)).await;
        self.restorer.change(JobId(operation.0), |job| {
            job.state = JobState::Succeeded;
            job.restored = Some(done);
        });
        self.browser.end_of(operation).await
    }

    pub async fn operation(&self, id: OperationId) -> Operation {
        self.browser.call::<GetOperation>(&[("id", &id.0.to_string())]).await.unwrap()
    }

    pub async fn undo_of(&self, id: OperationId) -> Undo {
        self.operation(id).await.restore.unwrap().undo
    }

    /// What the action log says, the newest first.
    pub async fn told(&self) -> Vec<String> {
        let log = self.browser.call::<ListActions>(&[("subscription", &self.id.0.to_string())]).await.unwrap();
        log.entries.into_iter().map(|entry| entry.what).collect()
    }

    pub fn done(&self, stage: &Stage) -> Restored {
        Restored {
            backup: self.line.remote_id,
            database: DatabaseName::parse("acme").unwrap(),
            tables: 112,
            rows: 34_567,
            attachments: Some(Attachments { expected: 9, present: 9, bytes: 900, missing: Vec::new() }),
            neutralized: false,
            undo_until: Some(stage.turned.now() + TimeDelta::hours(24)),
            notes: vec!["A comment on an extension was left out.".to_owned()],
        }
    }
}

pub async fn restore(browser: &Browser, line: &BackupLine, options: &[(&str, &str)]) -> Result<OperationId, AppError> {
    let line = line.id.0.to_string();
    let mut form = vec![("line", line.as_str())];
    if !options.iter().any(|(name, _)| *name == "typed_name") {
        form.push(("typed_name", "acme"));
    }
    form.extend(options);
    browser.call::<Restore>(&form).await
}

pub fn backup(number: u128, odoo_version: &str) -> Backup {
    Backup {
        id: BackupId(Uuid::from_u128(number)),
        repository: RepositoryId(Uuid::nil()),
        created_at: "2026-11-20T02:04:11Z".parse().unwrap(),
        database: DatabaseName::parse("acme").unwrap(),
        format: BackupFormat::Zip,
        file_name: format!("acme_{number}.zip"),
        size_bytes: 1000,
        stored_bytes: 100,
        dump_sha256: String::new(),
        dump_bytes: 1,
        attachments: None,
        odoo_version: Some(odoo_version.to_owned()),
        postgres_version: None,
        comment: String::new(),
    }
}

pub fn check(outcome: CheckOutcome) -> Check {
    Check { code: CheckCode::Space, outcome, message: "12.0 GB are free.".to_owned() }
}

pub fn field(error: &AppError, name: &str) -> String {
    error.for_field(name).unwrap_or_else(|| panic!("{error:?}")).to_owned()
}
