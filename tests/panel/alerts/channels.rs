//! Channels: set up, tried out, told of in words, changed and deleted; and what is never shown.

use axum::http::HeaderMap;
use holdfast::{
    alerts::{
        DeliveryState,
        api::{ChannelTroubles, DeleteChannel, GetChannel, ListChannels, SaveChannel},
    },
    error::AppError,
    operations::api::ListActions,
};
use sha2::{Digest, Sha256};

use super::scene::{KEY, Scene};
use crate::stage::Stage;

on_both_databases!(
    a_webhook_is_tried_out_signed_and_its_secrets_stay_here,
    each_form_reaches_its_receiver,
    a_receiver_that_refuses_or_leads_away_is_told_in_words,
    an_address_that_is_not_public_is_not_dialled,
    a_channel_is_changed_without_its_secrets_and_deleted,
);

/// HMAC-SHA256 as RFC 2104 has it, made here so that nothing of the panel is taken for granted.
fn hmac(key: &str, message: &str) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key.as_bytes());
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    hex::encode(Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
}

/// What a receiver does with the header of the documentation.
pub fn is_ours(headers: &HeaderMap, body: &str, now: i64) -> bool {
    let header = headers["holdfast-signature"].to_str().unwrap();
    let (time, signature) = header.split_once(",v1=").unwrap();
    let seconds = time.strip_prefix("t=").unwrap();
    let age = now - seconds.parse::<i64>().unwrap();
    age.abs() < 300 && hmac(KEY, &format!("{seconds}.{body}")) == signature
}

async fn a_webhook_is_tried_out_signed_and_its_secrets_stay_here(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let id = scene.webhook("Team", "/hook?secret=in-the-address").await;
    let tested = scene.test(&id).await;
    assert_eq!(
        (tested.state, tested.answer.as_str()),
        (DeliveryState::Delivered, "The receiver answered 200 OK: thank you.")
    );
    let got = scene.hooks.take();
    let [message] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(message.path, "/hook?secret=in-the-address");
    assert!(is_ours(&message.headers, &message.body, scene.stage.turned.now().timestamp()), "{message:?}");
    assert!(!is_ours(&message.headers, &format!("{} ", message.body), scene.stage.turned.now().timestamp()));
    let json = message.json();
    assert_eq!(
        (&json["version"], json["id"].as_str()),
        (&1.into(), message.headers["holdfast-delivery"].to_str().ok())
    );
    assert_eq!((&json["alerts"][0]["event"], &json["alerts"][0]["severity"]), (&"test".into(), &"notice".into()));

    // Nothing that a browser gets holds a secret.
    for answer in [
        scene.browser.post("/api/list_channels", &[]).await.text().await.unwrap(),
        scene.browser.page("/alerts").await.text().await.unwrap(),
        scene.browser.page(&format!("/alerts/{id}")).await.text().await.unwrap(),
        scene.browser.page("/alerts?tab=log").await.text().await.unwrap(),
        format!("{:?}", scene.browser.call::<ListChannels>(&[]).await.unwrap()),
        format!("{:?}", scene.browser.call::<ListActions>(&[("search", "")]).await.unwrap()),
    ] {
        assert!(!answer.contains("in-the-address") && !answer.contains(KEY), "{answer}");
    }
    let logged = scene.browser.call::<ListActions>(&[("search", "channel “team”")]).await.unwrap();
    let logged: Vec<_> = logged.entries.into_iter().map(|entry| entry.what).collect();
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert!(logged[1].starts_with("Added the alert channel “Team”: http://127.0.0.1:"), "{logged:?}");
}

async fn each_form_reaches_its_receiver(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let (slack, api, topic) =
        (scene.hooks.url("/services/T/B/x"), scene.hooks.url("/bots/"), scene.hooks.url("/push/backups"));
    let channels = [
        scene.channel("Slack", &[("input[kind]", "slack"), ("input[secret_url]", &slack)]).await,
        scene
            .channel(
                "Telegram",
                &[
                    ("input[kind]", "telegram"),
                    ("input[api]", &api),
                    ("input[chat]", "-100"),
                    ("input[token]", "12:abc"),
                ],
            )
            .await,
        scene
            .channel("ntfy", &[("input[kind]", "ntfy"), ("input[secret_url]", &topic), ("input[token]", "tk_secret")])
            .await,
    ];
    scene.hooks.answers(&[(200, "ok"), (200, r#"{"ok": true, "result": {}}"#), (200, "{}")]);
    for id in &channels {
        let tested = scene.test(id).await;
        assert_eq!(tested.state, DeliveryState::Delivered, "{tested:?}");
    }
    let got = scene.hooks.take();
    let paths: Vec<_> = got.iter().map(|got| got.path.as_str()).collect();
    assert_eq!(paths, ["/services/T/B/x", "/bots/bot12:abc/sendMessage", "/push/"]);
    assert!(got[0].json()["text"].as_str().unwrap().contains("this is a test"), "{:?}", got[0]);
    assert_eq!(got[1].json()["chat_id"], "-100");
    assert_eq!(
        (&got[2].json()["topic"], &got[2].headers["authorization"]),
        (&"backups".into(), &"Bearer tk_secret".parse().unwrap())
    );
    // A yes that says no.
    scene.hooks.answers(&[(200, r#"{"ok": false, "description": "chat not found"}"#)]);
    let tested = scene.test(&channels[1]).await;
    assert_eq!(tested.state, DeliveryState::GivenUp);
    assert!(tested.answer.contains("chat not found") && tested.answer.contains("does not say"), "{tested:?}");
}

async fn a_receiver_that_refuses_or_leads_away_is_told_in_words(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let id = scene.webhook("Team", "/hook?key=0123456789").await;
    let long = Box::leak(
        format!("no such hook /hook?key=0123456789 at http://x {}", "long ".repeat(100_000)).into_boxed_str(),
    );
    for (status, words, expected) in [
        (404, &*long, "404 Not Found: no such hook"),
        (401, "", "401 Unauthorized. Check the channel's address and token."),
        (302, "", "sends to another address, which is not followed"),
        (500, "oops", "500 Internal Server Error: oops."),
    ] {
        scene.hooks.answers(&[(status, words)]);
        let tested = scene.test(&id).await;
        assert_eq!(tested.state, DeliveryState::GivenUp, "a test is sent once: {tested:?}");
        assert!(tested.answer.contains(expected) && tested.answer.chars().count() < 400, "{tested:?}");
        let troubles = scene.browser.call::<ChannelTroubles>(&[]).await.unwrap();
        assert_eq!((troubles.len(), troubles[0].name.as_str()), (1, "Team"));
        assert_eq!(troubles[0].reason, tested.answer);
    }
    assert_eq!(scene.hooks.take().len(), 4, "nothing was followed");
    let page = scene.browser.page("/subscriptions").await.text().await.unwrap();
    assert!(page.contains("Alerts through “Team” do not arrive."), "the warning is on every page");
    // It works again.
    assert_eq!(scene.test(&id).await.state, DeliveryState::Delivered);
    assert_eq!(scene.browser.call::<ChannelTroubles>(&[]).await.unwrap(), []);
}

async fn an_address_that_is_not_public_is_not_dialled(mut stage: Stage) {
    stage.config.allowed_webhook_ranges = vec!["10.99.0.0/16".to_owned()];
    stage.stop().await;
    stage.start().await;
    let hooks = super::hooks::Hooks::start().await;
    let browser = stage.administrator().await;
    let url = hooks.url("/");
    let form = [
        ("input[name]", "Local"),
        ("input[enabled]", "true"),
        ("input[kind]", "slack"),
        ("input[secret_url]", url.as_str()),
    ];
    let id = browser.call::<SaveChannel>(&form).await.unwrap().0.to_string();
    let tested = browser.call::<holdfast::alerts::api::TestChannel>(&[("id", &id)]).await.unwrap();
    assert_eq!(tested.state, DeliveryState::GivenUp);
    assert!(tested.answer.contains("loopback") && tested.answer.contains("--allow-webhook-range"), "{tested:?}");
    assert!(hooks.take().is_empty());
}

async fn a_channel_is_changed_without_its_secrets_and_deleted(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let id = scene.webhook("Team", "/hook").await;
    let form = [("input[id]", id.as_str()), ("input[name]", "Night shift"), ("input[enabled]", "true")];
    scene.browser.call::<SaveChannel>(&form).await.unwrap();
    let channel = scene.browser.call::<GetChannel>(&[("id", &id)]).await.unwrap();
    assert_eq!((channel.name.as_str(), channel.for_all), ("Night shift", false));
    assert_eq!(scene.test(&id).await.state, DeliveryState::Delivered);
    let [message] = <[_; 1]>::try_from(scene.hooks.take()).unwrap();
    assert!(is_ours(&message.headers, &message.body, scene.stage.turned.now().timestamp()), "the key was kept");
    let taken = scene
        .browser
        .call::<SaveChannel>(&[
            ("input[name]", "NIGHT shift"),
            ("input[kind]", "slack"),
            ("input[secret_url]", &scene.hooks.url("/")),
        ])
        .await
        .unwrap_err();
    assert!(taken.for_field("name").is_some_and(|words| words.contains("there already")), "{taken:?}");
    scene.browser.call::<DeleteChannel>(&[("id", &id)]).await.unwrap();
    assert!(scene.browser.call::<ListChannels>(&[]).await.unwrap().channels.is_empty());
    let gone = scene.browser.call::<DeleteChannel>(&[("id", &id)]).await.unwrap_err();
    assert!(matches!(gone, AppError::NotFound { .. }), "{gone:?}");
    assert_eq!(scene.log().await.len(), 1, "the log stays");
}
