//! HTTP routes, and what all requests pass before and after.

pub(crate) mod answers;
mod bounded;
pub(crate) mod errors;
pub(crate) mod features;
pub(crate) mod forecasts;
pub(crate) mod guard;
pub(crate) mod openapi;
pub(crate) mod protocols;
pub(crate) mod timeseries;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, web};

use self::errors::error;
use crate::handle::{PREDICTION_HEADER, prediction_id};
use crate::limits::LARGEST_BODY;

/// Names an answer by an identity of its own, in a header.
pub(crate) fn identify(response: &mut HttpResponse) {
    if let Ok(id) = HeaderValue::from_str(&prediction_id()) {
        let name = HeaderName::from_static(PREDICTION_HEADER);
        response.headers_mut().insert(name, id);
    }
}

/// All routes; `openapi::Document` describes them.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(LARGEST_BODY))
        .service(reading("/v1/forecasts", forecasts::all_symbols))
        // The rest of the path, since proxies hand on `BTC%2FUSDT` as `BTC/USDT`.
        .service(reading("/v1/forecasts/{symbol:.+}", forecasts::by_symbol))
        .service(reading("/v1/timeseries/models", timeseries::models))
        .service(posting("/v1/timeseries/forecast", timeseries::forecast))
        .service(posting("/v1/features", features::compute))
        .service(reading("/openapi.json", openapi::document));
    for route in protocols::ROUTES {
        app.service(web::resource(route).to(protocols::answer));
    }
    app.default_service(web::to(protocols::answer));
}

/// A route for GET, and for HEAD, which has no body.
fn reading<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A, Output = HttpResponse> + Clone,
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(|| async { other_method("GET, HEAD") }))
}

/// A route for POST.
fn posting<F, A>(path: &str, handler: F) -> Resource
where
    F: Handler<A, Output = HttpResponse>,
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(|| async { other_method("POST") }))
}

fn other_method(allowed: &'static str) -> HttpResponse {
    let message = format!("this route takes {allowed}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = error(status, "MethodNotAllowedError", "method", &message);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
