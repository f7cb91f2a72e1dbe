//! Answers without a result: what is wrong, in the shape of the time-series protocol.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::Busy;

/// A request that is not answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorAnswer {
    error: ErrorObject,
}

/// Cause of an answer without a result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorObject {
    /// HTTP status as text.
    #[schema(example = "400")]
    code: String,
    /// Cause in one sentence.
    message: String,
    /// Parameter it is about; empty when it is none.
    #[schema(example = "options.horizon")]
    param: String,
    /// Error class of the protocol.
    #[serde(rename = "type")]
    #[schema(example = "BadRequestError")]
    kind: String,
}

/// A parameter of a request that cannot be used.
#[derive(Debug)]
pub(crate) struct BadParameter {
    param: String,
    message: String,
}

impl BadParameter {
    pub(crate) fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: param.into(),
            message: message.into(),
        }
    }

    pub(crate) fn answer(&self) -> HttpResponse {
        let status = StatusCode::BAD_REQUEST;
        error(status, "BadRequestError", &self.param, &self.message)
    }
}

pub(crate) fn error(status: StatusCode, kind: &str, param: &str, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(ErrorAnswer {
        error: ErrorObject {
            code: status.as_u16().to_string(),
            message: message.into(),
            param: param.into(),
            kind: kind.into(),
        },
    })
}

/// No room at this moment; come again.
pub(crate) fn busy(refused: Busy) -> HttpResponse {
    unavailable(refused.0)
}

/// Not now; come again.
pub(crate) fn unavailable(message: &str) -> HttpResponse {
    let mut response = error(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailableError",
        "",
        message,
    );
    let after = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, after);
    response
}
