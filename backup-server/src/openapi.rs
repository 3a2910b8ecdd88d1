//! The OpenAPI document at `/v1/openapi.json`.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{imports, jobs, links, removals, restores, router::routes, uploads, verifications};

/// The API's description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast backup server",
        description = "Keeps and restores backups of Odoo databases. Send the server's token as bearer token. \
                       Errors are `{code, message}`; the message is for administrators. Times are UTC, sizes bytes.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        document,
        routes::health,
        routes::ready,
        routes::server,
        routes::test_source,
        routes::list_backups,
        routes::get_backup,
        routes::delete_backup,
        routes::recovery_kit,
        verifications::routes::get_verification,
        verifications::routes::start_verification,
        jobs::routes::start_backup,
        jobs::routes::get_job,
        jobs::routes::get_job_log,
        jobs::routes::follow_job,
        jobs::routes::cancel_job,
        links::routes::create_link,
        links::routes::revoke_link,
        links::download,
        removals::routes::start_removal,
        restores::routes::preflight,
        restores::routes::start_restore,
        restores::routes::start_undo,
        restores::routes::get_restore,
        uploads::routes::abilities,
        uploads::routes::create_upload,
        uploads::routes::get_upload,
        uploads::routes::ask_upload,
        uploads::routes::append_chunk,
        uploads::routes::delete_upload,
        imports::routes::start_import,
    ),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Api;

/// Says that the token is a bearer token.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "Server", security(()),
    responses((status = 200, description = "The OpenAPI document")))]
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::router::{Access, table};

    /// Method, path and whether a token is needed, of every operation in the document.
    fn documented() -> BTreeSet<(String, String, bool)> {
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| {
                let needs_token = operation.get("security").is_none();
                (method.to_uppercase(), path.clone(), needs_token)
            })
        });
        operations.collect()
    }

    #[test]
    fn every_route_is_documented_and_every_documented_route_exists() {
        let routes = table().into_iter();
        let routes =
            routes.map(|route| (route.method.to_string(), route.path.to_owned(), route.access == Access::Token));
        assert_eq!(documented(), routes.collect());
    }
}
