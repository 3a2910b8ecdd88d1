//! Checks of the disks and folders that a restore writes to.

use std::path::Path;

use backup_api::{Check, CheckCode};

use super::{
    filestore,
    preflight::{pass, stop, warn},
};
use crate::disk;

pub(super) fn database_space(folder: Option<&Path>, needed: u64, keep_free: u64) -> Check {
    let code = CheckCode::Space;
    let megabytes = crate::jobs::size(needed);
    match folder.and_then(|folder| disk::space(folder).ok()) {
        None => warn(
            code,
            format!(
                "The database will need about {megabytes} on PostgreSQL's own disk beside the present one, which cannot be \
                 looked at from here. If it fills up, the restore fails and the live database stays as it is."
            ),
        ),
        Some(space) => judge_space("PostgreSQL's disk", &megabytes, needed, space.free_bytes, keep_free),
    }
}

pub(super) fn filestore_space(live: &Path, needed: u64, keep_free: u64) -> Check {
    let parent = live.parent().unwrap_or(live);
    match disk::space(parent) {
        Ok(space) => {
            judge_space("the filestore's disk", &crate::jobs::size(needed), needed, space.free_bytes, keep_free)
        }
        Err(error) => stop(CheckCode::Space, format!("The disk of {} cannot be looked at: {error}.", parent.display())),
    }
}

fn judge_space(disk: &str, megabytes: &str, needed: u64, free: u64, keep_free: u64) -> Check {
    let free_text = crate::jobs::size(free);
    if free >= needed.saturating_add(keep_free) {
        return pass(CheckCode::Space, format!("About {megabytes} are needed on {disk}; {free_text} are free."));
    }
    stop(
        CheckCode::Space,
        format!(
            "About {megabytes} are needed on {disk}, but only {free_text} are free, of which some must stay so. Free some \
                 space first."
        ),
    )
}

/// Whether the folder can be replaced: set, writable beside it, no mount point, its owner can be given files.
pub(super) fn filestore_check(live: Option<&Path>, has_files: bool, expected: usize, is_copy: bool) -> Check {
    let code = CheckCode::Filestore;
    let Some(live) = live else {
        return match (has_files, expected) {
            (true, 1..) => stop(
                code,
                format!(
                    "No filestore folder is set, but the backup holds {expected} attachment files. Set the folder in the \
                         subscription, usually …/filestore/<database>."
                ),
            ),
            _ => pass(code, "The filestore stays as it is."),
        };
    };
    let shown = live.display();
    if is_copy && live.exists() {
        return stop(
            code,
            format!("There is a folder {shown} already. Remove it, or choose another name for the copy."),
        );
    }
    let parent = live.parent().unwrap_or(Path::new("/"));
    if is_mount_point(live) {
        return stop(
            code,
            format!(
                "The folder {shown} is the mount point of a disk and cannot be exchanged for another. Mount the disk at \
                     {} instead.",
                parent.display()
            ),
        );
    }
    match filestore::try_out(live) {
        Ok(()) => pass(code, format!("The folder {shown} can be replaced.")),
        Err(error) => stop(
            code,
            format!(
                "In {} no folder can be made as {shown} needs it: {error}. Give the backup server's account the right to \
                     write there and to give files to the filestore's owner.",
                parent.display()
            ),
        ),
    }
}

fn is_mount_point(folder: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    folder.to_str().is_some_and(|folder| places.any(|place| place.replace("\\040", " ") == folder))
}

#[cfg(test)]
mod tests {
    use backup_api::CheckOutcome;

    use super::*;

    #[test]
    fn space_is_judged_with_what_must_stay_free() {
        assert_eq!(judge_space("the disk", "", 10, 20, 10).outcome, CheckOutcome::Pass);
        assert_eq!(judge_space("the disk", "", 11, 20, 10).outcome, CheckOutcome::Stop);
        assert_eq!(database_space(None, 10, 0).outcome, CheckOutcome::Warn);
    }
}
