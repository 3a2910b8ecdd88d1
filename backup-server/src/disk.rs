//! What the system says of the disk and of this process.

use std::{io, path::Path};

use backup_api::{Failure, FailureCode, Space};

use crate::jobs::size;

/// How much is written between two looks at the free space.
pub(crate) const SPACE_STEP: u64 = 64 << 20;

/// Size and free space of the disk that holds `folder`.
pub fn space(folder: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Space { total_bytes: bytes(disk.f_blocks), free_bytes: bytes(disk.f_bavail), repositories_bytes: 0 })
}

/// A backup that does not fit, with what it needs in words.
pub(crate) fn no_room(need: &str, free: u64, keep_free: u64) -> Failure {
    Failure {
        code: FailureCode::NoSpace,
        message: format!(
            "The backup needs {need}, but the disk of the backup server has {} free, of which {} stay free. Free some \
             space, delete backups that are not needed any more, or move the data folder to a larger disk.",
            size(free),
            size(keep_free)
        ),
    }
}

/// The most memory that this process has had resident so far; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_system() {
        assert_eq!(peak_of("VmPeak:\t  9 kB\nVmHWM:\t   5848 kB\nVmRSS:\t 1 kB\n"), Some(5848 * 1024));
        assert!(peak_memory().unwrap() > 100_000);
        let space = space(Path::new("/")).unwrap();
        assert!(space.total_bytes >= space.free_bytes && space.total_bytes > 0);
    }
}
