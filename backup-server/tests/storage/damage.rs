//! Damage and absence: no new backup is built on what is lost, and what can come back does.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use backup_api::LinkCompression;
use backup_server::repositories::{Repositories, StorageError, Verified};

use crate::{
    export::assert_zip_holds,
    support::{REPOSITORY, Sample, fetch, store},
};

/// The packs of a repository.
fn packs(data: &Path) -> BTreeSet<PathBuf> {
    let folders = std::fs::read_dir(data.join(format!("repositories/{REPOSITORY}/data"))).unwrap();
    let packs = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    packs.map(|pack| pack.unwrap().path()).collect()
}

fn largest<'a>(packs: impl IntoIterator<Item = &'a PathBuf>) -> PathBuf {
    packs.into_iter().max_by_key(|pack| std::fs::metadata(pack).unwrap().len()).unwrap().clone()
}

fn largest_pack(data: &Path) -> PathBuf {
    largest(&packs(data))
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
    let lacks = format!("{} lacks ", first.file_name);
    let counts = verified.problems[0].strip_prefix(&lacks).and_then(|rest| rest.split_once(" of its "));
    let (lost, all) = counts.unwrap_or_else(|| panic!("{:?}", verified.problems));
    let all: usize = all.split_once(" files").unwrap().0.parse().unwrap();
    assert!(lost.parse::<usize>().unwrap() <= all, "{:?}", verified.problems);
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
async fn a_pack_that_was_set_aside_and_is_sound_comes_back() {
    for verifying in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(data.path()).unwrap();
        let sample = Sample::small();
        let first = store(&repositories, 1, sample.content()).await.unwrap();
        assert_eq!(repositories.put_back(REPOSITORY).await.unwrap(), 0, "nothing is set aside");
        let pack = largest_pack(data.path());
        let aside = data.path().join(format!("repositories/{REPOSITORY}/damaged"));
        std::fs::create_dir(&aside).unwrap();
        std::fs::rename(&pack, aside.join(pack.file_name().unwrap())).unwrap();
        // One that is damaged stays there.
        let damaged = aside.join("ab".repeat(32));
        std::fs::write(&damaged, "other bytes").unwrap();
        if verifying {
            let expected = Verified { returned: 1, ..Verified::default() };
            assert_eq!(repositories.verify(REPOSITORY).await.unwrap(), expected);
        } else {
            assert_eq!(repositories.put_back(REPOSITORY).await.unwrap(), 1);
        }
        assert!(pack.exists() && damaged.exists());
        let zip = fetch(&repositories, &first, LinkCompression::Stored, None).await;
        assert_zip_holds(zip, &sample.files());
        assert_eq!(repositories.verify(REPOSITORY).await.unwrap(), Verified::default());
    }
}

/// A folder in the place of a file is what gives an error of reading to every user, root too.
#[tokio::test]
async fn a_pack_that_the_disk_does_not_give_stays_where_it_is() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let first = store(&repositories, 1, sample.content()).await.unwrap();
    let pack = largest_pack(data.path());
    let away = data.path().join("away");
    std::fs::rename(&pack, &away).unwrap();
    std::fs::create_dir(&pack).unwrap();

    let verified = repositories.verify(REPOSITORY).await.unwrap();
    assert_eq!((verified.set_aside, verified.unreadable), (0, 1), "{:?}", verified.problems);
    let unread = format!("The disk could not be read at {}: Is a directory", pack.display());
    assert!(verified.problems[0].starts_with(&unread), "{:?}", verified.problems);
    assert!(verified.problems[0].contains("Verify again when the disk is in order"), "{:?}", verified.problems);
    let touched = format!("{} has ", first.file_name);
    assert!(verified.problems[1].starts_with(&touched), "{:?}", verified.problems);
    assert!(verified.problems[1].contains("where the disk could not be read"), "{:?}", verified.problems);
    assert!(pack.is_dir() && !data.path().join(format!("repositories/{REPOSITORY}/damaged")).exists());

    // The disk is in order again, and nothing was lost by what it said meanwhile.
    std::fs::remove_dir(&pack).unwrap();
    std::fs::rename(&away, &pack).unwrap();
    assert_eq!(repositories.verify(REPOSITORY).await.unwrap(), Verified::default());
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

/// What happens to a pack.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Harm {
    Gone,
    Cut,
    Changed,
    /// The disk does not give it.
    Unread,
}

fn harm(pack: &Path, harm: Harm) {
    let mut bytes = std::fs::read(pack).unwrap();
    match harm {
        Harm::Gone => std::fs::remove_file(pack).unwrap(),
        Harm::Cut => std::fs::write(pack, &bytes[..bytes.len() / 2]).unwrap(),
        Harm::Changed => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(pack, bytes).unwrap();
        }
        Harm::Unread => {
            std::fs::remove_file(pack).unwrap();
            std::fs::create_dir(pack).unwrap();
        }
    }
}

#[tokio::test]
async fn pruning_beside_damage_removes_nothing_that_a_sound_backup_needs() {
    for kind in [Harm::Gone, Harm::Cut, Harm::Changed, Harm::Unread] {
        let data = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(data.path()).unwrap();
        // The third shares its attachments with the first, whose packs so are needed in part.
        let (one, two) = (Sample::small(), Sample::new(2, 300_000, 20, 90_000));
        let three = Sample { dump: Sample::new(3, 300_000, 0, 1).dump, ..one.clone() };
        let first = store(&repositories, 1, one.content()).await.unwrap();
        let before = packs(data.path());
        let second = store(&repositories, 2, two.content()).await.unwrap();
        let of_second = largest(packs(data.path()).difference(&before));
        let third = store(&repositories, 3, three.content()).await.unwrap();
        harm(&of_second, kind);
        let there = packs(data.path());

        repositories.forget(REPOSITORY, first.id).await.unwrap();
        let freed = repositories.free(REPOSITORY).await;
        if kind == Harm::Changed {
            // Only reading it would tell, which pruning does with what it moves.
            assert!(freed.unwrap());
        } else {
            let why = freed.unwrap_err().to_string();
            let expected = format!("no space was freed, for {} lacks ", second.file_name);
            assert!(why.contains(&expected) && why.contains("whole or deleted. Verify it"), "{kind:?}: {why}");
            assert_eq!(packs(data.path()), there, "{kind:?}");
        }
        let zip = fetch(&repositories, &third, LinkCompression::Stored, None).await;
        assert_zip_holds(zip, &three.files());

        // With the backup that is not whole, what kept the space from being freed is gone.
        if kind != Harm::Unread {
            repositories.forget(REPOSITORY, second.id).await.unwrap();
            assert!(repositories.free(REPOSITORY).await.unwrap(), "{kind:?}");
            assert!(packs(data.path()).len() < there.len(), "{kind:?}");
        }
        let zip = fetch(&repositories, &third, LinkCompression::Stored, None).await;
        assert_zip_holds(zip, &three.files());
    }
}
