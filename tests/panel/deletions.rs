//! A subscription is deleted with its backups: only when nothing else of it goes on, and every step is written down.

use backup_api::{Backup, BackupId};
use holdfast::{
    backups::LineResult,
    error::AppError,
    operations::api::ListActions,
    subscriptions::{
        SubscriptionId,
        api::{DeleteSubscription, SaveSubscription},
    },
};

use crate::{
    backups::create,
    browser::{Browser, KEPT},
    double::Remote,
    remover::Remover,
    restore_scene::{DIRECT, backup},
    stage::Stage,
};

on_both_databases!(
    nothing_is_deleted_while_something_is_under_way,
    nothing_begins_while_it_is_deleted,
    what_was_deleted_before_it_broke_off_is_told,
    the_dialog_asks_about_what_is_deleted,
);

async fn held(browser: &Browser, backups: Vec<Backup>) -> (Remover, Remote, SubscriptionId) {
    let remover = Remover::default();
    let remote = remover.remote().await;
    let id = browser.add("Acme", "acme", &remote.register(browser, "Far").await, &DIRECT).await;
    remover.jobs.held.set(backups);
    assert!(browser.lines(id).await.iter().all(|line| line.result == LineResult::Good));
    (remover, remote, id)
}

async fn delete(browser: &Browser, id: SubscriptionId) -> Result<(), AppError> {
    let form = [("id", id.0.to_string()), ("typed_name", "Acme".to_owned()), ("delete_backups", "true".to_owned())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.call::<DeleteSubscription>(&form).await
}

/// What the action log says of deleting, the oldest first.
async fn told(browser: &Browser) -> Vec<String> {
    let log = browser.call::<ListActions>(&[("search", "delet")]).await.unwrap();
    log.entries.into_iter().rev().map(|entry| entry.what).collect()
}

async fn nothing_is_deleted_while_something_is_under_way(stage: Stage) {
    let browser = stage.administrator().await;
    let (remover, _remote, id) = held(&browser, vec![backup(1, "18.0")]).await;
    // The double does not know how to make backups: this one is tried again and again.
    create(&browser, id, "zip").await.unwrap();
    let busy = delete(&browser, id).await;
    assert!(matches!(&busy, Err(AppError::Conflict(words)) if words.contains("under way")), "{busy:?}");
    assert!(remover.told().deleted.is_empty(), "it was refused after its backups were gone");
    assert!(told(&browser).await.is_empty());
}

async fn nothing_begins_while_it_is_deleted(stage: Stage) {
    let browser = stage.administrator().await;
    let (remover, _remote, id) = held(&browser, vec![backup(1, "18.0"), backup(2, "18.0")]).await;
    remover.answers(false);
    let deleting = tokio::spawn({
        let browser = browser.clone();
        async move { delete(&browser, id).await }
    });
    remover.hears(|told| told.deleted.len() == 1).await;
    for refused in [create(&browser, id, "zip").await.map(drop), delete(&browser, id).await] {
        let words = matches!(&refused, Err(AppError::Conflict(words)) if words.contains("is being deleted"));
        assert!(words, "{refused:?}");
    }
    assert_eq!(told(&browser).await, ["Started deleting the subscription with its 2 backup(s)"]);
    remover.answers(true);
    deleting.await.unwrap().unwrap();
    assert_eq!(
        told(&browser).await[1..],
        ["Deleted 2 backup(s) on “Far”", "Deleted the subscription with its 2 backup(s)"]
    );
}

async fn what_was_deleted_before_it_broke_off_is_told(stage: Stage) {
    let browser = stage.administrator().await;
    let (first, mut near, id) = held(&browser, vec![backup(1, "18.0")]).await;
    let second = Remover::default();
    let mut far = second.remote().await;
    let moved = far.register(&browser, "Farther").await;
    let text = id.0.to_string();
    let mut form = vec![
        ("input[id]", text.as_str()),
        ("input[name]", "Acme"),
        ("input[database]", "acme"),
        ("input[server]", &moved),
    ];
    form.extend(DIRECT);
    form.extend(KEPT);
    browser.call::<SaveSubscription>(&form).await.unwrap();
    second.jobs.held.set(vec![backup(2, "18.0")]);
    stage.turned.forward(chrono::TimeDelta::minutes(2));
    assert_eq!(browser.lines(id).await.len(), 2);
    // Which of them comes first is not said: the one that is there is asked in either case once the other one is, too.
    far.shut().await;
    let stopped = delete(&browser, id).await.unwrap_err();
    assert!(matches!(stopped, AppError::ServerUnreachable { .. }), "{stopped:?}");
    let gone: Vec<BackupId> = first.told().deleted;
    let lines = browser.lines(id).await;
    assert_eq!(lines.len(), 2 - gone.len(), "the lines of what was deleted went with it: {lines:?}");
    let log = told(&browser).await;
    assert_eq!(log[0], "Started deleting the subscription with its 2 backup(s)");
    assert!(log.last().unwrap().contains("stopped at “Farther”"), "{log:?}");
    assert_eq!(log.iter().any(|line| line == "Deleted 1 backup(s) on “Far”"), !gone.is_empty(), "{log:?}");

    // It can be gone on with at once.
    far.open().await;
    delete(&browser, id).await.unwrap();
    assert_eq!(second.told().deleted.len(), 1);
    near.shut().await;
}

async fn the_dialog_asks_about_what_is_deleted(stage: Stage) {
    let browser = stage.administrator().await;
    let (remover, _remote, id) = held(&browser, vec![backup(1, "18.0")]).await;
    remover.jobs.held.set(vec![Backup { size_bytes: 7, ..backup(1, "18.0") }]);
    stage.turned.forward(chrono::TimeDelta::minutes(2));
    assert_eq!(browser.lines(id).await[0].result, LineResult::SizeChanged);
    let text = id.0.to_string();
    let unnamed = browser.call::<DeleteSubscription>(&[("id", &text)]).await.unwrap_err();
    assert!(unnamed.for_field("typed_name").is_some(), "{unnamed:?}");
    let page = browser.page(&format!("/subscriptions/{text}?wizard=delete-subscription")).await.text().await.unwrap();
    assert!(page.contains("Acme has 1 backup") && page.contains(r#"name="typed_name""#), "there is nowhere to type it");
}
