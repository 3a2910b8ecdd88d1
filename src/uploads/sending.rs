//! Sends a file in the browser: one run at a time, which a pause, a closed dialog or another file ends.

use std::time::Duration;

use backup_api::{Phase, UploadId};
use leptos::{ev, prelude::*, task::spawn_local, web_sys::FormData};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, File, HtmlInputElement};

use super::{
    api::{get_import_setting, import_upload},
    transfer::{Act, Chosen, Stage, Transfer, Trouble, chunk_end, pause_after},
    wire,
};
use crate::{error::AppError, operations::rate::Rate};

/// What a transfer holds that no other thread may touch.
#[derive(Default)]
pub struct Hold {
    file: Option<File>,
    /// Ends the run that is under way.
    run: Option<AbortController>,
}

/// Does what a person asked for.
pub fn act(transfer: Transfer, act: Act) {
    match act {
        Act::Choose(event) => {
            let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            choose(transfer, input.and_then(|input| input.files()).and_then(|files| files.get(0)));
        }
        Act::Drop(event) => {
            event.prevent_default();
            let files = event.data_transfer().and_then(|data| data.files());
            choose(transfer, files.and_then(|files| files.get(0)));
        }
        Act::Start => start(transfer),
        Act::Pause => {
            halt(transfer);
            transfer.stage.set(Stage::Paused);
        }
        Act::Cancel => {
            halt(transfer);
            transfer.stage.set(Stage::Idle);
            transfer.sent.set(0);
            if let Some(id) = transfer.upload.get_untracked() {
                transfer.upload.set(None);
                discard(transfer, id);
            }
        }
        Act::Discard(id) => discard(transfer, id),
    }
}

/// Warns who leaves the page while bytes move, and ends the run with the dialog.
pub fn guard(transfer: Transfer) {
    let listener = window_event_listener(ev::beforeunload, move |event| {
        if transfer.stage.try_with_untracked(Stage::is_under_way) == Some(true) {
            event.prevent_default();
            // What older browsers ask for; the words are the browser's own.
            event.set_return_value("An upload is under way.");
        }
    });
    on_cleanup(move || {
        listener.remove();
        halt(transfer);
    });
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and times of files are whole numbers"
)]
fn choose(transfer: Transfer, file: Option<File>) {
    let Some(file) = file else { return };
    halt(transfer);
    transfer.take(file.name(), file.size() as u64, file.last_modified() as i64);
    transfer.hold.update_value(|hold| hold.file = Some(file));
}

/// Ends the run that is under way, if there is one.
fn halt(transfer: Transfer) {
    let run = transfer.hold.try_update_value(|hold| hold.run.take()).flatten();
    if let Some(run) = run {
        run.abort();
    }
}

fn start(transfer: Transfer) {
    let Ok(run) = AbortController::new() else { return };
    let (Some(file), Some(chosen)) =
        (transfer.hold.with_value(|hold| hold.file.clone()), transfer.chosen.get_untracked())
    else {
        return;
    };
    halt(transfer);
    let signal = run.signal();
    transfer.hold.update_value(|hold| hold.run = Some(run));
    transfer.stage.set(Stage::Sending);
    transfer.rate.set(None);
    spawn_local(Run { transfer, file, chosen, signal, failures: 0, rate: Rate::default() }.go());
}

/// Removes an upload on the server, and from the list.
fn discard(transfer: Transfer, id: UploadId) {
    let Ok(request) = AbortController::new() else { return };
    spawn_local(async move {
        let removed = wire::remove(id, &request.signal()).await;
        if let Err(Trouble::Stop(words) | Trouble::Again(words)) = removed {
            transfer.refusal.try_set(Some(words));
        }
        if let Ok(setting) = get_import_setting(transfer.subscription).await {
            transfer.open.try_set(setting.open);
        }
    });
}

struct Run {
    transfer: Transfer,
    file: File,
    chosen: Chosen,
    signal: AbortSignal,
    /// Tries in a row that moved nothing.
    failures: u32,
    rate: Rate,
}

impl Run {
    async fn go(mut self) {
        loop {
            let tried = self.attempt().await;
            if self.is_over() {
                return;
            }
            match tried {
                Ok(()) => return,
                Err(Trouble::Stop(words)) => {
                    self.transfer.stage.set(Stage::Stopped(words));
                    return;
                }
                Err(Trouble::Again(reason)) => self.wait(reason).await,
                Err(Trouble::Gone) => {
                    // A restart from the beginning; a second one without any progress is no coincidence.
                    self.transfer.upload.set(None);
                    self.transfer.sent.set(0);
                    if self.failures > 0 {
                        self.wait("What had arrived was removed on the server".to_owned()).await;
                    }
                    self.failures += 1;
                }
                Err(Trouble::Elsewhere(reason)) => {
                    if self.failures > 0 {
                        self.wait(reason).await;
                    }
                    self.failures += 1;
                }
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Whether a pause, a closed dialog or another file ended this run.
    fn is_over(&self) -> bool {
        self.signal.aborted()
    }

    async fn attempt(&mut self) -> Result<(), Trouble> {
        let transfer = self.transfer;
        let id = match transfer.upload.get_untracked() {
            Some(id) => id,
            None => wire::create(transfer.subscription, &self.chosen, &self.signal).await?,
        };
        if self.is_over() {
            // Nobody would know of it: the page's list of open uploads tells it at the next opening.
            return Ok(());
        }
        transfer.upload.set(Some(id));
        let mut offset = wire::offset(id, &self.signal).await?;
        while offset < self.chosen.length && !self.is_over() {
            self.show(offset);
            let part = (offset, chunk_end(offset, self.chosen.length));
            offset = wire::append(id, &self.file, part, &self.signal).await?;
            self.failures = 0;
        }
        if self.is_over() {
            return Ok(());
        }
        self.show(offset);
        self.import(id).await
    }

    fn show(&mut self, offset: u64) {
        let transfer = self.transfer;
        transfer.stage.set(Stage::Sending);
        transfer.sent.set(offset);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970 fit")]
        let now = Duration::from_millis(js_sys::Date::now() as u64);
        transfer.rate.set(self.rate.after(Phase::Receiving, offset, now));
    }

    /// Asks for the import; the answer leads to the wizard's next page.
    async fn import(&mut self, id: UploadId) -> Result<(), Trouble> {
        let transfer = self.transfer;
        transfer.stage.set(Stage::Importing);
        let form = transfer.form.get_untracked().and_then(|form| FormData::new_with_form(&form).ok());
        let text = |name| form.as_ref().and_then(|form| form.get(name).as_string()).unwrap_or_default();
        let then_restore = text("then_restore") == "true";
        match import_upload(transfer.subscription, id, text("comment"), then_restore).await {
            Ok(_) => Ok(()),
            Err(AppError::Transport(_)) => Err(Trouble::Again("The connection is lost".to_owned())),
            Err(error @ (AppError::ServerUnreachable { .. } | AppError::Internal)) => {
                Err(Trouble::Again(error.to_string()))
            }
            Err(AppError::NotFound { .. }) => Err(Trouble::Gone),
            Err(error) => Err(Trouble::Stop(error.to_string())),
        }
    }

    /// Waits longer after each failure; a connection that comes back ends the wait.
    async fn wait(&mut self, reason: String) {
        self.failures += 1;
        self.rate = Rate::default();
        let was_offline = !window().navigator().on_line();
        for left in (1..=pause_after(self.failures)).rev() {
            self.transfer.stage.set(Stage::Waiting { reason: reason.clone(), seconds: left });
            second().await;
            if self.is_over() || (was_offline && window().navigator().on_line()) {
                return;
            }
        }
    }
}

async fn second() {
    let wait = js_sys::Promise::new(&mut |resolve, _| {
        // Without a timer the promise would never end; then there is no window either.
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, 1_000);
    });
    drop(JsFuture::from(wait).await);
}
