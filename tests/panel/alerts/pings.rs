//! Pings: of planned runs and of those begun by hand, to a subscription's own check, to one that a channel has for each,
//! and to one that watches all.

use backup_api::{FailureCode, JobId};
use chrono::{TimeDelta, Timelike};
use holdfast::{
    alerts::{
        DeliveryState,
        api::{ChannelTroubles, DeleteChannel, SaveChannel, SaveOverride, SendAgain, TestChannel, TestPing},
        worker::tick,
    },
    error::AppError,
    operations::{OperationId, OperationKind, api::ListOperations},
    schedules::scheduler,
    server::{Panel, Randomness},
    subscriptions::SubscriptionId,
};

use super::{hooks::Got, scene::Scene};
use crate::{restore_scene::DIRECT, stage::Stage};

on_both_databases!(
    planned_runs_ping_when_they_begin_and_end_and_not_between_their_tries,
    a_channel_pings_a_check_for_each_subscription_that_it_hears_of,
    one_check_for_all_is_told_whether_anything_is_wrong_and_again_and_again,
    a_test_changes_no_check,
    a_ping_that_comes_too_late_is_not_sent,
    a_check_is_told_one_thing_after_the_other,
    the_pings_of_a_panel_that_is_gone_are_waited_for_and_no_longer,
);

/// Adds a channel that pings.
async fn channel(scene: &Scene, name: &str, path: &str) -> String {
    let url = scene.hooks.url(path);
    scene.channel(name, &[("input[kind]", "ping"), ("input[secret_url]", &url)]).await
}

async fn own(scene: &Scene, id: SubscriptionId, more: &[(&str, &str)]) {
    let id = id.0.to_string();
    let mut form = vec![("input[subscription]", id.as_str())];
    form.extend(more);
    scene.browser.call::<SaveOverride>(&form).await.unwrap();
}

/// Waits for so many pings; gives them by path.
async fn pings(scene: &Scene, count: usize) -> Vec<Got> {
    let mut got = Vec::new();
    let sending = async {
        while got.len() < count {
            scene.tick().await;
            got.extend(scene.hooks.take());
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_mins(1), sending).await;
    assert!(waited.is_ok() && got.len() == count, "{count} were expected: {:?}", paths(&got));
    got.sort_by(|one, other| one.path.cmp(&other.path));
    got
}

fn paths(got: &[Got]) -> Vec<&str> {
    got.iter().map(|got| got.path.as_str()).collect()
}

/// How a channel calls the check of a subscription.
async fn slug(scene: &Scene, id: SubscriptionId) -> String {
    let uuid = scene.browser.subscription(id).await.backup_uuid.unwrap().0.simple().to_string();
    format!("acme-{}", &uuid[24..])
}

/// The next planned operation of a subscription that had `before`.
async fn begun(scene: &Scene, id: SubscriptionId, before: usize) -> OperationId {
    let looking = async {
        loop {
            scheduler::tick(&scene.stage.running().panel).await.unwrap();
            let form = [("filter", "all"), ("subscription", &*id.0.to_string()), ("page", "0")];
            let page = scene.browser.call::<ListOperations>(&form).await.unwrap();
            let mut made = page.operations.into_iter().filter(|known| known.kind == OperationKind::Backup);
            if let (Some(latest), true) = (made.next(), made.count() >= before) {
                return latest.id;
            }
        }
    };
    let operation = tokio::time::timeout(std::time::Duration::from_mins(1), looking).await.expect("nothing was begun");
    scene.keeper.jobs.knows(JobId(operation.0)).await;
    operation
}

async fn fails(scene: &Scene, operation: OperationId, code: FailureCode) {
    scene.keeper.end_badly(operation, code, "No answer.");
    scene.browser.end_of(operation).await;
    // What becomes of the run.
    scheduler::tick(&scene.stage.running().panel).await.unwrap();
}

/// Waits until what was sent is also written down.
async fn settled(scene: &Scene) {
    let question = "SELECT COUNT(*) FROM alert_deliveries WHERE state IN ('waiting', 'sending')";
    let waiting = async {
        while scene.stage.number(question).await > 0 {
            scene.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.expect("it is still being sent");
}

/// Pings that were written down as failures, sent or not.
async fn told_failures(scene: &Scene) -> i64 {
    scene.stage.number("SELECT COUNT(*) FROM alert_deliveries WHERE ping = 'fail'").await
}

async fn planned(scene: &Scene, times: &str) -> SubscriptionId {
    let plan = [("input[scheduled]", "true"), ("input[times]", times), ("input[spread]", "0")];
    let form: Vec<_> = DIRECT.iter().chain(&plan).copied().collect();
    scene.browser.add("Acme", "acme", &scene.server, &form).await
}

async fn planned_runs_ping_when_they_begin_and_end_and_not_between_their_tries(stage: Stage) {
    let mut scene = Scene::without_channel(stage).await;
    let then = scene.stage.turned.now() + TimeDelta::hours(2);
    let id = planned(&scene, &format!("{:02}:{:02}", then.hour(), then.minute())).await;
    channel(&scene, "Checks", "/each/{slug}?create=1").await;
    let url = scene.hooks.url("/own");
    own(&scene, id, &[("input[mode]", "inherit"), ("input[secret_ping]", &url)]).await;
    let slug = slug(&scene, id).await;
    let expected = |end: &str| vec![format!("/each/{slug}{end}?create=1"), format!("/own{end}")];

    let mut wait = TimeDelta::minutes(121);
    for (before, next) in [5, 15, 45, 0].into_iter().enumerate() {
        scene.forward(wait).await;
        let operation = begun(&scene, id, before).await;
        assert_eq!(paths(&pings(&scene, 2).await), expected("/start"), "try {before}");
        assert_eq!(told_failures(&scene).await, 0, "before try {before} ended");
        fails(&scene, operation, FailureCode::Unreachable).await;
        wait = TimeDelta::minutes(next) + TimeDelta::seconds(1);
    }
    let got = pings(&scene, 2).await;
    assert_eq!(paths(&got), expected("/fail"));
    assert!(got.iter().all(|ping| ping.body == "No answer."), "{got:?}");
    assert_eq!(told_failures(&scene).await, 2);

    // The next day.
    scene.forward(TimeDelta::days(1)).await;
    let operation = begun(&scene, id, 4).await;
    assert_eq!(paths(&pings(&scene, 2).await), expected("/start"));
    scene.keeper.ends_well(operation, scene.stage.turned.now(), 1000);
    scene.browser.end_of(operation).await;
    let got = pings(&scene, 2).await;
    assert_eq!(paths(&got), expected(""));
    assert!(got.iter().all(|ping| ping.body.ends_with("was made.")), "{got:?}");
    // A wrong password is not tried again: it is told at once.
    scene.forward(TimeDelta::days(1)).await;
    let operation = begun(&scene, id, 5).await;
    pings(&scene, 2).await;
    fails(&scene, operation, FailureCode::Source).await;
    assert_eq!(paths(&pings(&scene, 2).await), expected("/fail"));
}

async fn a_channel_pings_a_check_for_each_subscription_that_it_hears_of(stage: Stage) {
    let scene = Scene::of(stage).await;
    let each = channel(&scene, "Checks", "/each/{uuid}").await;
    let (first, chosen, quiet) = (scene.add("First").await, scene.add("Chosen").await, scene.add("Quiet").await);
    own(&scene, chosen, &[("input[mode]", "own"), ("input[channels][]", &each)]).await;
    own(&scene, quiet, &[("input[mode]", "off")]).await;
    for id in [first, chosen] {
        let uuid = scene.browser.subscription(id).await.backup_uuid.unwrap();
        let operation = scene.keeper.begins(&scene.browser, id).await;
        assert_eq!(paths(&pings(&scene, 1).await), [format!("/each/{uuid}/start")]);
        scene.keeper.ends_well(operation, scene.stage.turned.now(), 1000);
        scene.browser.end_of(operation).await;
        assert_eq!(paths(&pings(&scene, 1).await), [format!("/each/{uuid}")]);
    }
    scene.keeper.succeeds(&scene.browser, quiet, scene.stage.turned.now(), 1000).await;
    settled(&scene).await;
    let log = scene.log().await;
    let kept: Vec<_> = log.iter().map(|message| (message.channel.as_str(), message.state)).collect();
    let arrived = DeliveryState::Delivered;
    assert_eq!(kept, [("Checks: Chosen", arrived), ("Checks: First", arrived)], "of each check the last that arrived");
    // What is told in words goes to the others.
    scene.keeper.fails(&scene.browser, first, FailureCode::Source, "A reason.").await;
    let mut got = scene.told().await;
    got.sort_by(|one, other| one.path.cmp(&other.path));
    let uuid = scene.browser.subscription(first).await.backup_uuid.unwrap();
    let ends: Vec<_> = paths(&got).into_iter().filter(|path| !path.ends_with("/start")).collect();
    assert_eq!(ends, [format!("/each/{uuid}/fail"), "/hook".to_owned()]);
    // A deleted channel pings no more, and nothing of it goes anywhere else.
    scene.browser.call::<DeleteChannel>(&[("id", &each)]).await.unwrap();
    let before = scene.log().await.len();
    scene.keeper.begins(&scene.browser, first).await;
    assert_eq!(scene.log().await.len(), before);
}

async fn one_check_for_all_is_told_whether_anything_is_wrong_and_again_and_again(stage: Stage) {
    let mut scene = Scene::without_channel(stage).await;
    let id = scene.add("Acme").await;
    let all = channel(&scene, "Dead man", "/all").await;
    let got = pings(&scene, 1).await;
    assert_eq!((paths(&got), got[0].body.as_str()), (vec!["/all"], "Nothing is wrong."));
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    let got = pings(&scene, 1).await;
    assert_eq!((paths(&got), got[0].body.as_str()), (vec!["/all/fail"], "A backup failed: 1"));
    for _ in 0..3 {
        scene.tick().await;
    }
    assert!(scene.hooks.take().is_empty(), "nothing changed");
    for _ in 0..3 {
        scene.forward(TimeDelta::minutes(5)).await;
        assert_eq!(paths(&pings(&scene, 1).await), ["/all/fail"]);
    }
    settled(&scene).await;
    assert_eq!(scene.log().await.len(), 1, "the log is not filled with it");
    // The receiver is gone for a while.
    scene.hooks.answers(&[(503, "not now")]);
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    assert_eq!(paths(&pings(&scene, 1).await), ["/all"]);
    let troubles = async || scene.browser.call::<ChannelTroubles>(&[]).await.unwrap();
    let known = async {
        while troubles().await.is_empty() {
            scene.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), known).await.expect("nobody was told");
    scene.stage.turned.forward(TimeDelta::seconds(61));
    assert_eq!(paths(&pings(&scene, 1).await), ["/all"]);
    settled(&scene).await;
    assert_eq!(troubles().await, []);
    // Switched off, it is silent; switched on, it says at once how things stand.
    let url = scene.hooks.url("/all");
    let form = [("input[id]", all.as_str()), ("input[name]", "Dead man"), ("input[secret_url]", url.as_str())];
    scene.browser.call::<SaveChannel>(&form).await.unwrap();
    scene.forward(TimeDelta::minutes(30)).await;
    scene.tick().await;
    assert!(scene.hooks.take().is_empty());
    let on: Vec<_> = form.into_iter().chain([("input[enabled]", "true"), ("input[for_all]", "true")]).collect();
    scene.browser.call::<SaveChannel>(&on).await.unwrap();
    assert_eq!(paths(&pings(&scene, 1).await), ["/all"]);
}

async fn a_test_changes_no_check(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let each = channel(&scene, "Checks", "/each/{slug}-secret?create=1").await;
    let refused = scene.browser.call::<TestChannel>(&[("id", &each)]).await.unwrap_err();
    assert!(
        matches!(&refused, AppError::Conflict(words) if words.contains("No subscription has a check")),
        "{refused:?}"
    );
    let id = scene.add("Acme").await;
    let subscription = id.0.to_string();
    let refused = scene.browser.call::<TestPing>(&[("subscription", &subscription)]).await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict(words) if words.contains("no address to ping")), "{refused:?}");
    let url = scene.hooks.url("/own-secret");
    own(&scene, id, &[("input[mode]", "off"), ("input[secret_ping]", &url)]).await;
    own(&scene, id, &[("input[mode]", "inherit")]).await;
    let slug = slug(&scene, id).await;

    let tested = scene.test(&each).await;
    assert_eq!((tested.state, tested.channel.as_str()), (DeliveryState::Delivered, "Checks: Acme"), "{tested:?}");
    assert!(tested.answer.contains("no check's state changed"), "{tested:?}");
    let tested = scene.browser.call::<TestPing>(&[("subscription", &subscription)]).await.unwrap();
    assert_eq!(tested.state, DeliveryState::Delivered, "{tested:?}");
    let got = scene.hooks.take();
    assert_eq!(paths(&got), [format!("/each/{slug}-secret/log?create=1"), "/own-secret/log".to_owned()]);
    assert!(got.iter().all(|ping| ping.body.contains("tries this check out")), "{got:?}");

    // A service that does not know it, or the check.
    scene.hooks.answers(&[(404, "not found")]);
    let tested = scene.browser.call::<TestPing>(&[("subscription", &subscription)]).await.unwrap();
    assert_eq!(tested.state, DeliveryState::GivenUp);
    assert!(tested.answer.contains("404") && tested.answer.contains("…/log"), "{tested:?}");
    let page = scene.browser.page(&format!("/alerts?tested={}", tested.id.0)).await.text().await.unwrap();
    assert!(page.contains("did not arrive at “Ping of Acme”"), "{page}");
    let shown = format!("{page} {:?}", scene.log().await);
    assert!(!shown.contains("-secret"), "{shown}");
    scene.hooks.take();
    // With one check for all.
    let all = channel(&scene, "Dead man", "/all").await;
    pings(&scene, 1).await;
    assert_eq!(scene.test(&all).await.state, DeliveryState::Delivered);
    assert_eq!(paths(&scene.hooks.take()), ["/all/log"]);
}

async fn a_ping_that_comes_too_late_is_not_sent(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let id = scene.add("Acme").await;
    let url = scene.hooks.url("/own");
    own(&scene, id, &[("input[mode]", "off"), ("input[secret_ping]", &url)]).await;
    let operation = scene.keeper.begins(&scene.browser, id).await;
    pings(&scene, 1).await;
    scene.hooks.answers(&[(410, "gone")]);
    fails(&scene, operation, FailureCode::Source).await;
    assert_eq!(paths(&pings(&scene, 1).await), ["/own/fail"]);
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    settled(&scene).await;
    let got = scene.hooks.take();
    assert_eq!(paths(&got).last(), Some(&"/own"));
    let failed = scene.log().await.into_iter().find(|message| message.state == DeliveryState::GivenUp).unwrap();
    assert!(failed.title.starts_with("fail: "), "{failed:?}");
    scene.browser.call::<SendAgain>(&[("id", &failed.id.0.to_string())]).await.unwrap();
    settled(&scene).await;
    let log = scene.log().await;
    assert_eq!(log.iter().find(|message| message.id == failed.id).unwrap().state, DeliveryState::Dropped, "{log:?}");
    assert!(scene.hooks.take().is_empty(), "the check is well: an old failure must not change that");
}

/// Two panels at one database, or the same one twice, each with everything that is due.
async fn both(scene: &Scene, second: &Panel) {
    let ((), other) = tokio::join!(scene.tick(), tick(second));
    other.unwrap();
}

async fn a_check_is_told_one_thing_after_the_other(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let config = scene.stage.config.clone();
    let second = Panel::open(config, scene.stage.turned.clock(), Randomness::of_system()).await.unwrap();
    let id = scene.add("Acme").await;
    let url = scene.hooks.url("/own");
    own(&scene, id, &[("input[mode]", "off"), ("input[secret_ping]", &url)]).await;
    for (status, words) in [(200, "thank you"), (503, "not now")] {
        scene.hooks.holds(Some("/own/start"));
        let operation = scene.keeper.begins(&scene.browser, id).await;
        let first = tokio::spawn({
            let second = second.clone();
            async move { tick(&second).await.unwrap() }
        });
        scene.hooks.hears("/own/start", 1).await;
        scene.keeper.ends_well(operation, scene.stage.turned.now(), 1000);
        scene.browser.end_of(operation).await;
        assert_eq!(
            scene
                .stage
                .number("SELECT COUNT(*) FROM alert_deliveries WHERE ping = 'success' AND state = 'waiting'")
                .await,
            1
        );
        both(&scene, &second).await;
        assert_eq!(paths(&scene.hooks.take()), ["/own/start"], "its end is not told before its begin");
        scene.hooks.answers(&[(status, words)]);
        scene.hooks.holds(None);
        first.await.unwrap();
        // A begin that failed is not told any more when there is an end.
        scene.stage.turned.forward(TimeDelta::minutes(2));
        settled(&scene).await;
        both(&scene, &second).await;
        assert_eq!(paths(&scene.hooks.take()), ["/own"], "after {status}");
    }
}

async fn the_pings_of_a_panel_that_is_gone_are_waited_for_and_no_longer(stage: Stage) {
    let mut scene = Scene::without_channel(stage).await;
    let id = scene.add("Acme").await;
    let url = scene.hooks.url("/own");
    own(&scene, id, &[("input[mode]", "off"), ("input[secret_ping]", &url)]).await;
    let operation = scene.keeper.begins(&scene.browser, id).await;
    scene.stage.stop().await;
    scene.keeper.ends_well(operation, scene.stage.turned.now(), 1000);
    let gone = "UPDATE alert_deliveries SET state = 'sending', finished_at = NULL, due_at = created_at, answer = '',
                    owner = id, lease_until = created_at + 80000 WHERE ping = 'start'";
    scene.stage.sql(gone).await.unwrap();
    scene.hooks.take();
    scene.start().await;
    scene.browser.end_of(operation).await;
    scene.tick().await;
    assert!(scene.hooks.take().is_empty(), "the other panel may still be sending the begin");
    scene.stage.turned.forward(TimeDelta::seconds(81));
    settled(&scene).await;
    assert_eq!(paths(&scene.hooks.take()), ["/own"]);
}
