//! Axum's extractors with our errors: what cannot be read is refused in words.

use axum::{
    extract::{
        FromRequest, FromRequestParts,
        rejection::{JsonRejection, PathRejection},
    },
    http::StatusCode,
};
use backup_api::ErrorCode;

use super::Refusal;

/// Parts of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Refusal))]
pub(crate) struct ApiPath<T>(pub T);

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Refusal))]
pub(crate) struct ApiJson<T>(pub T);

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(format!("The address cannot be understood: {}.", rejection.body_text().trim_end_matches('.')))
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let (status, message) = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.".to_owned()),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the request as JSON, with the header “Content-Type: application/json”.".to_owned(),
            ),
            _ => (StatusCode::BAD_REQUEST, explain(&rejection.body_text())),
        };
        Self::new(status, ErrorCode::Invalid, message)
    }
}

/// Serde's text may quote a value, and a value may be a password: this says what kind of fault and where, not the value.
fn explain(text: &str) -> String {
    let at = text.rfind(" at line ").map_or("", |start| &text[start..]);
    if let Some((_, rest)) = text.split_once("missing field ") {
        let field = rest.split(" at ").next().unwrap_or_default();
        return format!("The request's JSON lacks the field {field}{at}.");
    }
    if let Some((_, rest)) = text.split_once("database name") {
        let rest = rest.split(" at line ").next().unwrap_or_default();
        return format!("A database name{rest}");
    }
    format!("The request's JSON is not as /v1/openapi.json describes it{at}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_explained_without_its_value() {
        let missing =
            "Failed to deserialize the JSON body into the target type: missing field `job` at line 1 column 9";
        assert_eq!(explain(missing), "The request's JSON lacks the field `job` at line 1 column 9.");
        let wrong = "…: master_password: invalid type: integer `1234`, expected a string at line 1 column 60";
        assert_eq!(explain(wrong), "The request's JSON is not as /v1/openapi.json describes it at line 1 column 60.");
    }
}
