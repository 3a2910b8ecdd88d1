//! What the tests of alerts share: a panel that may post to this machine, a webhook, and a double of a backup server.

use chrono::TimeDelta;
use holdfast::{
    alerts::{
        Delivery, Event,
        api::{ListDeliveries, SaveChannel, SaveRules, TestChannel},
        worker::tick,
    },
    subscriptions::SubscriptionId,
};

use super::{
    hooks::{Got, Hooks},
    keeper::Keeper,
};
use crate::{browser::Browser, double::Remote, restore_scene::DIRECT, stage::Stage};

/// What the webhook's signatures are made with.
pub const KEY: &str = "a-signing-key-of-the-tests";

pub struct Scene {
    pub stage: Stage,
    pub browser: Browser,
    pub hooks: Hooks,
    pub keeper: Keeper,
    pub server: String,
    _remote: Remote,
}

impl Scene {
    /// With the channel “Hook”, which gets everything.
    pub async fn of(stage: Stage) -> Self {
        let scene = Self::without_channel(stage).await;
        scene.webhook("Hook", "/hook").await;
        scene
    }

    pub async fn without_channel(mut stage: Stage) -> Self {
        stage.stop().await;
        stage.config.allowed_webhook_ranges = vec!["127.0.0.0/8".to_owned(), "::1".to_owned()];
        // The disk of whatever machine this is tells nothing here.
        stage.config.no_embedded_server = true;
        stage.sql("DELETE FROM backup_servers WHERE embedded").await.unwrap();
        start(&mut stage).await;
        let browser = stage.administrator().await;
        let keeper = Keeper::default();
        let remote = keeper.remote().await;
        let server = remote.register(&browser, "Far").await;
        Self { stage, browser, hooks: Hooks::start().await, keeper, server, _remote: remote }
    }

    /// The panel starts again, and somebody signs in.
    pub async fn start(&mut self) {
        start(&mut self.stage).await;
        self.browser = self.stage.administrator().await;
    }

    /// Adds a webhook to the receiver.
    pub async fn webhook(&self, name: &str, path: &str) -> String {
        let url = self.hooks.url(path);
        let form = [("input[kind]", "webhook"), ("input[secret_url]", url.as_str()), ("input[signing_key]", KEY)];
        self.channel(name, &form).await
    }

    /// Adds a channel that gets everything.
    pub async fn channel(&self, name: &str, more: &[(&str, &str)]) -> String {
        let mut form = vec![("input[name]", name), ("input[enabled]", "true"), ("input[for_all]", "true")];
        form.extend(more);
        self.browser.call::<SaveChannel>(&form).await.unwrap().0.to_string()
    }

    pub async fn test(&self, channel: &str) -> Delivery {
        self.browser.call::<TestChannel>(&[("id", channel)]).await.unwrap()
    }

    pub async fn add(&self, name: &str) -> SubscriptionId {
        self.browser.add(name, "acme", &self.server, &DIRECT).await
    }

    /// The rules as they are from the beginning, but for some figures.
    pub async fn rules(&self, changed: &[(&str, &str)]) {
        let mut form: Vec<_> = Event::CHOSEN.map(|event| ("input[events][]".to_owned(), event.as_str())).into();
        let figures = [
            ("repeat_hours", "24"),
            ("collect_minutes", "1"),
            ("patience_hours", "3"),
            ("low_space_percent", "10"),
            ("small_percent", "50"),
        ];
        for (name, usual) in figures {
            let figure = changed.iter().find(|(changed, _)| *changed == name).map_or(usual, |(_, figure)| figure);
            form.push((format!("input[{name}]"), figure));
        }
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.browser.call::<SaveRules>(&form).await.unwrap();
    }

    /// Adds a channel to so many recipients at a mail server.
    pub async fn mail(&self, name: &str, port: u16, recipients: usize) -> Vec<String> {
        let all: Vec<_> = (0..recipients).map(|number| format!("{number}@example.com")).collect();
        let (port, listed) = (port.to_string(), all.join(" "));
        let form = [
            ("input[kind]", "email"),
            ("input[host]", "localhost"),
            ("input[port]", port.as_str()),
            ("input[security]", "none"),
            ("input[from]", "holdfast@example.com"),
            ("input[recipients]", listed.as_str()),
        ];
        self.channel(name, &form).await;
        all
    }

    /// Time passes; nobody's session lasts that long.
    pub async fn forward(&mut self, by: TimeDelta) {
        self.stage.turned.forward(by);
        self.browser = self.stage.administrator().await;
    }

    /// One round of everything.
    pub async fn tick(&self) {
        tick(&self.stage.running().panel).await.unwrap();
    }

    /// Lets everything that is to be told be sent; gives what the receiver got meanwhile.
    pub async fn told(&self) -> Vec<Got> {
        let sending = async {
            self.tick().await;
            while self.pending().await > 0 {
                self.stage.turned.forward(TimeDelta::seconds(61));
                self.tick().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), sending).await.expect("not everything was sent");
        self.hooks.take()
    }

    /// The events of what is told, message by message.
    pub async fn events(&self) -> Vec<Vec<(String, String)>> {
        self.told().await.iter().map(Got::events).collect()
    }

    async fn pending(&self) -> i64 {
        let question = "SELECT COUNT(*) FROM alert_deliveries WHERE state IN ('collecting', 'sending')";
        self.stage.number(question).await
    }

    /// The delivery log, the newest first.
    pub async fn log(&self) -> Vec<Delivery> {
        self.browser.call::<ListDeliveries>(&[]).await.unwrap().deliveries
    }
}

/// At another address: the one that it had may be somebody else's by now.
async fn start(stage: &mut Stage) {
    stage.config.listen.set_port(0);
    stage.start().await;
}

/// One message with one alert.
pub fn one(event: &str, name: &str) -> Vec<Vec<(String, String)>> {
    vec![vec![(event.to_owned(), name.to_owned())]]
}
