//! The direct source.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use backup_api::{BackupFormat, DatabaseName, FailureCode, ProblemCode, Secret, Source, SourceReport};
use sha1::{Digest, Sha1};
use testbed::Cluster;

use crate::setting::{Setting, read};

pub fn codes(report: &SourceReport) -> Vec<ProblemCode> {
    report.problems.iter().map(|problem| problem.code).collect()
}

fn with_url(setting: &Setting, url: &str) -> Source {
    Source::Postgres { url: Secret::new(url), database: setting.name(), filestore: None, addons: Vec::new() }
}

fn with_filestore(setting: &Setting, filestore: Option<&Path>) -> Source {
    let filestore = filestore.map(|path| path.display().to_string());
    Source::Postgres {
        url: Secret::new(Cluster::shared().url()),
        database: setting.name(),
        filestore,
        addons: Vec::new(),
    }
}

fn with_addons(setting: &Setting, folders: &[&str]) -> Source {
    let Source::Postgres { url, database, filestore, .. } = setting.direct() else { unreachable!() };
    Source::Postgres { url, database, filestore, addons: folders.iter().map(|folder| (*folder).to_owned()).collect() }
}

fn first_attachment(setting: &Setting) -> String {
    let sql = "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL";
    Cluster::shared().sql(&setting.database.name, sql).unwrap()
}

#[tokio::test]
async fn a_test_reports_versions_sizes_and_attachments() {
    let setting = Setting::new("report_good");
    let report = setting.sources().test(&setting.direct()).await;
    assert_eq!(report.problems, []);
    assert_eq!(report.odoo_version.as_deref(), Some("18.0"));
    assert_eq!(report.postgres_version, report.pg_dump_version);
    assert!(report.database_bytes.unwrap() > 1_000_000);
    let sql = "SELECT count(DISTINCT store_fname) FROM ir_attachment";
    let count: u64 = Cluster::shared().sql(&setting.database.name, sql).unwrap().parse().unwrap();
    assert!(count > 0);
    assert_eq!(report.attachment_count, Some(count));
    assert!(report.filestore_bytes.unwrap() > 0);
}

#[tokio::test]
async fn a_zip_has_the_dump_the_filestore_and_odoos_manifest() {
    let setting = Setting::new("direct_zip");
    let read = setting.read(&setting.direct(), BackupFormat::Zip).await.unwrap();
    let sql = String::from_utf8_lossy(&read.files["dump.sql"]);
    assert!(sql.contains("COPY public.ir_module_module") && sql.contains("-- PostgreSQL database dump complete"));
    assert!(!sql.contains("OWNER TO"));
    for (path, bytes) in read.files.iter().filter(|(path, _)| path.starts_with("filestore/")) {
        assert_eq!(path.rsplit('/').next().unwrap(), hex::encode(Sha1::digest(bytes)));
    }
    let manifest: serde_json::Value = serde_json::from_slice(&read.files["manifest.json"]).unwrap();
    assert_eq!(manifest["odoo_dump"], "1");
    assert_eq!(manifest["db_name"], "direct_zip");
    assert_eq!(manifest["version"], "18.0");
    assert_eq!(manifest["version_info"], serde_json::json!([18, 0, 0, "final", 0, ""]));
    assert_eq!(manifest["modules"]["base"], "18.0.1.3");
    let attachments = read.facts.attachments.unwrap();
    assert_eq!(attachments.expected, read.paths.len() as u64 - 2);
    assert_eq!((attachments.present, attachments.missing.len()), (attachments.expected, 0));
}

#[tokio::test]
async fn a_dump_is_a_custom_archive_that_pg_restore_reads_to_its_end() {
    let setting = Setting::new("direct_dump");
    let read = setting.read(&setting.direct(), BackupFormat::Dump).await.unwrap();
    assert_eq!(read.paths, ["database.dump"]);
    assert_eq!(read.facts.attachments, None);
    let path = setting.folder.path().join("database.dump");
    fs::write(&path, &read.files["database.dump"]).unwrap();
    let mut restore = Cluster::shared().clients().command("pg_restore", "odoo");
    assert!(restore.args(["-f", "/dev/null"]).arg(&path).status().unwrap().success());
}

#[tokio::test]
async fn a_server_is_reached_through_its_socket_too() {
    let setting = Setting::new("direct_socket");
    let cluster = Cluster::shared();
    let url = format!("postgres://odoo@/?host={}&port={}", cluster.socket_folder().display(), cluster.port());
    let source = with_url(&setting, &url);
    assert_eq!(codes(&setting.sources().test(&source).await), [ProblemCode::FilestoreNotSet]);
    assert_eq!(setting.read(&source, BackupFormat::Dump).await.unwrap().paths, ["database.dump"]);
}

#[tokio::test]
async fn what_is_written_after_the_snapshot_is_in_neither_dump_nor_list() {
    let setting = Setting::new("direct_snapshot");
    let opened = setting.open(&setting.direct(), BackupFormat::Zip).await.unwrap();
    let name = "ab/abababababababababababababababababababab";
    fs::create_dir_all(setting.database.filestore.join("ab")).unwrap();
    fs::write(setting.database.filestore.join(name), "later").unwrap();
    let sql =
        format!("INSERT INTO ir_attachment (name, type, store_fname) VALUES ('written-later', 'binary', '{name}')");
    Cluster::shared().sql(&setting.database.name, &sql).unwrap();
    let read = read(opened).await.unwrap();
    assert!(!String::from_utf8_lossy(&read.files["dump.sql"]).contains("written-later"));
    assert!(!read.paths.iter().any(|path| path.ends_with(name)));
    let again = setting.read(&setting.direct(), BackupFormat::Zip).await.unwrap();
    assert!(String::from_utf8_lossy(&again.files["dump.sql"]).contains("written-later"));
    assert!(again.paths.iter().any(|path| path.ends_with(name)));
}

#[tokio::test]
async fn a_missing_file_is_named_and_the_rest_is_kept() {
    let setting = Setting::new("direct_missing");
    let gone = first_attachment(&setting);
    fs::remove_file(setting.database.filestore.join(&gone)).unwrap();
    let report = setting.sources().test(&setting.direct()).await;
    assert_eq!(codes(&report), [ProblemCode::AttachmentsMissing]);
    assert!(report.is_usable());
    let read = setting.read(&setting.direct(), BackupFormat::Zip).await.unwrap();
    let attachments = read.facts.attachments.unwrap();
    assert_eq!(attachments.missing, [gone]);
    assert_eq!(attachments.missing_count(), 1);
    assert_eq!(read.facts.warnings.len(), 1);
}

#[tokio::test]
async fn a_file_that_vanishes_during_the_backup_does_not_fail_it() {
    let setting = Setting::new("direct_vanish");
    let opened = setting.open(&setting.direct(), BackupFormat::Zip).await.unwrap();
    let gone = first_attachment(&setting);
    fs::remove_file(setting.database.filestore.join(&gone)).unwrap();
    assert_eq!(read(opened).await.unwrap().vanished, [format!("filestore/{gone}")]);
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_filestore_is_reported_and_never_opened() {
    let setting = Setting::new("direct_traversal");
    fs::write(setting.database.filestore.parent().unwrap().join("secret"), "secret").unwrap();
    let sql = "INSERT INTO ir_attachment (name, type, store_fname) VALUES ('x', 'binary', '../secret')";
    Cluster::shared().sql(&setting.database.name, sql).unwrap();
    let read = setting.read(&setting.direct(), BackupFormat::Zip).await.unwrap();
    assert_eq!(read.facts.attachments.unwrap().missing, ["../secret"]);
    assert!(read.paths.iter().all(|path| !path.contains("..")));
}

#[tokio::test]
async fn wrong_addresses_users_and_databases_say_what_to_do() {
    let setting = Setting::new("direct_wrong");
    let port = Cluster::shared().port();
    let cases = [
        ("http://127.0.0.1/".to_owned(), ProblemCode::InvalidAddress, "postgres://user:password@host"),
        (format!("postgres://odoo:wrong@127.0.0.1:{port}/"), ProblemCode::WrongCredentials, "Check user and password"),
        ("postgres://odoo:x@127.0.0.1:1/".to_owned(), ProblemCode::Unreachable, "Check host, port"),
        ("postgres://odoo:x@169.254.169.254/".to_owned(), ProblemCode::Unreachable, "allowed ranges"),
        ("postgres://odoo:x@no-such-host.invalid/".to_owned(), ProblemCode::Unreachable, "cannot be resolved"),
    ];
    for (url, code, words) in cases {
        let source = with_url(&setting, &url);
        let report = setting.sources().test(&source).await;
        assert_eq!(codes(&report), [code], "{url}");
        assert!(report.problems[0].message.contains(words), "{}", report.problems[0].message);
        assert!(!report.is_usable());
        let failure = setting.open(&source, BackupFormat::Zip).await.err().unwrap();
        let expected = if code == ProblemCode::Unreachable { FailureCode::Unreachable } else { FailureCode::Source };
        assert_eq!((failure.code, failure.message), (expected, report.problems[0].message.clone()));
    }
    let unknown = Source::Postgres {
        url: Secret::new(Cluster::shared().url()),
        database: DatabaseName::parse("no_such_database").unwrap(),
        filestore: None,
        addons: Vec::new(),
    };
    assert_eq!(codes(&setting.sources().test(&unknown).await), [ProblemCode::UnknownDatabase]);
    assert_eq!(setting.open(&unknown, BackupFormat::Dump).await.err().unwrap().code, FailureCode::Source);
}

#[tokio::test]
async fn filestores_that_are_absent_unset_or_anothers_are_told_apart() {
    let setting = Setting::new("direct_filestore");
    let absent = with_filestore(&setting, Some(&setting.folder.path().join("nowhere")));
    assert_eq!(codes(&setting.sources().test(&absent).await), [ProblemCode::FilestoreMissing]);
    assert_eq!(setting.open(&absent, BackupFormat::Zip).await.err().unwrap().code, FailureCode::Source);
    setting.read(&absent, BackupFormat::Dump).await.expect("a dump needs no filestore");

    let parent = with_filestore(&setting, setting.database.filestore.parent());
    let report = setting.sources().test(&parent).await;
    assert_eq!(codes(&report), [ProblemCode::FilestoreMissing]);
    assert!(report.problems[0].message.contains("not this database's filestore"));

    let unset = with_filestore(&setting, None);
    let report = setting.sources().test(&unset).await;
    assert_eq!(codes(&report), [ProblemCode::FilestoreNotSet]);
    assert!(report.is_usable());
    let refused = setting.open(&unset, BackupFormat::Zip).await.err().unwrap();
    assert_eq!((refused.code, &refused.message), (FailureCode::Source, &report.problems[0].message));
    setting.read(&unset, BackupFormat::Dump).await.expect("a dump needs no filestore");
}

/// The second is a file, as when a name is cut short; it is not there as a folder either.
#[tokio::test]
async fn addons_folders_that_are_not_there_are_named_and_no_backup_minds() {
    let setting = Setting::new("direct_addons");
    let file = setting.folder.path().join("odoo.conf");
    fs::write(&file, "").unwrap();
    let [there, gone, file] = [testbed::addons(), "/no/addons".into(), file].map(|path| path.display().to_string());
    let source = with_addons(&setting, &[&there, &gone, &file]);
    let report = setting.sources().test(&source).await;
    assert_eq!(codes(&report), [ProblemCode::AddonsMissing, ProblemCode::AddonsMissing]);
    assert!(report.is_usable());
    for (problem, folder) in report.problems.iter().zip([&gone, &file]) {
        let said = &problem.message;
        assert!(said.starts_with(&format!("There is no addons folder {folder} ")), "{said}");
        assert!(said.contains("Check the path") && said.contains("neutralized"), "{said}");
    }
    let read = setting.read(&source, BackupFormat::Zip).await.unwrap();
    assert_eq!(read.facts.warnings, Vec::<String>::new());
    assert_eq!(setting.sources().test(&with_addons(&setting, &[&there])).await.problems, []);
}

#[tokio::test]
async fn a_database_that_is_not_odoos_is_refused() {
    let setting = Setting::new("direct_foreign");
    let foreign = Source::Postgres {
        url: Secret::new(Cluster::shared().url()),
        database: DatabaseName::parse("postgres").unwrap(),
        filestore: None,
        addons: Vec::new(),
    };
    assert_eq!(codes(&setting.sources().test(&foreign).await), [ProblemCode::NotAnOdooDatabase]);
    assert_eq!(setting.open(&foreign, BackupFormat::Zip).await.err().unwrap().code, FailureCode::Source);
}

#[tokio::test]
async fn a_user_who_may_not_read_all_tables_is_told_so() {
    let setting = Setting::new("direct_privilege");
    let (cluster, name) = (Cluster::shared(), &setting.database.name);
    let role = format!("CREATE ROLE reader_of_some LOGIN PASSWORD '{}'", cluster.password());
    cluster.sql_as("postgres", "postgres", &role).unwrap();
    cluster.sql(name, "GRANT SELECT ON ir_module_module, ir_attachment TO reader_of_some").unwrap();
    let url = format!("postgres://reader_of_some:{}@127.0.0.1:{}/", cluster.password(), cluster.port());
    let source = with_url(&setting, &url);
    let report = setting.sources().test(&source).await;
    assert_eq!(report.problems[0].code, ProblemCode::InsufficientPrivilege);
    let failure = setting.read(&source, BackupFormat::Dump).await.err().unwrap();
    assert_eq!(failure.code, FailureCode::PgDump);
    assert!(failure.message.contains("use its owner"), "{}", failure.message);
}

/// An upgrade of modules holds such a lock, and so does a session that somebody left open.
#[tokio::test]
async fn a_lock_that_nobody_gives_back_ends_a_test_and_a_backup_after_the_set_time() {
    let mut setting = Setting::new("direct_locked");
    setting.settings.timeouts.stall = Duration::from_millis(700);
    let mut psql = Cluster::shared().clients().command("psql", "odoo");
    psql.args(["--dbname", &setting.database.name]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut session = psql.spawn().unwrap();
    let mut locking = session.stdin.take().unwrap();
    writeln!(locking, "BEGIN; LOCK TABLE ir_attachment IN ACCESS EXCLUSIVE MODE;").unwrap();
    locking.flush().unwrap();
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'ir_attachment'::regclass AND granted \
                  AND mode = 'AccessExclusiveLock'";
    let began = Instant::now();
    while Cluster::shared().sql(&setting.database.name, locked).unwrap() == "0" {
        assert!(began.elapsed() < Duration::from_mins(1));
    }
    let report = setting.sources().test(&setting.direct()).await;
    assert_eq!(codes(&report), [ProblemCode::Unreachable]);
    assert!(report.problems[0].message.contains("gave no answer"), "{:?}", report.problems);
    assert!(report.postgres_version.is_some(), "what was known before is told");
    let failure = setting.open(&setting.direct(), BackupFormat::Zip).await.map(drop).unwrap_err();
    assert!(failure.code == FailureCode::Stalled && failure.message.contains("hold a lock"), "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    drop(locking);
    session.wait().unwrap();
    assert!(setting.sources().test(&setting.direct()).await.problems.is_empty());
}
