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

#[test]
fn each_place_has_its_turn_and_the_first_failure_ends_all_of_them() {
    let turns = AtomicUsize::new(0);
    let take = |_| {
        turns.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    side_by_side(1000, take).unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 1000);

    let (turns, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let places = 50_000_000;
    let refused = side_by_side(places, |place| {
        turns.fetch_add(1, Ordering::Relaxed);
        if place == 0 {
            has_failed.store(true, Ordering::Release);
            return Err(failure(FailureCode::NoSpace, "the disk is full"));
        }
        // The others are amid a file until it has.
        while !has_failed.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        Ok(())
    });
    assert_eq!(refused.unwrap_err().code, FailureCode::NoSpace);
    assert!(turns.load(Ordering::Relaxed) < places);
}
