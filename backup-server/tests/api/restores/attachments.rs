//! The files of attachments: those that nothing refers to come along, and those that something refers to must be there.

use std::{
    fs,
    io::{Cursor, Write},
};

use backup_api::{BackupFormat, FailureCode, JobState};
use sha1::{Digest, Sha1};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::setting::{Changed, eventually, request, restored, undo};
use crate::{
    setting::{REPOSITORY, Served, until},
    uploads::setting::{TINY, import_of, run, upload},
};

/// Odoo's zip holds the whole filestore, and so also what its daily clean-up has not removed yet.
fn with_an_orphan(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new_append(Cursor::new(TINY.to_vec())).unwrap();
    zip.start_file(format!("filestore/{name}"), SimpleFileOptions::default()).unwrap();
    zip.write_all(content).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    assert!(ZipArchive::new(Cursor::new(&zip)).unwrap().len() > 1);
    zip
}

#[tokio::test]
async fn a_zip_with_a_file_that_nothing_refers_to_is_restored() {
    let served = Served::start().await;
    let changed = Changed::new("rs_orphan", &served.client, BackupFormat::Zip).await;
    let content = b"removed from Odoo a moment ago";
    let digest = hex::encode(Sha1::digest(content));
    let name = format!("{}/{digest}", &digest[..2]);
    let upload = upload(&served.client, "acme.zip", &with_an_orphan(&name, content)).await;
    let job = run(&served.client, REPOSITORY, &import_of(upload)).await;
    let backup = job.backup.unwrap_or_else(|| panic!("{:?}", job.failure));
    let stored = backup.attachments.as_ref().unwrap().present;
    let job = restored(&served.client, backup.id, &changed.plan()).await;
    let state = changed.state();
    assert_eq!(state.attachments, changed.then.attachments);
    let files = job.restored.unwrap().attachments.unwrap();
    assert_eq!((files.present, files.missing_count()), (state.attachments.len() as u64, 0));
    assert_eq!(stored, files.present + 1, "the orphan is in the backup");
    assert_eq!(fs::read(changed.origin.database.filestore.join(name)).unwrap(), content);
    let undone = undo(&served.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
}

#[tokio::test]
async fn a_file_that_gets_lost_on_the_way_fails_the_restore() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    let pause = format!("files={}", here.display());
    let served = Served::start_with(|config| config.pause_at = Some(pause)).await;
    let changed = Changed::new("rs_lost", &served.client, BackupFormat::Zip).await;
    let start = request(&changed.plan());
    served.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    eventually("files", || here.exists()).await;
    let scratch = changed.leftovers().into_iter().find_map(|name| name.strip_prefix("folder ").map(str::to_owned));
    let lost = changed.then.attachments.keys().next().unwrap();
    fs::remove_file(changed.origin.database.filestore.with_file_name(scratch.unwrap()).join(lost)).unwrap();
    fs::remove_file(&here).unwrap();
    let job = until(&served.client, start.job, |job| job.state.is_final()).await;
    let failure = job.failure.unwrap();
    assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::Mismatch), "{}", failure.message);
    assert!(failure.message.starts_with("1 of the"), "{}", failure.message);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}
