//! The lines follow what the server says that it holds.

use backup_api::{Backup, BackupFormat, BackupId, DatabaseName, RepositoryId};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast::{
    backups::{LineResult, Trigger},
    operations::api::ListActions,
};
use uuid::Uuid;

use crate::{double::Held, stage::Stage};

on_both_databases!(
    lines_are_found_missing_changed_and_back,
    a_server_that_suddenly_holds_nothing_is_not_believed,
    a_server_is_asked_once_a_minute,
);

pub const DIRECT: [(&str, &str); 2] =
    [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo@db/")];

pub fn backup(number: u128, created_at: DateTime<Utc>, size_bytes: u64) -> Backup {
    Backup {
        id: BackupId(Uuid::from_u128(number)),
        repository: RepositoryId(Uuid::nil()),
        created_at,
        database: DatabaseName::parse("acme").unwrap(),
        format: BackupFormat::Zip,
        file_name: format!("acme_{number}.zip"),
        size_bytes,
        stored_bytes: size_bytes / 10,
        dump_sha256: String::new(),
        dump_bytes: 1,
        attachments: None,
        odoo_version: Some("18.0".to_owned()),
        postgres_version: None,
        comment: "made elsewhere".to_owned(),
    }
}

async fn lines_are_found_missing_changed_and_back(stage: Stage) {
    let browser = stage.administrator().await;
    let held = Held::default();
    let mut remote = held.remote().await;
    let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
    let now = stage.turned.now();
    let (new, old) = (backup(2, now - TimeDelta::hours(1), 2000), backup(1, now - TimeDelta::days(3), 1000));
    let results = async || {
        stage.turned.forward(TimeDelta::minutes(2));
        browser.lines(id).await.into_iter().map(|line| line.result).collect::<Vec<_>>()
    };
    held.set(vec![new.clone(), old.clone()]);
    assert_eq!(results().await, [LineResult::Good, LineResult::Good]);
    let lines = browser.lines(id).await;
    assert!(lines.iter().all(|line| line.trigger == Trigger::Found && line.comment == "made elsewhere"));
    let standing = browser.subscription(id).await;
    assert_eq!((standing.backup_count, standing.latest_bytes, standing.stored_bytes), (2, Some(2000), 300));

    held.set(vec![old.clone()]);
    assert_eq!(results().await, [LineResult::Missing, LineResult::Good]);
    let standing = browser.subscription(id).await;
    assert_eq!((standing.backup_count, standing.latest_bytes), (1, Some(1000)), "what is missing does not count");
    held.set(vec![new.clone(), Backup { size_bytes: 7, ..old.clone() }]);
    assert_eq!(results().await, [LineResult::Good, LineResult::SizeChanged]);
    assert_eq!(browser.subscription(id).await.backup_count, 1);

    remote.shut().await;
    assert_eq!(results().await, [LineResult::Good, LineResult::SizeChanged], "no answer changes nothing");
    held.set(vec![new, old]);
    remote.open().await;
    assert_eq!(results().await, [LineResult::Good, LineResult::Good]);
    let log = browser.call::<ListActions>(&[("subscription", &id.0.to_string())]).await.unwrap();
    assert_eq!(log.entries.iter().filter(|entry| entry.who == "Holdfast").count(), 5, "{log:?}");
}

async fn a_server_that_suddenly_holds_nothing_is_not_believed(stage: Stage) {
    let browser = stage.administrator().await;
    let held = Held::default();
    let remote = held.remote().await;
    let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
    let now = stage.turned.now();
    let both = vec![backup(2, now - TimeDelta::hours(1), 2000), backup(1, now - TimeDelta::days(3), 1000)];
    let page = async || {
        stage.turned.forward(TimeDelta::minutes(2));
        browser.line_page(id).await
    };
    assert_eq!(page().await.server_unreachable, None, "nothing was there before");
    held.set(both.clone());
    assert_eq!(page().await.lines.len(), 2);
    held.set(Vec::new());
    let seen = page().await;
    let words = seen.server_unreachable.unwrap();
    assert!(words.contains("“Far”") && words.contains("2 backup(s) were there"), "{words}");
    assert!(seen.lines.iter().all(|line| line.result == LineResult::Good), "{:?}", seen.lines);
    assert_eq!(browser.subscription(id).await.backup_count, 2);
    held.set(vec![both[1].clone()]);
    let seen = page().await;
    assert_eq!(seen.server_unreachable, None);
    assert_eq!(seen.lines[0].result, LineResult::Missing, "one of several that is gone, is gone");
}

async fn a_server_is_asked_once_a_minute(stage: Stage) {
    let browser = stage.administrator().await;
    let held = Held::default();
    let remote = held.remote().await;
    let id = browser.add("Acme", "acme", &remote.register(&browser, "Far").await, &DIRECT).await;
    stage.turned.stop_at(stage.turned.now());
    for _ in 0..5 {
        browser.lines(id).await;
    }
    assert_eq!(held.asked(), 1);
    stage.turned.stop_at(stage.turned.now() + TimeDelta::minutes(1));
    browser.lines(id).await;
    assert_eq!(held.asked(), 2);
}
