//! What every request passes: its body is read within bounds, then it is admitted, answered, counted and timed.

use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, WWW_AUTHENTICATE,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use foresail_runtime_http::access::{Access, Denied};
use foresail_runtime_http::server::Life;
use futures::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{self, timeout_at};
use tracing::Instrument;

use super::errors::Refusal;
use super::protocols;
use crate::limits::{BODY_DEADLINE, BODY_PAUSE, LARGEST_BODY, Limits};
use crate::state::State;

/// Bytes by which a body grows.
const STEP: usize = 16 << 10;

/// See the module.
pub(crate) async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let route = request.match_pattern().unwrap_or_else(|| "other".into());
    let state = request.app_data::<web::Data<Arc<State>>>();
    let state = state.map(|s| Arc::clone(s)).ok_or_else(|| {
        actix_web::error::ErrorInternalServerError("the server was built without its state")
    })?;
    let begin = Instant::now();
    let admitted = match allow(&request, &state.access) {
        Ok(()) => admit(&mut request, &state.limits).await,
        Err(denied) => Err((denied.into(), Ends::Connection)),
    };
    let mut response = match admitted {
        // What is held is given back when it is dropped: also when the handler panics or the client goes away.
        Ok(_held) => next
            .call(request)
            .instrument(state.span.clone())
            .await?
            .map_into_boxed_body(),
        Err((refusal, ends)) => {
            let mut response = protocols::refuse(request.path(), &refusal);
            if let Some(challenge) = refusal.challenge {
                let challenge = HeaderValue::from_static(challenge);
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            if ends == Ends::Connection {
                close(response.head_mut());
            }
            request.into_response(response).map_into_boxed_body()
        }
    };
    let life = response.request().conn_data::<Life>();
    if life.is_some_and(Life::is_over) {
        close(response.response_mut().head_mut());
    }
    let status = response.status();
    let requests = &state.metrics.requests;
    requests.with([&route, status.as_str()]).inc();
    let seconds = begin.elapsed().as_secs_f64();
    state
        .metrics
        .request_seconds
        .with([&route])
        .observe(seconds);
    Ok(response)
}

/// The connection ends after this answer.
fn close(head: &mut ResponseHead) {
    head.set_connection_type(ConnectionType::Close);
}

/// Routes that tell nothing but whether the server lives and can answer.
pub(super) const OPEN: [&str; 4] = ["/v2/health/live", "/v2/health/ready", "/ping", "/health"];

/// Whether the sender may ask at all, before its body is read.
fn allow(request: &ServiceRequest, access: &Access) -> Result<(), Denied> {
    if OPEN.contains(&request.path()) {
        return Ok(());
    }
    let mut sent = request.headers().get_all(AUTHORIZATION);
    match (sent.next(), sent.next()) {
        // Of two nobody knows which one a proxy before us has looked at.
        (Some(_), Some(_)) => access.allow(None),
        (sent, _) => access.allow(sent.map(HeaderValue::as_bytes)),
    }
}

/// What a refusal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Nothing,
    /// The rest of the body is not read, so the connection is of no more use.
    Connection,
}

/// What a request holds while it is worked on.
type Held = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// Reads the body and takes a place, in this order: a body that does not come keeps nobody out.
async fn admit(request: &mut ServiceRequest, limits: &Limits) -> Result<Held, (Refusal, Ends)> {
    let encoded = request.headers().get(CONTENT_ENCODING);
    if encoded.is_some_and(|encoding| encoding != "identity") {
        return Err((encoded_body(), Ends::Connection));
    }
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > LARGEST_BODY) {
        return Err((too_large(), Ends::Connection));
    }
    let (body, memory) = read(request.take_payload(), limits)
        .await
        .map_err(|refusal| (refusal, Ends::Connection))?;
    request.set_payload(Payload::from(body));
    let place = limits.place();
    let place = place.map_err(|busy| (busy.into(), Ends::Nothing))?;
    Ok((place, memory))
}

async fn read(
    mut payload: Payload,
    limits: &Limits,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    let end = time::Instant::now() + BODY_DEADLINE;
    let (mut body, mut memory) = (Vec::new(), None);
    loop {
        let pause = time::Instant::now() + BODY_PAUSE;
        let Ok(chunk) = timeout_at(pause.min(end), payload.next()).await else {
            return Err(too_slow());
        };
        let chunk = match chunk {
            None => return Ok((Bytes::from(body), memory)),
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Err(broken(error.to_string())),
        };
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(too_large());
        }
        // To grow by doubling would take twice of what is paid for.
        if body.capacity() < body.len() + chunk.len() {
            body.reserve_exact(chunk.len().max(STEP));
        }
        let held = limits.hold(memory, body.capacity());
        memory = held?;
        body.extend_from_slice(&chunk);
    }
}

fn too_large() -> Refusal {
    Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "PayloadTooLargeError",
        message: format!("at most {LARGEST_BODY} bytes are read"),
        challenge: None,
    }
}

/// A body that unpacks to a thousand times its size is not worth the risk.
fn encoded_body() -> Refusal {
    Refusal {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        kind: "UnsupportedMediaTypeError",
        message: "send it without Content-Encoding".into(),
        challenge: None,
    }
}

fn too_slow() -> Refusal {
    Refusal {
        status: StatusCode::REQUEST_TIMEOUT,
        kind: "RequestTimeoutError",
        message: format!(
            "it must arrive within {} s, without a pause of more than {} s",
            BODY_DEADLINE.as_secs(),
            BODY_PAUSE.as_secs()
        ),
        challenge: None,
    }
}

fn broken(message: String) -> Refusal {
    Refusal {
        status: StatusCode::BAD_REQUEST,
        kind: "BadRequestError",
        message,
        challenge: None,
    }
}
