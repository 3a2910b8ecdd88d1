//! The memory of a backup that comes through Odoo's database manager: a zip with very many entries, from the request to
//! the stored backup and its download.

use std::{path::Path, process::Command, sync::Arc};

use backup_api::{Backup, BackupFormat, DatabaseName, LinkCompression, Secret, Source};
use backup_server::{
    archives::Limits,
    install_tls_provider,
    repositories::{NewBackup, Repositories},
    sources::{AddressPolicy, OpenedSource, PgTools, SourceSettings, Sources, Staging, Timeouts},
};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Trap},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Outcome, REPOSITORY,
    beside::run,
    export,
    measures::{Aims, Stopwatch, forget_peak, peak},
    new_backup,
};

/// The most that both processes may have, in MiB.
const AIM: f64 = 256.0;

/// A zip as Odoo's `dump_db` makes it, with Odoo's own library, so that the directory is one of real life: attachments of
/// some 40 bytes, and a dump that refers to all of them.
const ODOOS_ZIP: &str = "import hashlib, json, sys, zipfile
target, count = sys.argv[1], int(sys.argv[2])
def names():
    for number in range(count):
        content = b'attachment %d of a large database' % number
        name = hashlib.sha1(content).hexdigest()
        yield name[:2] + '/' + name, content
with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED, allowZip64=True) as z:
    with z.open('dump.sql', 'w', force_zip64=True) as dump:
        dump.write(b'-- Dumped from database version 15.18\\n\\nCOPY public.ir_attachment (id, store_fname) FROM stdin;\\n')
        for number, (name, _) in enumerate(names()):
            dump.write(b'%d\\t%s\\n' % (number, name.encode()))
        dump.write(b'\\\\.\\n\\n--\\n-- PostgreSQL database dump complete\\n--\\n\\n')
    z.writestr('manifest.json', json.dumps({'odoo_dump': '1', 'major_version': '18.0', 'modules': {}}))
    for name, content in names():
        z.writestr('filestore/' + name, content)";

/// Backs up twice through the stand-in, and downloads.
pub async fn measure(folder: &Path, attachments: u64) -> Outcome<()> {
    install_tls_provider();
    let zip = folder.join("odoo.zip");
    run(Command::new("python3").args(["-c", ODOOS_ZIP]).arg(&zip).arg(attachments.to_string()))?;
    println!("{attachments} attachments in a zip of {} bytes", std::fs::metadata(&zip)?.len());
    println!("{:<36}{:>10}{:>10}{:>14}", "", "seconds", "CPU", "MB on disk");
    let cluster = Cluster::shared();
    cluster.create_database("arrival", None)?;
    let odoo = StandIn::start(cluster, folder, Options { trap: Trap::Sends(zip), ..Options::default() })?;
    let source = Source::OdooHttp {
        url: odoo.url(),
        database: DatabaseName::parse("arrival")?,
        master_password: Secret::new(odoo.master_password()),
    };
    let sources = Sources::new(SourceSettings {
        staging: Staging::open(folder.join("staging"), 0)?,
        tools: PgTools::in_folders(&[]),
        addresses: AddressPolicy::for_sources(&[])?,
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    });
    let repositories = Repositories::open(&folder.join("holdfast"))?;
    let mut aims = Aims::default();
    for (number, what) in [(1, "first"), (2, "second")] {
        let backup = back_up(&sources, &source, &repositories, number, what, &mut aims).await?;
        if backup.attachments.as_ref().map(|found| (found.present, found.missing_count())) != Some((attachments, 0)) {
            return Err(format!("the {what} backup has {:?}", backup.attachments).into());
        }
    }
    let newest = repositories.list(REPOSITORY).await?.into_iter().next().ok_or("there is no backup")?;
    forget_peak()?;
    export(&repositories, &newest, LinkCompression::Stored, "stored").await?;
    aims.at_most("peak resident while downloading, in MiB", peak()?, AIM);
    forget_peak()?;
    read_back(&sources, &source, &repositories, &newest).await?;
    aims.at_most("peak resident while a restore is read back, in MiB", peak()?, AIM);
    aims.told()
}

/// What a restore through Odoo does last: the backup is open, and what Odoo made of it arrives.
async fn read_back(sources: &Sources, source: &Source, repositories: &Repositories, backup: &Backup) -> Outcome<()> {
    let reader = repositories.open_backup(REPOSITORY, backup.id).await?;
    let (quiet, token) = (Arc::new(|_, _| ()), CancellationToken::new());
    let opened = sources.open(source, BackupFormat::Zip, quiet, token).await.map_err(|failure| failure.message)?;
    let there = &opened.content.filestore;
    let all = (0..reader.attachment_count()).filter_map(|place| reader.attachment(place));
    let found = all.filter(|(sha1, _)| there.has(sha1)).count();
    if found == there.files.len() { Ok(()) } else { Err(format!("{found} attachments came back").into()) }
}

async fn back_up(
    sources: &Sources,
    source: &Source,
    repositories: &Repositories,
    number: u128,
    what: &str,
    aims: &mut Aims,
) -> Outcome<Backup> {
    let (quiet, token) = (Arc::new(|_, _| ()), CancellationToken::new());
    forget_peak()?;
    let watch = Stopwatch::start();
    let opened = sources.open(source, BackupFormat::Zip, quiet.clone(), token.clone()).await;
    let OpenedSource { content, finish, facts, guard } = opened.map_err(|failure| failure.message)?;
    watch.line(&format!("{what}: received and checked"), 0);
    aims.at_most(&format!("peak resident while receiving and checking the {what}, in MiB"), peak()?, AIM);
    forget_peak()?;
    let watch = Stopwatch::start();
    let backup = NewBackup { attachments: facts.attachments, ..new_backup(number)? };
    let made = repositories.ingest(REPOSITORY, backup, content, finish, quiet, token).await?;
    drop(guard);
    watch.line(&format!("{what}: stored"), made.stored_bytes);
    aims.at_most(&format!("peak resident while storing the {what}, in MiB"), peak()?, AIM);
    Ok(made)
}
