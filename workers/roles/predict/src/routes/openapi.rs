//! `GET /openapi.json`.

use actix_web::HttpResponse;
use serde_json::{Value, json};

pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(describe())
}

fn describe() -> Value {
    let answer = |text: &str| json!({"description": text, "content": {"application/json": {"schema": {"type": "object"}}}});
    let errors = |base: Value| {
        let mut all = base;
        all["503"] = answer("Not ready, or too busy; Retry-After says when to come again");
        all
    };
    let post = |summary: &str, required: Value| {
        json!({"post": {
            "summary": summary,
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": required}}}},
            "responses": errors(json!({"200": answer("The result"), "400": answer("What is wrong, and with which parameter")}))
        }})
    };
    let symbol =
        json!([{"name": "symbol", "in": "path", "required": true, "schema": {"type": "string"}}]);
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Foresail predictor", "version": env!("CARGO_PKG_VERSION")},
        "paths": {
            "/v1/forecasts": {"get": {"summary": "Newest forecast of every symbol", "responses": errors(json!({"200": answer("Forecasts")}))}},
            "/v1/forecasts/{symbol}": {"get": {
                "summary": "Newest forecast of one symbol", "parameters": symbol,
                "responses": errors(json!({"200": answer("symbol, as_of, model_version, close, horizon, dates, mean_forecast, quantiles (closes per level, as \"0.1\")"), "404": answer("Unknown symbol")}))
            }},
            "/v1/timeseries/models": {"get": {"summary": "Models served here", "responses": {"200": {
                "description": "Names", "content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}
            }}}},
            "/v1/timeseries/forecast": post("Forecast from series in the request (KServe time-series protocol)", json!(["inputs"])),
            "/v1/features": post("Feature rows of bars in the request", json!(["bars"]))
        }
    })
}
