//! `testbed demo`: a throwaway PostgreSQL with a real Odoo database in it and an Odoo stand-in, for as long as it runs.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use testbed::{Cluster, odoo, restore_fixture};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything, print one line of JSON that says how to connect, and run until standard input closes or
    /// SIGTERM or SIGINT arrives.
    Demo {
        /// Folder for the filestore; PostgreSQL itself lies in a temporary folder.
        #[arg(long)]
        dir: PathBuf,
        /// Port of the Odoo stand-in on 127.0.0.1; a free one when absent.
        #[arg(long, default_value_t = 0)]
        odoo_port: u16,
        /// Name of the database.
        #[arg(long, default_value = "demo")]
        database: String,
        /// Run until a signal arrives, whatever standard input does (to start it in the background).
        #[arg(long)]
        ignore_stdin: bool,
    },
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let Command::Demo { dir, odoo_port, database, ignore_stdin } = Arguments::parse().command;
    let stop = until_told_to_stop(ignore_stdin);
    let demo = tokio::task::spawn_blocking(move || Demo::start(&dir, odoo_port, &database)).await??;
    println!("{}", demo.facts());
    let told = stop.await;
    tokio::task::spawn_blocking(move || drop(demo)).await?;
    told
}

/// Everything that runs.
struct Demo {
    odoo: odoo::StandIn,
    database: testbed::TinyDatabase,
    cluster: Cluster,
}

impl Demo {
    fn start(dir: &Path, odoo_port: u16, database: &str) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let cluster = Cluster::start()?;
        let database = restore_fixture(&cluster, database, &dir)?;
        let options = odoo::Options { port: odoo_port, ..odoo::Options::default() };
        let odoo = odoo::StandIn::start(&cluster, &dir, options)?;
        Ok(Self { odoo, database, cluster })
    }

    fn facts(&self) -> serde_json::Value {
        serde_json::json!({
            "postgres_url": self.cluster.url(),
            "postgres_socket": self.cluster.socket_folder(),
            "database": self.database.name,
            "filestore": self.database.filestore,
            "addons": testbed::addons(),
            "odoo_url": self.odoo.url(),
            "master_password": self.odoo.master_password(),
        })
    }
}

/// Ends when standard input closes (the parent ended) or a signal asks for it. Signals count from this call on.
fn until_told_to_stop(ignore_stdin: bool) -> impl Future<Output = io::Result<()>> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (mut terminate, mut interrupt) = (signals.0?, signals.1?);
        let (close, closed) = oneshot::channel();
        // A thread of its own: tokio would wait at its end for a read of standard input that may never return.
        std::thread::spawn(move || {
            while !ignore_stdin && io::stdin().read(&mut [0; 256]).is_ok_and(|read| read > 0) {}
            if ignore_stdin {
                std::mem::forget(close);
            } else {
                let _ = close.send(());
            }
        });
        tokio::select! {
            _ = closed => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    }
}
