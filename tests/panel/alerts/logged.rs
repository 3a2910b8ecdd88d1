//! What is logged, to the last detail, holds no secret of a channel.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use super::{
    scene::{KEY, Scene},
    sink::Sink,
};
use crate::stage::{Database, Stage};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// On one thread: what the panel's tasks log is heard by this test alone.
#[tokio::test]
async fn secrets_are_not_logged() {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(lines.clone()).finish();
    let _heard = tracing::subscriber::set_default(subscriber);
    let scene = Scene::without_channel(Stage::new(Database::Sqlite).await).await;
    let sink = Sink::start().await;
    let port = sink.port.to_string();
    let (api, topic) = (scene.hooks.url("/bots"), scene.hooks.url("/secret-topic"));
    let mail = [
        ("input[kind]", "email"),
        ("input[host]", "localhost"),
        ("input[port]", port.as_str()),
        ("input[user]", "ada"),
        ("input[password]", "secret-password"),
        ("input[from]", "holdfast@example.com"),
        ("input[recipients]", "ada@example.com"),
    ];
    let telegram = [
        ("input[kind]", "telegram"),
        ("input[api]", api.as_str()),
        ("input[chat]", "1"),
        ("input[token]", "1:secret-bot"),
    ];
    let ntfy = [("input[kind]", "ntfy"), ("input[secret_url]", topic.as_str()), ("input[token]", "secret-token")];
    let channels = [
        scene.channel("Mail", &mail).await,
        scene.channel("Bot", &telegram).await,
        scene.channel("Topic", &ntfy).await,
        scene.webhook("Hook", "/secret-path").await,
    ];
    scene.hooks.answers(&[(500, "secret-token"), (404, "1:secret-bot"), (302, "")]);
    for id in channels {
        scene.test(&id).await;
    }
    let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(log.contains("did not arrive, try 1"), "the log is heard");
    let ours: Vec<_> = log.lines().filter(|line| line.contains("holdfast") || !line.contains("TRACE")).collect();
    for secret in ["secret-password", "secret-bot", "secret-topic", "secret-token", "secret-path", KEY] {
        let told = ours.iter().find(|line| line.contains(secret));
        assert!(told.is_none(), "{told:?}");
    }
}
