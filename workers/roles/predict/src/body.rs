//! The body of a request, read within bounds, whichever transport brings it.

use std::fmt::Display;

use actix_web::web::Bytes;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::limits::{BODY_DEADLINE, BODY_PAUSE, Busy, LARGEST_BODY};

/// Why a body was not read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It did not come in time.
    TooSlow,
    /// It is larger than is read.
    TooLarge,
    /// There is no memory for it at this moment.
    Busy(Busy),
    /// The connection failed.
    Broken(String),
}

impl From<Busy> for Unread {
    fn from(busy: Busy) -> Self {
        Self::Busy(busy)
    }
}

impl Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooSlow => write!(
                f,
                "it must arrive within {} s, without a pause of more than {} s",
                BODY_DEADLINE.as_secs(),
                BODY_PAUSE.as_secs()
            ),
            Self::TooLarge => write!(f, "at most {LARGEST_BODY} bytes are read"),
            Self::Busy(busy) => f.write_str(busy.0),
            Self::Broken(message) => f.write_str(message),
        }
    }
}

/// Reads a body, which grows by at least `step` bytes; `hold` pays for what it takes in all, before it takes it.
///
/// # Errors
/// See [`Unread`].
pub(crate) async fn read<E: Display>(
    mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
    step: usize,
    mut hold: impl FnMut(usize) -> Result<(), Busy>,
) -> Result<Vec<u8>, Unread> {
    let end = Instant::now() + BODY_DEADLINE;
    let mut body: Vec<u8> = Vec::new();
    loop {
        let pause = Instant::now() + BODY_PAUSE;
        let Ok(chunk) = timeout_at(pause.min(end), chunks.next()).await else {
            return Err(Unread::TooSlow);
        };
        let chunk = match chunk {
            None => return Ok(body),
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Err(Unread::Broken(error.to_string())),
        };
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(Unread::TooLarge);
        }
        // To grow by doubling would take twice of what is paid for.
        if body.capacity() < body.len() + chunk.len() {
            body.reserve_exact(chunk.len().max(step));
        }
        hold(body.capacity())?;
        body.extend_from_slice(&chunk);
    }
}
