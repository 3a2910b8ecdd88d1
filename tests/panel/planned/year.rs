//! A year of 1,000 subscriptions on a clock of its own: no slot lost, none twice, what is kept exactly as the rule says,
//! and every state. The runs are written down by the panel on a real database; the backups themselves are made up.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use backup_api::BackupFormat;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use holdfast::{
    retention::policy::{Candidate, apply},
    schedules::{Repeats, Schedule, Weekday as Day, due, plan::Plan, store},
    server::{Clock, Config, Panel, Randomness},
    subscriptions::{BackupState, Retention, SubscriptionId, states},
};
use sqlx::SqlitePool;
use uuid::Uuid;

use super::{at, cron, daily};

const SUBSCRIPTIONS: u128 = 1000;
const ZONES: [Tz; 5] =
    [Tz::UTC, Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Kolkata, Tz::Australia__Lord_Howe];
/// When the panel is down: a night, and three days over the change of clocks.
const DOWN: [(&str, &str); 2] =
    [("2028-02-10T00:00:00Z", "2028-02-10T09:00:00Z"), ("2028-03-25T12:00:00Z", "2028-03-28T15:00:00Z")];

/// When the backups of every tenth subscription fail, for nine days.
const FAILING: (&str, &str) = ("2028-05-01T00:00:00Z", "2028-05-10T00:00:00Z");
/// States are looked at so often: at another hour of each day, and often exactly a day or five after a backup.
const LOOK_HOURS: i64 = 23;

/// A subscription as this test knows it.
struct Known {
    id: SubscriptionId,
    zone: Tz,
    schedule: Schedule,
    runs: Vec<DateTime<Utc>>,
    latest: Option<DateTime<Utc>>,
    fails: bool,
    backups: Vec<Candidate>,
}

fn known(number: u128) -> Known {
    // The spread goes by an id's last bits.
    let id = SubscriptionId(Uuid::from_u128(
        number << 64 | number.wrapping_mul(0x9E37_79B9_7F4A_7C15) & u128::from(u64::MAX),
    ));
    let schedule = match number % 10 {
        7 => Schedule { repeats: Repeats::Weekly, weekday: Day::Sunday, ..daily("02:30") },
        8 => daily("02:15, 14:15"),
        9 => cron("30 1 * * mon-fri"),
        _ => Schedule { spread_minutes: 60, ..daily("02:00") },
    };
    Known {
        id,
        zone: ZONES[usize::try_from(number % 5).unwrap()],
        schedule,
        runs: Vec::new(),
        latest: None,
        fails: number % 10 == 3,
        backups: Vec::new(),
    }
}

impl Known {
    /// Every slot between two moments, worked out day by day.
    fn slots(&self, begin: DateTime<Utc>, end: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
        let times: Vec<NaiveTime> = match self.schedule.repeats {
            Repeats::Cron => vec![NaiveTime::from_hms_opt(1, 30, 0).unwrap()],
            _ => self.schedule.times.split(", ").map(|time| format!("{time}:00").parse().unwrap()).collect(),
        };
        let on = |day: NaiveDate| match self.schedule.repeats {
            Repeats::Daily => true,
            Repeats::Weekly => day.weekday() == Weekday::Sun,
            Repeats::Cron => !matches!(day.weekday(), Weekday::Sat | Weekday::Sun),
        };
        let days = (begin.date_naive() - TimeDelta::days(2))
            .iter_days()
            .take_while(|day| *day <= end.date_naive() + TimeDelta::days(2));
        let slots = days.filter(|day| on(*day)).flat_map(|day| times.iter().map(move |time| day.and_time(*time)));
        let slots = slots.map(|mut local| {
            loop {
                match self.zone.from_local_datetime(&local).earliest() {
                    Some(at) => return at.to_utc(),
                    None => local += TimeDelta::minutes(1),
                }
            }
        });
        slots.filter(|at| *at > begin && *at <= end).collect()
    }

    /// The slots that must have been run: all of them, but of those that were missed together only the last.
    fn expected(&self, begin: DateTime<Utc>, end: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let plan = Plan::parse(&self.schedule, self.zone).unwrap();
        let offset = plan.next(begin, self.id).map(|slot| slot.due - slot.at).unwrap();
        let mut slots = self.slots(begin - offset, end - offset);
        for (from, to) in DOWN.map(|(from, to)| (at(from), at(to))) {
            let missed: Vec<_> =
                slots.iter().filter(|at| **at + offset > from && **at + offset <= to).copied().collect();
            for lost in missed.iter().rev().skip(1) {
                slots.remove(lost);
            }
        }
        slots.into_iter().collect()
    }

    /// Its state by whole hours, as all moments of this test are.
    fn state(&self, now: DateTime<Utc>) -> BackupState {
        match self.latest.map(|latest| (now - latest).num_hours()) {
            Some(..24) => BackupState::Normal,
            Some(24..=120) => BackupState::Warning,
            _ => BackupState::Danger,
        }
    }

    fn fails_at(&self, now: DateTime<Utc>) -> bool {
        self.fails && now >= at(FAILING.0) && now < at(FAILING.1)
    }

    /// A good backup, after which the rule is applied.
    fn back_up(&mut self, now: DateTime<Utc>) {
        self.latest = Some(now);
        self.backups.push(Candidate::new(now, BackupFormat::Zip, false, self.zone));
        let reasons = apply(Retention::default(), &self.backups);
        let mut reasons = reasons.iter();
        self.backups.retain(|_| reasons.next().is_some_and(|reasons| !reasons.is_empty()));
    }

    /// What there must be after all those backups: the rule in other words, over every backup that was ever made.
    fn must_be_kept(&self, made: &[DateTime<Utc>]) -> BTreeSet<DateTime<Utc>> {
        let policy = Retention::default();
        let local = |at: &DateTime<Utc>| at.with_timezone(&self.zone);
        let last_of = |key: &dyn Fn(&DateTime<Utc>) -> (i32, u32), count: u16| {
            let mut last = BTreeMap::new();
            for at in made {
                last.insert(key(at), *at);
            }
            last.into_values().rev().take(usize::from(count)).collect::<Vec<_>>()
        };
        let mut kept: BTreeSet<DateTime<Utc>> = BTreeSet::new();
        kept.extend(last_of(&|at| (local(at).year(), local(at).ordinal()), policy.daily));
        kept.extend(last_of(&|at| (local(at).iso_week().year(), local(at).iso_week().week()), policy.weekly));
        kept.extend(last_of(&|at| (local(at).year(), local(at).month()), policy.monthly));
        let mut others = made.iter().rev();
        while kept.len() < usize::from(policy.keep_latest).min(made.len()) {
            kept.insert(*others.next().unwrap());
        }
        kept
    }
}

/// A panel on an empty database with all subscriptions, and another way into that database.
async fn panel(folder: &std::path::Path, clock: Clock, all: &[Known]) -> (Panel, SqlitePool) {
    let panel = Panel::open(Config::new(folder), clock, Randomness::of_system()).await.unwrap();
    let file = folder.join("holdfast.sqlite");
    let pool = SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(file)).await.unwrap();
    let server = Uuid::from_u128(1);
    let sql = "INSERT INTO backup_servers (id, name, name_key, url, token, embedded, created_at)
               VALUES ($1, 'Far', 'far', 'http://127.0.0.1:1', x'', FALSE, 0)";
    sqlx::query(sql).bind(server).execute(&pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    for known in all {
        let sql = "INSERT INTO subscriptions (id, name, name_key, database_name, search_text, server_id, repository_id,
                       connection, odoo_url, redacted_postgres_url, filestore, addons, keep_daily, keep_weekly,
                       keep_monthly, keep_latest, created_at, time_zone)
                   VALUES ($1, $2, $2, 'acme', '', $3, $1, 'postgres', '', '', '', '', 7, 2, 1, 7, 0, $4)";
        let row = sqlx::query(sql).bind(known.id.0).bind(known.id.0.to_string()).bind(server);
        row.bind(known.zone.name()).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = panel.db.begin().await.unwrap();
    for known in all {
        store::save(&panel, &mut tx, known.id, &known.schedule, known.zone).await.unwrap();
    }
    tx.commit().await.unwrap();
    (panel, pool)
}

/// The database's states against those worked out here; counts what was seen.
async fn check_states(panel: &Panel, all: &[Known], now: DateTime<Utc>, seen: &mut HashMap<BackupState, u32>) {
    let told: HashMap<Uuid, _> =
        states::at(panel, now).await.unwrap().into_iter().map(|stands| (stands.id.0, stands)).collect();
    assert_eq!(told.len(), all.len());
    for known in all {
        let stands = &told[&known.id.0];
        assert_eq!((stands.state, stands.latest), (known.state(now), known.latest), "{:?} at {now}", known.id);
        *seen.entry(stands.state).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_a_thousand_subscriptions_loses_no_slot_and_repeats_none() {
    let (begin, end) = (at("2028-01-01T00:00:00Z"), at("2029-01-01T00:00:00Z"));
    let mut all: Vec<Known> = (0..SUBSCRIPTIONS).map(known).collect();
    let places: HashMap<Uuid, usize> = all.iter().enumerate().map(|(place, known)| (known.id.0, place)).collect();
    let now = Arc::new(AtomicI64::new(begin.timestamp()));
    let clock = {
        let now = Arc::clone(&now);
        Clock::new(move || DateTime::from_timestamp(now.load(Ordering::SeqCst), 0).unwrap())
    };
    let folder = tempfile::tempdir().unwrap();
    let (panel, pool) = panel(folder.path(), clock, &all).await;
    let mut made: HashMap<usize, Vec<DateTime<Utc>>> = HashMap::new();
    let mut seen = HashMap::new();
    let mut hour = begin;
    while hour <= end {
        now.store(hour.timestamp(), Ordering::SeqCst);
        if !DOWN.iter().any(|(from, to)| hour > at(from) && hour < at(to)) && due::enqueue(&panel).await.unwrap() > 0 {
            let sql =
                "UPDATE scheduled_runs SET state = 'done' WHERE state = 'waiting' RETURNING subscription_id, slot";
            let runs: Vec<(Uuid, i64)> = sqlx::query_as(sql).fetch_all(&pool).await.unwrap();
            let mut tx = pool.begin().await.unwrap();
            for (id, slot) in runs {
                let place = places[&id];
                all[place].runs.push(DateTime::from_timestamp_millis(slot).unwrap());
                if all[place].fails_at(hour) {
                    continue;
                }
                all[place].back_up(hour);
                made.entry(place).or_default().push(hour);
                let sql = "UPDATE subscriptions SET latest_good_at = $2 WHERE id = $1";
                sqlx::query(sql).bind(id).bind(hour.timestamp_millis()).execute(&mut *tx).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
        if (hour - begin).num_hours() % LOOK_HOURS == 0 {
            check_states(&panel, &all, hour, &mut seen).await;
        }
        hour += TimeDelta::hours(1);
    }
    let mut runs = 0;
    for (place, known) in all.iter().enumerate() {
        let expected = known.expected(begin, end);
        let odd = known.runs.iter().zip(&expected).find(|(is, must)| is != must);
        assert_eq!(odd, None, "{place} {:?} {}", known.schedule, known.zone);
        assert_eq!(known.runs.len(), expected.len(), "{place} {:?} {}", known.schedule, known.zone);
        let kept: BTreeSet<DateTime<Utc>> = known.backups.iter().map(|backup| backup.at).collect();
        assert_eq!(kept, known.must_be_kept(&made[&place]), "{place} {:?} {}", known.schedule, known.zone);
        runs += known.runs.len();
    }
    assert!(runs > 300_000, "{runs}");
    // Sundays, the nights without a panel and the failing days make all of them come about, also exactly at the borders.
    for state in [BackupState::Normal, BackupState::Warning, BackupState::Danger] {
        assert!(seen.get(&state).is_some_and(|count| *count > 500), "{seen:?}");
    }
    pool.close().await;
    panel.db.close().await;
}
