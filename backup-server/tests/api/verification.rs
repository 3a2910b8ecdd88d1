//! Damage in a repository is found: when asked, and by itself.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use backup_api::{BackupFormat, FailureCode, Job, JobId, JobState, StartVerification, VerificationState};
use uuid::Uuid;

use crate::setting::{OTHER_REPOSITORY, Origin, REPOSITORY, Served, TestClock, files_in, log_of, until};

const DAY: i64 = 86_400;

async fn verify(served: &Served) -> Job {
    let start = StartVerification { job: JobId(Uuid::new_v4()) };
    served.client.start_verification(REPOSITORY, &start).await.unwrap();
    assert_eq!(served.client.start_verification(REPOSITORY, &start).await.unwrap().id, start.job, "asked twice");
    until(&served.client, start.job, |job| job.state.is_final()).await
}

fn largest_pack(repository: &Path) -> PathBuf {
    let packs = files_in(&repository.join("data")).into_iter().flat_map(|folder| files_in(&folder));
    packs.max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap()
}

/// Turns one byte in the middle of the largest pack round, as a dying disk does.
fn damage(repository: &Path) {
    let file = fs::File::options().read(true).write(true).open(largest_pack(repository)).unwrap();
    let place = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, place).unwrap();
    file.write_all_at(&[!byte[0]], place).unwrap();
}

#[tokio::test]
async fn a_verification_tells_a_sound_repository_from_a_damaged_one() {
    let origin = Origin::new("verified");
    let served = Served::start().await;
    let unknown = served.client.verification(OTHER_REPOSITORY).await.unwrap_err();
    assert!(unknown.to_string().contains("no such repository"), "{unknown}");
    served.made(REPOSITORY, &origin.direct(), BackupFormat::Zip).await;
    assert_eq!(served.client.verification(REPOSITORY).await.unwrap().last, None);

    let sound = verify(&served).await;
    assert_eq!((sound.state, sound.failure), (JobState::Succeeded, None));
    let last = served.client.verification(REPOSITORY).await.unwrap().last.unwrap();
    assert!(last.problems.is_empty() && last.bytes > 100_000, "{last:?}");

    damage(&served.data.join("repositories").join(REPOSITORY.to_string()));
    let damaged = verify(&served).await;
    let failure = damaged.failure.unwrap();
    assert_eq!((damaged.state, failure.code), (JobState::Failed, FailureCode::Mismatch));
    assert!(failure.message.contains("make a new backup now"), "{}", failure.message);
    let last = served.client.verification(REPOSITORY).await.unwrap().last.unwrap();
    assert!(!last.problems.is_empty());
    assert!(log_of(&served.client, damaged.id).await.contains(&last.problems[0]), "the log names the damage");
}

#[tokio::test]
async fn a_repository_is_verified_by_itself_when_it_is_due() {
    let origin = Origin::new("verified_alone");
    let clock = TestClock::new();
    let (now, folder) = (clock.clock(), tempfile::tempdir().unwrap());
    let change = |config: &mut backup_server::Config| {
        config.clock = now.clone();
        config.verify_pause = Duration::from_millis(20);
    };
    let served = Served::start_in(folder.path(), change).await;
    served.made(REPOSITORY, &origin.direct(), BackupFormat::Dump).await;
    // The repository is older than a week by the test's clock.
    let first = verified(&served, |_| true).await;
    let last = first.last.unwrap();
    assert_eq!(first.due_at, Some(last.ended_at + chrono::TimeDelta::days(7)));
    clock.advance(8 * DAY);
    let second = verified(&served, |state| state.last.as_ref() != Some(&last)).await;
    assert!(second.last.unwrap().ended_at > last.ended_at);
}

#[tokio::test]
async fn a_pack_that_was_set_aside_and_is_sound_is_back_after_the_next_start() {
    let origin = Origin::new("set_aside");
    let folder = tempfile::tempdir().unwrap();
    let first = Served::start_in(folder.path(), |_| {}).await;
    first.made(REPOSITORY, &origin.direct(), BackupFormat::Dump).await;
    first.server.shutdown().await;
    let repository = folder.path().join("repositories").join(REPOSITORY.to_string());
    let (pack, aside) = (largest_pack(&repository), repository.join("damaged"));
    fs::create_dir(&aside).unwrap();
    fs::rename(&pack, aside.join(pack.file_name().unwrap())).unwrap();

    let _second = Served::start_in(folder.path(), |_| {}).await;
    let back = async {
        while !pack.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), back).await.expect("put back by itself");
}

/// The state after a verification, which must come within a minute.
async fn verified(served: &Served, wanted: impl Fn(&VerificationState) -> bool) -> VerificationState {
    let asking = async {
        loop {
            let state = served.client.verification(REPOSITORY).await.unwrap();
            if state.last.is_some() && wanted(&state) {
                return state;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), asking).await.expect("verified by itself")
}
