//! A restore that is killed at any point: one complete database has the name, and a restart puts everything in order.

use std::path::{Path, PathBuf};

use backup_api::{BackupFormat, Job, JobId, JobState, StartUndo};
use testbed::Cluster;
use uuid::Uuid;

use super::setting::{Changed, eventually, request, restored, undo};
use crate::{
    crash::Process,
    setting::{REPOSITORY, until},
};

/// Every point that a restore passes, and whether the restored database is live from there on.
const POINTS: [(&str, bool); 9] = [
    ("created", false),
    ("replayed", false),
    ("files", false),
    ("filled", false),
    ("swapping", false),
    ("renamed", false),
    ("exchanged", false),
    ("committed", true),
    ("swapped", true),
];

/// A backup server that stops at a point until the file is gone.
pub fn paused(data: &Path, point: &str) -> (Process, PathBuf) {
    let file = data.with_extension(point);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_backup-server"));
    command.arg("--data").arg(data).arg("--pause-at").arg(format!("{point}={}", file.display()));
    (Process::from(command, data, Cluster::shared().bin()), file)
}

pub fn plain(data: &Path) -> Process {
    Process::start(data, Cluster::shared().bin())
}

/// The job after a restart, which has brought it to its end.
async fn after_restart(data: &Path, job: JobId) -> (Process, Job) {
    let process = plain(data);
    let job = process.client.job(job).await.unwrap();
    assert!(job.state.is_final());
    (process, job)
}

#[tokio::test]
async fn killed_at_every_point_of_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = plain(&data);
    let changed = Changed::new("rs_kill", &first.client, BackupFormat::Zip).await;
    first.kill();
    for (point, is_restored) in POINTS {
        let (process, file) = paused(&data, point);
        let start = request(&changed.plan());
        process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
        eventually(point, || file.exists()).await;
        process.kill();
        std::fs::remove_file(&file).unwrap();
        // Before anything is put in order, whichever database has the name is whole.
        let expected = if is_restored { &changed.then } else { &changed.now };
        assert_eq!(&changed.state(), expected, "{point}");
        let (process, job) = after_restart(&data, start.job).await;
        assert_eq!(&changed.state(), expected, "{point}");
        let log = crate::setting::log_of(&process.client, job.id).await;
        if is_restored {
            assert_eq!((job.state, job.failure.as_ref()), (JobState::Succeeded, None), "{point}");
            assert!(job.restored.is_some() && log.contains("The server stopped after"), "{log}");
            assert_eq!(changed.leftovers().len(), 2, "{point}: {:?}", changed.leftovers());
            let undone = undo(&process.client, start.job, &changed.target()).await;
            assert_eq!(undone.state, JobState::Succeeded, "{point}: {:?}", undone.failure);
            assert_eq!(changed.state(), changed.now, "{point}");
        } else {
            assert_eq!(job.state, JobState::Interrupted, "{point}");
            assert!(
                job.failure.unwrap().message.contains("is as it was before") && log.contains("is removed"),
                "{log}"
            );
        }
        assert_eq!(changed.leftovers(), [""; 0], "{point}");
    }
}

#[tokio::test]
async fn killed_at_every_point_of_an_undo() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = plain(&data);
    let changed = Changed::new("rs_unkill", &first.client, BackupFormat::Zip).await;
    first.kill();
    for (point, is_undone) in
        [("undoing", false), ("exchanged_back", false), ("committed_back", true), ("undone", true)]
    {
        let (process, file) = paused(&data, point);
        let job = restored(&process.client, changed.backup.id, &changed.plan()).await;
        let start = StartUndo { job: JobId(Uuid::new_v4()), target: changed.target() };
        process.client.start_undo(job.id, &start).await.unwrap();
        eventually(point, || file.exists()).await;
        process.kill();
        std::fs::remove_file(&file).unwrap();
        let expected = if is_undone { &changed.now } else { &changed.then };
        assert_eq!(&changed.state(), expected, "{point}");
        let (process, ended) = after_restart(&data, start.job).await;
        assert_eq!(&changed.state(), expected, "{point}");
        if is_undone {
            assert_eq!(ended.state, JobState::Succeeded, "{point}: {:?}", ended.failure);
        } else {
            assert_eq!(ended.state, JobState::Interrupted, "{point}");
            let undone = undo(&process.client, job.id, &changed.target()).await;
            assert_eq!(undone.state, JobState::Succeeded, "{point}: {:?}", undone.failure);
        }
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()), "{point}");
    }
}

/// One process of PostgreSQL is killed, as the kernel does when memory runs out: all others end and it starts anew.
#[tokio::test]
async fn postgresql_killed_at_every_point() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = plain(&data);
    let changed = Changed::on(cluster, "rs_pgkill", &first.client, BackupFormat::Zip).await;
    first.kill();
    for point in ["created", "replayed", "filled", "swapping", "renamed", "exchanged", "committed", "swapped"] {
        let (process, file) = paused(&data, point);
        let start = request(&changed.plan());
        process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
        eventually(point, || file.exists()).await;
        crash(cluster).await;
        std::fs::remove_file(&file).unwrap();
        let job = until(&process.client, start.job, |job| job.state.is_final()).await;
        eventually("PostgreSQL runs", || cluster.sql("postgres", "SELECT 1").is_ok()).await;
        let state = changed.state();
        if job.state == JobState::Succeeded {
            assert_eq!(state, changed.then, "{point}");
            let undone = undo(&process.client, job.id, &changed.target()).await;
            assert_eq!(undone.state, JobState::Succeeded, "{point}: {:?}", undone.failure);
        } else {
            assert_eq!((job.state, &state), (JobState::Failed, &changed.now), "{point}: {:?}", job.failure);
        }
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()), "{point}");
    }
}

async fn crash(cluster: &'static Cluster) {
    tokio::task::spawn_blocking(|| cluster.crash()).await.unwrap().unwrap();
}
