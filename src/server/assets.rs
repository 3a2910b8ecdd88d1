//! The pages' files, precompressed where such a file lies beside; everything else is the page “not found”.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use leptos::{config::LeptosOptions, prelude::provide_context};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use super::{Panel, headers};
use crate::app::shell;

/// Answers with a file of the site folder, or with the page that says that there is none (404).
pub async fn serve(
    State(options): State<LeptosOptions>,
    axum::Extension(panel): axum::Extension<Panel>,
    request: Request,
) -> Response {
    let path = request.uri().path().to_owned();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if path != "/" && !path.ends_with('/') {
        let files = ServeDir::new(&*options.site_root)
            .append_index_html_on_directories(false)
            .precompressed_br()
            .precompressed_gzip();
        let (parts, _) = request.into_parts();
        let copy = Request::from_parts(parts.clone(), Body::empty());
        let Ok(mut answer) = files.oneshot(copy).await;
        if answer.status() != StatusCode::NOT_FOUND {
            headers::keep_for(&path, answer.headers_mut());
            return answer.map(Body::new);
        }
        return not_found(panel, options, Request::from_parts(parts, Body::empty())).await;
    }
    not_found(panel, options, request).await
}

async fn not_found(panel: Panel, options: LeptosOptions, request: Request) -> Response {
    let context = move || {
        provide_context(panel.clone());
        headers::allow_own_scripts();
    };
    let render = leptos_axum::render_app_async_with_context(context, move || shell(options.clone()));
    let mut answer = render(request).await;
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::NOT_FOUND;
    }
    answer
}
