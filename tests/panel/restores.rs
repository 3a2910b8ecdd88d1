//! Restores as the panel asks for them, tells of them and keeps them; the backup server is a double.

use backup_api::{
    Attachments, Backup, BackupFormat, BackupId, Check, CheckCode, CheckOutcome, DatabaseName, ErrorCode, Failure,
    FailureCode, JobId, JobState, Preflight, RepositoryId, RestoreMode, Restored,
};
use chrono::TimeDelta;
use holdfast::{
    backup_servers::api::{GetServer, SaveServer},
    backups::{
        BackupLine, LineResult, Trigger,
        api::{CreateBackup, DeleteLine},
    },
    error::AppError,
    operations::{
        Operation, OperationId, OperationKind,
        api::{CancelOperation, GetOperation, ListActions, ListOperations},
    },
    restores::{
        RestorePreview, Undo,
        api::{Preflight as Preview, Restore, UndoRestore},
    },
    subscriptions::{SubscriptionId, api::SaveSubscription},
    users::Role,
};
use uuid::Uuid;

use crate::{
    browser::{Browser, KEPT, reason},
    double::Remote,
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
    the_safety_backup_of_a_failed_restore_is_kept,
    a_restore_that_the_server_forgot_is_told_honestly,
    a_restore_never_begins_by_surprise,
    a_restore_goes_on_while_the_panel_restarts,
    an_undo_is_offered_only_while_it_can_be_done,
    a_server_keeps_replaced_databases_as_its_form_says,
);

const DIRECT: [(&str, &str); 2] = [("input[connection]", "postgres"), ("input[postgres_url]", "postgres://odoo@db/")];

/// A subscription on a double, with one good line of Odoo 18.
struct Scene {
    browser: Browser,
    restorer: Restorer,
    remote: Remote,
    server: String,
    id: SubscriptionId,
    line: BackupLine,
}

impl Scene {
    async fn of(stage: &Stage) -> Self {
        let administrator = stage.administrator().await;
        let restorer = Restorer::default();
        let remote = restorer.remote().await;
        let server = remote.register(&administrator, "Far").await;
        restorer.held.set(vec![backup(1, "18.0")]);
        restorer.finds(Preflight { checks: vec![check(CheckOutcome::Pass)], current: None });
        let id = administrator.add("Acme", "acme", &server, &DIRECT).await;
        let browser = stage.signed_in(Role::Operator).await;
        let line = browser.lines(id).await.remove(0);
        Self { browser, restorer, remote, server, id, line }
    }

    async fn preview(&self, options: &[(&str, &str)]) -> Result<RestorePreview, AppError> {
        let line = self.line.id.0.to_string();
        let mut form = vec![("line", line.as_str())];
        form.extend(options);
        self.browser.call::<Preview>(&form).await
    }

    async fn restore(&self, options: &[(&str, &str)]) -> Result<OperationId, AppError> {
        restore(&self.browser, &self.line, options).await
    }

    async fn undo(&self, restore: OperationId) -> Result<OperationId, AppError> {
        let id = restore.0.to_string();
        self.browser.call::<UndoRestore>(&[("operation", &id), ("typed_name", "acme")]).await
    }

    /// Starts a restore and lets it end as `done` says.
    async fn restored(&self, options: &[(&str, &str)], done: Restored) -> Operation {
        let operation = self.restore(options).await.unwrap();
        self.restorer.knows(JobId(operation.0)).await;
        self.restorer.change(JobId(operation.0), |job| {
            job.state = JobState::Succeeded;
            job.restored = Some(done);
        });
        self.browser.end_of(operation).await
    }

    async fn operation(&self, id: OperationId) -> Operation {
        self.browser.call::<GetOperation>(&[("id", &id.0.to_string())]).await.unwrap()
    }

    async fn undo_of(&self, id: OperationId) -> Undo {
        self.operation(id).await.restore.unwrap().undo
    }

    /// What the action log says, the newest first.
    async fn told(&self) -> Vec<String> {
        let log = self.browser.call::<ListActions>(&[("subscription", &self.id.0.to_string())]).await.unwrap();
        log.entries.into_iter().map(|entry| entry.what).collect()
    }

    fn done(&self, stage: &Stage) -> Restored {
        Restored {
            backup: self.line.remote_id,
            database: DatabaseName::parse("acme").unwrap(),
            tables: 112,
            rows: 34_567,
            attachments: Some(Attachments { expected: 9, present: 9, bytes: 900, missing: Vec::new() }),
            neutralized: false,
            undo_until: Some(stage.turned.now() + TimeDelta::hours(24)),
            notes: vec!["A comment on an extension was left out.".to_owned()],
        }
    }
}

async fn restore(browser: &Browser, line: &BackupLine, options: &[(&str, &str)]) -> Result<OperationId, AppError> {
    let line = line.id.0.to_string();
    let mut form = vec![("line", line.as_str())];
    if !options.iter().any(|(name, _)| *name == "typed_name") {
        form.push(("typed_name", "acme"));
    }
    form.extend(options);
    browser.call::<Restore>(&form).await
}

fn backup(number: u128, odoo_version: &str) -> Backup {
    Backup {
        id: BackupId(Uuid::from_u128(number)),
        repository: RepositoryId(Uuid::nil()),
        created_at: "2026-11-20T02:04:11Z".parse().unwrap(),
        database: DatabaseName::parse("acme").unwrap(),
        format: BackupFormat::Zip,
        file_name: format!("acme_{number}.zip"),
        size_bytes: 1000,
        stored_bytes: 100,
        dump_sha256: String::new(),
        dump_bytes: 1,
        attachments: None,
        odoo_version: Some(odoo_version.to_owned()),
        postgres_version: None,
        comment: String::new(),
    }
}

fn check(outcome: CheckOutcome) -> Check {
    Check { code: CheckCode::Space, outcome, message: "12.0 GB are free.".to_owned() }
}

fn field(error: &AppError, name: &str) -> String {
    error.for_field(name).unwrap_or_else(|| panic!("{error:?}")).to_owned()
}

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
