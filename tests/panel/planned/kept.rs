//! Retention the whole way: previewed, shown on lines, applied after a good backup and on request.

use std::time::Duration;

use backup_api::{Backup, BackupFormat, JobState};
use chrono::TimeDelta;
use holdfast::{
    backups::{BackupLine, api::SetPinned},
    error::AppError,
    operations::{
        OperationKind,
        api::{ListActions, OperationLog},
    },
    retention::{Fate, Reason, api::ApplyRetention},
    schedules::api::PreviewPlan,
    subscriptions::{SubscriptionId, api::SaveSubscription},
};

use crate::{
    backups::{create, this_machine},
    browser::Browser,
    double::Held,
    restore_scene,
    stage::{Stage, odoo_database},
};

on_both_databases!(
    retention_removes_what_the_rule_does_not_keep,
    a_pinned_backup_and_the_last_one_stay,
    holdfast_removes_nothing_by_itself_while_older_ones_may_be_needed,
);

/// A good backup; gives the lines once the rule was applied to them.
async fn back_up(browser: &Browser, id: SubscriptionId) -> Vec<BackupLine> {
    let ended = browser.end_of(create(browser, id, "dump").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    let applied = async {
        loop {
            let page = browser.line_page(id).await;
            if page.to_remove == 0 && !page.busy {
                return page.lines;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), applied).await.expect("retention was not applied")
}

/// The form of a subscription with other numbers, and what else a test changes.
async fn numbers(
    browser: &Browser,
    id: SubscriptionId,
    kept: [&str; 4],
    more: &[(&str, &str)],
) -> Vec<(String, String)> {
    let now = browser.subscription(id).await;
    let (server, _) = now.server.unwrap();
    let mut form = vec![
        ("input[id]".to_owned(), id.0.to_string()),
        ("input[name]".to_owned(), now.name),
        ("input[database]".to_owned(), now.database),
        ("input[server]".to_owned(), server.0.to_string()),
        ("input[connection]".to_owned(), "postgres".to_owned()),
    ];
    for (name, value) in ["daily", "weekly", "monthly", "keep_latest"].into_iter().zip(kept) {
        form.push((format!("input[{name}]"), value.to_owned()));
    }
    form.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    form
}

fn borrowed(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn fates(lines: &[BackupLine]) -> Vec<String> {
    lines.iter().map(|line| line.fate.as_ref().unwrap().in_words()).collect()
}

async fn retention_removes_what_the_rule_does_not_keep(stage: Stage) {
    let mut browser = stage.administrator().await;
    let id = browser.add_direct("Tiny", &odoo_database(), &this_machine(&browser).await).await;
    let text = id.0.to_string();
    let nothing = browser.call::<ApplyRetention>(&[("subscription", &text)]).await.unwrap_err();
    assert!(matches!(nothing, AppError::Conflict(_)), "{nothing:?}");
    // Nine days, with two backups on the first: of the default policy seven daily ones are left, and perhaps a week's.
    back_up(&browser, id).await;
    for _ in 0..9 {
        back_up(&browser, id).await;
        stage.turned.forward(TimeDelta::days(1));
        // A session does not last so long.
        browser = stage.administrator().await;
    }
    let lines = browser.lines(id).await;
    assert!((7..=9).contains(&lines.len()), "{:?}", fates(&lines));
    assert!(lines.iter().all(|line| matches!(line.fate, Some(Fate::Kept { .. }))), "{:?}", fates(&lines));
    let days: Vec<_> = lines.iter().map(|line| line.created_at.date_naive()).collect();
    assert!(days.windows(2).all(|pair| pair[0] > pair[1]), "one of a day: {days:?}");
    let actions =
        browser.call::<ListActions>(&[("search", "rule does not keep"), ("subscription", &text)]).await.unwrap();
    assert!(actions.entries.iter().all(|entry| entry.who == "Holdfast"), "{actions:?}");
    assert!(actions.matching >= 2, "{}", actions.matching);

    // Before other numbers are saved, the form says what they would remove.
    let form = numbers(&browser, id, ["2", "0", "0", "3"], &[]).await;
    let preview = browser.call::<PreviewPlan>(&borrowed(&form)).await.unwrap().retention.unwrap();
    assert_eq!((preview.stays.len(), preview.goes.len()), (3, lines.len() - 3));
    assert_eq!(preview.stays[0].name, lines[0].name);
    assert_eq!(
        preview.stays.iter().map(|line| line.reasons.as_str()).collect::<Vec<_>>(),
        ["daily, latest", "daily", "latest"]
    );
    assert_eq!(browser.lines(id).await.len(), lines.len(), "nothing was removed by looking");
    browser.call::<SaveSubscription>(&borrowed(&form)).await.unwrap();
    let page = browser.line_page(id).await;
    assert_eq!((page.lines.len(), page.to_remove), (lines.len(), lines.len() as u64 - 3), "nor by saving");
    assert_eq!(page.lines[4].fate, Some(Fate::Goes));

    // On request.
    let before = browser.subscription(id).await;
    let operation = browser.call::<ApplyRetention>(&[("subscription", &text)]).await.unwrap();
    let ended = browser.end_of(operation).await;
    assert_eq!((ended.kind, ended.state), (OperationKind::Retention, JobState::Succeeded), "{ended:?}");
    let log = browser.call::<OperationLog>(&[("id", &operation.0.to_string())]).await.unwrap();
    let removed = log.iter().filter(|line| line.message.starts_with("Removed the backup")).count();
    let freed = log.iter().filter(|line| line.message.starts_with("Freed")).count();
    assert_eq!((removed, freed), (lines.len() - 3, 1), "{log:?}");
    let left = browser.lines(id).await;
    assert_eq!(
        left.iter().map(|line| line.id).collect::<Vec<_>>(),
        lines[..3].iter().map(|line| line.id).collect::<Vec<_>>()
    );
    let now = browser.subscription(id).await;
    assert_eq!((now.backup_count, now.latest_bytes), (3, before.latest_bytes));
    assert_eq!(now.stored_bytes, left.iter().map(|line| line.stored_bytes.unwrap()).sum::<u64>());
    // What the server holds agrees, and nothing is called missing.
    stage.turned.forward(TimeDelta::minutes(2));
    assert_eq!(browser.lines(id).await.len(), 3);
    let again = browser.call::<ApplyRetention>(&[("subscription", &text)]).await.unwrap_err();
    assert!(matches!(again, AppError::Conflict(_)), "{again:?}");
}

async fn a_pinned_backup_and_the_last_one_stay(stage: Stage) {
    let browser = stage.administrator().await;
    let id = browser.add_direct("Tiny", &odoo_database(), &this_machine(&browser).await).await;
    let form =
        numbers(&browser, id, ["0", "0", "0", "1"], &[("input[scheduled]", "true"), ("input[times]", "02:00")]).await;
    browser.call::<SaveSubscription>(&borrowed(&form)).await.unwrap();
    back_up(&browser, id).await;
    let pinned = browser.lines(id).await[0].clone();
    let Some(Fate::Kept { reasons, until: Some(_) }) = &pinned.fate else { panic!("{:?}", pinned.fate) };
    assert_eq!(reasons, &[Reason::Latest], "it goes when the next planned one is made");
    browser.call::<SetPinned>(&[("line", &pinned.id.0.to_string()), ("pinned", "true")]).await.unwrap();
    for _ in 0..3 {
        stage.turned.forward(TimeDelta::minutes(5));
        back_up(&browser, id).await;
    }
    let lines = browser.lines(id).await;
    assert_eq!(lines.len(), 2, "{:?}", fates(&lines));
    assert_eq!(lines[1].id, pinned.id);
    assert!(fates(&lines)[0].starts_with("Kept as: latest · until about"), "{:?}", fates(&lines));
    assert_eq!(fates(&lines)[1], "Kept as: pinned");
}

/// The rule keeps one.
const ONE: &str = "UPDATE subscriptions SET keep_daily = 0, keep_weekly = 0, keep_monthly = 0, keep_latest = 1";

/// What waits to be removed, and why, after some good backups.
async fn waiting(stage: &Stage, browser: &Browser, id: SubscriptionId, made: usize) -> (u64, String) {
    for _ in 0..made {
        stage.turned.forward(TimeDelta::minutes(2));
        // Were anything removed after the one before, this one would not begin.
        let ended = browser.end_of(create(browser, id, "dump").await.unwrap()).await;
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    }
    let page = browser.line_page(id).await;
    (page.to_remove, page.retention_waits.unwrap_or_default())
}

async fn holdfast_removes_nothing_by_itself_while_older_ones_may_be_needed(stage: Stage) {
    let browser = stage.administrator().await;
    let held = Held::default();
    let mut remote = held.remote().await;
    let (far, here) = (remote.register(&browser, "Far").await, this_machine(&browser).await);
    let id = browser.add_direct("Tiny", &odoo_database(), &far).await;
    stage.sql(ONE).await.unwrap();
    let damage = "INSERT INTO alert_causes (kind, subject, subscription_id, level, news, since)
                  SELECT 'damage', id, id, '', '{}', 0 FROM subscriptions";
    stage.sql(damage).await.unwrap();
    // One of its backups is on another server; a dump as those that follow, as the last zip would stay.
    held.set(vec![Backup { format: BackupFormat::Dump, ..restore_scene::backup(1, "18.0") }]);
    assert_eq!(browser.lines(id).await.len(), 1);
    let mut form = numbers(&browser, id, ["0", "0", "0", "1"], &[]).await;
    form.iter_mut().find(|(name, _)| name == "input[server]").unwrap().1.clone_from(&here);
    browser.call::<SaveSubscription>(&borrowed(&form)).await.unwrap();
    let (to_remove, why) = waiting(&stage, &browser, id, 3).await;
    assert_eq!(to_remove, 3);
    assert!(why.contains("what is stored is damaged"), "{why}");
    // By hand it is possible.
    let operation = browser.call::<ApplyRetention>(&[("subscription", &id.0.to_string())]).await.unwrap();
    assert_eq!(browser.end_of(operation).await.state, JobState::Succeeded);
    assert_eq!(browser.lines(id).await.len(), 2);

    // The other server is away, and was when what follows from the last backup was looked at.
    remote.shut().await;
    waiting(&stage, &browser, id, 1).await;
    stage.sql("DELETE FROM alert_causes").await.unwrap();
    let (to_remove, why) = waiting(&stage, &browser, id, 2).await;
    assert_eq!(to_remove, 4);
    assert!(why.contains("not certain what is there") && why.contains("“Far”"), "{why}");
}
