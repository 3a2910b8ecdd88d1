//! Makes a backup as Odoo does, and sends it whole or as the trap wants it.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    net::TcpStream,
    path::Path,
    process::Stdio,
};

use chrono::Utc;
use serde_json::{Map, Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{Options, Shared, Style, Trap, http, http::Stream, rpc};

/// Answers a backup request whose password and name are right. `failed` answers with an error page.
pub(super) fn answer(
    shared: &Shared,
    client: &TcpStream,
    options: &Options,
    name: &str,
    zip: bool,
    failed: &dyn Fn(&str) -> io::Result<()>,
) -> io::Result<()> {
    match &options.trap {
        Trap::ErrorPage(message) => return failed(message),
        Trap::PgDumpNotFound => return failed("Command `pg_dump` not found."),
        Trap::DumpFails if zip => {
            return failed("Command '['/usr/bin/pg_dump', '--no-owner', 'x']' returned non-zero exit status 1.");
        }
        Trap::NoAnswer => return Ok(()),
        Trap::Stall => shared.stall(client)?,
        Trap::Redirect(to) => {
            let location = format!("Location: {to}\r\n");
            return http::answer_with(client, "302 FOUND", "text/html; charset=utf-8", &location, "Redirecting...");
        }
        _ => {}
    }
    let mut file = match &options.trap {
        Trap::Sends(path) => File::open(path)?,
        _ if zip => make_zip(shared, options, name)?,
        _ => make_dump(shared, name)?,
    };
    let length = file.seek(SeekFrom::End(0))?;
    if options.trap == Trap::FlippedByte {
        flip_byte(&mut file, length / 8 * 7)?;
    }
    file.rewind()?;
    let content_type = match options.style {
        Style::Development if zip => "application/zip",
        _ => "application/octet-stream; charset=binary",
    };
    #[expect(clippy::disallowed_methods, reason = "names the file by the time, as Odoo does")]
    let at = Utc::now().format("%Y-%m-%d_%H-%M-%S");
    let extension = if zip { "zip" } else { "dump" };
    let disposition = format!("attachment; filename*=UTF-8''{name}_{at}.{extension}");
    let http_1_0 = options.workers || options.trap == Trap::WorkerKilled;
    let mut stream = Stream::start(client, http_1_0, content_type, &disposition)?;
    match options.trap {
        Trap::Empty => {}
        Trap::CutMidBody | Trap::WorkerKilled => return stream.send(file.take(length / 2)),
        Trap::Truncated | Trap::DumpFails => stream.send(file.take(length / 2))?,
        Trap::StallMidBody => {
            stream.send((&file).take(length / 2))?;
            shared.stall(client)?;
            stream.send(file)?;
        }
        _ => stream.send(file)?,
    }
    stream.end()
}

fn flip_byte(file: &mut File, at: u64) -> io::Result<()> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[byte[0] ^ 0xff])
}

/// As `dump_db` with a format other than zip: whatever `pg_dump` writes, its exit status ignored.
fn make_dump(shared: &Shared, name: &str) -> io::Result<File> {
    let file = tempfile::tempfile()?;
    let mut pg_dump = shared.clients.command("pg_dump", "odoo");
    pg_dump.args(["--no-owner", "--format=c", name]).stdout(file.try_clone()?).stderr(Stdio::null());
    pg_dump.status()?;
    Ok(file)
}

/// As `dump_db` with format zip: `dump.sql`, `manifest.json`, then the filestore with its checklist, all deflated.
fn make_zip(shared: &Shared, options: &Options, name: &str) -> io::Result<File> {
    let mut sql = tempfile::tempfile()?;
    let mut pg_dump = shared.clients.command("pg_dump", "odoo");
    if !pg_dump.args(["--no-owner", name]).stdout(sql.try_clone()?).status()?.success() {
        return Err(io::Error::other("pg_dump failed"));
    }
    let mut length = sql.seek(SeekFrom::End(0))?;
    sql.rewind()?;
    if options.trap == Trap::HalfDumpSql {
        length /= 2;
    }
    let mut zip = ZipWriter::new(tempfile::tempfile()?);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(false);
    zip.start_file("dump.sql", deflated).map_err(io::Error::other)?;
    io::copy(&mut sql.take(length), &mut zip)?;
    zip.start_file("manifest.json", deflated).map_err(io::Error::other)?;
    zip.write_all(manifest(shared, options.style, name)?.as_bytes())?;
    let filestore = shared.data_dir.join("filestore").join(name);
    for path in files_below(&filestore)? {
        let entry = path.strip_prefix(&filestore).map_err(io::Error::other)?;
        zip.start_file(format!("filestore/{}", entry.display()), deflated).map_err(io::Error::other)?;
        io::copy(&mut File::open(&path)?, &mut zip)?;
    }
    zip.finish().map_err(io::Error::other)
}

fn manifest(shared: &Shared, style: Style, name: &str) -> io::Result<String> {
    let sql = "SELECT name, latest_version FROM ir_module_module WHERE state = 'installed'";
    let rows = shared.clients.sql_as("odoo", name, sql)?;
    let modules: Map<String, Value> = rows
        .lines()
        .filter_map(|row| row.split_once('|'))
        .map(|(name, version)| (name.into(), version.into()))
        .collect();
    let info = rpc::version_info(style);
    let postgres = shared.clients.sql_as("odoo", name, "SELECT current_setting('server_version_num')::int / 10000")?;
    let manifest = json!({
        "odoo_dump": "1",
        "db_name": name,
        "version": info["server_version"],
        "version_info": info["server_version_info"],
        "major_version": info["server_serie"],
        "pg_version": format!("{}.0", postgres.trim()),
        "modules": modules,
    });
    serde_json::to_string_pretty(&manifest).map_err(io::Error::other)
}

fn files_below(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}
