//! `backup-server`: a backup server as its own process, near the databases that it backs up.

use std::{net::SocketAddr, process::ExitCode};

use backup_server::{BackupServer, Config};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Gives freed memory back: see `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Keeps and restores backups of Odoo databases; a Holdfast panel drives it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; for TLS put a reverse proxy before it.
    #[arg(long, env = "BACKUP_LISTEN", default_value = "127.0.0.1:8072")]
    listen: SocketAddr,
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rustic_core=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
    let server = BackupServer::start(arguments.config).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    println!("{}", server.token_notice());
    server.serve(listener).await?;
    Ok(())
}
