//! The protocols of other servers: read, routed, answered and written by `foresail-protocol`. Here is only HTTP.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use foresail_protocol::{Answer, Asked, Code, Failure, Infer, Protocol, Signature, ask, protocol};

use super::answers::held;
use super::errors::{Refusal, no_such_route};
use super::{VERSION_HEADER, identify};
use crate::limits::Limits;
use crate::state::{Loaded, State};
use crate::windows::forecast;

/// Bytes of JSON before raw tensors.
const JSON_LENGTH_HEADER: &str = "inference-header-content-length";

/// Routes as metrics and the document name them, those first that others would take for their own. Paths that differ in case
/// come to the same handler, as does everything that is malformed.
pub(crate) const ROUTES: [&str; 24] = [
    "/v1/models/{model}:predict",
    "/v1/models/{model}/versions/{version}:predict",
    "/v1/models/{model}/labels/{label}:predict",
    "/v1/models/{model}/versions/{version}/metadata",
    "/v1/models/{model}/labels/{label}/metadata",
    "/v1/models/{model}/metadata",
    "/v1/models/{model}/versions/{version}",
    "/v1/models/{model}/labels/{label}",
    "/v1/models/{model}",
    "/v1/models",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models",
    "/v2/models/{model}",
    "/v2/models/{model}/ready",
    "/v2/models/{model}/infer",
    "/v2/models/{model}/versions/{version}",
    "/v2/models/{model}/versions/{version}/ready",
    "/v2/models/{model}/versions/{version}/infer",
    "/invocations",
    "/ping",
    "/health",
    "/version",
];

/// Answers whatever no route of Foresail itself takes.
pub(crate) async fn answer(
    request: HttpRequest,
    state: web::Data<Arc<State>>,
    body: Bytes,
) -> HttpResponse {
    let here = state.registry.here();
    let models = here.models(&state.config.pipeline.name);
    let path = request.uri().path();
    let asked = ask(request.method().as_str(), path, &models);
    let (Some(spoken), Some(asked)) = (protocol(path), asked) else {
        return no_such_route();
    };
    let infer = match asked {
        Asked::Answer(answer) => return respond(&state.limits, spoken, answer),
        Asked::Infer(infer) => infer,
    };
    let version = models.version(infer.version.into());
    let (Some(loaded), Some(version)) = (here.version(infer.version), version) else {
        let failure = Failure::not_ready(&models.name);
        return respond(&state.limits, spoken, spoken.refuse(&failure));
    };
    let inference = Inference {
        signature: Arc::clone(&version.signature),
        json_length: json_length(request.headers()),
        infer: infer.clone(),
        loaded: Arc::clone(loaded),
        body,
    };
    match state.limits.compute(move || inference.answer()).await {
        Ok(Ok(answer)) => {
            let mut response = respond(&state.limits, spoken, answer);
            if response.status().is_success() {
                name(&mut response, &infer);
            }
            response
        }
        Ok(Err(failure)) => respond(&state.limits, spoken, spoken.refuse(&failure)),
        Err(busy) => {
            let failure = Failure::new(Code::Unavailable, busy.0);
            respond(&state.limits, spoken, spoken.refuse(&failure))
        }
    }
}

/// A forecast that is asked for, with all it takes.
struct Inference {
    infer: Infer,
    loaded: Arc<Loaded>,
    signature: Arc<Signature>,
    body: Bytes,
    json_length: Option<String>,
}

impl Inference {
    /// Reads, computes and writes, away from the threads that serve others.
    fn answer(self) -> Result<Answer, Failure> {
        let length = self.json_length.as_deref();
        let call = self.infer.read(&self.signature, &self.body, length)?;
        // Gone before its answer is made.
        drop(self.body);
        let outputs = forecast(&self.loaded, &self.signature, &call.windows)?;
        Ok(self.infer.write(&call.form, &outputs))
    }
}

fn json_length(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(JSON_LENGTH_HEADER)?;
    // One that is no text is no number either, which is for the protocol to say.
    Some(value.to_str().unwrap_or("?").to_owned())
}

/// Names the version and the answer: in headers, since the bodies belong to the protocols.
fn name(response: &mut HttpResponse, infer: &Infer) {
    let version = HeaderName::from_static(VERSION_HEADER);
    response.headers_mut().insert(version, infer.version.into());
    identify(response);
}

fn respond(limits: &Limits, spoken: Protocol, answer: Answer) -> HttpResponse {
    let Answer {
        status,
        content_type,
        json_length,
        allow,
        body,
    } = answer;
    let mut response = match held(limits, Bytes::from(body)) {
        Ok(body) => HttpResponse::build(status_of(status)).body(body),
        // The refusal is short: it needs no memory that is counted.
        Err(busy) => {
            let failure = Failure::new(Code::Unavailable, busy.0);
            return short(spoken.refuse(&failure));
        }
    };
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(allow) = allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(length) = json_length {
        headers.insert(HeaderName::from_static(JSON_LENGTH_HEADER), length.into());
    }
    come_again(response)
}

fn short(answer: Answer) -> HttpResponse {
    let mut response = HttpResponse::build(status_of(answer.status));
    response.insert_header((CONTENT_TYPE, "application/json"));
    come_again(response.body(answer.body))
}

/// Whoever is not answered at this moment is told when to ask again.
fn come_again(mut response: HttpResponse) -> HttpResponse {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let after = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, after);
    }
    response
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A request that is refused before its protocol sees it, in the form of that protocol.
pub(crate) fn refuse(path: &str, refusal: &Refusal) -> HttpResponse {
    let Some(spoken) = protocol(path) else {
        return refusal.answer();
    };
    let code = match refusal.status.as_u16() {
        400 => Code::InvalidArgument,
        503 => Code::Unavailable,
        other => Code::Transport(other),
    };
    short(spoken.refuse(&Failure::new(code, refusal.message.as_str())))
}
