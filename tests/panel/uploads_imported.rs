//! Imports: of what was uploaded and of URLs, followed like every operation, each ending in a line or none.

use backup_api::{ErrorCode, Failure, FailureCode, ImportSource, JobId, JobState, Phase};
use holdfast::{
    backups::{BackupLine, LineResult, Trigger},
    error::AppError,
    operations::{
        OperationId, OperationKind,
        api::{CancelOperation, ListActions},
    },
    uploads::api::{ImportUpload, ImportUrl},
    users::Role,
};

use crate::{browser::reason, stage::Stage, uploads::Scene};

on_both_databases!(
    an_upload_becomes_a_line_once,
    a_refused_file_is_a_failed_line_with_the_reason,
    a_url_is_a_secret,
    an_import_goes_on_after_a_restart_and_can_be_cancelled,
);

const SECRET: &str = "https://ada:hunter2@files.example.com/backups/Acme%2018.dump?signature=abc";

impl Scene {
    async fn import(&self, upload: &str, comment: &str) -> Result<OperationId, AppError> {
        let id = self.subscription.0.to_string();
        let form = [("subscription", id.as_str()), ("upload", upload), ("comment", comment), ("then_restore", "true")];
        self.operator.call::<ImportUpload>(&form).await
    }

    async fn import_url(&self, url: &str, file_name: &str) -> Result<OperationId, AppError> {
        let id = self.subscription.0.to_string();
        self.operator.call::<ImportUrl>(&[("subscription", &id), ("url", url), ("file_name", file_name)]).await
    }

    async fn line(&self) -> BackupLine {
        let [line] = self.operator.lines(self.subscription).await.try_into().unwrap();
        line
    }

    async fn told(&self) -> Vec<String> {
        let log = self.operator.call::<ListActions>(&[("search", "import")]).await.unwrap();
        log.entries.into_iter().map(|entry| entry.what).collect()
    }
}

async fn an_upload_becomes_a_line_once(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("Acme.zip", 9).await;
    let early = scene.import(path.rsplit('/').next().unwrap(), "").await.unwrap_err();
    assert!(early.to_string().contains("Send the rest first"), "{early}");

    let upload = scene.upload("Acme.zip", b"PK\x03\x04 all").await;
    let id = scene.import(&upload.0.to_string(), "from the customer").await.unwrap();
    assert_eq!(scene.import(&upload.0.to_string(), "").await.unwrap(), id, "asked twice, begun once");
    let job = JobId(id.0);
    scene.receiver.jobs.knows(job).await;
    let [(_, start)] = scene.receiver.imports().try_into().unwrap();
    assert_eq!((start.job, start.from), (job, ImportSource::Upload { upload }));
    assert_eq!((start.database.as_str(), start.comment.as_str()), ("acme", "Acme.zip: from the customer"));
    scene.receiver.jobs.change(job, |job| job.phase = Phase::CheckingFile);
    let seen = scene.operator.watch(id, |seen| seen.phase == Phase::CheckingFile).await;
    let import = seen.import.unwrap();
    assert_eq!((import.file_name.as_str(), import.host, import.then_restore), ("Acme.zip", None, true));
    let busy = scene.import_url(SECRET, "").await.unwrap_err();
    assert!(busy.to_string().starts_with("An import of “Tiny” is under way"), "{busy}");

    let made = scene.receiver.succeeds(job);
    let ended = scene.operator.end_of(id).await;
    assert_eq!((ended.kind, ended.state), (OperationKind::Import, JobState::Succeeded));
    let line = scene.line().await;
    assert_eq!((line.trigger, line.result.clone(), line.remote_id), (Trigger::Upload, LineResult::Good, made.id));
    assert_eq!((line.comment.as_str(), line.operation), ("Acme.zip: from the customer", Some(id)));
    assert_eq!(ended.import.unwrap().line, Some(line.id), "where the restore goes on");
    let now = scene.operator.subscription(scene.subscription).await;
    assert_eq!((now.backup_count, now.standing.latest, now.odoo_version), (1, None, None), "its age is not known");
    assert_eq!(scene.import(&upload.0.to_string(), "").await.unwrap(), id, "also when it has ended");
    assert_eq!(scene.setting(&scene.operator).await.open.len(), 1, "only the one of which nothing arrived");
    scene.stage.turned.forward(chrono::TimeDelta::minutes(2));
    assert_eq!(scene.operator.lines(scene.subscription).await.len(), 1, "not found a second time");
    assert_eq!(
        scene.told().await,
        [format!("Imported Acme.zip as the backup {}", made.file_name), "Started importing Acme.zip".to_owned()]
    );
}

async fn a_refused_file_is_a_failed_line_with_the_reason(stage: Stage) {
    let scene = Scene::new(stage).await;
    let upload = scene.upload("broken.zip", b"PK\x03\x04 cut").await;
    let fail = async |code: FailureCode, words: &str| {
        let id = scene.import(&upload.0.to_string(), "").await.unwrap();
        scene.receiver.jobs.knows(JobId(id.0)).await;
        scene.receiver.jobs.change(JobId(id.0), |job| {
            job.state = JobState::Failed;
            job.failure = Some(Failure { code, message: words.to_owned() });
        });
        let ended = scene.operator.end_of(id).await;
        assert_eq!((ended.state, reason(&ended)), (JobState::Failed, words));
        assert_eq!(ended.import.unwrap().line, None, "nothing to restore");
    };
    fail(FailureCode::NoSpace, "The disk is full.").await;
    assert_eq!(scene.setting(&scene.operator).await.open.len(), 1, "it can be imported again");
    fail(FailureCode::Incomplete, "It has no end record: it was cut off.").await;
    assert!(scene.setting(&scene.operator).await.open.is_empty(), "the server keeps no refused file");

    let lines = scene.operator.lines(scene.subscription).await;
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert!(matches!(line.result, LineResult::Failed { .. }) && !line.is_usable());
        assert_eq!((line.comment.as_str(), line.trigger, line.size_bytes), ("broken.zip", Trigger::Upload, None));
        let form = [("line", line.id.0.to_string()), ("typed_name", "acme".to_owned())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let restore = scene.operator.call::<holdfast::restores::api::Restore>(&form).await.unwrap_err();
        assert!(restore.to_string().contains("did not succeed"), "{restore}");
    }
    let told = scene.told().await;
    assert!(told[0].contains("The import of broken.zip did not succeed: It has no end record"), "{told:?}");
    assert_eq!(scene.operator.subscription(scene.subscription).await.backup_count, 0);
}

async fn a_url_is_a_secret(stage: Stage) {
    let scene = Scene::new(stage).await;
    let wrong = scene.import_url("ftp://files.example.com/acme.zip", "").await.unwrap_err();
    assert!(wrong.for_field("url").is_some(), "{wrong}");
    let wrong = scene.import_url(SECRET, "acme.sql").await.unwrap_err();
    assert!(wrong.for_field("file_name").is_some(), "{wrong}");
    let viewer = scene.stage.signed_in(Role::Viewer).await;
    let form = [("subscription", scene.subscription.0.to_string()), ("url", SECRET.to_owned())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(matches!(viewer.call::<ImportUrl>(&form).await, Err(AppError::Forbidden { .. })));

    scene.receiver.refuses(Some((503, ErrorCode::StorageUnavailable, "Not now.")));
    let id = scene.import_url(SECRET, "").await.unwrap();
    assert_eq!(reason(&scene.operator.end_of(id).await), "Not now.");
    scene.receiver.refuses(None);
    let id = scene.import_url(SECRET, "Customer.zip").await.unwrap();
    scene.receiver.jobs.knows(JobId(id.0)).await;
    let (_, start) = scene.receiver.imports().pop().unwrap();
    let ImportSource::Url { url, file_name } = start.from else { panic!("{:?}", start.from) };
    assert_eq!((url.reveal(), file_name.as_deref()), (SECRET, Some("Customer.zip")));
    assert_stored(&scene.stage, "SELECT COUNT(*) FROM imports WHERE url IS NOT NULL", 1).await;
    scene.receiver.succeeds(JobId(id.0));
    let ended = scene.operator.end_of(id).await;
    assert_eq!(ended.import.as_ref().unwrap().in_words(), "Customer.zip from files.example.com");
    assert_stored(&scene.stage, "SELECT COUNT(*) FROM imports WHERE url IS NOT NULL", 0).await;

    let lines = scene.operator.lines(scene.subscription).await;
    let good = lines.iter().find(|line| line.is_usable()).unwrap();
    let failed = lines.iter().find(|line| !line.is_usable()).unwrap();
    assert_eq!((good.trigger, good.comment.as_str()), (Trigger::Url, "Customer.zip"));
    assert_eq!((failed.trigger, failed.comment.as_str()), (Trigger::Url, "Acme 18.dump"));
    assert_eq!(failed.format, backup_api::BackupFormat::Dump);
    for path in [
        format!("/operations/{}", id.0),
        format!("/subscriptions/{}", scene.subscription.0),
        format!("/subscriptions/{}?wizard=import&operation={}", scene.subscription.0, id.0),
        "/action-log".to_owned(),
        "/operations".to_owned(),
    ] {
        let page = scene.operator.page(&path).await.text().await.unwrap();
        assert!(page.contains("files.example.com") || path.starts_with("/sub"), "{path}");
        for secret in ["hunter2", "signature", "ada:"] {
            assert!(!page.contains(secret), "{path} shows {secret}");
        }
    }
}

async fn assert_stored(stage: &Stage, sql: &'static str, expected: i64) {
    assert_eq!(stage.number(sql).await, expected, "{sql}");
}

async fn an_import_goes_on_after_a_restart_and_can_be_cancelled(stage: Stage) {
    let mut scene = Scene::new(stage).await;
    scene.remote.shut().await;
    let id = scene.import_url(SECRET, "").await.unwrap();
    scene.stage.stop().await;
    scene.remote.open().await;
    scene.stage.start().await;
    scene.receiver.jobs.knows(JobId(id.0)).await;
    let (_, start) = scene.receiver.imports().pop().unwrap();
    assert!(matches!(start.from, ImportSource::Url { url, file_name: None } if url.reveal() == SECRET));
    scene.operator.call::<CancelOperation>(&[("id", &id.0.to_string())]).await.unwrap();
    assert_eq!(scene.operator.end_of(id).await.state, JobState::Cancelled);
    assert!(scene.operator.lines(scene.subscription).await.is_empty(), "nothing was kept and nothing went wrong");
    let told = scene.told().await;
    assert_eq!(told[0], "Cancelled the import of Acme 18.dump from files.example.com");
}
