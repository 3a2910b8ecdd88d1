//! Too little room: told before a job begins, and survived when it shows only in the middle.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use backup_api::{BackupFormat, ErrorCode, FailureCode, Job, JobState, Phase, UploadId};
use testbed::{Cluster, odoo::Trap};
use uuid::Uuid;

use crate::{
    crash::Process,
    setting::{Origin, REPOSITORY, Served, fake_pg_dump, files_in, run, start, until},
};

#[tokio::test]
async fn a_job_that_will_not_fit_is_refused_with_figures() {
    let origin = Origin::new("full_before");
    let served = Served::start_with(|config| config.keep_free_mb = 1 << 40).await;
    let job = served.backup(REPOSITORY, &origin.direct(), BackupFormat::Zip).await;
    let failure = job.failure.unwrap();
    assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::NoSpace));
    assert!(
        failure.message.contains("The backup needs about ") && failure.message.contains(" free, of which "),
        "{failure:?}"
    );
    assert_eq!(served.client.server().await.unwrap().repositories, 0, "nothing was begun");
}

/// The disk is a small file system in memory, which `pg_dump` fills up before it begins.
#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_fails_the_job_and_the_next_one_works() {
    let origin = Origin::new("full_middle");
    let data = origin.folder.path().join("small-disk");
    std::fs::create_dir(&data).unwrap();
    let ballast = data.join("ballast");
    let fill = format!(
        "if [ -e {fill} ]; then rm {fill}; dd if=/dev/zero of={} bs=64k 2>/dev/null; fi; exec $REAL \"$@\"",
        ballast.display(),
        fill = data.join("fill").display()
    );
    let bin = fake_pg_dump(origin.folder.path(), &fill);
    let Some(process) = on_a_small_disk(&data, &bin, &[]) else { return };
    let inside = |path: &Path| process.sees(path);
    let first = run(&process.client, REPOSITORY, &start(&origin.direct(), BackupFormat::Dump)).await;
    assert_eq!(first.state, JobState::Succeeded, "{:?}", first.failure);
    std::fs::write(inside(&data.join("fill")), "").unwrap();
    let job = run(&process.client, REPOSITORY, &start(&origin.direct(), BackupFormat::Zip)).await;
    let failure = job.failure.unwrap();
    assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::NoSpace), "{}", failure.message);
    let listed = process.client.backups(REPOSITORY).await.unwrap();
    assert_eq!(listed, [first.backup.unwrap()], "the one before is still there, and no other");
    std::fs::remove_file(inside(&ballast)).unwrap();
    let next = run(&process.client, REPOSITORY, &start(&origin.direct(), BackupFormat::Zip)).await;
    assert_eq!(next.state, JobState::Succeeded, "{:?}", next.failure);
    let kit = process.client.recovery_kit(REPOSITORY).await.unwrap();
    let mut restic = Command::new("restic");
    restic.args(["--no-cache", "check", "--read-data"]).env("RESTIC_PASSWORD", kit.password.reveal());
    restic.env("RESTIC_REPOSITORY", inside(Path::new(&kit.location)));
    let checked = restic.output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[tokio::test]
async fn an_upload_on_a_disk_that_fills_up_goes_on_when_there_is_room_again() {
    const CHUNK: usize = 1_048_576;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("small-disk");
    std::fs::create_dir(&data).unwrap();
    let Some(process) = on_a_small_disk(&data, Cluster::shared().bin(), &[]) else { return };
    let file = [b"PK\x03\x04".to_vec(), vec![7; 20 * CHUNK]].concat();
    let id = UploadId(Uuid::new_v4());
    process.client.create_upload(REPOSITORY, id, "a.zip", file.len() as u64).await.unwrap();
    let too_large = process.client.create_upload(REPOSITORY, UploadId(Uuid::new_v4()), "b.zip", 40_000_000).await;
    assert_eq!(too_large.unwrap_err().refusal().unwrap().code, ErrorCode::NoSpace, "the first is promised its room");
    process.client.append(id, 0, None, file[..CHUNK].to_vec()).await.unwrap();

    let ballast = process.sees(&data.join("ballast"));
    std::io::copy(&mut std::io::repeat(0), &mut std::fs::File::create(&ballast).unwrap()).unwrap_err();
    let full = process.client.append(id, CHUNK as u64, None, file[CHUNK..2 * CHUNK].to_vec()).await.unwrap_err();
    assert_eq!(full.refusal().unwrap().code, ErrorCode::NoSpace, "{full}");
    assert_eq!(process.client.upload(id).await.unwrap().offset, CHUNK as u64);
    std::fs::remove_file(&ballast).unwrap();
    for (number, chunk) in file.chunks(CHUNK).enumerate().skip(1) {
        process.client.append(id, (number * CHUNK) as u64, None, chunk.to_vec()).await.unwrap();
    }
    let part = process.sees(&data.join("uploads").join(format!("{id}.part")));
    assert!(std::fs::read(part).unwrap() == file, "it arrived whole all the same");
}

/// What Odoo sends waits on the disk of the backup server until it is checked. In the middle of it, something else takes
/// all the room; or the file alone is too large.
#[tokio::test]
async fn a_disk_that_fills_up_while_odoo_sends_fails_the_job_and_the_next_one_works() {
    let origin = Origin::new("full_arriving");
    let odoo = origin.odoo();
    let source = origin.through(&odoo);
    let data = origin.folder.path().join("small-disk");
    std::fs::create_dir(&data).unwrap();
    let Some(process) = on_a_disk_of(100, &data, Cluster::shared().bin(), &[]) else { return };
    let ballast = process.sees(&data.join("ballast"));
    let assert_full = async |job: Job, words: &str| {
        let failure = job.failure.unwrap();
        assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::NoSpace), "{}", failure.message);
        assert!(failure.message.contains(words) && failure.message.contains("Free space there"), "{}", failure.message);
        assert_eq!(process.client.backups(REPOSITORY).await.unwrap(), []);
        assert_eq!(files_in(&process.sees(&data.join("staging"))), Vec::<PathBuf>::new());
    };

    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        odoo.set_trap(Trap::StallMidBody);
        let request = start(&source, format);
        process.client.start_backup(REPOSITORY, &request).await.unwrap();
        until(&process.client, request.job, |job| job.phase == Phase::Receiving && job.progress.done_bytes > 0).await;
        std::io::copy(&mut std::io::repeat(0), &mut std::fs::File::create(&ballast).unwrap()).unwrap_err();
        odoo.release();
        let job = until(&process.client, request.job, |job| job.state.is_final()).await;
        assert_full(job, "filled up while the file arrived").await;
        std::fs::remove_file(&ballast).unwrap();
    }

    let large = origin.folder.path().join("large.zip");
    std::fs::write(&large, "PK\x03\x04").unwrap();
    std::fs::OpenOptions::new().write(true).open(&large).unwrap().set_len(120_000_000).unwrap();
    odoo.set_trap(Trap::Sends(large));
    let job = run(&process.client, REPOSITORY, &start(&source, BackupFormat::Zip)).await;
    assert_full(job, "The arriving file does not fit").await;

    odoo.set_trap(Trap::None);
    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        let next = run(&process.client, REPOSITORY, &start(&source, format)).await;
        assert_eq!(next.state, JobState::Succeeded, "{:?}", next.failure);
    }
}

/// Starts a backup server whose data folder is a disk of 48 MB; `None`, and a word, where the system allows no such disk.
pub fn on_a_small_disk(data: &Path, bin: &Path, more: &[&str]) -> Option<Process> {
    on_a_disk_of(48, data, bin, more)
}

fn on_a_disk_of(megabytes: u32, data: &Path, bin: &Path, more: &[&str]) -> Option<Process> {
    let options = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let mount = format!("mount -t tmpfs -o size={megabytes}m,mode=700 small \"$1\"");
    let may = Command::new("unshare").args(options).args([&mount, "sh"]).arg(data).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system gives no user namespaces (unshare --user --mount)");
        return None;
    }
    let mut command = Command::new("unshare");
    let script =
        format!("{mount}; data=$1; shift; exec {} --data \"$data\" \"$@\"", env!("CARGO_BIN_EXE_backup-server"));
    command.args(options).arg(script).arg("sh").arg(data).args(more);
    Some(Process::from(command, data, bin))
}
