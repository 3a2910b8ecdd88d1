//! One data folder, one server.

use std::process::{Command, Stdio};

use backup_server::{BackupServer, Config, StartError};
use testbed::Cluster;

use crate::{crash::Process, setting::Served};

#[tokio::test]
async fn a_second_server_keeps_off_the_data_folder_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = Served::start_in(folder.path(), |_| {}).await;
    let refused = BackupServer::start(Config::new(folder.path())).await.err().unwrap();
    assert!(matches!(refused, StartError::InUse(_)), "{refused}");
    first.server.shutdown().await;
    Served::start_in(folder.path(), |_| {}).await;
}

#[tokio::test]
async fn of_two_processes_on_one_folder_the_second_ends_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let bin = Cluster::shared().bin();
    let first = Process::start(folder.path(), bin);
    let mut second = Command::new(env!("CARGO_BIN_EXE_backup-server"));
    second.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
    let second = second.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = tokio::task::spawn_blocking(|| second.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stdout.is_empty(), "it neither listens nor tells a token");
    let said = String::from_utf8_lossy(&ended.stderr);
    let why = format!("Another backup server uses the data folder {}. Two of them", folder.path().display());
    assert!(said.lines().any(|line| line.starts_with(&why) && line.ends_with("a folder of its own.")), "{said}");

    let used = first.client.server().await.unwrap();
    first.kill();
    let third = Process::start(folder.path(), bin);
    assert_eq!(third.client.server().await.unwrap().version, used.version);
}
