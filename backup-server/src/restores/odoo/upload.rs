//! Sends a backup to Odoo's restore form, as it comes out of the repository, and reads what Odoo says of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use backup_api::{Failure, FailureCode, LinkCompression, Phase, Progress, RestoreMode};
use futures::TryStreamExt;
use reqwest::{
    Body, Response, StatusCode,
    header::LOCATION,
    multipart::{Form, Part},
};
use tokio::time::{Instant, interval};

use super::{
    super::{
        RestoreTask,
        task::{cancelled, failure},
    },
    compose::Composed,
    target::{Target, unusable},
    verify::stream,
};
use crate::{
    repositories::ByteStream,
    sources::odoo::{Page, chain, disabled, read_page, title, wrong_password},
};

/// How often it is looked whether the upload moves.
const LOOK: Duration = Duration::from_millis(500);

/// Why there is no restored database.
pub(super) struct NotRestored {
    /// In words.
    pub why: Failure,
    /// Whether Odoo has all of the backup and no answer came: it may go on, and make the database yet.
    pub may_come: bool,
}

impl From<Failure> for NotRestored {
    fn from(why: Failure) -> Self {
        Self { why, may_come: false }
    }
}

/// Restores the backup under the scratch name. A good end proves nothing yet.
pub(super) async fn upload(
    work: &RestoreTask,
    target: &Target,
    composed: Option<&Composed>,
) -> Result<(), NotRestored> {
    let task = &work.task;
    let record = &task.record;
    let (bytes, length) = if let Some(composed) = composed {
        let path = composed.file.path().to_owned();
        (stream(Box::new(move || Ok(Box::new(std::fs::File::open(path)?)))), composed.bytes)
    } else {
        let export = task.app.repositories.export(record.repository, record.backup, LinkCompression::Stored, None);
        let export = export.await.map_err(Failure::from)?;
        let unknown = || failure(FailureCode::Internal, "The backup's length is not known.");
        (export.bytes, export.length.ok_or_else(unknown)?)
    };
    let sent = Arc::new(AtomicU64::new(0));
    let form = form(work, target, bytes, length, Arc::clone(&sent));
    let unanswered = |why| NotRestored { why, may_come: sent.load(Ordering::Relaxed) >= length };
    let answer = async {
        let response = target.odoo.restore(form).send().await;
        let response = response.map_err(|error| unanswered(no_answer(&error, sent.load(Ordering::Relaxed), length)))?;
        // What a proxy says when it gives up waiting is no answer of Odoo's.
        let is_of_proxy = matches!(response.status().as_u16(), 502..=504);
        let understood = understand(response).await;
        understood.map_err(|why| if is_of_proxy { unanswered(why) } else { why.into() })
    };
    tokio::select! {
        answer = answer => answer,
        failure = watch(work, target, &sent, length) => Err(unanswered(failure)),
        () = task.context.cancel.cancelled() => Err(unanswered(cancelled())),
    }
}

fn form(work: &RestoreTask, target: &Target, bytes: ByteStream, length: u64, sent: Arc<AtomicU64>) -> Form {
    let plan = &work.task.plan;
    let bytes = bytes.inspect_ok(move |piece| {
        sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    });
    let file =
        Part::stream_with_length(Body::wrap_stream(bytes), length).file_name(work.reader.backup().file_name.clone());
    let mut form = Form::new().text("master_pwd", target.password.reveal().to_owned());
    form = form.text("name", work.task.record.scratch.clone());
    // A field that is there at all is true to Odoo, also when it says "false"; an empty copy is an error.
    if matches!(plan.mode, RestoreMode::Copy { .. }) {
        form = form.text("copy", "true");
    }
    if plan.neutralize {
        form = form.text("neutralize_database", "true");
    }
    form.part("backup_file", file)
}

/// Tells how far it is; ends when nothing moves any more.
async fn watch(work: &RestoreTask, target: &Target, sent: &AtomicU64, length: u64) -> Failure {
    let (stall, answer) = (target.timeouts.stall, target.timeouts.first_byte);
    let mut ticks = interval(LOOK);
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        ticks.tick().await;
        let now = sent.load(Ordering::Relaxed);
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        if now < length {
            let progress = Progress { done_bytes: now, total_bytes: Some(length) };
            work.task.context.progress(Phase::SendingToOdoo, progress);
            if moved.elapsed() > stall {
                let message = format!(
                    "Odoo took {now} of {length} bytes and then nothing for {} seconds. Look at Odoo and at the network \
                     in between.",
                    stall.as_secs()
                );
                return failure(FailureCode::Stalled, message);
            }
        } else {
            work.task.context.enter(Phase::OdooRestores);
            if moved.elapsed() > answer {
                let message = format!(
                    "Odoo has the whole backup and said nothing for {} seconds. Look whether it still restores, and at \
                     its log.",
                    answer.as_secs()
                );
                return failure(FailureCode::Stalled, message);
            }
        }
    }
}

/// A redirect to the manager is what a restore ends with, good or bad; everything else is an error.
async fn understand(response: Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_redirection() {
        let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        let path = to.split(['?', '#']).next().unwrap_or_default();
        if status == StatusCode::SEE_OTHER && path.ends_with("/web/database/manager") {
            return Ok(());
        }
        let message = format!(
            "Odoo answered the restore with a redirect to {to} (HTTP status {status}), which is not followed. Enter that \
             address, if it is your Odoo."
        );
        return Err(failure(FailureCode::OdooError, message));
    }
    let html = read_page(response).await.unwrap_or_default();
    Err(page_failure(status, &html))
}

fn page_failure(status: StatusCode, html: &str) -> Failure {
    let page = Page::read(html);
    if page.disabled {
        return unusable(disabled());
    }
    let Some(error) = page.error else {
        let what = title(html).map_or_else(String::new, |title| format!(" (“{title}”)"));
        let hint = match status.as_u16() {
            413 => "A proxy before Odoo takes no body of this size: raise its limit (nginx: client_max_body_size).",
            502..=504 => {
                "A proxy before Odoo gave up waiting: raise its time limit (nginx: proxy_read_timeout), or enter Odoo's \
                 own address."
            }
            _ => "Look at Odoo's log and at proxies in between.",
        };
        return failure(FailureCode::OdooError, format!("Odoo answered with HTTP status {status}{what}. {hint}"));
    };
    let said = error.split_once("error: ").map_or(error.as_str(), |(_, said)| said);
    if said == "Access Denied" || error.ends_with("database. Access Denied") {
        return unusable(wrong_password());
    }
    if said.contains("No space left") {
        let message =
            format!("The disk of the Odoo server is full. It says: {said}. Free space there, then try again.");
        return failure(FailureCode::NoSpace, message);
    }
    let message = format!("Odoo could not restore the backup. It says: {error}. Its log says why.");
    failure(FailureCode::OdooError, message)
}

fn no_answer(error: &reqwest::Error, sent: u64, length: u64) -> Failure {
    if error.is_connect() {
        return failure(FailureCode::Source, format!("Odoo cannot be reached: {}. Try again.", chain(error)));
    }
    let message = if sent < length {
        format!(
            "The connection to Odoo was lost after {sent} of {length} bytes ({}). Look at limits of Odoo \
             (limit_time_real) and of proxies in between (nginx: client_max_body_size).",
            chain(error)
        )
    } else {
        format!(
            "All of the backup was sent, and Odoo closed the connection without an answer ({}). Its limit_time_real may be \
             too short for a restore: raise it (with workers, limit_time_real = 3600), or restore into PostgreSQL directly.",
            chain(error)
        )
    };
    failure(FailureCode::Incomplete, message)
}
