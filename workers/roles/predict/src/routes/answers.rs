//! A body of JSON that is parsed, worked on and answered away from the threads that serve others.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::errors::{BadParameter, busy, error};
use crate::limits::{Busy, Limits};

/// Bytes of an answer that are handed to the connection at one time.
const PART: usize = 32 << 10;

/// Answers a body: `work` gets it parsed and gives what is said.
pub(crate) async fn answer<B, A>(
    limits: &Limits,
    body: Bytes,
    work: impl FnOnce(B) -> Result<A, BadParameter> + Send + 'static,
) -> HttpResponse
where
    B: DeserializeOwned,
    A: Serialize,
{
    let computed = limits.compute(move || {
        let request = parse(&body)?;
        // The answer is made while the place is held, and the body is gone before it is sent.
        Ok(serde_json::to_vec(&work(request)?))
    });
    let bytes = match computed.await {
        Ok(Ok(Ok(bytes))) => Bytes::from(bytes),
        Ok(Ok(Err(failure))) => return unanswerable(&failure.to_string()),
        Ok(Err(refusal)) => return BadParameter::answer(&refusal),
        Err(refused) => return busy(refused),
    };
    match held(limits, bytes) {
        Ok(body) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
            .body(body),
        Err(refused) => busy(refused),
    }
}

/// A body whose memory counts until it is sent.
///
/// # Errors
/// [`Busy`] while others hold too much.
pub(crate) fn held(limits: &Limits, bytes: Bytes) -> Result<Held, Busy> {
    let memory = limits.hold(None, bytes.len())?;
    Ok(Held {
        rest: bytes,
        _memory: memory,
    })
}

/// The body as `B`, or which part of it cannot be used.
fn parse<B: DeserializeOwned>(body: &[u8]) -> Result<B, BadParameter> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { "body".into() } else { path };
        BadParameter::new(place, error.into_inner().to_string())
    })?;
    let end = json.end();
    end.map_err(|error| BadParameter::new("body", error.to_string()))?;
    Ok(parsed)
}

fn unanswerable(message: &str) -> HttpResponse {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    error(status, "InternalServerError", "", message)
}

/// An answer that gives its memory back when it is sent, or when its client is gone.
pub(crate) struct Held {
    rest: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

impl MessageBody for Held {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let part = self.rest.len().min(PART);
        if part == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(self.rest.split_to(part))))
    }
}
