//! Disks that fill up in the middle of a restore: the live database stays, or the restored one is whole.

use std::{path::Path, process::Command};

use backup_api::{BackupFormat, FailureCode, JobState, RestoreStanding};
use testbed::Cluster;

use super::setting::{Changed, eventually, request, restored, undo};
use crate::{
    crash::Process,
    disk_full::on_a_small_disk,
    setting::{REPOSITORY, until},
};

/// Fills the disk of a folder with a file of this name; gives the way to empty it again.
fn fill(folder: &Path) -> std::path::PathBuf {
    let ballast = folder.join("ballast");
    for size in [1 << 20, 1 << 12, 1] {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        // It ends with an error, as it fills all that there is.
        while std::io::Write::write_all(&mut file, &vec![1; size]).is_ok() {}
    }
    ballast
}

/// The filestore lies on a small file system in memory, which fills up after the preflight.
#[tokio::test]
async fn a_filestore_disk_that_fills_up_leaves_the_live_database() {
    let folder = tempfile::tempdir().unwrap();
    let (data, here) = (folder.path().join("data"), folder.path().join("here"));
    let first = Process::start(&data, Cluster::shared().bin());
    let changed = Changed::new("rs_full", &first.client, BackupFormat::Zip).await;
    first.kill();
    let disk = changed.origin.database.filestore.parent().unwrap().to_owned();
    let Some(process) = with_a_small_filestore(&disk, &data, &format!("created={}", here.display())) else { return };
    let inside = process.sees(&disk);
    let start = request(&changed.plan());
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("created", || here.exists()).await;
    // It ends with an error, as it fills all that there is.
    let _ = std::fs::write(inside.join("ballast"), vec![1; 2 << 20]);
    std::fs::remove_file(&here).unwrap();
    let job = until(&process.client, start.job, |job| job.state.is_final()).await;
    let failure = job.failure.unwrap();
    assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::NoSpace), "{}", failure.message);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
    assert_eq!(crate::setting::files_in(&inside), [inside.join("ballast")], "the scratch folder is gone");
}

/// Starts a backup server that sees a disk of 1 MB at `disk`; `None`, and a word, where the system allows no such disk.
fn with_a_small_filestore(disk: &Path, data: &Path, pause: &str) -> Option<Process> {
    let options = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let mount = "mount -t tmpfs -o size=1m,mode=755 small \"$1\"";
    let may = Command::new("unshare").args(options).args([mount, "sh"]).arg(disk).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system gives no user namespaces (unshare --user --mount)");
        return None;
    }
    let mut command = Command::new("unshare");
    let script = format!("{mount}; shift; exec {} \"$@\"", env!("CARGO_BIN_EXE_backup-server"));
    command.args(options).arg(script).arg("sh").arg(disk).arg("--data").arg(data).args(["--pause-at", pause]);
    Some(Process::from(command, data, Cluster::shared().bin()))
}

/// The disk of the backup server itself, which then cannot write its journal.
#[tokio::test]
async fn a_data_disk_that_fills_up_leaves_one_whole_database_and_order_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    for (point, is_restored) in [("filled", false), ("committed", true)] {
        let (data, here) = (folder.path().join(point), folder.path().join("here"));
        std::fs::create_dir(&data).unwrap();
        let pause = format!("{point}={}", here.display());
        let more = ["--pause-at", pause.as_str()];
        let Some(process) = on_a_small_disk(&data, Cluster::shared().bin(), &more) else { return };
        let changed = Changed::new(&format!("rs_data_{point}"), &process.client, BackupFormat::Zip).await;
        let start = request(&changed.plan());
        process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
        eventually(point, || here.exists()).await;
        let ballast = fill(&process.sees(&data));
        std::fs::remove_file(&here).unwrap();
        let job = until(&process.client, start.job, |job| job.state.is_final()).await;
        let message = job.failure.unwrap().message;
        if is_restored {
            assert_eq!((changed.state(), job.state), (changed.then.clone(), JobState::Interrupted), "{message}");
            assert!(message.contains("is restored and was compared"), "{message}");
        } else {
            assert_eq!((changed.state(), job.state), (changed.now.clone(), JobState::Failed), "{message}");
            assert!(message.contains("could not be written to the journal"), "{message}");
        }
        std::fs::remove_file(ballast).unwrap();
        let settled = async {
            loop {
                let standing = process.client.restore_state(start.job).await.unwrap().standing;
                if standing != RestoreStanding::Open {
                    return standing;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        let standing = tokio::time::timeout(std::time::Duration::from_mins(2), settled).await.unwrap();
        assert_eq!(matches!(standing, RestoreStanding::Kept { .. }), is_restored, "{standing:?}");
        if is_restored {
            let undone = undo(&process.client, start.job, &changed.target()).await;
            assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
        }
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()), "{point}");
    }
}

/// PostgreSQL's own disk is full while the backup is written into the scratch database.
#[tokio::test]
async fn a_full_disk_of_postgresql_leaves_the_live_database() {
    let Ok(cluster) = Cluster::start_on_a_small_disk(256) else {
        eprintln!("skipped: this system gives no user namespaces (unshare --user --mount)");
        return;
    };
    let cluster: &'static Cluster = Box::leak(Box::new(cluster));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, here) = super::crash::paused(&data, "created");
    let changed = Changed::on(cluster, "rs_pgfull", &process.client, BackupFormat::Zip).await;
    // Too little for the tables, and too little even to connect.
    for megabytes_left in [4, 0] {
        let start = request(&changed.plan());
        process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
        eventually("created", || here.exists()).await;
        cluster.fill_disk(megabytes_left).unwrap();
        std::fs::remove_file(&here).unwrap();
        let job = until(&process.client, start.job, |job| job.state.is_final()).await;
        cluster.empty_disk().unwrap();
        let failure = job.failure.unwrap();
        assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::NoSpace), "{}", failure.message);
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
    }
    process.kill();
    let process = super::crash::plain(&data);
    restored(&process.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(changed.state(), changed.then);
}
