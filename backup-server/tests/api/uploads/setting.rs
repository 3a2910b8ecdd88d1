//! What the tests of uploads share: sending a file in chunks, and importing it.

use backup_api::{
    BackupId, Client, DatabaseName, ImportSource, Job, JobId, RepositoryId, StartImport, Upload, UploadId,
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::setting::{REPOSITORY, until};

/// Made by Odoo 18.
pub const TINY: &[u8] = include_bytes!("../../../../testbed/fixtures/tiny18.zip");

/// What a chunk's `Upload-Checksum` is.
pub fn checksum(chunk: &[u8]) -> String {
    format!("sha256 {}", BASE64.encode(Sha256::digest(chunk)))
}

/// Sends the rest of a file in chunks, from where the upload stands.
pub async fn send(client: &Client, upload: UploadId, file: &[u8]) {
    let mut offset = client.upload(upload).await.unwrap().offset;
    let size = usize::try_from(Upload::CHUNK_BYTES).unwrap();
    for chunk in file[usize::try_from(offset).unwrap()..].chunks(size) {
        offset = client.append(upload, offset, Some(&checksum(chunk)), chunk.to_vec()).await.unwrap();
    }
    assert_eq!(offset, file.len() as u64);
}

/// Uploads a whole file under a new identity.
pub async fn upload(client: &Client, name: &str, file: &[u8]) -> UploadId {
    let id = UploadId(Uuid::new_v4());
    client.create_upload(REPOSITORY, id, name, file.len() as u64).await.unwrap();
    send(client, id, file).await;
    id
}

/// A request to import an upload, under new identities.
pub fn import_of(upload: UploadId) -> StartImport {
    import_from(ImportSource::Upload { upload })
}

/// A request to import a file, under new identities.
pub fn import_from(from: ImportSource) -> StartImport {
    StartImport {
        job: JobId(Uuid::new_v4()),
        backup: BackupId(Uuid::new_v4()),
        from,
        database: DatabaseName::parse("acme").unwrap(),
        comment: "from elsewhere".to_owned(),
    }
}

/// Starts an import and follows it to its end.
pub async fn run(client: &Client, repository: RepositoryId, start: &StartImport) -> Job {
    client.start_import(repository, start).await.unwrap();
    until(client, start.job, |job| job.state.is_final()).await
}
