//! What nobody looks after any more is not told again, and its end is no news: subscriptions without a backup server,
//! deleted ones, servers that were removed, and figures that are switched off.

use backup_api::{FailureCode, Verification, VerificationState};
use chrono::TimeDelta;
use holdfast::{
    backup_servers::api::DeleteServer,
    subscriptions::{
        SubscriptionId,
        api::{DeleteSubscription, SaveSubscription},
    },
};

use super::scene::{Scene, one};
use crate::{browser::KEPT, restore_scene::DIRECT, stage::Stage};

on_both_databases!(
    all_causes_of_a_subscription_without_a_server_end_without_a_word,
    what_is_deleted_or_removed_is_not_told_of_again,
    switched_off_storage_is_neither_told_nor_repeated,
    switched_off_small_backups_are_not_repeated,
    the_storage_of_a_silent_server_is_not_repeated,
);

const CAUSES: &str = "SELECT COUNT(*) FROM alert_causes";

async fn set_server(scene: &Scene, id: SubscriptionId, server: &str) {
    let id = id.0.to_string();
    let mut form = vec![
        ("input[id]", id.as_str()),
        ("input[name]", "Acme"),
        ("input[database]", "acme"),
        ("input[server]", server),
    ];
    form.extend(DIRECT);
    form.extend(KEPT);
    scene.browser.call::<SaveSubscription>(&form).await.unwrap();
}

/// Three good backups and one that is small beside them.
async fn shrinks(scene: &Scene, id: SubscriptionId) {
    for bytes in [9_000_000, 9_000_000, 9_000_000, 1_000_000] {
        scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), bytes).await;
    }
}

/// Neither now nor when it would be repeated.
async fn nothing_more(scene: &mut Scene) {
    for _ in 0..2 {
        assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
        scene.forward(TimeDelta::hours(25)).await;
    }
    assert_eq!(scene.stage.number(CAUSES).await, 0);
}

async fn all_causes_of_a_subscription_without_a_server_end_without_a_word(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    shrinks(&scene, id).await;
    scene.keeper.verifies(&scene.browser, id, Some("The repository is damaged in 2 place(s).")).await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    assert_eq!(scene.events().await.concat().len(), 3);
    scene.forward(TimeDelta::hours(28)).await;
    let mut told: Vec<_> = scene.events().await.concat().into_iter().map(|(event, _)| event).collect();
    told.sort();
    assert_eq!(told, ["backup_failed", "damage_found", "small_backup", "state_warning"], "all of it is repeated");
    assert_eq!(scene.stage.number(CAUSES).await, 4);

    set_server(&scene, id, "").await;
    nothing_more(&mut scene).await;

    // Backed up again: what its server found is asked at once, for it still is so.
    let now = scene.stage.turned.now();
    let problems = vec!["pack abc cannot be read".to_owned()];
    let last = Some(Verification { began_at: now, ended_at: now, bytes: 1, problems });
    scene.keeper.verified(VerificationState { last, due_at: None });
    set_server(&scene, id, &scene.server).await;
    let told = scene.events().await.concat();
    assert!(told.contains(&("damage_found".to_owned(), "Acme".to_owned())), "{told:?}");
    assert!(told.iter().all(|(event, _)| event != "recovered"), "{told:?}");
}

async fn what_is_deleted_or_removed_is_not_told_of_again(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    shrinks(&scene, id).await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    assert_eq!(scene.events().await.concat().len(), 2);
    // What the double says of its disk comes every 30 seconds of the system's clock: nobody asks it here.
    scene.stage.sql("UPDATE backup_servers SET url = 'http://127.0.0.1:9'").await.unwrap();
    scene.stage.sql("UPDATE backup_servers SET reachable = TRUE, total_bytes = 1000, free_bytes = 10").await.unwrap();
    assert_eq!(scene.events().await, one("storage_low", ""));

    let text = id.0.to_string();
    scene.browser.call::<DeleteSubscription>(&[("id", &text), ("typed_name", "Acme")]).await.unwrap();
    assert_eq!(scene.stage.number(CAUSES).await, 1, "that of the storage");
    scene.browser.call::<DeleteServer>(&[("id", &scene.server)]).await.unwrap();
    nothing_more(&mut scene).await;
}

async fn switched_off_storage_is_neither_told_nor_repeated(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    scene.stage.sql("UPDATE backup_servers SET url = 'http://127.0.0.1:9'").await.unwrap();
    let space = async |scene: &Scene, sql: &'static str| {
        scene.stage.sql(sql).await.unwrap();
        scene.events().await
    };
    let almost_full = "UPDATE backup_servers SET reachable = TRUE, total_bytes = 1000, free_bytes = 30";
    assert_eq!(space(&scene, almost_full).await, one("storage_low", ""));
    scene.rules(&[("low_space_percent", "0")]).await;
    scene.stage.sql(almost_full).await.unwrap();
    nothing_more(&mut scene).await;
    // Neither full nor empty is worth a word, nor that it has space again.
    for sql in [
        "UPDATE backup_servers SET reachable = TRUE, free_bytes = 0",
        "UPDATE backup_servers SET reachable = TRUE, free_bytes = 900",
    ] {
        assert_eq!(space(&scene, sql).await, Vec::<Vec<_>>::new());
    }
    // Switched on again.
    scene.rules(&[]).await;
    assert_eq!(space(&scene, almost_full).await, one("storage_low", ""));
}

async fn switched_off_small_backups_are_not_repeated(stage: Stage) {
    let scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    shrinks(&scene, id).await;
    assert_eq!(scene.events().await, one("small_backup", "Acme"));
    scene.rules(&[("small_percent", "0")]).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
    assert_eq!(scene.stage.number(CAUSES).await, 0);
}

async fn the_storage_of_a_silent_server_is_not_repeated(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    scene.stage.sql("UPDATE backup_servers SET url = 'http://127.0.0.1:9'").await.unwrap();
    scene.stage.sql("UPDATE backup_servers SET reachable = TRUE, total_bytes = 1000, free_bytes = 30").await.unwrap();
    assert_eq!(scene.events().await, one("storage_low", ""));
    scene.stage.sql("UPDATE backup_servers SET reachable = FALSE").await.unwrap();
    scene.forward(TimeDelta::hours(25)).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
    scene.stage.sql("UPDATE backup_servers SET reachable = TRUE").await.unwrap();
    assert_eq!(scene.events().await, one("storage_low", ""), "it still is so");
}
