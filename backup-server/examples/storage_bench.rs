//! Measures storage alone: made-up attachments and a dump, beside stock `restic` and beside what Odoo does. Fails when an
//! aim is missed.
//!
//! `cargo run --release -p backup-server --example storage_bench -- --attachments-mb 1000 --dump-mb 300`

#![expect(clippy::cast_precision_loss, reason = "figures are rounded for people")]

use std::{
    error::Error,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

use backup_api::{Attachments, Backup, BackupFormat, BackupId, DatabaseName, LinkCompression, RepositoryId};
use backup_server::repositories::{
    Content, ContentFile, Filestore, FilestoreFile, NewBackup, OpenFilestore, Repositories, attachment_name,
};
use clap::Parser;
use futures::TryStreamExt;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The programs' own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const REPOSITORY: RepositoryId = RepositoryId(Uuid::from_u128(1));
const MB: f64 = 1e6;
const MIB: f64 = 1_048_576.0;

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
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir_in(&arguments.folder)?;
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
    aims.at_most("peak resident while backing up, in MiB", peak()? * MB / MIB, 256.0);
    forget_peak()?;
    let rate = export(&repositories, &second, LinkCompression::Stored, "stored").await?;
    if !arguments.memory_only {
        aims.at_least("zip download in MB/s of content", rate, 100.0);
    }
    export(&repositories, &second, LinkCompression::Deflated, "deflated").await?;
    aims.at_most("peak resident while downloading, in MiB", peak()? * MB / MIB, 256.0);
    let watch = Stopwatch::start();
    repositories.delete(REPOSITORY, first.id).await?;
    println!("{:<36}{:>10.2}", "Holdfast, delete and prune", watch.seconds());
    let watch = Stopwatch::start();
    let verified = repositories.verify(REPOSITORY).await?;
    println!("{:<36}{:>10.2}  {:?}", "Holdfast, verify all", watch.seconds(), verified.problems);
    aims.told()
}

/// What was aimed at and what came of it, in the lines that `make bench` gathers.
#[derive(Default)]
struct Aims {
    lines: Vec<String>,
    missed: bool,
}

impl Aims {
    fn at_most(&mut self, what: &str, value: f64, aim: f64) {
        self.note(value <= aim, &format!("{what}: {value:.2} (aim <= {aim})"));
    }

    fn at_least(&mut self, what: &str, value: f64, aim: f64) {
        self.note(value >= aim, &format!("{what}: {value:.2} (aim >= {aim})"));
    }

    fn note(&mut self, met: bool, line: &str) {
        self.missed |= !met;
        self.lines.push(format!("{:<6} {line}", if met { "met" } else { "MISSED" }));
    }

    /// Prints them; fails when one was missed.
    fn told(self) -> Outcome<()> {
        println!("{}", self.lines.join("\n"));
        if self.missed { Err("an aim was missed".into()) } else { Ok(()) }
    }
}

/// Makes the files, always the same.
struct Made {
    folder: PathBuf,
    random: StdRng,
    kilobytes: u64,
}

impl Made {
    /// Most attachments are pictures and the like, which do not compress; a quarter are texts.
    fn attachments(&mut self, bytes: u64) -> Outcome<u64> {
        let (mut made, mut files) = (0, 0);
        while made < bytes {
            let size = self.random.random_range(100..self.kilobytes * 2000);
            let mut content = vec![0; usize::try_from(size)?];
            self.random.fill_bytes(&mut content);
            if self.random.random_bool(0.25) {
                for byte in &mut content {
                    *byte = b"etaoin shrdlu cm"[usize::from(*byte % 16)];
                }
            }
            let name = hex::encode(Sha1::digest(&content));
            let path = self.folder.join("filestore").join(&name[..2]);
            fs::create_dir_all(&path)?;
            fs::write(path.join(name), content)?;
            (made, files) = (made + size, files + 1);
        }
        Ok(files)
    }

    fn rows(&mut self, to: &mut impl Write, bytes: u64) -> io::Result<()> {
        let mut made = 0;
        while made < bytes {
            let number: u64 = self.random.random_range(0..1_000_000_000);
            let row = format!(
                "{number}\t2026-{:02}-{:02} 10:{:02}:07.{number}\tCustomer {}\tS{number:09}\t{}.{:02}\tsale\t\\N\tt\n",
                number % 12 + 1,
                number % 28 + 1,
                number % 60,
                number % 5000,
                number % 100_000,
                number % 100
            );
            to.write_all(row.as_bytes())?;
            made += row.len() as u64;
        }
        Ok(())
    }

    fn dump(&mut self, bytes: u64) -> Outcome<()> {
        let mut file = BufWriter::new(File::create(self.folder.join("dump.sql"))?);
        self.rows(&mut file, bytes)?;
        Ok(file.flush()?)
    }

    /// Changes the newest rows and adds as many.
    fn change_dump(&mut self, bytes: u64) -> Outcome<()> {
        let path = self.folder.join("dump.sql");
        let mut file = File::options().write(true).open(&path)?;
        let kept = file.metadata()?.len().saturating_sub(bytes);
        file.set_len(kept)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        let mut file = BufWriter::new(file);
        self.rows(&mut file, 2 * bytes)?;
        Ok(file.flush()?)
    }
}

/// Wall and processor time, since when.
struct Stopwatch {
    start: Instant,
    ticks: f64,
}

impl Stopwatch {
    fn start() -> Self {
        Self { start: Instant::now(), ticks: processor_seconds().unwrap_or(f64::NAN) }
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn line(&self, what: &str, bytes: u64) {
        let processor = processor_seconds().unwrap_or(f64::NAN) - self.ticks;
        println!("{what:<36}{:>10.2}{processor:>10.2}{:>14.1}", self.seconds(), bytes as f64 / MB);
    }
}

/// Of this process and of its children that have ended, in hundredths.
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(4);
    Some(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
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

/// Backs up; gives the backup and the seconds it took.
async fn holdfast(repositories: &Repositories, source: &Path, number: u128, what: &str) -> Outcome<(Backup, f64)> {
    let watch = Stopwatch::start();
    let backup = NewBackup {
        id: BackupId(Uuid::from_u128(number)),
        created_at: chrono::DateTime::from_timestamp(1_790_000_000 + i64::try_from(number)?, 0)
            .ok_or("no such time")?,
        database: DatabaseName::parse("bench")?,
        format: BackupFormat::Zip,
        attachments: Some(Attachments::default()),
        odoo_version: None,
        postgres_version: None,
        comment: String::new(),
    };
    let (quiet, token) = (Arc::new(|_, _| ()), CancellationToken::new());
    let made = repositories.ingest(REPOSITORY, backup, content(source)?, Box::new(|| Ok(())), quiet, token).await?;
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

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn restic(folder: &Path, what: &str) -> Outcome<()> {
    let repository = folder.join("restic");
    let command = || {
        let mut command = Command::new("restic");
        command.env("RESTIC_REPOSITORY", &repository).env("RESTIC_PASSWORD", "x");
        command.env("RESTIC_CACHE_DIR", folder.join("restic-cache")).current_dir(folder);
        command
    };
    if !repository.exists() {
        run(command().arg("init"))?;
    }
    let before = bytes_below(&repository)?;
    let watch = Stopwatch::start();
    run(command().args(["backup", "source"]))?;
    watch.line(what, bytes_below(&repository)? - before);
    Ok(())
}

/// As Odoo's `dump_db` does: a copy of the filestore, then a zip with everything deflated.
const ODOOS_WAY: &str = "import os, shutil, sys, zipfile
source, copy, target = sys.argv[1:]
shutil.copytree(source, copy)
with zipfile.ZipFile(target, 'w', compression=zipfile.ZIP_DEFLATED, allowZip64=True) as z:
    for folder, _, names in os.walk(copy):
        for name in names:
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, copy))";

/// Gives the zip's size and the seconds it took.
fn odoos_way(folder: &Path, what: &str) -> Outcome<(u64, f64)> {
    let (copy, target) = (folder.join("copy"), folder.join("odoo.zip"));
    let watch = Stopwatch::start();
    run(Command::new("python3").args(["-c", ODOOS_WAY]).arg(folder.join("source")).arg(&copy).arg(&target))?;
    let bytes = fs::metadata(&target)?.len();
    let seconds = watch.seconds();
    watch.line(what, bytes);
    fs::remove_dir_all(copy)?;
    fs::remove_file(target)?;
    Ok((bytes, seconds))
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let kind = entry.file_type()?;
        Ok(sum + if kind.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() })
    })
}

/// Begins to measure the peak of resident memory anew.
fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// The peak of resident memory, in MB.
fn peak() -> Outcome<f64> {
    for line in BufReader::new(File::open("/proc/self/status")?).lines() {
        if let Some(value) = line?.strip_prefix("VmHWM:") {
            return Ok(value.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / MB);
        }
    }
    Err("the system does not tell the peak of memory".into())
}
