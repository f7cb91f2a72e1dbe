//! One call: its message is read within bounds, then it is admitted, answered, counted and timed.

use std::sync::Arc;
use std::time::Instant;

use actix_web::web::Bytes;
use foresail_protocol::oip::grpc::{Asked, Method, ask};
use foresail_protocol::{Code, Failure};
use futures::stream::try_unfold;
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use tokio::time::timeout_at;

use super::deadline::{deadline, over};
use super::reply::{Answered, Reply, answer, not_grpc, refuse};
use crate::body::{self, Unread};
use crate::handle::{self, Seen};
use crate::limits::{Memory, Share};
use crate::state::State;

/// Methods that tell nothing but whether the server lives and can answer.
const OPEN: [Method; 3] = [Method::ServerLive, Method::ServerReady, Method::Health];
/// Bytes by which a body grows at least.
const STEP: usize = 1 << 10;
/// Bytes before a message: whether it is packed, and its length.
const PREFIX: usize = 5;

/// Answers one call of a connection, whose calls share what is free.
pub(super) async fn call(
    state: Arc<State>,
    share: Share,
    request: Request<Incoming>,
) -> Response<Reply> {
    let begin = Instant::now();
    let method = Method::of(request.uri().path());
    let route = method.as_ref().map_or("other", |method| method.path());
    let (status, response) = match is_grpc(&request) {
        true => match bounded(&state, &share, method, request).await {
            Ok(answered) => (200, answer(answered)),
            Err(failure) => (failure.code.status(), refuse(failure)),
        },
        false => (415, not_grpc()),
    };
    let metrics = &state.metrics;
    metrics.requests.with([route, &status.to_string()]).inc();
    let seconds = begin.elapsed().as_secs_f64();
    metrics.request_seconds.with([route]).observe(seconds);
    response
}

fn is_grpc(request: &Request<Incoming>) -> bool {
    let content = request.headers().get(CONTENT_TYPE);
    let content = content.and_then(|value| value.to_str().ok());
    request.method() == hyper::Method::POST
        && content.is_some_and(|c| c.starts_with("application/grpc"))
}

/// Answers while the client waits.
async fn bounded(
    state: &State,
    share: &Share,
    method: Result<Method, Failure>,
    request: Request<Incoming>,
) -> Result<Answered, Failure> {
    if !method.as_ref().is_ok_and(|method| OPEN.contains(method)) {
        let sent = request.headers().get_all(AUTHORIZATION).iter();
        let allowed = handle::allow(&state.access, sent.map(HeaderValue::as_bytes));
        allowed.map_err(|denied| Failure::new(Code::Transport(401), denied.message()))?;
    }
    // Whatever its body is, and whether it ends or not.
    let method = method?;
    let deadline = deadline(request.headers())?;
    let still_waits = move || deadline.is_none_or(|end| tokio::time::Instant::now() < end);
    let answer = admitted(state, share, (method, request.into_body()), still_waits);
    match deadline {
        Some(end) => timeout_at(end, answer).await.map_err(|_| over())?,
        None => answer.await,
    }
}

/// Reads the message and takes a place, in this order: a message that does not come keeps nobody out.
async fn admitted(
    state: &State,
    share: &Share,
    (method, incoming): (Method, Incoming),
    still_waits: impl Fn() -> bool + Send + 'static,
) -> Result<Answered, Failure> {
    let limits = &state.limits;
    let mut held = Memory::default();
    let hold = |bytes| limits.hold_shared(share, &mut held, bytes);
    let body = body::read(Box::pin(chunks(incoming)), STEP, hold).await?;
    let message = message(Bytes::from(body))?;
    let _place = limits.place()?;
    let seen = Seen::now(state);
    let (message, version) = match ask(method, &message, &seen.models)? {
        Asked::Answer(answer) => (answer, None),
        Asked::Infer(infer) => {
            let version = infer.version;
            let answer = seen.infer(limits, version, move |model| {
                if !still_waits() {
                    return Err(over());
                }
                let call = infer.read(&model.signature, &message)?;
                // Gone before its answer is made.
                drop(message);
                let outputs = model.forecast(&call.windows)?;
                Ok(infer.write(&call.form, &outputs))
            });
            (answer.await?, Some(version))
        }
    };
    // What the request held is free for its answer.
    drop(held);
    let mut memory = Memory::default();
    limits.hold_shared(share, &mut memory, PREFIX + message.len())?;
    Ok(Answered {
        message,
        version,
        memory,
    })
}

/// The data of a body.
fn chunks(incoming: Incoming) -> impl futures::Stream<Item = Result<Bytes, hyper::Error>> {
    try_unfold(incoming, |mut incoming| async move {
        loop {
            let next = std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut incoming).poll_frame(context)
            });
            match next.await.transpose()? {
                None => return Ok(None),
                // Trailers of a request say nothing.
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some((data, incoming)));
                    }
                }
            }
        }
    })
}

/// The one message of a body.
///
/// # Errors
/// A packed one, none, more than one.
fn message(mut body: Bytes) -> Result<Bytes, Failure> {
    let prefix: Option<&[u8; PREFIX]> = body.first_chunk();
    let Some([packed, length @ ..]) = prefix.copied() else {
        return Err(Failure::invalid("the call holds no message"));
    };
    // One that unpacks to a thousand times its size is not worth the risk.
    if packed != 0 {
        let message = "send it without grpc-encoding";
        return Err(Failure::new(Code::Unimplemented, message));
    }
    let message = body.split_off(PREFIX);
    match usize::try_from(u32::from_be_bytes(length)) == Ok(message.len()) {
        true => Ok(message),
        false => Err(Failure::invalid(
            "the call does not hold exactly one message",
        )),
    }
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        let code = match unread {
            Unread::TooSlow => Code::Transport(408),
            Unread::TooLarge => Code::Transport(413),
            Unread::Busy(_) => Code::Unavailable,
            Unread::Broken(_) => Code::InvalidArgument,
        };
        Self::new(code, unread.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_message_that_is_not_packed() {
        let read = |bytes: &'static [u8]| {
            let message = message(Bytes::from_static(bytes));
            message.map_err(|failure| (failure.code, failure.message))
        };
        assert_eq!(read(&[0, 0, 0, 0, 0]), Ok(Bytes::new()));
        assert_eq!(read(&[0, 0, 0, 0, 1, 7]), Ok(Bytes::from_static(&[7])));
        let none = "the call holds no message".to_owned();
        let other = "the call does not hold exactly one message".to_owned();
        let packed = "send it without grpc-encoding".to_owned();
        for (bytes, code, message) in [
            (&[][..], Code::InvalidArgument, &none),
            (&[0, 0, 0, 0], Code::InvalidArgument, &none),
            (&[0, 0, 0, 0, 2, 7], Code::InvalidArgument, &other),
            (&[0, 0, 0, 0, 0, 7], Code::InvalidArgument, &other),
            (
                &[0, 0xff, 0xff, 0xff, 0xff, 7],
                Code::InvalidArgument,
                &other,
            ),
            (&[1, 0, 0, 0, 1, 7], Code::Unimplemented, &packed),
        ] {
            assert_eq!(read(bytes), Err((code, message.clone())));
        }
    }
}
