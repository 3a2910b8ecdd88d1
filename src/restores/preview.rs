//! What a restore would meet: the panel's own facts, and what the backup server finds. Touches nothing.

use super::{RestoreOptions, RestorePreview, can_neutralize, start::Wanted};
use crate::{backups::LineId, error::AppResult, operations::queue, server::Panel};

/// Looks before a restore; neutralizing that is not possible is left out.
pub async fn preview(panel: &Panel, line: LineId, options: &RestoreOptions) -> AppResult<RestorePreview> {
    let mut wanted = Wanted::check(panel, line, options).await?;
    let neutralize = can_neutralize(wanted.found.line.odoo_version.as_deref());
    wanted.neutralize &= neutralize.is_ok();
    let busy = queue::in_the_way(panel, wanted.found.line.subscription).await?;
    let plan = wanted.plan(panel)?;
    let answer = wanted.server.client.preflight(wanted.found.repository, wanted.found.line.remote_id, &plan).await;
    let preflight = answer.map_err(|error| wanted.server.fault(&error))?;
    Ok(RestorePreview {
        target: wanted.target().to_string(),
        line: wanted.found.line,
        subscription_name: wanted.subscription.name,
        database: wanted.database.to_string(),
        connection: wanted.subscription.connection.view(),
        server: wanted.server.name,
        odoo_version: wanted.subscription.odoo_version,
        neutralize,
        undo_hours: wanted.server.undo_hours,
        busy,
        preflight,
        as_of: panel.clock.now(),
    })
}
