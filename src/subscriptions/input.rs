//! What the form of a subscription sends: checked, tested, stored; and its end.

use backup_api::{DatabaseName, RepositoryId, SourceReport};

use super::{
    MOST_KEPT, Retention, SubscriptionId, SubscriptionInput,
    connection::Stored,
    store::{self, Row, Values},
};
use crate::{
    backup_servers::{ServerId, clients},
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    schedules::{
        self, Schedule,
        plan::{self, Plan},
    },
    server::{Panel, db::Tx},
    users::User,
};

const MAX_CHARS: usize = 200;

/// Stores the form.
pub async fn save(panel: &Panel, user: &User, input: SubscriptionInput) -> AppResult<SubscriptionId> {
    let before = match input.id {
        Some(id) => Some(store::find(panel, id).await?),
        None => None,
    };
    let id = input.id.unwrap_or_else(|| SubscriptionId(panel.id()));
    let mut values = check(panel, id, &input, before.as_ref())?;
    let schedule = schedule(&input)?;
    Plan::parse(&schedule, values.zone)?;
    if let Some(server) = values.server
        && before.as_ref().is_none_or(|before| before.server_id != Some(server.0))
    {
        let known = crate::backup_servers::store::connection(panel, server).await?;
        known.ok_or_else(|| AppError::field("server", "This backup server is not there any more; choose another."))?;
    }
    let mut tx = panel.db.begin().await?;
    values.repository = repository(panel, &mut tx, &values, before.as_ref()).await?;
    let what = if let Some(before) = &before {
        store::update(&mut tx, id, input.revision.unwrap_or(before.revision), &values).await?;
        "Changed the subscription"
    } else {
        store::insert(panel, &mut tx, id, &values).await?;
        "Added the subscription"
    };
    schedules::store::save(panel, &mut tx, id, &schedule, values.zone).await?;
    actions::write(panel, &mut tx, Entry::by(user, what).about(id, &values.name)).await?;
    if input.as_default {
        schedules::store::save_default(&mut tx, &schedule, values.zone).await?;
        let what = "Made this subscription's schedule that of new ones";
        actions::write(panel, &mut tx, Entry::by(user, what).about(id, &values.name)).await?;
    }
    tx.commit().await?;
    Ok(id)
}

/// Tests what the form says.
pub async fn test(panel: &Panel, input: &SubscriptionInput) -> AppResult<SourceReport> {
    let before = match input.id {
        Some(id) => Some(store::find(panel, id).await?),
        None => None,
    };
    // A test needs no name.
    let input = SubscriptionInput { name: "test".to_owned(), ..input.clone() };
    let id = input.id.unwrap_or_else(|| SubscriptionId(panel.id()));
    let values = check(panel, id, &input, before.as_ref())?;
    let server = match values.server {
        Some(server) => clients::server(panel, server).await?,
        None => clients::this_machine(panel).await?,
    };
    let source = values.connection.source(panel, id.0, values.database)?;
    let report = server.client.test_source(&source).await.map_err(|error| server.fault(&error))?;
    if let (Some(before), Some(version)) = (before, &report.odoo_version)
        && before.database_name == source.database().as_str()
    {
        let mut tx = panel.db.begin().await?;
        store::saw_version(&mut tx, id, version).await?;
        tx.commit().await?;
    }
    Ok(report)
}

fn check(panel: &Panel, id: SubscriptionId, input: &SubscriptionInput, before: Option<&Row>) -> AppResult<Values> {
    let name = match input.name.trim() {
        "" => return Err(AppError::field("name", "Enter the customer or a name.")),
        name if name.chars().count() > MAX_CHARS => {
            return Err(AppError::field("name", "A name has at most 200 characters."));
        }
        name if name.contains(char::is_control) => {
            return Err(AppError::field("name", "A name is one line of text."));
        }
        name => name.to_owned(),
    };
    let database =
        DatabaseName::parse(input.database.trim()).map_err(|error| AppError::field("database", error.to_string()))?;
    let server = match input.server.trim() {
        "" => None,
        text => Some(ServerId(text.parse().map_err(|_| AppError::field("server", "Choose a backup server."))?)),
    };
    let retention = retention(input)?;
    let connection = Stored::of_input(panel, id.0, input, before.map(|before| &before.connection))?;
    let zone = plan::zone(&input.zone)?;
    Ok(Values { name, database, server, repository: None, connection, retention, zone })
}

/// The schedule that the form says.
pub fn schedule(input: &SubscriptionInput) -> AppResult<Schedule> {
    input.schedule().ok_or_else(|| AppError::field("spread", "Enter a number of minutes from 0 to 720."))
}

/// The policy that the form says.
pub fn retention(input: &SubscriptionInput) -> AppResult<Retention> {
    for (field, count) in [
        ("daily", input.daily),
        ("weekly", input.weekly),
        ("monthly", input.monthly),
        ("keep_latest", input.keep_latest),
    ] {
        if count > MOST_KEPT {
            return Err(AppError::field(field, "Enter a number from 0 to 1,000."));
        }
    }
    if input.keep_latest == 0 {
        return Err(AppError::field("keep_latest", "At least the latest one is always kept: enter 1 or more."));
    }
    Ok(Retention { daily: input.daily, weekly: input.weekly, monthly: input.monthly, keep_latest: input.keep_latest })
}

/// The repository: fixed once it is assigned, which happens when a server is first set.
async fn repository(
    panel: &Panel,
    tx: &mut Tx,
    values: &Values,
    before: Option<&Row>,
) -> AppResult<Option<RepositoryId>> {
    if let Some(assigned) = before.and_then(|before| before.repository_id) {
        return Ok(Some(RepositoryId(assigned)));
    }
    let Some(server) = values.server else { return Ok(None) };
    let kept = store::take_kept(tx, server, &values.name, &values.database).await?;
    Ok(Some(kept.unwrap_or_else(|| RepositoryId(panel.id()))))
}
