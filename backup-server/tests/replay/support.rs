//! A scratch database, and ways to look at it from outside.

use std::{io::Read, path::Path, process::Command};

use backup_api::Failure;
use backup_server::{
    restores::replay::{self, DumpStream, Replayed},
    sources::{PgTool, PgTools},
};
use bytes::Bytes;
use futures::stream;
use sqlx::{Connection, PgConnection};
use testbed::Cluster;
use tokio_util::sync::CancellationToken;

/// The bytes of a dump, in pieces of an odd size.
pub fn stream_of(dump: &[u8]) -> DumpStream {
    let pieces: Vec<_> = dump.chunks(40_009).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces))
}

/// Creates an empty database.
pub fn scratch(name: &str) -> &str {
    Cluster::shared().drop_database(name).unwrap();
    Cluster::shared().create_database(name, None).unwrap();
    name
}

/// A connection as a role.
pub async fn connect(role: &str, database: &str) -> PgConnection {
    let cluster = Cluster::shared();
    let url = format!("postgres://{role}:{}@127.0.0.1:{}/{database}", cluster.password(), cluster.port());
    PgConnection::connect(&url).await.unwrap()
}

/// Replays a dump as the unprivileged owner.
pub async fn replay_into(database: &str, dump: DumpStream) -> Result<Replayed, Failure> {
    let mut connection = connect("odoo", database).await;
    replay::replay(dump, &mut connection, |_| (), &CancellationToken::new()).await
}

/// The SQL of a zip.
pub fn sql_of(zip: &Path) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    let mut sql = Vec::new();
    archive.by_name("dump.sql").unwrap().read_to_end(&mut sql).unwrap();
    sql
}

/// The tiny fixture's SQL.
pub fn tiny() -> Vec<u8> {
    sql_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/fixtures/tiny18.zip"))
}

/// What `pg_dump` gives, with more arguments.
pub fn pg_dump(database: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command: Command = Cluster::shared().clients().command("pg_dump", "odoo");
    let output = command.args(arguments).args(["--no-owner", database]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Two databases, as `pg_dump` sees them, are equal. Where rows lie in a table is PostgreSQL's business.
pub fn assert_same(left: &str, right: &str) {
    let lines = |database| {
        let text = String::from_utf8(pg_dump(database, &[])).unwrap();
        let token = |line: &str| line.starts_with(r"\restrict ") || line.starts_with(r"\unrestrict ");
        let mut lines: Vec<String> = text.lines().filter(|line| !token(line)).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let (left, right) = (lines(left), lines(right));
    let differs = left.iter().zip(&right).find(|(left, right)| left != right);
    assert_eq!(differs, None);
    assert_eq!(left.len(), right.len());
    assert!(left.len() > 20);
}

/// The client programs of the test server.
pub fn tool() -> PgTool {
    PgTools::in_folders(&[Cluster::shared().bin().to_owned()]).all().remove(0)
}

/// The same, but for a script in place of `pg_restore`.
pub fn tool_whose_pg_restore(folder: &Path, script: &str) -> PgTool {
    std::os::unix::fs::symlink(Cluster::shared().bin().join("pg_dump"), folder.join("pg_dump")).unwrap();
    // Written by a program of its own, so that no other thread's child holds it open for writing when it is run.
    let write = format!("printf '#!/bin/sh\\n%s\\n' '{script}' >pg_restore && chmod 755 pg_restore");
    assert!(Command::new("sh").args(["-c", &write]).current_dir(folder).status().unwrap().success());
    PgTools::in_folders(&[folder.to_owned()]).all().remove(0)
}

/// A whole dump with these statements.
pub fn dump_of(statements: &str) -> Vec<u8> {
    format!(
        "-- Dumped from database version 15.18\nSET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\
         SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n{statements}\n\n\
         --\n-- PostgreSQL database dump complete\n--\n"
    )
    .into_bytes()
}
