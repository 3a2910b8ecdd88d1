//! Downloads: a temporary link on the server that holds the backup, or a page that says why there is none.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use backup_api::{CreateLink, LinkCompression};
use leptos::{config::LeptosOptions, prelude::*};
use leptos_meta::provide_meta_context;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::{LineId, LineResult, store};
use crate::{
    app,
    backup_servers::clients,
    components::page::Door,
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{Caller, Panel, accepts_html, caller::status_of},
    subscriptions,
    users::{Role, User},
};

/// For the page of a refusal: the style and nothing else.
const STYLE_ONLY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'";

/// What the route's address may say.
#[derive(Debug, Default, Deserialize)]
pub struct Options {
    #[serde(default)]
    compression: LinkCompression,
}

/// `GET /lines/{line}/download`: goes to a new temporary link; works without JavaScript.
pub async fn redirect(
    State(panel): State<Panel>,
    State(leptos): State<LeptosOptions>,
    Path(line): Path<Uuid>,
    Query(options): Query<Options>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
) -> Response {
    let made = async {
        let Extension(caller) = caller.ok_or(AppError::SignedOut)?;
        let caller = caller.at_least(Role::Operator)?;
        link(&panel, &caller.user, LineId(line), options.compression).await
    };
    match made.await {
        Ok(url) => Redirect::to(&url).into_response(),
        Err(error) => refuse(&error, &headers, leptos),
    }
}

/// Why there is no link: a page for browsers, plain words for all others.
fn refuse(error: &AppError, headers: &HeaderMap, leptos: LeptosOptions) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepts_html(text(header::ACCEPT)) {
        return (status_of(error), error.to_string()).into_response();
    }
    let page = page(error, whence(text(header::REFERER)), leptos);
    (status_of(error), [(header::CONTENT_SECURITY_POLICY, STYLE_ONLY)], Html(page)).into_response()
}

/// The subscription whose page had the link, if the browser says so: of a line that is gone nobody else knows it.
fn whence(referer: &str) -> Option<Uuid> {
    let page = Url::parse(referer).ok()?;
    Uuid::parse_str(page.path().strip_prefix("/subscriptions/")?).ok()
}

/// What happened, and what to do.
fn in_words(error: &AppError) -> (&'static str, String) {
    match error {
        AppError::NotFound { .. } => (
            "This backup is not here any more",
            "It was deleted since the page with its link was opened, by somebody or by retention. Choose another \
             backup; the action log says who deleted it."
                .to_owned(),
        ),
        other => ("There is no download", other.to_string()),
    }
}

fn page(error: &AppError, subscription: Option<Uuid>, options: LeptosOptions) -> String {
    let (title, message) = in_words(error);
    let (back, words) = match subscription {
        Some(id) => (format!("/subscriptions/{id}"), "Back to the backups"),
        None => ("/subscriptions".to_owned(), "Go to the subscriptions"),
    };
    Owner::new().with(|| {
        provide_meta_context();
        view! {
            <!DOCTYPE html>
            <html lang="en">
                <head>
                    {app::head(options)}
                    // A child would come with a marker, which is no comment in a title.
                    <title inner_html=format!("{title} · Holdfast")></title>
                </head>
                <body>
                    <Door title>
                        <h1>{title}</h1>
                        <p class="muted">{message}</p>
                        <a class="btn primary" href=back>{words}</a>
                    </Door>
                </body>
            </html>
        }
        .to_html()
    })
}

/// Makes a temporary link and writes that down; gives its address.
pub async fn link(panel: &Panel, user: &User, id: LineId, compression: LinkCompression) -> AppResult<String> {
    let found = store::find(panel, id).await?;
    let line = &found.line;
    if !line.is_usable() {
        return Err(AppError::Conflict(match &line.result {
            LineResult::Failed { .. } => "This backup did not succeed: there is nothing to download.".to_owned(),
            _ => format!(
                "The backup server “{}” says that this backup is not there any more. Open the list again to have it \
                 asked anew.",
                line.server
            ),
        }));
    }
    let server = clients::server(panel, found.server).await?;
    let wanted = CreateLink { compression, ..CreateLink::default() };
    let temporary = server.client.create_link(found.repository, line.remote_id, &wanted).await;
    let temporary = temporary.map_err(|error| server.fault(&error))?;
    let subscription = subscriptions::store::find(panel, line.subscription).await?;
    let what = format!("Made a download link for {}, open for 15 minutes", line.name);
    actions::note(panel, Entry::by(user, what).about(line.subscription, &subscription.name)).await?;
    if server.embedded {
        return Ok(format!("/this-machine{}", temporary.path));
    }
    Ok(format!("{}{}", server.url.as_str().trim_end_matches('/'), temporary.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_a_subscription_or_nothing() {
        let id = Uuid::from_u128(7);
        assert_eq!(whence(&format!("https://panel.example.com/subscriptions/{id}?show=good")), Some(id));
        for other in ["", "https://panel.example.com/", "https://panel.example.com/subscriptions/new", "nonsense"] {
            assert_eq!(whence(other), None, "{other}");
        }
    }
}
