//! When repositories are verified without being asked: the one that waited longest first, one after the other.

use std::sync::Weak;

use backup_api::{JobId, JobKind, RepositoryId};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::VerifyJob;
use crate::{
    jobs::{Done, NewJob},
    server::{App, Parts},
};

/// When a repository is due: so long after its last verification or, before the first, after it was made.
pub(crate) fn next_due(since: DateTime<Utc>, days: u32) -> Option<DateTime<Utc>> {
    (days > 0).then(|| since + TimeDelta::days(i64::from(days)))
}

/// Puts back, once after a start, what was set aside in any repository and is sound after all.
pub(crate) async fn put_back(server: Weak<Parts>) {
    let Some(app) = server.upgrade().map(App::from) else { return };
    let all = app.repositories.all().await.unwrap_or_default();
    for (repository, _) in all {
        match app.repositories.put_back(repository).await {
            Ok(0) => {}
            Ok(packs) => {
                tracing::info!(repository.id = %repository, "Put {packs} sound pack(s) back into {repository}");
            }
            Err(error) => tracing::warn!(repository.id = %repository, "What is set aside stays there: {error}"),
        }
    }
}

/// Verifies what is due, for as long as the server lives and takes jobs.
pub(crate) async fn keep_verifying(server: Weak<Parts>) {
    while let Some(pause) =
        server.upgrade().filter(|parts| !parts.jobs.is_closed()).map(|parts| parts.config.verify_pause)
    {
        tokio::time::sleep(pause).await;
        let Some(app) = server.upgrade().map(App::from) else { return };
        while let Some(repository) = due(&app).await
            && verify(&app, repository).await
        {}
    }
}

/// The repository that is due for the longest time.
async fn due(app: &App) -> Option<RepositoryId> {
    let all = app.repositories.all().await;
    let all = all.inspect_err(|error| tracing::warn!("The repositories could not be listed: {error}")).ok()?;
    let now = app.config.clock.now();
    let due = all.into_iter().filter_map(|(repository, made_at)| {
        let last = app.verifications.last(repository).ok().flatten();
        let due = next_due(last.map_or(made_at, |last| last.ended_at), app.config.verify_days)?;
        (due <= now && !app.jobs.is_busy(repository)).then_some((due, repository))
    });
    due.min().map(|(_, repository)| repository)
}

/// Whether it came to its end: one that does not must not be tried without a pause.
async fn verify(app: &App, repository: RepositoryId) -> bool {
    let id = JobId(Uuid::new_v4());
    let new = NewJob { id, kind: JobKind::Verify, repository, backup: None, fingerprint: "by schedule".to_owned() };
    let work = VerifyJob { app: app.clone(), repository };
    let work = Box::new(|context| -> futures::future::BoxFuture<'static, _> {
        Box::pin(async { work.run(context).await.map(|()| Done::Other) })
    });
    if let Err(error) = app.jobs.submit(new, work).await {
        tracing::warn!(repository.id = %repository, "Repository {repository} was not verified: {error}");
        return false;
    }
    let Some(mut job) = app.jobs.follow(id) else { return false };
    let ended = job.wait_for(|job| job.state.is_final()).await.map(|job| job.failure.clone());
    match &ended {
        Ok(None) => tracing::info!(repository.id = %repository, "Verified repository {repository}"),
        Ok(Some(failure)) => {
            tracing::error!(repository.id = %repository, "Verification of {repository}: {}", failure.message);
        }
        Err(_) => {}
    }
    matches!(ended, Ok(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_due_after_the_set_days_and_never_with_none() {
        let then = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(next_due(then, 7), Some(then + TimeDelta::days(7)));
        assert_eq!(next_due(then, 0), None);
    }
}
