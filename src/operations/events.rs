//! `GET /events/operations`: first every unfinished operation, then each change, as server-sent events.
//!
//! A browser has a few of them at once; the oldest ends when there is one more, with the event [`CROWDED`].

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::State,
    http::HeaderName,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::Stream;
use tokio::sync::{Notify, broadcast::error::RecvError};

use super::{CROWDED, Operation, store};
use crate::{
    error::{AppError, AppResult},
    server::{Caller, Panel, caller::status_of},
};

/// A stream ends after this long; browsers connect again, with a session that still holds or not.
const LONGEST: Duration = Duration::from_mins(10);

/// Streams operations to somebody who is signed in.
pub async fn stream(State(panel): State<Panel>, caller: Option<Extension<Caller>>) -> Response {
    let Some(Extension(caller)) = caller else {
        let error = AppError::SignedOut;
        return (status_of(&error), error.to_string()).into_response();
    };
    let place = panel.live.crowd.enter(&caller.session);
    // Proxies must pass each event on at once.
    let headers = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    (headers, Sse::new(events(panel, place)).keep_alive(keep_alive)).into_response()
}

fn events(panel: Panel, place: Arc<Notify>) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let end = tokio::time::sleep(LONGEST);
        tokio::pin!(end);
        // Watched before the list is read: a change in between comes twice rather than never.
        let mut changes = panel.live.changes();
        for operation in unfinished(&panel).await.unwrap_or_default() {
            yield Ok(event(&operation));
        }
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                () = panel.stop.cancelled() => break,
                () = &mut end => break,
                () = place.notified() => {
                    // Browsers drop an event without data.
                    yield Ok(Event::default().event(CROWDED).data("end"));
                    break;
                }
            };
            match change {
                Ok(operation) => yield Ok(event(&operation)),
                Err(RecvError::Lagged(_)) => {
                    for operation in unfinished(&panel).await.unwrap_or_default() {
                        yield Ok(event(&operation));
                    }
                }
                Err(RecvError::Closed) => break,
            }
        }
    }
}

async fn unfinished(panel: &Panel) -> AppResult<Vec<Operation>> {
    let stored = store::unfinished(panel).await?;
    let mut operations: Vec<Operation> = stored.into_iter().map(|stored| stored.operation).collect();
    for operation in &mut operations {
        panel.live.refresh(operation);
    }
    Ok(operations)
}

fn event(operation: &Operation) -> Event {
    let data = serde_json::to_string(operation).unwrap_or_default();
    Event::default().event("operation").data(data)
}
