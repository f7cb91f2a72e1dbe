//! `GET /openapi.json`: the document, made from the routes and the types they take and give. Tests compare
//! it with the routes registered and with real answers.

mod protocols;

use actix_web::HttpResponse;
use serde_json::Value;
use utoipa::OpenApi;

use super::{features, forecasts, timeseries};

/// Everything the predictor serves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Foresail predictor",
        description = "Forecasts of one Pipeline. Names in JSON are snake_case, times are RFC 3339 or \
                       milliseconds since the Unix epoch as their description says."
    ),
    paths(
        forecasts::all_symbols,
        forecasts::by_symbol,
        timeseries::models,
        timeseries::forecast,
        features::compute,
        document
    ),
    tags(
        (name = "Foresail", description = "Forecasts and features by symbol"),
        (name = "KServe time-series protocol", description = "Forecasts from series in the request")
    )
)]
struct Document;

/// The whole document.
fn whole() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    protocols::describe(&mut document);
    document
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Foresail",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(whole())
}

#[cfg(test)]
mod tests;
