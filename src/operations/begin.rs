//! How every operation begins: one at a time for a subscription, written down with its action, then followed.

use backup_api::{BackupFormat, BackupId, JobState, Phase, Progress, RepositoryId};
use uuid::Uuid;

use super::{
    Operation, OperationId, OperationKind,
    actions::{self, Entry},
    follow, queue,
    store::{self, Stored},
};
use crate::{
    alerts,
    backup_servers::{self, ServerId},
    backups::Trigger,
    error::AppResult,
    restores,
    server::{Panel, db::Tx},
    subscriptions::store::Row,
    users::User,
};

/// Who an operation is asked for by.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// A person.
    Person(&'a User),
    /// The panel itself, by schedule or rule.
    Holdfast,
}

impl Asker<'_> {
    fn name(self) -> String {
        match self {
            Self::Person(user) => user.name.clone(),
            Self::Holdfast => actions::HOLDFAST.to_owned(),
        }
    }

    const fn id(self) -> Option<Uuid> {
        match self {
            Self::Person(user) => Some(user.id),
            Self::Holdfast => None,
        }
    }
}

/// A new operation of a subscription, unless another one is under way: a manual one of no file, until the caller says
/// more. It begins with [`begin`].
pub async fn prepare(
    panel: &Panel,
    tx: &mut Tx,
    asker: Asker<'_>,
    kind: OperationKind,
    subscription: &Row,
    (server, repository): (ServerId, RepositoryId),
) -> AppResult<Stored> {
    queue::one_at_a_time(panel, tx, subscription.subscription()).await?;
    let operation = Operation {
        id: OperationId(panel.id()),
        kind,
        subscription: Some(subscription.subscription()),
        subscription_name: subscription.name.clone(),
        server: backup_servers::store::name_of(tx, server).await?,
        asked_by: asker.name(),
        state: JobState::Queued,
        phase: Phase::Waiting,
        progress: Progress::default(),
        bytes_per_second: None,
        created_at: panel.clock.now(),
        started_at: None,
        finished_at: None,
        failure: None,
        restore: None,
        import: None,
    };
    Ok(Stored {
        operation,
        server: Some(server),
        repository,
        // Of an operation that makes no backup it names none.
        backup: BackupId(panel.id()),
        database: subscription.database_name.clone(),
        format: BackupFormat::default(),
        comment: String::new(),
        trigger: Trigger::Manual,
        asked_by_id: asker.id(),
        accepted: false,
        cancel_asked: false,
        restore: None,
    })
}

/// Writes an operation down with what the action log says of it.
pub async fn write(panel: &Panel, tx: &mut Tx, new: &Stored, what: String) -> AppResult<()> {
    let operation = &new.operation;
    store::insert(tx, new).await?;
    store::lease(tx, operation.id, panel.instance, panel.clock.now() + follow::LEASE).await?;
    if let (OperationKind::Restore, Some(facts), Some(kept)) = (operation.kind, &operation.restore, &new.restore) {
        restores::store::insert(tx, facts, kept).await?;
    }
    let mut entry = Entry::by_name(&operation.asked_by, new.asked_by_id, what).started();
    if let Some(subscription) = operation.subscription {
        entry = entry.about(subscription, &operation.subscription_name);
    }
    actions::write(panel, tx, entry).await?;
    alerts::operations::began(panel, tx, new).await
}

/// Keeps what was written and follows the operation to its end.
pub async fn commit(panel: &Panel, tx: Tx, new: &Stored) -> AppResult<OperationId> {
    tx.commit().await?;
    panel.live.publish(&new.operation);
    follow::begin(panel, new.operation.id, false);
    Ok(new.operation.id)
}

/// Writes an operation down and begins it.
pub async fn begin(panel: &Panel, mut tx: Tx, new: &Stored, what: String) -> AppResult<OperationId> {
    write(panel, &mut tx, new, what).await?;
    commit(panel, tx, new).await
}
