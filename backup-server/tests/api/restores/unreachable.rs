//! A database server that cannot be reached: refused before, waited for afterwards.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use backup_api::{BackupFormat, JobState, RestorePlan, RestoreStanding, Source};
use testbed::Cluster;
use tokio::net::{TcpListener, TcpStream};

use super::{
    crash::{paused, plain},
    setting::{Changed, eventually, request, undo},
};
use crate::setting::{REPOSITORY, log_of, until};

/// A way to PostgreSQL that can be closed.
struct Way {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Way {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::new(AtomicBool::new(true));
        let open = Arc::clone(&is_open);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                // Closed, whoever dials is hung up on.
                if open.load(Ordering::SeqCst) {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
                }
            }
        });
        Self { address, is_open }
    }
}

/// The same target, reached another way.
fn through(way: &Way, target: Source) -> Source {
    let Source::Postgres { url, database, filestore, addons } = target else { unreachable!() };
    let url = url.reveal().replace(&Cluster::shared().port().to_string(), &way.address.port().to_string());
    Source::Postgres { url: backup_api::Secret::new(url), database, filestore, addons }
}

/// Cancelled when the restored database has the name already, and PostgreSQL cannot be reached to see that.
#[tokio::test]
async fn a_cancel_after_the_swap_does_not_hide_that_the_restored_database_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "committed");
    let changed = Changed::new("rs_late_cancel", &process.client, BackupFormat::Zip).await;
    let way = Way::to(Cluster::shared().port()).await;
    let start = request(&RestorePlan { target: through(&way, changed.target()), ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("committed", || file.exists()).await;
    way.is_open.store(false, Ordering::SeqCst);
    process.client.cancel_job(start.job).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let trying = async {
        while !log_of(&process.client, start.job).await.contains("Trying again to put things in order") {
            let job = process.client.job(start.job).await.unwrap();
            assert!(!job.state.is_final(), "{:?}", job.failure);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), trying).await.unwrap();
    way.is_open.store(true, Ordering::SeqCst);
    let job = until(&process.client, start.job, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.failure), (JobState::Succeeded, None));
    assert_eq!(changed.state(), changed.then);
    let undone = undo(&process.client, start.job, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
}

/// The server is killed when the restored database has the name, and cannot reach PostgreSQL when it starts again.
#[tokio::test]
async fn what_cannot_be_looked_at_at_the_start_is_finished_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, file) = paused(&data, "committed");
    let changed = Changed::new("rs_away", &process.client, BackupFormat::Zip).await;
    let way = Way::to(Cluster::shared().port()).await;
    let target = through(&way, changed.target());
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
    let finished = async {
        loop {
            let state = process.client.restore_state(start.job).await.unwrap();
            if state.standing != RestoreStanding::Open {
                return state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let state = tokio::time::timeout(std::time::Duration::from_mins(2), finished).await.unwrap();
    assert!(matches!(state.standing, RestoreStanding::Kept { .. }) && state.restored.is_some(), "{state:?}");
    assert_eq!(changed.leftovers().len(), 2, "{:?}", changed.leftovers());
    let undone = undo(&process.client, start.job, &target).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}
