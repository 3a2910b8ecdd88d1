//! Reads back what Odoo made of a backup: its own backup of the restored database, checked as every arriving one is, and
//! compared with what the backup holds.

use std::{
    io::Read,
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{Attachments, BackupFormat, DatabaseName, Failure, FailureCode, Phase, RestoreMode};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        RestoreTask,
        replay::{self, Contents, Counted, DumpStream},
        task::failure,
    },
    compare::compare,
    compose::Composed,
    facts::Facts,
    target::Target,
};
use crate::{
    repositories::{BackupReader, CUSTOM_DUMP, OpenContent, PLAIN_DUMP, ReportProgress},
    server::App,
    sources::{OpenedSource, odoo::hides_filtered, odoo::reader},
};

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// Pieces that wait to be read.
const QUEUE: usize = 4;
/// Names that a message shows.
const NAMED: usize = 5;

/// What a dump holds.
pub(super) struct DumpRead {
    pub contents: Contents,
    pub facts: Facts,
}

/// What was restored, compared with the backup.
pub(super) struct Verified {
    pub counted: Counted,
    pub attachments: Option<Attachments>,
    pub notes: Vec<String>,
    /// Odoo's `database.uuid` of it.
    pub uuid: Option<String>,
}

/// Reads the backup's own dump to its end. It is refused here, before Odoo has it, when it holds what no dump of Odoo's
/// holds: Odoo would give it to `psql`, which runs programs that a dump names.
pub(super) async fn read_backup(work: &RestoreTask) -> Result<DumpRead, Failure> {
    let dump = work.reader.dump();
    read(&work.task.app, dump, work.reader.is_custom(), &work.task.context.cancel).await
}

async fn read(app: &App, dump: DumpStream, is_custom: bool, cancel: &CancellationToken) -> Result<DumpRead, Failure> {
    let plain = if is_custom { replay::plain_of_custom(&reader(&app.tools)?, dump, cancel) } else { dump };
    let facts = Arc::new(Mutex::new(Facts::default()));
    let seen = Arc::clone(&facts);
    let plain = plain.inspect_ok(move |piece| seen.lock().unwrap_or_else(PoisonError::into_inner).read(piece));
    let contents = replay::read(Box::pin(plain), |_| (), cancel).await?;
    let facts = std::mem::take(&mut *facts.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(DumpRead { contents, facts })
}

/// Dumps the restored database back and compares all of it; asserts that it is neutralized, or a copy, as asked for.
pub(super) async fn verify(
    work: &RestoreTask,
    target: &Target,
    name: &DatabaseName,
    backup: &DumpRead,
    composed: Option<&Composed>,
) -> Result<Verified, Failure> {
    let task = &work.task;
    check_shown(target, name).await?;
    let context = task.context.clone();
    let progress: ReportProgress = Arc::new(move |_, progress| context.progress(Phase::Comparing, progress));
    let format = if composed.is_some() { BackupFormat::Zip } else { work.reader.backup().format };
    let opened = read_back(&task.app, target, name, format, progress, &task.context.cancel).await?;
    let mut notes = Vec::new();
    let attachments = match composed {
        Some(composed) => {
            check_files(&composed.attachments, &opened)?;
            notes.push(kept(composed, &opened));
            None
        }
        None => check_attachments(&work.reader, &opened)?,
    };
    let found = read_dump(&task.app, opened, format, &task.context.cancel).await?;
    let plan = &task.plan;
    let compared = compare(&backup.contents, &found.contents, &backup.facts, plan.neutralize)?;
    if plan.neutralize {
        found.facts.check_neutralized()?;
    }
    if matches!(plan.mode, RestoreMode::Copy { .. }) && found.facts.uuid == backup.facts.uuid {
        let message = "Odoo did not give the copy an identity of its own (database.uuid), so it was not put into use: two \
                       databases of one identity disturb each other. Restore it without Odoo, or look at Odoo's log.";
        return Err(failure(FailureCode::Mismatch, message));
    }
    notes.extend(compared.notes);
    Ok(Verified { counted: compared.counted, attachments, notes, uuid: found.facts.uuid })
}

/// Reads the dump in what Odoo gave back.
async fn read_dump(
    app: &App,
    mut opened: OpenedSource,
    format: BackupFormat,
    cancel: &CancellationToken,
) -> Result<DumpRead, Failure> {
    let is_custom = format == BackupFormat::Dump;
    let dump_name = if is_custom { CUSTOM_DUMP } else { PLAIN_DUMP };
    let at = opened.content.files.iter().position(|file| file.path == dump_name);
    let at = at.ok_or_else(|| failure(FailureCode::Incomplete, "What Odoo gives back has no dump."))?;
    let dump = stream(opened.content.files.swap_remove(at).open);
    let found = read(app, dump, is_custom, cancel).await;
    let dropped = tokio::task::spawn_blocking(move || drop(opened)).await;
    dropped.map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
    found
}

/// The identity of a database, for which all of it is read: Odoo gives no other way to it.
pub(super) async fn uuid(app: &App, target: &Target, name: &DatabaseName) -> Result<Option<String>, Failure> {
    check_shown(target, name).await?;
    // Without the files, where that can be read here.
    let format = if reader(&app.tools).is_ok() { BackupFormat::Dump } else { BackupFormat::Zip };
    let cancel = CancellationToken::new();
    let opened = read_back(app, target, name, format, Arc::new(|_, _| ()), &cancel).await?;
    Ok(read_dump(app, opened, format, &cancel).await?.facts.uuid)
}

/// What became of the files when the backup has none.
fn kept(composed: &Composed, opened: &OpenedSource) -> String {
    let missing = opened.facts.attachments.as_ref().map_or(0, Attachments::missing_count);
    format!(
        "The backup holds no files of attachments; the {} present ones were kept. {missing} files that the restored \
         database refers to are not among them.",
        composed.attachments.len()
    )
}

/// Whether all of these files are there under the live name: a rename may have left them behind.
pub(super) async fn live_attachments(
    app: &App,
    target: &Target,
    wanted: &[[u8; 20]],
    live: &DatabaseName,
) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    check_shown(target, live).await?;
    let cancel = CancellationToken::new();
    let opened = read_back(app, target, live, BackupFormat::Zip, Arc::new(|_, _| ()), &cancel).await?;
    check_files(wanted, &opened)?;
    let dropped = tokio::task::spawn_blocking(move || drop(opened)).await;
    dropped.map_err(|error| failure(FailureCode::Internal, error.to_string()))
}

/// Odoo's own backup of a database, checked to its last byte as it arrives.
pub(super) async fn read_back(
    app: &App,
    target: &Target,
    name: &DatabaseName,
    format: BackupFormat,
    progress: ReportProgress,
    cancel: &CancellationToken,
) -> Result<OpenedSource, Failure> {
    let opened = app.sources.open(&target.source(name.clone()), format, progress, cancel.clone()).await;
    opened.map_err(|error| {
        let message = format!("The restored database could not be read back from Odoo. {}", error.message);
        failure(error.code, message)
    })
}

/// Odoo gives back only databases that it lists and shows under this address.
async fn check_shown(target: &Target, name: &DatabaseName) -> Result<(), Failure> {
    let has = |names: &[String]| names.iter().any(|known| known == name.as_str());
    let listed = target.odoo.databases().await.map_err(|why| target.unanswered(why))?;
    if !has(&listed) {
        let message = format!(
            "Odoo does not list the database “{name}” that it restored: it was started for certain databases only (-d or \
             db_name), so what it restored cannot be verified. Restore into PostgreSQL directly, or start Odoo without -d."
        );
        return Err(failure(FailureCode::OdooError, message));
    }
    let version = target.odoo.version().await.map_err(|why| target.unanswered(why))?;
    let shown = target.odoo.shown_databases().await.map_err(|why| target.unanswered(why))?;
    if hides_filtered(&version) && !has(&shown) {
        let message = format!(
            "Odoo's dbfilter hides the database “{name}” under this address, so what was restored cannot be verified. \
             Enter an address that dbfilter does not restrict (or let it match names that begin as this one), or restore \
             into PostgreSQL directly."
        );
        return Err(failure(FailureCode::OdooError, message));
    }
    Ok(())
}

/// Each file of the backup must be in what came back, whose content was checked as it arrived.
fn check_attachments(reader: &BackupReader, opened: &OpenedSource) -> Result<Option<Attachments>, Failure> {
    if reader.is_custom() {
        return Ok(None);
    }
    check_files(&attachments_of(reader), opened)?;
    Ok(opened.facts.attachments.clone())
}

/// The files of a backup.
pub(super) fn attachments_of(reader: &BackupReader) -> Vec<[u8; 20]> {
    (0..reader.attachment_count()).filter_map(|place| reader.attachment(place)).map(|(sha1, _)| sha1).collect()
}

fn check_files(wanted: &[[u8; 20]], opened: &OpenedSource) -> Result<(), Failure> {
    let there = &opened.content.filestore;
    let missing: Vec<String> = wanted.iter().filter(|sha1| !there.has(sha1)).map(hex::encode).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let named = missing.iter().take(NAMED).map(|name| format!("{}/{name}", &name[..2])).collect::<Vec<_>>().join(", ");
    let message = format!(
        "{} of {} attachment files are not there after Odoo restored it (the first: {named}). It was not \
         put into use. Look at the disk of Odoo's filestore and at Odoo's log.",
        missing.len(),
        wanted.len()
    );
    Err(failure(FailureCode::Mismatch, message))
}

/// A file that is read where blocking is allowed, as a stream.
pub(super) fn stream(open: OpenContent) -> DumpStream {
    let (to, from) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let read = open().and_then(|mut file| pump(&mut *file, &to));
        if let Err(error) = read {
            // Nobody hears it when the reader has gone away, which is then the reason.
            let _ = to.blocking_send(Err(error));
        }
    });
    Box::pin(ReceiverStream::new(from))
}

fn pump(file: &mut dyn Read, to: &mpsc::Sender<std::io::Result<Bytes>>) -> std::io::Result<()> {
    loop {
        let mut piece = BytesMut::zeroed(PIECE);
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        piece.truncate(read);
        if to.blocking_send(Ok(piece.freeze())).is_err() {
            return Ok(());
        }
    }
}
