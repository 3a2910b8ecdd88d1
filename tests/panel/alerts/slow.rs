//! Receivers that take their time: nobody else waits for them, what takes too long goes on later, and nobody gets twice what
//! was sent before.

use std::time::Duration;

use backup_api::FailureCode;
use chrono::TimeDelta;
use holdfast::{
    alerts::{Delivery, DeliveryState, worker::tick},
    server::{Panel, Randomness},
};

use super::{
    scene::Scene,
    sink::{Letter, Sink},
};
use crate::stage::Stage;

on_both_databases!(
    a_receiver_that_hangs_keeps_no_other_message_waiting,
    slow_recipients_keep_no_other_message_waiting_and_share_a_connection,
    a_server_that_closes_its_connections_gets_everything_once,
    what_takes_too_long_goes_on_with_the_others,
    after_a_crash_only_the_others_get_it,
);

/// Without a word of what is still under way.
const UNANSWERED: &str = "SELECT COUNT(*) FROM alert_deliveries WHERE channel_name = 'Slow' AND answer <> ''";

async fn fails(scene: &Scene, name: &str) {
    let id = scene.add(name).await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
}

fn recipients(letters: &[Letter]) -> Vec<String> {
    letters.iter().flat_map(|letter| letter.to.clone()).collect()
}

/// Waits until the only message is in a state.
async fn reaches(scene: &Scene, state: DeliveryState) -> Delivery {
    let waiting = async {
        loop {
            scene.tick().await;
            let [message] = <[_; 1]>::try_from(scene.log().await).unwrap();
            if message.state == state {
                return message;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it did not get there")
}

async fn a_receiver_that_hangs_keeps_no_other_message_waiting(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    scene.rules(&[("collect_minutes", "0")]).await;
    scene.webhook("Slow", "/slow").await;
    scene.webhook("Quick", "/quick").await;
    scene.hooks.holds(Some("/slow"));
    fails(&scene, "First").await;
    scene.hooks.hears("/slow", 1).await;
    scene.hooks.hears("/quick", 1).await;
    fails(&scene, "Second").await;
    scene.hooks.hears("/quick", 2).await;
    assert_eq!(scene.stage.number(UNANSWERED).await, 0, "the slow one is still waited for");
    scene.hooks.holds(None);
    assert!(scene.told().await.len() >= 3, "the slow one gets it, too");
    assert!(scene.log().await.iter().all(|message| message.state == DeliveryState::Delivered));
}

async fn slow_recipients_keep_no_other_message_waiting_and_share_a_connection(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    scene.rules(&[("collect_minutes", "0")]).await;
    let sink = Sink::start().await;
    sink.answers(0);
    let all = scene.mail("Slow", sink.port, 10).await;
    scene.webhook("Quick", "/quick").await;
    fails(&scene, "First").await;
    sink.hears(1).await;
    scene.hooks.hears("/quick", 1).await;
    fails(&scene, "Second").await;
    scene.hooks.hears("/quick", 2).await;
    assert_eq!(scene.stage.number(UNANSWERED).await, 0, "the slow one is still waited for");
    sink.answers(usize::MAX);
    // Time stands still meanwhile: a day of it, and both would be told of again.
    sink.hears(2 * all.len()).await;
    scene.told().await;
    let (first, second): (Vec<_>, Vec<_>) =
        sink.take().into_iter().partition(|letter| letter.data.contains("The backup of First"));
    assert_eq!((recipients(&first), recipients(&second)), (all.clone(), all));
    assert_eq!(sink.connections(), 2, "one for each message");
}

async fn a_server_that_closes_its_connections_gets_everything_once(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let sink = Sink::start().await;
    sink.takes(3);
    let all = scene.mail("Team", sink.port, 10).await;
    fails(&scene, "Acme").await;
    scene.told().await;
    assert_eq!(recipients(&sink.take()), all);
    assert_eq!(sink.connections(), 4);
    let [message] = <[_; 1]>::try_from(scene.log().await).unwrap();
    assert_eq!((message.state, message.attempts), (DeliveryState::Delivered, 1), "{message:?}");
}

async fn what_takes_too_long_goes_on_with_the_others(mut stage: Stage) {
    stage.config.delivery_limit = Duration::from_secs(4);
    let scene = Scene::without_channel(stage).await;
    let sink = Sink::start().await;
    sink.answers(3);
    let all = scene.mail("Team", sink.port, 10).await;
    fails(&scene, "Acme").await;
    scene.stage.turned.forward(TimeDelta::seconds(61));
    let message = reaches(&scene, DeliveryState::Waiting).await;
    assert_eq!(message.answer, "It was not sent within 4 seconds. Whoever has it will not get it again.");
    assert_eq!(recipients(&sink.take()), all[..3]);
    sink.answers(usize::MAX);
    scene.stage.turned.forward(TimeDelta::seconds(61));
    let message = reaches(&scene, DeliveryState::Delivered).await;
    assert_eq!(message.attempts, 2);
    assert_eq!(recipients(&sink.take()), all[3..]);
}

async fn after_a_crash_only_the_others_get_it(stage: Stage) {
    let mut scene = Scene::without_channel(stage).await;
    let sink = Sink::start().await;
    sink.answers(4);
    let all = scene.mail("Team", sink.port, 10).await;
    fails(&scene, "Acme").await;
    scene.stage.stop().await;
    scene.stage.turned.forward(TimeDelta::seconds(61));
    let config = scene.stage.config.clone();
    let panel = Panel::open(config, scene.stage.turned.clock(), Randomness::of_system()).await.unwrap();
    let sending = tokio::spawn(async move { tick(&panel).await });
    sink.hears(5).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    assert_eq!(recipients(&sink.take()), all[..4]);

    sink.answers(usize::MAX);
    scene.start().await;
    scene.tick().await;
    assert!(sink.take().is_empty(), "the other panel may still be sending it");
    scene.stage.turned.forward(TimeDelta::minutes(5));
    reaches(&scene, DeliveryState::Delivered).await;
    assert_eq!(recipients(&sink.take()), all[4..]);
}
