//! The end of an undo window, and people who rename or drop databases meanwhile: the last good one is never removed.

use backup_api::{BackupFormat, JobId, JobState, RestorePlan, RestoreStanding, StartUndo};
use testbed::Cluster;
use uuid::Uuid;

use super::{
    crash::{paused, plain},
    setting::{Changed, eventually, request, restored, undo},
};
use crate::setting::{REPOSITORY, Served, TestClock, until};

const DAY: i64 = 86_400;

fn admin(sql: &str) -> String {
    Cluster::shared().sql_as("postgres", "postgres", sql).unwrap()
}

fn rename(from: &str, to: &str) {
    admin(&format!("ALTER DATABASE {from} RENAME TO {to}"));
}

/// The name of the database that a restore replaced.
fn replaced_by_it(changed: &Changed) -> String {
    changed.leftovers().into_iter().find(|name| !name.starts_with("folder ")).unwrap()
}

#[tokio::test]
async fn the_replaced_database_stays_when_the_restored_one_is_gone() {
    let clock = TestClock::new();
    let time = clock.clock();
    let served = Served::start_with(|config| config.clock = time).await;
    let changed = Changed::new("rs_gone_later", &served.client, BackupFormat::Zip).await;
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    let previous = replaced_by_it(&changed);
    rename("rs_gone_later", "rs_elsewhere");
    clock.advance(DAY);
    let mut why = None;
    let said = async {
        while why.is_none() {
            let state = served.client.restore_state(job.id).await.unwrap();
            why = match state.standing {
                RestoreStanding::Kept { why, .. } => why,
                other => panic!("{other:?}"),
            };
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), said).await.unwrap();
    assert!(why.as_ref().unwrap().contains(&format!("is kept as {previous}")), "{why:?}");
    assert_eq!(changed.leftovers().len(), 2, "the database and its folder");
    // Another database of that name is no reason either.
    Cluster::shared().create_database("rs_gone_later", None).unwrap();
    clock.advance(3600);
    let is_told = async || match served.client.restore_state(job.id).await.unwrap().standing {
        RestoreStanding::Kept { why: Some(why), .. } => why.contains("is not one that a restore made"),
        other => panic!("{other:?}"),
    };
    let told = async {
        while !is_told().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), told).await.unwrap();
    assert_eq!(changed.leftovers().len(), 2);
    // With the restored one back, the way back is still open, and goes when its longer time is over.
    Cluster::shared().drop_database("rs_gone_later").unwrap();
    rename("rs_elsewhere", "rs_gone_later");
    let undone = undo(&served.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
    assert_eq!(served.client.restore_state(job.id).await.unwrap().standing, RestoreStanding::Undone);
}

#[tokio::test]
async fn an_undo_with_a_wrong_target_does_not_take_the_way_to_the_right_one() {
    let clock = TestClock::new();
    let time = clock.clock();
    let served = Served::start_with(|config| config.clock = time).await;
    let changed = Changed::new("rs_wrong_way", &served.client, BackupFormat::Zip).await;
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    let wrong = changed.origin.direct_through("postgres://odoo:x@127.0.0.1:1/");
    let refused = undo(&served.client, job.id, &wrong).await;
    assert_eq!(refused.state, JobState::Failed, "{:?}", refused.failure);
    let state = served.client.restore_state(job.id).await.unwrap();
    assert!(matches!(state.standing, RestoreStanding::Kept { .. }), "{state:?}");
    clock.advance(DAY);
    eventually("the replaced database is removed", || changed.leftovers().is_empty()).await;
    assert_eq!(changed.state(), changed.then);
}

#[tokio::test]
async fn a_restored_database_that_a_later_restore_replaced_is_no_reason_to_keep_more() {
    let clock = TestClock::new();
    let time = clock.clock();
    let served = Served::start_with(|config| config.clock = time).await;
    let changed = Changed::new("rs_chain", &served.client, BackupFormat::Zip).await;
    restored(&served.client, changed.backup.id, &changed.plan()).await;
    clock.advance(DAY / 2);
    let second = restored(&served.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(changed.leftovers().len(), 4);
    clock.advance(DAY / 2);
    eventually("the first one's is removed", || changed.leftovers().len() == 2).await;
    let state = served.client.restore_state(second.id).await.unwrap();
    assert!(matches!(state.standing, RestoreStanding::Kept { why: None, .. }) && state.restored.is_some(), "{state:?}");
    clock.advance(DAY / 2);
    eventually("the second one's is removed", || changed.leftovers().is_empty()).await;
    assert_eq!(changed.state(), changed.then);
}

#[tokio::test]
async fn killed_while_what_was_replaced_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = plain(&data);
    let changed = Changed::new("rs_ending", &first.client, BackupFormat::Zip).await;
    first.kill();
    for point in ["dropping", "dropped"] {
        let (process, file) = paused(&data, point);
        let plan = RestorePlan { undo_seconds: 1, ..changed.plan() };
        let job = restored(&process.client, changed.backup.id, &plan).await;
        eventually(point, || file.exists()).await;
        process.kill();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(changed.state(), changed.then, "{point}");
        let process = plain(&data);
        let state = process.client.restore_state(job.id).await.unwrap();
        assert!(matches!(state.standing, RestoreStanding::Closed { .. }), "{state:?}");
        assert_eq!((changed.state(), changed.leftovers()), (changed.then.clone(), Vec::new()), "{point}");
    }
}

/// Between a crash and the restart somebody takes the live name away: nothing is removed on a guess.
#[tokio::test]
async fn a_stranger_under_the_live_name_stops_the_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = plain(&data);
    let changed = Changed::new("rs_strange", &first.client, BackupFormat::Zip).await;
    let job = restored(&first.client, changed.backup.id, &changed.plan()).await;
    first.kill();

    let (process, file) = paused(&data, "undoing");
    let start = StartUndo { job: JobId(Uuid::new_v4()), target: changed.target() };
    process.client.start_undo(job.id, &start).await.unwrap();
    eventually("undoing", || file.exists()).await;
    process.kill();
    std::fs::remove_file(&file).unwrap();
    rename("rs_strange", "rs_put_aside");
    Cluster::shared().create_database("rs_strange", None).unwrap();
    let process = plain(&data);
    let ended = process.client.job(start.job).await.unwrap();
    let message = ended.failure.unwrap().message;
    assert!(message.contains("belongs to neither the restored nor the replaced database"), "{message}");
    assert_eq!(process.client.restore_state(job.id).await.unwrap().standing, RestoreStanding::Open);
    assert_eq!(changed.leftovers().len(), 2, "the replaced one is there");
    process.kill();
    Cluster::shared().drop_database("rs_strange").unwrap();
    rename("rs_put_aside", "rs_strange");
    let process = plain(&data);
    assert_eq!(changed.state(), changed.then, "the undo is taken back");
    let undone = undo(&process.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
    process.kill();

    let (process, file) = paused(&data, "swapped");
    let start = request(&changed.plan());
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("swapped", || file.exists()).await;
    process.kill();
    std::fs::remove_file(&file).unwrap();
    Cluster::shared().drop_database("rs_strange").unwrap();
    Cluster::shared().create_database("rs_strange", None).unwrap();
    Cluster::shared().sql("rs_strange", "CREATE TABLE precious (id int)").unwrap();
    let process = plain(&data);
    let ended = until(&process.client, start.job, |job| job.state.is_final()).await;
    assert_eq!(ended.state, JobState::Interrupted, "{:?}", ended.failure);
    process.kill();
    let precious = Cluster::shared().sql("rs_strange", "SELECT count(*) FROM precious").unwrap();
    assert_eq!(precious, "0", "the stranger is as it was");
    let replaced = replaced_by_it(&changed);
    Cluster::shared().drop_database("rs_strange").unwrap();
    rename(&replaced, "rs_strange");
    admin("ALTER DATABASE rs_strange ALLOW_CONNECTIONS true");
    let process = plain(&data);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
    let state = process.client.restore_state(start.job).await.unwrap();
    assert!(matches!(state.standing, RestoreStanding::Closed { .. }) && state.restored.is_none(), "{state:?}");
}
