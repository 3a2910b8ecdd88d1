//! Restores and their undoing: checked, written down, handed to the backup server.

use backup_api::{BackupId, DatabaseName, RestoreMode, RestorePlan, Source};

use super::{RestoreFacts, RestoreOptions, Undo, can_neutralize, store::Kept};
use crate::{
    backup_servers::{
        ServerId,
        clients::{self, Server},
    },
    backups::{
        LineId, LineResult, Trigger,
        store::{self as lines, Found},
    },
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        begin::{self, Asker},
        store::{self as operations, Stored},
    },
    server::Panel,
    subscriptions::{self, SubscriptionId, store::Row},
    users::User,
};

/// What the record is called when it is not there.
const THIS: &str = "This restore";
/// Seconds of an hour.
const HOUR: u32 = 3600;

/// A restore as it was asked for, checked against what the panel knows.
#[derive(Debug)]
pub struct Wanted {
    /// The line.
    pub found: Found,
    /// Its subscription.
    pub subscription: Row,
    /// The subscription's database.
    pub database: DatabaseName,
    /// The new database of a copy.
    pub copy: Option<DatabaseName>,
    /// Whether the restored database is neutralized.
    pub neutralize: bool,
    /// Whether the present database is backed up first.
    pub safety_backup: bool,
    /// The server that holds the backup, which restores it.
    pub server: Server,
}

impl Wanted {
    /// Checks what was asked for.
    pub async fn check(panel: &Panel, line: LineId, options: &RestoreOptions) -> AppResult<Self> {
        let found = lines::find(panel, line).await?;
        if !found.line.is_usable() {
            return Err(AppError::Conflict(match &found.line.result {
                LineResult::Failed { .. } => "This backup did not succeed: there is nothing to restore.".to_owned(),
                _ => format!(
                    "The backup server “{}” says that this backup is not there any more. Open the list again to have \
                     it asked anew.",
                    found.line.server
                ),
            }));
        }
        let subscription = subscriptions::store::find(panel, found.line.subscription).await?;
        let database = subscription.database()?;
        let copy = options.copy().map(|name| copy_name(name, &database)).transpose()?;
        let server = clients::server(panel, found.server).await?;
        Ok(Self {
            neutralize: options.neutralize,
            safety_backup: options.safety_backup && copy.is_none(),
            found,
            subscription,
            database,
            copy,
            server,
        })
    }

    /// The database that there will be.
    pub fn target(&self) -> &DatabaseName {
        self.copy.as_ref().unwrap_or(&self.database)
    }

    /// What the backup server is told.
    pub fn plan(&self, panel: &Panel) -> AppResult<RestorePlan> {
        let source = self.subscription.connection.source(panel, self.subscription.id, self.database.clone())?;
        let safety = self.safety_backup.then(|| BackupId(panel.id()));
        Ok(plan(source, self.copy.clone(), self.neutralize, safety, self.server.undo_hours))
    }
}

/// The plan of a restore.
pub fn plan(
    target: Source,
    copy: Option<DatabaseName>,
    neutralize: bool,
    safety_backup: Option<BackupId>,
    undo_hours: u32,
) -> RestorePlan {
    let mode = copy.map_or(RestoreMode::Replace, |database| RestoreMode::Copy { database });
    RestorePlan { target, mode, neutralize, safety_backup, undo_seconds: undo_hours.saturating_mul(HOUR) }
}

fn copy_name(name: &str, database: &DatabaseName) -> AppResult<DatabaseName> {
    let name = DatabaseName::parse(name).map_err(|error| AppError::field("into", error.to_string()))?;
    if name == *database {
        let message = format!("A copy needs a name of its own. Leave this empty to replace {database}.");
        return Err(AppError::field("into", message));
    }
    Ok(name)
}

/// Starts a restore; one operation at a time for a subscription.
pub async fn restore(
    panel: &Panel,
    user: &User,
    line: LineId,
    options: &RestoreOptions,
    typed_name: &str,
) -> AppResult<OperationId> {
    let wanted = Wanted::check(panel, line, options).await?;
    if wanted.neutralize {
        can_neutralize(wanted.found.line.odoo_version.as_deref())
            .map_err(|reason| AppError::field("neutralize", reason))?;
    }
    check_typed(typed_name, wanted.target().as_str())?;
    let line = &wanted.found.line;
    let mut tx = panel.db.begin().await?;
    let place = (wanted.found.server, wanted.found.repository);
    let (asker, kind) = (Asker::Person(user), OperationKind::Restore);
    let mut new = begin::prepare(panel, &mut tx, asker, kind, &wanted.subscription, place).await?;
    let facts = facts_of(&wanted, new.operation.id);
    let what = format!("Started restoring {}", facts.in_words());
    // What becomes the line of its safety backup.
    new.comment = format!("Before the restore of {}", facts.line_name);
    (new.trigger, new.format) = (Trigger::Safety, line.format);
    new.operation.restore = Some(facts);
    new.restore = Some(Kept { backup: line.remote_id, version_before: wanted.subscription.odoo_version.clone() });
    begin::begin(panel, tx, &new, what).await
}

fn facts_of(wanted: &Wanted, restore: OperationId) -> RestoreFacts {
    let line = &wanted.found.line;
    RestoreFacts {
        restore,
        line: Some(line.id),
        line_name: line.name.clone(),
        line_created_at: line.created_at,
        odoo_version: line.odoo_version.clone(),
        database: wanted.target().to_string(),
        is_copy: wanted.copy.is_some(),
        neutralize: wanted.neutralize,
        safety_backup: wanted.safety_backup,
        undo_hours: if wanted.copy.is_some() { 0 } else { wanted.server.undo_hours },
        safety_line: None,
        result: None,
        kept_because: None,
        undo: Undo::NotOffered { why: "It has not ended yet.".to_owned() },
    }
}

/// Starts to undo a restore, while that is offered.
pub async fn undo(panel: &Panel, user: &User, restore: OperationId, typed_name: &str) -> AppResult<OperationId> {
    let mut tx = panel.db.begin().await?;
    // Not through another connection: who holds one must not wait for a second.
    let before = operations::find_in(&mut tx, restore, panel.clock.now()).await?;
    let (id, server) = offered(&before)?;
    let (Some(facts), Some(kept)) = (before.operation.restore, before.restore) else {
        return Err(AppError::not_found(THIS));
    };
    check_typed(typed_name, &facts.database)?;
    let subscription = subscriptions::store::find_in(&mut tx, id).await?;
    let place = (server, before.repository);
    let new = begin::prepare(panel, &mut tx, Asker::Person(user), OperationKind::Undo, &subscription, place).await?;
    let what = format!("Started undoing the restore of {}", facts.what_into_what());
    let mut new = Stored { database: before.database, format: before.format, restore: Some(kept), ..new };
    new.operation.restore = Some(facts);
    begin::begin(panel, tx, &new, what).await
}

/// Whether a restore can be undone: for which subscription and through which server.
fn offered(before: &Stored) -> AppResult<(SubscriptionId, ServerId)> {
    let operation = &before.operation;
    let facts = operation.restore.as_ref().filter(|_| operation.kind == OperationKind::Restore);
    let facts = facts.ok_or_else(|| AppError::not_found(THIS))?;
    let why = match &facts.undo {
        Undo::Offered { .. } => match operation.subscription.zip(before.server) {
            Some(there) => return Ok(there),
            None => "Its subscription or its backup server was deleted.".to_owned(),
        },
        Undo::UnderWay { .. } => "Somebody is at it already; see Operations.".to_owned(),
        Undo::Done { by, at } => format!("{by} did so on {}.", super::in_words(*at)),
        Undo::NotOffered { why } => why.clone(),
    };
    Err(AppError::Conflict(format!("This restore cannot be undone. {why}")))
}

fn check_typed(typed: &str, database: &str) -> AppResult<()> {
    if typed.trim() == database {
        return Ok(());
    }
    Err(AppError::field("typed_name", format!("Type the database's name, “{database}”, to go on.")))
}
