//! `holdfast bench-dashboard`: how long the server takes to answer the overview, and a subscription's last weeks.

use std::time::Instant;

use uuid::Uuid;

use super::store;
use crate::{
    error::AppResult,
    history,
    server::{Panel, bench::judge, db::query},
    subscriptions::SubscriptionId,
};

/// Pages of the overview that are asked for.
const PAGES: [u32; 5] = [0, 1, 5, 50, 400];

/// How often to measure.
#[derive(Debug, clap::Args)]
pub struct BenchDashboard {
    /// Rounds over all pages.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Fail when the overview's 95th percentile is above so many milliseconds.
    #[arg(long)]
    limit_ms: Option<u64>,
}

impl BenchDashboard {
    /// Measures and prints.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let (mut times, mut subscriptions) = (Vec::new(), 0);
        for _ in 0..self.rounds.max(1) {
            for page in PAGES {
                let began = Instant::now();
                let overview = store::overview(panel, page).await?;
                times.push(began.elapsed());
                subscriptions = overview.counts.all();
            }
        }
        let some: Vec<(Uuid,)> =
            query!(panel.db, fetch_all, "SELECT id FROM subscriptions ORDER BY latest_bytes DESC LIMIT 50")?;
        let mut histories = Vec::new();
        for (id,) in some {
            let began = Instant::now();
            history::store::of(panel, SubscriptionId(id)).await?;
            histories.push(began.elapsed());
        }
        judge(panel, "get_history", "a subscription's last weeks", subscriptions, histories, self.limit_ms)?;
        judge(panel, "get_overview", "the overview", subscriptions, times, self.limit_ms)
    }
}
