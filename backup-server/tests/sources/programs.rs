//! The programs of the direct source: missing, too old, later than the server, failing, lying, hanging.

use std::{
    fs,
    io::Read as _,
    time::{Duration, Instant},
};

use backup_api::{BackupFormat, FailureCode, ProblemCode};
use backup_server::sources::PgTools;
use testbed::{Cluster, odoo::Options};
use tokio_util::sync::CancellationToken;

use crate::{
    odoo::{source, stand_in},
    postgres::codes,
    setting::{Setting, read},
};

#[tokio::test]
async fn without_a_pg_dump_or_with_one_that_is_too_old_the_backup_says_what_to_install() {
    let mut setting = Setting::new("direct_no_tools");
    let mut old = Setting::new("direct_old_tools");
    setting.settings.tools = PgTools::in_folders(&[]);
    old.use_program("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n");
    for (setting, words) in [(&setting, "no pg_dump is installed"), (&old, "the newest pg_dump here is 9.6.24")] {
        let report = setting.sources().test(&setting.direct()).await;
        assert_eq!(codes(&report), [ProblemCode::NoMatchingPgDump]);
        assert!(report.problems[0].message.contains(words), "{}", report.problems[0].message);
        let failure = setting.open(&setting.direct(), BackupFormat::Zip).await.err().unwrap();
        assert_eq!(failure.code, FailureCode::PgDump);
        assert!(failure.message.contains("Install PostgreSQL's client programs"));
    }
}

#[tokio::test]
async fn a_pg_dump_that_fails_is_killed_or_lies_never_makes_a_backup() {
    let mut setting = Setting::new("direct_failing");
    let cases = [
        ("echo 'pg_dump: error: disk on fire' >&2; exit 1", "exit status 1", "disk on fire"),
        ("$REAL \"$@\" | head -c 200000; echo 'half way' >&2; exit 1", "exit status 1", "half way"),
        ("$REAL \"$@\" | head -c 200000; kill -9 $$", "killed by signal 9", "memory"),
        ("exit 0", "not complete", ""),
    ];
    for (body, what, more) in cases {
        setting.fake_pg_dump(body);
        for format in [BackupFormat::Zip, BackupFormat::Dump] {
            let failure = setting.read(&setting.direct(), format).await.err().expect(body);
            assert_eq!(failure.code, FailureCode::PgDump, "{body}");
            assert!(failure.message.contains(what) && failure.message.contains(more), "{}", failure.message);
        }
    }
}

#[tokio::test]
async fn a_dump_that_was_cut_is_no_backup_though_pg_dump_ends_well() {
    let mut setting = Setting::new("direct_cut");
    for format in [BackupFormat::Zip, BackupFormat::Dump] {
        setting.fake_pg_dump("exec $REAL \"$@\"");
        let whole = setting.read(&setting.direct(), format).await.unwrap();
        let length = whole.files.values().map(Vec::len).max().unwrap();
        // In the head, in the table of contents, in the rows, before the last piece, and the last byte.
        for kept in [4, 5_000, length / 2, length - 5_000, length - 1] {
            if format == BackupFormat::Zip && kept == length - 1 {
                // Only an empty line.
                continue;
            }
            setting.fake_pg_dump(&format!("$REAL \"$@\" | head -c {kept}"));
            let failure = setting.read(&setting.direct(), format).await.err();
            let failure = failure.unwrap_or_else(|| panic!("{kept} of {length} bytes as {format:?} are no backup"));
            assert_eq!(failure.code, FailureCode::PgDump);
            assert!(failure.message.contains("not complete"), "{kept} of {length}: {}", failure.message);
        }
    }
    fs::remove_file(setting.folder.path().join("tools/pg_restore")).unwrap();
    let failure = setting.read(&setting.direct(), BackupFormat::Dump).await.err().unwrap();
    assert!(failure.message.contains("pg_restore could not be started"), "{}", failure.message);
}

/// Nobody is to look for what is wrong with a dump of which nothing is known.
#[tokio::test]
async fn a_pg_restore_that_is_killed_or_does_not_run_says_nothing_of_the_dump() {
    let mut setting = Setting::new("direct_unproven");
    let odoo = stand_in(&setting, Options::default());
    let killed = ["ended by signal 9", "memory ran out", "nothing was kept", "try again"];
    let broken = ["exit status 127", "no such library", "nothing was kept", "Install PostgreSQL's client programs"];
    let cases = [
        ("kill -9 $$", &killed),
        ("head -c 200000 >/dev/null; kill -9 $$", &killed),
        ("cat >/dev/null; kill -9 $$", &killed),
        ("echo 'no such library' >&2; exit 127", &broken),
    ];
    for (body, words) in cases {
        setting.fake_pg_restore(body);
        for source in [setting.direct(), source(&setting, &odoo)] {
            let failure = setting.read(&source, BackupFormat::Dump).await.err().expect(body);
            assert_eq!(failure.code, FailureCode::PgDump, "{body}");
            let said = &failure.message;
            assert!(words.iter().all(|word| said.contains(word)) && !said.contains("not complete"), "{body}: {said}");
            assert!(!said.contains("cut off"), "{body}: {said}");
        }
    }
    // What it brings upon itself, the dump may have brought about.
    setting.fake_pg_restore("cat >/dev/null; kill -SEGV $$");
    let failure = setting.read(&setting.direct(), BackupFormat::Dump).await.err().unwrap();
    assert!(failure.message.contains("not complete"), "{}", failure.message);
}

#[tokio::test]
async fn programs_that_are_installed_later_are_found_without_a_restart() {
    let mut setting = Setting::new("direct_installed");
    let folder = setting.folder.path().join("later");
    setting.settings.tools = PgTools::in_folders(std::slice::from_ref(&folder));
    let sources = setting.sources();
    assert_eq!(codes(&sources.test(&setting.direct()).await), [ProblemCode::NoMatchingPgDump]);
    std::os::unix::fs::symlink(Cluster::shared().bin(), &folder).unwrap();
    let report = sources.test(&setting.direct()).await;
    assert_eq!((codes(&report), report.pg_dump_version), (Vec::new(), report.postgres_version));
}

#[tokio::test]
async fn a_pg_dump_later_than_the_server_is_told_with_what_it_means() {
    let mut setting = Setting::new("direct_later");
    let real = Cluster::shared().bin().join("pg_dump");
    setting.use_program(&format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) 99.1'; else exec {} \"$@\"; fi\n",
        real.display()
    ));
    let report = setting.sources().test(&setting.direct()).await;
    assert_eq!(codes(&report), [ProblemCode::NoMatchingPgDump]);
    assert!(report.is_usable(), "it is a warning");
    assert!(report.problems[0].message.contains("is 99.1. Its backups are whole"), "{}", report.problems[0].message);
    setting.read(&setting.direct(), BackupFormat::Zip).await.unwrap();
}

#[tokio::test]
async fn a_pg_dump_that_vanished_after_the_check_fails_the_backup() {
    let mut setting = Setting::new("direct_vanished_tool");
    setting.fake_pg_dump("exit 0");
    let opened = setting.open(&setting.direct(), BackupFormat::Zip).await.unwrap();
    fs::remove_file(setting.folder.path().join("tools/pg_dump")).unwrap();
    let failure = read(opened).await.err().unwrap();
    assert_eq!(failure.code, FailureCode::PgDump);
    assert!(failure.message.contains("could not be started"), "{}", failure.message);
}

#[tokio::test]
async fn the_password_is_not_among_the_arguments_of_pg_dump() {
    let mut setting = Setting::new("direct_arguments");
    let seen = setting.folder.path().join("arguments");
    setting.fake_pg_dump(&format!("echo \"$@\" > {}; exec $REAL \"$@\"", seen.display()));
    setting.read(&setting.direct(), BackupFormat::Zip).await.unwrap();
    let arguments = fs::read_to_string(seen).unwrap();
    assert!(arguments.contains("--snapshot=") && !arguments.contains(Cluster::shared().password()), "{arguments}");
}

#[tokio::test]
async fn a_silent_pg_dump_is_stopped_after_the_set_time_with_all_that_it_started() {
    let mut setting = Setting::new("direct_stalled");
    setting.settings.timeouts.stall = Duration::from_millis(300);
    let pid = setting.folder.path().join("pid");
    setting.fake_pg_dump(&format!("echo begun; sleep 600 & echo $! > {}; wait", pid.display()));
    let failure = setting.read(&setting.direct(), BackupFormat::Zip).await.err().unwrap();
    assert_eq!(failure.code, FailureCode::Stalled);
    assert!(failure.message.contains("lock"), "{}", failure.message);
    assert_ends(fs::read_to_string(pid).unwrap().trim());
}

#[tokio::test]
async fn cancelling_ends_pg_dump_and_what_it_started() {
    let mut setting = Setting::new("direct_cancelled");
    let pid = setting.folder.path().join("pid");
    setting.fake_pg_dump(&format!("sleep 600 & echo $! > {}; echo begun; wait", pid.display()));
    let cancel = CancellationToken::new();
    let opened =
        setting.sources().open(&setting.direct(), BackupFormat::Zip, setting.progress(), cancel.clone()).await.unwrap();
    let mut files = opened.content.files.into_iter();
    let open = files.next().unwrap().open;
    let error = tokio::task::spawn_blocking(move || {
        let mut reader = open().unwrap();
        let mut first = [0; 6];
        reader.read_exact(&mut first).unwrap();
        cancel.cancel();
        reader.read_exact(&mut [0]).unwrap_err()
    });
    assert!(error.await.unwrap().to_string().contains("Cancelled"));
    assert_eq!((opened.finish)().unwrap_err().code, FailureCode::Cancelled);
    assert_ends(fs::read_to_string(pid).unwrap().trim());
}

#[tokio::test]
async fn dropping_what_was_opened_ends_pg_dump() {
    let mut setting = Setting::new("direct_dropped");
    let pid = setting.folder.path().join("pid");
    setting.fake_pg_dump(&format!("echo $$ > {}; echo begun; exec sleep 600", pid.display()));
    let opened = setting.open(&setting.direct(), BackupFormat::Zip).await.unwrap();
    let mut files = opened.content.files.into_iter();
    let open = files.next().unwrap().open;
    let reader = tokio::task::spawn_blocking(move || {
        let mut reader = open().unwrap();
        reader.read_exact(&mut [0; 6]).unwrap();
        reader
    });
    let reader = reader.await.unwrap();
    drop(opened.guard);
    assert_ends(fs::read_to_string(pid).unwrap().trim());
    drop(reader);
}

/// Waits until a process is gone, or dead and not yet buried.
fn assert_ends(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = format!("/proc/{pid}/stat");
    while fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}
