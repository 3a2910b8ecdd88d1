//! What a subscription has of its own: other channels, none at all, and an address that is pinged.

use backup_api::FailureCode;
use holdfast::{
    alerts::{
        DeliveryState, OverrideMode,
        api::{GetOverride, SaveOverride},
    },
    subscriptions::SubscriptionId,
};

use super::{hooks::Got, scene::Scene};
use crate::stage::Stage;

on_both_databases!(a_subscription_can_have_channels_of_its_own_or_none, backups_are_pinged_as_they_begin_and_end);

async fn save(scene: &Scene, id: SubscriptionId, more: &[(&str, &str)]) -> Result<(), holdfast::error::AppError> {
    let id = id.0.to_string();
    let mut form = vec![("input[subscription]", id.as_str())];
    form.extend(more);
    scene.browser.call::<SaveOverride>(&form).await
}

fn paths(got: &[Got]) -> Vec<String> {
    got.iter().map(|got| got.path.clone()).collect()
}

async fn a_subscription_can_have_channels_of_its_own_or_none(stage: Stage) {
    let scene = Scene::of(stage).await;
    let own = scene.webhook("Own", "/own").await;
    scene
        .browser
        .call::<holdfast::alerts::api::SaveChannel>(&[
            ("input[id]", own.as_str()),
            ("input[name]", "Own"),
            ("input[enabled]", "true"),
        ])
        .await
        .unwrap();
    let (first, second, third) = (scene.add("Usual").await, scene.add("Its own").await, scene.add("Quiet").await);
    let refused = save(&scene, second, &[("input[mode]", "own")]).await.unwrap_err();
    assert!(refused.for_field("channels").is_some(), "{refused:?}");
    save(&scene, second, &[("input[mode]", "own"), ("input[channels][]", &own)]).await.unwrap();
    save(&scene, third, &[("input[mode]", "off")]).await.unwrap();
    let known = scene.browser.call::<GetOverride>(&[("subscription", &second.0.to_string())]).await.unwrap();
    assert_eq!(known.mode, OverrideMode::Own);
    let chosen: Vec<_> = known.channels.iter().map(|(_, name, chosen)| (name.as_str(), *chosen)).collect();
    assert_eq!(chosen, [("Hook", false), ("Own", true)]);
    for id in [first, second, third] {
        scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    }
    let mut got = scene.told().await;
    got.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(paths(&got), ["/hook", "/own"]);
    let failed = |name: &str| vec![("backup_failed".to_owned(), name.to_owned())];
    assert_eq!((got[0].events(), got[1].events()), (failed("Usual"), failed("Its own")));
    // Heard again: what was kept quiet meanwhile is told.
    save(&scene, third, &[("input[mode]", "inherit")]).await.unwrap();
    assert_eq!(scene.events().await, [failed("Quiet")]);
}

async fn backups_are_pinged_as_they_begin_and_end(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let id = scene.add("Acme").await;
    let url = scene.hooks.url("/ping/uuid-secret");
    save(&scene, id, &[("input[mode]", "off"), ("input[secret_ping]", &url)]).await.unwrap();
    let known = scene.browser.call::<GetOverride>(&[("subscription", &id.0.to_string())]).await.unwrap();
    assert_eq!(known.ping_place, Some(scene.hooks.url("")), "its secret part is not shown");
    // Saved again without it, it stays.
    save(&scene, id, &[("input[mode]", "off")]).await.unwrap();
    let sent = async |count: usize| {
        let sending = async {
            let mut got = Vec::new();
            while got.len() < count {
                scene.tick().await;
                got.extend(scene.hooks.take());
            }
            got
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), sending).await.expect("no ping")
    };
    let begun = scene.keeper.begins(&scene.browser, id).await;
    assert_eq!(paths(&sent(1).await), ["/ping/uuid-secret/start"]);
    scene.keeper.jobs.change(backup_api::JobId(begun.0), |job| {
        job.state = backup_api::JobState::Failed;
        job.failure = Some(backup_api::Failure { code: FailureCode::PgDump, message: "It was killed.".to_owned() });
    });
    scene.browser.end_of(begun).await;
    let got = sent(1).await;
    assert_eq!((paths(&got), got[0].body.as_str()), (vec!["/ping/uuid-secret/fail".to_owned()], "It was killed."));
    scene.hooks.answers(&[(500, ""), (200, "")]);
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    // The start could not be told any more, or was refused: what counts is the end.
    let got = sent(1).await;
    let mut all = paths(&got);
    if all.last().unwrap() != "/ping/uuid-secret" {
        all.extend(paths(&sent(1).await));
    }
    assert_eq!(all.last().unwrap(), "/ping/uuid-secret");
    let log = scene.log().await;
    assert!(log.iter().all(|message| message.channel == "Ping of Acme"), "{log:?}");
    assert!(log.iter().all(|message| message.state != DeliveryState::Collecting), "{log:?}");
    assert!(!format!("{log:?}").contains("uuid-secret"), "{log:?}");
    save(&scene, id, &[("input[mode]", "off"), ("input[forget_ping]", "true")]).await.unwrap();
    scene.stage.sql("DELETE FROM alert_deliveries").await.unwrap();
    scene.hooks.take();
    scene.keeper.succeeds(&scene.browser, id, scene.stage.turned.now(), 1000).await;
    scene.tick().await;
    assert!(scene.hooks.take().is_empty() && scene.log().await.is_empty());
}
