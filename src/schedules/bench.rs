//! `holdfast bench-schedules`: how long it takes to find what is due among all subscriptions and to write its runs down.

use std::time::Instant;

use super::{Schedule, due, store};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{On, query},
    },
    subscriptions::SubscriptionId,
};

/// How often to measure.
#[derive(Debug, clap::Args)]
pub struct BenchSchedules {
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Fail when what is due in one minute of the spread takes more milliseconds than this.
    #[arg(long)]
    limit_ms: Option<u64>,
}

impl BenchSchedules {
    /// Gives every subscription the usual schedule, measures and prints.
    pub async fn run(self, panel: &Panel) -> AppResult<()> {
        let count = schedule_all(panel).await?;
        let database = match panel.db.on() {
            On::Sqlite(_) => "SQLite",
            On::Postgres(_) => "PostgreSQL",
        };
        // A minute of the spread, and everything at once as after a night without the panel.
        let (minute, all) = (self.measure(panel, 60_000).await?, self.measure(panel, 3_600_000).await?);
        for (what, (due, millis)) in [("a minute's runs", minute), ("all of them", all)] {
            println!(
                "due among {count} schedules, {database}, {what} ({due}): at most {millis:.1} ms of {} rounds",
                self.rounds
            );
        }
        let Some(limit) = self.limit_ms else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "a limit in milliseconds is small")]
        let met = minute.1 <= limit as f64;
        // In the form that `make bench` gathers.
        let verdict = if met { "met" } else { "MISSED" };
        println!("{verdict:<6} finding a minute's runs, at most, in ms: {:.1} (aim <= {limit})", minute.1);
        if met {
            return Ok(());
        }
        Err(AppError::Conflict(format!("Finding a minute's runs takes longer than the limit of {limit} ms.")))
    }

    /// Makes those due whose minute is within `window` milliseconds of the hour; gives how many and the longest time.
    async fn measure(&self, panel: &Panel, window: i64) -> AppResult<(u64, f64)> {
        let (mut found, mut longest) = (0, 0.0_f64);
        for _ in 0..self.rounds.max(1) {
            let mut tx = panel.db.begin().await?;
            query!(tx, execute, "DELETE FROM scheduled_runs")?;
            query!(
                tx,
                execute,
                "UPDATE schedules SET next_slot = next_slot - 86400000, due_at = due_at - 86400000
                 WHERE due_at - next_slot < $1",
                window
            )?;
            tx.commit().await?;
            let began = Instant::now();
            found = due::enqueue(panel).await?;
            longest = longest.max(began.elapsed().as_secs_f64() * 1000.0);
        }
        Ok((found, longest))
    }
}

async fn schedule_all(panel: &Panel) -> AppResult<usize> {
    let mut tx = panel.db.begin().await?;
    let all: Vec<(uuid::Uuid,)> = query!(tx, fetch_all, "SELECT id FROM subscriptions WHERE server_id IS NOT NULL")?;
    for (id,) in &all {
        store::save(panel, &mut tx, SubscriptionId(*id), &Schedule::default(), chrono_tz::Tz::Europe__Berlin).await?;
    }
    tx.commit().await?;
    Ok(all.len())
}
