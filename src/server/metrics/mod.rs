//! `/metrics`: how everything stands, for Prometheus, behind a token of its own that opens nothing else.

mod figures;
mod text;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use figures::Figures;
use subtle::ConstantTimeEq;

use super::{Panel, StartError, hash_of_token, secrets};
use crate::error::AppError;

/// What [`text::of`] writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The file in the data folder that holds the token when the settings name none.
const TOKEN_FILE: &str = "metrics.token";

/// The hash of the token that `/metrics` asks for.
#[derive(Clone, Debug)]
pub struct MetricsToken(Vec<u8>);

impl MetricsToken {
    /// The token of the settings, else that of the data folder; made at the first start.
    pub fn open(panel: &super::Config, randomness: &super::Randomness) -> Result<Self, StartError> {
        let token = match &panel.metrics_token {
            Some(token) => token.reveal().trim().to_owned(),
            None => secrets::token_file(&panel.data.join(TOKEN_FILE), randomness)?,
        };
        Ok(Self(hash_of_token(&token)))
    }

    fn allows(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        given.is_some_and(|token| hash_of_token(token.trim()).ct_eq(&self.0).into())
    }
}

/// Answers a scrape.
pub async fn scrape(State(panel): State<Panel>, headers: HeaderMap) -> Response {
    if !panel.metrics_token.allows(&headers) {
        let why = "Send the metrics token as “Authorization: Bearer …”. It is in the file metrics.token of the panel's \
                   data folder, unless HOLDFAST_METRICS_TOKEN sets it.\n";
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], why).into_response();
    }
    let written = Figures::read(&panel).await.and_then(|figures| text::of(&figures).map_err(|_| AppError::Internal));
    match written {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
