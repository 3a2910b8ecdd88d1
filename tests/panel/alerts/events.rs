//! Each event is told once, with what a person and a program need; and once more when it is over.

use backup_api::{FailureCode, JobId, JobState, Verification, VerificationState};
use chrono::{DateTime, TimeDelta};
use holdfast::alerts::api::{GetRules, SaveRules};
use serde_json::json;

use super::scene::{Scene, one};
use crate::{restore_scene, stage::Stage};

on_both_databases!(
    a_failed_backup_is_told_once_and_its_recovery_once,
    a_state_is_told_although_nothing_ever_ran,
    a_small_backup_is_told_beside_the_median,
    restores_are_told_however_they_end,
    low_storage_is_told_until_there_is_well_enough,
    damage_is_told_whoever_found_it,
    what_the_rules_leave_out_is_not_told,
);

async fn a_failed_backup_is_told_once_and_its_recovery_once(stage: Stage) {
    let scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    scene.keeper.fails(&scene.browser, id, FailureCode::PgDump, "pg_dump ended with 1. Look at the database.").await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    let alert = message.json()["alerts"][0].clone();
    assert_eq!(
        (&alert["event"], &alert["severity"], &alert["repeated"]),
        (&json!("backup_failed"), &json!("problem"), &json!(false))
    );
    assert_eq!(alert["title"], "The backup of Acme failed");
    assert!(alert["text"].as_str().unwrap().ends_with("pg_dump ended with 1. Look at the database."), "{alert}");
    assert_eq!((&alert["subscription"]["id"], &alert["subscription"]["database"]), (&json!(id.0), &json!("acme")));
    assert_eq!((&alert["facts"]["code"], &alert["facts"]["trigger"]), (&json!("pg_dump"), &json!("manual")));
    assert!(DateTime::parse_from_rfc3339(alert["at"].as_str().unwrap()).is_ok(), "{alert}");

    // The same cause again is no news, and a cancelled one is no cause.
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "Another reason.").await;
    let begun = scene.keeper.begins(&scene.browser, id).await;
    scene.keeper.jobs.change(JobId(begun.0), |job| job.state = JobState::Cancelled);
    scene.browser.end_of(begun).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());

    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    assert_eq!(message.events(), one("recovered", "Acme")[0]);
    assert!(message.json()["alerts"][0]["since"].is_string(), "since when it was wrong");
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
}

async fn a_state_is_told_although_nothing_ever_ran(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    let never = scene.add("Never").await;
    let once = scene.add("Once").await;
    scene.browser.add("Nowhere", "acme", "", &restore_scene::DIRECT).await;
    scene.keeper.succeeds(&scene.browser, once, scene.stage.turned.now(), 1000).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());

    // A day after it was set up.
    scene.forward(TimeDelta::hours(25)).await;
    assert_eq!(scene.events().await, one("state_danger", "Never"));
    // A Warning is told when it has lasted.
    scene.forward(TimeDelta::hours(3)).await;
    assert_eq!(scene.events().await, one("state_warning", "Once"));
    // Worse, and the other one is repeated meanwhile.
    scene.forward(TimeDelta::hours(93)).await;
    let told: Vec<_> = scene.events().await.concat();
    assert!(told.contains(&("state_danger".to_owned(), "Once".to_owned())), "{told:?}");
    scene.keeper.succeeds(&scene.browser, once, scene.stage.turned.now(), 1000).await;
    scene.keeper.succeeds(&scene.browser, never, scene.stage.turned.now(), 1000).await;
    let mut told: Vec<_> = scene.events().await.concat();
    told.sort();
    assert_eq!(told, [("recovered".to_owned(), "Never".to_owned()), ("recovered".to_owned(), "Once".to_owned())]);
    assert_eq!(scene.stage.number("SELECT COUNT(*) FROM alert_causes").await, 0);
}

async fn a_small_backup_is_told_beside_the_median(stage: Stage) {
    let scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    for bytes in [9_000_000, 10_000_000] {
        scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), bytes).await;
    }
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 4_000_000).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new(), "two are no measure");
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 4_400_000).await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    let alert = message.json()["alerts"][0].clone();
    assert_eq!(alert["event"], "small_backup");
    assert_eq!((&alert["facts"]["bytes"], &alert["facts"]["median_bytes"]), (&json!(4_400_000), &json!(9_000_000)));
    assert!(alert["text"].as_str().unwrap().contains("has 4.4 MB; the median of those before it is 9.0 MB"), "{alert}");
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 9_500_000).await;
    assert_eq!(scene.events().await, one("recovered", "Acme"));
}

async fn restores_are_told_however_they_end(stage: Stage) {
    let scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    let lines = scene.browser.lines(id).await;
    let restoring = restore_scene::restore(&scene.browser, &lines[0], &[]).await.unwrap();
    scene.keeper.jobs.knows(JobId(restoring.0)).await;
    scene.keeper.jobs.change(JobId(restoring.0), |job| {
        job.state = JobState::Succeeded;
        job.restored = Some(backup_api::Restored {
            backup: lines[0].remote_id,
            database: backup_api::DatabaseName::parse("acme").unwrap(),
            tables: 112,
            rows: 34_567,
            attachments: None,
            neutralized: false,
            undo_until: None,
            notes: Vec::new(),
        });
    });
    scene.browser.end_of(restoring).await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    let alert = message.json()["alerts"][0].clone();
    assert_eq!((&alert["event"], &alert["severity"]), (&json!("restored"), &json!("notice")));
    let text = alert["text"].as_str().unwrap();
    assert!(text.starts_with("Restored ") && text.ends_with("Asked for by Ada Example."), "{text}");

    let again = restore_scene::restore(&scene.browser, &lines[0], &[]).await.unwrap();
    scene.keeper.jobs.knows(JobId(again.0)).await;
    scene.keeper.jobs.change(JobId(again.0), |job| {
        job.state = JobState::Failed;
        job.failure = Some(backup_api::Failure { code: FailureCode::Sql, message: "It was refused.".to_owned() });
    });
    scene.browser.end_of(again).await;
    assert_eq!(scene.events().await, one("restore_failed", "Acme"));
}

async fn low_storage_is_told_until_there_is_well_enough(stage: Stage) {
    let scene = Scene::of(stage).await;
    // What the double says of its disk comes every 30 seconds of the system's clock: nobody asks it here.
    scene.stage.sql("UPDATE backup_servers SET url = 'http://127.0.0.1:9'").await.unwrap();
    let space = async |free: &'static str| {
        scene.stage.sql(free).await.unwrap();
        scene.events().await
    };
    assert_eq!(
        space("UPDATE backup_servers SET reachable = TRUE, total_bytes = 1000, free_bytes = 100").await.len(),
        0
    );
    let told = space("UPDATE backup_servers SET reachable = TRUE, free_bytes = 99").await;
    assert_eq!(told, one("storage_low", ""));
    assert_eq!(space("UPDATE backup_servers SET reachable = TRUE, free_bytes = 149").await.len(), 0, "it wavers");
    assert_eq!(space("UPDATE backup_servers SET reachable = TRUE, free_bytes = 50").await.len(), 0);
    // What a silent server said last is no news.
    assert_eq!(space("UPDATE backup_servers SET reachable = FALSE, free_bytes = 900").await.len(), 0);
    let told = space("UPDATE backup_servers SET reachable = TRUE, free_bytes = 150").await;
    assert_eq!(told, one("recovered", ""));
}

async fn damage_is_told_whoever_found_it(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    scene.keeper.verifies(&scene.browser, id, Some("The repository is damaged in 2 place(s).")).await;
    assert_eq!(scene.events().await, one("damage_found", "Acme"));
    scene.keeper.verifies(&scene.browser, id, None).await;
    assert_eq!(scene.events().await, one("recovered", "Acme"));

    // The server's own verification, while nobody looks.
    let found = |problems: &[&str], now: DateTime<chrono::Utc>| VerificationState {
        last: Some(Verification {
            began_at: now,
            ended_at: now,
            bytes: 1,
            problems: problems.iter().map(|&words| words.to_owned()).collect(),
        }),
        due_at: None,
    };
    scene.keeper.verified(found(&["pack abc cannot be read"], scene.stage.turned.now()));
    scene.forward(TimeDelta::hours(7)).await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    assert_eq!(message.events(), one("damage_found", "Acme")[0]);
    assert!(message.body.contains("the first: pack abc cannot be read"), "{}", message.body);
    scene.forward(TimeDelta::hours(7)).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new(), "once");
    scene.keeper.verified(found(&[], scene.stage.turned.now()));
    scene.forward(TimeDelta::hours(7)).await;
    assert_eq!(scene.events().await, one("recovered", "Acme"));
}

async fn what_the_rules_leave_out_is_not_told(stage: Stage) {
    let scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    let figures = [
        ("input[repeat_hours]", "0"),
        ("input[collect_minutes]", "0"),
        ("input[patience_hours]", "0"),
        ("input[low_space_percent]", "0"),
        ("input[small_percent]", "0"),
    ];
    let mut form = vec![("input[events][]", "state_danger"), ("input[events][]", "recovered")];
    form.extend(figures);
    scene.browser.call::<SaveRules>(&form).await.unwrap();
    let rules = scene.browser.call::<GetRules>(&[]).await.unwrap();
    assert_eq!((rules.events.len(), rules.repeat_hours), (2, 0), "{rules:?}");
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new(), "of what was not told, the end is no news");
}
