//! Restores into PostgreSQL with the filestore beside it.

use std::{fs, os::unix::fs::MetadataExt};

use backup_api::{BackupFormat, BackupId, CheckCode, CheckOutcome, JobState, RestorePlan};
use testbed::Cluster;
use uuid::Uuid;

use super::setting::{Changed, State, eventually, restored, undo};
use crate::setting::{REPOSITORY, Restored, Served, TestClock, log_of};

#[tokio::test]
async fn a_restore_brings_back_everything_and_its_undo_too() {
    let served = Served::start().await;
    let changed = Changed::new("rs_replace", &served.client, BackupFormat::Zip).await;
    let safety = BackupId(Uuid::new_v4());
    let plan = RestorePlan { safety_backup: Some(safety), ..changed.plan() };
    let found = served.client.preflight(REPOSITORY, changed.backup.id, &plan).await.unwrap();
    assert!(found.is_passed(), "{:#?}", found.checks);
    assert_eq!(found.current.unwrap().odoo_version.as_deref(), Some("18.0"));
    let folder = fs::metadata(&changed.origin.database.filestore).unwrap();

    let job = restored(&served.client, changed.backup.id, &plan).await;
    assert_eq!(changed.state(), changed.then);
    let done = job.restored.unwrap();
    let files = done.attachments.unwrap();
    assert_eq!((files.present, files.missing_count()), (changed.then.attachments.len() as u64, 0));
    assert_eq!(done.tables, changed.then.rows.lines().count() as u64);
    assert!(done.undo_until.is_some() && !done.neutralized);
    assert_eq!(job.backup.map(|backup| backup.id), Some(safety), "the safety backup is told");
    assert_eq!(changed.leftovers().len(), 2, "{:?}", changed.leftovers());
    let now = fs::metadata(&changed.origin.database.filestore).unwrap();
    assert_eq!((now.uid(), now.gid(), now.mode()), (folder.uid(), folder.gid(), folder.mode()));

    let undone = undo(&served.client, job.id, &changed.target()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?} {}", undone.failure, log_of(&served.client, undone.id).await);
    assert_eq!(changed.state(), changed.now);
    assert_eq!(changed.leftovers(), [""; 0]);
    let again = backup_api::StartUndo { job: backup_api::JobId(Uuid::new_v4()), target: changed.target() };
    let refused = served.client.start_undo(job.id, &again).await.unwrap_err().to_string();
    assert!(refused.contains("It was undone"), "{refused}");
}

#[tokio::test]
async fn a_database_that_is_gone_comes_back() {
    let served = Served::start().await;
    let changed = Changed::new("rs_gone", &served.client, BackupFormat::Zip).await;
    Cluster::shared().drop_database("rs_gone").unwrap();
    fs::remove_dir_all(&changed.origin.database.filestore).unwrap();
    let plan = RestorePlan { safety_backup: Some(BackupId(Uuid::new_v4())), ..changed.plan() };
    let job = restored(&served.client, changed.backup.id, &plan).await;
    assert_eq!(changed.state(), changed.then);
    assert_eq!(job.restored.unwrap().undo_until, None, "nothing was replaced");
    assert_eq!(changed.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_copy_has_an_identity_of_its_own_and_is_neutralized() {
    let served = Served::start().await;
    let changed = Changed::new("rs_copied", &served.client, BackupFormat::Zip).await;
    let copy = Restored("rs_copy_of".to_owned());
    let plan = RestorePlan { neutralize: true, ..changed.copy(&copy.0) };
    let job = restored(&served.client, changed.backup.id, &plan).await;
    assert_eq!(changed.state(), changed.now, "the origin is as it was");
    let filestore = changed.origin.database.filestore.with_file_name(&copy.0);
    let state = State::of(Cluster::shared(), &copy.0, &filestore);
    assert_eq!(state.attachments, changed.then.attachments);
    let parameter = |parameters: &str, key: &str| {
        parameters.lines().find_map(|line| line.strip_prefix(&format!("{key}|")).map(str::to_owned))
    };
    for key in ["database.uuid", "database.secret"] {
        assert_ne!(parameter(&state.parameters, key), parameter(&changed.then.parameters, key), "{key}");
        assert!(parameter(&state.parameters, key).is_some());
    }
    assert_eq!(parameter(&state.parameters, "database.is_neutralized").as_deref(), Some("true"));
    let crons = Cluster::shared().sql(&copy.0, "SELECT count(*) FROM ir_cron WHERE active").unwrap();
    assert_eq!(crons, "1", "only the clean-up");
    let done = job.restored.unwrap();
    assert!(done.neutralized && done.undo_until.is_none());
    fs::remove_dir_all(filestore).unwrap();
    assert_eq!(changed.leftovers(), [""; 0]);
}

#[tokio::test]
async fn what_was_replaced_goes_when_its_time_is_over() {
    let clock = TestClock::new();
    let time = clock.clock();
    let served = Served::start_with(|config| config.clock = time).await;
    let changed = Changed::new("rs_window", &served.client, BackupFormat::Zip).await;
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(changed.leftovers().len(), 2);
    clock.advance(86_400);
    eventually("the replaced database is removed", || changed.leftovers().is_empty()).await;
    assert_eq!(changed.state(), changed.then);
    let start = backup_api::StartUndo { job: backup_api::JobId(Uuid::new_v4()), target: changed.target() };
    let refused = served.client.start_undo(job.id, &start).await.unwrap_err().to_string();
    assert!(refused.contains("The time for an undo is over"), "{refused}");
}

#[tokio::test]
async fn with_no_window_nothing_is_kept() {
    let served = Served::start().await;
    let changed = Changed::new("rs_none", &served.client, BackupFormat::Zip).await;
    let plan = RestorePlan { undo_seconds: 0, ..changed.plan() };
    let job = restored(&served.client, changed.backup.id, &plan).await;
    assert_eq!(job.restored.unwrap().undo_until, None);
    assert_eq!((changed.state(), changed.leftovers()), (changed.then.clone(), Vec::new()));
}

#[tokio::test]
async fn a_dump_keeps_the_present_filestore_and_says_so_before() {
    let served = Served::start().await;
    let changed = Changed::new("rs_dump", &served.client, BackupFormat::Dump).await;
    let found = served.client.preflight(REPOSITORY, changed.backup.id, &changed.plan()).await.unwrap();
    let check = found.checks.iter().find(|check| check.code == CheckCode::Attachments).unwrap();
    assert_eq!(check.outcome, CheckOutcome::Warn);
    assert!(check.message.contains("the database only"), "{}", check.message);
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    let done = job.restored.unwrap();
    assert_eq!((done.attachments, done.notes.len()), (None, 1), "{:?}", done.notes);
    assert!(done.notes[0].contains("are not in the filestore"), "{:?}", done.notes);
    let state = changed.state();
    assert_eq!((state.rows, state.sequences), (changed.then.rows.clone(), changed.then.sequences.clone()));
    assert!(changed.origin.database.filestore.join("e6/e61a3587b3f7a142b8c7b9263c82f8119398ecb7").exists());
    assert_eq!(changed.leftovers().len(), 1, "the database alone is kept");
}

/// As in Docker's image, where `POSTGRES_USER=odoo` makes Odoo's user a superuser.
#[tokio::test]
async fn through_a_superuser_the_dump_has_no_rights_and_the_owner_gets_everything() {
    let served = Served::start().await;
    let changed = Changed::new("rs_super", &served.client, BackupFormat::Zip).await;
    let url = format!("postgres://postgres:{}@127.0.0.1:{}/", Cluster::shared().password(), Cluster::shared().port());
    let mut plan = changed.plan();
    plan.target = changed.origin.direct_through(&url);
    let job = restored(&served.client, changed.backup.id, &plan).await;
    assert_eq!(changed.state(), changed.then);
    let foreign = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' \
                   AND pg_get_userbyid(relowner) <> 'odoo' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid \
                   AND d.deptype = 'e')";
    assert_eq!(Cluster::shared().sql("rs_super", foreign).unwrap(), "0");
    let undone = undo(&served.client, job.id, &plan.target).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    assert_eq!((changed.state(), changed.leftovers()), (changed.now.clone(), Vec::new()));
}

#[tokio::test]
async fn settings_and_rights_of_the_live_database_stay() {
    let served = Served::start().await;
    let changed = Changed::new("rs_settings", &served.client, BackupFormat::Zip).await;
    let admin = |sql: &str| Cluster::shared().sql_as("postgres", "postgres", sql).unwrap();
    admin("ALTER DATABASE rs_settings SET work_mem TO '7MB'");
    admin("ALTER DATABASE rs_settings SET search_path TO \"$user\", public");
    admin("REVOKE CONNECT ON DATABASE rs_settings FROM PUBLIC");
    admin("ALTER DATABASE rs_settings CONNECTION LIMIT 50");
    let facts = "SELECT (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(d.datacl) a), d.datconnlimit, s.setconfig, d.datistemplate, d.datallowconn, d.datcollate \
                 FROM pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid WHERE d.datname = 'rs_settings'";
    let before = admin(facts);
    restored(&served.client, changed.backup.id, &changed.plan()).await;
    assert_eq!(admin(facts), before);
}

/// Odoo's user may not make every setting that a database administrator made.
#[tokio::test]
async fn a_setting_that_only_an_administrator_may_make_is_told() {
    let served = Served::start().await;
    let changed = Changed::new("rs_admins", &served.client, BackupFormat::Zip).await;
    let admin = |sql: &str| Cluster::shared().sql_as("postgres", "postgres", sql).unwrap();
    admin("ALTER DATABASE rs_admins SET log_min_duration_statement = 1000");
    admin("ALTER DATABASE rs_admins SET temp_tablespaces TO 'pg_default', 'a, b'");
    let setting = "SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase \
                   WHERE datname = 'rs_admins' AND setrole = 0 ORDER BY 1";
    let before = admin(setting);
    let job = restored(&served.client, changed.backup.id, &changed.plan()).await;
    let notes = job.restored.unwrap().notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(format!("log_min_duration_statement=1000\n{}", admin(setting)), before);
    let command = notes[0].split_once("As an administrator run: ").unwrap().1;
    admin(command);
    assert_eq!(admin(setting), before, "{command}");
}
