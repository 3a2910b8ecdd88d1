//! Two panels on one PostgreSQL: each thing is told once, by whichever comes first.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use holdfast::{
    alerts::worker::tick,
    server::{Randomness, Running},
};

use super::scene::Scene;
use crate::stage::{Database, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn two_panels_tell_everything_once() {
    let mut scene = Scene::of(Stage::new(Database::Postgres).await).await;
    for number in 0..12 {
        scene.webhook(&format!("Hook {number}"), &format!("/{number}")).await;
        scene.add(&format!("Number {number}")).await;
    }
    let mut config = scene.stage.config.clone();
    config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.no_embedded_server = true;
    let second = Running::start(config, scene.stage.turned.clock(), Randomness::of_system()).await.unwrap();
    scene.forward(TimeDelta::hours(25)).await;
    for _ in 0..3 {
        let (one, other) = tokio::join!(tick(&scene.stage.running().panel), tick(&second.panel));
        one.and(other).unwrap();
        scene.stage.turned.forward(TimeDelta::seconds(61));
    }
    let mut got = scene.told().await;
    got.extend(scene.told().await);
    let paths: BTreeSet<_> = got.iter().map(|got| got.path.clone()).collect();
    assert_eq!(paths.len(), 13, "every channel");
    for path in paths {
        let mut names: Vec<_> = got
            .iter()
            .filter(|got| got.path == path)
            .flat_map(super::hooks::Got::events)
            .map(|(_, name)| name)
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 12, "{path}");
        let told: usize = got.iter().filter(|got| got.path == path).map(|got| got.events().len()).sum();
        assert_eq!(told, 12, "{path}: nothing twice");
    }
    second.stop().await;
}
