//! What may pass is tried again after growing pauses; what may not, and what did not for too long, is given up visibly.

use backup_api::FailureCode;
use chrono::TimeDelta;
use holdfast::alerts::{
    Delivery, DeliveryState,
    api::{ChannelTroubles, DeleteChannel, SaveChannel, SendAgain},
};

use super::scene::Scene;
use crate::stage::Stage;

on_both_databases!(
    what_may_pass_is_tried_again_after_growing_pauses,
    it_is_given_up_at_last_and_sent_when_somebody_asks,
    what_will_not_pass_is_given_up_at_once,
    a_channel_that_is_off_or_gone_sends_nothing_more,
);

/// A message that is due; gives it after its first try.
async fn first_try(scene: &Scene) -> Delivery {
    let id = scene.add("Acme").await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    scene.stage.turned.forward(TimeDelta::seconds(61));
    tried(scene, 1).await
}

/// Waits until the only message was tried so often.
async fn tried(scene: &Scene, times: usize) -> Delivery {
    let waiting = async {
        loop {
            scene.tick().await;
            let [message] = <[_; 1]>::try_from(scene.log().await).unwrap();
            if message.attempts as usize >= times && message.state != DeliveryState::Sending {
                assert_eq!(message.attempts as usize, times);
                return message;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.expect("it was not tried")
}

async fn what_may_pass_is_tried_again_after_growing_pauses(stage: Stage) {
    let scene = Scene::of(stage).await;
    scene.hooks.answers(&[(503, "not now"), (429, "slowly"), (200, "at last")]);
    let message = first_try(&scene).await;
    assert_eq!(
        (message.state, message.answer.as_str()),
        (DeliveryState::Waiting, "The receiver answered 503 Service Unavailable: not now.")
    );
    assert_eq!(scene.browser.call::<ChannelTroubles>(&[]).await.unwrap().len(), 1);
    scene.tick().await;
    assert_eq!(scene.log().await[0].attempts, 1, "not before its time");
    scene.stage.turned.forward(TimeDelta::seconds(61));
    let message = tried(&scene, 2).await;
    assert!(message.answer.contains("429"), "{message:?}");
    scene.stage.turned.forward(TimeDelta::minutes(4));
    scene.tick().await;
    assert_eq!(scene.log().await[0].attempts, 2, "the pauses grow");
    scene.stage.turned.forward(TimeDelta::seconds(61));
    let message = tried(&scene, 3).await;
    assert_eq!((message.state, message.due_at), (DeliveryState::Delivered, None));
    let got = scene.hooks.take();
    let ids: Vec<_> = got.iter().map(|got| got.headers["holdfast-delivery"].clone()).collect();
    assert_eq!((ids.len(), &ids[0]), (3, &ids[2]), "the same identity at every try");
    assert!(got.iter().all(|other| other.body == got[0].body), "and the same body");
    assert_ne!(got[0].headers["holdfast-signature"], got[2].headers["holdfast-signature"], "signed anew");
    assert_eq!(scene.browser.call::<ChannelTroubles>(&[]).await.unwrap(), []);
}

async fn it_is_given_up_at_last_and_sent_when_somebody_asks(stage: Stage) {
    let mut scene = Scene::of(stage).await;
    // Enough for what else is told meanwhile.
    scene.hooks.answers(&[(503, ""); 500]);
    first_try(&scene).await;
    for times in 2..=8 {
        scene.forward(TimeDelta::hours(13)).await;
        // What lasts is repeated meanwhile: not here.
        scene.stage.sql("DELETE FROM alert_causes").await.unwrap();
        scene.stage.sql("DELETE FROM alert_deliveries WHERE attempts = 0").await.unwrap();
        let tried = async {
            loop {
                scene.tick().await;
                let message = oldest(&scene).await;
                if message.attempts >= times && message.state != DeliveryState::Sending {
                    return;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), tried).await.expect("it was not tried");
    }
    let message = oldest(&scene).await;
    assert_eq!((message.state, message.attempts, message.due_at), (DeliveryState::GivenUp, 8, None));
    scene.forward(TimeDelta::days(2)).await;
    scene.tick().await;
    assert_eq!(oldest(&scene).await.attempts, 8);
    let page = scene.browser.page("/alerts?tab=log").await.text().await.unwrap();
    assert!(page.contains("Given up") && page.contains("Try again"), "{page}");
    let id = message.id.0.to_string();
    scene.hooks.accepts();
    scene.browser.call::<SendAgain>(&[("id", &id)]).await.unwrap();
    let sent = async {
        while oldest(&scene).await.state != DeliveryState::Delivered {
            scene.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), sent).await.expect("it was not sent");
    let refused = scene.browser.call::<SendAgain>(&[("id", &id)]).await.unwrap_err();
    assert!(refused.to_string().contains("it arrived"), "{refused:?}");
}

async fn oldest(scene: &Scene) -> Delivery {
    scene.log().await.pop().unwrap()
}

async fn what_will_not_pass_is_given_up_at_once(stage: Stage) {
    let scene = Scene::of(stage).await;
    scene.hooks.answers(&[(410, "gone")]);
    let message = first_try(&scene).await;
    assert_eq!((message.state, message.attempts), (DeliveryState::GivenUp, 1));
    scene.stage.turned.forward(TimeDelta::hours(1));
    scene.tick().await;
    assert_eq!(scene.hooks.take().len(), 1);
    // Nobody listens at all.
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let url = format!("http://{closed}/silent-secret");
    let id = scene.channel("Silent", &[("input[kind]", "slack"), ("input[secret_url]", &url)]).await;
    let tested = scene.test(&id).await;
    assert!(tested.answer.starts_with("The receiver could not be reached"), "{tested:?}");
    assert!(!tested.answer.contains("silent-secret"), "{tested:?}");
}

async fn a_channel_that_is_off_or_gone_sends_nothing_more(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let (off, gone) = (scene.webhook("Off", "/off").await, scene.webhook("Gone", "/gone").await);
    let id = scene.add("Acme").await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    scene.browser.call::<SaveChannel>(&[("input[id]", off.as_str()), ("input[name]", "Off")]).await.unwrap();
    scene.browser.call::<DeleteChannel>(&[("id", &gone)]).await.unwrap();
    assert!(scene.told().await.is_empty());
    let states: Vec<_> = scene.log().await.into_iter().map(|message| message.state).collect();
    assert_eq!(states, [DeliveryState::Dropped, DeliveryState::Dropped]);
    assert_eq!(scene.browser.call::<ChannelTroubles>(&[]).await.unwrap(), []);
}
