//! A repository may hold what no Odoo ever wrote: nothing of it gets beyond the scratch database.

use std::{fs, io, path::Path, sync::Arc};

use backup_api::{Attachments, BackupFormat, BackupId, FailureCode, JobState, RestorePlan};
use backup_server::repositories::{Content, ContentFile, NewBackup, Repositories};
use chrono::DateTime;
use testbed::Cluster;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::setting::{Changed, restore};
use crate::setting::{REPOSITORY, Served};

/// Stores a dump as if it had been backed up.
pub async fn store(data: &Path, dump: String) -> BackupId {
    let backup = NewBackup {
        id: BackupId(Uuid::new_v4()),
        created_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        database: backup_api::DatabaseName::parse("hostile").unwrap(),
        format: BackupFormat::Zip,
        attachments: Some(Attachments::default()),
        odoo_version: Some("18.0".to_owned()),
        postgres_version: Some("15.1".to_owned()),
        comment: String::new(),
    };
    let id = backup.id;
    let file = ContentFile {
        path: "dump.sql".to_owned(),
        size: None,
        open: Box::new(move || Ok(Box::new(io::Cursor::new(dump.into_bytes())))),
    };
    let content = Content::without_filestore(vec![file]);
    let repositories = Repositories::open(data).unwrap();
    let (finish, quiet) = (Box::new(|| Ok(())), Arc::new(|_, _| {}));
    repositories.ingest(REPOSITORY, backup, content, finish, quiet, CancellationToken::new()).await.unwrap();
    id
}

#[tokio::test]
async fn hostile_dumps_change_nothing_and_are_told_why() {
    let served = Served::start().await;
    let changed = Changed::new("rs_hostile", &served.client, BackupFormat::Zip).await;
    let proof = changed.origin.folder.path().join("proof");
    let touch = proof.display();
    let dumps = [
        format!("\\! touch {touch}\n"),
        format!("\\o |touch {touch}\nSELECT 1;\n"),
        "\\connect postgres\n".to_owned(),
        format!("CREATE TABLE t (a text);\nCOPY t FROM PROGRAM 'touch {touch}';\n"),
        format!("CREATE TABLE t (a text);\nCOPY t TO '{touch}';\n"),
        "ALTER SYSTEM SET work_mem = '1GB';\n".to_owned(),
        "ALTER DATABASE rs_hostile RENAME TO rs_stolen;\n".to_owned(),
        "DROP DATABASE rs_hostile;\n".to_owned(),
        "SET ROLE postgres;\n".to_owned(),
        "SET SESSION AUTHORIZATION postgres;\n".to_owned(),
        "CREATE EXTENSION dblink;\n".to_owned(),
        format!("SELECT pg_catalog.lo_export(1, '{touch}');\n"),
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE rs_hostile RENAME TO rs_stolen'; END $$;\n".to_owned(),
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER DATABASE rs_hostile RENAME TO \
         rs_stolen'; RETURN 1; END $$;\nCREATE TABLE t (a int, CHECK (a < f()));\nCOPY t (a) FROM stdin;\n0\n\\.\n"
            .to_owned(),
    ];
    for dump in dumps {
        let id = store(&served.data, dump.clone()).await;
        let plan = RestorePlan { undo_seconds: 60, ..changed.plan() };
        let job = restore(&served.client, id, &plan).await;
        let failure = job.failure.unwrap_or_else(|| panic!("restored: {dump}"));
        assert_eq!(job.state, JobState::Failed, "{dump}");
        assert!(matches!(failure.code, FailureCode::Sql | FailureCode::Preflight), "{dump}: {failure:?}");
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()), "{dump}");
        assert!(!fs::exists(&proof).unwrap(), "{dump}");
    }
    assert_eq!(Cluster::shared().sql("postgres", "SELECT 1 FROM pg_database WHERE datname = 'rs_stolen'").unwrap(), "");
}

/// What is cut off or damaged in a dump is found while it is replayed.
#[tokio::test]
async fn a_dump_that_is_cut_off_replaces_nothing() {
    let served = Served::start().await;
    let changed = Changed::new("rs_cut", &served.client, BackupFormat::Zip).await;
    let mut dump = Cluster::shared().clients().command("pg_dump", "odoo");
    let whole = String::from_utf8(dump.args(["--no-owner", "rs_cut"]).output().unwrap().stdout).unwrap();
    let wrong_row = whole.replacen("FROM stdin;\n", "FROM stdin;\nnot a row of this table\n", 1);
    for damaged in [whole[..whole.len() / 2].to_owned(), wrong_row] {
        let id = store(&served.data, damaged).await;
        let job = restore(&served.client, id, &changed.plan()).await;
        assert_eq!(job.state, JobState::Failed);
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()), "{:?}", job.failure);
    }
}
