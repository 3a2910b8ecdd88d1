//! Killed at any moment, a repository stays whole.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use backup_api::{BackupFormat, LinkCompression, Phase};
use backup_server::repositories::{Content, Repositories};
use tokio_util::sync::CancellationToken;

use crate::{
    restic::restic,
    support::{REPOSITORY, Sample, fetch, file, new_backup, store},
};

/// Tells this program, started again, where to stop and wait for its end: folder and moment.
const MOMENT: &str = "HOLDFAST_TEST_STOP_AT";
const READY: &str = "ready to be killed";

/// Large enough for packs to be written before the end.
fn large() -> Sample {
    Sample::new(11, 45_000_000, 30, 400_000)
}

/// Says that the moment is there, and never goes on.
fn stop() -> ! {
    println!("\n{READY}");
    io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

/// Stops after so many bytes.
struct StopsAfter<R>(io::Take<R>);

impl<R: Read> Read for StopsAfter<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => stop(),
            read => Ok(read),
        }
    }
}

fn stop_in(content: &mut Content, place: usize, after: u64) {
    let file = &mut content.files[place];
    let open = std::mem::replace(&mut file.open, Box::new(|| Err(io::Error::other("opened twice"))));
    file.open = Box::new(move || Ok(Box::new(StopsAfter(open()?.take(after)))));
}

fn stop_in_attachment(content: &mut Content, stopped: usize, after: u64) {
    let open = Arc::clone(&content.filestore.open);
    content.filestore.open = Arc::new(move |place, sha1| {
        let file = open(place, sha1)?;
        Ok(if place == stopped { Box::new(StopsAfter(file.take(after))) } else { file })
    });
}

/// The program that is killed. Does nothing in an ordinary run of the tests.
#[tokio::test]
async fn child() {
    let Ok(told) = std::env::var(MOMENT) else { return };
    let (moment, folder) = told.split_once(' ').unwrap();
    let repositories = Repositories::open(Path::new(folder)).unwrap();
    let mut content = large().content();
    match moment {
        "attachment" => stop_in_attachment(&mut content, 20, 10),
        "finish" | "verifying" | "done" => {}
        bytes => stop_in(&mut content, 0, bytes.parse().unwrap()),
    }
    let (in_finish, in_verifying) = (moment == "finish", moment == "verifying");
    let finish = move || if in_finish { stop() } else { Ok(()) };
    let progress = move |phase, _| {
        if in_verifying && phase == Phase::Verifying {
            stop()
        }
    };
    let backup = new_backup(2, BackupFormat::Zip);
    let token = CancellationToken::new();
    repositories.ingest(REPOSITORY, backup, content, Box::new(finish), Arc::new(progress), token).await.unwrap();
    stop()
}

fn kill_at(moment: &str, folder: &Path) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(MOMENT, format!("{moment} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reached = lines.any(|line| line.is_ok_and(|line| line == READY));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reached, "the child ended before “{moment}”");
}

#[tokio::test]
async fn killed_at_any_moment_the_repository_stays_whole_and_the_next_backup_works() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let first = store(&repositories, 1, sample.content()).await.unwrap();
    let whole = fetch(&repositories, &first, LinkCompression::Stored, None).await;
    drop(repositories);

    for (turn, moment) in
        ["0", "100000", "20000000", "44000000", "attachment", "finish", "verifying", "done"].into_iter().enumerate()
    {
        kill_at(moment, data.path());
        let repositories = Repositories::open(data.path()).unwrap();
        let swept = repositories.sweep().await.unwrap();
        assert_eq!((swept.repositories, swept.problems), (1, Vec::new()), "{moment}");
        let unfinished = data.path().join(format!("repositories/{REPOSITORY}/tmp"));
        assert_eq!(std::fs::read_dir(unfinished).unwrap().count(), 0, "{moment}");
        let check = restic(&repositories, data.path(), &["check", "--read-data"]).await;
        assert!(check.contains("no errors were found"), "{moment}: {check}");

        let kept = repositories.list(REPOSITORY).await.unwrap();
        assert_eq!(kept.len(), if moment == "done" { 2 } else { 1 }, "{moment}");
        assert!(kept.contains(&first), "{moment}");
        let zip = fetch(&repositories, &first, LinkCompression::Stored, None).await;
        assert!(zip == whole, "{moment}: the first backup changed");
        if moment == "done" {
            let zip = fetch(&repositories, &kept[0], LinkCompression::Stored, None).await;
            crate::export::assert_zip_holds(zip, &large().files());
        } else {
            assert!(repositories.bytes_used().await.unwrap() < first.stored_bytes + 100_000, "{moment}");
        }
        let next = store(&repositories, 100 + turn as u128, sample.content()).await.unwrap();
        repositories.delete(REPOSITORY, next.id).await.unwrap();
    }
}

#[tokio::test]
async fn torn_and_unfinished_files_are_swept_and_backups_stay_whole() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let first = store(&repositories, 1, Sample::small().content()).await.unwrap();
    let second =
        store(&repositories, 2, Content::without_filestore(vec![file("dump.sql", b"small".to_vec())])).await.unwrap();
    let folder = data.path().join(format!("repositories/{REPOSITORY}"));
    // The disk lost the ends of some files, as after a power failure without fsync.
    let index = std::fs::read_dir(folder.join("index")).unwrap().next().unwrap().unwrap().path();
    let half = std::fs::metadata(&index).unwrap().len() / 2;
    std::fs::OpenOptions::new().write(true).open(&index).unwrap().set_len(half).unwrap();
    std::fs::write(folder.join("tmp/data-half"), b"half a pack").unwrap();
    std::fs::create_dir(data.path().join("repositories/.new-half")).unwrap();
    std::fs::write(folder.join("data/00").join("0".repeat(64)), b"no pack at all").unwrap();

    let repositories = Repositories::open(data.path()).unwrap();
    let swept = repositories.sweep().await.unwrap();
    assert_eq!((swept.repositories, swept.problems), (1, Vec::new()));
    assert!(swept.files_removed >= 3, "{} files were removed", swept.files_removed);
    assert!(!data.path().join("repositories/.new-half").exists());
    let check = restic(&repositories, data.path(), &["check", "--read-data"]).await;
    assert!(check.contains("no errors were found"), "{check}");
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), [second.clone(), first.clone()]);
    for (backup, files) in
        [(first, Sample::small().files()), (second, vec![("dump.sql".to_owned(), b"small".to_vec())])]
    {
        let zip = fetch(&repositories, &backup, LinkCompression::Stored, None).await;
        crate::export::assert_zip_holds(zip, &files);
    }
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_is_reported_and_does_not_keep_the_others_from_it() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    store(&repositories, 1, Sample::new(2, 1000, 1, 10).content()).await.unwrap();
    let lost = backup_api::RepositoryId(uuid::Uuid::from_u128(77));
    std::fs::create_dir(data.path().join(format!("repositories/{lost}"))).unwrap();
    let swept = repositories.sweep().await.unwrap();
    assert_eq!((swept.repositories, swept.problems.len()), (2, 1));
    assert!(swept.problems[0].contains(&lost.to_string()), "{:?}", swept.problems);
    assert_eq!(repositories.list(REPOSITORY).await.unwrap().len(), 1);
}
