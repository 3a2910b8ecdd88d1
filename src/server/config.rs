//! Settings, from flags or the environment.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use backup_api::Secret;
use backup_server::sources::AddressPolicy;
use leptos::config::LeptosOptions;
use url::Url;

/// A shorter metrics token could be guessed.
const METRICS_TOKEN_MIN: usize = 16;

/// How the panel is set up.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Address to listen on; for TLS put a reverse proxy before it.
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "127.0.0.1:8070", global = true)]
    pub listen: SocketAddr,
    /// Folder for the panel's database, its key file and the embedded backup server.
    #[arg(long, env = "HOLDFAST_DATA", default_value = "./data", global = true)]
    pub data: PathBuf,
    /// A PostgreSQL database (`postgres://…`) instead of the SQLite file in the data folder.
    #[arg(long, env = "DATABASE_URL", value_parser = postgres_url, hide_env_values = true, global = true)]
    pub database_url: Option<Secret>,
    /// Folder of the pages' files; if it is not there, the folder `site` beside the program.
    #[arg(long, env = "HOLDFAST_SITE", default_value = "target/site", global = true)]
    pub site: PathBuf,
    /// The address that people use, when a reverse proxy changes it: `https://backups.example.com`.
    #[arg(long, env = "HOLDFAST_PUBLIC_URL", global = true)]
    pub public_url: Option<Url>,
    /// A reverse proxy is in front: take the client's address from its `X-Forwarded-For`.
    #[arg(long, env = "HOLDFAST_BEHIND_PROXY", global = true)]
    pub behind_proxy: bool,
    /// The token that `/metrics` asks for, instead of the one in the data folder.
    #[arg(long, env = "HOLDFAST_METRICS_TOKEN", value_parser = metrics_token, hide_env_values = true, global = true)]
    pub metrics_token: Option<Secret>,
    /// Do not run a backup server inside this process.
    #[arg(long, env = "HOLDFAST_NO_EMBEDDED_SERVER", global = true)]
    pub no_embedded_server: bool,
    /// Address ranges that are not public and that the backup server inside this process may fetch files from all the
    /// same, such as 10.0.0.0/8.
    #[arg(long = "allow-url-range", env = "HOLDFAST_ALLOW_URL_RANGES", value_delimiter = ',', global = true)]
    pub allowed_url_ranges: Vec<String>,
    /// Address ranges that are not public and that alerts may be posted to all the same, such as 10.0.0.0/8.
    #[arg(
        long = "allow-webhook-range",
        env = "HOLDFAST_ALLOW_WEBHOOK_RANGES",
        value_delimiter = ',',
        value_parser = address_range,
        global = true
    )]
    pub allowed_webhook_ranges: Vec<String>,
    /// A file of certificates (PEM) that mail servers are trusted by, beside those of the system.
    #[arg(long, env = "HOLDFAST_MAIL_CA", global = true)]
    pub mail_ca: Option<PathBuf>,
    /// How long sending an alert may take, to all of its recipients together; then it goes on at the next try.
    #[arg(skip = DELIVERY_LIMIT)]
    pub delivery_limit: Duration,
}

const DELIVERY_LIMIT: Duration = Duration::from_mins(4);

impl Config {
    /// The defaults, on a free port, with everything kept in `data`.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: data.into(),
            database_url: None,
            site: "target/site".into(),
            public_url: None,
            behind_proxy: false,
            metrics_token: None,
            no_embedded_server: false,
            allowed_url_ranges: Vec::new(),
            allowed_webhook_ranges: Vec::new(),
            mail_ca: None,
            delivery_limit: DELIVERY_LIMIT,
        }
    }

    /// What Leptos needs to know; from here, so that the program runs without cargo-leptos' environment.
    pub fn leptos_options(&self, listen: SocketAddr) -> LeptosOptions {
        let beside = beside_program("hash.txt").is_some_and(|file| file.is_file());
        LeptosOptions::builder()
            .output_name("holdfast")
            .site_root(self.site_folder().to_string_lossy().into_owned())
            .site_pkg_dir("pkg")
            .site_addr(listen)
            .env(leptos::config::Env::PROD)
            .hash_files(beside)
            .build()
    }

    /// The folder of the pages' files.
    pub fn site_folder(&self) -> PathBuf {
        if self.site.is_dir() {
            return self.site.clone();
        }
        beside_program("site").filter(|folder| folder.is_dir()).unwrap_or_else(|| self.site.clone())
    }

    /// The address to open in a browser.
    pub fn address(&self, listen: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", reachable(listen)),
        }
    }
}

/// An address that a local client can connect to: “every address” is replaced by this machine's.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(if listen.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

fn beside_program(name: &str) -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().map(|folder: &Path| folder.join(name))
}

fn address_range(text: &str) -> Result<String, backup_server::sources::InvalidRange> {
    AddressPolicy::public_only(&[text.to_owned()])?;
    Ok(text.to_owned())
}

fn postgres_url(text: &str) -> Result<Secret, String> {
    if super::db::is_postgres_url(text) {
        return Ok(Secret::new(text));
    }
    Err("only postgres://user:password@host/database is supported; leave it out to use SQLite".to_owned())
}

fn metrics_token(text: &str) -> Result<Secret, String> {
    if text.trim().len() < METRICS_TOKEN_MIN {
        return Err(format!("the metrics token needs at least {METRICS_TOKEN_MIN} characters"));
    }
    Ok(Secret::new(text.trim()))
}
