//! Compares restoring and verifying a plain dump with `psql -q -f`, which verifies nothing:
//! `cargo run --release -p backup-server --example replay_bench -- dump.sql …`

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use backup_server::restores::replay::{self, DumpStream};
use sqlx::{Connection, PgConnection};
use testbed::Cluster;
use tokio_util::{io::ReaderStream, sync::CancellationToken};

/// Runs of each; the median counts.
const RUNS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::start()?;
    for dump in std::env::args_os().skip(1).map(PathBuf::from) {
        let bytes = dump.metadata()?.len();
        let (mut psql, mut replayed, mut compared, mut read) = (vec![], vec![], vec![], vec![]);
        for _ in 0..RUNS {
            psql.push(with_psql(&cluster, &dump)?);
            let (replaying, comparing) = with_replay(&cluster, &dump).await?;
            replayed.push(replaying);
            compared.push(comparing);
            let begun = Instant::now();
            replay::read(stream(&dump).await?, |_| (), &CancellationToken::new())
                .await
                .map_err(|failure| failure.message)?;
            read.push(begun.elapsed());
        }
        println!(
            "{}: {:.1} MB; psql {:.2} s; replay {:.2} s and comparing {:.2} s; reading alone {:.0} MB/s",
            dump.display(),
            mega(bytes),
            median(&mut psql).as_secs_f64(),
            median(&mut replayed).as_secs_f64(),
            median(&mut compared).as_secs_f64(),
            mega(bytes) / median(&mut read).as_secs_f64(),
        );
    }
    Ok(())
}

fn with_psql(cluster: &Cluster, dump: &Path) -> Result<Duration, Box<dyn Error>> {
    cluster.create_database("bench", None)?;
    let begun = Instant::now();
    let mut psql = cluster.clients().command("psql", "odoo");
    let arguments = ["--no-psqlrc", "-q", "-d", "bench", "-f", "-"];
    let done = psql.args(arguments).stdin(File::open(dump)?).stdout(Stdio::null()).status()?;
    let took = begun.elapsed();
    cluster.drop_database("bench")?;
    if done.success() { Ok(took) } else { Err(format!("psql: {done}").into()) }
}

async fn with_replay(cluster: &Cluster, dump: &Path) -> Result<(Duration, Duration), Box<dyn Error>> {
    cluster.create_database("bench", None)?;
    let begun = Instant::now();
    let mut connection = PgConnection::connect(&format!("{}bench", cluster.url())).await?;
    let cancel = CancellationToken::new();
    let replayed = replay::replay(stream(dump).await?, &mut connection, |_| (), &cancel).await;
    let replayed = replayed.map_err(|failure| failure.message)?;
    let took = begun.elapsed();
    let begun = Instant::now();
    replay::compare(&mut connection, &replayed.contents).await.map_err(|failure| failure.message)?;
    let comparing = begun.elapsed();
    connection.close().await?;
    cluster.drop_database("bench")?;
    Ok((took, comparing))
}

async fn stream(dump: &Path) -> Result<DumpStream, Box<dyn Error>> {
    let file = tokio::fs::File::open(dump).await?;
    Ok(Box::pin(ReaderStream::with_capacity(file, 256 * 1024)))
}

fn mega(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is printed with one decimal")]
    let bytes = bytes as f64;
    bytes / 1e6
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
