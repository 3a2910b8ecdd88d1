//! Restores as `/web/database/restore` does: whatever psql thinks of the SQL, the answer is a redirect.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
};

use zip::ZipArchive;

use super::{Options, RestoreTrap, Shared, databases, http, upload::Form};

/// Answers a restore request whose password is right. `failed` answers with an error page.
pub(super) fn answer(
    shared: &Shared,
    client: &TcpStream,
    options: &Options,
    form: Form,
    failed: &dyn Fn(&str) -> io::Result<()>,
) -> io::Result<()> {
    match &options.restore_trap {
        RestoreTrap::ErrorPage(message) => return failed(message),
        RestoreTrap::Redirect(to) => {
            let location = format!("Location: {to}\r\n");
            return http::answer_with(client, "302 FOUND", "text/html; charset=utf-8", &location, "Redirecting...");
        }
        RestoreTrap::Stall => shared.stall(client)?,
        RestoreTrap::GoesOn => shared.wait_for_release()?,
        _ => {}
    }
    match restore(shared, &options.restore_trap, form) {
        Ok(()) if options.restore_trap == RestoreTrap::WorkerKilled => Ok(()),
        Ok(()) => http::see_other(client),
        Err(error) => failed(&error.to_string()),
    }
}

/// The action itself; an error's text is what the page says.
fn restore(shared: &Shared, trap: &RestoreTrap, form: Form) -> io::Result<()> {
    let field = |name: &str| form.fields.get(name);
    let (Some(name), Some(file)) = (field("name"), form.file) else {
        return Err(io::Error::other("missing field"));
    };
    let is_copy = field("copy").map_or(Ok(false), |text| python_bool(text))?;
    // Any text that is not empty is true to Python, “false” too.
    let is_neutralized = field("neutralize_database").is_some_and(|text| !text.is_empty());
    if databases::exists(shared, name)? {
        return Err(io::Error::other("Database already exists"));
    }
    databases::create_empty(shared, name)?;
    fs::create_dir_all(&shared.data_dir)?;
    let folder = tempfile::tempdir_in(&shared.data_dir)?;
    let filestore = unpack_and_run(shared, trap, name, file, folder.path())?;
    if *trap == RestoreTrap::WorkerKilled {
        return Ok(());
    }
    if is_copy {
        databases::give_new_identity(shared, name)?;
    }
    if is_neutralized && *trap != RestoreTrap::NotNeutralized {
        databases::neutralize(shared, name)?;
    }
    if filestore {
        move_into_place(&folder.path().join("filestore"), &databases::filestore(shared, name))?;
        if *trap == RestoreTrap::LosesAFile {
            lose_a_file(&databases::filestore(shared, name))?;
        }
    }
    Ok(())
}

/// Runs the dump; whether there is a filestore to be moved.
fn unpack_and_run(shared: &Shared, trap: &RestoreTrap, name: &str, file: File, folder: &Path) -> io::Result<bool> {
    let couldnt = || io::Error::other("Couldn't restore database");
    let mut file = file;
    let sql = folder.join("dump.sql");
    let mut has_filestore = false;
    if let Ok(mut zip) = ZipArchive::new(file.try_clone()?) {
        let missing = "\"There is no item named 'dump.sql' in the archive\"";
        let mut dump = zip.by_name("dump.sql").map_err(|_| io::Error::other(missing))?;
        let length = if matches!(trap, RestoreTrap::HalfTheRows | RestoreTrap::WorkerKilled) {
            dump.size() / 2
        } else {
            u64::MAX
        };
        io::copy(&mut (&mut dump).take(length), &mut File::create(&sql)?)?;
        drop(dump);
        if *trap == RestoreTrap::LosesARow {
            lose_a_row(&sql)?;
        }
        has_filestore = extract_filestore(&mut zip, folder)?;
        // psql ends well whatever the SQL said: there is no ON_ERROR_STOP.
        databases::run_file(shared, "psql", name, &["--no-psqlrc", "-q", "-f"], &sql)?;
    } else {
        let path = folder.join("dump");
        io::Seek::rewind(&mut file)?;
        io::copy(&mut file, &mut File::create(&path)?)?;
        if !databases::run_file(shared, "pg_restore", name, &["--no-owner"], &path)? {
            return Err(couldnt());
        }
    }
    Ok(has_filestore)
}

fn extract_filestore(zip: &mut ZipArchive<File>, folder: &Path) -> io::Result<bool> {
    let mut any = false;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(io::Error::other)?;
        let Some(path) = entry.enclosed_name().filter(|path| path.starts_with("filestore")) else { continue };
        any = true;
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        fs::write(path, content)?;
    }
    Ok(any)
}

/// As `shutil.move`: into the folder, when there is one of that name already.
fn move_into_place(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if to.is_dir() { fs::rename(from, to.join("filestore")) } else { fs::rename(from, to) }
}

/// Takes the last row of a table out, as when one row of a COPY is bad in another way than PostgreSQL notices.
fn lose_a_row(sql: &Path) -> io::Result<()> {
    let text = fs::read(sql)?;
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let start = lines.iter().position(|line| line.starts_with(b"COPY public.res_currency ("));
    let start = start.ok_or_else(|| io::Error::other("the dump has no currencies"))?;
    lines.remove(start + 1);
    let mut file = File::create(sql)?;
    lines.into_iter().try_for_each(|line| file.write_all(line))
}

fn lose_a_file(filestore: &Path) -> io::Result<()> {
    for folder in fs::read_dir(filestore)? {
        let folder = folder?.path();
        if folder.file_name().is_some_and(|name| name != "checklist")
            && let Some(file) = fs::read_dir(&folder)?.next()
        {
            return fs::remove_file(file?.path());
        }
    }
    Ok(())
}

/// As Odoo's `str2bool`.
fn python_bool(text: &str) -> io::Result<bool> {
    match text.to_lowercase().as_str() {
        "y" | "yes" | "1" | "true" | "t" | "on" => Ok(true),
        "n" | "no" | "0" | "false" | "f" | "off" => Ok(false),
        _ => Err(io::Error::other("Use 0/1/yes/no/true/false/on/off")),
    }
}
