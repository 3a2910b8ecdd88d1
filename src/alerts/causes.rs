//! What is wrong at the moment: one row a cause, so that each is told once, again after the repeat interval, and once
//! more when it is over, whatever the number of panels.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Event, Rules,
    judge::Level,
    news::{self, News},
};
use crate::{
    error::AppResult,
    names::names,
    server::{
        Panel,
        db::{Tx, millis, moment, query},
    },
};

/// Kinds of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The newest good backup of a subscription is too old.
    State,
    /// Its last backup failed.
    Failed,
    /// Its last backup is suspiciously small.
    Small,
    /// What is stored of it is damaged.
    Damage,
    /// The storage of a backup server is low.
    Storage,
}

names!(Kind { State: "state", Failed: "failed", Small: "small", Damage: "damage", Storage: "storage" });

impl Kind {
    /// What is told of such a cause on a `level`.
    pub fn event(self, level: &str) -> Event {
        match self {
            Self::State if Level::parse(level) == Some(Level::Warning) => Event::StateWarning,
            Self::State => Event::StateDanger,
            Self::Failed => Event::BackupFailed,
            Self::Small => Event::SmallBackup,
            Self::Damage => Event::DamageFound,
            Self::Storage => Event::StorageLow,
        }
    }
}

/// A cause that is over.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    /// When it began.
    pub since: DateTime<Utc>,
    /// Whether anybody was told.
    pub told: bool,
}

/// Writes down that something is wrong. It is told when that is new or, by another `level`, worse.
pub async fn wrong(panel: &Panel, tx: &mut Tx, kind: Kind, level: &str, mut news: News) -> AppResult<()> {
    let now = panel.clock.now();
    let subscription = news.subscription.as_ref().map(|whose| whose.id);
    let server = news.server.as_ref().map(|server| server.id);
    let Some(subject) = subscription.or(server) else { return Ok(()) };
    news.since = Some(now);
    let is_new = query!(
        tx,
        execute,
        "INSERT INTO alert_causes (kind, subject, subscription_id, server_id, level, news, since)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, subject) DO NOTHING",
        kind.as_str(),
        subject,
        subscription,
        if subscription.is_some() { None } else { server },
        level,
        news.written()?,
        millis(now)
    )? == 1;
    if is_new || worsened(tx, kind, subject, level, &mut news).await? {
        tell(panel, tx, kind, subject, &news).await?;
    }
    Ok(())
}

/// Keeps the latest of a known cause; whether it is on another level now.
async fn worsened(tx: &mut Tx, kind: Kind, subject: Uuid, level: &str, news: &mut News) -> AppResult<bool> {
    let known: Option<(i64,)> = query!(
        tx,
        fetch_optional,
        "SELECT since FROM alert_causes WHERE kind = $1 AND subject = $2",
        kind.as_str(),
        subject
    )?;
    let Some((since,)) = known else { return Ok(false) };
    news.since = Some(moment(since));
    let worse = query!(
        tx,
        execute,
        "UPDATE alert_causes SET level = $3 WHERE kind = $1 AND subject = $2 AND level <> $3",
        kind.as_str(),
        subject,
        level
    )?;
    query!(
        tx,
        execute,
        "UPDATE alert_causes SET news = $3 WHERE kind = $1 AND subject = $2",
        kind.as_str(),
        subject,
        news.written()?
    )?;
    Ok(worse == 1)
}

async fn tell(panel: &Panel, tx: &mut Tx, kind: Kind, subject: Uuid, news: &News) -> AppResult<()> {
    if news::raise(panel, tx, news).await? {
        query!(
            tx,
            execute,
            "UPDATE alert_causes SET told_at = $3 WHERE kind = $1 AND subject = $2",
            kind.as_str(),
            subject,
            millis(panel.clock.now())
        )?;
    }
    Ok(())
}

/// Writes down that something is wrong no longer; `None` when it was not.
pub async fn over(tx: &mut Tx, kind: Kind, subject: Uuid) -> AppResult<Option<Over>> {
    let row: Option<(i64, Option<i64>)> = query!(
        tx,
        fetch_optional,
        "DELETE FROM alert_causes WHERE kind = $1 AND subject = $2 RETURNING since, told_at",
        kind.as_str(),
        subject
    )?;
    Ok(row.map(|(since, told)| Over { since: moment(since), told: told.is_some() }))
}

/// Ends without a word what is right or wrong no longer because nobody looks after it any more: causes of subscriptions
/// that have no backup server, and those of figures that are switched off.
pub async fn end_unwatched(panel: &Panel, rules: &Rules) -> AppResult<()> {
    let unwatched: Vec<(String, Uuid)> = query!(
        panel.db,
        fetch_all,
        "SELECT c.kind, c.subject FROM alert_causes c
         WHERE EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = c.subscription_id AND s.server_id IS NULL)
            OR (c.kind = 'storage' AND $1) OR (c.kind = 'small' AND $2)
         ORDER BY c.kind, c.subject",
        rules.low_space_percent == 0,
        rules.small_percent == 0
    )?;
    if unwatched.is_empty() {
        return Ok(());
    }
    let mut tx = panel.db.begin().await?;
    for (kind, subject) in unwatched {
        query!(tx, execute, "DELETE FROM alert_causes WHERE kind = $1 AND subject = $2", &kind, subject)?;
        if Kind::parse(&kind) == Some(Kind::Damage) {
            // Should it be backed up again, what its server found is asked at once, not hours later.
            query!(tx, execute, "DELETE FROM verification_looks WHERE subscription_id = $1", subject)?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// A cause that was told long ago, or to nobody yet.
#[derive(Clone, Debug, sqlx_macros::FromRow)]
pub struct Lasting {
    kind: String,
    subject: Uuid,
    news: String,
    told_at: Option<i64>,
}

/// Causes that were last told before `before` (never, if that is `None`), or to nobody yet, and that somebody may hear of;
/// what a silent server said last is no news.
pub async fn lasting(panel: &Panel, before: Option<DateTime<Utc>>) -> AppResult<Vec<Lasting>> {
    Ok(query!(
        panel.db,
        fetch_all,
        "SELECT c.kind, c.subject, c.news, c.told_at FROM alert_causes c
         WHERE (c.told_at IS NULL OR c.told_at <= $1)
           AND EXISTS (SELECT 1 FROM alert_channels WHERE enabled AND pings IS NULL)
           AND NOT EXISTS (SELECT 1 FROM subscription_alerts o
                           WHERE o.subscription_id = c.subscription_id AND o.mode = 'off')
           AND NOT EXISTS (SELECT 1 FROM backup_servers v WHERE v.id = c.server_id AND NOT v.reachable)
         ORDER BY c.kind, c.subject",
        before.map(millis)
    )?)
}

impl Lasting {
    /// What is told of it.
    pub fn news(&self) -> AppResult<News> {
        Ok(News { repeated: self.told_at.is_some(), ..News::read(&self.news)? })
    }

    /// Tells it again, unless another panel just did.
    pub async fn tell_again(&self, panel: &Panel, tx: &mut Tx, news: &News) -> AppResult<()> {
        let claimed = query!(
            tx,
            execute,
            "UPDATE alert_causes SET told_at = $4 WHERE kind = $1 AND subject = $2
               AND COALESCE(told_at, -1) = COALESCE($3, -1)",
            &self.kind,
            self.subject,
            self.told_at,
            millis(panel.clock.now())
        )?;
        if claimed == 1 && !news::raise(panel, tx, news).await? {
            query!(
                tx,
                execute,
                "UPDATE alert_causes SET told_at = $3 WHERE kind = $1 AND subject = $2",
                &self.kind,
                self.subject,
                self.told_at
            )?;
        }
        Ok(())
    }
}
