//! The scratch database: made, filled from the dump, compared with it, neutralized.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use backup_api::{Attachments, BackupFormat, Failure, FailureCode, Phase, Progress, RestoreMode, Secret, Source};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    super::{
        RestoreTask,
        replay::{self, Counted, DumpStream},
        task::failure,
    },
    extensions,
    filestore::Folders,
    identity, neutralize,
    outside::{self, Outside},
    quiet,
    server::{Database, Login, Server, asked, close, database, literal, quote, run, unusable},
};
use crate::{jobs::JobContext, sources::Wanted};

/// What is known when the scratch database is complete.
pub(super) struct Filled {
    pub counted: Counted,
    pub attachments: Option<Attachments>,
    pub notes: Vec<String>,
}

/// What is known when the database alone is.
struct FilledDatabase {
    counted: Counted,
    wanted: Wanted,
    notes: Vec<String>,
}

/// Who works in the scratch database, on what.
pub(super) struct Scratch<'a> {
    pub server: &'a Server,
    pub login: &'a Login,
    /// The database that will be replaced.
    pub live: Option<&'a Database>,
    /// Where the filestore goes; `None` when it stays as it is.
    pub folders: Option<&'a Folders>,
}

impl Scratch<'_> {
    /// Makes the database and fills it.
    pub async fn make(&self, work: &mut RestoreTask, mut maintenance: PgConnection) -> Result<Filled, Failure> {
        work.task.enter(Phase::RestoringDatabase)?;
        let worker = self.worker(work, &mut maintenance).await?;
        self.create(work, &mut maintenance).await?;
        work.task.pass("created").await;
        let before = outside::look(&mut maintenance, &work.task).await?;
        // A replay takes hours: a connection that does nothing for so long may be cut by whatever lies between.
        close(maintenance).await;
        let filled = self.fill(work, &worker).await;
        // Also after a failure: a dump that failed may have done something before.
        let looked = self.look_outside(work, &before).await;
        let (mut filled, mut maintenance) = match (filled, looked) {
            (Ok(filled), Ok(maintenance)) => (filled, maintenance),
            (Ok(_), Err(failure)) => return Err(failure),
            (Err(why), Err(changed)) if changed.code == FailureCode::Sql => {
                return Err(failure(why.code, format!("{} {}", why.message, changed.message)));
            }
            (Err(why), _) => return Err(why),
        };
        filled.notes.extend(self.hand_over(work, &mut maintenance).await?);
        close(maintenance).await;
        work.task.pass("filled").await;
        Ok(filled)
    }

    /// Compares what a dump must not change; gives the connection for what is left to do.
    async fn look_outside(&self, work: &RestoreTask, before: &Outside) -> Result<PgConnection, Failure> {
        let mut maintenance = self.server.maintenance().await.map_err(unusable)?;
        outside::compare(&mut maintenance, &work.task, before).await?;
        Ok(maintenance)
    }

    /// Who replays the dump: the owner, or for a superuser's connection a role made for it that may do nothing else.
    async fn worker(&self, work: &mut RestoreTask, maintenance: &mut PgConnection) -> Result<Server, Failure> {
        if !self.login.is_superuser {
            return Ok(self.server.clone());
        }
        let role = work.task.record.scratch.clone();
        work.task.record.marks.role = Some(role.clone());
        work.task.app.restores.save(&work.task.record).await?;
        let password = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let sql = format!(
            "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}",
            quote(&role),
            literal(&password)
        );
        run(maintenance, &sql).await?;
        work.task.context.info(format!(
            "{} is a superuser, so the dump is replayed by a role of its own that has no rights elsewhere; afterwards \
             everything belongs to {}.",
            self.login.name,
            self.owner()
        ));
        Ok(self.server.with_login(&role, Secret::new(password)))
    }

    fn owner(&self) -> &str {
        self.live.map_or(&self.login.name, |live| &live.owner)
    }

    async fn create(&self, work: &mut RestoreTask, maintenance: &mut PgConnection) -> Result<(), Failure> {
        let record = &work.task.record;
        let owner = record.marks.role.as_deref().unwrap_or_else(|| self.owner());
        // What Odoo itself makes when there is nothing to go by.
        let locale = self.live.map_or("ENCODING 'UTF8' LC_COLLATE 'C'", |live| &live.locale);
        // A running Odoo neither lists a template nor runs its scheduled actions.
        let sql = format!(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 {locale} IS_TEMPLATE true",
            quote(&record.scratch),
            quote(owner)
        );
        run(maintenance, &sql).await?;
        let made = database(maintenance, &record.scratch).await?;
        work.task.record.marks.scratch_oid = made.map(|made| made.oid);
        if let Some(folders) = self.folders {
            let made = folders.make_scratch();
            let inode = made.map_err(|error| super::filestore::unwritable(&folders.scratch, &error))?;
            work.task.record.marks.scratch_folder = Some(inode);
        }
        work.task.app.restores.save(&work.task.record).await?;
        if self.login.is_superuser {
            let wanted = replay::head(dump(work, &work.task.context.cancel)?).await?.extensions;
            extensions::create(self.server, &work.task.record.scratch, &wanted).await?;
        }
        Ok(())
    }

    /// Database and filestore at the same time: one mostly waits for PostgreSQL, the other for the disk.
    async fn fill(&self, work: &RestoreTask, worker: &Server) -> Result<Filled, Failure> {
        let stop = work.task.context.cancel.child_token();
        let has_database = Arc::new(AtomicBool::new(false));
        let database = async {
            let filled = self.fill_database(work, worker, &stop).await;
            has_database.store(true, Ordering::Relaxed);
            filled.inspect_err(|_| stop.cancel())
        };
        let files = async { self.fill_filestore(work, &stop, &has_database).await.inspect_err(|_| stop.cancel()) };
        let (database, files) = tokio::join!(database, files);
        let database = match (database, files) {
            (Ok(database), Ok(())) => database,
            // The other one only stopped because of it.
            (Err(failure), Err(other)) if failure.code == FailureCode::Cancelled => return Err(other),
            (Err(failure), _) | (Ok(_), Err(failure)) => return Err(failure),
        };
        let FilledDatabase { counted, wanted, mut notes } = database;
        let attachments = self.look_at_files(work, wanted, &mut notes).await?;
        Ok(Filled { counted, attachments, notes })
    }

    async fn fill_database(
        &self,
        work: &RestoreTask,
        worker: &Server,
        stop: &CancellationToken,
    ) -> Result<FilledDatabase, Failure> {
        let (context, plan, record) = (&work.task.context, &work.task.plan, &work.task.record);
        let mut connection = worker.connect(&record.scratch).await.map_err(unusable)?;
        let total = (!work.reader.is_custom()).then_some(work.reader.backup().dump_bytes);
        let on_bytes = |bytes| progress(context, Phase::RestoringDatabase, bytes, total);
        let replayed = replay::replay(dump(work, stop)?, &mut connection, on_bytes, stop).await?;
        // The replay leaves the session as the server makes a new one, with the limits that are meant for Odoo.
        worker.settle(&mut connection).await?;
        work.task.pass("replayed").await;
        context.enter(Phase::Comparing);
        let counted = replay::compare(&mut connection, &replayed.contents).await?;
        context.info(format!(
            "The database is restored: {} tables with {} rows, as in the backup.",
            counted.tables, counted.rows
        ));
        let wanted = Wanted::read(&mut connection).await.map_err(|error| asked(&error))?.distinct();
        work.task.go_on()?;
        let mut notes = replayed.notes;
        if plan.neutralize || matches!(plan.mode, RestoreMode::Copy { .. }) {
            let asleep = quiet::hush(&mut connection).await?;
            notes.extend(write_into(work, &mut connection).await?);
            asleep.wake(&mut connection).await?;
        }
        close(connection).await;
        Ok(FilledDatabase { counted, wanted, notes })
    }

    async fn fill_filestore(
        &self,
        work: &RestoreTask,
        stop: &CancellationToken,
        has_database: &Arc<AtomicBool>,
    ) -> Result<(), Failure> {
        let Some(folders) = self.folders.cloned() else { return Ok(()) };
        let (reader, stop, has_database) = (work.reader.clone(), stop.clone(), Arc::clone(has_database));
        let context = work.task.context.clone();
        let total = work.reader.backup().attachments.as_ref().map(|attachments| attachments.bytes);
        let writing = tokio::task::spawn_blocking(move || {
            let done = |bytes| {
                if has_database.load(Ordering::Relaxed) {
                    progress(&context, Phase::RestoringFilestore, bytes, total);
                }
            };
            folders.write(&reader, &done, &stop)
        });
        let written = writing.await.map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
        work.task.pass("files").await;
        written
    }

    /// Whether the files that the restored database refers to are there: all that the backup has, or it fails.
    async fn look_at_files(
        &self,
        work: &RestoreTask,
        wanted: Wanted,
        notes: &mut Vec<String>,
    ) -> Result<Option<Attachments>, Failure> {
        let folder = match self.folders {
            Some(folders) => Some(folders.scratch.clone()),
            None => super::filestore::live_folder(&work.task.plan),
        };
        let (cancel, reader) = (work.task.context.cancel.clone(), work.reader.clone());
        let looking = tokio::task::spawn_blocking(move || {
            // A backup may hold more than the database refers to: Odoo's own zip has the whole filestore.
            let held =
                (0..reader.attachment_count()).filter_map(|place| reader.attachment(place)).map(|(sha1, _)| sha1);
            let held: Vec<[u8; 20]> = held.filter(|sha1| wanted.has(sha1)).collect();
            let found = wanted.look(folder.as_deref(), None, &cancel);
            let lost = held.iter().filter(|sha1| !found.has(sha1)).count();
            (found.attachments, held.len(), lost)
        });
        let (attachments, held, lost) =
            looking.await.map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
        work.task.go_on()?;
        let backup = work.reader.backup();
        if backup.format == BackupFormat::Dump {
            notes.extend((attachments.missing_count() > 0).then(|| {
                format!(
                    "{} of the {} files that the restored database refers to are not in the filestore: a backup of the \
                     database only brings none.",
                    attachments.missing_count(),
                    attachments.expected
                )
            }));
            return Ok(None);
        }
        if lost > 0 {
            let message = format!(
                "{lost} of the {held} attachment files that the backup holds are not in the restored filestore. It was not \
                 put into use. Verify the repository and restore again."
            );
            return Err(failure(FailureCode::Mismatch, message));
        }
        Ok(Some(attachments))
    }

    /// Gives everything to the owner, and the settings and rights that the live database has of its own.
    /// Sentences tell what somebody else has to do.
    async fn hand_over(&self, work: &RestoreTask, maintenance: &mut PgConnection) -> Result<Vec<String>, Failure> {
        let scratch = work.task.record.scratch.clone();
        if let Some(role) = work.task.record.marks.role.clone() {
            let mut connection = self.server.connect(&scratch).await.map_err(unusable)?;
            let (role, owner) = (quote(&role), quote(self.owner()));
            run(&mut connection, &format!("REASSIGN OWNED BY {role} TO {owner}")).await?;
            run(&mut connection, &format!("DROP OWNED BY {role}")).await?;
            close(connection).await;
            run(maintenance, &format!("DROP ROLE {role}")).await?;
        }
        match self.live {
            Some(live) => {
                identity::carry_over(maintenance, (live.oid, work.task.record.database.as_str()), &scratch).await
            }
            None => Ok(Vec::new()),
        }
    }
}

/// Makes a copy one, and neutralizes, as asked; gives sentences.
async fn write_into(work: &RestoreTask, connection: &mut PgConnection) -> Result<Vec<String>, Failure> {
    let (context, plan) = (&work.task.context, &work.task.plan);
    if let RestoreMode::Copy { .. } = plan.mode {
        identity::renew(connection).await?;
    }
    if !plan.neutralize {
        return Ok(Vec::new());
    }
    context.enter(Phase::Neutralizing);
    let Source::Postgres { addons, .. } = &plan.target else { return Ok(Vec::new()) };
    let addons: Vec<PathBuf> = addons.iter().map(PathBuf::from).collect();
    let notes = neutralize::neutralize(connection, &addons).await?;
    context.info("The restored database is neutralized.");
    work.task.pass("neutralized").await;
    Ok(notes)
}

/// The backup's dump as plain SQL.
fn dump(work: &RestoreTask, cancel: &CancellationToken) -> Result<DumpStream, Failure> {
    let dump = work.reader.dump();
    if !work.reader.is_custom() {
        return Ok(dump);
    }
    let tool = work.task.app.tools.newest().ok_or_else(|| {
        let message = "No pg_restore is installed on the backup server. Install PostgreSQL's client programs there.";
        failure(FailureCode::PgDump, message)
    })?;
    Ok(replay::plain_of_custom(&tool, dump, cancel))
}

fn progress(context: &JobContext, phase: Phase, done_bytes: u64, total_bytes: Option<u64>) {
    context.progress(phase, Progress { done_bytes, total_bytes });
}
