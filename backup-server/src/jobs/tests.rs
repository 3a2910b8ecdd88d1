//! The runner with work of our own: panics, order, and how often followers hear of it.

use std::time::{Duration, Instant};

use backup_api::{BackupId, Failure, FailureCode, Job, JobId, JobKind, JobState, Phase, Progress, RepositoryId};
use futures::StreamExt;
use uuid::Uuid;

use super::{JobRunner, Journal, NewJob, SubmitError, routes};
use crate::config::Clock;

fn runner(folder: &std::path::Path) -> JobRunner {
    let journal = Journal::new(folder.to_owned());
    let records = journal.load().unwrap();
    let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    JobRunner::new(journal, records, 2, Clock::new(move || now))
}

fn new_job(number: u128) -> NewJob {
    NewJob {
        id: JobId(Uuid::from_u128(number)),
        kind: JobKind::Backup,
        repository: RepositoryId(Uuid::from_u128(1)),
        backup: Some(BackupId(Uuid::from_u128(number))),
        fingerprint: number.to_string(),
    }
}

async fn ended(runner: &JobRunner, id: JobId) -> Job {
    let mut job = runner.follow(id).unwrap();
    job.wait_for(|job| job.state.is_final()).await.unwrap().clone()
}

#[tokio::test]
async fn a_panic_fails_the_job_and_the_next_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner(folder.path());
    let (first, second) = (new_job(1), new_job(2));
    runner.submit(first.clone(), Box::new(|_| Box::pin(async { panic!("the cause is {}", 42) }))).await.unwrap();
    runner.submit(second.clone(), Box::new(|_| panic!("before it began"))).await.unwrap();
    for id in [first.id, second.id] {
        let job = ended(&runner, id).await;
        let failure = job.failure.unwrap();
        assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::Internal));
        assert!(!failure.message.contains("42"), "the cause is for the log of the server: {}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_free_as_soon_as_the_end_of_its_job_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner(folder.path());
    for number in 1..=100 {
        let job = new_job(number);
        let work = |_| async { Ok(super::Done::Other) };
        runner.submit(job.clone(), Box::new(move |context| Box::pin(work(context)))).await.unwrap();
        assert_eq!(ended(&runner, job.id).await.state, JobState::Succeeded);
        assert!(!runner.is_busy(job.repository), "after job {number}");
    }
}

#[tokio::test]
async fn two_jobs_cannot_make_the_same_backup() {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner(folder.path());
    runner.submit(new_job(1), Box::new(|_| Box::pin(std::future::pending()))).await.unwrap();
    let twin = NewJob { id: JobId(Uuid::from_u128(9)), fingerprint: "9".to_owned(), ..new_job(1) };
    let refused = runner.submit(twin, Box::new(|_| Box::pin(std::future::pending()))).await;
    assert!(matches!(refused, Err(SubmitError::BackupInWork)), "{refused:?}");
}

#[tokio::test]
async fn followers_hear_at_most_five_times_a_second_and_always_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner(folder.path());
    let (end, ends) = tokio::sync::oneshot::channel::<()>();
    let work = |context: super::JobContext| async move {
        let mut ends = std::pin::pin!(ends);
        for done_bytes in 0.. {
            context.progress(Phase::Database, Progress { done_bytes, total_bytes: None });
            let more = tokio::time::timeout(Duration::from_millis(1), &mut ends).await;
            if more.is_ok() {
                break;
            }
        }
        panic!("the end")
    };
    let job = new_job(1);
    runner.submit(job.clone(), Box::new(|context| Box::pin(work(context)))).await.unwrap();
    let began = Instant::now();
    let mut events = std::pin::pin!(routes::events(runner.follow(job.id).unwrap()));
    for _ in 0..6 {
        drop(events.next().await.unwrap().unwrap());
    }
    assert!(began.elapsed() >= Duration::from_millis(4 * 200), "six events came within {:?}", began.elapsed());
    end.send(()).unwrap();
    let rest: Vec<_> = events.collect().await;
    assert!(!rest.is_empty(), "the end is told, too");
    assert!(ended(&runner, job.id).await.state.is_final());
}

/// How a job ends whose work fails in this way after it was told to stop.
async fn cancelled_with(number: u128, kind: JobKind, code: FailureCode) -> Job {
    let folder = tempfile::tempdir().unwrap();
    let runner = runner(folder.path());
    let work = move |context: super::JobContext| async move {
        context.cancel.cancelled().await;
        Err(Failure { code, message: "the words of the work".to_owned() })
    };
    let job = NewJob { kind, ..new_job(number) };
    runner.submit(job.clone(), Box::new(move |context| Box::pin(work(context)))).await.unwrap();
    runner.cancel(job.id).await;
    ended(&runner, job.id).await
}

#[tokio::test]
async fn a_cancelled_restore_that_is_still_open_does_not_say_that_nothing_was_kept() {
    for kind in [JobKind::Restore, JobKind::Undo] {
        let job = cancelled_with(1, kind, FailureCode::Interrupted).await;
        assert_eq!(
            (job.state, job.failure.unwrap().message.as_str()),
            (JobState::Interrupted, "the words of the work")
        );
        let job = cancelled_with(2, kind, FailureCode::Sql).await;
        let failure = job.failure.unwrap();
        assert_eq!((job.state, failure.code), (JobState::Cancelled, FailureCode::Cancelled));
        assert!(failure.message.contains("the live database is as it was"), "{}", failure.message);
    }
    let job = cancelled_with(3, JobKind::Backup, FailureCode::Interrupted).await;
    assert_eq!(job.failure.unwrap().message, "Cancelled on request; nothing was kept.");
}

#[tokio::test]
async fn a_restore_that_a_stop_cuts_off_sends_to_the_database() {
    for (kind, words) in [(JobKind::Restore, "finishes or takes back"), (JobKind::Backup, "nothing was kept")] {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner(folder.path());
        let work = |context: super::JobContext| async move {
            context.cancel.cancelled().await;
            Err(Failure { code: FailureCode::Cancelled, message: String::new() })
        };
        let job = NewJob { kind, ..new_job(1) };
        runner.submit(job.clone(), Box::new(move |context| Box::pin(work(context)))).await.unwrap();
        runner.shut_down(Duration::ZERO).await;
        let job = ended(&runner, job.id).await;
        let message = job.failure.unwrap().message;
        assert!(job.state == JobState::Interrupted && message.contains(words), "{kind:?}: {message}");
    }
}
