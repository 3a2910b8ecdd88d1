//! Damage and absence: no new backup is built on what is lost, and what can come back does.

use std::path::{Path, PathBuf};

use backup_api::LinkCompression;
use backup_server::repositories::{Repositories, StorageError, Verified};

use crate::{
    export::assert_zip_holds,
    support::{REPOSITORY, Sample, fetch, store},
};

/// The largest pack of a repository.
fn largest_pack(data: &Path) -> PathBuf {
    let folders = std::fs::read_dir(data.join(format!("repositories/{REPOSITORY}/data"))).unwrap();
    let packs = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    packs.map(|pack| pack.unwrap().path()).max_by_key(|pack| std::fs::metadata(pack).unwrap().len()).unwrap()
}

#[tokio::test]
async fn a_damaged_pack_is_set_aside_and_the_next_backup_makes_all_whole() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let first = store(&repositories, 1, sample.content()).await.unwrap();
    let whole = fetch(&repositories, &first, LinkCompression::Stored, None).await;
    let pack = largest_pack(data.path());
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pack, bytes).unwrap();

    let verified = repositories.verify(REPOSITORY).await.unwrap();
    assert_eq!(verified.set_aside, 1, "{:?}", verified.problems);
    assert!(verified.problems[0].starts_with(&format!("{} lacks ", first.file_name)), "{:?}", verified.problems);
    assert!(!pack.exists());
    let lost = repositories
        .export(REPOSITORY, first.id, LinkCompression::Stored, None)
        .await
        .map(|export| export.length)
        .unwrap_err();
    assert!(matches!(lost, StorageError::Damaged(_)), "{lost:?}");
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), std::slice::from_ref(&first));

    let second = store(&repositories, 2, sample.content()).await.unwrap();
    assert_zip_holds(fetch(&repositories, &second, LinkCompression::Stored, None).await, &sample.files());
    assert!(fetch(&repositories, &first, LinkCompression::Stored, None).await == whole, "the first is whole again");
    assert_eq!(repositories.verify(REPOSITORY).await.unwrap(), Verified::default());
}

#[tokio::test]
async fn a_pack_that_could_not_be_read_for_a_while_comes_back() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let first = store(&repositories, 1, sample.content()).await.unwrap();
    let pack = largest_pack(data.path());
    let name = pack.file_name().unwrap().to_owned();
    let aside = data.path().join(format!("repositories/{REPOSITORY}/damaged"));
    std::fs::create_dir(&aside).unwrap();
    std::fs::rename(&pack, aside.join(&name)).unwrap();
    let verified = repositories.verify(REPOSITORY).await.unwrap();
    assert!(!verified.problems.is_empty());
    assert_eq!(repositories.verify(REPOSITORY).await.unwrap(), Verified::default(), "it is where it belongs");
    let zip = fetch(&repositories, &first, LinkCompression::Stored, None).await;
    assert_zip_holds(zip, &sample.files());
}

#[tokio::test]
async fn no_backup_is_built_on_a_pack_that_is_gone_or_cut_off() {
    for cut in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(data.path()).unwrap();
        let sample = Sample::small();
        store(&repositories, 1, sample.content()).await.unwrap();
        let pack = largest_pack(data.path());
        if cut {
            std::fs::OpenOptions::new().write(true).open(&pack).unwrap().set_len(1000).unwrap();
        } else {
            std::fs::remove_file(&pack).unwrap();
        }
        let failed = store(&repositories, 2, sample.content()).await.unwrap_err();
        assert!(matches!(failed, StorageError::Damaged(_)), "{failed:?}");
        let third = store(&repositories, 3, sample.content()).await.unwrap();
        let zip = fetch(&repositories, &third, LinkCompression::Stored, None).await;
        assert_zip_holds(zip, &sample.files());
    }
}

#[tokio::test]
async fn a_repository_whose_disk_is_not_mounted_is_neither_empty_nor_made_anew() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let first = store(&repositories, 1, Sample::small().content()).await.unwrap();
    let folder = data.path().join("repositories");
    let away = data.path().join("away");
    std::fs::rename(&folder, &away).unwrap();

    let repositories = Repositories::open(data.path()).unwrap();
    repositories.sweep().await.unwrap();
    let listed = repositories.list(REPOSITORY).await;
    assert!(matches!(listed, Err(StorageError::FolderAbsent { .. })), "{listed:?}");
    let made = store(&repositories, 2, Sample::small().content()).await;
    assert!(matches!(made, Err(StorageError::FolderAbsent { .. })), "{made:?}");
    assert!(std::fs::read_dir(&folder).unwrap().next().is_none(), "nothing was made in its place");

    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), [first]);
}

#[tokio::test]
async fn a_crash_while_a_repository_is_made_is_none_of_the_next_backup() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let first = store(&repositories, 1, Sample::small().content()).await.unwrap();
    let (key, unborn) = (data.path().join("keys").join(REPOSITORY.to_string()), format!(".new-{REPOSITORY}"));
    let unborn = data.path().join("keys").join(unborn);
    // Between the folder's name and the key's.
    std::fs::rename(&key, &unborn).unwrap();
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), std::slice::from_ref(&first));
    repositories.sweep().await.unwrap();
    assert!(key.exists() && !unborn.exists());
    // Before the folder's.
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join("keys")).unwrap();
    std::fs::copy(&key, other.path().join("keys").join(format!(".new-{REPOSITORY}"))).unwrap();
    let repositories = Repositories::open(other.path()).unwrap();
    repositories.sweep().await.unwrap();
    store(&repositories, 1, Sample::small().content()).await.unwrap();
}
