//! Many backups removed in one go: their space comes back, and what is asked twice is done once.

use backup_api::{BackupFormat, BackupId, ClientError, Job, JobId, JobState, RepositoryId, StartRemoval};
use testbed::Cluster;
use uuid::Uuid;

use crate::setting::{Origin, REPOSITORY, Served, log_of, until};

async fn remove(served: &Served, repository: RepositoryId, backups: &[BackupId]) -> Job {
    let start = StartRemoval { job: JobId(Uuid::new_v4()), backups: backups.to_vec() };
    served.client.start_removal(repository, &start).await.unwrap();
    assert_eq!(served.client.start_removal(repository, &start).await.unwrap().id, start.job, "asked twice");
    until(&served.client, start.job, |job| job.state.is_final()).await
}

#[tokio::test]
async fn backups_are_removed_together_and_their_space_comes_back() {
    let origin = Origin::new("removed");
    let served = Served::start().await;
    let mut made = Vec::new();
    for _ in 0..4 {
        // Rows of its own for each, or the others would go on needing what is removed.
        let noise = "DROP TABLE IF EXISTS noise; CREATE TABLE noise AS
                     SELECT md5(random()::text) AS noise FROM generate_series(1, 40000)";
        Cluster::shared().sql(&origin.database.name, noise).unwrap();
        made.push(served.made(REPOSITORY, &origin.direct(), BackupFormat::Zip).await.id);
    }
    let before = served.client.server().await.unwrap().space.repositories_bytes;
    let unknown = BackupId(Uuid::new_v4());
    let job = remove(&served, REPOSITORY, &[made[0], unknown, made[2]]).await;
    assert_eq!((job.state, &job.failure), (JobState::Succeeded, &None));
    assert_eq!(job.removed, [made[0], unknown, made[2]], "what is gone counts as removed");
    let log = log_of(&served.client, job.id).await;
    assert_eq!(log.matches("Removed the backup").count(), 2, "{log}");
    assert_eq!(log.matches("Freed").count(), 1, "pruned once: {log}");
    let left: Vec<BackupId> = served.client.backups(REPOSITORY).await.unwrap().iter().map(|backup| backup.id).collect();
    assert_eq!(left, [made[3], made[1]]);
    let after = served.client.server().await.unwrap().space.repositories_bytes;
    // Half of four times 40,000 rows of 16 random bytes.
    assert!(after + 1_000_000 < before, "{before} bytes before, {after} after");
}

#[tokio::test]
async fn a_removal_of_nothing_or_of_too_much_is_refused() {
    let served = Served::start().await;
    for count in [0, StartRemoval::MOST + 1] {
        let backups = (0..count).map(|n| BackupId(Uuid::from_u128(n as u128))).collect();
        let start = StartRemoval { job: JobId(Uuid::new_v4()), backups };
        let refused = served.client.start_removal(REPOSITORY, &start).await.unwrap_err();
        assert!(matches!(&refused, ClientError::Refused(error) if error.message.contains("1 to 1,000")), "{refused}");
    }
}
