//! What Odoo does when nobody looks: the end of an undo window, and restores that were given up.

use std::time::{Duration, Instant};

use backup_api::{BackupFormat, JobState, Phase, RestoreStanding};
use testbed::{Cluster, odoo::RestoreTrap};

use crate::{
    setting::{TestClock, until},
    stage::{Stage, start_restore},
};

async fn stage(name: &str, clock: &TestClock) -> Stage {
    let time = clock.clock();
    let change = |config: &mut backup_server::Config| {
        config.clock = time;
        config.recover_pause = Duration::from_millis(100);
    };
    Stage::with(Cluster::shared(), name, BackupFormat::Zip, change).await
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_mins(1), waiting).await.is_ok(), "never: {what}");
}

#[tokio::test]
async fn what_was_replaced_goes_only_while_the_restored_database_is_live() {
    let clock = TestClock::new();
    let stage = stage("rw_window", &clock).await;
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let uuid = "UPDATE ir_config_parameter SET value = '{}' WHERE key = 'database.uuid'";
    let own = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    let own = Cluster::shared().sql("rw_window", own).unwrap();
    // Somebody dropped it, and made another one under its name.
    Cluster::shared().sql("rw_window", &uuid.replace("{}", "another")).unwrap();
    clock.advance(3600);
    let why = async || match stage.served.client.restore_state(job.id).await.unwrap().standing {
        RestoreStanding::Kept { why, .. } => why,
        other => panic!("{other:?}"),
    };
    eventually("it is kept, and why", async || why().await.is_some()).await;
    let why = why().await.unwrap();
    assert!(why.contains("is not one that a restore made"), "{why}");
    assert_eq!(stage.left().0.len(), 2, "{:?}", stage.left());
    Cluster::shared().sql("rw_window", &uuid.replace("{}", &own)).unwrap();
    clock.advance(3600);
    eventually("what was replaced is removed", async || stage.left().0 == ["rw_window"]).await;
    assert!(stage.state("rw_window") == stage.backed_up);
}

/// Odoo has all of the backup: it goes on when nobody waits for it any more.
#[tokio::test]
async fn what_odoo_makes_of_a_cancelled_restore_is_removed_when_it_comes() {
    let clock = TestClock::new();
    let stage = stage("rw_late", &clock).await;
    stage.odoo.set_restore_trap(RestoreTrap::GoesOn);
    let client = &stage.served.client;
    let id = start_restore(client, &stage.backup, &stage.plan()).await;
    until(client, id, |job| job.phase == Phase::OdooRestores).await;
    client.cancel_job(id).await.unwrap();
    let job = until(client, id, |job| job.state.is_final()).await;
    let failure = job.failure.unwrap();
    assert!(failure.message.contains("may still make the database “rw_late_restoring_"), "{failure:?}");
    assert_eq!(job.state, JobState::Cancelled);
    stage.assert_untouched("not yet");
    stage.odoo.release();
    // Nothing else runs in this process meanwhile: nobody removes what is not complete.
    let began = Instant::now();
    while stage.left().1.len() < 2 {
        assert!(began.elapsed() < Duration::from_mins(1), "Odoo does not make it");
        std::thread::sleep(Duration::from_millis(20));
    }
    eventually("it is removed", async || stage.left() == (vec!["rw_late".to_owned()], vec!["rw_late".to_owned()]))
        .await;
    stage.assert_untouched("removed");
    assert_eq!(client.restore_state(id).await.unwrap().standing, RestoreStanding::Open);
    clock.advance(2 * 3600);
    let is_closed = async || {
        let standing = client.restore_state(id).await.unwrap().standing;
        matches!(standing, RestoreStanding::Closed { .. })
    };
    eventually("nothing more is to come", is_closed).await;
}
