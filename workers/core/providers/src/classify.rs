//! From an answer to its verdict.

use crate::alpha_vantage;
use crate::body::{self, Body};
use crate::headers::Headers;
use crate::key::Key;
use crate::request::{Provider, Request};
use crate::scrub::scrub;
use crate::verdict::{Said, Verdict};
use crate::yahoo;

/// What an answer to `request` means. The body decides, after the order of the provider's own texts; the status is asked
/// only where the body says nothing, and an answer that is not 200 is never data. `key` is the one the request was made
/// with: it is in no verdict.
///
/// The body is unpacked already, 16 MiB at most. The time of the answer is its `Date` header; without one, the newest row
/// is taken for one that may still change.
pub fn classify(
    request: &Request,
    key: Option<&Key>,
    status: u16,
    headers: &Headers,
    body: &[u8],
) -> Verdict {
    let said = match body::open(body) {
        Err(fault) => Err(fault),
        // A page and its status agree that there were too many requests.
        Ok(Body::Html) if status == 429 => Ok(Said::Nothing),
        Ok(Body::Html) => Ok(Said::Words(Verdict::Down)),
        Ok(Body::Text(text)) => Ok(from_text(text, headers).into()),
        Ok(Body::Json(text)) => match request.provider() {
            Provider::AlphaVantage => alpha_vantage::classify(request, headers, text),
            Provider::Yahoo => yahoo::classify(request, headers, text),
        },
    };
    let by_status = || from_status(status, headers);
    let unknown = || Verdict::Unknown {
        scrubbed: scrub(&String::from_utf8_lossy(body), key),
    };
    match said {
        Ok(Said::Words(verdict)) => verdict,
        Ok(Said::Data(verdict)) if status == 200 => verdict,
        Ok(Said::Data(_) | Said::Nothing) => by_status().unwrap_or_else(unknown),
        Err(fault) => by_status().unwrap_or(Verdict::Malformed(fault)),
    }
}

/// Texts that are neither JSON nor a page.
fn from_text(text: &str, headers: &Headers) -> Option<Verdict> {
    let text = body::folded(text);
    if text.contains("too many requests") {
        let wait = headers.retry_after();
        return Some(Verdict::Refused { wait });
    }
    text.contains("will be right back").then_some(Verdict::Down)
}

/// What a status says alone. That something was not found says nothing: a proxy may have lost its way. A redirect is not
/// followed, since it leads to a host that nobody has allowed.
fn from_status(status: u16, headers: &Headers) -> Option<Verdict> {
    match status {
        401 | 403 | 429 => Some(Verdict::Refused {
            wait: headers.retry_after(),
        }),
        300..=399 | 500..=599 => Some(Verdict::Down),
        _ => None,
    }
}
