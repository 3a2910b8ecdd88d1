//! Odoo over HTTP: what arrives from the stand-in when it is whole, and what is found out before anything is asked for.

use std::{fs, io::Write as _, net::TcpListener, path::Path};

use backup_api::{
    BackupFormat::{self, Dump, Zip},
    DatabaseName, Failure, FailureCode, Phase, ProblemCode, Secret, Source, SourceReport,
};
use backup_server::sources::{PgTools, Staging};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Style},
};

use crate::setting::{Setting, read};

pub fn stand_in(setting: &Setting, options: Options) -> StandIn {
    StandIn::start(Cluster::shared(), setting.folder.path(), options).unwrap()
}

fn source_at(url: &str, database: &str, password: &str) -> Source {
    Source::OdooHttp {
        url: url.to_owned(),
        database: DatabaseName::parse(database).unwrap(),
        master_password: Secret::new(password),
    }
}

pub fn source(setting: &Setting, odoo: &StandIn) -> Source {
    source_at(&odoo.url(), &setting.database.name, &odoo.master_password())
}

fn codes(report: &SourceReport) -> Vec<ProblemCode> {
    report.problems.iter().map(|problem| problem.code).collect()
}

pub async fn failure(setting: &Setting, source: &Source, format: BackupFormat) -> Failure {
    let failure = setting.open(source, format).await.err().expect("this must not be a backup");
    assert_eq!(setting.staged_files(), Vec::<std::path::PathBuf>::new(), "{failure:?}");
    failure
}

fn restored_rows(name: &str, make: impl FnOnce(&str)) -> String {
    let cluster = Cluster::shared();
    cluster.create_database(name, None).unwrap();
    make(name);
    let rows = row_counts(name);
    cluster.drop_database(name).unwrap();
    rows
}

/// The exact number of rows in every table.
fn row_counts(database: &str) -> String {
    let sql = "SELECT c.relname, (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', \
               n.nspname, c.relname), false, true, '')))[1]::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY 1";
    Cluster::shared().sql(database, sql).unwrap()
}

fn psql(database: &str, sql: &Path) {
    let mut psql = Cluster::shared().clients().command("psql", "odoo");
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
        "--dbname",
        database,
        "--file",
    ]);
    assert!(psql.arg(sql).status().unwrap().success());
}

#[tokio::test]
async fn a_test_finds_nothing_wrong_with_a_good_odoo_and_asks_for_no_backup() {
    let setting = Setting::new("http_good");
    for style in [Style::V17, Style::V18, Style::Development] {
        let odoo = stand_in(&setting, Options { style, ..Options::default() });
        let report = setting.sources().test(&source(&setting, &odoo)).await;
        assert_eq!(report.problems, []);
        let expected = match style {
            Style::V17 => "17.0",
            Style::V18 => "18.0",
            Style::Development => "19.1",
        };
        assert_eq!(report.odoo_version.as_deref(), Some(expected));
        assert_eq!((odoo.backup_posts(), odoo.password_changes()), (0, 0));
    }
}

#[tokio::test]
async fn a_zip_arrives_whole_in_each_style_and_restores_with_the_same_rows() {
    let setting = Setting::new("http_zip");
    for (style, workers) in [(Style::V18, false), (Style::V18, true), (Style::V17, false), (Style::Development, false)]
    {
        let odoo = stand_in(&setting, Options { style, workers, ..Options::default() });
        let read = setting.read(&source(&setting, &odoo), Zip).await.unwrap();
        let direct = setting.read(&setting.direct(), Zip).await.unwrap();
        assert_eq!(read.paths, direct.paths);
        for path in read.paths.iter().filter(|path| path.starts_with("filestore/")) {
            assert_eq!(read.files[path], direct.files[path]);
        }
        assert_eq!(read.facts.attachments, direct.facts.attachments);
        assert_eq!(read.facts.postgres_version, direct.facts.postgres_version);
        assert_eq!(read.facts.warnings, Vec::<String>::new());
        let sql = setting.folder.path().join("dump.sql");
        fs::write(&sql, &read.files["dump.sql"]).unwrap();
        let rows = restored_rows("http_zip_restored", |name| psql(name, &sql));
        assert_eq!(rows, row_counts("http_zip"));
        assert_eq!(setting.staged_files(), Vec::<std::path::PathBuf>::new());
    }
    let phases = setting.phases.lock().unwrap();
    assert_eq!(phases[..4], [Phase::Checking, Phase::WaitingForOdoo, Phase::Receiving, Phase::Verifying]);
}

#[tokio::test]
async fn a_dump_arrives_whole_and_restores_with_the_same_rows() {
    let setting = Setting::new("http_dump");
    for workers in [false, true] {
        let odoo = stand_in(&setting, Options { workers, ..Options::default() });
        let read = setting.read(&source(&setting, &odoo), Dump).await.unwrap();
        assert_eq!(read.paths, ["database.dump"]);
        assert_eq!(read.facts.odoo_version.as_deref(), Some("18.0"));
        assert!(read.facts.postgres_version.is_some());
        let path = setting.folder.path().join("database.dump");
        fs::write(&path, &read.files["database.dump"]).unwrap();
        let rows = restored_rows("http_dump_restored", |name| {
            let mut restore = Cluster::shared().clients().command("pg_restore", "odoo");
            restore.args(["--no-owner", "--exit-on-error", "--dbname", name]).arg(&path);
            assert!(restore.status().unwrap().success());
        });
        assert_eq!(rows, row_counts("http_dump"));
    }
}

#[tokio::test]
async fn an_insecure_master_password_is_refused_and_stays_what_it_was() {
    let setting = Setting::new("http_insecure");
    for style in [Style::V17, Style::V18] {
        let options = Options { style, master_password: "admin".to_owned(), ..Options::default() };
        let odoo = stand_in(&setting, options);
        for password in ["admin", "something-new"] {
            let source = source_at(&odoo.url(), "http_insecure", password);
            let report = setting.sources().test(&source).await;
            assert_eq!(codes(&report), [ProblemCode::InsecureMasterPassword]);
            assert!(report.problems[0].message.contains("Set a password"), "{}", report.problems[0].message);
            for format in [Zip, Dump] {
                assert_eq!(failure(&setting, &source, format).await.code, FailureCode::Source);
            }
        }
        assert_eq!(odoo.master_password(), "admin");
        assert_eq!((odoo.backup_posts(), odoo.password_changes()), (0, 0));
    }
}

#[tokio::test]
async fn the_stand_in_does_change_an_insecure_password_when_asked() {
    let setting = Setting::new("http_insecure_control");
    let odoo = stand_in(&setting, Options { master_password: "admin".to_owned(), ..Options::default() });
    let mut client = std::net::TcpStream::connect(odoo.url().trim_start_matches("http://")).unwrap();
    let form = "master_pwd=changed&name=x&backup_format=zip";
    write!(
        client,
        "POST /web/database/backup HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
    assert!(answer.contains("Database backup error: Database &#39;x&#39; is not known"));
    assert_eq!((odoo.master_password().as_str(), odoo.password_changes()), ("changed", 1));
}

#[tokio::test]
async fn what_is_wrong_with_the_set_up_is_told_in_words_and_no_form_is_sent() {
    let setting = Setting::new("http_wrong");
    let odoo = stand_in(&setting, Options::default());
    let password = odoo.master_password();
    let disabled = stand_in(&setting, Options { list_db: false, ..Options::default() });
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody_url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let no_odoo = format!("{}/nothing/here", odoo.url());
    let cases = [
        (source_at(&odoo.url(), "http_wrong", "not it"), ProblemCode::WrongMasterPassword, "admin_passwd"),
        (source_at(&odoo.url(), "no_such", &password), ProblemCode::UnknownDatabase, "dbfilter"),
        (source_at(&disabled.url(), "http_wrong", &password), ProblemCode::ManagerDisabled, "list_db"),
        (source_at(&nobody_url, "http_wrong", &password), ProblemCode::Unreachable, "firewall"),
        (source_at(&no_odoo, "http_wrong", &password), ProblemCode::NotOdoo, "Check the address"),
        (source_at("ftp://127.0.0.1", "http_wrong", &password), ProblemCode::InvalidAddress, "https://odoo"),
        (source_at("http://169.254.169.254/", "http_wrong", &password), ProblemCode::Unreachable, "allowed ranges"),
        (
            source_at("http://[::ffff:169.254.1.1]/", "http_wrong", &password),
            ProblemCode::Unreachable,
            "allowed ranges",
        ),
    ];
    for (source, code, words) in cases {
        let report = setting.sources().test(&source).await;
        assert_eq!(codes(&report), [code], "{source:?}");
        assert!(report.problems[0].message.contains(words), "{}", report.problems[0].message);
        let failure = failure(&setting, &source, Zip).await;
        let expected = if code == ProblemCode::Unreachable { FailureCode::Unreachable } else { FailureCode::Source };
        assert_eq!((failure.code, &failure.message), (expected, &report.problems[0].message));
    }
    assert_eq!((odoo.backup_posts(), disabled.backup_posts()), (0, 0));
}

#[tokio::test]
async fn a_database_that_dbfilter_hides_is_told_apart_from_one_that_does_not_exist() {
    let setting = Setting::new("http_hidden");
    let hidden = vec!["http_hidden".to_owned()];
    let odoo = stand_in(&setting, Options { hidden, ..Options::default() });
    let source = source(&setting, &odoo);
    let report = setting.sources().test(&source).await;
    assert_eq!(codes(&report), [ProblemCode::UnknownDatabase]);
    assert!(report.problems[0].message.contains("hides it under this address"), "{}", report.problems[0].message);
    assert_eq!(failure(&setting, &source, Zip).await.code, FailureCode::Source);
    assert_eq!(odoo.backup_posts(), 0);
    odoo.configure(|options| options.style = Style::V17);
    assert_eq!(setting.sources().test(&source).await.problems, [], "17 does not look at the filter");
}

#[tokio::test]
async fn behind_a_proxy_that_blocks_rpc_the_managers_page_decides() {
    let setting = Setting::new("http_no_rpc");
    let blocked = vec!["/jsonrpc".to_owned()];
    let odoo = stand_in(&setting, Options { blocked: blocked.clone(), ..Options::default() });
    let good = source(&setting, &odoo);
    assert_eq!(setting.sources().test(&good).await.problems, []);
    setting.read(&good, Dump).await.unwrap();
    let wrong = source_at(&odoo.url(), "http_no_rpc", "not it");
    let refused = failure(&setting, &wrong, Zip).await;
    assert!(refused.code == FailureCode::Source && refused.message.contains("admin_passwd"), "{refused:?}");

    let insecure = stand_in(&setting, Options { blocked, master_password: "admin".to_owned(), ..Options::default() });
    let source = source_at(&insecure.url(), "http_no_rpc", "something-new");
    assert_eq!(failure(&setting, &source, Zip).await.code, FailureCode::Source);
    assert_eq!((insecure.master_password().as_str(), insecure.backup_posts()), ("admin", 0));
}

#[tokio::test]
async fn a_proxy_that_blocks_the_manager_is_told() {
    let setting = Setting::new("http_no_manager");
    let blocked = vec!["/web/database/manager".to_owned(), "/web/database/backup".to_owned()];
    let odoo = stand_in(&setting, Options { blocked, ..Options::default() });
    let report = setting.sources().test(&source(&setting, &odoo)).await;
    assert_eq!(codes(&report), [ProblemCode::ManagerDisabled]);
    assert!(report.problems[0].message.contains("404"), "{}", report.problems[0].message);
    assert_eq!(failure(&setting, &source(&setting, &odoo), Zip).await.code, FailureCode::Source);
}

#[tokio::test]
async fn too_little_space_is_told_before_odoo_is_asked() {
    let mut setting = Setting::new("http_space");
    setting.settings.staging = Staging::open(setting.folder.path().join("staging"), u64::MAX / 2).unwrap();
    let odoo = stand_in(&setting, Options::default());
    let failure = failure(&setting, &source(&setting, &odoo), Zip).await;
    assert_eq!(failure.code, FailureCode::NoSpace);
    assert_eq!(odoo.backup_posts(), 0);
}

#[tokio::test]
async fn a_dump_without_a_pg_restore_to_check_it_is_not_even_asked_for() {
    let mut setting = Setting::new("http_no_tools");
    setting.settings.tools = PgTools::in_folders(&[]);
    let odoo = stand_in(&setting, Options::default());
    let report = setting.sources().test(&source(&setting, &odoo)).await;
    assert_eq!(codes(&report), [ProblemCode::NoMatchingPgDump]);
    assert!(report.is_usable(), "a zip can be made");
    let failure = failure(&setting, &source(&setting, &odoo), Dump).await;
    assert!(failure.code == FailureCode::PgDump && failure.message.contains("pg_restore"), "{failure:?}");
    assert_eq!(failure.message, report.problems[0].message);
    assert_eq!(odoo.backup_posts(), 0);
    setting.read(&source(&setting, &odoo), Zip).await.expect("a zip needs no pg_restore");
}

#[tokio::test]
async fn attachments_that_are_not_in_the_zip_are_counted_and_named() {
    let setting = Setting::new("http_missing");
    let sql = "SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL";
    let gone = Cluster::shared().sql("http_missing", sql).unwrap();
    fs::remove_file(setting.database.filestore.join(&gone)).unwrap();
    let odoo = stand_in(&setting, Options::default());
    let facts = setting.read(&source(&setting, &odoo), Zip).await.unwrap().facts;
    let attachments = facts.attachments.unwrap();
    assert_eq!((attachments.missing_count(), attachments.missing), (1, vec![gone]));
    assert_eq!(facts.warnings.len(), 1);
}

#[tokio::test]
async fn a_zip_without_any_of_the_files_says_where_odoo_looks_for_them() {
    let setting = Setting::new("http_bare");
    fs::rename(&setting.database.filestore, setting.folder.path().join("elsewhere")).unwrap();
    let odoo = stand_in(&setting, Options::default());
    let facts = setting.read(&source(&setting, &odoo), Zip).await.unwrap().facts;
    let attachments = facts.attachments.unwrap();
    assert!(attachments.expected > 0 && attachments.present == 0, "{attachments:?}");
    assert!(facts.bare.unwrap().contains("data_dir"));
    // What no row refers to does not make it a backup of the files.
    fs::create_dir_all(setting.database.filestore.join("04")).unwrap();
    fs::write(setting.database.filestore.join("04/040f06fd774092478d450774f5ba30c5da78acc8"), "content").unwrap();
    let facts = setting.read(&source(&setting, &odoo), Zip).await.unwrap().facts;
    assert_eq!((facts.attachments.unwrap().present, facts.bare.is_some()), (1, true));
    assert_eq!(setting.read(&source(&setting, &odoo), Dump).await.unwrap().facts.bare, None);
}

#[tokio::test]
async fn the_staged_file_lives_as_long_as_what_was_opened() {
    let setting = Setting::new("http_staged");
    let odoo = stand_in(&setting, Options::default());
    let opened = setting.open(&source(&setting, &odoo), Dump).await.unwrap();
    assert_eq!(setting.staged_files().len(), 1);
    read(opened).await.unwrap();
    assert_eq!(setting.staged_files().len(), 0);
}
