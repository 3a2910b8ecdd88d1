//! An Odoo with a database, a backup of it, and changes since: what a restore takes back.

use std::{collections::BTreeMap, fs, path::Path};

use backup_api::{
    Backup, BackupFormat, Client, DatabaseName, Job, JobId, RestoreMode, RestorePlan, Source, StartRestore, StartUndo,
};
use backup_server::Config;
use testbed::{
    Cluster,
    odoo::{Options, StandIn},
    restore_fixture,
};
use uuid::Uuid;

use crate::setting::{Origin, REPOSITORY, ROW_COUNTS, Served, log_of, until};

/// Everything of a database that must not be lost.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    rows: String,
    sequences: String,
    content: String,
    files: BTreeMap<String, Vec<u8>>,
}

/// A backup server, an Odoo, and what there is of the database.
pub struct Stage {
    pub served: Served,
    pub odoo: StandIn,
    pub backup: Backup,
    /// As it was when the backup was made.
    pub backed_up: State,
    /// As it is now.
    pub changed: State,
    pub origin: Origin,
    cluster: &'static Cluster,
}

impl Stage {
    pub async fn new(name: &str, format: BackupFormat) -> Self {
        Self::on(Cluster::shared(), name, format).await
    }

    pub async fn on(cluster: &'static Cluster, name: &str, format: BackupFormat) -> Self {
        Self::with(cluster, name, format, |_| {}).await
    }

    pub async fn with(
        cluster: &'static Cluster,
        name: &str,
        format: BackupFormat,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = restore_fixture(cluster, name, folder.path()).unwrap();
        let origin = Origin { database, folder };
        let odoo = StandIn::start(cluster, origin.folder.path(), Options::default()).unwrap();
        let served = Served::start_with(change).await;
        let backup = served.made(REPOSITORY, &origin.through(&odoo), format).await;
        let backed_up = state(cluster, origin.folder.path(), name);
        let sql = "INSERT INTO res_partner_category (name, active) VALUES ('{\"en_US\": \"since\"}', true); \
                   DELETE FROM ir_ui_menu_group_rel";
        cluster.sql(name, sql).unwrap();
        fs::create_dir_all(origin.database.filestore.join("00")).unwrap();
        fs::write(origin.database.filestore.join("00/since"), "a file that came since").unwrap();
        let changed = state(cluster, origin.folder.path(), name);
        assert!(changed != backed_up);
        Self { served, odoo, backup, backed_up, changed, origin, cluster }
    }

    pub fn name(&self) -> &str {
        &self.origin.database.name
    }

    pub fn state(&self, database: &str) -> State {
        state(self.cluster, self.origin.folder.path(), database)
    }

    /// Into the database itself.
    pub fn plan(&self) -> RestorePlan {
        RestorePlan {
            target: self.origin.through(&self.odoo),
            mode: RestoreMode::Replace,
            neutralize: false,
            safety_backup: None,
            undo_seconds: 3600,
        }
    }

    /// Into another database of the same Odoo.
    pub fn copy_plan(&self, copy: &str) -> RestorePlan {
        let database = DatabaseName::parse(copy).unwrap();
        RestorePlan { mode: RestoreMode::Copy { database }, ..self.plan() }
    }

    /// Under the name of a database that is not there.
    pub fn plan_into(&self, name: &str) -> RestorePlan {
        let mut plan = self.plan();
        if let Source::OdooHttp { database, .. } = &mut plan.target {
            *database = DatabaseName::parse(name).unwrap();
        }
        plan
    }

    pub async fn restore(&self, plan: &RestorePlan) -> Job {
        restore(&self.served.client, &self.backup, plan).await
    }

    pub async fn undo(&self, restore: JobId) -> Job {
        undo(&self.served.client, restore, &self.plan().target).await
    }

    /// The databases whose names begin as this one's, and the folders of the filestore: nothing may be left over.
    pub fn left(&self) -> (Vec<String>, Vec<String>) {
        left(self.cluster, self.origin.folder.path(), self.name())
    }

    /// The database is as before, and nothing else is there.
    pub fn assert_untouched(&self, why: &str) {
        assert_eq!(self.left(), (vec![self.name().to_owned()], vec![self.name().to_owned()]), "{why}");
        assert!(self.state(self.name()) == self.changed, "the database differs: {why}");
    }

    /// Removes a file of the filestore that the backup has; gives its name.
    pub fn lose_a_file(&self) -> String {
        let names = self.backed_up.files.keys();
        let lost = names.into_iter().next().unwrap().clone();
        fs::remove_file(self.origin.database.filestore.join(&lost)).unwrap();
        lost
    }

    /// As [`Self::assert_untouched`], for a database that changed since in other ways too.
    pub fn assert_is_left_alone(&self, why: &str) {
        assert_eq!(self.left(), (vec![self.name().to_owned()], vec![self.name().to_owned()]), "{why}");
        let State { rows, sequences, content, .. } = self.state(self.name());
        assert_eq!((rows, sequences), (self.changed.rows.clone(), self.changed.sequences.clone()), "{why}");
        assert_eq!(content, self.changed.content, "{why}");
    }

    pub async fn log(&self, job: &Job) -> String {
        log_of(&self.served.client, job.id).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for name in self.left().0 {
            self.cluster.drop_database(&name).unwrap();
        }
    }
}

pub async fn restore(client: &Client, backup: &Backup, plan: &RestorePlan) -> Job {
    let start = start_restore(client, backup, plan).await;
    until(client, start, |job| job.state.is_final()).await
}

pub async fn start_restore(client: &Client, backup: &Backup, plan: &RestorePlan) -> JobId {
    let start = StartRestore { job: JobId(Uuid::new_v4()), plan: plan.clone() };
    client.start_restore(REPOSITORY, backup.id, &start).await.unwrap().id
}

pub async fn undo(client: &Client, restore: JobId, target: &Source) -> Job {
    let start = StartUndo { job: JobId(Uuid::new_v4()), target: target.clone() };
    client.start_undo(restore, &start).await.unwrap();
    until(client, start.job, |job| job.state.is_final()).await
}

pub fn left(cluster: &Cluster, folder: &Path, name: &str) -> (Vec<String>, Vec<String>) {
    let sql = format!("SELECT datname FROM pg_database WHERE starts_with(datname, '{name}') ORDER BY datname");
    let databases = cluster.sql("postgres", &sql).unwrap().lines().map(str::to_owned).collect();
    let Ok(entries) = fs::read_dir(folder.join("filestore")) else { return (databases, Vec::new()) };
    let mut folders: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    folders.sort();
    (databases, folders)
}

pub fn state(cluster: &Cluster, folder: &Path, database: &str) -> State {
    let content = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM ";
    let tables = ["res_partner", "ir_ui_view", "ir_config_parameter", "res_partner_category", "ir_attachment"];
    let content = tables.map(|table| cluster.sql(database, &format!("{content}{table} t")).unwrap());
    let sequences = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1";
    State {
        rows: cluster.sql(database, ROW_COUNTS).unwrap(),
        sequences: cluster.sql(database, sequences).unwrap(),
        content: content.join(" "),
        files: files(&folder.join("filestore").join(database)),
    }
}

/// The files of a filestore by name, without Odoo's list of those that may go.
fn files(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let folders = fs::read_dir(store).into_iter().flatten().map(|entry| entry.unwrap());
    for folder in folders.filter(|entry| entry.file_name() != "checklist") {
        for file in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()) {
            let name = format!("{}/{}", folder.file_name().display(), file.file_name().display());
            files.insert(name, fs::read(file.path()).unwrap());
        }
    }
    files
}
