//! The action log: who did what, to which subscription, and how it ended. Rows are only ever added.

use uuid::Uuid;

use super::{ActionEntry, ActionOutcome, ActionPage, LOG_PAGE_ROWS};
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{Tx, anywhere, millis, moment, number, query},
    },
    subscriptions::SubscriptionId,
    users::User,
};

/// Who an act is by when nobody asked for it.
pub const HOLDFAST: &str = "Holdfast";

/// Something that was done, to be written down.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    who: &'a str,
    user: Option<Uuid>,
    what: String,
    subscription: Option<(SubscriptionId, &'a str)>,
    outcome: ActionOutcome,
}

impl<'a> Entry<'a> {
    /// Done by a person.
    pub fn by(user: &'a User, what: impl Into<String>) -> Self {
        Self::by_name(&user.name, Some(user.id), what)
    }

    /// Done by a person whose account may be gone by now.
    pub fn by_name(who: &'a str, user: Option<Uuid>, what: impl Into<String>) -> Self {
        Self { who, user, what: what.into(), subscription: None, outcome: ActionOutcome::Done }
    }

    /// Done by the panel itself.
    pub fn by_holdfast(what: impl Into<String>) -> Self {
        Self::by_name(HOLDFAST, None, what)
    }

    /// It was about this subscription.
    #[must_use]
    pub const fn about(mut self, id: SubscriptionId, name: &'a str) -> Self {
        self.subscription = Some((id, name));
        self
    }

    /// It has only begun.
    #[must_use]
    pub const fn started(mut self) -> Self {
        self.outcome = ActionOutcome::Started;
        self
    }

    /// It did not work or was refused.
    #[must_use]
    pub const fn failed(mut self) -> Self {
        self.outcome = ActionOutcome::Failed;
        self
    }
}

/// Writes an entry, in the transaction of what it tells about.
pub async fn write(panel: &Panel, tx: &mut Tx, entry: Entry<'_>) -> AppResult<()> {
    let name = entry.subscription.map(|(_, name)| name);
    let search = [entry.who, &entry.what, name.unwrap_or_default()].join("\n").to_lowercase();
    query!(
        tx,
        execute,
        "INSERT INTO actions (id, at, who, user_id, what, subscription_id, subscription_name, outcome, search_text)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        panel.id(),
        millis(panel.clock.now()),
        entry.who,
        entry.user,
        &entry.what,
        entry.subscription.map(|(id, _)| id.0),
        name,
        entry.outcome.as_str(),
        search
    )?;
    Ok(())
}

/// Writes an entry that stands alone.
pub async fn note(panel: &Panel, entry: Entry<'_>) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    write(panel, &mut tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    at: i64,
    who: String,
    what: String,
    subscription_name: Option<String>,
    subscription_id: Option<Uuid>,
    outcome: String,
}

/// One page, the newest first.
pub async fn list(
    panel: &Panel,
    search: &str,
    subscription: Option<SubscriptionId>,
    page: u32,
) -> AppResult<ActionPage> {
    let (pattern, subscription) = (anywhere(search), subscription.map(|id| id.0));
    let (matching,): (i64,) = query!(
        panel.db,
        fetch_one,
        "SELECT COUNT(*) FROM actions
         WHERE search_text LIKE $1 ESCAPE '\\' AND ($2 IS NULL OR subscription_id = $2)",
        &pattern,
        subscription
    )?;
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        "SELECT a.at, a.who, a.what, a.subscription_name, s.id AS subscription_id, a.outcome
         FROM actions a LEFT JOIN subscriptions s ON s.id = a.subscription_id
         WHERE a.search_text LIKE $1 ESCAPE '\\' AND ($2 IS NULL OR a.subscription_id = $2)
         ORDER BY a.at DESC, a.id DESC LIMIT $3 OFFSET $4",
        &pattern,
        subscription,
        i64::from(LOG_PAGE_ROWS),
        i64::from(page) * i64::from(LOG_PAGE_ROWS)
    )?;
    let entries = rows.into_iter().map(Row::into_entry).collect();
    Ok(ActionPage { entries, matching: number(matching), as_of: panel.clock.now() })
}

impl Row {
    fn into_entry(self) -> ActionEntry {
        ActionEntry {
            at: moment(self.at),
            who: self.who,
            what: self.what,
            subscription_name: self.subscription_name,
            subscription: self.subscription_id.map(SubscriptionId),
            outcome: ActionOutcome::parse(&self.outcome).unwrap_or(ActionOutcome::Done),
        }
    }
}
