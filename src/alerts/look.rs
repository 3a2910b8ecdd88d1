//! Looks for what goes wrong without anything happening: states that time turned, storage that filled up, causes that
//! last.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    Event, Rules,
    causes::{self, Kind, Over},
    judge::{self, Level, Step},
    news::{self, Named, News, Whose},
    rules,
};
use crate::{
    components::figures,
    error::AppResult,
    server::{
        Panel,
        db::{Tx, millis, moment, number, query},
    },
    subscriptions::Standing,
};

/// What turns in one transaction: others want to write, too.
const BATCH: usize = 200;

/// One look at everything.
pub async fn look(panel: &Panel) -> AppResult<()> {
    let rules = rules::read(panel).await?;
    causes::end_unwatched(panel, &rules).await?;
    states(panel, &rules).await?;
    storage(panel, &rules).await?;
    again(panel, &rules).await
}

#[derive(sqlx_macros::FromRow)]
struct Late {
    id: Uuid,
    name: String,
    database_name: String,
    configured: bool,
    latest_good_at: Option<i64>,
    created_at: i64,
    level: Option<String>,
}

impl Late {
    fn whose(&self) -> Whose {
        Whose { id: self.id, name: self.name.clone(), database: self.database_name.clone() }
    }

    fn step(&self, rules: &Rules, now: DateTime<Utc>) -> Step {
        let standing = Standing { configured: self.configured, latest: self.latest_good_at.map(moment) };
        let told = self.level.as_deref().and_then(Level::parse);
        let patience = TimeDelta::hours(i64::from(rules.patience_hours));
        judge::state_step(&standing, moment(self.created_at), now, patience, told)
    }
}

/// Subscriptions whose newest good backup is over a day old, and those of which that was told.
async fn states(panel: &Panel, rules: &Rules) -> AppResult<()> {
    let now = panel.clock.now();
    let late: Vec<Late> = query!(
        panel.db,
        fetch_all,
        "SELECT s.id, s.name, s.database_name, s.server_id IS NOT NULL AS configured, s.latest_good_at, s.created_at,
                c.level
         FROM subscriptions s LEFT JOIN alert_causes c ON c.kind = 'state' AND c.subject = s.id
         WHERE c.level IS NOT NULL
            OR (s.server_id IS NOT NULL AND COALESCE(s.latest_good_at, s.created_at) <= $1)
         ORDER BY s.id",
        millis(now - TimeDelta::days(1))
    )?;
    let steps = late.iter().map(|late| (late, late.step(rules, now)));
    let steps: Vec<_> = steps.filter(|(_, step)| *step != Step::Nothing).collect();
    for some in steps.chunks(BATCH) {
        let mut tx = panel.db.begin().await?;
        for (late, step) in some {
            take(panel, &mut tx, late, *step).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

async fn take(panel: &Panel, tx: &mut Tx, late: &Late, step: Step) -> AppResult<()> {
    match step {
        Step::Nothing => Ok(()),
        Step::Turned(level) => {
            let news = state_news(level, late.whose(), late.latest_good_at.map(moment), panel.clock.now());
            causes::wrong(panel, tx, Kind::State, level.as_str(), news).await
        }
        Step::Recovered => recovered(panel, tx, late).await,
    }
}

/// Backups that the panel did not make itself, or that are there again, end it too.
async fn recovered(panel: &Panel, tx: &mut Tx, late: &Late) -> AppResult<()> {
    let over = causes::over(tx, Kind::State, late.id).await?;
    let failing = causes::over(tx, Kind::Failed, late.id).await?;
    let told = over.into_iter().chain(failing).filter(|over| over.told).map(|over| over.since).min();
    let Some(since) = told else { return Ok(()) };
    let title = format!("{} is backed up again", late.name);
    let text = "A good backup that is less than a day old is there.".to_owned();
    let news = News { since: Some(since), ..News::of(Event::Recovered, late.whose(), title, text) };
    news::raise(panel, tx, &news).await.map(drop)
}

fn state_news(level: Level, whose: Whose, latest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> News {
    let (event, label) = match level {
        Level::Warning => (Event::StateWarning, "Warning"),
        Level::Danger => (Event::StateDanger, "Danger"),
    };
    let age = latest.map(|latest| figures::duration(figures::seconds_between(latest, now)));
    let title = match &age {
        Some(age) => format!("{label}: {} has had no good backup for {age}", whose.name),
        None => format!("{label}: {} has no good backup", whose.name),
    };
    let text = format!(
        "The newest good backup of the database {} is {}. Look at its operations: whether backups fail, wait, or were \
         never asked for.",
        whose.database,
        age.map_or_else(|| "not there".to_owned(), |age| format!("{age} old")),
    );
    let facts = json!({ "state": level.as_str(), "latest_good_at": latest });
    News { facts, ..News::of(event, whose, title, text) }
}

#[derive(sqlx_macros::FromRow)]
struct Disk {
    id: Uuid,
    name: String,
    free_bytes: i64,
    total_bytes: i64,
    low: bool,
}

/// Storage of servers that answer; what a silent one said last is no news.
async fn storage(panel: &Panel, rules: &Rules) -> AppResult<()> {
    let disks: Vec<Disk> = query!(
        panel.db,
        fetch_all,
        "SELECT v.id, v.name, v.free_bytes, v.total_bytes, c.subject IS NOT NULL AS low
         FROM backup_servers v LEFT JOIN alert_causes c ON c.kind = 'storage' AND c.subject = v.id
         WHERE v.reachable AND v.free_bytes IS NOT NULL AND v.total_bytes IS NOT NULL ORDER BY v.id"
    )?;
    for disk in disks {
        let (free, total) = (number(disk.free_bytes), number(disk.total_bytes));
        let Some(turned_low) = judge::storage_turned(free, total, rules.low_space_percent, disk.low) else { continue };
        let mut tx = panel.db.begin().await?;
        if turned_low {
            causes::wrong(panel, &mut tx, Kind::Storage, "", storage_news(&disk, true, None)).await?;
        } else if let Some(Over { since, told: true }) = causes::over(&mut tx, Kind::Storage, disk.id).await? {
            news::raise(panel, &mut tx, &storage_news(&disk, false, Some(since))).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

fn storage_news(disk: &Disk, low: bool, since: Option<DateTime<Utc>>) -> News {
    let (free, total) = (number(disk.free_bytes), number(disk.total_bytes));
    let percent = 100 - figures::percent(total.saturating_sub(free), total);
    let space = format!("{} of {} are free ({percent} %).", figures::size(free), figures::size(total));
    let (event, title, advice) = if low {
        let advice = " Make room or keep fewer backups: without space, backups fail.";
        (Event::StorageLow, format!("The storage of {} is low", disk.name), advice)
    } else {
        (Event::Recovered, format!("The storage of {} has enough space again", disk.name), "")
    };
    News {
        event,
        title,
        text: format!("{space}{advice}"),
        subscription: None,
        server: Some(Named { id: disk.id, name: disk.name.clone() }),
        facts: json!({ "free_bytes": free, "total_bytes": total }),
        since,
        repeated: false,
    }
}

/// Tells again what lasts, and for the first time what there was nobody to tell of.
async fn again(panel: &Panel, rules: &Rules) -> AppResult<()> {
    let now = panel.clock.now();
    let before = (rules.repeat_hours > 0).then(|| now - TimeDelta::hours(i64::from(rules.repeat_hours)));
    let lasting = causes::lasting(panel, before).await?;
    let lasting: Vec<_> =
        lasting.into_iter().map(|cause| Ok((as_of(cause.news()?, now), cause))).collect::<AppResult<_>>()?;
    let lasting: Vec<_> = lasting.into_iter().filter(|(news, _)| rules.events.contains(&news.event)).collect();
    for some in lasting.chunks(BATCH) {
        let mut tx = panel.db.begin().await?;
        for (news, cause) in some {
            cause.tell_again(panel, &mut tx, news).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// The age in the words of a state is that of today.
fn as_of(news: News, now: DateTime<Utc>) -> News {
    let level = match news.event {
        Event::StateWarning => Level::Warning,
        Event::StateDanger => Level::Danger,
        _ => return news,
    };
    let latest = news.facts["latest_good_at"].as_str().and_then(|at| at.parse().ok());
    match news.subscription {
        Some(whose) => News { since: news.since, repeated: news.repeated, ..state_news(level, whose, latest, now) },
        None => news,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_told_again_has_the_age_of_today() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        let whose = Whose { id: Uuid::nil(), name: "Acme".to_owned(), database: "acme".to_owned() };
        let first = state_news(Level::Danger, whose.clone(), Some(now - TimeDelta::days(6)), now);
        assert_eq!(first.title, "Danger: Acme has had no good backup for 6 d");
        let told = as_of(News { repeated: true, since: Some(now), ..first }, now + TimeDelta::days(2));
        assert_eq!(told.title, "Danger: Acme has had no good backup for 8 d");
        assert_eq!((told.repeated, told.since), (true, Some(now)));
        let never = state_news(Level::Danger, whose, None, now);
        assert_eq!(as_of(never, now).title, "Danger: Acme has no good backup");
    }
}
