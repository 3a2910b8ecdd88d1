//! What Odoo does with its databases and their filestores, as its `service/db.py` does it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{Shared, rpc};

/// The folder of a database's files.
pub(super) fn filestore(shared: &Shared, name: &str) -> PathBuf {
    shared.data_dir.join("filestore").join(name)
}

/// Whether one can connect to it, whoever owns it.
pub(super) fn exists(shared: &Shared, name: &str) -> io::Result<bool> {
    let sql = format!("SELECT count(*) FROM pg_database WHERE datallowconn AND datname = {}", literal(name));
    Ok(shared.clients.sql_as("odoo", "postgres", &sql)?.trim() == "1")
}

/// Makes one as `_create_empty_database` does.
pub(super) fn create_empty(shared: &Shared, name: &str) -> io::Result<()> {
    let sql = format!("CREATE DATABASE {} ENCODING 'unicode' TEMPLATE template0", identifier(name));
    shared.clients.sql_as("odoo", "postgres", &sql)?;
    shared.clients.sql_as("odoo", name, "CREATE EXTENSION IF NOT EXISTS pg_trgm").map(drop)
}

/// `exp_drop`: false for a database that the server does not list, which then stays.
pub(super) fn drop_database(shared: &Shared, name: &str) -> io::Result<bool> {
    if !rpc::databases(shared).map_err(io::Error::other)?.iter().any(|known| known == name) {
        return Ok(false);
    }
    end_sessions(shared, name);
    shared.clients.sql_as("odoo", "postgres", &format!("DROP DATABASE {}", identifier(name)))?;
    let folder = filestore(shared, name);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(true)
}

/// `exp_rename`: the filestore stays where it is when there is a folder of the new name.
pub(super) fn rename(shared: &Shared, old: &str, new: &str, moves_files: bool) -> io::Result<()> {
    end_sessions(shared, old);
    let sql = format!("ALTER DATABASE {} RENAME TO {}", identifier(old), identifier(new));
    shared.clients.sql_as("odoo", "postgres", &sql).map_err(|error| {
        io::Error::other(format!("Couldn't rename database {old} to {new}: {}", first_line(&error.to_string())))
    })?;
    let (from, to) = (filestore(shared, old), filestore(shared, new));
    if moves_files && from.exists() && !to.exists() { fs::rename(from, to) } else { Ok(()) }
}

/// `exp_duplicate_database`.
pub(super) fn duplicate(shared: &Shared, old: &str, new: &str, neutralized: bool) -> io::Result<()> {
    end_sessions(shared, old);
    let (from, to) = (identifier(old), identifier(new));
    let sql = format!("CREATE DATABASE {to} ENCODING 'unicode' TEMPLATE {from}");
    shared.clients.sql_as("odoo", "postgres", &sql)?;
    give_new_identity(shared, new)?;
    if neutralized {
        neutralize(shared, new)?;
    }
    let (from, to) = (filestore(shared, old), filestore(shared, new));
    if from.exists() && !to.exists() {
        copy_folder(&from, &to)?;
    }
    Ok(())
}

/// What `copy` asks for: `ir.config_parameter`'s `init(force=True)`.
pub(super) fn give_new_identity(shared: &Shared, name: &str) -> io::Result<()> {
    let sql = "UPDATE ir_config_parameter SET value = CASE key \
               WHEN 'database.create_date' THEN to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') \
               WHEN 'web.base.url' THEN 'http://localhost:8069' ELSE gen_random_uuid()::text END \
               WHERE key IN ('database.uuid', 'database.secret', 'database.create_date', 'web.base.url')";
    shared.clients.sql_as("odoo", name, sql).map(drop)
}

/// Runs the installed modules' `neutralize.sql`, `base` first.
pub(super) fn neutralize(shared: &Shared, name: &str) -> io::Result<()> {
    let sql =
        "SELECT name FROM ir_module_module WHERE state IN ('installed', 'to upgrade') ORDER BY name <> 'base', name";
    let modules = shared.clients.sql_as("odoo", name, sql)?;
    for file in modules.lines().map(|module| crate::addons().join(module).join("data/neutralize.sql")) {
        if let Ok(sql) = fs::read_to_string(file) {
            shared.clients.sql_as("odoo", name, &sql)?;
        }
    }
    Ok(())
}

/// Runs a file as Odoo runs `dump.sql`: errors are passed over.
pub(super) fn run_file(shared: &Shared, program: &str, name: &str, options: &[&str], file: &Path) -> io::Result<bool> {
    let mut command = shared.clients.command(program, "odoo");
    command.arg(format!("--dbname={name}")).args(options).arg(file);
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}

/// As `_drop_conn`: sessions that may not be ended, such as those of PostgreSQL itself, are passed over.
fn end_sessions(shared: &Shared, name: &str) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()",
        literal(name)
    );
    let _ = shared.clients.sql_as("odoo", "postgres", &sql);
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy_folder(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
