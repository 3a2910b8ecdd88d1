//! A backup server killed during an upload: what it says then is true, and the upload goes on from there.

use std::process::Command;

use backup_api::{Client, JobState, UploadId};
use testbed::Cluster;
use uuid::Uuid;

use super::{
    files::{tiny, zip_of},
    setting::{checksum, import_of, run, send},
};
use crate::{
    crash::Process,
    setting::{REPOSITORY, files_in},
};

const CHUNK: usize = 1_048_576;

/// A good zip of about 40 MB: the fixture with an entry that is left out of the backup.
pub fn large_zip() -> Vec<u8> {
    let mut entries = tiny();
    let mut noise = 1_u64;
    let ballast = (0..5_000_000).flat_map(|_| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()
    });
    entries.push(("ballast.bin".to_owned(), ballast.collect()));
    zip_of(&entries)
}

async fn append(client: &Client, id: UploadId, file: &[u8], from: usize) -> Result<u64, backup_api::ClientError> {
    let chunk = &file[from..file.len().min(from + CHUNK)];
    client.append(id, from as u64, Some(&checksum(chunk)), chunk.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_an_upload_it_goes_on_from_what_is_certain() {
    let data = tempfile::tempdir().unwrap();
    let file = large_zip();
    let id = UploadId(Uuid::new_v4());
    let mut process = Process::start(data.path(), Cluster::shared().bin());
    process.client.create_upload(REPOSITORY, id, "large.zip", file.len() as u64).await.unwrap();
    for kill_after in [1, 5, 20, 30] {
        let mut offset = usize::try_from(process.client.upload(id).await.unwrap().offset).unwrap();
        while offset < kill_after * CHUNK {
            offset = usize::try_from(append(&process.client, id, &file, offset).await.unwrap()).unwrap();
        }
        // A chunk is under way when it is killed.
        let client = process.client.clone();
        let under_way = {
            let file = file.clone();
            tokio::spawn(async move { append(&client, id, &file, offset).await.is_ok() })
        };
        tokio::task::yield_now().await;
        process.kill();
        let kept = under_way.await.unwrap();
        process = Process::start(data.path(), Cluster::shared().bin());
        let found = process.client.upload(id).await.unwrap();
        let found_offset = usize::try_from(found.offset).unwrap();
        assert!(found_offset <= offset + if kept { CHUNK } else { 0 } + CHUNK, "{found_offset} after {offset}");
        assert!(offset - found_offset.min(offset) <= 25 * CHUNK, "{found_offset} after {offset}: too much was lost");
        let part = std::fs::read(data.path().join("uploads").join(format!("{id}.part"))).unwrap();
        assert!(part.len() == found_offset && part == file[..found_offset], "what it says is there is there");
    }
    send(&process.client, id, &file).await;
    // Complete is complete for good.
    process.kill();
    let process = Process::start(data.path(), Cluster::shared().bin());
    assert!(process.client.upload(id).await.unwrap().is_complete());
    let start = import_of(id);
    let job = run(&process.client, REPOSITORY, &start).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert!(files_in(&data.path().join("uploads")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_chunks_ahead_of_others_it_counts_none_of_them() {
    let data = tempfile::tempdir().unwrap();
    let (file, id) = (large_zip(), UploadId(Uuid::new_v4()));
    let process = Process::start(data.path(), Cluster::shared().bin());
    process.client.create_upload(REPOSITORY, id, "large.zip", file.len() as u64).await.unwrap();
    for number in (0..34).filter(|number| *number != 20) {
        let chunk = &file[number * CHUNK..(number + 1) * CHUNK];
        process.client.append_ahead(id, (number * CHUNK) as u64, Some(&checksum(chunk)), chunk.to_vec()).await.unwrap();
    }
    assert_eq!(process.client.upload(id).await.unwrap().offset, 20 << 20);
    process.kill();
    let process = Process::start(data.path(), Cluster::shared().bin());
    let offset = process.client.upload(id).await.unwrap().offset;
    assert!(offset <= 20 << 20, "{offset}: the chunk in between never came");
    let part = std::fs::read(data.path().join("uploads").join(format!("{id}.part"))).unwrap();
    assert!(part == file[..usize::try_from(offset).unwrap()], "what it says is there is there, and nothing else");
    send(&process.client, id, &file).await;
    assert_eq!(run(&process.client, REPOSITORY, &import_of(id)).await.state, JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_uploads_at_once_need_little_memory() {
    const ALLOWED: u64 = 48 << 20;
    let data = tempfile::tempdir().unwrap();
    let file = large_zip();
    let process = Process::start(data.path(), Cluster::shared().bin());
    let peak = async || process.client.server().await.unwrap().peak_memory_bytes.unwrap();
    let before = peak().await;
    let uploads = (0..10).map(|_| async {
        let id = UploadId(Uuid::new_v4());
        process.client.create_upload(REPOSITORY, id, "large.zip", file.len() as u64).await.unwrap();
        send(&process.client, id, &file).await;
    });
    futures::future::join_all(uploads).await;
    let grown = peak().await - before;
    assert!(grown < ALLOWED, "400 MB in ten uploads made it grow by {} MiB", grown >> 20);
}

#[tokio::test]
async fn asked_to_stop_it_loses_nothing_of_an_upload() {
    let data = tempfile::tempdir().unwrap();
    let file = large_zip();
    let id = UploadId(Uuid::new_v4());
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-server"));
    command.args(["--grace-seconds", "1", "--data"]).arg(data.path());
    let mut process = Process::from(command, data.path(), Cluster::shared().bin());
    process.client.create_upload(REPOSITORY, id, "large.zip", file.len() as u64).await.unwrap();
    for chunk in 0..3 {
        append(&process.client, id, &file, chunk * CHUNK).await.unwrap();
    }
    let pid = rustix::process::Pid::from_child(&process.child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || process.child.0.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
    let process = Process::start(data.path(), Cluster::shared().bin());
    assert_eq!(process.client.upload(id).await.unwrap().offset, 3 * CHUNK as u64);
}

#[tokio::test]
async fn killed_while_it_imports_it_can_import_again() {
    let data = tempfile::tempdir().unwrap();
    let file = large_zip();
    let id = UploadId(Uuid::new_v4());
    let process = Process::start(data.path(), Cluster::shared().bin());
    process.client.create_upload(REPOSITORY, id, "large.zip", file.len() as u64).await.unwrap();
    send(&process.client, id, &file).await;
    let start = import_of(id);
    process.client.start_import(REPOSITORY, &start).await.unwrap();
    crate::setting::until(&process.client, start.job, |job| job.state != JobState::Queued).await;
    process.kill();
    let process = Process::start(data.path(), Cluster::shared().bin());
    let job = process.client.job(start.job).await.unwrap();
    let listed = process.client.backups(REPOSITORY).await.unwrap();
    if job.state == JobState::Succeeded {
        assert_eq!(job.backup.map(|backup| backup.id), listed.first().map(|backup| backup.id));
        return;
    }
    assert_eq!((job.state, listed.len()), (JobState::Interrupted, 0));
    let job = run(&process.client, REPOSITORY, &import_of(id)).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
}
