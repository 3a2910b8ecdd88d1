//! Why an upload, or a chunk of one, is refused.

use std::io;

use axum::http::StatusCode;
use backup_api::{ErrorCode, Upload, UploadId};

use crate::{jobs::size, repositories::is_disk_full, router::Refusal};

/// No such upload.
pub(super) fn unknown(id: UploadId) -> Refusal {
    Refusal::not_found(format!(
        "There is no upload {id} for this on the backup server: it was imported, ended, or never begun."
    ))
}

/// It was removed because nothing more arrived.
pub(super) fn expired() -> Refusal {
    let message = "The upload was removed, because nothing more of it arrived for too long. Begin it again.";
    Refusal::new(StatusCode::GONE, ErrorCode::UploadExpired, message)
}

/// It is being imported.
pub(super) fn in_use() -> Refusal {
    Refusal::conflict("The upload is being imported at the moment. Wait for the end of that, or cancel it first.")
}

/// The identity stands for something else.
pub(super) fn other_upload() -> Refusal {
    Refusal::conflict("This upload was begun before, with another name or length; use a new identity.")
}

/// Not all of it is there.
pub(super) fn incomplete(upload: &Upload) -> Refusal {
    Refusal::conflict(format!(
        "{} of {} have arrived of this upload. Send the rest, then import it.",
        size(upload.offset),
        size(upload.length)
    ))
}

/// The name is that of no backup.
pub(super) fn bad_name() -> Refusal {
    Refusal::invalid(
        "The file's name must end in .zip or .dump: choose a backup that Odoo's database manager, pg_dump (custom \
         format) or Holdfast made.",
    )
}

/// There is nothing in it.
pub(super) fn empty() -> Refusal {
    Refusal::invalid("The file is empty. Look at where it comes from: it was never written, or its download failed.")
}

/// It is too large to upload.
pub(super) fn too_large(length: u64, limit: u64) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::TooLarge,
        format!(
            "The file has {}; one that is uploaded has less than {}. Put it where the backup server can fetch it, and \
             import it by its URL.",
            size(length),
            size(limit)
        ),
    )
}

/// A chunk is larger than a chunk may be.
pub(super) fn large_chunk() -> Refusal {
    let message =
        format!("A chunk has at most {} bytes; set that as the chunk size of your client.", Upload::CHUNK_BYTES);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
}

/// More came than was announced.
pub(super) fn more_than_announced(length: u64) -> Refusal {
    let message = format!(
        "More arrives than the {length} bytes that were announced. The file changed meanwhile: begin it again."
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
}

/// The chunk does not begin where the last one ended.
pub(super) fn wrong_offset(stands_at: u64) -> Refusal {
    let message = format!("The upload stands at byte {stands_at}. Ask for its offset, and go on from there.");
    Refusal::new(StatusCode::CONFLICT, ErrorCode::WrongOffset, message)
}

/// The chunk was damaged on its way.
pub(super) fn bad_checksum() -> Refusal {
    let status = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
    let message =
        "The chunk was damaged on its way: it does not have its checksum. Nothing of it was kept; send it again.";
    Refusal::new(status, ErrorCode::BadChecksum, message)
}

/// The chunk did not arrive.
pub(super) fn cut() -> Refusal {
    let message = "The connection broke before the whole chunk was there. Nothing of it was kept; send it again.";
    Refusal::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::Invalid, message)
}

/// Too many at once.
pub(super) fn too_many(open: usize) -> Refusal {
    let message = format!(
        "{open} uploads are open on this backup server, and no more are taken at once. Finish or end one, or wait until \
         the oldest ones are removed."
    );
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::Conflict, message)
}

/// It would not fit.
pub(super) fn no_space(length: u64, free: u64, keep_free: u64, promised: u64) -> Refusal {
    let message = format!(
        "The file needs {}, but the disk of the backup server has {} free, of which {} stay free and {} are kept for \
         other uploads. Free some space there, or delete backups that are not needed any more.",
        size(length),
        size(free),
        size(keep_free),
        size(promised)
    );
    Refusal::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::NoSpace, message)
}

/// The disk does not do what it should.
pub(super) fn disk(error: &io::Error) -> Refusal {
    if is_disk_full(error) {
        let message = "The disk of the backup server is full. Free some space there, then go on with the upload.";
        return Refusal::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::NoSpace, message);
    }
    Refusal::internal("The upload could not be written to the backup server's disk", error)
}
