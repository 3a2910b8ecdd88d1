//! Planned backups the whole way: made when due, made up for once, tried again or not, one at a time and not too many.

use backup_api::JobState;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use holdfast::{
    backups::{LineResult, Trigger},
    operations::{Operation, OperationKind, api::ListOperations},
    schedules::scheduler::tick,
    subscriptions::SubscriptionId,
};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Trap},
};

use crate::{
    backups::{create, this_machine},
    browser::Browser,
    double::Remote,
    stage::{Stage, odoo_database},
};

on_both_databases!(
    a_due_backup_is_made_once_and_the_missed_ones_only_once,
    what_may_pass_is_tried_again_and_a_wrong_password_is_not,
    one_of_a_subscription_and_so_many_of_a_server,
    a_backup_that_gets_no_further_is_stopped,
);

/// A planned subscription at these times of day.
async fn planned(
    browser: &Browser,
    name: &str,
    server: &str,
    times: &str,
    connection: &[(&str, &str)],
) -> SubscriptionId {
    let schedule = [("input[scheduled]", "true"), ("input[times]", times), ("input[spread]", "0")];
    let connection: Vec<(&str, &str)> = connection.iter().chain(&schedule).copied().collect();
    browser.add(name, connection.iter().find(|(name, _)| *name == "database").unwrap().1, server, &connection).await
}

/// A time of day in two hours, so that no test begins in the middle of it.
fn soon(now: DateTime<Utc>) -> String {
    let then = now + TimeDelta::hours(2);
    format!("{:02}:{:02}", then.hour(), then.minute())
}

async fn operations(browser: &Browser, id: SubscriptionId) -> Vec<Operation> {
    let form = [("filter", "all"), ("subscription", &id.0.to_string()), ("page", "0")];
    let page = browser.call::<ListOperations>(&form).await.unwrap();
    page.operations.into_iter().filter(|operation| operation.kind == OperationKind::Backup).collect()
}

/// Looks at what is planned until there is a new operation of the subscription; gives its end.
pub async fn next_end(stage: &Stage, browser: &Browser, id: SubscriptionId, before: usize) -> Operation {
    let looking = async {
        loop {
            tick(&stage.running().panel).await.unwrap();
            let all = operations(browser, id).await;
            if all.len() > before {
                return all[0].clone();
            }
        }
    };
    let begun = tokio::time::timeout(std::time::Duration::from_mins(1), looking).await.expect("nothing was begun");
    let ended = browser.end_of(begun.id).await;
    tick(&stage.running().panel).await.unwrap();
    ended
}

/// Looks at what is planned, which must begin nothing.
async fn nothing_begins(stage: &Stage, browser: &Browser, id: SubscriptionId) {
    let before = operations(browser, id).await.len();
    for _ in 0..2 {
        tick(&stage.running().panel).await.unwrap();
    }
    assert_eq!(operations(browser, id).await.len(), before);
}

async fn a_due_backup_is_made_once_and_the_missed_ones_only_once(mut stage: Stage) {
    let browser = stage.administrator().await;
    let (database, url) = (odoo_database(), Cluster::shared().url());
    let times = soon(stage.turned.now());
    let filestore = database.filestore.to_string_lossy();
    let connection = [
        ("input[connection]", "postgres"),
        ("input[postgres_url]", url.as_str()),
        ("input[filestore]", &filestore),
        ("database", &database.name),
    ];
    let id = planned(&browser, "Planned", &this_machine(&browser).await, &times, &connection).await;
    nothing_begins(&stage, &browser, id).await;
    stage.turned.forward(TimeDelta::minutes(121));
    let ended = next_end(&stage, &browser, id, 0).await;
    assert_eq!((ended.state, ended.asked_by.as_str()), (JobState::Succeeded, "Holdfast"), "{ended:?}");
    let lines = browser.lines(id).await;
    assert_eq!((lines.len(), lines[0].trigger), (1, Trigger::Schedule));
    nothing_begins(&stage, &browser, id).await;

    // The panel is down for three days: the last run is made up for, and only that.
    stage.stop().await;
    stage.turned.forward(TimeDelta::days(3));
    stage.start().await;
    let browser = stage.administrator().await;
    let ended = next_end(&stage, &browser, id, 1).await;
    assert_eq!(ended.state, JobState::Succeeded);
    nothing_begins(&stage, &browser, id).await;
    assert_eq!(operations(&browser, id).await.len(), 2);
    // The next day goes on as planned.
    stage.turned.forward(TimeDelta::days(1));
    let browser = stage.administrator().await;
    assert_eq!(next_end(&stage, &browser, id, 2).await.state, JobState::Succeeded);
}

async fn what_may_pass_is_tried_again_and_a_wrong_password_is_not(stage: Stage) {
    let browser = stage.administrator().await;
    let (cluster, database) = (Cluster::shared(), odoo_database());
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let (times, url) = (soon(stage.turned.now()), odoo.url());
    let here = this_machine(&browser).await;
    let through = |password: &'static str| {
        [
            ("input[connection]", "odoo_http"),
            ("input[odoo_url]", url.as_str()),
            ("input[master_password]", password),
            ("database", database.name.as_str()),
        ]
    };
    let right = planned(&browser, "Right", &here, &times, &through("a-master-password")).await;
    let wrong = planned(&browser, "Wrong", &here, &times, &through("not-it")).await;
    odoo.set_trap(Trap::Truncated);
    stage.turned.forward(TimeDelta::minutes(121));
    assert_eq!(next_end(&stage, &browser, wrong, 0).await.state, JobState::Failed);
    assert_eq!(next_end(&stage, &browser, right, 0).await.state, JobState::Failed);
    nothing_begins(&stage, &browser, right).await;
    // After five minutes it is tried again, after fifteen more the third time.
    stage.turned.forward(TimeDelta::minutes(6));
    assert_eq!(next_end(&stage, &browser, right, 1).await.state, JobState::Failed);
    stage.turned.forward(TimeDelta::minutes(6));
    nothing_begins(&stage, &browser, right).await;
    odoo.set_trap(Trap::None);
    stage.turned.forward(TimeDelta::minutes(10));
    assert_eq!(next_end(&stage, &browser, right, 2).await.state, JobState::Succeeded);
    stage.turned.forward(TimeDelta::hours(2));
    nothing_begins(&stage, &browser, right).await;
    let results: Vec<bool> = browser.lines(right).await.iter().map(|line| line.result == LineResult::Good).collect();
    assert_eq!(results, [true, false, false]);
    assert_eq!(operations(&browser, wrong).await.len(), 1, "a wrong password does not pass by itself");
}

async fn one_of_a_subscription_and_so_many_of_a_server(stage: Stage) {
    let browser = stage.administrator().await;
    let cluster = Cluster::shared();
    let (odoo, remote) =
        (StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap(), Remote::real(&stage.turned).await);
    let (far, url, times) = (remote.register(&browser, "Far").await, odoo.url(), soon(stage.turned.now()));
    let databases = [odoo_database(), odoo_database(), odoo_database(), odoo_database()];
    let mut ids = Vec::new();
    for (number, database) in databases.iter().enumerate() {
        let connection = [
            ("input[connection]", "odoo_http"),
            ("input[odoo_url]", url.as_str()),
            ("input[master_password]", "a-master-password"),
            ("database", database.name.as_str()),
        ];
        ids.push(planned(&browser, &format!("Number {number}"), &far, &times, &connection).await);
    }
    odoo.set_trap(Trap::Stall);
    // One that somebody began by hand stands in the way of its own planned one.
    let by_hand = create(&browser, ids[0], "zip").await.unwrap();
    stage.turned.forward(TimeDelta::minutes(121));
    for _ in 0..3 {
        tick(&stage.running().panel).await.unwrap();
    }
    let mut begun = Vec::new();
    for id in &ids[1..] {
        begun.extend(operations(&browser, *id).await);
    }
    assert_eq!((begun.len(), operations(&browser, ids[0]).await.len()), (1, 1), "two at once on this server");
    odoo.set_trap(Trap::None);
    odoo.release();
    assert_eq!(browser.end_of(by_hand).await.state, JobState::Succeeded);
    for (number, id) in ids.iter().enumerate() {
        let ended = next_end(&stage, &browser, *id, usize::from(number == 0)).await;
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    }
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(operations(&browser, *id).await.len(), 1 + usize::from(number == 0));
    }
}

async fn a_backup_that_gets_no_further_is_stopped(stage: Stage) {
    let browser = stage.administrator().await;
    let (cluster, database) = (Cluster::shared(), odoo_database());
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    odoo.set_trap(Trap::Stall);
    let url = odoo.url();
    let connection = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", url.as_str()),
        ("input[master_password]", "a-master-password"),
    ];
    let id = browser.add("Stuck", &database.name, &this_machine(&browser).await, &connection).await;
    let operation = create(&browser, id, "zip").await.unwrap();
    browser.watch(operation, |seen| seen.phase == backup_api::Phase::WaitingForOdoo).await;
    stage.turned.forward(TimeDelta::hours(7));
    let ended = browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Failed, "{ended:?}");
    assert!(ended.failure.unwrap().message.contains("no progress for 6 hours"));
}
