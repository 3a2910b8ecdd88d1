//! Backups the whole way, on the embedded server and on another one.

use backup_api::{BackupFormat, JobState, Phase};
use holdfast::{
    backup_servers::api::ListServers,
    backups::{
        BackupLine, LineResult, ServerKit, Trigger,
        api::{CreateBackup, DeleteLine, DownloadLink, SetComment, SetPinned, ShowRecoveryKits, VerifyBackups},
    },
    error::AppError,
    operations::{
        OperationId, OperationKind,
        api::{CancelOperation, ListActions, OperationLog},
    },
    subscriptions::{BackupState, SubscriptionId, api::DeleteSubscription},
    users::Role,
};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Trap},
};

use crate::{
    browser::{Browser, reason},
    stage::{Stage, odoo_database},
};

on_both_databases!(
    a_backup_is_made_downloaded_and_deleted,
    a_failed_backup_leaves_a_line_and_nothing_else,
    a_failed_backup_after_a_good_one_changes_no_figure,
    one_at_a_time_and_cancelled_on_request,
);

pub async fn this_machine(browser: &Browser) -> String {
    let servers = browser.call::<ListServers>(&[]).await.unwrap().servers;
    servers.iter().find(|server| server.embedded).unwrap().id.0.to_string()
}

pub async fn create(browser: &Browser, id: SubscriptionId, format: &str) -> Result<OperationId, AppError> {
    let form = [
        ("subscription", id.0.to_string()),
        ("format", format.to_owned()),
        ("comment", "Before the update".to_owned()),
    ];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.call::<CreateBackup>(&form).await
}

async fn a_backup_is_made_downloaded_and_deleted(stage: Stage) {
    let browser = stage.administrator().await;
    let database = odoo_database();
    let id = browser.add_direct("Tiny", &database, &this_machine(&browser).await).await;
    let operator = stage.signed_in(Role::Operator).await;
    let operation = create(&operator, id, "zip").await.unwrap();
    let ended = operator.end_of(operation).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    let lines = operator.lines(id).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (line.result.clone(), line.trigger, line.format),
        (LineResult::Good, Trigger::Manual, BackupFormat::Zip)
    );
    assert_eq!((line.comment.as_str(), line.operation), ("Before the update", Some(operation)));
    assert_eq!(line.odoo_version.as_deref(), Some("18.0"));
    let (present, expected) = line.attachments.unwrap();
    assert!(present > 0 && present == expected);
    let now = operator.subscription(id).await;
    assert_eq!((now.backup_count, now.latest_bytes), (1, line.size_bytes));
    assert_eq!(now.stored_bytes, line.stored_bytes.unwrap());
    assert_eq!(now.standing.state(now.as_of), BackupState::Normal);
    assert_eq!(now.odoo_version.as_deref(), Some("18.0"));
    let log = operator.call::<OperationLog>(&[("id", &operation.0.to_string())]).await.unwrap();
    assert!(!log.is_empty());

    let whose = id.0.to_string();
    let verified = operator.call::<VerifyBackups>(&[("subscription", &whose)]).await.unwrap();
    let ended = operator.end_of(verified).await;
    assert_eq!((ended.kind, ended.state), (OperationKind::Verify, JobState::Succeeded), "{ended:?}");
    assert_eq!(operator.lines(id).await.len(), 1, "verifying makes no line");

    let text = line.id.0.to_string();
    let url = operator.call::<DownloadLink>(&[("line", &text)]).await.unwrap();
    assert!(url.starts_with("/this-machine/v1/downloads/"), "{url}");
    let by_route = operator.get(&format!("/lines/{text}/download")).await;
    assert_eq!(by_route.status(), 303);
    let by_route = by_route.headers()["location"].to_str().unwrap().to_owned();
    for url in [url, by_route] {
        let answer = stage.browser().get(&url).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(&line.name));
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(Some(u64::try_from(bytes.len()).unwrap()), line.size_bytes);
        assert!(bytes.starts_with(b"PK"));
    }

    operator.call::<SetComment>(&[("line", &text), ("comment", "Kept for the audit")]).await.unwrap();
    operator.call::<SetPinned>(&[("line", &text), ("pinned", "true")]).await.unwrap();
    let pinned = operator.call::<DeleteLine>(&[("line", &text)]).await.unwrap_err();
    assert!(matches!(pinned, AppError::Conflict(_)));
    operator.call::<SetPinned>(&[("line", &text)]).await.unwrap();
    operator.call::<DeleteLine>(&[("line", &text)]).await.unwrap();
    stage.turned.forward(chrono::TimeDelta::minutes(2));
    assert!(operator.lines(id).await.is_empty(), "gone from the server too, or it would be found again");
    let now = operator.subscription(id).await;
    assert_eq!((now.backup_count, now.stored_bytes, now.standing.latest), (0, 0, None));
    let kits = browser.call::<ShowRecoveryKits>(&[("subscription", &id.0.to_string())]).await.unwrap();
    let [ServerKit { server, kit: Ok(kit) }] = kits.as_slice() else { panic!("{kits:?}") };
    assert!(server == "This machine" && !kit.password.reveal().is_empty());
    let log = operator.call::<ListActions>(&[("subscription", &id.0.to_string())]).await.unwrap();
    let told: Vec<&str> = log.entries.iter().rev().map(|entry| entry.what.split_whitespace().next().unwrap()).collect();
    assert_eq!(
        told,
        [
            "Added", "Started", "Created", "Started", "Verified", "Made", "Made", "Changed", "Pinned", "Unpinned",
            "Deleted", "Showed"
        ]
    );
}

async fn a_failed_backup_leaves_a_line_and_nothing_else(stage: Stage) {
    let browser = stage.administrator().await;
    let (cluster, database) = (Cluster::shared(), odoo_database());
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let connection = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", &odoo.url()),
        ("input[master_password]", "a-master-password"),
    ];
    let id = browser.add("Tiny", &database.name, &this_machine(&browser).await, &connection).await;
    odoo.set_trap(Trap::Truncated);
    let ended = browser.end_of(create(&browser, id, "zip").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Failed);
    let lines = browser.lines(id).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(line.result, LineResult::Failed { reason: reason(&ended).to_owned() });
    assert_eq!((line.size_bytes, line.attachments), (None, None));
    assert!(line.name.starts_with(&database.name));
    let now = browser.subscription(id).await;
    assert_eq!((now.backup_count, now.standing.latest, now.stored_bytes), (0, None, 0));
    assert_eq!(now.standing.state(now.as_of), BackupState::Danger);
    let text = line.id.0.to_string();
    for refused in [
        browser.call::<DownloadLink>(&[("line", &text)]).await.map(drop),
        browser.call::<SetPinned>(&[("line", &text), ("pinned", "true")]).await,
    ] {
        assert!(matches!(refused, Err(AppError::Conflict(_))), "{refused:?}");
    }
    assert_eq!(browser.get(&format!("/lines/{text}/download")).await.status(), 409);
    let log = browser.call::<ListActions>(&[("search", "did not succeed")]).await.unwrap();
    assert_eq!(log.matching, 1);

    odoo.set_trap(Trap::None);
    let ended = browser.end_of(create(&browser, id, "dump").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!(browser.lines(id).await.len(), 2);
    browser.call::<DeleteLine>(&[("line", &text)]).await.unwrap();
    assert_eq!(browser.subscription(id).await.backup_count, 1);
}

async fn a_failed_backup_after_a_good_one_changes_no_figure(stage: Stage) {
    let browser = stage.administrator().await;
    let (cluster, database) = (Cluster::shared(), odoo_database());
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let url = odoo.url();
    let connection = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", &url),
        ("input[master_password]", "a-master-password"),
    ];
    let id = browser.add("Tiny", &database.name, &this_machine(&browser).await, &connection).await;
    let ended = browser.end_of(create(&browser, id, "zip").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    // Two days later it is another state than right after a backup; the session has ended by then.
    stage.turned.forward(chrono::TimeDelta::days(2));
    let browser = stage.administrator().await;
    let figures = async || {
        let now = browser.subscription(id).await;
        (now.standing, now.standing.state(now.as_of), now.backup_count, now.latest_bytes, now.stored_bytes)
    };
    let before = figures().await;
    assert_eq!((before.1, before.2), (BackupState::Warning, 1));
    assert!(before.3.is_some() && before.4 > 0, "{before:?}");

    odoo.set_trap(Trap::Truncated);
    let ended = browser.end_of(create(&browser, id, "zip").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Failed);
    let results: Vec<bool> = browser.lines(id).await.iter().map(BackupLine::is_usable).collect();
    assert_eq!(results, [false, true], "the failed one is the newer line");
    assert_eq!(figures().await, before);
}

async fn one_at_a_time_and_cancelled_on_request(stage: Stage) {
    let browser = stage.administrator().await;
    let (cluster, database) = (Cluster::shared(), odoo_database());
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    odoo.set_trap(Trap::Stall);
    let connection = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", &odoo.url()),
        ("input[master_password]", "a-master-password"),
    ];
    let id = browser.add("Tiny", &database.name, &this_machine(&browser).await, &connection).await;
    let operation = create(&browser, id, "zip").await.unwrap();
    browser.watch(operation, |seen| seen.phase == Phase::WaitingForOdoo).await;
    assert!(browser.line_page(id).await.busy);
    let page = browser.get(&format!("/subscriptions/{}", id.0)).await.text().await.unwrap();
    let row = page.split("Create the first backup").next().unwrap().rsplit("<div").next().unwrap();
    assert!(row.contains("hidden"), "the first backup is not offered while it is made: {row}");
    let second = create(&browser, id, "zip").await.unwrap_err();
    assert!(matches!(&second, AppError::Conflict(words) if words.contains("under way")), "{second:?}");
    let busy = browser.call::<DeleteSubscription>(&[("id", &id.0.to_string())]).await.unwrap_err();
    assert!(matches!(busy, AppError::Conflict(_)), "{busy:?}");
    browser.call::<CancelOperation>(&[("id", &operation.0.to_string())]).await.unwrap();
    assert_eq!(browser.end_of(operation).await.state, JobState::Cancelled);
    let page = browser.line_page(id).await;
    assert!(page.lines.is_empty() && !page.busy);
    let again = browser.call::<CancelOperation>(&[("id", &operation.0.to_string())]).await.unwrap_err();
    assert!(matches!(again, AppError::Conflict(_)));
    odoo.set_trap(Trap::None);
    let ended = browser.end_of(create(&browser, id, "zip").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
}
