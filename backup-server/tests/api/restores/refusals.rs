//! What a restore does not begin, and what it stops at with the live database untouched.

use std::fs;

use backup_api::{
    BackupFormat, BackupId, CheckCode, CheckOutcome, FailureCode, JobState, Preflight, RestorePlan, Secret, Source,
};
use testbed::Cluster;
use uuid::Uuid;

use super::{
    hostile::store,
    setting::{Changed, request, restore},
};
use crate::{
    crash::Running,
    setting::{REPOSITORY, Served, until},
};

fn stops(found: &Preflight) -> Vec<(CheckCode, &str)> {
    let stops = found.checks.iter().filter(|check| check.outcome == CheckOutcome::Stop);
    stops.map(|check| (check.code, check.message.as_str())).collect()
}

#[tokio::test]
async fn what_cannot_go_well_is_stopped_before_anything_is_touched() {
    let served = Served::start().await;
    let changed = Changed::new("rs_refuse", &served.client, BackupFormat::Zip).await;
    let admin = |sql: &str| Cluster::shared().sql_as("postgres", "postgres", sql).unwrap();
    admin("CREATE ROLE rs_weak LOGIN PASSWORD 'weak'");
    let Source::Postgres { database, filestore, addons, .. } = changed.target() else { unreachable!() };
    let with = |url: String, filestore: Option<String>, addons: Vec<String>| RestorePlan {
        target: Source::Postgres { url: Secret::new(url), database: database.clone(), filestore, addons },
        ..changed.plan()
    };
    let url = Cluster::shared().url();
    let weak = format!("postgres://rs_weak:weak@127.0.0.1:{}/", Cluster::shared().port());
    let neutralize = RestorePlan { neutralize: true, ..with(url.clone(), filestore.clone(), Vec::new()) };
    let cases = [
        (
            CheckCode::Connection,
            "cannot be reached",
            with("postgres://odoo:x@127.0.0.1:1/".to_owned(), None, Vec::new()),
        ),
        (CheckCode::Connection, "refuses user", with(url.replace("odoo:", "odoo:wrong"), None, Vec::new())),
        (CheckCode::Rights, "CREATEDB", with(weak, filestore.clone(), addons.clone())),
        (CheckCode::Filestore, "No filestore folder is set", with(url.clone(), None, addons.clone())),
        (CheckCode::Filestore, "no folder can be made", with(url.clone(), Some("/proc/filestore".to_owned()), addons)),
        (CheckCode::Neutralize, "addons folders", neutralize),
        (CheckCode::Name, "already", changed.copy("postgres")),
    ];
    for (code, words, plan) in cases {
        let found = served.client.preflight(REPOSITORY, changed.backup.id, &plan).await.unwrap();
        let stops = stops(&found);
        assert!(stops.iter().any(|(at, message)| *at == code && message.contains(words)), "{code:?}: {stops:?}");
        let job = restore(&served.client, changed.backup.id, &plan).await;
        let failure = job.failure.unwrap();
        assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::Preflight));
        assert!(failure.message.contains(words), "{}", failure.message);
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
    }
    admin("DROP ROLE rs_weak");
}

/// Going without a safety backup is advice only where it helps.
#[tokio::test]
async fn what_keeps_a_safety_backup_from_being_made_is_told_from_what_keeps_the_restore_from_it() {
    let served = Served::start().await;
    let changed = Changed::new("rs_safety", &served.client, BackupFormat::Zip).await;
    let advice = async |target: Source| {
        let plan = RestorePlan { target, safety_backup: Some(BackupId(Uuid::new_v4())), ..changed.plan() };
        let found = served.client.preflight(REPOSITORY, changed.backup.id, &plan).await.unwrap();
        let stops = stops(&found);
        let advice =
            stops.iter().find(|(code, _)| *code == CheckCode::SafetyBackup).map(|(_, words)| (*words).to_owned());
        (advice.expect("it stops"), stops.len())
    };
    let Source::Postgres { database, filestore, addons, .. } = changed.target() else { unreachable!() };
    let url = Secret::new("postgres://odoo:x@127.0.0.1:1/");
    let (away, _) = advice(Source::Postgres { url, database, filestore, addons }).await;
    assert!(away.ends_with("Repair that first: the restore needs it, too."), "{away}");
    fs::remove_dir_all(&changed.origin.database.filestore).unwrap();
    let (gone, stops) = advice(changed.target()).await;
    assert!(gone.ends_with("Repair that, or restore without a safety backup."), "{gone}");
    assert_eq!(stops, 1, "nothing else stops that restore");
}

#[tokio::test]
async fn an_older_odoo_is_not_restored_into() {
    let served = Served::start().await;
    let changed = Changed::new("rs_older", &served.client, BackupFormat::Zip).await;
    let sql = "UPDATE ir_module_module SET latest_version = '17.0.1.3' WHERE name = 'base'";
    Cluster::shared().sql("rs_older", sql).unwrap();
    let found = served.client.preflight(REPOSITORY, changed.backup.id, &changed.plan()).await.unwrap();
    assert_eq!(stops(&found).len(), 1, "{:?}", stops(&found));
    assert!(stops(&found)[0].1.contains("an older Odoo cannot use it"));
}

/// Dumps of newer or richer servers are stopped before anything is made, and named.
#[tokio::test]
async fn what_this_postgresql_cannot_take_is_named_before_anything_is_made() {
    let served = Served::start().await;
    let changed = Changed::new("rs_richer", &served.client, BackupFormat::Zip).await;
    let cases = [
        (
            "-- Dumped from database version 99.1\n-- Dumped by pg_dump version 99.1\n\nSET transaction_timeout = 0;\n",
            CheckCode::PostgresVersion,
            "Restore into PostgreSQL 99 or later",
        ),
        ("CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;\n", CheckCode::Extensions, "does not have"),
        (
            "CREATE EXTENSION IF NOT EXISTS earthdistance WITH SCHEMA public;\n",
            CheckCode::Extensions,
            "only a superuser may create",
        ),
        (
            "CREATE EXTENSION IF NOT EXISTS file_fdw WITH SCHEMA public;\n",
            CheckCode::Backup,
            "none of those that are known to be safe",
        ),
    ];
    for (dump, code, words) in cases {
        let id = store(&served.data, format!("{dump}--\n-- PostgreSQL database dump complete\n--\n\n")).await;
        let found = served.client.preflight(REPOSITORY, id, &changed.plan()).await.unwrap();
        let stops = stops(&found);
        assert!(stops.iter().any(|(at, message)| *at == code && message.contains(words)), "{code:?}: {stops:?}");
        let job = restore(&served.client, id, &changed.plan()).await;
        assert_eq!(job.failure.unwrap().code, FailureCode::Preflight, "{dump}");
        assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()), "{dump}");
    }
}

#[tokio::test]
async fn two_restores_of_one_subscription_wait_for_each_other() {
    let served = Served::start().await;
    let changed = Changed::new("rs_two", &served.client, BackupFormat::Zip).await;
    let (first, second) = (request(&changed.plan()), request(&changed.plan()));
    for start in [&first, &second] {
        served.client.start_restore(REPOSITORY, changed.backup.id, start).await.unwrap();
    }
    let first = until(&served.client, first.job, |job| job.state.is_final()).await;
    let second = until(&served.client, second.job, |job| job.state.is_final()).await;
    assert_eq!((first.state, second.state), (JobState::Succeeded, JobState::Succeeded), "{:?}", second.failure);
    assert!(second.started_at.unwrap() >= first.finished_at.unwrap());
    assert_eq!(changed.state(), changed.then);
    let refused = super::setting::undo(&served.client, first.id, &changed.target()).await;
    let message = refused.failure.unwrap().message;
    assert!(message.contains("Undo the later restore first"), "{message}");
    for restore in [second.id, first.id] {
        let undone = super::setting::undo(&served.client, restore, &changed.target()).await;
        assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    }
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}

#[tokio::test]
async fn a_cancelled_restore_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("here");
    let pause = format!("filled={}", file.display());
    let served = Served::start_with(|config| config.pause_at = Some(pause)).await;
    let changed = Changed::new("rs_cancel", &served.client, BackupFormat::Zip).await;
    let start = request(&changed.plan());
    served.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    super::setting::eventually("filled", || file.exists()).await;
    served.client.cancel_job(start.job).await.unwrap();
    std::fs::remove_file(file).unwrap();
    let job = until(&served.client, start.job, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}

/// A superuser's session may not be ended by Odoo's user: told before, and survived when it comes later.
#[tokio::test]
async fn sessions_that_refuse_to_end_stop_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("here");
    let pause = format!("swapping={}", file.display());
    let served = Served::start_with(|config| config.pause_at = Some(pause)).await;
    let changed = Changed::new("rs_busy", &served.client, BackupFormat::Zip).await;
    let start = request(&changed.plan());
    served.client.start_restore(REPOSITORY, changed.backup.id, &start).await.unwrap();
    super::setting::eventually("swapping", || file.exists()).await;
    let mut psql = Cluster::shared().clients().command("psql", "postgres");
    psql.args(["--dbname", "rs_busy"]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let session = Running(psql.spawn().unwrap());
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'rs_busy' AND usename = 'postgres'";
    let is_there = || Cluster::shared().sql_as("postgres", "postgres", sessions).unwrap() == "1";
    super::setting::eventually("connected", is_there).await;
    let found = served.client.preflight(REPOSITORY, changed.backup.id, &changed.plan()).await.unwrap();
    assert!(stops(&found).iter().any(|(code, _)| *code == CheckCode::Sessions), "{:?}", stops(&found));
    std::fs::remove_file(file).unwrap();
    let job = until(&served.client, start.job, |job| job.state.is_final()).await;
    let failure = job.failure.unwrap();
    assert_eq!((job.state, failure.code), (JobState::Failed, FailureCode::InUse), "{}", failure.message);
    assert!(failure.message.contains("postgres ("), "{}", failure.message);
    drop(session);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}
