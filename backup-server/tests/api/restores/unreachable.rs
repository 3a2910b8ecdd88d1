//! A database server that cannot be reached: refused before, waited for afterwards.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use backup_api::{BackupFormat, Client, JobId, JobState, RestorePlan, RestoreStanding, RestoreState, Source};
use testbed::Cluster;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{
    crash::{paused, plain},
    setting::{Changed, eventually, request, undo},
};
use crate::setting::{REPOSITORY, Served, log_of, until};

/// A way to PostgreSQL that can be closed.
struct Way {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
    /// Whoever dials is heard, and gets no answer.
    is_mute: Arc<AtomicBool>,
    /// Ends every connection at its near end.
    cut: CancellationToken,
}

impl Way {
    async fn to(port: u16) -> Self {
        Self::start(port, false).await
    }

    /// One at whose far end nobody hears that the near one is gone, as when a machine loses its power.
    async fn that_tells_nothing_to(port: u16) -> Self {
        Self::start(port, true).await
    }

    async fn start(port: u16, is_silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, mute) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let cut = CancellationToken::new();
        let way = Self { address, is_open: Arc::clone(&open), is_mute: Arc::clone(&mute), cut: cut.clone() };
        tokio::spawn(async move {
            let mut unheard = Vec::new();
            while let Ok((near, _)) = listener.accept().await {
                if mute.load(Ordering::SeqCst) {
                    unheard.push(near);
                    continue;
                }
                // Closed, whoever dials is hung up on.
                if open.load(Ordering::SeqCst) {
                    let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    // Whoever comes after a cut is not cut.
                    let cut = if cut.is_cancelled() { CancellationToken::new() } else { cut.clone() };
                    tokio::spawn(relay(near, far, is_silent, cut));
                }
            }
        });
        way
    }
}

async fn relay(mut near: TcpStream, mut far: TcpStream, is_silent: bool, cut: CancellationToken) {
    {
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.split(), far.split());
        tokio::select! {
            _ = tokio::io::copy(&mut near_in, &mut far_out) => {}
            _ = tokio::io::copy(&mut far_in, &mut near_out) => {}
            () = cut.cancelled() => {}
        }
    }
    drop(near);
    if is_silent {
        std::future::pending::<()>().await;
    }
}

/// The same target, reached another way.
fn through(way: &Way, changed: &Changed) -> Source {
    let Source::Postgres { url, database, filestore, addons } = changed.target() else { unreachable!() };
    let url = url.reveal().replace(&changed.cluster.port().to_string(), &way.address.port().to_string());
    Source::Postgres { url: backup_api::Secret::new(url), database, filestore, addons }
}

/// What becomes of a restore that is open.
async fn settled(client: &Client, restore: JobId) -> RestoreState {
    let finished = async {
        loop {
            let state = client.restore_state(restore).await.unwrap();
            if state.standing != RestoreStanding::Open {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), finished).await.unwrap()
}

/// Cancelled when the restored database has the name already, and PostgreSQL cannot be reached to see that.
#[tokio::test]
async fn a_cancel_after_the_swap_does_not_hide_that_the_restored_database_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "committed");
    let changed = Changed::new("rs_late_cancel", &process.client, BackupFormat::Zip).await;
    let way = Way::to(Cluster::shared().port()).await;
    let start = request(&RestorePlan { target: through(&way, &changed), ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("committed", || file.exists()).await;
    way.is_open.store(false, Ordering::SeqCst);
    process.client.cancel_job(start.job).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let trying = async {
        while !log_of(&process.client, start.job).await.contains("Trying again to put things in order") {
            let job = process.client.job(start.job).await.unwrap();
            assert!(!job.state.is_final(), "{:?}", job.failure);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), trying).await.unwrap();
    way.is_open.store(true, Ordering::SeqCst);
    let job = until(&process.client, start.job, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.failure), (JobState::Succeeded, None));
    assert_eq!(changed.state(), changed.then);
    let undone = undo(&process.client, start.job, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
}

/// The server is killed when the restored database has the name, and cannot reach PostgreSQL when it starts again.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_at_the_start_is_finished_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "committed");
    let changed = Changed::new("rs_away", &process.client, BackupFormat::Zip).await;
    let way = Way::to(Cluster::shared().port()).await;
    let target = through(&way, &changed);
    let start = request(&RestorePlan { target: target.clone(), ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("committed", || file.exists()).await;
    process.kill();
    std::fs::remove_file(&file).unwrap();
    way.is_open.store(false, Ordering::SeqCst);

    let process = plain(&data);
    let job = process.client.job(start.job).await.unwrap();
    assert_eq!(job.state, JobState::Interrupted);
    let message = job.failure.unwrap().message;
    assert!(message.contains("goes on trying to reach the target"), "{message}");
    assert_eq!(process.client.restore_state(start.job).await.unwrap().standing, RestoreStanding::Open);
    assert_eq!(changed.state(), changed.then, "one complete database has the name");

    way.is_open.store(true, Ordering::SeqCst);
    let state = settled(&process.client, start.job).await;
    assert!(matches!(state.standing, RestoreStanding::Kept { .. }) && state.restored.is_some(), "{state:?}");
    assert_eq!(changed.leftovers().len(), 2, "{:?}", changed.leftovers());
    let undone = undo(&process.client, start.job, &target).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}

/// A target that takes connections and answers nothing does not keep the server, and a panel around it, from coming up.
#[tokio::test]
async fn a_target_that_says_nothing_does_not_hold_up_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "committed");
    let changed = Changed::new("rs_mute", &process.client, BackupFormat::Zip).await;
    let way = Way::to(Cluster::shared().port()).await;
    let start = request(&RestorePlan { target: through(&way, &changed), ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("committed", || file.exists()).await;
    process.kill();
    std::fs::remove_file(&file).unwrap();
    way.is_mute.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let served = Served::start_in(&data, |config| config.recover_within = Duration::from_millis(500)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let job = served.client.job(start.job).await.unwrap();
    let message = job.failure.unwrap().message;
    assert!(job.state == JobState::Interrupted && message.contains("goes on trying"), "{message}");
    way.is_mute.store(false, Ordering::SeqCst);
    let state = settled(&served.client, start.job).await;
    assert!(matches!(state.standing, RestoreStanding::Kept { .. }), "{state:?}");
    assert_eq!((changed.state(), changed.leftovers().len()), (changed.then.clone(), 2));
}

/// The machine that restores loses its power amid the swap: PostgreSQL hears nothing of it, and keeps both names locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_whose_machine_is_gone_is_ended_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "renamed");
    let changed = Changed::new("rs_powerless", &process.client, BackupFormat::Zip).await;
    let way = Way::that_tells_nothing_to(Cluster::shared().port()).await;
    let start = request(&RestorePlan { target: through(&way, &changed), ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("renamed", || file.exists()).await;
    process.kill();
    std::fs::remove_file(&file).unwrap();
    let locked = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.objid AND l.classid = 1262 \
                  WHERE d.datname = 'rs_powerless' AND l.mode = 'AccessExclusiveLock' AND l.granted";
    assert_eq!(Cluster::shared().sql("postgres", locked).unwrap(), "1", "the rename is open");
    let began = Instant::now();
    let process = plain(&data);
    let job = process.client.job(start.job).await.unwrap();
    assert_eq!(job.state, JobState::Interrupted, "{:?}", job.failure);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}

/// The connection breaks while PostgreSQL is still at the commit: what comes of it counts, not what the catalog says
/// meanwhile.
#[tokio::test]
async fn a_commit_that_is_still_at_work_is_waited_for() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    let admin = |sql: &str| cluster.sql_as("postgres", "postgres", sql).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "exchanged");
    let changed = Changed::on(cluster, "rs_commit", &process.client, BackupFormat::Zip).await;
    let way = Way::that_tells_nothing_to(cluster.port()).await;
    let start = request(&RestorePlan { target: through(&way, &changed), ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("exchanged", || file.exists()).await;
    // A commit waits for a standby that there is not.
    admin("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    admin("SELECT pg_reload_conf()");
    eventually("reloaded", || admin("SHOW synchronous_standby_names") == "nobody").await;
    std::fs::remove_file(&file).unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    eventually("the commit waits", || admin(waiting) == "1").await;
    way.cut.cancel();
    let job = until(&process.client, start.job, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.failure), (JobState::Succeeded, None));
    admin("ALTER SYSTEM RESET synchronous_standby_names");
    admin("SELECT pg_reload_conf()");
    assert_eq!(changed.state(), changed.then);
    let undone = undo(&process.client, start.job, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}
