//! Measures storage alone: made-up attachments and a dump, beside stock `restic` and beside what Odoo does. Fails when an
//! aim is missed.
//!
//! `cargo run --release -p backup-server --example storage_bench -- --attachments-mb 1000 --dump-mb 300`

#![expect(clippy::cast_precision_loss, reason = "figures are rounded for people")]

mod arrival;
mod beside;
mod made;
mod measures;

use std::{
    error::Error,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use backup_api::{Attachments, Backup, BackupFormat, BackupId, DatabaseName, LinkCompression, RepositoryId};
use backup_server::repositories::{
    Content, ContentFile, Filestore, FilestoreFile, NewBackup, OpenFilestore, Repositories, attachment_name,
};
use clap::Parser;
use futures::TryStreamExt;
use rand::{SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use beside::{odoos_way, restic};
use made::Made;
use measures::{Aims, Stopwatch, forget_peak, peak};

/// The programs' own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const REPOSITORY: RepositoryId = RepositoryId(Uuid::from_u128(1));
const MB: f64 = 1e6;

/// Measures storage beside restic and beside Odoo's way.
#[derive(Parser)]
struct Arguments {
    /// Megabytes of attachments.
    #[arg(long, default_value_t = 1000)]
    attachments_mb: u64,
    /// Megabytes of the dump.
    #[arg(long, default_value_t = 300)]
    dump_mb: u64,
    /// Kilobytes of an attachment, on average.
    #[arg(long, default_value_t = 100)]
    attachment_kb: u64,
    /// Where the temporary folder is made; needs four times the size of all.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Only Holdfast, without restic and Odoo's way.
    #[arg(long)]
    alone: bool,
    /// Only the memory is aimed at: with attachments of a few bytes, megabytes a second say nothing.
    #[arg(long, requires = "alone")]
    memory_only: bool,
    /// Instead of all this: the memory of a backup that comes through Odoo over HTTP, a zip of so many small attachments.
    #[arg(long, value_name = "ATTACHMENTS")]
    arriving: Option<u64>,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    if let Some(attachments) = arguments.arriving {
        return arrival::measure(folder.path(), attachments).await;
    }
    let source = folder.path().join("source");
    let mut made =
        Made { folder: source.clone(), random: StdRng::seed_from_u64(1), kilobytes: arguments.attachment_kb };
    let mut files = made.attachments(arguments.attachments_mb * 1_000_000)?;
    made.dump(arguments.dump_mb * 1_000_000)?;
    println!("{files} attachments of {} MB, a dump of {} MB", arguments.attachments_mb, arguments.dump_mb);
    println!("{:<36}{:>10}{:>10}{:>14}", "", "seconds", "CPU", "MB on disk");

    let repositories = Repositories::open(&folder.path().join("holdfast"))?;
    forget_peak()?;
    let (first, first_seconds) = holdfast(&repositories, &source, 1, "Holdfast, first backup").await?;
    let mut odoo = None;
    if !arguments.alone {
        restic(folder.path(), "restic, first backup")?;
        odoo = Some(odoos_way(folder.path(), "copy and deflate, first backup")?);
    }
    files += made.attachments(arguments.attachments_mb * 10_000)?;
    made.change_dump(arguments.dump_mb * 10_000)?;
    println!("one per cent changed: {files} attachments");
    let (second, second_seconds) = holdfast(&repositories, &source, 2, "Holdfast, second backup").await?;
    let mut aims = Aims::default();
    if let Some((zip_bytes, odoo_seconds)) = odoo {
        restic(folder.path(), "restic, second backup")?;
        odoos_way(folder.path(), "copy and deflate, second backup")?;
        let added = 100.0 * second.stored_bytes as f64 / zip_bytes as f64;
        aims.at_most("first backup, of the time for copy and deflate", first_seconds / odoo_seconds, 0.5);
        aims.at_least("second backup, times faster than copy and deflate", odoo_seconds / second_seconds, 10.0);
        aims.at_most("second backup adds, in % of the zip", added, 3.0);
    }
    aims.at_most("peak resident while backing up, in MiB", peak()?, 256.0);
    forget_peak()?;
    let rate = export(&repositories, &second, LinkCompression::Stored, "stored").await?;
    if !arguments.memory_only {
        aims.at_least("zip download in MB/s of content", rate, 100.0);
    }
    export(&repositories, &second, LinkCompression::Deflated, "deflated").await?;
    aims.at_most("peak resident while downloading, in MiB", peak()?, 256.0);
    let watch = Stopwatch::start();
    repositories.delete(REPOSITORY, first.id).await?;
    println!("{:<36}{:>10.2}", "Holdfast, delete and prune", watch.seconds());
    forget_peak()?;
    let watch = Stopwatch::start();
    let verified = repositories.verify(REPOSITORY).await?;
    println!("{:<36}{:>10.2}  {:?}", "Holdfast, verify all", watch.seconds(), verified.problems);
    aims.at_most("peak resident while verifying, in MiB", peak()?, 256.0);
    aims.told()
}

/// The dump as a stream of unknown length, as `pg_dump` gives it; attachments as files.
fn content(source: &Path) -> Outcome<Content> {
    let dump = source.join("dump.sql");
    let open_dump = move || Ok(Box::new(File::open(dump)?) as Box<dyn Read + Send>);
    let dump = ContentFile { path: "dump.sql".to_owned(), size: None, open: Box::new(open_dump) };
    let folder = source.join("filestore");
    let mut files = Vec::new();
    for folder in fs::read_dir(&folder)? {
        for file in fs::read_dir(folder?.path())? {
            let file = file?;
            let name = file.file_name().into_string().map_err(|_| "a name is no text")?;
            let mut sha1 = [0; 20];
            hex::decode_to_slice(&name, &mut sha1)?;
            files.push(FilestoreFile { sha1, size: file.metadata()?.len() });
        }
    }
    files.sort_unstable_by_key(|file| file.sha1);
    let path = move |sha1: &[u8; 20]| folder.join(attachment_name(sha1));
    let open: OpenFilestore = Arc::new(move |_, sha1| Ok(Box::new(File::open(path(sha1))?)));
    Ok(Content { files: vec![dump], filestore: Filestore { files, open, may_lack_files: true } })
}

/// What is known of a backup before it is made.
fn new_backup(number: u128) -> Outcome<NewBackup> {
    Ok(NewBackup {
        id: BackupId(Uuid::from_u128(number)),
        created_at: chrono::DateTime::from_timestamp(1_790_000_000 + i64::try_from(number)?, 0)
            .ok_or("no such time")?,
        database: DatabaseName::parse("bench")?,
        format: BackupFormat::Zip,
        attachments: Some(Attachments::default()),
        odoo_version: None,
        postgres_version: None,
        comment: String::new(),
    })
}

/// Backs up; gives the backup and the seconds it took.
async fn holdfast(repositories: &Repositories, source: &Path, number: u128, what: &str) -> Outcome<(Backup, f64)> {
    let watch = Stopwatch::start();
    let (quiet, token) = (Arc::new(|_, _| ()), CancellationToken::new());
    let made = repositories
        .ingest(REPOSITORY, new_backup(number)?, content(source)?, Box::new(|| Ok(())), quiet, token)
        .await?;
    watch.line(what, made.stored_bytes);
    Ok((made, watch.seconds()))
}

/// Downloads; gives the megabytes of content a second.
async fn export(
    repositories: &Repositories,
    backup: &Backup,
    compression: LinkCompression,
    what: &str,
) -> Outcome<f64> {
    let watch = Stopwatch::start();
    let export = repositories.export(REPOSITORY, backup.id, compression, None).await?;
    let bytes = export.bytes.try_fold(0, |sum, piece| async move { Ok(sum + piece.len() as u64) }).await?;
    watch.line(&format!("Holdfast, zip download, {what}"), bytes);
    let rate = backup.size_bytes as f64 / MB / watch.seconds();
    println!("{:<36}{rate:>10.0} MB of content a second", "");
    Ok(rate)
}
