//! The log: to standard error, `RUST_LOG` decides how much.

use tracing_subscriber::EnvFilter;

/// Starts logging; calling it again does nothing.
pub fn start() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,rustic_core=warn"));
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init());
}
