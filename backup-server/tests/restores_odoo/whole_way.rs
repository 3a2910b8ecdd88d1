//! A backup goes back through Odoo: in place, as a copy, neutralized, and undone.

use backup_api::{
    Attachments, BackupFormat, BackupId, CheckCode, CheckOutcome, FailureCode, JobId, JobState, Phase, RestorePlan,
    RestoreStanding, Source, StartUndo,
};
use testbed::{
    Cluster,
    odoo::{Options, Style},
};
use uuid::Uuid;

use crate::{setting::REPOSITORY, stage::Stage};

#[tokio::test]
async fn a_zip_replaces_the_database_and_an_undo_brings_the_other_back() {
    let stage = Stage::new("ro_zip", BackupFormat::Zip).await;
    let safety = BackupId(Uuid::new_v4());
    let job = stage.restore(&RestorePlan { safety_backup: Some(safety), ..stage.plan() }).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}\n{}", job.failure, stage.log(&job).await);
    assert!(stage.state("ro_zip") == stage.backed_up);
    let restored = job.restored.unwrap();
    assert_eq!((restored.database.as_str(), restored.neutralized), ("ro_zip", false));
    assert!(restored.tables > 100 && restored.rows > 1000 && restored.undo_until.is_some());
    let files = stage.backup.attachments.as_ref().unwrap().present;
    assert_eq!(restored.attachments.as_ref().map(|found| (found.present, found.expected)), Some((files, files)));
    assert_eq!(restored.notes, Vec::<String>::new());
    assert_eq!(job.backup.unwrap().id, safety);
    let fields: Vec<String> = {
        let forms = stage.odoo.restore_forms();
        assert_eq!(forms.len(), 1);
        forms[0].keys().cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    };
    assert_eq!(fields, ["master_pwd", "name"], "a field that is there at all is true to Odoo");

    let (databases, folders) = stage.left();
    assert_eq!((databases.len(), &databases), (2, &folders));
    let previous = databases.iter().find(|name| name.starts_with("ro_zip_before_")).unwrap();
    assert!(stage.state(previous) == stage.changed);
    let undone = stage.undo(job.id).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    stage.assert_untouched("undone");
    let again = StartUndo { job: JobId(Uuid::new_v4()), target: stage.plan().target };
    let refused = stage.served.client.start_undo(job.id, &again).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be undone any more"), "{refused}");
    assert!(stage.served.staged().is_empty());
}

#[tokio::test]
async fn without_a_time_for_undo_nothing_is_kept() {
    let stage = Stage::new("ro_none", BackupFormat::Zip).await;
    let job = stage.restore(&RestorePlan { undo_seconds: 0, ..stage.plan() }).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert_eq!(job.restored.unwrap().undo_until, None);
    assert_eq!(stage.left(), (vec!["ro_none".to_owned()], vec!["ro_none".to_owned()]));
    assert!(stage.state("ro_none") == stage.backed_up);
}

#[tokio::test]
async fn neutralized_through_odoo_and_seen_to_be() {
    let stage = Stage::new("ro_neutral", BackupFormat::Zip).await;
    let job = stage.restore(&RestorePlan { neutralize: true, ..stage.plan() }).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let restored = job.restored.unwrap();
    assert!(restored.neutralized);
    let sql = |sql: &str| Cluster::shared().sql("ro_neutral", sql).unwrap();
    assert_eq!(sql("SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'"), "true");
    assert_eq!(sql("SELECT count(*) FROM ir_cron WHERE active"), "1");
    assert_eq!(stage.odoo.restore_forms()[0].get("neutralize_database").map(String::as_str), Some("true"));
}

#[tokio::test]
async fn a_copy_gets_an_identity_of_its_own_and_leaves_the_database_alone() {
    let stage = Stage::new("ro_copy", BackupFormat::Zip).await;
    let job = stage.restore(&stage.copy_plan("ro_copy_two")).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let restored = job.restored.unwrap();
    assert_eq!((restored.database.as_str(), restored.undo_until), ("ro_copy_two", None));
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    assert_ne!(Cluster::shared().sql("ro_copy_two", uuid).unwrap(), Cluster::shared().sql("ro_copy", uuid).unwrap());
    assert!(stage.state("ro_copy") == stage.changed);
    let both = vec!["ro_copy".to_owned(), "ro_copy_two".to_owned()];
    assert_eq!(stage.left(), (both.clone(), both));
    let again = stage.restore(&stage.copy_plan("ro_copy_two")).await;
    let failure = again.failure.unwrap();
    assert!(failure.code == FailureCode::Preflight && failure.message.contains("Choose another name"), "{failure:?}");
    assert_eq!(stage.odoo.restore_posts(), 1);
}

#[tokio::test]
async fn a_dump_becomes_a_copy_without_attachments() {
    let stage = Stage::new("ro_dump", BackupFormat::Dump).await;
    let job = stage.restore(&stage.copy_plan("ro_dump_two")).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert_eq!(job.restored.unwrap().attachments, None::<Attachments>);
    assert!(stage.state("ro_dump") == stage.changed);
}

#[tokio::test]
async fn a_dump_replaces_the_database_and_keeps_the_present_files() {
    let stage = Stage::new("ro_keep", BackupFormat::Dump).await;
    let found = stage.served.client.preflight(REPOSITORY, stage.backup.id, &stage.plan()).await.unwrap();
    let filestore = found.checks.iter().find(|check| check.code == CheckCode::Filestore).unwrap();
    assert!(filestore.outcome == CheckOutcome::Warn && filestore.message.contains("database only"), "{filestore:?}");
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let restored = job.restored.unwrap();
    assert_eq!(restored.attachments, None::<Attachments>);
    assert!(restored.notes[0].contains("0 files that the restored database refers to"), "{:?}", restored.notes);
    assert!(stage.state("ro_keep") == stage.backed_up);
    assert!(stage.served.staged().is_empty());
    let undone = stage.undo(job.id).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    stage.assert_untouched("undone");
}

#[tokio::test]
async fn the_phases_are_those_of_a_restore_through_odoo() {
    let stage = Stage::new("ro_phases", BackupFormat::Zip).await;
    stage.odoo.set_restore_trap(testbed::odoo::RestoreTrap::Stall);
    let id = crate::stage::start_restore(&stage.served.client, &stage.backup, &stage.plan()).await;
    crate::setting::until(&stage.served.client, id, |job| job.phase == Phase::OdooRestores).await;
    assert_eq!(stage.left().0, ["ro_phases"], "Odoo has not begun");
    stage.odoo.release();
    let job = crate::setting::until(&stage.served.client, id, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
}

#[tokio::test]
async fn what_stops_a_restore_is_told_before_anything_is_sent() {
    type Change = fn(&mut Options);
    let stage = Stage::new("ro_checks", BackupFormat::Zip).await;
    let client = &stage.served.client;
    let cases: [(Change, CheckCode, &str); 5] = [
        (|options| options.style = Style::V17, CheckCode::OdooVersion, "Restore it with Odoo 18.0"),
        (|options| options.list_db = false, CheckCode::Connection, "list_db"),
        (|options| "other".clone_into(&mut options.master_password), CheckCode::Connection, "admin_passwd"),
        (|options| "admin".clone_into(&mut options.master_password), CheckCode::Connection, "Set a password"),
        (|options| options.served = Some(vec!["other".to_owned()]), CheckCode::Name, "-d"),
    ];
    let plan = stage.plan();
    let usual = Options::default();
    for (change, code, words) in cases {
        stage.odoo.configure(|options| {
            *options = Options { port: options.port, ..usual.clone() };
            change(options);
        });
        let found = client.preflight(REPOSITORY, stage.backup.id, &plan).await.unwrap();
        let stop = found.checks.iter().find(|check| check.code == code && check.outcome == CheckOutcome::Stop);
        assert!(stop.is_some_and(|check| check.message.contains(words)), "{words}: {:?}", found.checks);
        let failure = stage.restore(&plan).await.failure.unwrap();
        assert!(failure.code == FailureCode::Preflight && failure.message.contains(words), "{failure:?}");
    }
    assert_eq!((stage.odoo.restore_posts(), stage.odoo.password_changes()), (0, 0));
    stage.odoo.configure(|options| *options = Options { port: options.port, ..usual.clone() });
    let found = client.preflight(REPOSITORY, stage.backup.id, &plan).await.unwrap();
    assert!(found.is_passed(), "{:?}", found.checks);
    assert_eq!(found.current.unwrap().odoo_version.as_deref(), Some("18.0"));
    let outcome = |code| found.checks.iter().find(|check| check.code == code).unwrap().outcome;
    assert_eq!(outcome(CheckCode::Space), CheckOutcome::Warn, "Odoo does not tell");
    assert_eq!(outcome(CheckCode::PostgresVersion), CheckOutcome::Warn, "Odoo does not tell");
    stage.assert_untouched("only looked at");
}

#[tokio::test]
async fn an_undo_that_is_sent_elsewhere_is_refused_and_can_be_asked_for_again() {
    let stage = Stage::new("ro_elsewhere", BackupFormat::Zip).await;
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let mut wrong = stage.plan().target;
    if let Source::OdooHttp { url, .. } = &mut wrong {
        "http://127.0.0.1:1".clone_into(url);
    }
    let refused = crate::stage::undo(&stage.served.client, job.id, &wrong).await;
    assert_eq!(refused.state, JobState::Failed, "{:?}", refused.failure);
    let told = stage.served.client.restore_state(job.id).await.unwrap();
    assert!(matches!(told.standing, RestoreStanding::Kept { .. }), "{told:?}");
    let undone = stage.undo(job.id).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    stage.assert_untouched("undone");
}
