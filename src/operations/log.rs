//! The log of an operation: what the panel wrote down, and while it runs what the server says at this moment.

use std::time::Duration;

use backup_api::{JobId, LogLine};

use super::{OperationId, store};
use crate::{backup_servers::clients, error::AppResult, server::Panel};

/// A page must not wait for a server that is gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// All lines, the oldest first.
pub async fn read(panel: &Panel, id: OperationId) -> AppResult<Vec<LogLine>> {
    let stored = store::find(panel, id).await?;
    let mut lines = store::read_log(panel, id).await?;
    if let (false, true, Some(server)) = (stored.operation.state.is_final(), stored.accepted, stored.server) {
        let server = clients::server(panel, server).await?;
        if let Ok(Ok(told)) = tokio::time::timeout(PATIENCE, server.client.job_log(JobId(id.0))).await {
            lines.extend(told);
            lines.sort_by_key(|line| line.at);
        }
    }
    Ok(lines)
}
