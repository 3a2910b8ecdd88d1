//! While the last backup is suspiciously small, the older ones stay: they may be needed.

use backup_api::JobState;
use chrono::TimeDelta;
use holdfast::{
    operations::{Operation, OperationId},
    retention::api::ApplyRetention,
    subscriptions::SubscriptionId,
};

use crate::{alerts::scene::Scene, stage::Stage};

on_both_databases!(holdfast_removes_nothing_by_itself_while_the_last_backup_is_small);

/// The rule keeps one.
const ONE: &str = "UPDATE subscriptions SET keep_daily = 0, keep_weekly = 0, keep_monthly = 0, keep_latest = 1";

async fn made(scene: &Scene, id: SubscriptionId, bytes: u64) {
    scene.stage.turned.forward(TimeDelta::minutes(2));
    // Were anything removed after the one before, this one would not begin.
    let ended = scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), bytes).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
}

/// What the backup server was told to remove: how many backups each time.
fn orders(scene: &Scene) -> Vec<usize> {
    scene.keeper.remover.told().orders.iter().map(|order| order.backups.len()).collect()
}

async fn ends(scene: &Scene, operation: OperationId) -> Operation {
    scene.keeper.removes(operation);
    scene.browser.end_of(operation).await
}

async fn holdfast_removes_nothing_by_itself_while_the_last_backup_is_small(stage: Stage) {
    let mut scene = Scene::without_channel(stage).await;
    let id = scene.add("Acme").await;
    for _ in 0..3 {
        made(&scene, id, 9_000_000).await;
    }
    // What follows from the last of these may still be under way, and is not to see the new rule.
    scene.stage.stop().await;
    scene.stage.sql(ONE).await.unwrap();
    scene.start().await;
    for _ in 0..3 {
        made(&scene, id, 1_000_000).await;
    }
    let page = scene.browser.line_page(id).await;
    let why = page.retention_waits.unwrap_or_default();
    assert!(why.starts_with("the last backup is suspiciously small."), "{why}");
    assert_eq!((page.to_remove, orders(&scene)), (5, Vec::new()));

    // By hand it is possible.
    let operation = scene.browser.call::<ApplyRetention>(&[("subscription", &id.0.to_string())]).await.unwrap();
    scene.keeper.remover.hears(|told| told.orders.len() == 1).await;
    scene.keeper.jobs.knows(backup_api::JobId(operation.0)).await;
    assert_eq!(ends(&scene, operation).await.state, JobState::Succeeded);
    assert_eq!((scene.browser.lines(id).await.len(), orders(&scene)), (1, vec![5]));

    // One that is not small beside the others: it goes on by itself.
    made(&scene, id, 9_000_000).await;
    scene.keeper.remover.hears(|told| told.orders.len() == 2).await;
    assert_eq!(orders(&scene), [5, 1]);
}
