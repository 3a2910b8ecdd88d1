//! An Odoo that answers with error pages, damaged files, slowly or not at all.

use std::time::{Duration, Instant};

use backup_api::{
    BackupFormat::{Dump, Zip},
    FailureCode, Phase,
};
use backup_server::sources::PgTools;
use testbed::{
    Cluster,
    odoo::{Options, Style, Trap},
};
use tokio_util::sync::CancellationToken;

use crate::{
    odoo::{failure, source, stand_in},
    setting::Setting,
};

/// The longest wait for a stand-in to see that its client hung up.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn error_pages_with_status_200_are_no_backups() {
    let setting = Setting::new("http_pages");
    let odoo = stand_in(&setting, Options::default());
    let source = source(&setting, &odoo);
    let page = |text: &str| Trap::ErrorPage(text.to_owned());
    let cases = [
        (page("Access Denied"), FailureCode::Source, "admin_passwd"),
        (page("Database 'http_pages' is not known"), FailureCode::Source, "knows no database"),
        (page("something <odd> & new"), FailureCode::OdooError, "something <odd> & new"),
        (Trap::DumpFails, FailureCode::PgDump, "returned non-zero exit status 1"),
        (Trap::PgDumpNotFound, FailureCode::PgDump, "Command `pg_dump` not found."),
        (Trap::Redirect("http://127.0.0.1:9/".to_owned()), FailureCode::OdooError, "not followed"),
    ];
    for style in [Style::V18, Style::Development] {
        for (trap, code, words) in cases.clone() {
            odoo.configure(|options| options.style = style);
            odoo.set_trap(trap);
            let failure = failure(&setting, &source, Zip).await;
            assert!(failure.code == code && failure.message.contains(words), "{style:?} {failure:?}");
        }
    }
}

#[tokio::test]
async fn truncated_damaged_and_empty_files_are_no_backups() {
    let setting = Setting::new("http_truncated");
    let odoo = stand_in(&setting, Options::default());
    let source = source(&setting, &odoo);
    let incomplete = FailureCode::Incomplete;
    let cases = [
        (Trap::CutMidBody, Zip, incomplete, "was cut after"),
        (Trap::CutMidBody, Dump, incomplete, "was cut after"),
        (Trap::WorkerKilled, Zip, incomplete, "no whole zip"),
        (Trap::WorkerKilled, Dump, incomplete, "cut off or damaged"),
        (Trap::Truncated, Zip, incomplete, "no whole zip"),
        (Trap::Truncated, Dump, incomplete, "cut off or damaged"),
        (Trap::DumpFails, Dump, incomplete, "cut off or damaged"),
        (Trap::FlippedByte, Zip, incomplete, "damaged"),
        (Trap::FlippedByte, Dump, incomplete, "cut off or damaged"),
        (Trap::HalfDumpSql, Zip, FailureCode::PgDump, "cut off"),
        (Trap::Empty, Zip, incomplete, "no bytes"),
        (Trap::Empty, Dump, incomplete, "no bytes"),
        (Trap::NoAnswer, Zip, incomplete, "limit_time_real"),
    ];
    for (trap, format, code, words) in cases {
        odoo.set_trap(trap.clone());
        let result = setting.open(&source, format).await;
        let failure = result.err().unwrap_or_else(|| panic!("{trap:?} {format:?} must not be a backup"));
        assert!(failure.code == code && failure.message.contains(words), "{trap:?} {format:?}: {failure:?}");
        assert_eq!(setting.staged_files(), Vec::<std::path::PathBuf>::new());
    }
    odoo.set_trap(Trap::None);
    setting.read(&source, Zip).await.expect("the same source works when nothing goes wrong");
}

#[tokio::test]
async fn an_unknown_database_on_17_gives_an_empty_200_that_is_no_backup() {
    let mut setting = Setting::new("http_17");
    // Past the preflight, as when the database is dropped in between.
    setting.settings.tools = PgTools::in_folders(&[Cluster::shared().bin().to_owned()]);
    let odoo = stand_in(&setting, Options { style: Style::V17, ..Options::default() });
    odoo.set_trap(Trap::Empty);
    let failure = failure(&setting, &source(&setting, &odoo), Dump).await;
    assert!(failure.message.contains("does not exist"), "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_odoo_is_waited_for() {
    let setting = Setting::new("http_slow");
    let odoo = stand_in(&setting, Options { trap: Trap::Stall, ..Options::default() });
    let source = source(&setting, &odoo);
    let phases = setting.phases.clone();
    let release = async {
        while phases.lock().unwrap().last() != Some(&Phase::WaitingForOdoo) {
            tokio::task::yield_now().await;
        }
        odoo.release();
    };
    let (read, ()) = tokio::join!(setting.read(&source, Dump), release);
    assert_eq!(read.unwrap().paths, ["database.dump"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_odoo_fails_after_the_set_time_before_and_within_the_file() {
    let mut setting = Setting::new("http_stalled");
    setting.settings.timeouts.first_byte = Duration::from_millis(500);
    let odoo = stand_in(&setting, Options { trap: Trap::Stall, ..Options::default() });
    let source = source(&setting, &odoo);
    let before = failure(&setting, &source, Zip).await;
    assert!(before.code == FailureCode::Stalled && before.message.contains("sent nothing"), "{before:?}");
    assert!(odoo.wait_until_idle(PATIENCE), "the connection stays open");

    setting.settings.timeouts.first_byte = Duration::from_secs(30);
    setting.settings.timeouts.stall = Duration::from_millis(500);
    odoo.set_trap(Trap::StallMidBody);
    let within = failure(&setting, &source, Zip).await;
    assert!(within.code == FailureCode::Stalled && within.message.contains("and then nothing"), "{within:?}");
    assert!(odoo.wait_until_idle(PATIENCE), "the connection stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_hangs_up_and_leaves_nothing() {
    let setting = Setting::new("http_cancelled");
    for (trap, phase) in [(Trap::Stall, Phase::WaitingForOdoo), (Trap::StallMidBody, Phase::Receiving)] {
        let odoo = stand_in(&setting, Options { trap, ..Options::default() });
        let cancel = CancellationToken::new();
        let (sources, source) = (setting.sources(), source(&setting, &odoo));
        let opening = sources.open(&source, Zip, setting.progress(), cancel.clone());
        let phases = setting.phases.clone();
        let cancelling = async {
            while phases.lock().unwrap().last() != Some(&phase) {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let begun = Instant::now();
        let (opened, ()) = tokio::join!(opening, cancelling);
        assert_eq!(opened.err().unwrap().code, FailureCode::Cancelled);
        assert!(begun.elapsed() < PATIENCE);
        assert!(odoo.wait_until_idle(PATIENCE), "the connection stays open");
        assert_eq!(setting.staged_files(), Vec::<std::path::PathBuf>::new());
    }
}
