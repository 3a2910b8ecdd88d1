//! The folder where a file from Odoo waits until it is checked and stored.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use backup_api::{Failure, FailureCode};
use uuid::Uuid;

use crate::{jobs::size, repositories::is_disk_full};

/// A folder of the server's own, and how much of its disk stays free.
#[derive(Clone, Debug)]
pub struct Staging {
    folder: PathBuf,
    keep_free: u64,
}

/// A file in the folder, removed when dropped.
#[derive(Debug)]
pub(crate) struct StagedFile {
    path: PathBuf,
}

impl Staging {
    /// Uses `folder`, which is made when it is not there, and leaves at least `keep_free` bytes of its disk free.
    pub fn open(folder: PathBuf, keep_free: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, keep_free })
    }

    /// Removes what a crash left; gives the number of files. To be called once, before anything is staged.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Makes a new file that only this user can read.
    pub(crate) fn create(&self) -> Result<(StagedFile, File), Failure> {
        let path = self.folder.join(Uuid::new_v4().to_string());
        let file = OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| self.failure(&error))?;
        Ok((StagedFile { path }, file))
    }

    /// Whether `wanted` more bytes fit.
    pub(crate) fn check_space(&self, wanted: u64) -> Result<(), Failure> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(|error| self.failure(&error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= wanted.saturating_add(self.keep_free) {
            return Ok(());
        }
        Err(Failure {
            code: FailureCode::NoSpace,
            message: format!(
                "The disk of the backup server's staging folder has {} free, of which {} are kept free. The arriving file \
                 does not fit. Free space there or move the data folder to a larger disk; nothing was kept.",
                size(free),
                size(self.keep_free),
            ),
        })
    }

    /// A failure for an error of the folder's disk.
    pub(crate) fn failure(&self, error: &io::Error) -> Failure {
        let folder = self.folder.display();
        if is_disk_full(error) {
            let message = format!(
                "The disk of the backup server's staging folder {folder} filled up while the file arrived ({error}). Free \
                 space there or move the data folder to a larger disk; nothing was kept."
            );
            return Failure { code: FailureCode::NoSpace, message };
        }
        let message = format!(
            "The backup server's staging folder {folder} cannot be written: {error}. Check the disk and the folder's owner."
        );
        Failure { code: FailureCode::Storage, message }
    }
}

impl StagedFile {
    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the sweep at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staged_file_is_private_and_gone_when_dropped() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("staging"), 0).unwrap();
        let (staged, _file) = staging.create().unwrap();
        assert_eq!(fs::metadata(staged.path()).unwrap().mode() & 0o777, 0o600);
        let path = staged.path().to_owned();
        drop(staged);
        assert!(!path.exists());
    }

    #[test]
    fn the_sweep_removes_what_a_crash_left() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().to_owned(), 0).unwrap();
        fs::write(folder.path().join("left-over"), "half a zip").unwrap();
        assert_eq!(staging.sweep().unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn too_little_space_is_told_before_anything_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().to_owned(), u64::MAX / 2).unwrap();
        assert_eq!(staging.check_space(1).unwrap_err().code, FailureCode::NoSpace);
        let staging = Staging::open(folder.path().to_owned(), 0).unwrap();
        staging.check_space(1).unwrap();
    }
}
