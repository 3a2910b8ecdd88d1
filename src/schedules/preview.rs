//! What a schedule and a policy would do before they are saved; and the way to that without JavaScript.

use axum::{
    Extension,
    response::{IntoResponse, Redirect, Response},
};
use url::form_urlencoded::{self, Serializer};
use uuid::Uuid;

use super::{
    PlanPreview,
    plan::{self, Plan},
};
use crate::{
    error::{AppError, AppResult},
    retention,
    server::{Caller, Panel, caller::status_of},
    subscriptions::{SubscriptionId, SubscriptionInput, input},
};

/// Runs that the form shows.
const SHOWN: usize = 5;
/// What travels in the address: no secret is among it.
const FIELDS: [&str; 12] = [
    "daily",
    "weekly",
    "monthly",
    "keep_latest",
    "scheduled",
    "repeats",
    "times",
    "weekday",
    "cron",
    "spread",
    "planned_format",
    "zone",
];

/// The preview of what a form says. The minute of a new subscription is not known yet: its runs are shown at their time.
pub async fn of(panel: &Panel, form: &SubscriptionInput) -> AppResult<PlanPreview> {
    let zone = plan::zone(&form.zone)?;
    let schedule = input::schedule(form)?;
    let plan = Plan::parse(&schedule, zone)?;
    let id = form.id.unwrap_or(SubscriptionId(Uuid::nil()));
    let runs = plan.runs_after(panel.clock.now(), id).take(if schedule.enabled { SHOWN } else { 0 });
    let next_runs = runs.map(|at| at.with_timezone(&zone).format("%a %-d %b %Y, %H:%M %Z").to_string()).collect();
    let retention = match form.id {
        Some(id) => Some(retention::lines::preview(panel, id, input::retention(form)?, zone).await?),
        None => None,
    };
    Ok(PlanPreview { next_runs, retention })
}

/// `POST /subscriptions/preview`: shows the form again with what it said of schedule and retention, and what that does.
pub async fn show(caller: Option<Extension<Caller>>, body: String) -> Response {
    if caller.is_none() {
        let error = AppError::SignedOut;
        return (status_of(&error), error.to_string()).into_response();
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes())
        .filter_map(|(name, value)| {
            Some((name.strip_prefix("input[")?.strip_suffix(']')?.to_owned(), value.into_owned()))
        })
        .collect();
    let Some(id) = fields.iter().find(|(name, _)| name == "id").and_then(|(_, id)| id.parse::<Uuid>().ok()) else {
        return Redirect::to("/subscriptions/new").into_response();
    };
    let mut query = Serializer::new(String::new());
    query.append_pair("tab", "general").append_pair("preview", "plan");
    query.extend_pairs(fields.iter().filter(|(name, _)| FIELDS.contains(&name.as_str())));
    Redirect::to(&format!("/subscriptions/{id}?{}#plan", query.finish())).into_response()
}
