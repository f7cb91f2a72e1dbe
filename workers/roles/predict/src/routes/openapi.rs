//! `GET /openapi.json`: the document, made from the routes and the types they take and give. Tests compare
//! it with the routes registered and with real answers.

mod protocols;

use actix_web::HttpResponse;
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::guard::OPEN;
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
    secure(&mut document);
    document
}

/// Every route may ask for a key, but those that say whether the server lives.
fn secure(document: &mut Value) {
    let scheme = json!({"type": "http", "scheme": "bearer", "description": "A key, where the server asks for one"});
    document["components"]["securitySchemes"] = json!({"key": scheme});
    document["security"] = json!([{}, {"key": []}]);
    let challenge = json!({"WWW-Authenticate": {"schema": {"type": "string"}}});
    let denied = json!({"description": "No key, or a wrong one", "headers": challenge});
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    let asking = paths
        .iter_mut()
        .filter(|(path, _)| !OPEN.contains(&path.as_str()));
    let operations = asking.filter_map(|(_, path)| path.as_object_mut());
    for operation in operations.flat_map(|path| path.values_mut()) {
        operation["responses"]["401"] = denied.clone();
    }
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
