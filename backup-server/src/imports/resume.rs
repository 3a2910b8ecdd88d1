//! Imports by URL that the last process did not bring to their end: they go on with what has arrived.

use backup_api::{ImportSource, StartImport};

use super::{
    fetch::{Kept, Target},
    job::{ImportJob, Origin},
};
use crate::server::App;

/// Goes on with those that are still to be done; what is left of the others is removed.
pub(crate) async fn resume(app: &App, found: Vec<(Kept, StartImport)>) {
    for (kept, start) in found {
        let id = kept.job();
        let is_open = app.jobs.get(id).is_some_and(|job| !job.state.is_final());
        let target = match &start.from {
            ImportSource::Url { url, file_name } if is_open => Target::parse(url, file_name.as_deref()).ok(),
            _ => None,
        };
        let Some(target) = target else {
            // Removing a large file takes a while, but nothing waits for it.
            drop(tokio::task::spawn_blocking(move || kept.remove()));
            continue;
        };
        if let Some(context) = app.jobs.context(id) {
            context.warn("The backup server was started anew; the import goes on with what has arrived.");
        }
        let repository = kept.repository();
        let origin = Origin::Url(target, Box::new(kept));
        let work = ImportJob { app: app.clone(), repository, start, origin };
        app.jobs.resume(id, work.into_work()).await;
    }
}
