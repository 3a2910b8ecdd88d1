//! A backup of the database alone replaces one with attachments: Odoo would move the files away together with the
//! database, so the present ones go back to it in one zip with the backup's dump.

use std::{
    fs::File,
    io::{self, Write},
};

use backup_api::{BackupFormat, Failure, FailureCode, Phase};
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{
    super::{
        RestoreTask,
        replay::{self, DumpStream, failure_of, io_error},
        task::{cancelled, failure},
    },
    target::Target,
    verify::read_back,
};
use crate::{
    repositories::{Filestore, PLAIN_DUMP, attachment_path},
    sources::{StagedFile, odoo::reader},
};

/// From this size on, an entry needs the long form of sizes.
const LARGE: u64 = 1 << 31;

/// The zip, removed when dropped.
pub(super) struct Composed {
    pub file: StagedFile,
    pub bytes: u64,
    /// The files of attachments in it.
    pub attachments: Vec<[u8; 20]>,
}

/// Fetches the present files from Odoo and puts them beside the backup's dump.
pub(super) async fn compose(work: &RestoreTask, target: &Target) -> Result<Composed, Failure> {
    let task = &work.task;
    let (cancel, staging) = (&task.context.cancel, &task.app.sources.settings().staging);
    task.context.info("The backup has no attachments: fetching the present ones from Odoo, so that they are kept.");
    let context = task.context.shown_as(Phase::Receiving);
    let progress = std::sync::Arc::new(move |phase, progress| context.progress(phase, progress));
    let opened = read_back(&task.app, target, &task.record.database, BackupFormat::Zip, progress, cancel).await?;
    let filestore = opened.content.filestore;
    let sizes: u64 = filestore.files.iter().map(|file| file.size).sum();
    staging.check_space(sizes.saturating_add(work.reader.backup().dump_bytes))?;
    let attachments = filestore.files.iter().map(|file| file.sha1).collect();
    let dump = replay::plain_of_custom(&reader(&task.app.tools)?, work.reader.dump(), cancel);
    let (staged, file) = staging.create()?;
    let (stop, guard) = (cancel.clone(), opened.guard);
    let written = tokio::task::spawn_blocking(move || {
        let written = write(file, dump, &filestore, &stop);
        drop(guard);
        written
    });
    let written = written.await.map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
    let bytes = written.map_err(failure_of)?;
    Ok(Composed { file: staged, bytes, attachments })
}

/// Writes the zip; gives its length. Blocks.
fn write(file: File, mut dump: DumpStream, filestore: &Filestore, cancel: &CancellationToken) -> io::Result<u64> {
    let packed = |method, large| SimpleFileOptions::default().compression_method(method).large_file(large);
    let mut zip = ZipWriter::new(io::BufWriter::new(file));
    zip.start_file(PLAIN_DUMP, packed(CompressionMethod::Deflated, true)).map_err(unwritten)?;
    while let Some(piece) = Handle::current().block_on(dump.next()) {
        zip.write_all(&piece?)?;
    }
    for (place, file) in filestore.files.iter().enumerate() {
        if cancel.is_cancelled() {
            return Err(io_error(cancelled()));
        }
        let large = file.size >= LARGE;
        zip.start_file(attachment_path(&file.sha1), packed(CompressionMethod::Stored, large)).map_err(unwritten)?;
        io::copy(&mut (filestore.open)(place, &file.sha1)?, &mut zip)?;
    }
    let mut file = zip.finish().map_err(unwritten)?;
    file.flush()?;
    Ok(file.get_ref().metadata()?.len())
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn unwritten(error: ZipError) -> io::Error {
    let message = format!("The zip for Odoo could not be written to the staging folder: {error}. Look at its disk.");
    io_error(failure(FailureCode::Storage, message))
}
