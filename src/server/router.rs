//! The panel's routes.

use std::{panic::AssertUnwindSafe, sync::OnceLock};

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use leptos::{config::LeptosOptions, prelude::provide_context};
use leptos_axum::{AxumRouteListing, LeptosRoutes, generate_route_list};
use tower_http::catch_panic::CatchPanicLayer;

use super::{Panel, assets, db::query, headers, metrics, origin, refused, session};
use crate::{
    app::{App, shell},
    backups, operations, schedules,
    uploads::tus,
};

/// What handlers draw from.
#[derive(Clone, Debug)]
struct AppState {
    panel: Panel,
    options: LeptosOptions,
}

impl FromRef<AppState> for Panel {
    fn from_ref(state: &AppState) -> Self {
        state.panel.clone()
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.options.clone()
    }
}

/// Where the pages are. Listed once in a process: meanwhile Leptos lets no resource of any page load, and one that was to
/// begin just then would never end. With several panels in a process, as in tests, one can serve while another starts.
fn addresses_of_pages() -> Vec<AxumRouteListing> {
    static LISTED: OnceLock<Vec<AxumRouteListing>> = OnceLock::new();
    LISTED.get_or_init(|| generate_route_list(App)).clone()
}

/// All routes; `embedded` is the backup server of this process.
pub fn build(panel: &Panel, options: LeptosOptions, embedded: Option<Router>) -> Router {
    let state = AppState { panel: panel.clone(), options: options.clone() };
    let context = {
        let panel = panel.clone();
        move || {
            provide_context(panel.clone());
            headers::allow_own_scripts();
        }
    };
    let pages = Router::new()
        .leptos_routes_with_context(&state, addresses_of_pages(), context, move || shell(options.clone()))
        .route("/events/operations", get(operations::events::stream))
        .route("/subscriptions/preview", post(schedules::preview::show))
        .route("/lines/{line}/download", get(backups::download::redirect))
        .route("/uploads", post(tus::create).options(tus::options))
        .route("/uploads/{id}", any(tus::one))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::scrape))
        .fallback(assets::serve)
        .layer(Extension(panel.clone()))
        .layer(middleware::from_fn_with_state(panel.clone(), refused::keep))
        .layer(middleware::from_fn_with_state(panel.clone(), session::attach))
        .layer(middleware::from_fn_with_state(panel.clone(), origin::check))
        .layer(middleware::from_fn(headers::secure))
        .layer(CatchPanicLayer::custom(broken))
        .with_state(state);
    // Outside of all those layers: it takes bearer tokens, which no other site has, and no cookies.
    match embedded {
        Some(server) => pages.nest("/this-machine", server),
        None => pages,
    }
}

/// Whether the database answers.
async fn ready(State(panel): State<Panel>) -> Response {
    let answer: Result<(i64,), _> = query!(panel.db, fetch_one, "SELECT COUNT(*) FROM backup_servers");
    match answer {
        Ok(_) => "ok".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer").into_response(),
    }
}

fn broken(cause: Box<dyn std::any::Any + Send>) -> Response {
    let cause = AssertUnwindSafe(cause);
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!("A request broke off: {}", text.unwrap_or("no message"));
    let body = crate::error::AppError::Internal.to_string();
    (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
