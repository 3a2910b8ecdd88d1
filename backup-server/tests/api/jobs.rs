//! Jobs: started once, one at a time, cancelled without a trace, remembered.

use std::time::Duration;

use backup_api::{BackupFormat, ErrorCode, FailureCode, JobState, Phase};
use testbed::odoo::Trap;

use crate::setting::{
    OTHER_REPOSITORY, Origin, REPOSITORY, Served, TestClock, fake_pg_dump, files_in, log_of, start, until,
};

#[tokio::test]
async fn the_same_job_runs_once_and_other_content_under_its_identity_is_refused() {
    let origin = Origin::new("job_once");
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start_in(folder.path(), |_| {}).await;
    let request = start(&origin.direct(), BackupFormat::Dump);
    let (first, second) = tokio::join!(
        served.client.start_backup(REPOSITORY, &request),
        served.client.start_backup(REPOSITORY, &request)
    );
    assert_eq!(first.unwrap().created_at, second.unwrap().created_at);
    let done = until(&served.client, request.job, |job| job.state.is_final()).await;
    assert_eq!(served.client.start_backup(REPOSITORY, &request).await.unwrap(), done);
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap().len(), 1);

    let mut other = request.clone();
    other.comment = "something else".to_owned();
    let refused = [
        served.client.start_backup(REPOSITORY, &other).await.unwrap_err(),
        served.client.start_backup(OTHER_REPOSITORY, &request).await.unwrap_err(),
    ];
    for refusal in refused {
        assert_eq!(refusal.refusal().unwrap().code, ErrorCode::Conflict);
    }

    served.server.shutdown().await;
    let restarted = Served::start_in(folder.path(), |_| {}).await;
    assert_eq!(restarted.client.start_backup(REPOSITORY, &request).await.unwrap(), done, "known after a restart");
    let refusal = restarted.client.start_backup(REPOSITORY, &other).await.unwrap_err();
    assert_eq!(refusal.refusal().unwrap().code, ErrorCode::Conflict);
    assert_eq!(log_of(&restarted.client, request.job).await, log_of(&served.client, request.job).await);
}

#[tokio::test]
async fn a_repository_works_on_one_job_at_a_time_and_a_server_on_as_many_as_configured() {
    let origin = Origin::new("job_queue");
    let odoo = origin.odoo();
    odoo.set_trap(Trap::Stall);
    let served = Served::start_with(|config| config.jobs = 2).await;
    let source = origin.through(&odoo);
    let requests = [start(&source, BackupFormat::Dump), start(&source, BackupFormat::Dump)];
    let [first, second] = &requests;
    let elsewhere = start(&source, BackupFormat::Dump);
    served.client.start_backup(REPOSITORY, first).await.unwrap();
    served.client.start_backup(REPOSITORY, second).await.unwrap();
    served.client.start_backup(OTHER_REPOSITORY, &elsewhere).await.unwrap();
    until(&served.client, first.job, |job| job.phase == Phase::WaitingForOdoo).await;
    until(&served.client, elsewhere.job, |job| job.phase == Phase::WaitingForOdoo).await;
    assert_eq!(served.client.job(second.job).await.unwrap().state, JobState::Queued);
    let third = start(&source, BackupFormat::Dump);
    served.client.start_backup(backup_api::RepositoryId(uuid::Uuid::from_u128(0xc)), &third).await.unwrap();
    assert_eq!(served.client.job(third.job).await.unwrap().state, JobState::Queued, "two run already");
    let info = served.client.server().await.unwrap();
    assert_eq!((info.running_jobs, info.queued_jobs), (2, 2));
    odoo.release();
    let first = until(&served.client, first.job, |job| job.state.is_final()).await;
    let second = until(&served.client, second.job, |job| job.state.is_final()).await;
    for job in [&first, &second] {
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    }
    assert!(second.started_at >= first.finished_at);
    for id in [elsewhere.job, third.job] {
        assert_eq!(until(&served.client, id, |job| job.state.is_final()).await.state, JobState::Succeeded);
    }
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once() {
    let origin = Origin::new("job_wait");
    let odoo = origin.odoo();
    odoo.set_trap(Trap::Stall);
    let served = Served::start_with(|config| config.jobs = 1).await;
    let (runs, waits) = (start(&origin.through(&odoo), BackupFormat::Zip), start(&origin.direct(), BackupFormat::Zip));
    served.client.start_backup(REPOSITORY, &runs).await.unwrap();
    served.client.start_backup(REPOSITORY, &waits).await.unwrap();
    let cancelled = served.client.cancel_job(waits.job).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert_eq!(cancelled.failure.unwrap().code, FailureCode::Cancelled);
    odoo.release();
    assert_eq!(until(&served.client, runs.job, |job| job.state.is_final()).await.state, JobState::Succeeded);
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap().len(), 1);
    assert_eq!(served.client.cancel_job(runs.job).await.unwrap().state, JobState::Succeeded, "too late to cancel");
}

#[tokio::test]
async fn cancelling_while_odoo_sends_leaves_nothing() {
    let origin = Origin::new("job_cancel_odoo");
    let odoo = origin.odoo();
    odoo.set_trap(Trap::StallMidBody);
    let served = Served::start().await;
    let request = start(&origin.through(&odoo), BackupFormat::Zip);
    served.client.start_backup(REPOSITORY, &request).await.unwrap();
    until(&served.client, request.job, |job| job.phase == Phase::Receiving && job.progress.done_bytes > 0).await;
    assert_eq!(served.staged().len(), 1);
    served.client.cancel_job(request.job).await.unwrap();
    let job = until(&served.client, request.job, |job| job.state.is_final()).await;
    assert_eq!((job.state, job.failure.unwrap().code), (JobState::Cancelled, FailureCode::Cancelled));
    assert!(served.staged().is_empty());
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), []);
    assert!(odoo.wait_until_idle(Duration::from_secs(20)), "Odoo is not kept waiting");
    odoo.set_trap(Trap::None);
    served.made(REPOSITORY, &origin.through(&odoo), BackupFormat::Zip).await;
}

#[tokio::test]
async fn cancelling_a_dump_that_hangs_ends_it_and_leaves_nothing() {
    let origin = Origin::new("job_cancel_dump");
    let folder = tempfile::tempdir().unwrap();
    let bin = fake_pg_dump(folder.path(), "$REAL \"$@\" | head -c 2500000; exec sleep 60");
    let served = Served::start_with(|config| config.pg_bin = vec![bin]).await;
    let request = start(&origin.direct(), BackupFormat::Zip);
    served.client.start_backup(REPOSITORY, &request).await.unwrap();
    until(&served.client, request.job, |job| job.phase == Phase::Database && job.progress.done_bytes > 0).await;
    served.client.cancel_job(request.job).await.unwrap();
    let job = until(&served.client, request.job, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Cancelled, "{:?}", job.failure);
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), []);
}

#[tokio::test]
async fn stopping_the_server_interrupts_what_runs_and_what_waits() {
    let origin = Origin::new("job_stop");
    let odoo = origin.odoo();
    odoo.set_trap(Trap::Stall);
    let served = Served::start_with(|config| config.jobs = 1).await;
    let source = origin.through(&odoo);
    let (runs, waits) = (start(&source, BackupFormat::Zip), start(&source, BackupFormat::Zip));
    served.client.start_backup(REPOSITORY, &runs).await.unwrap();
    served.client.start_backup(REPOSITORY, &waits).await.unwrap();
    until(&served.client, runs.job, |job| job.phase == Phase::WaitingForOdoo).await;
    served.server.shutdown().await;
    for id in [runs.job, waits.job] {
        let job = served.client.job(id).await.unwrap();
        assert_eq!((job.state, job.failure.unwrap().code), (JobState::Interrupted, FailureCode::Interrupted));
    }
    assert!(served.staged().is_empty());
    let refusal = served.client.start_backup(REPOSITORY, &start(&source, BackupFormat::Zip)).await.unwrap_err();
    assert!(refusal.to_string().contains("is stopping"), "{refusal}");
    assert_eq!(reqwest::get(served.base.join("/readyz").unwrap()).await.unwrap().status(), 503);
}

#[tokio::test]
async fn old_jobs_are_forgotten_with_their_logs() {
    let origin = Origin::new("job_trim");
    let clock = TestClock::new();
    let given = clock.clock();
    let served = Served::start_with(|config| config.clock = given).await;
    let old = served.backup(REPOSITORY, &origin.direct(), BackupFormat::Dump).await;
    clock.advance(91 * 86_400);
    let new = served.backup(REPOSITORY, &origin.direct(), BackupFormat::Dump).await;
    // Trimming follows the end of a job; the next job can start only after it.
    served.backup(REPOSITORY, &origin.direct(), BackupFormat::Dump).await;
    let refusal = served.client.job(old.id).await.unwrap_err();
    assert_eq!(refusal.refusal().unwrap().code, ErrorCode::NotFound);
    assert_eq!(served.client.job(new.id).await.unwrap().state, JobState::Succeeded);
    let named_old = |path: &std::path::PathBuf| path.to_string_lossy().contains(&old.id.to_string());
    assert!(!files_in(&served.data.join("jobs")).iter().any(named_old));
}
