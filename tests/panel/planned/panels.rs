//! Two panels on one PostgreSQL: each run once, and the work of one that is gone goes on in the other.

use backup_api::JobState;
use chrono::{TimeDelta, Timelike};
use holdfast::{
    backups::LineResult,
    operations::{
        Operation, OperationId,
        api::{CancelOperation, ListOperations},
    },
    schedules::scheduler::tick,
    server::{Randomness, Running},
    subscriptions::SubscriptionId,
};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Trap},
};
use uuid::Uuid;

use crate::{
    backups::{create, this_machine},
    browser::Browser,
    double::Remote,
    stage::{Database, Stage, odoo_database},
};

/// A second panel on the same database and with the same key.
async fn another(stage: &Stage) -> Running {
    let mut config = stage.config.clone();
    config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.no_embedded_server = true;
    Running::start(config, stage.turned.clock(), Randomness::of_system()).await.unwrap()
}

async fn planned(stage: &Stage, browser: &Browser, odoo: &StandIn, server: &str, name: &str) -> SubscriptionId {
    let then = stage.turned.now() + TimeDelta::hours(2);
    let (times, url) = (format!("{:02}:{:02}", then.hour(), then.minute()), odoo.url());
    let form = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", url.as_str()),
        ("input[master_password]", "a-master-password"),
        ("input[scheduled]", "true"),
        ("input[times]", &times),
    ];
    browser.add(name, &odoo_database().name, server, &form).await
}

async fn operations(browser: &Browser, id: SubscriptionId) -> Vec<Operation> {
    let form = [("filter", "all"), ("subscription", &id.0.to_string()), ("page", "0")];
    browser.call::<ListOperations>(&form).await.unwrap().operations
}

/// The panel that a run belongs to.
async fn owner(stage: &Stage, id: SubscriptionId) -> Uuid {
    let pool = sqlx::PgPool::connect(stage.config.database_url.as_ref().unwrap().reveal()).await.unwrap();
    let question = "SELECT owner FROM scheduled_runs WHERE subscription_id = $1 AND state = 'running'";
    let (owner,): (Uuid,) = sqlx::query_as(question).bind(id.0).fetch_one(&pool).await.unwrap();
    pool.close().await;
    owner
}

#[tokio::test(flavor = "multi_thread")]
async fn two_panels_begin_each_run_once() {
    let stage = Stage::new(Database::Postgres).await;
    let browser = stage.administrator().await;
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let remote = Remote::real(&stage.turned).await;
    let server = remote.register(&browser, "Far").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(planned(&stage, &browser, &odoo, &server, &format!("Number {number}")).await);
    }
    let second = another(&stage).await;
    stage.turned.forward(TimeDelta::minutes(121));
    let all_done = async {
        loop {
            let (one, other) = tokio::join!(tick(&stage.running().panel), tick(&second.panel));
            one.and(other).unwrap();
            let mut done = 0;
            for id in &ids {
                let operations = operations(&browser, *id).await;
                assert!(operations.len() <= 1, "begun twice: {operations:?}");
                done += operations.iter().filter(|operation| operation.state == JobState::Succeeded).count();
            }
            if done == ids.len() {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), all_done).await.expect("not all were made");
    let (one, other) = tokio::join!(tick(&stage.running().panel), tick(&second.panel));
    assert_eq!((one.unwrap(), other.unwrap()), (0, 0));
    assert_eq!(odoo.backup_posts(), ids.len());
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_in_another_panel_when_its_own_is_gone() {
    let mut stage = Stage::new(Database::Postgres).await;
    let browser = stage.administrator().await;
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    odoo.set_trap(Trap::Stall);
    let remote = Remote::real(&stage.turned).await;
    let id = planned(&stage, &browser, &odoo, &remote.register(&browser, "Far").await, "Taken over").await;
    let second = another(&stage).await;
    stage.turned.forward(TimeDelta::minutes(121));
    tick(&stage.running().panel).await.unwrap();
    let operation = operations(&browser, id).await[0].id;
    // Each looks by itself, too: whichever began it is the one that goes.
    let first = owner(&stage, id).await == stage.running().panel.instance;
    let there = Browser::new(&second.address());
    there.cookie.lock().unwrap().clone_from(&browser.cookie.lock().unwrap());
    let (gone, left) = if first { (&browser, &there) } else { (&there, &browser) };
    gone.watch(operation, |seen| seen.phase == backup_api::Phase::WaitingForOdoo).await;
    let before = owner(&stage, id).await;
    let mut second = Some(second);
    if first {
        stage.stop().await;
    } else {
        second.take().unwrap().stop().await;
    }
    let survivor = second.as_ref().map_or_else(|| stage.running().panel.clone(), |second| second.panel.clone());
    // Not before the lease has ended.
    tick(&survivor).await.unwrap();
    assert_eq!(owner(&stage, id).await, before);
    stage.turned.forward(TimeDelta::minutes(4));
    tick(&survivor).await.unwrap();
    assert_eq!(owner(&stage, id).await, survivor.instance);
    odoo.release();
    assert_eq!(left.end_of(operation).await.state, JobState::Succeeded);
    if let Some(second) = second {
        second.stop().await;
    }
}

/// A panel with a data folder of its own on the same database.
async fn elsewhere(stage: &Stage, folder: &std::path::Path) -> Result<Running, holdfast::server::StartError> {
    let mut config = stage.config.clone();
    config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.data = folder.to_owned();
    Running::start(config, stage.turned.clock(), Randomness::of_system()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_with_another_key_file_does_not_start() {
    let stage = Stage::new(Database::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let refused = elsewhere(&stage, folder.path()).await.err().expect("it could use nothing of what is stored");
    assert!(refused.to_string().contains("sealed with another key file"), "{refused}");
    assert_eq!(stage.number("SELECT COUNT(*) FROM backup_servers").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_the_check_is_not_taken_by_a_panel_with_another_key_file() {
    let stage = Stage::new(Database::Postgres).await;
    let browser = stage.administrator().await;
    let remote = Remote::real(&stage.turned).await;
    remote.register(&browser, "Far").await;
    stage.sql("DELETE FROM key_check").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert!(elsewhere(&stage, folder.path()).await.is_err());
    assert_eq!(stage.number("SELECT COUNT(*) FROM key_check").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_panels_with_their_own_folders_have_their_own_embedded_servers() {
    let mut stage = Stage::new(Database::Postgres).await;
    // As it was before panels were told apart.
    stage.stop().await;
    stage.sql("UPDATE backup_servers SET folder = NULL").await.unwrap();
    stage.start().await;
    let browser = stage.administrator().await;
    let here = this_machine(&browser).await;
    let id = browser.add_direct("Tiny", &odoo_database(), &here).await;
    let ended = browser.end_of(create(&browser, id, "dump").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(stage.config.data.join("secret.key"), folder.path().join("secret.key")).unwrap();
    let second = elsewhere(&stage, folder.path()).await.unwrap();
    assert_eq!(stage.number("SELECT COUNT(*) FROM backup_servers WHERE embedded").await, 2);
    let there = Browser::new(&second.address());
    there.cookie.lock().unwrap().clone_from(&browser.cookie.lock().unwrap());
    stage.turned.forward(TimeDelta::minutes(2));
    let page = there.line_page(id).await;
    assert!(page.server_unreachable.unwrap().contains("This machine"), "another panel's server is not its own");
    assert_eq!(page.lines[0].result, LineResult::Good);
    stage.turned.forward(TimeDelta::minutes(2));
    let page = browser.line_page(id).await;
    assert_eq!((page.server_unreachable, page.lines.len()), (None, 1));
    second.stop().await;
}

/// A backup that somebody began by hand in the first panel, while the second one runs, and that waits for Odoo.
async fn by_hand(stage: &Stage) -> (Running, Browser, Browser, StandIn, Remote, OperationId) {
    let browser = stage.administrator().await;
    let second = another(stage).await;
    let there = Browser::new(&second.address());
    there.cookie.lock().unwrap().clone_from(&browser.cookie.lock().unwrap());
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    odoo.set_trap(Trap::Stall);
    let remote = Remote::real(&stage.turned).await;
    let url = odoo.url();
    let form = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", url.as_str()),
        ("input[master_password]", "a-master-password"),
    ];
    let server = remote.register(&browser, "Far").await;
    let id = browser.add("By hand", &odoo_database().name, &server, &form).await;
    let operation = create(&browser, id, "zip").await.unwrap();
    browser.watch(operation, |seen| seen.phase == backup_api::Phase::WaitingForOdoo).await;
    (second, browser, there, odoo, remote, operation)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_by_hand_goes_on_in_another_panel() {
    let mut stage = Stage::new(Database::Postgres).await;
    let (second, _browser, there, odoo, _remote, operation) = by_hand(&stage).await;
    stage.stop().await;
    stage.turned.forward(TimeDelta::minutes(4));
    tick(&second.panel).await.unwrap();
    odoo.release();
    assert_eq!(there.end_of(operation).await.state, JobState::Succeeded);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_is_asked_for_in_another_panel_is_passed_on() {
    let stage = Stage::new(Database::Postgres).await;
    let (second, browser, there, _odoo, _remote, operation) = by_hand(&stage).await;
    there.call::<CancelOperation>(&[("id", &operation.0.to_string())]).await.unwrap();
    assert_eq!(browser.end_of(operation).await.state, JobState::Cancelled);
    second.stop().await;
}
