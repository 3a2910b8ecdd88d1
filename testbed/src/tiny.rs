//! The tiny fixture: a real Odoo 18 database with a few modules and attachments.

use std::{
    fs,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    process::Stdio,
};

use zip::ZipArchive;

use crate::{Cluster, cluster::run};

/// Made by Odoo 18.0 itself, on PostgreSQL 15.
const TINY: &[u8] = include_bytes!("../fixtures/tiny18.zip");

/// The database that the others are copied from: several times faster than restoring the SQL again.
const TEMPLATE: &str = "testbed_tiny18";

/// A restored tiny database.
#[derive(Clone, Debug)]
pub struct TinyDatabase {
    /// Its name in the cluster.
    pub name: String,
    /// Its filestore folder, the one that holds `00` to `ff`.
    pub filestore: PathBuf,
}

/// The addons folder of the Odoo that the fixture is of: one folder a module, with its `data/neutralize.sql`.
pub fn addons() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/addons")
}

/// Restores the tiny fixture as database `name`, its attachments as `<data_dir>/filestore/<name>/xx/<sha1>`.
pub fn restore_fixture(cluster: &Cluster, name: &str, data_dir: &Path) -> io::Result<TinyDatabase> {
    {
        let mut made = cluster.template.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*made {
            make_template(cluster)?;
            *made = true;
        }
        cluster.create_database(name, Some(TEMPLATE))?;
    }
    let filestore = data_dir.join("filestore").join(name);
    extract_filestore(&filestore)?;
    Ok(TinyDatabase { name: name.to_owned(), filestore })
}

fn archive() -> io::Result<ZipArchive<Cursor<&'static [u8]>>> {
    ZipArchive::new(Cursor::new(TINY)).map_err(io::Error::other)
}

fn make_template(cluster: &Cluster) -> io::Result<()> {
    cluster.create_database(TEMPLATE, None)?;
    let sql = cluster.socket_folder().join("tiny18.sql");
    let mut zip = archive()?;
    io::copy(&mut zip.by_name("dump.sql").map_err(io::Error::other)?, &mut fs::File::create(&sql)?)?;
    let mut psql = cluster.clients().command("psql", "odoo");
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--dbname", TEMPLATE]);
    run(psql.stdin(Stdio::from(fs::File::open(&sql)?)))?;
    fs::remove_file(sql)
}

fn extract_filestore(filestore: &Path) -> io::Result<()> {
    let mut zip = archive()?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(io::Error::other)?;
        let Some(path) =
            entry.name().map_err(io::Error::other)?.strip_prefix("filestore/").map(|name| filestore.join(name))
        else {
            continue;
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        fs::write(path, content)?;
    }
    Ok(())
}
