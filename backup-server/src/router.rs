//! All routes in one table, and what every request passes through: the token, limits, traces, panics.

mod extract;
mod refusals;
pub(crate) mod routes;

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    handler::Handler,
    http::{Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

pub(crate) use extract::{ApiJson, ApiPath};
pub(crate) use refusals::{Answer, Refusal};

use crate::{imports, jobs, links, openapi, removals, restores, server::App, uploads, verifications};

/// The largest body of a request; all of them are small JSON documents.
const BODY_LIMIT: usize = 64 * 1024;

/// Who may use a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Only with the bearer token.
    Token,
    /// Anyone: it reveals nothing, or the address itself is the key.
    Open,
}

/// One route: a method and a path.
pub(crate) struct Route {
    pub access: Access,
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of the API's description compares it"))]
    pub method: Method,
    pub path: &'static str,
    handler: MethodRouter<App>,
}

impl Route {
    fn new<H: Handler<T, App>, T: 'static>(access: Access, method: Method, path: &'static str, handler: H) -> Self {
        let filter = match method {
            Method::POST => MethodFilter::POST,
            Method::DELETE => MethodFilter::DELETE,
            Method::HEAD => MethodFilter::HEAD,
            Method::PATCH => MethodFilter::PATCH,
            Method::OPTIONS => MethodFilter::OPTIONS,
            _ => MethodFilter::GET,
        };
        Self { access, method, path, handler: on(filter, handler) }
    }
}

/// Every route of the server.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Open, Token};
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    vec![
        Route::new(Open, get.clone(), "/healthz", routes::health),
        Route::new(Open, get.clone(), "/readyz", routes::ready),
        Route::new(Open, get.clone(), "/v1/openapi.json", openapi::document),
        Route::new(Open, get.clone(), "/v1/downloads/{token}", links::download),
        Route::new(Open, Method::HEAD, "/v1/downloads/{token}", links::download),
        Route::new(Token, get.clone(), "/v1/server", routes::server),
        Route::new(Token, post.clone(), "/v1/sources/test", routes::test_source),
        Route::new(Token, post.clone(), "/v1/repositories/{repository}/backups", jobs::routes::start_backup),
        Route::new(Token, get.clone(), "/v1/repositories/{repository}/backups", routes::list_backups),
        Route::new(Token, get.clone(), "/v1/repositories/{repository}/backups/{backup}", routes::get_backup),
        Route::new(Token, delete.clone(), "/v1/repositories/{repository}/backups/{backup}", routes::delete_backup),
        Route::new(Token, post.clone(), "/v1/repositories/{repository}/removals", removals::routes::start_removal),
        Route::new(
            Token,
            post.clone(),
            "/v1/repositories/{repository}/backups/{backup}/links",
            links::routes::create_link,
        ),
        Route::new(
            Token,
            post.clone(),
            "/v1/repositories/{repository}/backups/{backup}/preflight",
            restores::routes::preflight,
        ),
        Route::new(
            Token,
            post.clone(),
            "/v1/repositories/{repository}/backups/{backup}/restores",
            restores::routes::start_restore,
        ),
        Route::new(Token, get.clone(), "/v1/restores/{restore}", restores::routes::get_restore),
        Route::new(Token, post.clone(), "/v1/restores/{restore}/undo", restores::routes::start_undo),
        Route::new(Token, get.clone(), "/v1/repositories/{repository}/recovery-kit", routes::recovery_kit),
        Route::new(
            Token,
            get.clone(),
            "/v1/repositories/{repository}/verification",
            verifications::routes::get_verification,
        ),
        Route::new(
            Token,
            post.clone(),
            "/v1/repositories/{repository}/verification",
            verifications::routes::start_verification,
        ),
        Route::new(Token, Method::OPTIONS, "/v1/repositories/{repository}/uploads", uploads::routes::abilities),
        Route::new(Token, post.clone(), "/v1/repositories/{repository}/uploads", uploads::routes::create_upload),
        Route::new(Token, get.clone(), "/v1/uploads/{upload}", uploads::routes::get_upload),
        Route::new(Token, Method::HEAD, "/v1/uploads/{upload}", uploads::routes::ask_upload),
        Route::new(Token, Method::PATCH, "/v1/uploads/{upload}", uploads::routes::append_chunk),
        Route::new(Token, delete.clone(), "/v1/uploads/{upload}", uploads::routes::delete_upload),
        Route::new(Token, post.clone(), "/v1/repositories/{repository}/imports", imports::routes::start_import),
        Route::new(Token, delete, "/v1/links/{link}", links::routes::revoke_link),
        Route::new(Token, get.clone(), "/v1/jobs/{job}", jobs::routes::get_job),
        Route::new(Token, get.clone(), "/v1/jobs/{job}/log", jobs::routes::get_job_log),
        Route::new(Token, get, "/v1/jobs/{job}/events", jobs::routes::follow_job),
        Route::new(Token, post, "/v1/jobs/{job}/cancel", jobs::routes::cancel_job),
    ]
}

/// The server's router.
pub(crate) fn router(app: App) -> Router {
    let (guarded, open): (Vec<_>, Vec<_>) = table().into_iter().partition(|route| route.access == Access::Token);
    let collect = |routes: Vec<Route>| {
        routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
    };
    let guarded = collect(guarded).route_layer(middleware::from_fn_with_state(app.clone(), require_token));
    collect(open)
        .merge(guarded)
        .fallback(async || Refusal::not_found("There is nothing at this address of the backup server."))
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(|_| Refusal::panicked().into_response()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(app)
}

/// The route, not the address: that of a download is a secret.
fn span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    tracing::info_span!("request", http.method = %request.method(), http.route = route)
}

async fn require_token(State(app): State<App>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    if given.is_some_and(|token| app.token.matches(token)) {
        return next.run(request).await;
    }
    ([(header::WWW_AUTHENTICATE, "Bearer")], Refusal::unauthorized()).into_response()
}
