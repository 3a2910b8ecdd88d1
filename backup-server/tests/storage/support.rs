//! Made-up content, and short ways to store and fetch it.

use std::{io, path::Path, sync::Arc};

use backup_api::{Attachments, Backup, BackupFormat, BackupId, Failure, LinkCompression, RepositoryId};
use backup_server::repositories::{
    Content, ContentFile, Filestore, FilestoreFile, NewBackup, Repositories, StorageError,
};
use futures::TryStreamExt;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const REPOSITORY: RepositoryId = RepositoryId(Uuid::from_u128(0x5eed));

/// A database and attachments, all in memory.
#[derive(Clone)]
pub struct Sample {
    pub dump: Vec<u8>,
    pub attachments: Vec<Vec<u8>>,
}

impl Sample {
    /// Always the same for the same seed.
    pub fn new(seed: u64, dump_bytes: usize, attachments: usize, largest: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut dump = Vec::with_capacity(dump_bytes + 128);
        while dump.len() < dump_bytes {
            let row = format!("{}\tcustomer {}\t{:x}\n", dump.len(), random.random_range(0..5000), random.next_u64());
            dump.extend_from_slice(row.as_bytes());
        }
        let attachments = (0..attachments)
            .map(|_| {
                let mut content = vec![0; random.random_range(0..=largest)];
                random.fill_bytes(&mut content);
                content
            })
            .collect();
        Self { dump, attachments }
    }

    pub fn small() -> Self {
        Self::new(1, 400_000, 40, 90_000)
    }

    /// The files by name, as an export must give them.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut filestore: Vec<_> =
            self.attachments.iter().map(|content| (attachment_path(content), content.clone())).collect();
        filestore.sort();
        filestore.dedup();
        let mut files = vec![
            ("dump.sql".to_owned(), self.dump.clone()),
            ("manifest.json".to_owned(), br#"{"odoo_dump": "1"}"#.to_vec()),
        ];
        files.append(&mut filestore);
        files
    }

    pub fn content(&self) -> Content {
        let mut files = self.files();
        let attachments = files.split_off(2);
        let files = files.into_iter().map(|(path, content)| file(&path, content)).collect();
        Content { files, filestore: filestore(attachments.into_iter().map(|(_, content)| content).collect()) }
    }
}

pub fn attachment_path(content: &[u8]) -> String {
    let name = hex::encode(Sha1::digest(content));
    format!("filestore/{}/{name}", &name[..2])
}

/// The dump comes as a stream of unknown length, all else as files.
pub fn file(path: &str, content: Vec<u8>) -> ContentFile {
    ContentFile {
        path: path.to_owned(),
        size: (!path.contains("dump")).then_some(content.len() as u64),
        open: Box::new(move || Ok(Box::new(io::Cursor::new(content)))),
    }
}

/// The files of attachments, in the order of their names.
fn filestore(contents: Vec<Vec<u8>>) -> Filestore {
    let name = |content: &Vec<u8>| FilestoreFile { sha1: Sha1::digest(content).into(), size: content.len() as u64 };
    Filestore {
        files: contents.iter().map(name).collect(),
        open: Arc::new(move |place, _| Ok(Box::new(io::Cursor::new(contents[place].clone())))),
        may_lack_files: true,
    }
}

pub fn new_backup(number: u128, format: BackupFormat) -> NewBackup {
    NewBackup {
        id: BackupId(Uuid::from_u128(number)),
        created_at: chrono::DateTime::from_timestamp(1_790_000_000 + i64::try_from(number).unwrap(), 0).unwrap(),
        database: backup_api::DatabaseName::parse("acme").unwrap(),
        format,
        attachments: (format == BackupFormat::Zip).then(Attachments::default),
        odoo_version: Some("18.0".to_owned()),
        postgres_version: Some("15.18".to_owned()),
        comment: "before the upgrade".to_owned(),
    }
}

pub async fn store(repositories: &Repositories, number: u128, content: Content) -> Result<Backup, StorageError> {
    store_with(repositories, number, BackupFormat::Zip, content, || Ok(())).await
}

pub async fn store_with(
    repositories: &Repositories,
    number: u128,
    format: BackupFormat,
    content: Content,
    finish: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<Backup, StorageError> {
    let backup = new_backup(number, format);
    let quiet = Arc::new(|_, _| {});
    repositories.ingest(REPOSITORY, backup, content, Box::new(finish), quiet, CancellationToken::new()).await
}

pub async fn fetch(
    repositories: &Repositories,
    backup: &Backup,
    compression: LinkCompression,
    range: Option<std::ops::Range<u64>>,
) -> Vec<u8> {
    let export = repositories.export(backup.repository, backup.id, compression, range).await.unwrap();
    let length = export.length;
    let bytes = export.bytes.try_fold(Vec::new(), |mut all, piece| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    let bytes = bytes.await.unwrap();
    assert!(length.is_none_or(|length| length == bytes.len() as u64), "the announced length is exact");
    bytes
}

/// What a program says, which must succeed.
pub fn run(program: &str, arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{program} could not be run: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?} failed: {text}");
    text
}
