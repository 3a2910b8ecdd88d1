//! No storm: what happens together is one message, what lasts is repeated now and then, and a restart neither loses nor
//! repeats anything.

use backup_api::FailureCode;
use chrono::TimeDelta;

use super::scene::{Scene, one};
use crate::stage::Stage;

on_both_databases!(
    many_that_turn_at_once_are_one_message,
    thousands_that_turn_at_once_are_one_short_message,
    what_lasts_is_repeated_and_no_more,
    a_restart_loses_nothing_and_repeats_nothing,
    what_there_was_nobody_to_tell_is_told_when_there_is,
);

const MANY: usize = 25;

async fn many_that_turn_at_once_are_one_message(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    scene.webhook("Second", "/second").await;
    for number in 0..MANY {
        scene.add(&format!("Number {number:02}")).await;
    }
    scene.forward(TimeDelta::hours(25)).await;
    let mut got = scene.told().await;
    got.sort_by(|one, other| one.path.cmp(&other.path));
    let [first, second] = <[_; 2]>::try_from(got).unwrap();
    assert_eq!((first.path.as_str(), second.path.as_str()), ("/hook", "/second"));
    for message in [&first, &second] {
        let events = message.events();
        assert_eq!(events.len(), MANY);
        assert!(events.iter().all(|(event, _)| event == "state_danger"), "{events:?}");
        assert_eq!(message.json()["title"], "25 problems");
        assert!(message.json()["text"].as_str().unwrap().ends_with("And 5 more."));
    }
    let ids: Vec<_> = [&first, &second].map(|message| message.json()["alerts"][0]["id"].clone()).into();
    assert_eq!(ids[0], ids[1], "the same alerts, in messages of their own");
    assert_ne!(first.json()["id"], second.json()["id"]);
    let log = scene.log().await;
    assert!(log.iter().all(|delivery| delivery.title.ends_with(", and 24 more")), "{log:?}");
}

const THOUSANDS: usize = 2_000;

/// Copies the subscription “First” so many times; an id is random in another way on each database.
macro_rules! copies {
    ($id:literal) => {
        concat!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO subscriptions (id, name, name_key, database_name, search_text, server_id, repository_id,
                 connection, odoo_url, redacted_postgres_url, filestore, addons, keep_daily, keep_weekly, keep_monthly,
                 keep_latest, created_at)
             SELECT ",
            $id,
            ", 'Number ' || CAST(i AS TEXT), 'number ' || CAST(i AS TEXT), s.database_name, '', s.server_id, ",
            $id,
            ", s.connection, '', '', '', '', 7, 2, 1, 7, s.created_at FROM n, subscriptions s WHERE s.name = 'First'"
        )
    };
}

async fn thousands_that_turn_at_once_are_one_short_message(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    scene.add("First").await;
    let is_postgres = scene.stage.config.database_url.is_some();
    let copies = if is_postgres { copies!("gen_random_uuid()") } else { copies!("randomblob(16)") };
    scene.stage.sql(copies).await.unwrap();
    for repeated in [false, true] {
        scene.forward(TimeDelta::hours(25)).await;
        let began = std::time::Instant::now();
        let got = scene.told().await;
        let took = began.elapsed();
        assert!(took.as_secs() < 45, "telling them took {took:?}");
        let [message] = got.as_slice() else { panic!("{} messages", got.len()) };
        assert!(message.body.len() < 200_000, "{} bytes", message.body.len());
        let json = message.json();
        assert_eq!(json["title"], "2,001 problems");
        assert_eq!((message.events().len(), json["more"].as_u64()), (100, Some(THOUSANDS as u64 + 1 - 100)));
        assert_eq!(json["alerts"][0]["repeated"], repeated);
        assert!(json["text"].as_str().unwrap().ends_with("And 1,981 more."));
        println!("{THOUSANDS} together: {took:?}, {} bytes", message.body.len());
    }
    let log = scene.log().await;
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[0].title.ends_with("and 2000 more"), "{log:?}");
    assert!(scene.told().await.is_empty());
}

async fn what_lasts_is_repeated_and_no_more(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "The first reason.").await;
    assert_eq!(scene.events().await, one("backup_failed", "Acme"));
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "The second reason.").await;
    scene.forward(TimeDelta::hours(23)).await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
    scene.forward(TimeDelta::minutes(61)).await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    let alert = message.json()["alerts"][0].clone();
    assert_eq!((&alert["event"], &alert["repeated"]), (&"backup_failed".into(), &true.into()));
    assert!(alert["text"].as_str().unwrap().ends_with("The second reason."), "{alert}");
    assert_eq!(message.json()["title"], "Still: The backup of Acme failed");
    scene.tick().await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
}

async fn a_restart_loses_nothing_and_repeats_nothing(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    let id = scene.add("Acme").await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    // Before it was sent.
    scene.stage.stop().await;
    assert!(scene.hooks.take().is_empty());
    scene.start().await;
    assert_eq!(scene.events().await, one("backup_failed", "Acme"));
    // After it was.
    scene.stage.stop().await;
    scene.start().await;
    assert_eq!(scene.events().await, Vec::<Vec<_>>::new());
    // One that was cut off while it was sent is sent again under the same identity, when its lease has ended.
    let before = scene.log().await[0].id;
    scene
        .stage
        .sql("UPDATE alert_deliveries SET state = 'sending', finished_at = NULL, lease_until = 4102444800000")
        .await
        .unwrap();
    scene.tick().await;
    assert!(scene.hooks.take().is_empty(), "another panel may be sending it");
    scene.stage.sql("UPDATE alert_deliveries SET lease_until = 1").await.unwrap();
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    assert_eq!(message.headers["holdfast-delivery"].to_str().unwrap(), before.0.to_string());
}

async fn what_there_was_nobody_to_tell_is_told_when_there_is(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let id = scene.add("Acme").await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    assert!(scene.told().await.is_empty());
    scene.webhook("Hook", "/hook").await;
    let [message] = <[_; 1]>::try_from(scene.told().await).unwrap();
    assert_eq!(message.events(), one("backup_failed", "Acme")[0]);
    assert_eq!(message.json()["alerts"][0]["repeated"], false);
    assert!(scene.told().await.is_empty());
}
