//! Applies the rule: an operation that has the backup server remove what the rule does not keep.

use backup_api::{BackupId, StartRemoval};

use super::{
    lines::Judged,
    store::{self, GoodLine},
};
use crate::{
    backups::reconcile::{self, Answers},
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        begin::{self, Asker},
        store::Stored,
    },
    server::{Panel, db::Tx},
    subscriptions::{self, SubscriptionId, store::Row},
    users::User,
};

/// Names that the action log tells.
const NAMED: usize = 10;

/// Applies the rule because somebody asks for it.
pub async fn on_request(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<OperationId> {
    start(panel, Asker::Person(user), id).await?.ok_or_else(|| {
        AppError::Conflict("There is nothing to remove: the rule keeps every backup that there is.".to_owned())
    })
}

/// Applies the rule after a good backup, or goes on where a run ended that could not remove all at once.
pub async fn after_success(panel: &Panel, id: SubscriptionId) {
    match start(panel, Asker::Holdfast, id).await {
        Ok(_) => {}
        // Something else began at once: the next good backup applies it.
        Err(AppError::Conflict(reason)) => tracing::info!("Retention waits for the next good backup: {reason}"),
        Err(error) => tracing::warn!("Retention could not be applied: {error}"),
    }
}

/// Why Holdfast removes nothing by itself, although the rule does not keep everything; who looks at it can do it by hand.
/// The end of a sentence. `answers` is what the servers said just now.
pub async fn held_back(panel: &Panel, id: SubscriptionId, answers: &Answers) -> AppResult<Option<String>> {
    if let Some(reason) = &answers.unreachable {
        return Ok(Some(format!("it is not certain what is there. {reason}")));
    }
    if answers.late {
        return Ok(Some("a backup server has not answered yet.".to_owned()));
    }
    Ok(store::doubt(panel, id).await?.map(|doubt| doubt.in_words().to_owned()))
}

/// Begins to remove what goes from one place: one operation works on one repository. `None` when nothing goes.
async fn start(panel: &Panel, asker: Asker<'_>, id: SubscriptionId) -> AppResult<Option<OperationId>> {
    // A line whose backup was lost must not take the place of one that is there.
    let answers = match asker {
        Asker::Person(_) => reconcile::bring_up_to_date(panel, id).await?,
        Asker::Holdfast => reconcile::bring_all_up_to_date(panel, id).await?,
    };
    if let (Asker::Holdfast, Some(why)) = (asker, held_back(panel, id, &answers).await?) {
        tracing::info!("Retention of subscription {} waits: {why}", id.0);
        return Ok(None);
    }
    let mut tx = panel.db.begin().await?;
    let row = subscriptions::store::find_in(&mut tx, id).await?;
    let judged = Judged::new(row.retention(), row.zone(), store::good_lines_in(&mut tx, id).await?);
    let goes: Vec<&GoodLine> = judged.goes().collect();
    let Some(goes) = of_one_place(&row, &goes) else { return Ok(None) };
    let new = begin::prepare(panel, &mut tx, asker, OperationKind::Retention, &row, goes[0].place).await?;
    let what = format!("Started removing {} backup(s) of {} that the rule does not keep", goes.len(), new.database);
    begin::write(panel, &mut tx, &new, what).await?;
    store::plan(&mut tx, new.operation.id, &goes).await?;
    begin::commit(panel, tx, &new).await.map(Some)
}

/// The lines that go from the subscription's present repository or, if there are none, from another one; the oldest
/// first, as many as one removal takes.
fn of_one_place<'a>(row: &Row, goes: &[&'a GoodLine]) -> Option<Vec<&'a GoodLine>> {
    let present = goes.iter().find(|line| Some(line.place) == row.destination());
    let place = present.or(goes.first())?.place;
    let mut lines: Vec<&GoodLine> = goes.iter().copied().filter(|line| line.place == place).collect();
    lines.sort_by_key(|line| (line.at, line.id.0));
    lines.truncate(StartRemoval::MOST);
    Some(lines)
}

/// Writes the end of a run down: the lines of what is gone go too; `removed` is what the server said that it removed,
/// `None` when it said nothing. Gives a sentence for the action log.
pub async fn write_end(tx: &mut Tx, stored: &Stored, removed: Option<&[BackupId]>) -> AppResult<String> {
    store::settle(tx, stored.operation.id, removed).await?;
    let removed = removed.unwrap_or_default();
    let (Some(subscription), Some(server)) = (stored.operation.subscription, stored.server) else {
        return Ok(format!("Removed {} backup(s) of {}", removed.len(), stored.database));
    };
    let names = store::forget(tx, subscription, server, removed).await?;
    crate::backups::store::recount(tx, subscription).await?;
    let told = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED { " and others, named in its log" } else { "" };
    Ok(match names.len() {
        0 => format!("Removed no backup of {}", stored.database),
        count => format!("Removed {count} backup(s) that the rule does not keep: {told}{more}"),
    })
}
