//! The worst day: the database lives, the disk of its filestore does not. A restore brings the files back, and its undo
//! the database.

use std::fs;

use backup_api::{BackupFormat, JobState, RestorePlan};

use super::{
    crash::{paused, plain},
    setting::{Changed, State, eventually, request, restored, undo},
};
use crate::setting::{REPOSITORY, Served, until};

/// The database is as it was, and what it refers to is there as far as there was a copy of it.
fn assert_back(changed: &Changed) {
    let State { rows, sequences, parameters, attachments, .. } = changed.state();
    assert_eq!((rows, sequences), (changed.now.rows.clone(), changed.now.sequences.clone()));
    assert_eq!(parameters, changed.now.parameters);
    for (name, content) in attachments.iter().filter(|(name, _)| changed.then.attachments.contains_key(*name)) {
        assert_eq!(Some(content), changed.now.attachments.get(name), "{name}");
    }
}

#[tokio::test]
async fn a_restore_after_the_filestore_was_lost_can_be_undone() {
    let served = Served::start().await;
    let changed = Changed::new("rs_diskless", &served.client, BackupFormat::Zip).await;
    fs::remove_dir_all(&changed.origin.database.filestore).unwrap();
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(changed.state(), changed.then);
    assert_eq!(changed.leftovers().len(), 2, "{:?}", changed.leftovers());
    let undone = undo(&served.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_back(&changed);
    assert_eq!(changed.leftovers(), [""; 0]);
}

/// Odoo makes the folder again as soon as somebody uploads a file.
#[tokio::test]
async fn a_folder_that_odoo_makes_meanwhile_is_kept_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    let pause = format!("filled={}", here.display());
    let served = Served::start_with(|config| config.pause_at = Some(pause)).await;
    let changed = Changed::new("rs_meanwhile", &served.client, BackupFormat::Zip).await;
    let filestore = &changed.origin.database.filestore;
    let later = filestore.join("e6/e61a3587b3f7a142b8c7b9263c82f8119398ecb7");
    fs::remove_dir_all(filestore).unwrap();
    let start = request(&changed.plan());
    served.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("filled", || here.exists()).await;
    fs::create_dir_all(later.parent().unwrap()).unwrap();
    fs::write(&later, "later").unwrap();
    fs::remove_file(&here).unwrap();
    let job = until(&served.client, start.job, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let left = changed.leftovers();
    assert!(left.len() == 2 && left[1].starts_with("folder rs_meanwhile_before_"), "{left:?}");
    let undone = undo(&served.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_back(&changed);
    assert_eq!((fs::read(later).unwrap(), changed.leftovers()), (b"later".to_vec(), Vec::new()));
}

#[tokio::test]
async fn killed_in_the_exchange_with_a_folder_that_was_not_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (process, here) = paused(&data, "exchanged");
    let changed = Changed::new("rs_unfiled", &process.client, BackupFormat::Zip).await;
    fs::remove_dir_all(&changed.origin.database.filestore).unwrap();
    let start = request(&RestorePlan { undo_seconds: 60, ..changed.plan() });
    process.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("exchanged", || here.exists()).await;
    process.kill();
    fs::remove_file(&here).unwrap();
    let process = plain(&data);
    let job = process.client.job(start.job).await.unwrap();
    assert_eq!(job.state, JobState::Interrupted, "{:?}", job.failure);
    assert_eq!(changed.state().rows, changed.now.rows);
    assert_eq!(changed.leftovers(), [""; 0]);
    restored(&process.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(changed.state(), changed.then);
}
