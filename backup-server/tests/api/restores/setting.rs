//! What the tests of restores share: a backed-up database that changed since, and looks at all that must be the same.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use backup_api::{
    Backup, BackupFormat, BackupId, Client, DatabaseName, Job, JobId, JobState, RestoreMode, RestorePlan, Source,
    StartRestore, StartUndo,
};
use testbed::{Cluster, restore_fixture};
use uuid::Uuid;

use crate::setting::{Origin, REPOSITORY, ROW_COUNTS, run, start, until};

/// All that tells whether a database with its filestore is the one that it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub rows: String,
    pub sequences: String,
    pub parameters: String,
    pub extensions: String,
    pub attachments: BTreeMap<String, Vec<u8>>,
}

impl State {
    pub fn of(cluster: &Cluster, database: &str, filestore: &Path) -> Self {
        let sql = |sql: &str| cluster.sql(database, sql).unwrap();
        let names = sql("SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL ORDER BY 1");
        let read =
            |name: &str| (name.to_owned(), fs::read(filestore.join(name)).unwrap_or_else(|_| b"missing".to_vec()));
        Self {
            rows: sql(ROW_COUNTS),
            sequences: sql("SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"),
            parameters: sql("SELECT key, value FROM ir_config_parameter ORDER BY key"),
            extensions: sql("SELECT extname FROM pg_extension ORDER BY 1"),
            attachments: names.lines().map(read).collect(),
        }
    }
}

/// A database that was backed up and then changed.
pub struct Changed {
    pub cluster: &'static Cluster,
    pub origin: Origin,
    pub backup: Backup,
    /// What the backup holds.
    pub then: State,
    /// What is there now.
    pub now: State,
}

impl Changed {
    pub async fn new(name: &str, client: &Client, format: BackupFormat) -> Self {
        Self::on(Cluster::shared(), name, client, format).await
    }

    pub async fn on(cluster: &'static Cluster, name: &str, client: &Client, format: BackupFormat) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = restore_fixture(cluster, name, folder.path()).unwrap();
        let origin = Origin { database, folder };
        let job = run(client, REPOSITORY, &start(&origin.direct_through(&cluster.url()), format)).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
        let then = State::of(cluster, name, &origin.database.filestore);
        change(cluster, &origin);
        // A crash of PostgreSQL lets sequences skip what they gave out since the last one.
        cluster.sql_as("postgres", "postgres", "CHECKPOINT").unwrap();
        let now = State::of(cluster, name, &origin.database.filestore);
        assert_ne!(then, now);
        Self { cluster, origin, backup: job.backup.unwrap(), then, now }
    }

    pub fn state(&self) -> State {
        State::of(self.cluster, &self.origin.database.name, &self.origin.database.filestore)
    }

    pub fn target(&self) -> Source {
        let Source::Postgres { url, database, filestore, .. } = self.origin.direct_through(&self.cluster.url()) else {
            unreachable!()
        };
        Source::Postgres { url, database, filestore, addons: vec![testbed::addons().display().to_string()] }
    }

    pub fn plan(&self) -> RestorePlan {
        RestorePlan {
            target: self.target(),
            mode: RestoreMode::Replace,
            neutralize: false,
            safety_backup: None,
            undo_seconds: RestorePlan::default_undo(),
        }
    }

    pub fn copy(&self, name: &str) -> RestorePlan {
        RestorePlan { mode: RestoreMode::Copy { database: DatabaseName::parse(name).unwrap() }, ..self.plan() }
    }

    /// Databases and folders beside the live ones, whose names tell of a restore.
    pub fn leftovers(&self) -> Vec<String> {
        let name = &self.origin.database.name;
        let sql = format!(
            "SELECT datname FROM pg_database WHERE datname LIKE '{name}\\_restoring\\_%' OR datname LIKE \
             '{name}\\_before\\_%' UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE '{name}\\_restoring\\_%' ORDER BY 1"
        );
        let databases = self.cluster.sql("postgres", &sql).unwrap();
        let folders = fs::read_dir(self.origin.database.filestore.parent().unwrap()).unwrap();
        let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let folders = folders.filter(|folder| folder != name).map(|folder| format!("folder {folder}"));
        databases.lines().map(str::to_owned).chain(folders).collect()
    }
}

/// What an administrator would want to take back: a file and its record deleted, others written.
fn change(cluster: &Cluster, origin: &Origin) {
    let sql = |sql: &str| cluster.sql(&origin.database.name, sql).unwrap();
    let lost = sql("SELECT min(store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL");
    sql(&format!("DELETE FROM ir_attachment WHERE store_fname = '{lost}'"));
    fs::remove_file(origin.database.filestore.join(lost)).unwrap();
    sql("UPDATE ir_config_parameter SET value = 'http://wrong' WHERE key = 'web.base.url'; \
         CREATE TABLE later (id serial PRIMARY KEY, at timestamptz); INSERT INTO later (at) VALUES (now()); \
         INSERT INTO ir_attachment (name, type, store_fname, create_date) \
         VALUES ('later', 'binary', 'e6/e61a3587b3f7a142b8c7b9263c82f8119398ecb7', now())");
    let file = origin.database.filestore.join("e6/e61a3587b3f7a142b8c7b9263c82f8119398ecb7");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "later").unwrap();
}

/// A request for a restore under a new identity.
pub fn request(plan: &RestorePlan) -> StartRestore {
    StartRestore { job: JobId(Uuid::new_v4()), plan: plan.clone() }
}

/// Restores and waits for the end, whatever it is.
pub async fn restore(client: &Client, backup: BackupId, plan: &RestorePlan) -> Job {
    let request = request(plan);
    client.start_restore(REPOSITORY, backup, &request).await.unwrap();
    until(client, request.job, |job| job.state.is_final()).await
}

/// A restore that must succeed.
pub async fn restored(client: &Client, backup: BackupId, plan: &RestorePlan) -> Job {
    let job = restore(client, backup, plan).await;
    let log = crate::setting::log_of(client, job.id).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}\n{log}", job.failure);
    job
}

/// Undoes and waits for the end.
pub async fn undo(client: &Client, restore: JobId, target: &Source) -> Job {
    let start = StartUndo { job: JobId(Uuid::new_v4()), target: target.clone() };
    client.start_undo(restore, &start).await.unwrap();
    until(client, start.job, |job| job.state.is_final()).await
}

/// Waits until something is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_mins(1), waiting).await.is_ok(), "never: {what}");
}
