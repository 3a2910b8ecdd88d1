//! Server functions: backup lines, Create Backup, downloads and the recovery kit.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::{BackupFormat, LinkCompression};
use leptos::prelude::*;

use super::{BulkStart, LineId, LinePage, LineQuery, ServerKit};
#[cfg(feature = "ssr")]
use super::{create, download, kits, notes, reconcile, removal, store, verify};
use crate::{error::AppError, operations::OperationId, subscriptions::SubscriptionId};
#[cfg(feature = "ssr")]
use crate::{
    operations::queue,
    retention::{self, Fate},
    server::door,
    users::Role,
};

/// One page of a subscription's lines, compared with what its servers hold.
#[server]
pub async fn list_lines(subscription: SubscriptionId, query: LineQuery) -> Result<LinePage, AppError> {
    door(Role::Viewer, async |panel, _| {
        let answers = reconcile::bring_up_to_date(&panel, subscription).await?;
        let (mut lines, matching) = store::page(&panel, subscription, &query).await?;
        let mut fates = retention::lines::fates(&panel, subscription).await?;
        let to_remove = fates.values().filter(|fate| **fate == Fate::Goes).count() as u64;
        for line in &mut lines {
            line.fate = fates.remove(&line.id);
        }
        let busy = queue::in_the_way(&panel, subscription).await?.is_some();
        let retention_waits =
            if to_remove == 0 { None } else { retention::apply::held_back(&panel, subscription, &answers).await? };
        Ok(LinePage {
            lines,
            matching,
            server_unreachable: answers.unreachable,
            verification: answers.verification,
            to_remove,
            retention_waits,
            busy,
            as_of: panel.clock.now(),
        })
    })
    .await
}

/// Starts a backup (operators); goes to the subscription's page. One at a time for a subscription.
#[server]
pub async fn create_backup(
    subscription: SubscriptionId,
    #[server(default)] format: BackupFormat,
    #[server(default)] comment: String,
) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let operation = create::create(&panel, &caller.user, subscription, format, &comment).await?;
        leptos_axum::redirect(&format!("/subscriptions/{}", subscription.0));
        Ok(operation)
    })
    .await
}

/// Starts a backup of each of several subscriptions (operators), as their schedules make them; goes to the operations or,
/// when some could not be started, to the action log, which says why.
#[server]
pub async fn back_up_now(#[server(default)] subscriptions: Vec<SubscriptionId>) -> Result<BulkStart, AppError> {
    door(Role::Operator, async |panel, caller| {
        let started = create::of_several(&panel, &caller.user, &subscriptions).await?;
        // Where it says what became of them.
        leptos_axum::redirect(if started.refused.is_empty() { "/operations" } else { "/action-log" });
        Ok(started)
    })
    .await
}

/// A temporary link to download a backup (operators): an absolute or root-relative URL.
#[server]
pub async fn download_link(line: LineId, #[server(default)] compression: LinkCompression) -> Result<String, AppError> {
    door(Role::Operator, async |panel, caller| download::link(&panel, &caller.user, line, compression).await).await
}

/// Changes what is written about a backup (operators).
#[server]
pub async fn set_comment(line: LineId, #[server(default)] comment: String) -> Result<(), AppError> {
    door(Role::Operator, async |panel, caller| notes::set_comment(&panel, &caller.user, line, &comment).await).await
}

/// Keeps a backup from retention, or no longer (operators).
#[server]
pub async fn set_pinned(line: LineId, #[server(default)] pinned: bool) -> Result<(), AppError> {
    door(Role::Operator, async |panel, caller| notes::set_pinned(&panel, &caller.user, line, pinned).await).await
}

/// Deletes a backup on its server and its line (operators); a failed or missing one only has a line.
#[server]
pub async fn delete_line(line: LineId) -> Result<(), AppError> {
    door(Role::Operator, async |panel, caller| removal::of_line(&panel, &caller.user, line).await).await
}

/// Has all backups of a subscription read and compared with their checksums (operators); goes to `/operations/{id}`.
#[server]
pub async fn verify_backups(subscription: SubscriptionId) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let operation = verify::verify(&panel, &caller.user, subscription).await?;
        leptos_axum::redirect(&format!("/operations/{}", operation.0));
        Ok(operation)
    })
    .await
}

/// How to read the subscription's backups without Holdfast, for each server that has some (administrators; written to the
/// action log).
#[server(name = ShowRecoveryKits)]
pub async fn recovery_kits(subscription: SubscriptionId) -> Result<Vec<ServerKit>, AppError> {
    door(Role::Administrator, async |panel, caller| kits::of_subscription(&panel, &caller.user, subscription).await)
        .await
}
