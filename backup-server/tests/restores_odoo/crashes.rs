//! The backup server is killed at each point of a restore through Odoo, and of its undo.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use backup_api::{BackupFormat, Client, JobId, JobState, Secret, StartUndo};
use testbed::Cluster;
use url::Url;
use uuid::Uuid;

use crate::{
    setting::until,
    stage::{Stage, start_restore},
};

/// A backup server as a process of its own, killed when dropped.
struct Process {
    child: Child,
    client: Client,
    /// Kept open, for the process may write to it.
    _output: BufReader<ChildStdout>,
}

impl Process {
    fn start(data: &Path, pause: Option<(&str, &Path)>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
        command.arg("--data").arg(data).args(["--listen", "127.0.0.1:0", "--keep-free-mb", "0", "--pg-bin"]);
        command.arg(Cluster::shared().bin()).stdout(Stdio::piped()).stdin(Stdio::null());
        if let Some((point, file)) = pause {
            command.arg("--pause-at").arg(format!("{point}={}", file.display()));
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let base: Url = line.trim().strip_prefix("Listening on ").unwrap().parse().unwrap();
        let token = std::fs::read_to_string(data.join("token")).unwrap();
        Self { child, client: Client::new(&base, Secret::new(token.trim())).unwrap(), _output: output }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(file: &Path, point: &str) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !file.exists() {
        assert!(Instant::now() < deadline, "{point} is not passed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Stops the embedded server of a stage, so that processes may use its data folder.
async fn stopped(stage: &mut Stage) -> std::path::PathBuf {
    stage.served.server.shutdown().await;
    stage.served.data.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_way_one_whole_database_answers_and_nothing_is_left() {
    let mut stage = Stage::new("rc_restore", BackupFormat::Zip).await;
    let data = stopped(&mut stage).await;
    let pause = data.join("paused");
    for (point, finished) in [("restored", false), ("swapping", false), ("between", true), ("renamed", true)] {
        let killed = Process::start(&data, Some((point, &pause)));
        let id = start_restore(&killed.client, &stage.backup, &stage.plan()).await;
        wait_for(&pause, point);
        drop(killed);
        std::fs::remove_file(&pause).unwrap();
        let after = Process::start(&data, None);
        let job = after.client.job(id).await.unwrap();
        if finished {
            assert_eq!(job.state, JobState::Succeeded, "{point}: {:?}", job.failure);
            assert!(stage.state(stage.name()) == stage.backed_up, "{point}");
            let undone = crate::stage::undo(&after.client, id, &stage.plan().target).await;
            assert_eq!(undone.state, JobState::Succeeded, "{point}: {:?}", undone.failure);
        } else {
            assert_eq!(job.state, JobState::Interrupted, "{point}: {:?}", job.failure);
        }
        stage.assert_untouched(point);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_killed_on_the_way_is_finished_or_can_be_asked_for_again() {
    let mut stage = Stage::new("rc_undo", BackupFormat::Zip).await;
    let data = stopped(&mut stage).await;
    let pause = data.join("paused");
    for (point, finished) in [("undoing", false), ("between back", true), ("undone", true)] {
        let killed = Process::start(&data, Some((point, &pause)));
        let restored = crate::stage::restore(&killed.client, &stage.backup, &stage.plan()).await;
        assert_eq!(restored.state, JobState::Succeeded, "{point}: {:?}", restored.failure);
        let start = StartUndo { job: JobId(Uuid::new_v4()), target: stage.plan().target };
        killed.client.start_undo(restored.id, &start).await.unwrap();
        wait_for(&pause, point);
        drop(killed);
        std::fs::remove_file(&pause).unwrap();
        let after = Process::start(&data, None);
        let job = until(&after.client, start.job, |job| job.state.is_final()).await;
        if finished {
            assert_eq!(job.state, JobState::Succeeded, "{point}: {:?}", job.failure);
        } else {
            assert_eq!(job.state, JobState::Interrupted, "{point}: {:?}", job.failure);
            assert!(stage.state(stage.name()) == stage.backed_up, "{point}");
            let undone = crate::stage::undo(&after.client, restored.id, &stage.plan().target).await;
            assert_eq!(undone.state, JobState::Succeeded, "{point}: {:?}", undone.failure);
        }
        stage.assert_untouched(point);
    }
}

/// PostgreSQL crashes under Odoo: what Odoo answers then proves nothing, what is there afterwards does.
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_killed_on_the_way_leaves_one_whole_database() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start().unwrap()));
    // As PostgreSQL is, unless somebody gives that up for speed: what Odoo was told as done survives a crash.
    cluster.sql_as("postgres", "postgres", "ALTER ROLE ALL SET synchronous_commit = on").unwrap();
    let mut stage = Stage::on(cluster, "rc_pgkill", BackupFormat::Zip).await;
    // Otherwise sequences skip what they gave out since the last one.
    cluster.sql_as("postgres", "postgres", "CHECKPOINT").unwrap();
    let data = stopped(&mut stage).await;
    let pause = data.join("paused");
    for point in ["restored", "swapping", "between", "renamed"] {
        let process = Process::start(&data, Some((point, &pause)));
        let id = start_restore(&process.client, &stage.backup, &stage.plan()).await;
        wait_for(&pause, point);
        tokio::task::spawn_blocking(|| cluster.crash()).await.unwrap().unwrap();
        std::fs::remove_file(&pause).unwrap();
        let job = until(&process.client, id, |job| job.state.is_final()).await;
        if job.state == JobState::Succeeded {
            assert!(stage.state(stage.name()) == stage.backed_up, "{point}");
            let undone = crate::stage::undo(&process.client, id, &stage.plan().target).await;
            assert_eq!(undone.state, JobState::Succeeded, "{point}: {:?}", undone.failure);
        } else {
            assert_eq!(job.state, JobState::Failed, "{point}: {:?}", job.failure);
        }
        stage.assert_untouched(point);
    }
}
