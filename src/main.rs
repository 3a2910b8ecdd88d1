//! The panel's program; what it does is in [`holdfast::server::commands`].

use std::process::ExitCode;

use clap::Parser;
use holdfast::server::commands::{Arguments, run};

/// Gives freed memory back: see `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
