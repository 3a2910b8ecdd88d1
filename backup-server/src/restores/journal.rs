//! Restores on disk: `<job>.json`, replaced as a whole before each step that could not be told from outside afterwards.
//!
//! A restore stays here as long as anything of it is left that has to be finished, taken back or removed: its scratch
//! database, the database that it replaced. With this and a look at the target, a restart knows what to do.

use std::{
    collections::HashMap,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{BackupId, DatabaseName, Failure, FailureCode, JobId, RepositoryId, RestorePlan, Restored};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use crate::{durable, seal};

/// How long a closed restore is remembered, so that an undo that comes too late is told why.
const KEPT_FOR: TimeDelta = TimeDelta::days(90);

/// How far a restore is. Each step is on disk before its first deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// The scratch database and folder are being made; the live ones are untouched. A crash: remove the scratch ones.
    Preparing,
    /// The scratch ones are complete and take the live names. A crash: look at the target which of them has the name.
    Swapping,
    /// The restored ones have the live names; what is left is to look at them and to clean up. A crash: finish.
    Swapped,
    /// Done; what was replaced is kept until `keep_until`.
    Kept,
    /// The replaced ones take their names again. A crash: look at the target which of them has the name.
    Undoing,
    /// The replaced ones have their names again; the restored ones are being removed. A crash: finish.
    Undone,
    /// The replaced ones are being removed. A crash: finish.
    Dropping,
    /// Nothing is left to do.
    Closed,
}

/// What is remembered of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The restore: its job.
    pub id: JobId,
    /// The repository of the backup.
    pub repository: RepositoryId,
    /// The backup.
    pub backup: BackupId,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// The [`RestorePlan`], encrypted; empty when closed.
    pub sealed: String,
    /// How far it is.
    pub step: Step,
    /// The live name.
    pub database: DatabaseName,
    /// The name that the restored database has until the swap.
    pub scratch: String,
    /// The name that the replaced database has after the swap.
    pub previous: String,
    /// What tells the databases and folders from each other.
    #[serde(default)]
    pub marks: Marks,
    /// Until when what was replaced is kept; `None` when there was nothing, or nothing is kept.
    pub keep_until: Option<DateTime<Utc>>,
    /// What was restored, known before the swap.
    pub restored: Option<Restored>,
    /// The job that undoes it at the moment, or did.
    #[serde(default)]
    pub undo: Option<JobId>,
    /// Why what was replaced is kept although its time is over.
    #[serde(default)]
    pub kept_because: Option<String>,
    /// Whether the undo came to its end.
    #[serde(default)]
    pub undone: bool,
    /// Why it is closed, as a sentence.
    #[serde(default)]
    pub closed: Option<String>,
    /// Until when a closed one is remembered.
    #[serde(default)]
    pub forget_at: Option<DateTime<Utc>>,
}

/// What tells the databases and folders of a restore from each other, whatever their names are at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Marks {
    /// PostgreSQL's number of the replaced database; `None` when there was none.
    pub live_oid: Option<u32>,
    /// PostgreSQL's number of the restored database.
    pub scratch_oid: Option<u32>,
    /// The inode of the replaced filestore folder; `None` when there was none or it stays where it is.
    pub live_folder: Option<u64>,
    /// The inode of the restored filestore folder; `None` when the filestore stays as it is.
    pub scratch_folder: Option<u64>,
    /// The temporary role that the dump is replayed by.
    pub role: Option<String>,
    /// Odoo's `database.uuid` of the restored database.
    pub scratch_uuid: Option<String>,
    /// Whether a live database is replaced, where it has no number to be known by.
    pub replaces: bool,
    /// Until when Odoo, which was sent all of a backup and has not answered, may still make the restored database.
    pub may_come_until: Option<DateTime<Utc>>,
    /// The session of PostgreSQL that renames the databases, as long as it is not known how that ended.
    pub renames: Option<Session>,
}

/// A session of PostgreSQL. A number alone is given again to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The number of its process.
    pub pid: i32,
    /// When it began: microseconds since 1970, as the server's clock says.
    pub began_at: i64,
}

impl Record {
    /// A restore of which nothing is done yet.
    pub fn begin(
        id: JobId,
        (repository, backup): (RepositoryId, BackupId),
        created_at: DateTime<Utc>,
        sealed: String,
        database: DatabaseName,
    ) -> Self {
        let (scratch, previous) = names(&database, id);
        Self {
            id,
            repository,
            backup,
            created_at,
            sealed,
            step: Step::Preparing,
            database,
            scratch,
            previous,
            marks: Marks::default(),
            keep_until: None,
            restored: None,
            undo: None,
            kept_because: None,
            undone: false,
            closed: None,
            forget_at: None,
        }
    }

    /// Whether an undo can be asked for at the moment.
    pub fn can_be_undone(&self, now: DateTime<Utc>) -> bool {
        self.step == Step::Kept
            && self.keep_until.is_some_and(|until| now < until)
            && self.restored.as_ref().is_some_and(|restored| restored.undo_until.is_some())
    }
}

/// `acme_restoring_1a2b3c4d` and `acme_before_1a2b3c4d`, cut to what PostgreSQL takes as a name.
pub(crate) fn names(database: &DatabaseName, job: JobId) -> (String, String) {
    // The end of an identity: the beginning may be the time, which two have in common.
    let digits = job.0.simple().to_string();
    let mark = &digits[digits.len() - 8..];
    let name = |word: &str| {
        let room = 63 - word.len() - mark.len() - 2;
        let base: String = database.as_str().chars().take(room).collect();
        format!("{base}_{word}_{mark}")
    };
    (name("restoring"), name("before"))
}

/// The folder of restores. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Restores(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    key: [u8; 32],
    records: Mutex<HashMap<JobId, Record>>,
    /// One at a time works on a restore: its own job, its undo, the expiry of its window.
    turns: Mutex<HashMap<JobId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Restores {
    /// Reads what an existing folder holds. What a crash left half-written is removed, what cannot be read reported.
    pub fn load(folder: PathBuf, key: &[u8; 32]) -> io::Result<Self> {
        let mut records = HashMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("tmp") => fs::remove_file(&path)?,
                Some("json") => match serde_json::from_slice::<Record>(&fs::read(&path)?) {
                    Ok(record) => drop(records.insert(record.id, record)),
                    Err(error) => tracing::error!(%error, "Skipped {}, which is no restore", path.display()),
                },
                _ => {}
            }
        }
        let (records, turns) = (Mutex::new(records), Mutex::default());
        Ok(Self(Arc::new(Inner { folder, key: seal::key(key, "holdfast restore plans"), records, turns })))
    }

    /// Every remembered restore.
    pub fn all(&self) -> Vec<Record> {
        self.records().values().cloned().collect()
    }

    /// One restore as it is.
    pub fn get(&self, id: JobId) -> Option<Record> {
        self.records().get(&id).cloned()
    }

    /// Waits until nobody else works on a restore, and keeps others away while the guard lives.
    pub async fn hold(&self, id: JobId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(id).or_default())
        };
        turn.lock_owned().await
    }

    /// Whether somebody works on a restore.
    pub fn is_held(&self, id: JobId) -> bool {
        let turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.get(&id).is_some_and(|turn| turn.try_lock().is_err())
    }

    /// Encrypts a plan, for [`Record::sealed`].
    pub fn seal(&self, id: JobId, plan: &RestorePlan) -> Result<String, Failure> {
        seal::seal(&self.0.key, id, plan).map_err(|error| unwritable(&error))
    }

    /// The plan of a restore, with its secrets.
    pub fn plan(&self, record: &Record) -> Result<RestorePlan, Failure> {
        seal::open(&self.0.key, record.id, &record.sealed).ok_or_else(|| Failure {
            code: FailureCode::Internal,
            message: format!(
                "The restore {} was written under another key file, so the server cannot reach its target any more. \
                 Look there for the databases {} and {} and decide yourself.",
                record.id, record.scratch, record.previous
            ),
        })
    }

    /// Writes a restore so that it survives a crash; only then may the step that it names begin.
    pub async fn save(&self, record: &Record) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(record).map_err(|error| unwritable(&error))?;
        let path = self.path(record.id);
        let written = tokio::task::spawn_blocking(move || durable::write(&path, &json)).await;
        written.map_err(io::Error::other).flatten().map_err(|error| unwritable(&error))?;
        self.records().insert(record.id, record.clone());
        Ok(())
    }

    /// Closes a restore with a sentence that says why nothing is left to do, and forgets its secrets.
    pub async fn close(&self, record: &mut Record, now: DateTime<Utc>, why: impl Into<String>) -> Result<(), Failure> {
        record.step = Step::Closed;
        record.sealed.clear();
        record.closed = Some(why.into());
        record.forget_at = Some(now + KEPT_FOR);
        self.save(record).await
    }

    /// Forgets what was closed long ago.
    pub async fn trim(&self, now: DateTime<Utc>) {
        let old = self.all().into_iter().filter(|record| record.forget_at.is_some_and(|at| at <= now));
        for record in old {
            let path = self.path(record.id);
            match tokio::task::spawn_blocking(move || fs::remove_file(path)).await {
                Ok(Err(error)) => tracing::warn!(%error, "Could not remove the journal of an old restore"),
                _ => drop(self.records().remove(&record.id)),
            }
        }
    }

    fn path(&self, id: JobId) -> PathBuf {
        self.0.folder.join(format!("{id}.json"))
    }

    fn records(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Record>> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unwritable(error: &dyn std::fmt::Display) -> Failure {
    Failure {
        code: FailureCode::Storage,
        message: format!(
            "The restore could not be written to the journal: {error}. Look at the disk of the data folder."
        ),
    }
}

#[cfg(test)]
mod tests {
    use backup_api::{RestoreMode, Secret, Source};
    use uuid::Uuid;

    use super::*;

    pub(crate) fn plan() -> RestorePlan {
        RestorePlan {
            target: Source::Postgres {
                url: Secret::new("postgres://odoo:hunter2@127.0.0.1/"),
                database: DatabaseName::parse("acme").unwrap(),
                filestore: None,
                addons: Vec::new(),
            },
            mode: RestoreMode::Replace,
            neutralize: false,
            safety_backup: None,
            undo_seconds: 0,
        }
    }

    #[test]
    fn names_fit_into_what_postgresql_takes_and_differ() {
        let job = JobId(Uuid::from_u128(0x1234_0000_0000_0000_0000_1a2b_3c4d));
        let (scratch, previous) = names(&DatabaseName::parse("acme").unwrap(), job);
        assert_eq!((scratch.as_str(), previous.as_str()), ("acme_restoring_1a2b3c4d", "acme_before_1a2b3c4d"));
        let (scratch, previous) = names(&DatabaseName::parse(&"a".repeat(63)).unwrap(), job);
        assert_eq!((scratch.len(), previous.len()), (63, 63));
        assert_ne!(scratch, previous);
    }

    #[tokio::test]
    async fn a_restore_is_read_back_with_its_plan_and_without_a_readable_secret() {
        let folder = tempfile::tempdir().unwrap();
        let id = JobId(Uuid::from_u128(7));
        let restores = Restores::load(folder.path().to_owned(), &[1; 32]).unwrap();
        let of = (RepositoryId(Uuid::nil()), BackupId(Uuid::nil()));
        let sealed = restores.seal(id, &plan()).unwrap();
        let database = DatabaseName::parse("acme").unwrap();
        let mut record = Record::begin(id, of, DateTime::UNIX_EPOCH, sealed, database);
        restores.save(&record).await.unwrap();
        let text = fs::read_to_string(folder.path().join(format!("{id}.json"))).unwrap();
        assert!(!text.contains("hunter2") && text.contains("acme"));
        let again = Restores::load(folder.path().to_owned(), &[1; 32]).unwrap();
        assert_eq!(again.plan(&again.get(id).unwrap()).unwrap(), plan());
        let other = Restores::load(folder.path().to_owned(), &[2; 32]).unwrap();
        assert!(other.plan(&record).unwrap_err().message.contains("another key file"));
        restores.close(&mut record, DateTime::UNIX_EPOCH, "It was undone.").await.unwrap();
        restores.trim(DateTime::UNIX_EPOCH + KEPT_FOR).await;
        assert_eq!(Restores::load(folder.path().to_owned(), &[1; 32]).unwrap().all(), []);
    }
}
