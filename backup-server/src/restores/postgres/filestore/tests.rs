//! Folders that change places, where a file system knows no exchange too.

use super::*;

fn folders(parent: &Path) -> (Folders, Option<u64>, Option<u64>) {
    let at = |name: &str| parent.join(name);
    let folders = Folders { live: at("live"), scratch: at("scratch"), previous: at("before"), aside: at("aside") };
    for folder in [&folders.live, &folders.scratch] {
        fs::create_dir(folder).unwrap();
    }
    let (live, scratch) = (inode(&folders.live), inode(&folders.scratch));
    (folders, live, scratch)
}

/// As on file systems that know no exchange, such as NFS.
fn unknown(_: &Path, _: &Path) -> rustix::io::Result<()> {
    Err(rustix::io::Errno::INVAL)
}

#[test]
fn folders_change_places_also_where_the_file_system_knows_no_exchange() {
    let parent = tempfile::tempdir().unwrap();
    let (folders, live, scratch) = folders(parent.path());
    folders.arrange_with(scratch, live, unknown).unwrap();
    assert_eq!((inode(&folders.live), inode(&folders.scratch), inode(&folders.aside)), (scratch, live, None));
    folders.arrange_with(scratch, live, |_, _| panic!("it is there already")).unwrap();
    folders.arrange(live, scratch).unwrap();
    assert_eq!((inode(&folders.live), inode(&folders.scratch)), (live, scratch), "with an exchange, and back");
}

#[test]
fn a_change_of_places_that_was_cut_off_is_finished_or_taken_back() {
    for restored_is_wanted in [true, false] {
        for renames in 1..=2 {
            let parent = tempfile::tempdir().unwrap();
            let (folders, live, scratch) = folders(parent.path());
            fs::rename(&folders.live, &folders.aside).unwrap();
            if renames == 2 {
                fs::rename(&folders.scratch, &folders.live).unwrap();
            }
            let (wanted, other) = if restored_is_wanted { (scratch, live) } else { (live, scratch) };
            folders.arrange_with(wanted, other, unknown).unwrap();
            assert_eq!(inode(&folders.live), wanted, "after {renames} renames");
            if restored_is_wanted {
                folders.keep(live).unwrap();
                assert_eq!(inode(&folders.previous), live, "the replaced one is kept");
            } else {
                folders.remove(scratch).unwrap();
            }
            let left = fs::read_dir(parent.path()).unwrap().count();
            assert_eq!(left, if restored_is_wanted { 2 } else { 1 });
        }
    }
}
