//! The space of backup servers over time: one row in three hours whoever asks, thinned when old, and the outlook.

use axum::{Json, Router, extract::State, routing::get};
use backup_api::{ServerInfo, Space};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast::{
    backup_servers::{ServerId, outlook::Outlook, reach},
    dashboard::{ServerSpace, store::overview},
    server::{Panel, Randomness, Running},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    double::Remote,
    stage::{Database, Stage, Turned},
};

on_both_databases!(space_is_written_down_thinned_and_judged);

const TOTAL: u64 = 1_000_000;

/// Its space is written down with this: no other server's.
const ROWS: &str = "SELECT COUNT(*) FROM space_samples WHERE total_bytes = 1000000";

fn begin() -> DateTime<Utc> {
    "2026-10-01T00:00:00Z".parse().unwrap()
}

/// A server on which so many bytes are used.
async fn server(used: &Arc<AtomicU64>) -> Remote {
    async fn info(State(used): State<Arc<AtomicU64>>) -> Json<ServerInfo> {
        let used = used.load(Ordering::SeqCst);
        Json(ServerInfo {
            version: "9.9.9".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            space: Space { total_bytes: TOTAL, free_bytes: TOTAL - used, repositories_bytes: used / 2 },
            repositories: 0,
            pg_dump_versions: Vec::new(),
            running_jobs: 0,
            queued_jobs: 0,
            upload_limit_bytes: 1,
            url_limit_bytes: None,
            peak_memory_bytes: None,
        })
    }
    let router = Router::new().route("/v1/server", get(info)).with_state(Arc::clone(used));
    Remote::of(router, "a-token").await
}

async fn far(panel: &Panel) -> ServerSpace {
    overview(panel, 0).await.unwrap().servers.into_iter().find(|server| server.name == "Far").unwrap()
}

/// Asks as the panel's task does, so long after the beginning.
async fn ask(panel: &Panel, turned: &Turned, id: ServerId, after: TimeDelta) {
    turned.stop_at(begin() + after);
    assert!(reach::ask(panel, id).await.unwrap());
}

async fn space_is_written_down_thinned_and_judged(stage: Stage) {
    stage.turned.stop_at(begin());
    let browser = stage.administrator().await;
    let used = Arc::new(AtomicU64::new(100_000));
    let remote = server(&used).await;
    let id = ServerId(remote.register(&browser, "Far").await.parse().unwrap());
    let (panel, turned) = (&stage.running().panel, &stage.turned);
    for minutes in [0, 1, 179] {
        ask(panel, turned, id, TimeDelta::minutes(minutes)).await;
    }
    assert_eq!(stage.number(ROWS).await, 1, "one in three hours");
    ask(panel, turned, id, TimeDelta::hours(3)).await;
    assert_eq!(stage.number(ROWS).await, 2);
    assert_eq!(far(panel).await.outlook, Outlook::TooEarly);

    // A thousand bytes more every three hours, for forty days.
    for step in 0..=40 * 8_u32 {
        used.store(100_000 + u64::from(step) * 1_000, Ordering::SeqCst);
        ask(panel, turned, id, TimeDelta::hours(3) * i32::try_from(step).unwrap()).await;
    }
    assert_eq!(stage.number(ROWS).await, 5 + 35 * 8 + 1, "of what is older than 35 days, one a day");
    let seen = far(panel).await;
    assert_eq!(seen.samples.len(), 28 * 8 + 1, "four weeks are shown");
    assert_eq!(seen.space.map(|space| space.free_bytes), Some(TOTAL - 420_000));
    assert_eq!(seen.outlook, Outlook::Fills { daily_bytes: 8_000, days: 580_000 / 8_000 });
    // It stays as it is from now on: within weeks, that is no growth any more.
    for day in 41..=65 {
        ask(panel, turned, id, TimeDelta::days(day)).await;
    }
    assert_eq!(far(panel).await.outlook, Outlook::Steady);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_panels_write_each_figure_once() {
    let stage = Stage::new(Database::Postgres).await;
    stage.turned.stop_at(begin());
    let browser = stage.administrator().await;
    let remote = server(&Arc::default()).await;
    let id = ServerId(remote.register(&browser, "Far").await.parse().unwrap());
    let mut config = stage.config.clone();
    config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.no_embedded_server = true;
    let other = Running::start(config, stage.turned.clock(), Randomness::of_system()).await.unwrap();
    for hour in 0..24 {
        stage.turned.stop_at(begin() + TimeDelta::hours(hour));
        let (one, two) = tokio::join!(reach::ask(&stage.running().panel, id), reach::ask(&other.panel, id));
        assert!(one.unwrap() && two.unwrap());
    }
    assert_eq!(stage.number(ROWS).await, 8);
    other.stop().await;
}
