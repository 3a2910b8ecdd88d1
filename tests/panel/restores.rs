//! Restores as the panel asks for them, tells of them and keeps them; the backup server is a double.

use backup_api::{Backup, BackupId, DatabaseName, ErrorCode, JobId, JobState, RestoreMode, Restored};
use chrono::TimeDelta;
use holdfast::{
    backups::{
        LineResult, Trigger,
        api::{CreateBackup, DeleteLine},
    },
    error::AppError,
    operations::{OperationKind, api::CancelOperation},
    restores::{Undo, api::UndoRestore},
    subscriptions::api::SaveSubscription,
    users::Role,
};
use uuid::Uuid;

use crate::{
    browser::{KEPT, reason},
    restore_scene::{DIRECT, Scene, backup, field, restore},
    restorer::Restorer,
    stage::Stage,
};

on_both_databases!(
    a_restore_is_previewed_started_told_and_undone,
    a_copy_replaces_nothing,
    a_line_on_another_server_is_restored_by_that_one,
    what_cannot_be_restored_is_refused,
    one_operation_at_a_time_and_the_other_is_named,
    success_that_proves_nothing_is_none,
);

async fn a_restore_is_previewed_started_told_and_undone(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let options = [("options[neutralize]", "true"), ("options[safety_backup]", "true")];
    let seen = scene.preview(&options).await.unwrap();
    assert!(seen.preflight.is_passed() && seen.busy.is_none() && seen.neutralize.is_ok(), "{seen:?}");
    let named = (seen.database.as_str(), seen.target.as_str(), seen.server.as_str(), seen.subscription_name.as_str());
    assert_eq!(named, ("acme", "acme", "Far", "Acme"));
    assert_eq!((seen.undo_hours, seen.line.id), (24, scene.line.id));
    let plan = scene.restorer.looked_at();
    assert!(plan.neutralize && plan.safety_backup.is_some());
    assert_eq!((plan.mode, plan.target.database().as_str()), (RestoreMode::Replace, "acme"));

    let operation = scene.restore(&options).await.unwrap();
    let job = JobId(operation.0);
    scene.restorer.knows(job).await;
    let (of, start) = scene.restorer.restores().remove(0);
    assert_eq!((of, start.job, start.plan.undo_seconds), (scene.line.remote_id, job, 86_400));
    assert!(start.plan.neutralize && start.plan.mode == RestoreMode::Replace);
    let safety = start.plan.safety_backup.unwrap();
    let running = scene.operation(operation).await;
    assert_eq!(running.kind, OperationKind::Restore);
    let text = scene.line.id.0.to_string();
    let kept = scene.browser.call::<DeleteLine>(&[("line", &text)]).await.unwrap_err();
    assert!(matches!(&kept, AppError::Conflict(words) if words.contains("being restored")), "{kept:?}");

    let done = Restored { neutralized: true, ..scene.done(&stage) };
    let repository = scene.browser.subscription(scene.id).await.backup_uuid.unwrap();
    let made = Backup { id: safety, repository, created_at: stage.turned.now(), ..backup(2, "17.0") };
    scene.restorer.held.set(vec![backup(1, "18.0"), made.clone()]);
    scene.restorer.change(job, |job| {
        job.state = JobState::Succeeded;
        job.backup = Some(made);
        job.restored = Some(done.clone());
    });
    let ended = scene.browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    let facts = ended.restore.clone().unwrap();
    assert_eq!(facts.undo, Undo::Offered { until: moment(done.undo_until.unwrap()) });
    assert_eq!(facts.result.as_ref().map(|result| result.rows), Some(34_567));
    assert!(facts.neutralize && facts.safety_backup && !facts.is_copy && facts.database == "acme");
    let lines = scene.browser.lines(scene.id).await;
    let line = lines.iter().find(|line| line.remote_id == safety).unwrap();
    assert_eq!(
        (line.trigger, line.result.clone(), line.operation),
        (Trigger::Safety, LineResult::Good, Some(operation))
    );
    assert_eq!((line.comment.as_str(), facts.safety_line), ("Before the restore of acme_1.zip", Some(line.id)));
    assert_eq!(scene.browser.subscription(scene.id).await.odoo_version.as_deref(), Some("18.0"), "of the backup");
    let told = scene.told().await;
    let words = "Restored acme_1.zip of 2026-11-20 at 02:04 UTC into acme: neutralized, with a safety backup";
    assert!(told[0].starts_with(words), "{told:?}");
    assert!(told[0].contains("112 tables with 34567 rows, 9 of 9 attachments; can be undone until"), "{}", told[0]);
    assert!(told[0].ends_with(". The safety backup is acme_2.zip"), "{}", told[0]);
    assert_eq!(
        told[1],
        "Started restoring acme_1.zip of 2026-11-20 at 02:04 UTC into acme: neutralized, with a safety backup, to be \
         undone for 24 hours"
    );

    let wrong = [("operation", operation.0.to_string()), ("typed_name", "Acme".to_owned())];
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(field(&scene.browser.call::<UndoRestore>(&wrong).await.unwrap_err(), "typed_name").contains("“acme”"));
    let undo = scene.undo(operation).await.unwrap();
    scene.restorer.knows(JobId(undo.0)).await;
    let (undone, start) = scene.restorer.undos().remove(0);
    assert_eq!((undone, start.job, start.target.database().as_str()), (job, JobId(undo.0), "acme"));
    assert_eq!(scene.undo_of(operation).await, Undo::UnderWay { operation: undo });
    scene.restorer.change(JobId(undo.0), |job| job.state = JobState::Succeeded);
    let ended = scene.browser.end_of(undo).await;
    assert_eq!((ended.kind, ended.state), (OperationKind::Undo, JobState::Succeeded));
    assert_eq!(ended.restore.unwrap().restore, operation, "it tells of the restore that it undid");
    assert!(matches!(scene.undo_of(operation).await, Undo::Done { by, .. } if by == "Ada Example"));
    assert_eq!(scene.browser.subscription(scene.id).await.odoo_version.as_deref(), Some("17.0"), "as before");
    let told = scene.told().await;
    let what = "the restore of acme_1.zip of 2026-11-20 at 02:04 UTC into acme";
    assert_eq!(told[0], format!("Undid {what}: the database from before is back"));
    assert_eq!(told[1], format!("Started undoing {what}"));
    let again = scene.undo(operation).await.unwrap_err();
    assert!(matches!(&again, AppError::Conflict(words) if words.contains("Ada Example did so")), "{again:?}");
    assert_eq!(scene.browser.lines(scene.id).await.len(), 2, "undoing makes no line");
}

/// As it is stored: to the millisecond.
fn moment(at: chrono::DateTime<chrono::Utc>) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap()
}

async fn a_copy_replaces_nothing(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let options = [("options[into]", " acme_test "), ("options[safety_backup]", "true"), ("typed_name", "acme_test")];
    let seen = scene.preview(&options[..1]).await.unwrap();
    assert_eq!((seen.database.as_str(), seen.target.as_str()), ("acme", "acme_test"));
    let unsaid = scene.restore(&[("options[into]", "acme_test")]).await.unwrap_err();
    assert!(field(&unsaid, "typed_name").contains("“acme_test”"), "the old name is not the one that is written");
    let copy = DatabaseName::parse("acme_test").unwrap();
    let done = Restored { database: copy.clone(), undo_until: None, ..scene.done(&stage) };
    let ended = scene.restored(&options, done).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    let (_, start) = scene.restorer.restores().remove(0);
    assert_eq!(
        (start.plan.mode, start.plan.target.database().as_str()),
        (RestoreMode::Copy { database: copy }, "acme")
    );
    assert_eq!((start.plan.safety_backup, start.plan.undo_seconds), (None, 0));
    let facts = ended.restore.unwrap();
    assert!(facts.is_copy && !facts.safety_backup && facts.database == "acme_test");
    assert!(matches!(&facts.undo, Undo::NotOffered { why } if why.contains("replaced none")), "{:?}", facts.undo);
    assert_eq!(
        scene.browser.subscription(scene.id).await.odoo_version,
        None,
        "the subscription's database is as it was"
    );
    assert!(scene.told().await[1].ends_with("into the new database acme_test: not neutralized"));
}

async fn a_line_on_another_server_is_restored_by_that_one(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let administrator = stage.administrator().await;
    let other = Restorer::default();
    let near = other.remote().await;
    let near = near.register(&administrator, "Near").await;
    let id = scene.id.0.to_string();
    let mut moved = vec![
        ("input[id]", id.as_str()),
        ("input[name]", "Acme"),
        ("input[database]", "acme"),
        ("input[server]", near.as_str()),
    ];
    moved.extend(DIRECT);
    moved.extend(KEPT);
    administrator.call::<SaveSubscription>(&moved).await.unwrap();
    assert_eq!(scene.preview(&[]).await.unwrap().server, "Far");
    let ended = scene.restored(&[], scene.done(&stage)).await;
    assert_eq!((ended.state, ended.server.as_str()), (JobState::Succeeded, "Far"), "{ended:?}");
    let undo = scene.undo(ended.id).await.unwrap();
    scene.restorer.knows(JobId(undo.0)).await;
    scene.restorer.change(JobId(undo.0), |job| job.state = JobState::Succeeded);
    assert_eq!(scene.browser.end_of(undo).await.state, JobState::Succeeded);
    assert!(other.restores().is_empty() && other.undos().is_empty());
}

async fn what_cannot_be_restored_is_refused(stage: Stage) {
    let mut scene = Scene::of(&stage).await;
    for (into, words) in [("acme", "name of its own"), ("../etc", "not allowed"), ("a", "at least two")] {
        let refused = scene.restore(&[("options[into]", into), ("typed_name", into)]).await.unwrap_err();
        assert!(field(&refused, "into").contains(words), "{refused:?}");
    }
    for typed in ["", "ACME", "Acme Trading"] {
        let refused = scene.restore(&[("typed_name", typed)]).await.unwrap_err();
        assert!(field(&refused, "typed_name").contains("“acme”"), "{refused:?}");
    }
    let viewer = stage.signed_in(Role::Viewer).await;
    let refused = restore(&viewer, &scene.line, &[]).await.unwrap_err();
    assert!(matches!(refused, AppError::Forbidden { .. }), "{refused:?}");

    scene.restorer.held.set(vec![backup(1, "18.0"), backup(3, "15.0")]);
    stage.turned.forward(TimeDelta::minutes(2));
    let old = scene.browser.lines(scene.id).await.into_iter().find(|line| line.name == "acme_3.zip").unwrap();
    let neutralize = [("options[neutralize]", "true")];
    let refused = restore(&scene.browser, &old, &neutralize).await.unwrap_err();
    assert!(field(&refused, "neutralize").contains("Odoo 15.0"), "{refused:?}");
    let first = std::mem::replace(&mut scene.line, old);
    let seen = scene.preview(&neutralize).await.unwrap();
    assert!(seen.neutralize.is_err() && !scene.restorer.looked_at().neutralize, "{seen:?}");

    scene.restorer.held.set(vec![backup(1, "18.0")]);
    stage.turned.forward(TimeDelta::minutes(2));
    scene.browser.lines(scene.id).await;
    for refused in [scene.restore(&[]).await.map(drop), scene.preview(&[]).await.map(drop)] {
        let missing = matches!(&refused, Err(AppError::Conflict(words)) if words.contains("not there any more"));
        assert!(missing, "{refused:?}");
    }
    scene.line = first;
    scene.remote.shut().await;
    let silent = scene.preview(&[]).await.unwrap_err();
    assert_eq!(silent, AppError::ServerUnreachable { server: "Far".to_owned() }, "no answer is not “gone”");
    assert!(scene.restorer.restores().is_empty(), "none of that reached the server");
}

async fn one_operation_at_a_time_and_the_other_is_named(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let first = scene.restore(&[]).await.unwrap();
    scene.restorer.knows(JobId(first.0)).await;
    let subscription = scene.id.0.to_string();
    let backup = scene.browser.call::<CreateBackup>(&[("subscription", &subscription), ("format", "zip")]).await;
    for refused in [scene.restore(&[]).await, backup] {
        let Err(AppError::Conflict(words)) = refused else { panic!("{refused:?}") };
        assert!(words.contains("A restore of “Acme” is under way already: Ada Example asked for it"), "{words}");
    }
    assert!(scene.preview(&[]).await.unwrap().busy.unwrap().contains("A restore of “Acme”"));
    scene.browser.call::<CancelOperation>(&[("id", &first.0.to_string())]).await.unwrap();
    let ended = scene.browser.end_of(first).await;
    assert_eq!(ended.state, JobState::Cancelled, "{ended:?}");
    assert!(matches!(ended.restore.unwrap().undo, Undo::NotOffered { .. }));
    let told = scene.told().await;
    let what = "acme_1.zip of 2026-11-20 at 02:04 UTC into acme";
    assert!(told[0].starts_with(&format!("Cancelled the restore of {what}")), "{told:?}");
    assert_eq!(told[1], format!("Asked to cancel the restore of {what}"));
    assert_eq!(scene.browser.lines(scene.id).await.len(), 1, "a restore leaves no failed line");
    assert_eq!(scene.preview(&[]).await.unwrap().busy, None);
}

async fn success_that_proves_nothing_is_none(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let right = Restored { neutralized: true, ..scene.done(&stage) };
    for wrong in [
        None,
        Some(Restored { database: DatabaseName::parse("other").unwrap(), ..right.clone() }),
        Some(Restored { backup: BackupId(Uuid::from_u128(77)), ..right.clone() }),
        Some(Restored { neutralized: false, ..right.clone() }),
    ] {
        let operation = scene.restore(&[("options[neutralize]", "true")]).await.unwrap();
        scene.restorer.knows(JobId(operation.0)).await;
        scene.restorer.change(JobId(operation.0), |job| {
            job.state = JobState::Succeeded;
            job.restored.clone_from(&wrong);
        });
        let ended = scene.browser.end_of(operation).await;
        assert_eq!(ended.state, JobState::Failed, "{wrong:?}");
        assert!(reason(&ended).contains("Look at the database"), "{ended:?}");
        assert_eq!(ended.restore.unwrap().result, None);
    }
    assert_eq!(scene.browser.subscription(scene.id).await.odoo_version, None);
    scene.restorer.refuses(ErrorCode::Conflict, "Another restore works on acme.");
    let refused = scene.browser.end_of(scene.restore(&[]).await.unwrap()).await;
    assert_eq!(refused.state, JobState::Failed);
    assert_eq!(reason(&refused), "Another restore works on acme. Nothing was begun: the database is as it was.");
}
