//! `holdfast bench-list`: how long the server takes to answer the list of subscriptions, over a spread of queries.

use std::time::{Duration, Instant};

use super::Panel;
use crate::{
    error::AppResult,
    subscriptions::{BackupState, ListQuery, SortColumn, list},
};

const SEARCHES: [&str; 5] = ["", "hotel", "customer-04", "seeded server 3", "nothing is called so"];
const SORTS: [SortColumn; 8] = [
    SortColumn::Name,
    SortColumn::Database,
    SortColumn::OdooVersion,
    SortColumn::Server,
    SortColumn::State,
    SortColumn::LatestBackup,
    SortColumn::Count,
    SortColumn::Size,
];

/// How often to measure.
#[derive(Debug, clap::Args)]
pub struct BenchList {
    /// Rounds over all queries.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Fail when the 95th percentile is above so many milliseconds.
    #[arg(long)]
    limit_ms: Option<u64>,
}

impl BenchList {
    /// Measures and prints.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let queries = queries();
        let mut times = Vec::new();
        let mut subscriptions = 0;
        for _ in 0..self.rounds.max(1) {
            for query in &queries {
                let began = Instant::now();
                let page = list::page(panel, query).await?;
                times.push(began.elapsed());
                subscriptions = subscriptions.max(page.counts.all());
            }
        }
        judge(panel, "list_subscriptions", "the list", subscriptions, times, self.limit_ms)
    }
}

/// Prints what was measured and, when there is a limit, whether its 95th percentile is within it; else that is a failure.
pub fn judge(
    panel: &Panel,
    what: &str,
    whose: &str,
    subscriptions: u64,
    mut times: Vec<Duration>,
    limit_ms: Option<u64>,
) -> AppResult<()> {
    times.sort_unstable();
    let database = match panel.db.on() {
        super::db::On::Sqlite(_) => "SQLite",
        super::db::On::Postgres(_) => "PostgreSQL",
    };
    let last = times.len().saturating_sub(1);
    let at = |percent: usize| times.get((times.len() * percent / 100).min(last)).copied().unwrap_or_default();
    println!(
        "{what}, {database}, {subscriptions} subscriptions, {} queries: p50 {:.1} ms, p95 {:.1} ms, max {:.1} ms",
        times.len(),
        millis(at(50)),
        millis(at(95)),
        millis(at(100))
    );
    let Some(limit) = limit_ms else { return Ok(()) };
    let met = at(95) <= Duration::from_millis(limit);
    // In the form that `make bench` gathers.
    println!(
        "{:<6} {whose}'s 95th percentile in ms: {:.2} (aim <= {limit})",
        if met { "met" } else { "MISSED" },
        millis(at(95))
    );
    if met {
        return Ok(());
    }
    Err(crate::error::AppError::Conflict(format!("The 95th percentile is above the limit of {limit} ms.")))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn queries() -> Vec<ListQuery> {
    let states = [None, Some(BackupState::Danger)];
    let mut queries = Vec::new();
    for search in SEARCHES {
        for state in states {
            for sort in SORTS {
                for (descending, page) in [(false, 0), (true, 3)] {
                    queries.push(ListQuery { search: search.to_owned(), state, sort, descending, page });
                }
            }
        }
    }
    queries
}
