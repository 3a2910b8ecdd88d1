//! Sends a file in the browser: one run at a time, which a pause, a closed dialog or another file ends.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use backup_api::UploadId;
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;
use web_sys::{AbortController, AbortSignal, File, HtmlInputElement};

use super::{
    api::{get_import_setting, import_upload},
    lanes::{Lanes, pause},
    transfer::{Act, Chosen, Parts, Stage, Transfer, Trouble, pause_after},
    wire,
};
use crate::error::AppError;

/// What a transfer holds that no other thread may touch.
#[derive(Default)]
pub struct Hold {
    file: Option<File>,
    /// Ends the run that is under way.
    run: Option<AbortController>,
    /// Ends its requests.
    under_way: Option<AbortController>,
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

/// Ends the run with the dialog.
pub fn end_with_owner(transfer: Transfer) {
    on_cleanup(move || halt(transfer));
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
    let ends = transfer.hold.try_update_value(|hold| [hold.run.take(), hold.under_way.take()]);
    for end in ends.into_iter().flatten().flatten() {
        end.abort();
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
    spawn_local(Run { transfer, file, chosen, signal, failures: 0 }.go());
}

/// Removes an upload on the server, and from the list.
fn discard(transfer: Transfer, id: UploadId) {
    spawn_local(async move {
        let removed = wire::remove(id).await;
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
            None => match self.begin().await? {
                Some(id) => id,
                None => return Ok(()),
            },
        };
        transfer.upload.set(Some(id));
        let offset = wire::offset(id, &self.signal).await?;
        let under_way =
            AbortController::new().map_err(|_| Trouble::Stop("This browser is too old to upload with.".to_owned()))?;
        if !self.is_over() {
            transfer.hold.update_value(|hold| hold.under_way = Some(under_way.clone()));
        }
        let lanes = Rc::new(Lanes {
            transfer,
            id,
            file: self.file.clone(),
            ended: self.signal.clone(),
            under_way,
            parts: RefCell::new(Parts::after(offset, self.chosen.length)),
            rate: RefCell::default(),
            trouble: RefCell::default(),
            moved: Cell::default(),
        });
        let sent = lanes.run().await;
        if lanes.moved.get() {
            self.failures = 0;
        }
        sent?;
        if self.is_over() { Ok(()) } else { self.import(id).await }
    }

    /// Begins the upload; none when the run was ended meanwhile: the list of unfinished ones is for those that hold something.
    async fn begin(&self) -> Result<Option<UploadId>, Trouble> {
        let id = wire::create(self.transfer.subscription, &self.chosen).await?;
        if self.is_over() {
            drop(wire::remove(id).await);
            return Ok(None);
        }
        Ok(Some(id))
    }

    /// Asks for the import; the answer leads to the wizard's next page.
    async fn import(&mut self, id: UploadId) -> Result<(), Trouble> {
        let transfer = self.transfer;
        transfer.stage.set(Stage::Importing);
        let (comment, then_restore) = transfer.wishes();
        match import_upload(transfer.subscription, id, comment, then_restore).await {
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
        let was_offline = !window().navigator().on_line();
        for left in (1..=pause_after(self.failures)).rev() {
            self.transfer.stage.set(Stage::Waiting { reason: reason.clone(), seconds: left });
            pause(1_000).await;
            if self.is_over() || (was_offline && window().navigator().on_line()) {
                return;
            }
        }
    }
}
