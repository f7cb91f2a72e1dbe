//! The answer of a call on the wire: one message and a status, or a status alone.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::web::Bytes;
use foresail_protocol::{Code, Failure};
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use tonic::Status;

use crate::handle::{PREDICTION_HEADER, VERSION_HEADER, prediction_id};
use crate::limits::Memory;

/// Bytes of an answer that are handed to the connection at one time.
const PART: usize = 32 << 10;

/// A message that answers a call.
pub(super) struct Answered {
    pub(super) message: Vec<u8>,
    /// The version that forecast it, where one did.
    pub(super) version: Option<u32>,
    pub(super) memory: Memory,
}

/// A body that gives its memory back when it is sent, or when its client is gone.
#[derive(Default)]
pub(super) struct Reply {
    rest: Bytes,
    trailers: Option<HeaderMap>,
    _memory: Memory,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.rest.len().min(PART);
        if part > 0 {
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(part)))));
        }
        let trailers = self.trailers.take().map(Frame::trailers);
        Poll::Ready(trailers.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.trailers.is_none()
    }
}

/// A message with its status, and for a forecast with the version and the identity of the answer as metadata.
pub(super) fn answer(answered: Answered) -> Response<Reply> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = Response::new(Reply {
        rest: framed(&answered.message),
        trailers: Some(trailers),
        _memory: answered.memory,
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(version) = answered.version {
        headers.insert(VERSION_HEADER, version.into());
        if let Ok(id) = HeaderValue::from_str(&prediction_id()) {
            headers.insert(PREDICTION_HEADER, id);
        }
    }
    response
}

/// A message behind its length, not packed.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(message.len() + 5);
    framed.push(0);
    framed.extend(length.to_be_bytes());
    framed.extend_from_slice(message);
    Bytes::from(framed)
}

/// Why there is no message.
pub(super) fn refuse(failure: Failure) -> Response<Reply> {
    Status::new(code(failure.code), failure.message).into_http()
}

/// What is said to those who do not speak gRPC.
pub(super) fn not_grpc() -> Response<Reply> {
    let mut response = Response::new(Reply::default());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

/// The code of gRPC for a class of failures.
fn code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument | Code::Transport(400) => tonic::Code::InvalidArgument,
        Code::NotFound => tonic::Code::NotFound,
        Code::MethodNotAllowed(_) | Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::Internal => tonic::Code::Internal,
        Code::Transport(401) => tonic::Code::Unauthenticated,
        Code::Transport(413) => tonic::Code::ResourceExhausted,
        Code::Transport(408 | 504) => tonic::Code::DeadlineExceeded,
        Code::Transport(_) => tonic::Code::Unknown,
    }
}
