//! The truth table: every failing source gives a failed job with its reason, no backup, and nothing left over.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use backup_api::{
    Backup, BackupFormat, CreateLink, FailureCode, JobId, JobState, LinkCompression, ProblemCode, Secret, Source,
    StartVerification,
};
use backup_server::Config;
use testbed::{
    Cluster,
    odoo::{StandIn, Trap},
};
use uuid::Uuid;

use crate::{
    crash::Process,
    setting::{Origin, REPOSITORY, Served, fake_pg_dump, files_in, log_of, run, start, until},
};

/// A backup server with a good backup, of which nothing that fails may touch a byte.
struct Stage {
    served: Served,
    good: Backup,
    content: Vec<u8>,
}

impl Stage {
    async fn new(origin: &Origin) -> Self {
        Self::with(origin, |_| {}).await
    }

    /// The good one comes through an Odoo, for which no program of PostgreSQL is needed here.
    async fn with(origin: &Origin, change: impl FnOnce(&mut Config)) -> Self {
        let served = Served::start_with(change).await;
        let good = served.made(REPOSITORY, &origin.through(&origin.odoo()), BackupFormat::Zip).await;
        let content = download(&served, &good).await;
        Self { served, good, content }
    }

    /// The files that make a snapshot a backup.
    fn snapshots(&self) -> Vec<PathBuf> {
        let mut files = files_in(&self.served.data.join(format!("repositories/{REPOSITORY}/snapshots")));
        files.sort();
        files
    }

    /// Asked at the end of a test: the repository is sound, and the good backup is what it was.
    async fn assert_sound(&self) {
        assert!(download(&self.served, &self.good).await == self.content, "the good backup has changed");
        let start = StartVerification { job: JobId(Uuid::new_v4()) };
        self.served.client.start_verification(REPOSITORY, &start).await.unwrap();
        let verified = until(&self.served.client, start.job, |job| job.state.is_final()).await;
        assert_eq!((verified.state, verified.failure), (JobState::Succeeded, None));
    }
}

async fn download(served: &Served, backup: &Backup) -> Vec<u8> {
    let wanted = CreateLink { expires_in_seconds: 900, compression: LinkCompression::Stored };
    let link = served.client.create_link(REPOSITORY, backup.id, &wanted).await.unwrap();
    let answer = reqwest::get(served.base.join(&link.path).unwrap()).await.unwrap();
    assert!(answer.status().is_success());
    answer.bytes().await.unwrap().to_vec()
}

/// Runs a backup that must fail for this reason and leave no trace.
async fn must_fail(stage: &Stage, what: &str, source: &Source, format: BackupFormat, code: FailureCode, word: &str) {
    let served = &stage.served;
    let before = (served.client.backups(REPOSITORY).await.unwrap(), stage.snapshots());
    assert!(before.0.contains(&stage.good), "{what}: the good backup is gone");
    let job = served.backup(REPOSITORY, source, format).await;
    let log = log_of(&served.client, job.id).await;
    let failure = job.failure.unwrap_or_else(|| panic!("{what} as {format:?} succeeded:\n{log}"));
    assert_eq!((job.state, failure.code), (JobState::Failed, code), "{what} as {format:?}: {}", failure.message);
    assert!(failure.message.contains(word), "{what} as {format:?} does not say “{word}”: {}", failure.message);
    assert!(log.contains("Error "), "{what}: the log does not say why:\n{log}");
    assert_eq!(job.backup, None, "{what}");
    let after = (served.client.backups(REPOSITORY).await.unwrap(), stage.snapshots());
    assert_eq!(after, before, "{what}");
    assert!(served.staged().is_empty(), "{what} left {:?}", served.staged());
}

fn odoo_with(origin: &Origin, odoo: &StandIn, database: &str, password: &str) -> Source {
    let Source::OdooHttp { url, .. } = origin.through(odoo) else { unreachable!() };
    let database = backup_api::DatabaseName::parse(database).unwrap();
    Source::OdooHttp { url, database, master_password: Secret::new(password) }
}

#[tokio::test]
async fn an_odoo_that_refuses_is_no_backup() {
    use FailureCode::Source as Refused;
    let origin = Origin::new("truth_refuse");
    let odoo = origin.odoo();
    let stage = Stage::new(&origin).await;
    let good = origin.through(&odoo);
    let wrong = odoo_with(&origin, &odoo, "truth_refuse", "wrong");
    let unknown = odoo_with(&origin, &odoo, "truth_nobody", &odoo.master_password());
    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        must_fail(&stage, "wrong password", &wrong, format, Refused, "master password").await;
        must_fail(&stage, "unknown database", &unknown, format, Refused, "truth_nobody").await;
        odoo.configure(|options| options.list_db = false);
        must_fail(&stage, "manager disabled", &good, format, Refused, "database manager").await;
        odoo.configure(|options| options.list_db = true);
    }
    let master_password = odoo.master_password();
    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        odoo.configure(|options| options.master_password = "admin".to_owned());
        must_fail(&stage, "insecure password", &good, format, Refused, "admin").await;
        odoo.configure(|options| options.master_password.clone_from(&master_password));
    }
    assert_eq!(odoo.password_changes(), 0, "the insecure password was not changed by asking");
    assert_eq!(odoo.backup_posts(), 0, "no form was sent where the test said no");
    let nobody = Source::OdooHttp {
        url: "http://127.0.0.1:1".to_owned(),
        database: origin.name(),
        master_password: Secret::new("x"),
    };
    must_fail(&stage, "nobody there", &nobody, BackupFormat::Zip, FailureCode::Unreachable, "127.0.0.1").await;
    stage.assert_sound().await;
}

#[tokio::test]
async fn a_bad_answer_of_odoo_is_no_backup() {
    use FailureCode::{Incomplete, OdooError, PgDump};
    let origin = Origin::new("truth_answer");
    let odoo = origin.odoo();
    let stage = Stage::new(&origin).await;
    let source = origin.through(&odoo);
    let page = Trap::ErrorPage("Database backup error: Something broke".to_owned());
    let cases = [
        ("HTML error page with status 200", page, OdooError, OdooError),
        ("pg_dump fails", Trap::DumpFails, PgDump, Incomplete),
        ("no pg_dump at Odoo", Trap::PgDumpNotFound, PgDump, PgDump),
        ("cut mid-body", Trap::CutMidBody, Incomplete, Incomplete),
        ("worker killed", Trap::WorkerKilled, Incomplete, Incomplete),
        ("truncated", Trap::Truncated, Incomplete, Incomplete),
        ("flipped byte", Trap::FlippedByte, Incomplete, Incomplete),
        ("empty 200", Trap::Empty, Incomplete, Incomplete),
        ("no answer", Trap::NoAnswer, Incomplete, Incomplete),
    ];
    for (what, trap, zip, dump) in cases {
        odoo.set_trap(trap);
        must_fail(&stage, what, &source, BackupFormat::Zip, zip, "").await;
        if what != "flipped byte" {
            // A custom dump has no checksums: a byte inside a row's text cannot be noticed by anyone.
            must_fail(&stage, what, &source, BackupFormat::Dump, dump, "").await;
        }
    }
    odoo.set_trap(Trap::HalfDumpSql);
    must_fail(&stage, "half of dump.sql", &source, BackupFormat::Zip, PgDump, "").await;
    odoo.set_trap(Trap::None);
    odoo.configure(|options| options.workers = true);
    stage.served.made(REPOSITORY, &source, BackupFormat::Zip).await;
    odoo.set_trap(Trap::WorkerKilled);
    must_fail(&stage, "worker killed after a good one", &source, BackupFormat::Zip, Incomplete, "").await;
    stage.assert_sound().await;
}

#[tokio::test]
async fn an_odoo_that_stops_sending_fails_after_the_set_time() {
    let origin = Origin::new("truth_stall");
    let odoo = origin.odoo();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // Made by one with more patience than that.
    let patient = Process::start(&data, Cluster::shared().bin());
    let good = run(&patient.client, REPOSITORY, &start(&origin.direct(), BackupFormat::Dump)).await.backup.unwrap();
    patient.kill();
    let served = Served::start_in(&data, |config| (config.stall_seconds, config.first_byte_seconds) = (1, 1)).await;
    let content = download(&served, &good).await;
    let stage = Stage { served, good, content };
    for trap in [Trap::Stall, Trap::StallMidBody] {
        odoo.set_trap(trap);
        let source = origin.through(&odoo);
        must_fail(&stage, "stalled", &source, BackupFormat::Zip, FailureCode::Stalled, "").await;
    }
    stage.assert_sound().await;
}

#[tokio::test]
async fn a_postgres_that_refuses_is_no_backup() {
    use FailureCode::Source as Refused;
    let origin = Origin::new("truth_postgres");
    let stage = Stage::new(&origin).await;
    let zip = BackupFormat::Zip;
    let url = Cluster::shared().url().replace(Cluster::shared().password(), "wrong");
    must_fail(&stage, "wrong password", &origin.direct_through(&url), zip, Refused, "password").await;
    let nobody = origin.direct_through("postgres://odoo:x@127.0.0.1:1/");
    must_fail(&stage, "nobody there", &nobody, zip, FailureCode::Unreachable, "127.0.0.1").await;
    let unknown = Source::Postgres {
        url: Secret::new(Cluster::shared().url()),
        database: backup_api::DatabaseName::parse("truth_nobody").unwrap(),
        filestore: None,
        addons: Vec::new(),
    };
    must_fail(&stage, "unknown database", &unknown, zip, Refused, "truth_nobody").await;
    let lost = Source::Postgres {
        url: Secret::new(Cluster::shared().url()),
        database: origin.name(),
        filestore: Some("/nowhere/filestore".to_owned()),
        addons: Vec::new(),
    };
    must_fail(&stage, "no filestore", &lost, zip, Refused, "/nowhere/filestore").await;
    stage.assert_sound().await;
}

async fn with_pg_dump(origin: &Origin, what: &str, bin: PathBuf, code: FailureCode, word: &str) {
    let stage = Stage::with(origin, |config| config.pg_bin = vec![bin]).await;
    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        must_fail(&stage, what, &origin.direct(), format, code, word).await;
    }
    stage.assert_sound().await;
}

#[tokio::test]
async fn a_pg_dump_that_is_missing_too_old_failing_or_killed_is_no_backup() {
    use FailureCode::{PgDump, Source as Refused};
    let origin = Origin::new("truth_pg_dump");
    let folder = |name: &str| origin.folder.path().join(name);
    let fake = |name: &str, body: &str| fake_pg_dump(&folder(name), body);
    std::fs::create_dir(folder("none")).unwrap();
    with_pg_dump(&origin, "no pg_dump", folder("none"), Refused, "postgresql-client").await;
    with_pg_dump(&origin, "too old", old_pg_dump(&folder("old")), Refused, "9.6").await;
    let status = fake("status", "$REAL \"$@\"; echo 'pg_dump: error: it broke' >&2; exit 1");
    with_pg_dump(&origin, "status 1 after all bytes", status, PgDump, "it broke").await;
    let killed = fake("killed", "$REAL \"$@\" | head -c 50000; kill -9 $$");
    with_pg_dump(&origin, "killed", killed, PgDump, "").await;
    let cut = fake("cut", "$REAL \"$@\" | head -c 200000");
    with_pg_dump(&origin, "cut, status 0", cut, PgDump, "not complete").await;
}

fn old_pg_dump(folder: &Path) -> PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    crate::setting::write_program(&bin.join("pg_dump"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n");
    bin
}

/// The account of the server may look at the files, but not read them, whatever else is root's right.
#[tokio::test]
async fn a_filestore_that_is_there_but_cannot_be_read_is_no_backup() {
    let origin = Origin::new("truth_closed");
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]);
    } else {
        command = Command::new("env");
    }
    command.arg(env!("CARGO_BIN_EXE_backup-server")).arg("--data").arg(data.path());
    let process = Process::from(command, data.path(), Cluster::shared().bin());
    let zip = || start(&origin.direct(), BackupFormat::Zip);
    let names: Vec<String> = origin.attachments().into_keys().collect();
    for (what, mode) in [("files", 0o000), ("folders", 0o600)] {
        for name in &names {
            let path = origin.database.filestore.join(name);
            let closed = if what == "files" { path.as_path() } else { path.parent().unwrap() };
            fs::set_permissions(closed, fs::Permissions::from_mode(mode)).unwrap();
        }
        let report = process.client.test_source(&origin.direct()).await.unwrap();
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        assert_eq!(report.problems[0].code, ProblemCode::FilestoreUnreadable, "{what}");
        let failure = run(&process.client, REPOSITORY, &zip()).await.failure.unwrap();
        assert_eq!((failure.code, &failure.message), (FailureCode::Source, &report.problems[0].message));
        assert!(failure.message.contains("Permission denied"), "{}", failure.message);
    }
    assert_eq!(process.client.backups(REPOSITORY).await.unwrap(), []);
    let dump = run(&process.client, REPOSITORY, &start(&origin.direct(), BackupFormat::Dump)).await;
    assert_eq!(dump.state, JobState::Succeeded, "a dump needs no filestore: {:?}", dump.failure);
}

#[tokio::test]
async fn a_zip_of_odoos_with_none_of_the_files_is_no_backup() {
    let origin = Origin::new("truth_bare");
    let odoo = origin.odoo();
    let stage = Stage::new(&origin).await;
    fs::rename(&origin.database.filestore, origin.folder.path().join("elsewhere")).unwrap();
    let source = origin.through(&odoo);
    must_fail(&stage, "no files", &source, BackupFormat::Zip, FailureCode::Source, "data_dir").await;
    stage.served.made(REPOSITORY, &source, BackupFormat::Dump).await;
}

#[tokio::test]
async fn a_dump_needs_no_filestore() {
    let origin = Origin::new("truth_dump_only");
    let stage = Stage::new(&origin).await;
    for filestore in [None, Some("/nowhere/filestore".to_owned())] {
        let source = Source::Postgres {
            url: Secret::new(Cluster::shared().url()),
            database: origin.name(),
            filestore,
            addons: Vec::new(),
        };
        must_fail(&stage, "no filestore", &source, BackupFormat::Zip, FailureCode::Source, "format dump").await;
        stage.served.made(REPOSITORY, &source, BackupFormat::Dump).await;
    }
}
