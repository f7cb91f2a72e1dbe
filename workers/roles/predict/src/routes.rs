//! HTTP routes and what they share: the in-flight limit, metrics.

pub(crate) mod errors;
pub(crate) mod features;
pub(crate) mod forecasts;
pub(crate) mod openapi;
pub(crate) mod timeseries;

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web;
use tracing::{Instrument, Span};

use self::errors::{BadParameter, error, unavailable};
use crate::state::State;

/// Largest request body in bytes.
const LARGEST_BODY: usize = 4 << 20;
/// Header that says which version answered.
pub(crate) const VERSION_HEADER: &str = "X-Foresail-Model-Version";

/// All routes; `openapi::Document` describes them.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    let body = web::JsonConfig::default()
        .limit(LARGEST_BODY)
        .error_handler(|error, _| {
            let response = BadParameter::new("body", error.to_string()).answer();
            actix_web::error::InternalError::from_response(error, response).into()
        });
    app.app_data(body)
        .route("/v1/forecasts", web::get().to(forecasts::all_symbols))
        .route(
            "/v1/forecasts/{symbol}",
            web::get().to(forecasts::by_symbol),
        )
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
    // Returned when it is dropped: also when the handler panics or the client goes away.
    let permit = state
        .as_ref()
        .map(|s| Arc::clone(&s.in_flight).try_acquire_owned());
    let span = state.as_ref().map_or_else(Span::none, |s| s.span.clone());
    let response = if matches!(permit, Some(Err(_))) {
        let answer = unavailable("too many requests at one time");
        request.into_response(answer).map_into_boxed_body()
    } else {
        next.call(request)
            .instrument(span)
            .await?
            .map_into_boxed_body()
    };
    drop(permit);
    if let Some(metrics) = state.as_ref().map(|s| &s.metrics) {
        let status = response.status();
        metrics.requests.with([&route, status.as_str()]).inc();
        let seconds = begin.elapsed().as_secs_f64();
        metrics.request_seconds.with([&route]).observe(seconds);
    }
    Ok(response)
}
