//! How restores end, also those whose end is not certain at first; the backup server is a double.

use backup_api::{Backup, Failure, FailureCode, JobId, JobState, RestoreStanding, Restored};
use chrono::TimeDelta;
use holdfast::{
    backup_servers::api::{GetServer, SaveServer},
    backups::{LineResult, Trigger},
    error::AppError,
    operations::{
        Operation, OperationId,
        api::{ListOperations, OperationLog},
    },
    restores::Undo,
};

use crate::{
    browser::reason,
    restore_scene::{Scene, backup, field},
    stage::Stage,
};

on_both_databases!(
    the_safety_backup_of_a_failed_restore_is_kept,
    a_restore_that_the_server_forgot_is_told_honestly,
    a_restore_never_begins_by_surprise,
    a_restore_goes_on_while_the_panel_restarts,
    an_undo_is_offered_only_while_it_can_be_done,
    a_server_keeps_replaced_databases_as_its_form_says,
    what_a_server_finishes_later_is_told,
    what_a_server_takes_back_later_is_told,
    a_replaced_database_that_is_kept_longer_stays_to_be_undone,
    a_log_is_asked_for_more_than_once,
    servers_that_cannot_be_asked_keep_no_other_restore_from_its_end,
);

async fn the_safety_backup_of_a_failed_restore_is_kept(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let operation = scene.restore(&[("options[safety_backup]", "true")]).await.unwrap();
    let job = JobId(operation.0);
    scene.restorer.knows(job).await;
    let repository = scene.browser.subscription(scene.id).await.backup_uuid.unwrap();
    let safety = scene.restorer.restores()[0].1.plan.safety_backup.unwrap();
    let made = Backup { id: safety, repository, created_at: stage.turned.now(), ..backup(2, "18.0") };
    scene.restorer.held.set(vec![backup(1, "18.0"), made.clone()]);
    let words = "The dump names an extension that this server does not have. The database acme is as it was.";
    scene.restorer.change(job, |job| {
        job.state = JobState::Failed;
        job.failure = Some(Failure { code: FailureCode::Sql, message: words.to_owned() });
        job.backup = Some(made);
    });
    let ended = scene.browser.end_of(operation).await;
    assert_eq!((ended.state, reason(&ended)), (JobState::Failed, words));
    let lines = scene.browser.lines(scene.id).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((lines[0].trigger, lines[0].result.clone()), (Trigger::Safety, LineResult::Good));
    assert_eq!(ended.restore.unwrap().safety_line, Some(lines[0].id));
    let told = scene.told().await;
    assert!(told[0].starts_with("The restore of acme_1.zip") && told[0].contains("as it was. The safety"), "{told:?}");
    assert!(told[0].ends_with("The safety backup is acme_2.zip"), "{told:?}");
}

async fn a_restore_that_the_server_forgot_is_told_honestly(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let operation = scene.restore(&[("options[safety_backup]", "true")]).await.unwrap();
    scene.restorer.knows(JobId(operation.0)).await;
    scene.browser.watch(operation, |seen| seen.state == JobState::Running).await;
    let safety = scene.restorer.restores()[0].1.plan.safety_backup.unwrap();
    scene.restorer.forget_everything();
    let ended = scene.browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    let words = reason(&ended);
    assert!(words.contains("is not known here") && words.contains("journal") && !words.contains("Nothing"), "{words}");
    // Its safety backup was made nevertheless, and says what it is.
    let made = Backup { id: safety, created_at: stage.turned.now(), ..backup(2, "18.0") };
    scene.restorer.held.set(vec![backup(1, "18.0"), made]);
    stage.turned.forward(TimeDelta::minutes(2));
    let lines = scene.browser.lines(scene.id).await;
    let found = lines.iter().find(|line| line.remote_id == safety).unwrap();
    assert_eq!((found.trigger, found.operation), (Trigger::Safety, Some(operation)));
}

async fn a_restore_never_begins_by_surprise(stage: Stage) {
    let mut scene = Scene::of(&stage).await;
    scene.remote.shut().await;
    let operation = scene.restore(&[]).await.unwrap();
    stage.turned.forward(TimeDelta::minutes(16));
    let ended = scene.browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Failed, "{ended:?}");
    assert!(reason(&ended).contains("was not begun"), "{ended:?}");
    scene.remote.open().await;
    assert!(scene.restorer.restores().is_empty());
    assert!(scene.restored(&[], scene.done(&stage)).await.state == JobState::Succeeded);
}

async fn a_restore_goes_on_while_the_panel_restarts(mut stage: Stage) {
    let scene = Scene::of(&stage).await;
    let operation = scene.restore(&[]).await.unwrap();
    scene.restorer.knows(JobId(operation.0)).await;
    scene.browser.watch(operation, |seen| seen.state == JobState::Running).await;
    stage.stop().await;
    stage.start().await;
    let facts = scene.operation(operation).await.restore.unwrap();
    assert_eq!((facts.line, facts.database.as_str()), (Some(scene.line.id), "acme"));
    let done = scene.done(&stage);
    scene.restorer.change(JobId(operation.0), |job| {
        job.state = JobState::Succeeded;
        job.restored = Some(done);
    });
    let ended = scene.browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!(scene.restorer.restores().len(), 1, "asked for once");
    stage.stop().await;
    stage.start().await;
    let facts = scene.operation(operation).await.restore.unwrap();
    assert_eq!(facts.result.map(|result| result.tables), Some(112));
    assert!(matches!(facts.undo, Undo::Offered { .. }));
}

async fn an_undo_is_offered_only_while_it_can_be_done(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let why = async |id| match scene.undo_of(id).await {
        Undo::NotOffered { why } => why,
        other => panic!("{other:?}"),
    };
    let done = || Restored { undo_until: Some(stage.turned.now() + TimeDelta::hours(3)), ..scene.done(&stage) };
    let first = scene.restored(&[], done()).await.id;
    stage.turned.forward(TimeDelta::hours(1));
    let second = scene.restored(&[], done()).await.id;
    assert!(why(first).await.contains("Undo the later restore first"));
    let refused = scene.undo(first).await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict(words) if words.contains("cannot be undone")), "{refused:?}");

    let failed = scene.undo(second).await.unwrap();
    scene.restorer.knows(JobId(failed.0)).await;
    scene.restorer.change(JobId(failed.0), |job| {
        job.state = JobState::Failed;
        job.failure = Some(Failure { code: FailureCode::InUse, message: "Somebody holds on to it.".to_owned() });
    });
    assert_eq!(scene.browser.end_of(failed).await.state, JobState::Failed);
    assert!(matches!(scene.undo_of(second).await, Undo::Offered { .. }), "it may be tried again");
    let again = scene.undo(second).await.unwrap();
    scene.restorer.knows(JobId(again.0)).await;
    scene.restorer.change(JobId(again.0), |job| job.state = JobState::Succeeded);
    scene.browser.end_of(again).await;
    assert!(matches!(scene.undo_of(first).await, Undo::Offered { .. }), "the first restore's database is back");
    let not_a_restore = scene.undo(again).await.unwrap_err();
    assert!(matches!(not_a_restore, AppError::NotFound { .. }), "{not_a_restore:?}");

    // Shorter than a session lasts.
    stage.turned.forward(TimeDelta::hours(3));
    assert!(why(first).await.contains("was kept until"));
    assert!(matches!(scene.undo(first).await, Err(AppError::Conflict(_))));
    let listed = scene.browser.call::<ListOperations>(&[("filter", "all")]).await.unwrap();
    assert_eq!(listed.operations.len(), 4);
    assert!(listed.operations.iter().all(|operation| operation.restore.is_some()));
    let restores = scene.browser.call::<ListOperations>(&[("filter", "restores")]).await.unwrap();
    let ids: Vec<_> = restores.operations.iter().map(|operation| operation.id).collect();
    assert_eq!(ids, [second, first], "their undoing is not among them");
}

async fn a_server_keeps_replaced_databases_as_its_form_says(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let administrator = stage.administrator().await;
    let url = scene.remote.url();
    let save = async |hours: &str| {
        let form = [
            ("input[id]", scene.server.as_str()),
            ("input[name]", "Far"),
            ("input[url]", &url),
            ("input[token]", ""),
            ("input[undo_hours]", hours),
        ];
        administrator.call::<SaveServer>(&form).await
    };
    let hours = async || administrator.call::<GetServer>(&[("id", &scene.server)]).await.unwrap().undo_hours;
    assert_eq!(hours().await, 24);
    for wrong in ["-1", "721", "a day"] {
        assert!(field(&save(wrong).await.unwrap_err(), "undo_hours").contains('0'));
    }
    save("72").await.unwrap();
    assert_eq!(scene.preview(&[]).await.unwrap().undo_hours, 72);
    save("").await.unwrap();
    assert_eq!(hours().await, 72, "an empty field keeps it");
    save("0").await.unwrap();
    let ended = scene.restored(&[], Restored { undo_until: None, ..scene.done(&stage) }).await;
    assert_eq!(scene.restorer.restores()[0].1.plan.undo_seconds, 0);
    let undo = ended.restore.unwrap().undo;
    assert!(matches!(&undo, Undo::NotOffered { why } if why.contains("set to keep no")), "{undo:?}");
    assert!(scene.told().await[1].ends_with("without a safety backup, not to be undone"));
}

/// A restore or undo whose server was stopped on the way.
async fn interrupted(scene: &Scene, operation: OperationId) -> Operation {
    scene.restorer.knows(JobId(operation.0)).await;
    scene.restorer.change(JobId(operation.0), |job| {
        job.state = JobState::Interrupted;
        let message = "How far this got cannot be looked at now.".to_owned();
        job.failure = Some(Failure { code: FailureCode::Interrupted, message });
    });
    let ended = scene.browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    ended
}

/// Waits until the panel tells something else of an operation.
async fn until(scene: &Scene, operation: OperationId, is_so: impl Fn(&Operation) -> bool) -> Operation {
    let waiting = async {
        loop {
            let seen = scene.operation(operation).await;
            if is_so(&seen) {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.unwrap()
}

async fn what_a_server_finishes_later_is_told(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let done = scene.done(&stage);
    let until_then = done.undo_until.unwrap();
    let restore = scene.restore(&[]).await.unwrap();
    scene.restorer.stands(JobId(restore.0), None, RestoreStanding::Open);
    let ended = interrupted(&scene, restore).await;
    assert!(matches!(ended.restore.unwrap().undo, Undo::NotOffered { .. }));
    let kept = RestoreStanding::Kept { until: until_then, replaced: "acme_before".to_owned(), why: None };
    scene.restorer.stands(JobId(restore.0), Some(done), kept.clone());
    let corrected = until(&scene, restore, |seen| seen.state == JobState::Succeeded).await;
    let facts = corrected.restore.unwrap();
    assert_eq!((facts.result.map(|done| done.tables), corrected.failure), (Some(112), None));
    assert!(matches!(facts.undo, Undo::Offered { .. }), "{:?}", facts.undo);
    assert!(scene.told().await[0].starts_with("Restored acme_1.zip"), "{:?}", scene.told().await);
    assert_eq!(scene.browser.subscription(scene.id).await.odoo_version.as_deref(), Some("18.0"));

    let undo = scene.undo(restore).await.unwrap();
    scene.restorer.stands(JobId(restore.0), None, RestoreStanding::Open);
    interrupted(&scene, undo).await;
    scene.restorer.stands(JobId(restore.0), None, RestoreStanding::Undone);
    until(&scene, undo, |seen| seen.state == JobState::Succeeded).await;
    assert!(matches!(scene.undo_of(restore).await, Undo::Done { .. }));
    assert!(scene.told().await[0].starts_with("Undid the restore"), "{:?}", scene.told().await);
}

async fn what_a_server_takes_back_later_is_told(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let restore = scene.restore(&[]).await.unwrap();
    let why = "It did not succeed: the server stopped.".to_owned();
    scene.restorer.stands(JobId(restore.0), None, RestoreStanding::Closed { why });
    interrupted(&scene, restore).await;
    let says = async || {
        let id = restore.0.to_string();
        let log = scene.browser.call::<OperationLog>(&[("id", &id)]).await.unwrap();
        log.iter().any(|line| line.message.contains("took the restore back. The database is as it was"))
    };
    let waiting = async {
        while !says().await {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.unwrap();
    let seen = scene.operation(restore).await;
    assert_eq!(seen.state, JobState::Interrupted, "it did not succeed");
    assert!(seen.restore.unwrap().result.is_none());
}

async fn a_replaced_database_that_is_kept_longer_stays_to_be_undone(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let hour = stage.turned.now() + TimeDelta::hours(1);
    let done = Restored { undo_until: Some(hour), ..scene.done(&stage) };
    let restore = scene.restored(&[], done.clone()).await.id;
    let why = Some("There is no database acme any more".to_owned());
    let longer = RestoreStanding::Kept { until: hour + TimeDelta::hours(1), replaced: "acme_before".to_owned(), why };
    scene.restorer.stands(JobId(restore.0), Some(done), longer);
    stage.turned.forward(TimeDelta::minutes(90));
    assert!(matches!(scene.undo_of(restore).await, Undo::NotOffered { .. }), "not before the server says so");
    let offered = |seen: &Operation| matches!(seen.restore.as_ref().unwrap().undo, Undo::Offered { .. });
    let seen = until(&scene, restore, offered).await;
    assert_eq!(seen.restore.unwrap().kept_because.as_deref(), Some("There is no database acme any more"));
}

async fn a_log_is_asked_for_more_than_once(stage: Stage) {
    let scene = Scene::of(&stage).await;
    for (lost, words) in [(2, "Looked at everything."), (9, "could not be read: ")] {
        let operation = scene.restore(&[]).await.unwrap();
        scene.restorer.knows(JobId(operation.0)).await;
        scene.restorer.loses_logs(lost);
        scene.restorer.change(JobId(operation.0), |job| job.state = JobState::Failed);
        scene.browser.end_of(operation).await;
        let log = scene.browser.call::<OperationLog>(&[("id", &operation.0.to_string())]).await.unwrap();
        assert!(log.iter().any(|line| line.message.contains(words)), "{log:?}");
    }
}

/// Many more interrupted restores like the one there is, asked for earlier.
macro_rules! many_more {
    ($id:literal) => {
        concat!(
            "INSERT INTO operations (id, kind, subscription_id, subscription_name, server_id, server_name,
                repository_id, backup_id, database_name, format, comment, trigger_kind, asked_by, accepted,
                cancel_asked, state, phase, done_bytes, created_at, finished_at, restore_id)
             WITH RECURSIVE counted(number) AS (
                 SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 150)
             SELECT ",
            $id,
            ", o.kind, o.subscription_id, o.subscription_name, o.server_id, o.server_name, o.repository_id,
                o.backup_id, o.database_name, o.format, o.comment, o.trigger_kind, o.asked_by, o.accepted,
                o.cancel_asked, o.state, o.phase, o.done_bytes, o.created_at - c.number, o.finished_at, o.restore_id
             FROM operations o CROSS JOIN counted c WHERE o.state = 'interrupted'"
        )
    };
}

async fn servers_that_cannot_be_asked_keep_no_other_restore_from_its_end(stage: Stage) {
    let broken = Scene::of(&stage).await;
    let first = broken.restore(&[]).await.unwrap();
    broken.restorer.stands(JobId(first.0), None, RestoreStanding::Open);
    interrupted(&broken, first).await;
    let more = if stage.config.database_url.is_some() {
        many_more!("gen_random_uuid()")
    } else {
        many_more!("randomblob(16)")
    };
    stage.sql(more).await.unwrap();
    stage.sql("UPDATE backup_servers SET name = 'Broken', name_key = 'broken' WHERE name = 'Far'").await.unwrap();
    stage.sql("UPDATE subscriptions SET name = 'Broken', name_key = 'broken'").await.unwrap();
    let scene = Scene::of(&stage).await;
    let other = "UPDATE backup_servers SET token = (SELECT token FROM backup_servers WHERE name = 'Far')
                 WHERE name = 'Broken'";
    stage.sql(other).await.unwrap();
    let restore = scene.restore(&[]).await.unwrap();
    let done = scene.done(&stage);
    let until_then = done.undo_until.unwrap();
    let kept = RestoreStanding::Kept { until: until_then, replaced: "acme_before".to_owned(), why: None };
    scene.restorer.stands(JobId(restore.0), Some(done), kept);
    interrupted(&scene, restore).await;
    until(&scene, restore, |seen| seen.state == JobState::Succeeded).await;
}
