//! Links between the two filestores of a swap, so that no moment lacks a file.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::{Duration, SystemTime},
};

use backup_api::Failure;

use super::filestore::{Owner, is_hex, make_folder, own, unwritable};

/// Odoo's folder of markers for files that may not be needed any more. Its daily clean-up looks at each of them.
const CHECKLIST: &str = "checklist";
/// A folder that changed within this time may change again without its time telling so.
const SETTLED: Duration = Duration::from_secs(3);

/// What [`link_all`] did and saw, so that a second look is quick.
#[derive(Debug, Default)]
pub(super) struct Linked {
    /// Files linked.
    pub count: u64,
    /// When each folder had last changed before it was looked at; none that changed a moment ago.
    seen: BTreeMap<String, SystemTime>,
}

/// Gives the folder `to` links to all files of `from` that it does not have, so that whichever database answers after a
/// crash finds all its files in it. Each gets a marker in Odoo's own checklist: Odoo's daily clean-up removes those that
/// no attachment refers to, under its own locks. Folders that did not change since `before` are not looked at again.
pub(super) fn link_all(from: &Path, to: &Path, before: Option<&Linked>) -> Result<Linked, Failure> {
    link_all_files(from, to, before).map_err(|error| unwritable(to, &error))
}

fn link_all_files(from: &Path, to: &Path, before: Option<&Linked>) -> io::Result<Linked> {
    let of = fs::metadata(to)?;
    let owner = Owner { uid: of.uid(), gid: of.gid(), mode: of.permissions().mode() & 0o7777 };
    let settled = SystemTime::now().checked_sub(SETTLED);
    let mut linked = Linked::default();
    for folder in fs::read_dir(from)? {
        let folder = folder?;
        let name = folder.file_name();
        let Some(name) = name.to_str().filter(|name| name.len() == 2 && is_hex(name)) else { continue };
        let changed = folder.metadata()?.modified()?;
        if before.is_some_and(|before| before.seen.get(name) == Some(&changed)) {
            continue;
        }
        if settled.is_some_and(|settled| changed < settled) {
            linked.seen.insert(name.to_owned(), changed);
        }
        linked.count += link_folder(&folder.path(), to, name, owner)?;
    }
    Ok(linked)
}

fn link_folder(from: &Path, to: &Path, name: &str, owner: Owner) -> io::Result<u64> {
    let mut count = 0;
    for file in fs::read_dir(from)? {
        let file = file?;
        let sha1 = file.file_name();
        let Some(sha1) = sha1.to_str().filter(|sha1| sha1.len() == 40 && is_hex(sha1)) else { continue };
        let target = to.join(name).join(sha1);
        if target.exists() || !file.file_type()?.is_file() {
            continue;
        }
        make_folder(&to.join(name), owner)?;
        mark(to, name, sha1, owner)?;
        if fs::hard_link(file.path(), &target).is_err() {
            fs::copy(file.path(), &target)?;
            own(&target, owner, owner.mode & 0o666)?;
        }
        count += 1;
    }
    Ok(count)
}

fn mark(to: &Path, folder: &str, sha1: &str, owner: Owner) -> io::Result<()> {
    let checklist = to.join(CHECKLIST);
    make_folder(&checklist, owner)?;
    make_folder(&checklist.join(folder), owner)?;
    let marker = checklist.join(folder).join(sha1);
    File::create(&marker)?;
    own(&marker, owner, owner.mode & 0o666)
}
