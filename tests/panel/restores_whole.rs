//! Restores the whole way: a real backup server, a real PostgreSQL, real Odoo databases and the stand-in for Odoo.

use backup_api::{CheckOutcome, JobState, Phase};
use holdfast::{
    backups::{BackupLine, Trigger},
    error::AppError,
    operations::{OperationId, api::CancelOperation},
    restores::{
        Undo,
        api::{Preflight, Restore, UndoRestore},
    },
    subscriptions::SubscriptionId,
    users::Role,
};
use testbed::{
    Cluster, TinyDatabase,
    odoo::{Options, StandIn, Trap},
};

use crate::{
    backups::{create, this_machine},
    browser::Browser,
    stage::{Stage, odoo_database, unique},
};

on_both_databases!(
    a_database_is_restored_neutralized_and_brought_back,
    a_copy_stands_beside_the_database,
    a_dump_replaces_the_database_only,
    a_restore_through_odoo_is_undone_too,
    a_restart_in_the_middle_leaves_the_database_whole,
    a_restore_is_cancelled_before_the_swap,
);

/// A subscription with one good backup, whose database has changed since.
struct Scene {
    browser: Browser,
    id: SubscriptionId,
    database: TinyDatabase,
    line: BackupLine,
}

impl Scene {
    async fn direct(stage: &Stage, format: &str) -> Self {
        let (url, addons) = (Cluster::shared().url(), testbed::addons());
        let database = odoo_database();
        let (filestore, addons) = (database.filestore.to_string_lossy(), addons.to_string_lossy());
        let connection = [
            ("input[connection]", "postgres"),
            ("input[postgres_url]", url.as_str()),
            ("input[filestore]", &filestore),
            ("input[addons]", &addons),
        ];
        Self::of(stage, database.clone(), format, &connection).await
    }

    async fn through(stage: &Stage, odoo: &StandIn, format: &str) -> Self {
        let url = odoo.url();
        let connection = [
            ("input[connection]", "odoo_http"),
            ("input[odoo_url]", url.as_str()),
            ("input[master_password]", "a-master-password"),
        ];
        Self::of(stage, odoo_database(), format, &connection).await
    }

    async fn of(stage: &Stage, database: TinyDatabase, format: &str, connection: &[(&str, &str)]) -> Self {
        let administrator = stage.administrator().await;
        let server = this_machine(&administrator).await;
        let id = administrator.add("Tiny", &database.name, &server, connection).await;
        let browser = stage.signed_in(Role::Operator).await;
        let ended = browser.end_of(create(&browser, id, format).await.unwrap()).await;
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
        let line = browser.lines(id).await.remove(0);
        let scene = Self { browser, id, database, line };
        scene.rename_company("Changed since");
        scene
    }

    fn sql(&self, sql: &str) -> String {
        Cluster::shared().sql(&self.database.name, sql).unwrap().trim().to_owned()
    }

    fn rename_company(&self, name: &str) {
        self.sql(&format!("UPDATE res_partner SET name = '{name}' WHERE id = 1"));
    }

    fn company(&self) -> String {
        self.sql("SELECT name FROM res_partner WHERE id = 1")
    }

    async fn restore(&self, options: &[(&str, &str)]) -> Result<OperationId, AppError> {
        let line = self.line.id.0.to_string();
        let mut form = vec![("line", line.as_str())];
        form.extend(options);
        if !options.iter().any(|(name, _)| *name == "typed_name") {
            form.push(("typed_name", &self.database.name));
        }
        self.browser.call::<Restore>(&form).await
    }

    async fn undo(&self, restore: OperationId) -> Result<OperationId, AppError> {
        let id = restore.0.to_string();
        self.browser.call::<UndoRestore>(&[("operation", &id), ("typed_name", &self.database.name)]).await
    }
}

async fn a_database_is_restored_neutralized_and_brought_back(stage: Stage) {
    let scene = Scene::direct(&stage, "zip").await;
    let line = scene.line.id.0.to_string();
    let options = [("options[neutralize]", "true"), ("options[safety_backup]", "true")];
    let seen = scene.browser.call::<Preflight>(&[("line", line.as_str()), options[0], options[1]]).await.unwrap();
    assert!(seen.preflight.is_passed(), "{:?}", seen.preflight);
    assert_eq!(seen.preflight.current.unwrap().odoo_version.as_deref(), Some("18.0"));

    let restore = scene.restore(&options).await.unwrap();
    let ended = scene.browser.end_of(restore).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_ne!(scene.company(), "Changed since");
    let neutralized = "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'";
    assert_eq!(scene.sql(neutralized).to_lowercase(), "true");
    let facts = ended.restore.unwrap();
    let result = facts.result.unwrap();
    assert!(result.neutralized && result.tables > 50 && result.rows > 1000, "{result:?}");
    let files = result.attachments.unwrap();
    assert!(files.expected > 0 && files.present == files.expected, "{files:?}");
    let safety = scene.browser.lines(scene.id).await.into_iter().find(|line| line.trigger == Trigger::Safety).unwrap();
    assert_eq!(facts.safety_line, Some(safety.id));
    assert!(matches!(facts.undo, Undo::Offered { .. }), "{:?}", facts.undo);

    let undone = scene.browser.end_of(scene.undo(restore).await.unwrap()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{undone:?}");
    assert_eq!(scene.company(), "Changed since");
    assert_eq!(scene.sql(neutralized), "");
    let again = Scene { line: safety, ..scene };
    again.rename_company("Changed once more");
    let ended = again.browser.end_of(again.restore(&[]).await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "the safety backup is one like any other: {ended:?}");
    assert_eq!(again.company(), "Changed since");
}

async fn a_copy_stands_beside_the_database(stage: Stage) {
    let scene = Scene::direct(&stage, "zip").await;
    let copy = unique("copy");
    let options = [("options[into]", copy.as_str()), ("typed_name", copy.as_str())];
    let ended = scene.browser.end_of(scene.restore(&options).await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!(scene.company(), "Changed since");
    let uuid = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";
    assert_ne!(Cluster::shared().sql(&copy, uuid).unwrap().trim(), scene.sql(uuid));
    let again = scene.browser.end_of(scene.restore(&options).await.unwrap()).await;
    assert_eq!(again.state, JobState::Failed, "the name is taken now");
    let line = scene.line.id.0.to_string();
    let seen = scene.browser.call::<Preflight>(&[("line", line.as_str()), options[0]]).await.unwrap();
    assert!(!seen.preflight.is_passed(), "{:?}", seen.preflight);
}

async fn a_dump_replaces_the_database_only(stage: Stage) {
    let scene = Scene::direct(&stage, "dump").await;
    let line = scene.line.id.0.to_string();
    let seen = scene.browser.call::<Preflight>(&[("line", &line)]).await.unwrap();
    assert!(seen.preflight.is_passed(), "{:?}", seen.preflight);
    assert!(seen.preflight.checks.iter().any(|check| check.outcome == CheckOutcome::Warn), "{:?}", seen.preflight);
    let ended = scene.browser.end_of(scene.restore(&[]).await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_ne!(scene.company(), "Changed since");
    let result = ended.restore.unwrap().result.unwrap();
    assert!(!result.neutralized && result.rows > 1000, "{result:?}");
}

async fn a_restore_through_odoo_is_undone_too(stage: Stage) {
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let scene = Scene::through(&stage, &odoo, "zip").await;
    let restore = scene.restore(&[("options[safety_backup]", "true")]).await.unwrap();
    let ended = scene.browser.end_of(restore).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_ne!(scene.company(), "Changed since");
    let undone = scene.browser.end_of(scene.undo(restore).await.unwrap()).await;
    assert_eq!(undone.state, JobState::Succeeded, "{undone:?}");
    assert_eq!(scene.company(), "Changed since");
}

/// A restore that waits in its safety backup.
async fn waiting(scene: &Scene, odoo: &StandIn) -> OperationId {
    odoo.set_trap(Trap::Stall);
    let restore = scene.restore(&[("options[safety_backup]", "true")]).await.unwrap();
    scene.browser.watch(restore, |seen| matches!(seen.phase, Phase::SafetyBackup | Phase::WaitingForOdoo)).await;
    restore
}

async fn a_restart_in_the_middle_leaves_the_database_whole(mut stage: Stage) {
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let scene = Scene::through(&stage, &odoo, "zip").await;
    let restore = waiting(&scene, &odoo).await;
    stage.stop().await;
    odoo.set_trap(Trap::None);
    stage.start().await;
    let ended = scene.browser.end_of(restore).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    assert_eq!(scene.company(), "Changed since");
    let ended = scene.browser.end_of(scene.restore(&[]).await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "nothing is in the way of the next one: {ended:?}");
    assert_ne!(scene.company(), "Changed since");
}

async fn a_restore_is_cancelled_before_the_swap(stage: Stage) {
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    let scene = Scene::through(&stage, &odoo, "zip").await;
    let restore = waiting(&scene, &odoo).await;
    scene.browser.call::<CancelOperation>(&[("id", &restore.0.to_string())]).await.unwrap();
    let ended = scene.browser.end_of(restore).await;
    assert_eq!(ended.state, JobState::Cancelled, "{ended:?}");
    assert_eq!(scene.company(), "Changed since");
    assert!(scene.browser.lines(scene.id).await.iter().all(|line| line.trigger == Trigger::Manual));
}
