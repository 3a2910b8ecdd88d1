//! Start and end of the panel: first everything opens, then it answers; it ends softly, and hard when asked twice.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, ServiceExt, extract::Request, serve::ListenerExt};
use backup_server::BackupServer;
use futures::{FutureExt, future::BoxFuture};
use tokio::{net::TcpListener, signal::unix::SignalKind, task::JoinHandle};
use url::Url;

use super::{Clock, Config, Panel, Randomness, StartError, config::reachable, router};
use crate::{alerts, backup_servers, operations, restores, schedules, users};

/// How long requests and background work may take to end.
const SOFT_END: Duration = Duration::from_secs(10);
/// How many of those seconds the embedded server's jobs may go on.
const JOBS_END_SECONDS: u64 = 5;

/// A panel that answers.
pub struct Running {
    /// Its state.
    pub panel: Panel,
    /// Where it listens.
    pub listen: SocketAddr,
    answering: JoinHandle<std::io::Result<()>>,
    embedded: Option<BackupServer>,
}

impl Running {
    /// Opens everything and begins to answer.
    ///
    /// Boxed, so that this crate alone compiles what a panel does: an `async fn` is compiled where it is awaited.
    pub fn start(config: Config, clock: Clock, randomness: Randomness) -> BoxFuture<'static, Result<Self, StartError>> {
        Self::begin(config, clock, randomness).boxed()
    }

    async fn begin(config: Config, clock: Clock, randomness: Randomness) -> Result<Self, StartError> {
        backup_server::install_tls_provider();
        let listener = TcpListener::bind(config.listen).await?;
        let listen = listener.local_addr()?;
        let panel = Panel::open(config, clock, randomness).await?;
        let embedded = start_embedded(&panel, listen).await?;
        let routes = embedded.as_ref().map(BackupServer::router);
        let options = panel.config.leptos_options(listen);
        let answering = tokio::spawn(answer(listener, router::build(&panel, options, routes), panel.clone()));
        backup_servers::reach::start(&panel);
        operations::follow::resume(&panel).await?;
        restores::settle::start(&panel);
        schedules::scheduler::start(&panel);
        alerts::worker::start(&panel);
        Ok(Self { panel, listen, answering, embedded })
    }

    /// The address to open in a browser.
    pub fn address(&self) -> String {
        self.panel.config.address(self.listen)
    }

    /// Ends softly: no new requests, open ones and background work may end; what goes on longer is cut off.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        self.end().boxed()
    }

    async fn end(mut self) {
        self.panel.stop.cancel();
        self.panel.tasks.close();
        let panel = self.panel.clone();
        let embedded = self.embedded.take();
        let soft = async {
            if let Some(embedded) = embedded {
                embedded.shutdown().await;
            }
            drop((&mut self.answering).await);
            panel.tasks.wait().await;
        };
        if tokio::time::timeout(SOFT_END, soft).await.is_err() {
            tracing::warn!("Some requests did not end in time and were cut off");
            self.answering.abort();
        }
        self.panel.db.close().await;
    }
}

/// Serves until the process is asked to end.
pub async fn serve(config: Config) -> Result<(), StartError> {
    super::telemetry::start();
    let running = Running::start(config, Clock::default(), Randomness::of_system()).await?;
    println!("Holdfast is at {}", running.address());
    if let Some(token) = users::set_up::fresh_link(&running.panel).await? {
        println!("Create the first administrator here (works once, for 24 hours):");
        println!("{}/set-up/{token}", running.address());
    }
    asked_to_end().await?;
    tracing::info!("Ending; ask again to end at once");
    tokio::select! {
        () = running.stop() => Ok(()),
        again = asked_to_end() => again.map_err(Into::into),
    }
}

async fn asked_to_end() -> std::io::Result<()> {
    let mut term = tokio::signal::unix::signal(SignalKind::terminate())?;
    tokio::select! {
        _ = term.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

/// Starts the backup server of this process and registers it as “This machine”.
async fn start_embedded(panel: &Panel, listen: SocketAddr) -> Result<Option<BackupServer>, StartError> {
    if panel.config.no_embedded_server {
        return Ok(None);
    }
    let mut config = backup_server::Config::new(panel.config.data.join("backup-server"));
    config.clock = panel.clock.clone();
    config.grace_seconds = JOBS_END_SECONDS;
    // Both answer at one address.
    config.panel = Some("/subscriptions".to_owned());
    config.allowed_url_ranges.clone_from(&panel.config.allowed_url_ranges);
    let server = BackupServer::start(config).await?;
    let url = Url::parse(&format!("http://{}/this-machine", reachable(listen))).map_err(std::io::Error::other)?;
    panel.clients.set_embedded(url, server.token());
    backup_servers::store::register_embedded(panel).await?;
    Ok(Some(server))
}

async fn answer(listener: TcpListener, router: Router, panel: Panel) -> std::io::Result<()> {
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(router);
    // Small answers and events go out at once.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(listener, service).with_graceful_shutdown(panel.stop.clone().cancelled_owned()).await
}
