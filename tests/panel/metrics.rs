//! `/metrics`: who may read them, and whether they say what is so.

use std::os::unix::fs::PermissionsExt;

use backup_api::{JobState, Secret};
use chrono::TimeDelta;
use reqwest::{Method, header};

use crate::{
    alerts::scene::Scene,
    backups::{create, this_machine},
    browser::Browser,
    stage::{Stage, odoo_database},
};

on_both_databases!(figures_say_what_is_so, only_the_token_opens_them, a_channel_that_fails_is_told);

async fn scrape(stage: &Stage) -> String {
    let token = std::fs::read_to_string(stage.config.data.join("metrics.token")).unwrap();
    let answer = with_token(&stage.browser(), token.trim()).await;
    assert_eq!(answer.status(), 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.headers()[header::CONTENT_TYPE], kind);
    answer.text().await.unwrap()
}

async fn with_token(browser: &Browser, token: &str) -> reqwest::Response {
    browser.request(Method::GET, "/metrics").bearer_auth(token).send().await.unwrap()
}

/// That as a number.
fn number(text: &str, name: &str, label: &str) -> f64 {
    value(text, name, label).parse().unwrap()
}

/// The value of the only series whose name and labels begin and go on so.
fn value(text: &str, name: &str, label: &str) -> String {
    let of = |line: &&str| line.starts_with(&format!("holdfast_{name}{{")) && line.contains(label);
    let found: Vec<&str> = text.lines().filter(of).collect();
    let [line] = found.as_slice() else { panic!("{name} {label}: {found:?} in {text}") };
    line.rsplit(' ').next().unwrap().to_owned()
}

async fn figures_say_what_is_so(stage: Stage) {
    let browser = stage.administrator().await;
    let database = odoo_database();
    let id = browser.add_direct("Bäckerei \"Zum Löwen\" \\ 2", &database, &this_machine(&browser).await).await;
    browser.add_direct("Nowhere", &database, "").await;
    let before = scrape(&stage).await;
    assert!(before.ends_with("# EOF\n"));
    let whose = format!("id=\"{}\",subscription=\"Bäckerei \\\"Zum Löwen\\\" \\\\ 2\"", id.0);
    let of_state = |text: &str, state: &str| {
        value(text, "subscription_state", &format!("{whose},database=\"{}\",state=\"{state}\"", database.name))
    };
    assert_eq!([of_state(&before, "normal"), of_state(&before, "danger")], ["0", "1"]);
    assert!(!before.contains("holdfast_subscription_last_success_timestamp_seconds{"));
    assert_eq!(
        value(
            &before,
            "subscription_state",
            &format!("subscription=\"Nowhere\",database=\"{}\",state=\"not_configured\"", database.name)
        ),
        "1"
    );

    let began = stage.turned.now();
    let operation = create(&browser, id, "zip").await.unwrap();
    let ended = browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    let after = scrape(&stage).await;
    assert_eq!([of_state(&after, "normal"), of_state(&after, "danger")], ["1", "0"]);
    let line = browser.lines(id).await.remove(0);
    let at = number(&after, "subscription_last_success_timestamp_seconds", &whose);
    assert!((at - TimeDelta::milliseconds(line.created_at.timestamp_millis()).as_seconds_f64()).abs() < 0.001, "{at}");
    assert_eq!(value(&after, "subscription_last_size_bytes", &whose), line.size_bytes.unwrap().to_string());
    let took = number(&after, "subscription_last_duration_seconds", &whose);
    assert!(took > 0.0 && took < (stage.turned.now() - began).as_seconds_f64(), "{took}");
    assert_eq!(value(&after, "subscription_backups", &whose), "1");
    assert_eq!(value(&after, "subscription_stored_bytes", &whose), line.stored_bytes.unwrap().to_string());
    assert_eq!(value(&after, "operations_total", "kind=\"backup\",result=\"succeeded\""), "1");
    assert_eq!(value(&after, "server_reachable", "server=\"This machine\""), "1");
    let free = number(&after, "server_free_bytes", "server=\"This machine\"");
    assert!(free > 0.0 && free < number(&after, "server_total_bytes", "server=\"This machine\""));

    stage.turned.forward(TimeDelta::days(1));
    let later = scrape(&stage).await;
    assert_eq!([of_state(&later, "normal"), of_state(&later, "warning")], ["0", "1"]);
}

async fn only_the_token_opens_them(mut stage: Stage) {
    let administrator = stage.administrator().await;
    for browser in [&administrator, &stage.browser()] {
        let refused = browser.get("/metrics").await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()[header::WWW_AUTHENTICATE]),
            (401, &"Bearer".parse().unwrap())
        );
        assert!(refused.text().await.unwrap().contains("metrics.token"));
    }
    let file = stage.config.data.join("metrics.token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(with_token(&stage.browser(), &kept.trim()[1..]).await.status(), 401);

    stage.stop().await;
    stage.start().await;
    assert_eq!(with_token(&stage.browser(), kept.trim()).await.status(), 200, "a restart keeps it");

    stage.stop().await;
    stage.config.metrics_token = Some(Secret::new("of-the-settings-0123"));
    stage.start().await;
    assert_eq!(with_token(&stage.browser(), kept.trim()).await.status(), 401);
    assert_eq!(with_token(&stage.browser(), "of-the-settings-0123").await.status(), 200);
}

async fn a_channel_that_fails_is_told(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let channel = scene.webhook("Team", "/hook").await;
    scene.hooks.answers(&[(404, "no such hook")]);
    for (fails, why) in [("1", "it was refused"), ("0", "it arrived")] {
        scene.test(&channel).await;
        assert_eq!(value(&scrape(&scene.stage).await, "alert_channel_failing", "channel=\"Team\""), fails, "{why}");
    }
}
