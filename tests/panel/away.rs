//! A backup server that does not come back keeps nobody waiting for ever; what it did all the same is found later.

use backup_api::{JobId, JobState, RestoreStanding};
use chrono::TimeDelta;
use holdfast::{
    backup_servers::{ServerId, reach},
    backups::{LineResult, Trigger},
    operations::{Operation, OperationId, api::CancelOperation},
};

use crate::{
    backups::create,
    browser::reason,
    remover::Remover,
    restore_scene::{DIRECT, Scene, backup},
    stage::Stage,
};

on_both_databases!(
    a_restore_of_a_server_that_is_gone_ends_and_is_told_later,
    a_backup_of_a_server_that_is_gone_can_be_cancelled,
);

/// Asks a server that was shut until it does not answer: a connection that stayed open may bring one more answer.
pub async fn is_silent(stage: &Stage, server: &str) {
    let id = ServerId(server.parse().unwrap());
    for _ in 0..100 {
        if !reach::ask(&stage.running().panel, id).await.unwrap() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it still answers");
}

/// The panel finds that a server does not answer, and time passes.
async fn is_away(stage: &Stage, server: &str, time: TimeDelta) {
    is_silent(stage, server).await;
    stage.turned.forward(time);
}

async fn a_restore_of_a_server_that_is_gone_ends_and_is_told_later(stage: Stage) {
    let mut scene = Scene::of(&stage).await;
    let restore = scene.restore(&[]).await.unwrap();
    scene.restorer.knows(JobId(restore.0)).await;
    scene.browser.watch(restore, |seen| seen.state == JobState::Running).await;
    scene.remote.shut().await;
    is_away(&stage, &scene.server, TimeDelta::hours(7)).await;
    let ended = scene.browser.end_of(restore).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    assert!(reason(&ended).contains("“Far” has not answered for too long"), "{}", reason(&ended));
    assert!(!scene.browser.line_page(scene.id).await.busy, "nothing of the subscription waits for it any more");

    let done = scene.done(&stage);
    let kept = RestoreStanding::Kept { until: done.undo_until.unwrap(), replaced: "acme_before".to_owned(), why: None };
    scene.restorer.stands(JobId(restore.0), Some(done), kept);
    scene.remote.open().await;
    let told = async {
        while scene.operation(restore).await.state != JobState::Succeeded {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), told).await.expect("its end was never asked for");
}

async fn a_backup_of_a_server_that_is_gone_can_be_cancelled(stage: Stage) {
    let browser = stage.administrator().await;
    let remover = Remover::default();
    let mut remote = remover.remote().await;
    let server = remote.register(&browser, "Far").await;
    let id = browser.add("Acme", "acme", &server, &DIRECT).await;
    // The double does not answer as a backup server does: it may have begun.
    let operation = create(&browser, id, "zip").await.unwrap();
    let tried = "SELECT COUNT(*) FROM operation_log";
    while stage.number(tried).await == 0 {
        tokio::task::yield_now().await;
    }
    remote.shut().await;
    let cancel = async |id: OperationId| -> Operation {
        browser.call::<CancelOperation>(&[("id", &id.0.to_string())]).await.unwrap();
        browser.end_of(id).await
    };
    is_away(&stage, &server, TimeDelta::minutes(16)).await;
    assert!(browser.line_page(id).await.busy, "six hours are not over");
    let ended = cancel(operation).await;
    assert_eq!(ended.state, JobState::Cancelled, "{ended:?}");
    assert!(browser.lines(id).await.is_empty());

    // It had been made after all.
    remover.jobs.held.set(vec![backup(1, "18.0")]);
    remote.open().await;
    stage.turned.forward(TimeDelta::minutes(2));
    let lines = browser.lines(id).await;
    assert_eq!((lines[0].result.clone(), lines[0].trigger), (LineResult::Good, Trigger::Found));
}
