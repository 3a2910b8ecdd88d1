//! Looks at every byte of a file from elsewhere, before anything of it is kept.
//!
//! The same checks as for what arrives from Odoo. In addition all of its SQL is read as a restore would read it, because
//! nothing is known of where it comes from: what a restore would refuse is refused here already.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{BackupFormat, Failure, Phase, Progress};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::words;
use crate::{
    archives::{ArchiveError, Limits, OdooZip},
    jobs::JobContext,
    repositories::{CUSTOM_DUMP, Content, ContentFile},
    restores::replay::{self, DumpStream},
    server::App,
    sources::{
        SourceFacts, broken,
        odoo::{Scan, Zip, describe, facts_of_dump, reader},
    },
    uploads::expect_format,
};

/// How much of a dump is read at once.
const PIECE: usize = 256 * 1024;
/// Pieces that wait to be looked at.
const QUEUE: usize = 4;
/// A dump may always unpack to so much.
const SMALL: u64 = 64 << 20;
/// Bytes that tell what a file is.
const HEAD: u64 = 512;

/// A file that is there as a whole.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub path: PathBuf,
    pub bytes: u64,
    pub format: BackupFormat,
}

/// A file that passed.
pub(super) struct Checked {
    pub content: Content,
    pub facts: SourceFacts,
}

/// Checks all of it. `Incomplete` and `Sql` are the file's own fault.
pub(super) async fn check(app: &App, context: &JobContext, file: &Candidate) -> Result<Checked, Failure> {
    context.enter(Phase::CheckingFile);
    let head = head_of(&file.path).map_err(|error| words::unreadable(&error))?;
    expect_format(file.format, &head).map_err(words::wrong_content)?;
    match file.format {
        BackupFormat::Zip => zip(app, context, file).await,
        BackupFormat::Dump => dump(app, context, file).await,
    }
}

fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

async fn zip(app: &App, context: &JobContext, file: &Candidate) -> Result<Checked, Failure> {
    let (path, limits, working) = (file.path.clone(), limits(app.config.limits(), file.bytes), context.clone());
    let work = tokio::task::spawn_blocking(move || {
        let report = |progress| working.progress(Phase::CheckingFile, progress);
        OdooZip::check(&path, limits, &report, &working.cancel)
    });
    let zip = work.await.map_err(|error| broken(&error))?.map_err(words::of_zip)?;
    context.info("Every file in the zip is whole. Reading the database's SQL.");
    let dump = zip.open_dump().map_err(|error| words::of_zip(ArchiveError::Read(error)))?;
    let scan = judge(context, stream_of(dump), Some(zip.dump_bytes())).await?;
    let Zip { content, facts } = describe(zip, scan);
    Ok(Checked { content, facts })
}

/// Each entry takes some memory: a small file from nowhere must not fill it with names of empty files.
fn limits(of_odoo: Limits, bytes: u64) -> Limits {
    Limits { entries: of_odoo.entries.min(1_000_000 + bytes / 4096), ..of_odoo }
}

async fn dump(app: &App, context: &JobContext, file: &Candidate) -> Result<Checked, Failure> {
    let tool = reader(&app.tools)?;
    let opened = File::open(&file.path).map_err(|error| words::unreadable(&error))?;
    let (bytes, showing) = (file.bytes, context.clone());
    let mut done = 0;
    let file_bytes = stream_of(Box::new(opened)).inspect_ok(move |piece| {
        done += piece.len() as u64;
        showing.progress(Phase::CheckingFile, Progress { done_bytes: done, total_bytes: Some(bytes) });
    });
    let plain = replay::plain_of_custom(&tool, Box::pin(file_bytes), &context.cancel);
    let most = file.bytes.saturating_mul(app.config.limits().ratio).max(SMALL);
    let scan = judge(context, bounded(plain, most), None).await?;
    let path = file.path.clone();
    let dump = ContentFile {
        path: CUSTOM_DUMP.to_owned(),
        size: Some(file.bytes),
        open: Box::new(move || Ok(Box::new(File::open(path)?) as Box<dyn Read + Send>)),
    };
    Ok(Checked { content: Content::without_filestore(vec![dump]), facts: facts_of_dump(scan) })
}

/// The dump, ended with a failure where it gets larger than any real one.
fn bounded(dump: DumpStream, most: u64) -> DumpStream {
    let mut bytes = 0;
    Box::pin(dump.map(move |piece| {
        bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if bytes > most { Err(replay::io_error(words::bomb(most))) } else { piece }
    }))
}

/// Reads all SQL as a restore would, and notes what a backup should know.
async fn judge(context: &JobContext, dump: DumpStream, bytes: Option<u64>) -> Result<Scan, Failure> {
    let scan = Arc::new(Mutex::new(Scan::default()));
    let seeing = Arc::clone(&scan);
    let seen = dump.inspect_ok(move |piece| seeing.lock().unwrap_or_else(PoisonError::into_inner).read(piece));
    let showing = context.clone();
    let on_bytes = move |done_bytes| {
        if bytes.is_some() {
            showing.progress(Phase::CheckingFile, Progress { done_bytes, total_bytes: bytes });
        }
    };
    let read = replay::read(Box::pin(seen), on_bytes, &context.cancel).await;
    let scan = std::mem::take(&mut *scan.lock().unwrap_or_else(PoisonError::into_inner));
    let contents = read?;
    if let Some(odd) = &scan.odd_row {
        return Err(words::odd_row(odd));
    }
    context.info(format!("The database has {} tables with {} rows.", contents.tables.len(), contents.rows()));
    Ok(scan)
}

/// The bytes of what blocks, read on a thread where it may.
fn stream_of(mut reader: Box<dyn Read + Send>) -> DumpStream {
    let (to, from) = mpsc::channel(QUEUE);
    drop(tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => Ok(read),
                Err(error) => Err(error),
            };
            let piece = read.map(|read| {
                piece.truncate(read);
                Bytes::from(piece)
            });
            let failed = piece.is_err();
            if to.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    }));
    Box::pin(ReceiverStream::new(from))
}
