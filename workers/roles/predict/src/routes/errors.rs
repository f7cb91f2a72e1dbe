//! Answers without a result: what is wrong, in the shape of the time-series protocol.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use foresail_runtime_http::access::Denied;
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

/// Why a request is refused before anybody looks at its content.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Error class of the time-series protocol.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// Header `WWW-Authenticate`.
    pub(crate) challenge: Option<&'static str>,
}

impl Refusal {
    /// The answer in the form of Foresail's own routes.
    pub(crate) fn answer(&self) -> HttpResponse {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => unavailable(&self.message),
            StatusCode::UNAUTHORIZED => error(self.status, self.kind, "", &self.message),
            status => error(status, self.kind, "body", &self.message),
        }
    }
}

impl From<Busy> for Refusal {
    fn from(busy: Busy) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "ServiceUnavailableError",
            message: busy.0.to_owned(),
            challenge: None,
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            kind: "AuthenticationError",
            message: denied.message().to_owned(),
            challenge: Some(denied.challenge()),
        }
    }
}

/// What no route and no protocol takes.
pub(crate) fn no_such_route() -> HttpResponse {
    let message = "no such route; see /openapi.json";
    error(StatusCode::NOT_FOUND, "NotFoundError", "path", message)
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
