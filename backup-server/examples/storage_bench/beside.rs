//! What Holdfast is measured beside: stock `restic`, and what Odoo does.

use std::{fs, io, path::Path, process::Command};

use crate::{Outcome, measures::Stopwatch};

pub fn run(command: &mut Command) -> Outcome<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}

pub fn restic(folder: &Path, what: &str) -> Outcome<()> {
    let repository = folder.join("restic");
    let command = || {
        let mut command = Command::new("restic");
        command.env("RESTIC_REPOSITORY", &repository).env("RESTIC_PASSWORD", "x");
        command.env("RESTIC_CACHE_DIR", folder.join("restic-cache")).current_dir(folder);
        command
    };
    if !repository.exists() {
        run(command().arg("init"))?;
    }
    let before = bytes_below(&repository)?;
    let watch = Stopwatch::start();
    run(command().args(["backup", "source"]))?;
    watch.line(what, bytes_below(&repository)? - before);
    Ok(())
}

/// As Odoo's `dump_db` does: a copy of the filestore, then a zip with everything deflated.
const ODOOS_WAY: &str = "import os, shutil, sys, zipfile
source, copy, target = sys.argv[1:]
shutil.copytree(source, copy)
with zipfile.ZipFile(target, 'w', compression=zipfile.ZIP_DEFLATED, allowZip64=True) as z:
    for folder, _, names in os.walk(copy):
        for name in names:
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, copy))";

/// Gives the zip's size and the seconds it took.
pub fn odoos_way(folder: &Path, what: &str) -> Outcome<(u64, f64)> {
    let (copy, target) = (folder.join("copy"), folder.join("odoo.zip"));
    let watch = Stopwatch::start();
    run(Command::new("python3").args(["-c", ODOOS_WAY]).arg(folder.join("source")).arg(&copy).arg(&target))?;
    let bytes = fs::metadata(&target)?.len();
    let seconds = watch.seconds();
    watch.line(what, bytes);
    fs::remove_dir_all(copy)?;
    fs::remove_file(target)?;
    Ok((bytes, seconds))
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let kind = entry.file_type()?;
        Ok(sum + if kind.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() })
    })
}
