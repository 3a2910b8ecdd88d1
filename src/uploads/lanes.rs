//! Several chunks of a file under way at once: the next ones do not wait for an answer that takes long.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use backup_api::{Phase, UploadId};
use js_sys::{Array, Promise};
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{AbortController, AbortSignal, File};

use super::{
    transfer::{LANES, Part, Parts, Stage, Transfer, Trouble},
    wire,
};
use crate::operations::rate::Rate;

/// How long a lane waits when the others are too far behind.
const BREATH_MILLIS: i32 = 100;

/// An upload from an offset to its end. A lane sends one chunk after the other; the first trouble ends all of
/// them.
pub(super) struct Lanes {
    pub transfer: Transfer,
    pub id: UploadId,
    pub file: File,
    /// A person ends it.
    pub ended: AbortSignal,
    /// Calls off what is under way.
    pub under_way: AbortController,
    pub parts: RefCell<Parts>,
    pub rate: RefCell<Rate>,
    pub trouble: RefCell<Option<Trouble>>,
    /// A chunk arrived.
    pub moved: Cell<bool>,
}

impl Lanes {
    /// Sends all that is left.
    pub async fn run(self: &Rc<Self>) -> Result<(), Trouble> {
        self.show();
        let lanes: Array = (0..LANES).map(|_| JsValue::from(Rc::clone(self).spawn())).collect();
        drop(JsFuture::from(Promise::all(&lanes)).await);
        match self.trouble.take() {
            Some(trouble) => Err(trouble),
            None if self.parts.borrow().is_whole() => Ok(()),
            None => Err(Trouble::Elsewhere("A part of it is missing on the server and is sent again".to_owned())),
        }
    }

    fn spawn(self: Rc<Self>) -> Promise {
        future_to_promise(async move {
            self.lane().await;
            Ok(JsValue::UNDEFINED)
        })
    }

    async fn lane(&self) {
        while !self.is_over() {
            let part = self.parts.borrow_mut().take();
            let part = match part {
                Part::Chunk(start, end) => (start, end),
                Part::Later => {
                    pause(BREATH_MILLIS).await;
                    continue;
                }
                Part::Nothing => return,
            };
            match wire::append(self.id, &self.file, part, &self.under_way.signal()).await {
                Ok(offset) => {
                    self.moved.set(true);
                    self.parts.borrow_mut().arrived(offset);
                    self.show();
                }
                Err(trouble) => {
                    self.trouble.borrow_mut().get_or_insert(trouble);
                    self.under_way.abort();
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended.aborted() || self.trouble.borrow().is_some()
    }

    /// Nothing is shown of a transfer that somebody ended.
    fn show(&self) {
        if self.ended.aborted() {
            return;
        }
        let offset = self.parts.borrow().offset();
        self.transfer.stage.set(Stage::Sending);
        self.transfer.sent.set(offset);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970 fit")]
        let now = Duration::from_millis(js_sys::Date::now() as u64);
        self.transfer.rate.set(self.rate.borrow_mut().after(Phase::Receiving, offset, now));
    }
}

/// Waits.
pub(super) async fn pause(millis: i32) {
    let wait = Promise::new(&mut |resolve, _| {
        // Without a timer the promise would never end; then there is no window either.
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis);
    });
    drop(JsFuture::from(wait).await);
}
