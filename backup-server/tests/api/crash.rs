//! A backup server killed at any moment: the repository stays whole, the job says so, the next backup works.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use backup_api::{BackupFormat, Client, Job, JobState, Phase, Secret, StartBackup};
use testbed::{Cluster, odoo::Trap};
use url::Url;

use crate::setting::{Origin, REPOSITORY, fake_pg_dump, files_in, run, start, until, write_program};

/// A backup server as a process of its own.
pub struct Process {
    pub child: Running,
    pub client: Client,
    pub base: Url,
    /// Kept open, for the process may write to it.
    _output: BufReader<ChildStdout>,
}

/// A child that ends with the test, however that ends.
pub struct Running(pub Child);

impl Process {
    pub fn start(data: &Path, bin: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
        command.arg("--data").arg(data);
        Self::from(command, data, bin)
    }

    /// Starts a command that ends up as a backup server for `data`.
    pub fn from(mut command: Command, data: &Path, bin: &Path) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--keep-free-mb", "0", "--pg-bin"]).arg(bin);
        backup_server::install_tls_provider();
        let mut child = Running(command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap());
        let mut output = BufReader::new(child.0.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        let base: Url = line().strip_prefix("Listening on ").unwrap().parse().unwrap();
        let notice = line();
        let token = match notice.strip_prefix("Token (also in ") {
            Some(rest) => rest.rsplit(": ").next().unwrap().to_owned(),
            None => std::fs::read_to_string(data.join("token")).unwrap().trim().to_owned(),
        };
        let client = Client::new(&base, Secret::new(token)).unwrap();
        Self { child, client, base, _output: output }
    }

    /// A path as this process sees it, which may have a disk there that nobody else sees.
    pub fn sees(&self, path: &Path) -> PathBuf {
        let relative = path.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.child.0.id().to_string()).join("root").join(relative)
    }

    /// SIGKILL.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What must hold after a restart: the job is over and true, the repository is whole, the next backup works.
async fn assert_consistent(data: &Path, killed: &StartBackup, origin: &Origin) -> Job {
    let process = Process::start(data, Cluster::shared().bin());
    let job = process.client.job(killed.job).await.unwrap();
    let listed = process.client.backups(REPOSITORY).await.unwrap().iter().any(|backup| backup.id == killed.backup);
    let expected = if listed { JobState::Succeeded } else { JobState::Interrupted };
    assert_eq!(job.state, expected, "{:?}", job.failure);
    assert!(files_in(&data.join("staging")).is_empty());
    let next = run(&process.client, REPOSITORY, &start(&origin.direct(), killed.format)).await;
    assert_eq!(next.state, JobState::Succeeded, "{:?}", next.failure);
    let kit = process.client.recovery_kit(REPOSITORY).await.unwrap();
    let mut restic = Command::new("restic");
    restic.args(["--no-cache", "check", "--read-data"]).env("RESTIC_REPOSITORY", kit.location);
    let checked = restic.env("RESTIC_PASSWORD", kit.password.reveal()).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.contains("no errors were found"), "{said}");
    job
}

#[tokio::test]
async fn killed_while_odoo_builds_or_sends() {
    let origin = Origin::new("crash_odoo");
    let odoo = origin.odoo();
    let data = tempfile::tempdir().unwrap();
    for (trap, phase) in [(Trap::Stall, Phase::WaitingForOdoo), (Trap::StallMidBody, Phase::Receiving)] {
        let process = Process::start(data.path(), Cluster::shared().bin());
        odoo.set_trap(trap);
        let request = start(&origin.through(&odoo), BackupFormat::Zip);
        let waiting = start(&origin.through(&odoo), BackupFormat::Zip);
        process.client.start_backup(REPOSITORY, &request).await.unwrap();
        process.client.start_backup(REPOSITORY, &waiting).await.unwrap();
        until(&process.client, request.job, |job| job.phase == phase).await;
        process.kill();
        let job = assert_consistent(data.path(), &request, &origin).await;
        assert_eq!(job.state, JobState::Interrupted);
        assert!(job.failure.unwrap().message.contains("stopped while this job ran"));
        assert_consistent(data.path(), &waiting, &origin).await;
    }
}

#[tokio::test]
async fn killed_in_the_middle_of_a_dump() {
    let origin = Origin::new("crash_dump");
    let data = tempfile::tempdir().unwrap();
    let hanging = fake_pg_dump(origin.folder.path(), "$REAL \"$@\" | head -c 2500000; exec sleep 60");
    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        let process = Process::start(data.path(), &hanging);
        let request = start(&origin.direct(), format);
        process.client.start_backup(REPOSITORY, &request).await.unwrap();
        until(&process.client, request.job, |job| job.phase == Phase::Database && job.progress.done_bytes > 0).await;
        process.kill();
        assert_eq!(assert_consistent(data.path(), &request, &origin).await.state, JobState::Interrupted);
    }
}

#[tokio::test]
async fn asked_to_stop_it_ends_in_order_and_soon() {
    let origin = Origin::new("crash_term");
    let odoo = origin.odoo();
    odoo.set_trap(Trap::StallMidBody);
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
    command.args(["--grace-seconds", "1", "--data"]).arg(data.path());
    let mut process = Process::from(command, data.path(), Cluster::shared().bin());
    let request = start(&origin.through(&odoo), BackupFormat::Zip);
    process.client.start_backup(REPOSITORY, &request).await.unwrap();
    until(&process.client, request.job, |job| job.phase == Phase::Receiving).await;
    let pid = rustix::process::Pid::from_child(&process.child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || process.child.0.wait().unwrap());
    let status = tokio::time::timeout(std::time::Duration::from_mins(1), status).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(files_in(&data.path().join("staging")).is_empty(), "cleaned up before the end");
    assert_eq!(assert_consistent(data.path(), &request, &origin).await.state, JobState::Interrupted);
}

/// Kills at moments spread over the time that a backup takes, told by what the disk shows: the first file of the
/// repository, the first packs, the index, the snapshot itself.
#[tokio::test]
async fn killed_at_every_step_of_storing() {
    let origin = Origin::new("crash_steps");
    for folder in ["config", "keys", "data", "index", "snapshots"] {
        let data = tempfile::tempdir().unwrap();
        let process = Process::start(data.path(), Cluster::shared().bin());
        let request = start(&origin.direct(), BackupFormat::Zip);
        process.client.start_backup(REPOSITORY, &request).await.unwrap();
        let watched = data.path().join("repositories").join(REPOSITORY.to_string()).join(folder);
        until_it_holds_a_file(watched).await;
        process.kill();
        assert_consistent(data.path(), &request, &origin).await;
    }
}

/// What came from Odoo lies in the staging folder meanwhile, which is swept.
#[tokio::test]
async fn killed_at_every_step_of_storing_what_odoo_sent() {
    let origin = Origin::new("crash_odoo_steps");
    let odoo = origin.odoo();
    let zips = ["config", "data", "index", "snapshots"].map(|folder| (BackupFormat::Zip, folder));
    let dumps = ["data", "snapshots"].map(|folder| (BackupFormat::Dump, folder));
    for (format, folder) in zips.into_iter().chain(dumps) {
        let data = tempfile::tempdir().unwrap();
        let process = Process::start(data.path(), Cluster::shared().bin());
        let request = start(&origin.through(&odoo), format);
        process.client.start_backup(REPOSITORY, &request).await.unwrap();
        until_it_holds_a_file(data.path().join("repositories").join(REPOSITORY.to_string()).join(folder)).await;
        process.kill();
        assert_consistent(data.path(), &request, &origin).await;
    }
}

/// Killed with a zip that was checked to its end, and while `pg_restore` reads a dump.
#[tokio::test]
async fn killed_while_what_odoo_sent_is_verified() {
    let origin = Origin::new("crash_verify");
    let odoo = origin.odoo();
    let slow = origin.folder.path().join("slow");
    let bin = fake_pg_dump(&slow, "exit 1");
    std::fs::remove_file(bin.join("pg_restore")).unwrap();
    write_program(&bin.join("pg_restore"), "#!/bin/sh\nexec sleep 20\n");
    for (format, bin) in [(BackupFormat::Zip, Cluster::shared().bin()), (BackupFormat::Dump, bin.as_path())] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let file = folder.path().join("checked");
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
        command.arg("--data").arg(&data).arg("--pause-at").arg(format!("checked={}", file.display()));
        let process = Process::from(command, &data, bin);
        let request = start(&origin.through(&odoo), format);
        process.client.start_backup(REPOSITORY, &request).await.unwrap();
        until(&process.client, request.job, |job| job.phase == Phase::Verifying).await;
        if format == BackupFormat::Zip {
            until_it_holds_a_file(file).await;
        }
        assert_eq!(files_in(&data.join("staging")).len(), 1);
        process.kill();
        let job = assert_consistent(&data, &request, &origin).await;
        assert_eq!(job.state, JobState::Interrupted);
    }
}

/// Watches as closely as it can, but not for ever.
async fn until_it_holds_a_file(path: PathBuf) {
    let deadline = Instant::now() + Duration::from_mins(2);
    let watching = move || {
        while !holds_a_file(&path) {
            assert!(Instant::now() < deadline, "{} holds no file", path.display());
        }
    };
    tokio::task::spawn_blocking(watching).await.unwrap();
}

fn holds_a_file(path: &Path) -> bool {
    if path.is_file() {
        return true;
    }
    std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).any(|entry| holds_a_file(&entry.path()))
}
