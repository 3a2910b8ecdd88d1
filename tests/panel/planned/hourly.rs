//! A schedule that comes round before the last try: its failing is told all the same.

use backup_api::JobState;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use holdfast::{schedules::scheduler::tick, subscriptions::SubscriptionId};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Trap},
};

use super::runs::next_end;
use crate::{
    backups::this_machine,
    browser::Browser,
    stage::{Stage, odoo_database},
};

on_both_databases!(an_hourly_backup_that_always_fails_is_told, tries_are_counted_on_when_the_schedule_is_changed);

const FAILED: &str = "SELECT COUNT(*) FROM alert_causes WHERE kind = 'failed'";

/// A subscription whose Odoo breaks off, backed up every hour; gives the first of them.
async fn hourly(stage: &Stage, browser: &Browser, odoo: &StandIn) -> (SubscriptionId, DateTime<Utc>) {
    odoo.set_trap(Trap::Truncated);
    let now = stage.turned.now().duration_trunc(TimeDelta::hours(1)).unwrap() + TimeDelta::minutes(30);
    stage.turned.stop_at(now);
    let url = odoo.url();
    let form = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", url.as_str()),
        ("input[master_password]", "a-master-password"),
        ("input[scheduled]", "true"),
        ("input[repeats]", "cron"),
        ("input[cron]", "0 * * * *"),
    ];
    let id = browser.add("Hourly", &odoo_database().name, &this_machine(browser).await, &form).await;
    (id, now + TimeDelta::minutes(30))
}

/// The next try fails at this moment; gives how many are told to have failed.
async fn fails(stage: &Stage, browser: &Browser, id: SubscriptionId, tried: usize, at: DateTime<Utc>) -> i64 {
    stage.turned.stop_at(at);
    assert_eq!(next_end(stage, browser, id, tried).await.state, JobState::Failed);
    stage.number(FAILED).await
}

async fn an_hourly_backup_that_always_fails_is_told(stage: Stage) {
    let browser = stage.administrator().await;
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let (id, first) = hourly(&stage, &browser, &odoo).await;
    // Tries after 0, 5 and 20 minutes; the fourth would come after 65, when the next hour's backup is due.
    for (tried, minutes) in [0, 6, 22].into_iter().enumerate() {
        let told = fails(&stage, &browser, id, tried, first + TimeDelta::minutes(minutes)).await;
        assert_eq!(told, 0, "it is tried again");
    }
    let told = fails(&stage, &browser, id, 3, first + TimeDelta::minutes(60)).await;
    assert_eq!(told, 1, "the next hour's backup is the last try");
    // The hour after that begins to count anew, and once it is made all is well.
    odoo.set_trap(Trap::None);
    stage.turned.stop_at(first + TimeDelta::minutes(120));
    assert_eq!(next_end(&stage, &browser, id, 4).await.state, JobState::Succeeded);
    assert_eq!(stage.number(FAILED).await, 0);
    assert_eq!(stage.number("SELECT attempts FROM scheduled_runs ORDER BY slot DESC LIMIT 1").await, 1);
}

async fn tries_are_counted_on_when_the_schedule_is_changed(stage: Stage) {
    let browser = stage.administrator().await;
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let (id, first) = hourly(&stage, &browser, &odoo).await;
    fails(&stage, &browser, id, 0, first).await;
    fails(&stage, &browser, id, 1, first + TimeDelta::minutes(6)).await;
    stage.sql("UPDATE scheduled_runs SET state = 'merged' WHERE state = 'waiting'").await.unwrap();
    tick(&stage.running().panel).await.unwrap();
    assert_eq!(fails(&stage, &browser, id, 2, first + TimeDelta::minutes(60)).await, 0);
    assert_eq!(fails(&stage, &browser, id, 3, first + TimeDelta::minutes(106)).await, 1);
}
