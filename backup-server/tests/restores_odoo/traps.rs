//! What goes wrong in Odoo: the database that is there stays as it is, and nothing is left over.

use std::fs;

use backup_api::{BackupFormat, FailureCode, JobState, Phase, RestorePlan};
use testbed::{
    Cluster,
    odoo::{Options, RestoreTrap, StandIn},
};

use crate::{
    setting::{Origin, REPOSITORY, Served, fake_pg_dump, until},
    stage::{Stage, start_restore},
};

#[tokio::test]
async fn a_restore_that_is_not_whole_never_replaces_the_database() {
    let stage = Stage::new("rt_traps", BackupFormat::Zip).await;
    let mismatch = FailureCode::Mismatch;
    let cases = [
        (RestoreTrap::HalfTheRows, mismatch, "is not what the backup holds"),
        (RestoreTrap::LosesARow, mismatch, "res_currency has"),
        (RestoreTrap::LosesAFile, mismatch, "1 of"),
        (RestoreTrap::WorkerKilled, FailureCode::Incomplete, "limit_time_real"),
        // What the system has taken over from us need not have reached Odoo, so how much it got cannot be told.
        (RestoreTrap::CutUpload, FailureCode::Incomplete, "limit_time_real"),
        (RestoreTrap::ErrorPage("Access Denied".to_owned()), FailureCode::Source, "admin_passwd"),
        (RestoreTrap::ErrorPage("[Errno 28] No space left on device".to_owned()), FailureCode::NoSpace, "disk"),
        (RestoreTrap::ErrorPage("Couldn't restore database".to_owned()), FailureCode::OdooError, "Couldn't restore"),
        (RestoreTrap::Redirect("http://127.0.0.1:9/".to_owned()), FailureCode::OdooError, "not followed"),
        (RestoreTrap::Redirect("/web/database/manager".to_owned()), FailureCode::OdooError, "302"),
    ];
    for (trap, code, words) in cases {
        stage.odoo.set_restore_trap(trap.clone());
        let job = stage.restore(&stage.plan()).await;
        let failure = job.failure.clone().unwrap_or_else(|| panic!("{trap:?} must not succeed"));
        assert!(failure.code == code && failure.message.contains(words), "{trap:?}: {failure:?}");
        let reached = matches!(job.phase, Phase::SendingToOdoo | Phase::OdooRestores | Phase::Comparing);
        assert!(reached, "{trap:?}: it ended in another phase than it is said to have: {:?}", job.phase);
        stage.assert_untouched(&format!("{trap:?}"));
    }
    assert!(stage.odoo.renames().is_empty());
    assert!(stage.served.staged().is_empty());
    stage.odoo.set_restore_trap(RestoreTrap::None);
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
}

#[tokio::test]
async fn a_wish_to_neutralize_that_is_passed_over_fails_the_restore() {
    let stage = Stage::new("rt_neutral", BackupFormat::Zip).await;
    stage.odoo.set_restore_trap(RestoreTrap::NotNeutralized);
    let failure = stage.restore(&RestorePlan { neutralize: true, ..stage.plan() }).await.failure.unwrap();
    assert!(failure.code == FailureCode::Neutralize && failure.message.contains("is_neutralized"), "{failure:?}");
    stage.assert_untouched("not neutralized");
}

#[tokio::test]
async fn a_cancelled_restore_leaves_nothing() {
    let stage = Stage::new("rt_cancel", BackupFormat::Zip).await;
    stage.odoo.set_restore_trap(RestoreTrap::Stall);
    let client = &stage.served.client;
    let id = start_restore(client, &stage.backup, &stage.plan()).await;
    until(client, id, |job| job.phase == Phase::OdooRestores).await;
    client.cancel_job(id).await.unwrap();
    let job = until(client, id, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Cancelled, "{:?}", job.failure);
    stage.assert_untouched("cancelled");
}

#[tokio::test]
async fn a_server_started_with_a_database_cannot_remove_what_it_made_and_that_is_said() {
    let stage = Stage::new("rt_served", BackupFormat::Zip).await;
    stage.odoo.configure(|options| options.served = Some(vec!["rt_served".to_owned()]));
    let job = stage.restore(&stage.plan()).await;
    let failure = job.failure.clone().unwrap();
    assert!(
        failure.message.contains("-d or db_name") && failure.message.contains("dropdb rt_served_rest"),
        "{failure:?}"
    );
    assert_eq!(stage.left().0.len(), 2, "what Odoo does not remove stays");
    assert!(stage.state("rt_served") == stage.changed);
    assert!(stage.odoo.renames().is_empty());
}

#[tokio::test]
async fn a_filter_that_hides_what_was_restored_ends_the_restore() {
    let stage = Stage::new("rt_filter", BackupFormat::Zip).await;
    stage.odoo.configure(|options| options.filter = Some("rt_filter_other".to_owned()));
    let refused = stage.restore(&stage.plan()).await.failure.unwrap();
    assert!(refused.code == FailureCode::Preflight && refused.message.contains("dbfilter"), "{refused:?}");
    assert_eq!(stage.odoo.restore_posts(), 0);
    stage.odoo.configure(|options| options.filter = Some("rt_filter".to_owned()));
    let hidden = stage.restore(&stage.plan()).await.failure.unwrap();
    assert!(hidden.message.contains("dbfilter hides the database “rt_filter_restoring_"), "{hidden:?}");
    assert!(stage.odoo.renames().is_empty());
    stage.assert_untouched("hidden");
}

#[tokio::test]
async fn an_orphaned_folder_takes_the_restore_back_and_is_named() {
    let stage = Stage::new("rt_orphan", BackupFormat::Zip).await;
    let orphan = stage.origin.folder.path().join("filestore/rt_orphan_new");
    fs::create_dir_all(orphan.join("aa")).unwrap();
    fs::write(orphan.join("aa/old"), "of an earlier database").unwrap();
    let plan = stage.plan_into("rt_orphan_new");
    let failure = stage.restore(&plan).await.failure.unwrap();
    assert!(failure.message.contains("mv filestore/rt_orphan_new filestore/rt_orphan_new.old"), "{failure:?}");
    let folders = vec!["rt_orphan".to_owned(), "rt_orphan_new".to_owned()];
    assert_eq!(stage.left(), (vec!["rt_orphan".to_owned()], folders.clone()));
    assert_eq!(fs::read_to_string(orphan.join("aa/old")).unwrap(), "of an earlier database");

    fs::remove_dir_all(&orphan).unwrap();
    let job = stage.restore(&plan).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert_eq!(job.restored.unwrap().undo_until, None, "nothing was replaced");
    assert!(stage.state("rt_orphan_new") == stage.backed_up);
    assert_eq!(stage.left().1, folders);
}

#[tokio::test]
async fn a_dump_that_runs_programs_never_reaches_odoo() {
    let origin = Origin::new("rt_hostile");
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran");
    for line in [
        format!("\\\\! touch {}", mark.display()),
        format!("COPY res_partner TO PROGRAM 'touch {}';", mark.display()),
        "ALTER SYSTEM SET work_mem = '1GB';".to_owned(),
    ] {
        let line = line.replace('/', "\\/");
        let bin = fake_pg_dump(folder.path(), &format!("$REAL \"$@\" | sed \"s/^SET xmloption.*/&\\n{line}/\""));
        let served = Served::start_with(|config| config.pg_bin = vec![bin]).await;
        let backup = served.made(REPOSITORY, &origin.direct(), BackupFormat::Zip).await;
        let odoo = StandIn::start(Cluster::shared(), origin.folder.path(), Options::default()).unwrap();
        let plan = RestorePlan {
            target: origin.through(&odoo),
            mode: backup_api::RestoreMode::Replace,
            neutralize: false,
            safety_backup: None,
            undo_seconds: 0,
        };
        let failure = crate::stage::restore(&served.client, &backup, &plan).await.failure.unwrap();
        assert!(matches!(failure.code, FailureCode::Sql | FailureCode::Preflight), "{line}: {failure:?}");
        assert_eq!(odoo.restore_posts(), 0, "{line}");
        assert!(!mark.exists(), "{line}");
    }
}
