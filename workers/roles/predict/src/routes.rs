//! HTTP routes and what they share: errors as JSON, the in-flight limit, metrics.

pub(crate) mod features;
pub(crate) mod forecasts;
pub(crate) mod openapi;
pub(crate) mod timeseries;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::metrics;
use crate::state::State;

/// Requests worked on at one time; more are told to come again.
const MOST_IN_FLIGHT: usize = 512;
/// Largest request body in bytes.
const LARGEST_BODY: usize = 4 << 20;

/// All routes.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    let body = web::JsonConfig::default()
        .limit(LARGEST_BODY)
        .error_handler(|error, _| {
            let response = bad_request("body", &error.to_string());
            actix_web::error::InternalError::from_response(error, response).into()
        });
    app.app_data(body)
        .route("/v1/forecasts", web::get().to(forecasts::all))
        .route("/v1/forecasts/{symbol}", web::get().to(forecasts::one))
        .route("/v1/timeseries/models", web::get().to(timeseries::models))
        .route(
            "/v1/timeseries/forecast",
            web::post().to(timeseries::forecast),
        )
        .route("/v1/features", web::post().to(features::compute))
        .route("/openapi.json", web::get().to(openapi::document))
        .default_service(web::to(|| async {
            error(
                StatusCode::NOT_FOUND,
                "NotFoundError",
                "path",
                "no such route; see /openapi.json",
            )
        }));
}

/// Counts, times and limits requests.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let route = request.match_pattern().unwrap_or_else(|| "other".into());
    let state = request
        .app_data::<web::Data<Arc<State>>>()
        .map(|s| Arc::clone(s));
    let begin = Instant::now();
    let busy = state
        .as_ref()
        .map_or(0, |s| s.in_flight.fetch_add(1, Ordering::Relaxed));
    let response = if busy >= MOST_IN_FLIGHT {
        let answer = unavailable("too many requests at one time");
        request.into_response(answer).map_into_boxed_body()
    } else {
        match next.call(request).await {
            Ok(response) => response.map_into_boxed_body(),
            Err(error) => {
                if let Some(state) = &state {
                    state.in_flight.fetch_sub(1, Ordering::Relaxed);
                }
                return Err(error);
            }
        }
    };
    if let Some(state) = &state {
        state.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
    metrics::REQUESTS
        .with_label_values(&[route.as_str(), response.status().as_str()])
        .inc();
    metrics::LATENCY
        .with_label_values(&[route.as_str()])
        .observe(begin.elapsed().as_secs_f64());
    Ok(response)
}

/// The error object of the time-series protocol.
pub(crate) fn error(status: StatusCode, kind: &str, param: &str, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"error": {
        "code": status.as_u16().to_string(), "message": message, "param": param, "type": kind
    }}))
}

pub(crate) fn bad_request(param: &str, message: &str) -> HttpResponse {
    error(StatusCode::BAD_REQUEST, "BadRequestError", param, message)
}

/// Not now; come again.
pub(crate) fn unavailable(message: &str) -> HttpResponse {
    let mut response = error(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailableError",
        "",
        message,
    );
    let after = actix_web::http::header::HeaderValue::from_static("1");
    response
        .headers_mut()
        .insert(actix_web::http::header::RETRY_AFTER, after);
    response
}
