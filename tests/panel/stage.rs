//! A panel that a test starts, stops and starts again, with a clock that it can turn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::SystemTime,
};

use backup_api::Secret;
use chrono::{DateTime, TimeDelta, Utc};
use holdfast::{
    server::{Clock, Config, Randomness, Running},
    users::{Role, people},
};
use tempfile::TempDir;
use testbed::{Cluster, TinyDatabase};

use crate::browser::Browser;

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery";

/// Which database the panel uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A panel with its folder, its clock and its database.
pub struct Stage {
    pub config: Config,
    pub turned: Turned,
    running: Option<Running>,
    _folder: TempDir,
}

/// A clock that is the system's, moved by what the test says, or stopped.
#[derive(Clone, Default)]
pub struct Turned {
    moved: Arc<AtomicI64>,
    stopped: Arc<AtomicI64>,
}

impl Turned {
    pub fn forward(&self, by: TimeDelta) {
        self.moved.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }

    pub fn stop_at(&self, at: DateTime<Utc>) {
        self.stopped.store(at.timestamp_millis(), Ordering::SeqCst);
    }

    pub fn now(&self) -> DateTime<Utc> {
        match self.stopped.load(Ordering::SeqCst) {
            0 => DateTime::from(SystemTime::now()) + TimeDelta::milliseconds(self.moved.load(Ordering::SeqCst)),
            at => DateTime::from_timestamp_millis(at).unwrap(),
        }
    }

    pub fn clock(&self) -> Clock {
        let turned = self.clone();
        Clock::new(move || turned.now())
    }
}

impl Stage {
    /// A panel that answers, without anybody in it.
    pub async fn new(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(folder.path().join("data"));
        if database == Database::Postgres {
            let name = unique("panel");
            Cluster::shared().create_database(&name, None).unwrap();
            config.database_url = Some(Secret::new(format!("{}{name}", Cluster::shared().url())));
        }
        let mut stage = Self { config, turned: Turned::default(), running: None, _folder: folder };
        stage.start().await;
        stage
    }

    pub async fn start(&mut self) {
        let started = Running::start(self.config.clone(), self.turned.clock(), Randomness::of_system());
        let running = started.await.unwrap();
        // The next start answers at the same address.
        self.config.listen = running.listen;
        self.running = Some(running);
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn url(&self) -> String {
        self.running().address()
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.url())
    }

    /// A browser in which somebody new with this role is signed in.
    pub async fn signed_in(&self, role: Role) -> Browser {
        let email = format!("{}@example.com", unique(role.as_str()));
        people::add(&self.running().panel, "Ada Example", &email, role, Secret::new(PASSWORD)).await.unwrap();
        let browser = self.browser();
        browser.sign_in(&email, PASSWORD).await.unwrap();
        browser
    }

    pub async fn administrator(&self) -> Browser {
        self.signed_in(Role::Administrator).await
    }

    /// Runs SQL on the panel's database from outside; for what the panel itself would never do.
    pub async fn sql(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        if let Some(url) = &self.config.database_url {
            let pool = sqlx::PgPool::connect(url.reveal()).await?;
            let done = sqlx::query(sql).execute(&pool).await.map(drop);
            pool.close().await;
            return done;
        }
        let file = self.config.data.join("holdfast.sqlite");
        let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(file)).await?;
        let done = sqlx::query(sql).execute(&pool).await.map(drop);
        pool.close().await;
        done
    }

    /// Asks the panel's database for one number from outside.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let (number,): (i64,) = if let Some(url) = &self.config.database_url {
            let pool = sqlx::PgPool::connect(url.reveal()).await.unwrap();
            sqlx::query_as(sql).fetch_one(&pool).await.unwrap()
        } else {
            let file = self.config.data.join("holdfast.sqlite");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            sqlx::query_as(sql).fetch_one(&pool).await.unwrap()
        };
        number
    }
}

/// A name that no other test of this process has.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst))
}

/// A real Odoo database in the test's PostgreSQL.
pub fn odoo_database() -> TinyDatabase {
    let cluster = Cluster::shared();
    testbed::restore_fixture(cluster, &unique("tiny"), &cluster.data_dir()).unwrap()
}
