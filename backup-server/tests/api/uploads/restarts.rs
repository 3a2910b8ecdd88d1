//! A backup server that ends while it fetches a file from a URL: the next one goes on with what has arrived.

use std::{path::Path, process::Command};

use backup_api::{ImportSource, Job, JobState, Secret, StartImport};
use testbed::Cluster;

use super::{
    crash::large_zip,
    origin::{Act, Origin, ranged},
    setting::import_from,
};
use crate::{
    crash::Process,
    setting::{REPOSITORY, files_in, log_of, until},
};

/// What the first request gets before the server falls silent.
const FIRST: usize = 25_000_000;
/// What is noted of that as certain.
const CERTAIN: usize = 16 << 20;

fn process(data: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
    command.args(["--grace-seconds", "1", "--allow-url-range", "127.0.0.0/8", "--data"]).arg(data);
    Process::from(command, data, Cluster::shared().bin())
}

/// A web server that falls silent in the first answer, and has `then` of the file after that, under another tag if it
/// is another one.
async fn silent_at_first(file: Vec<u8>, then: Vec<u8>) -> Origin {
    let tag = if file == then { "\"1\"" } else { "\"2\"" };
    Origin::start(move |number, asked| match number {
        0 => Act::Stall(ranged(&file, asked, "\"1\"")[..FIRST].to_vec()),
        _ => Act::Send(ranged(&then, asked, tag)),
    })
    .await
}

/// Starts an import and waits until the web server has fallen silent.
async fn started(process: &Process, data: &Path, origin: &Origin) -> StartImport {
    let url = Secret::new(origin.url("/large.zip?sig=hunter2"));
    let start = import_from(ImportSource::Url { url, file_name: None });
    process.client.start_import(REPOSITORY, &start).await.unwrap();
    until(&process.client, start.job, |job| job.progress.done_bytes > 24_000_000).await;
    for file in files_in(&data.join("fetches")) {
        let is_note = file.extension().is_some_and(|extension| extension == "json");
        assert!(!is_note || !std::fs::read_to_string(&file).unwrap().contains("hunter2"), "the URL is a secret");
    }
    start
}

async fn ended(data: &Path, start: &StartImport) -> (Job, String) {
    let process = process(data);
    let job = until(&process.client, start.job, |job| job.state.is_final()).await;
    assert!(files_in(&data.join("fetches")).is_empty(), "nothing is left of it");
    let log = log_of(&process.client, start.job).await;
    (job, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_goes_on_after_a_kill_and_after_a_stop() {
    let file = large_zip();
    for is_killed in [true, false] {
        let data = tempfile::tempdir().unwrap();
        let origin = silent_at_first(file.clone(), file.clone()).await;
        let mut first = process(data.path());
        let start = started(&first, data.path(), &origin).await;
        if is_killed {
            first.kill();
        } else {
            let pid = rustix::process::Pid::from_child(&first.child.0);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            tokio::task::spawn_blocking(move || first.child.0.wait().unwrap()).await.unwrap();
        }
        let (job, log) = ended(data.path(), &start).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?} {log}", job.failure);
        let asked = &origin.asked()[1..];
        assert!(asked.len() == 1 && asked[0].from() >= CERTAIN, "killed {is_killed}: {asked:?}");
        assert_eq!(asked[0].header("if-range"), Some("\"1\""));
        assert!(log.contains("was started anew") && log.contains("are here already"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_meanwhile_comes_from_its_beginning() {
    let data = tempfile::tempdir().unwrap();
    let origin = silent_at_first(large_zip(), super::setting::TINY.to_vec()).await;
    let first = process(data.path());
    let start = started(&first, data.path(), &origin).await;
    first.kill();
    let (job, log) = ended(data.path(), &start).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?} {log}", job.failure);
    assert!(
        log.contains("comes from its beginning") && log.contains("“large.zip” is here as a whole (0.5 MB)"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_fetch_does_not_come_back() {
    let data = tempfile::tempdir().unwrap();
    let origin = silent_at_first(large_zip(), Vec::new()).await;
    let first = process(data.path());
    let start = started(&first, data.path(), &origin).await;
    first.client.cancel_job(start.job).await.unwrap();
    until(&first.client, start.job, |job| job.state == JobState::Cancelled).await;
    first.kill();
    let (job, _) = ended(data.path(), &start).await;
    assert_eq!((job.state, origin.asked().len()), (JobState::Cancelled, 1));
}
