//! What retention has a backup server remove: it cannot be pinned any more, and what it says of its end is kept.

use backup_api::{Backup, BackupId, Failure, FailureCode, JobId, JobState};
use chrono::TimeDelta;
use holdfast::{
    backups::{BackupLine, LineResult, api::SetPinned},
    error::AppError,
    operations::{Operation, OperationId, api::ListActions},
    retention::api::ApplyRetention,
    subscriptions::SubscriptionId,
};

use crate::{
    browser::Browser,
    double::Remote,
    remover::Remover,
    restore_scene::{DIRECT, backup},
    stage::Stage,
};

on_both_databases!(
    what_the_server_was_told_to_remove_cannot_be_pinned,
    a_lost_answer_is_asked_for_and_not_sent_again,
    what_never_left_the_panel_can_be_pinned,
    what_was_not_removed_is_missing_when_it_is_lost,
    what_a_lost_run_left_is_missing_when_it_is_lost,
);

/// A subscription with three backups, of which the rule keeps the newest.
struct Scene {
    browser: Browser,
    remover: Remover,
    remote: Remote,
    id: SubscriptionId,
    backups: Vec<Backup>,
}

impl Scene {
    async fn of(stage: &Stage) -> Self {
        let browser = stage.administrator().await;
        let remover = Remover::default();
        let remote = remover.remote().await;
        let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
        let rule = "UPDATE subscriptions SET keep_daily = 0, keep_weekly = 0, keep_monthly = 0, keep_latest = 1";
        stage.sql(rule).await.unwrap();
        let now = stage.turned.now();
        let made = |number, days| Backup { created_at: now - TimeDelta::days(days), ..backup(number, "18.0") };
        let backups = vec![made(3, 1), made(2, 2), made(1, 3)];
        let scene = Self { browser, remover, remote, id, backups };
        scene.holds(&[3, 2, 1]);
        assert_eq!(scene.browser.line_page(id).await.to_remove, 2);
        scene
    }

    /// What the server holds from now on.
    fn holds(&self, numbers: &[u128]) {
        let held = |backup: &&Backup| numbers.contains(&backup.id.0.as_u128());
        self.remover.jobs.held.set(self.backups.iter().filter(held).cloned().collect());
    }

    async fn apply(&self) -> OperationId {
        self.browser.call::<ApplyRetention>(&[("subscription", &self.id.0.to_string())]).await.unwrap()
    }

    async fn lines(&self, stage: &Stage) -> Vec<(String, LineResult)> {
        stage.turned.forward(TimeDelta::minutes(2));
        self.browser.lines(self.id).await.into_iter().map(|line| (line.name, line.result)).collect()
    }

    async fn line(&self, name: &str) -> BackupLine {
        self.browser.lines(self.id).await.into_iter().find(|line| line.name == name).unwrap()
    }

    async fn pin(&self, name: &str) -> Result<(), AppError> {
        let line = self.line(name).await.id.0.to_string();
        self.browser.call::<SetPinned>(&[("line", &line), ("pinned", "true")]).await
    }

    /// The server ends its job in this way.
    async fn ends(&self, id: OperationId, state: JobState, removed: &[u128]) -> Operation {
        self.remover.jobs.knows(JobId(id.0)).await;
        self.remover.jobs.change(JobId(id.0), |job| {
            job.state = state;
            job.removed = removed.iter().copied().map(remote).collect();
            let message = "The disk broke.".to_owned();
            job.failure = (state == JobState::Failed).then_some(Failure { code: FailureCode::Storage, message });
        });
        self.browser.end_of(id).await
    }
}

fn remote(number: u128) -> BackupId {
    BackupId(uuid::Uuid::from_u128(number))
}

fn line(number: u128, result: LineResult) -> (String, LineResult) {
    (format!("acme_{number}.zip"), result)
}

fn too_late(refused: &Result<(), AppError>) {
    assert!(matches!(refused, Err(AppError::Conflict(words)) if words.contains("too late")), "{refused:?}");
}

async fn what_the_server_was_told_to_remove_cannot_be_pinned(stage: Stage) {
    let scene = Scene::of(&stage).await;
    scene.remover.answers(false);
    let operation = scene.apply().await;
    scene.remover.hears(|told| told.orders.len() == 1).await;
    too_late(&scene.pin("acme_1.zip").await);
    scene.pin("acme_3.zip").await.unwrap();
    scene.remover.answers(true);
    scene.remover.jobs.knows(JobId(operation.0)).await;
    too_late(&scene.pin("acme_2.zip").await);
    scene.holds(&[3]);
    assert_eq!(scene.ends(operation, JobState::Succeeded, &[1, 2]).await.state, JobState::Succeeded);
    assert_eq!(scene.lines(&stage).await, [line(3, LineResult::Good)]);
}

async fn a_lost_answer_is_asked_for_and_not_sent_again(stage: Stage) {
    let scene = Scene::of(&stage).await;
    scene.remover.loses_an_answer();
    let operation = scene.apply().await;
    scene.remover.jobs.knows(JobId(operation.0)).await;
    too_late(&scene.pin("acme_1.zip").await);
    // The panel says that it lost the server before it asks again.
    let accepted = async {
        while stage.number("SELECT COUNT(*) FROM operations WHERE accepted").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), accepted).await.expect("the job was not asked for");
    scene.holds(&[3]);
    assert_eq!(scene.ends(operation, JobState::Succeeded, &[1, 2]).await.state, JobState::Succeeded);
    let orders = scene.remover.told().orders;
    assert_eq!(orders.len(), 1, "it was asked whether it knows the job: {orders:?}");
    assert_eq!(scene.lines(&stage).await, [line(3, LineResult::Good)]);
}

async fn what_never_left_the_panel_can_be_pinned(stage: Stage) {
    let mut scene = Scene::of(&stage).await;
    scene.remote.shut().await;
    let operation = scene.apply().await;
    let pinned = async {
        while scene.pin("acme_1.zip").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), pinned).await.expect("it could not be pinned");
    scene.remote.open().await;
    scene.remover.hears(|told| told.orders.len() == 1).await;
    assert_eq!(scene.remover.told().orders[0].backups, [remote(2)], "the pinned one was left out");
    scene.holds(&[3, 1]);
    assert_eq!(scene.ends(operation, JobState::Succeeded, &[2]).await.state, JobState::Succeeded);
    assert_eq!(scene.lines(&stage).await, [line(3, LineResult::Good), line(1, LineResult::Good)]);
}

async fn what_was_not_removed_is_missing_when_it_is_lost(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let operation = scene.apply().await;
    scene.holds(&[3, 2]);
    let ended = scene.ends(operation, JobState::Failed, &[1]).await;
    assert_eq!(ended.state, JobState::Failed, "{ended:?}");
    scene.holds(&[3]);
    assert_eq!(scene.lines(&stage).await, [line(3, LineResult::Good), line(2, LineResult::Missing)]);
}

async fn what_a_lost_run_left_is_missing_when_it_is_lost(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let operation = scene.apply().await;
    scene.remover.jobs.knows(JobId(operation.0)).await;
    scene.browser.watch(operation, |seen| seen.state == JobState::Running).await;
    scene.holds(&[3, 2]);
    scene.remover.jobs.forget_everything();
    assert_eq!(scene.browser.end_of(operation).await.state, JobState::Interrupted);
    let left = [line(3, LineResult::Good), line(2, LineResult::Good)];
    assert_eq!(scene.lines(&stage).await, left, "what the run removed is not called missing");
    let told = scene.browser.call::<ListActions>(&[("search", "had not heard")]).await.unwrap();
    assert_eq!(told.matching, 1, "{told:?}");
    scene.holds(&[3]);
    assert_eq!(scene.lines(&stage).await, [line(3, LineResult::Good), line(2, LineResult::Missing)]);
}
