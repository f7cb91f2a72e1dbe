//! Which requests fail, and how their answers are spoilt.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use jiff::Timestamp;
use serde_json::json;

use crate::answer::{Answer, Manner};
use crate::request::Request;
use crate::scenario::{Failure, FailureKind};

/// Counts the requests that each failure concerns.
#[derive(Clone, Debug)]
pub(crate) struct Failures {
    all: Vec<(Failure, u64)>,
}

impl Failures {
    pub(crate) fn new(all: &[Failure]) -> Self {
        Self {
            all: all.iter().map(|failure| (failure.clone(), 0)).collect(),
        }
    }

    /// What goes wrong with this request: the first failure whose turn it is.
    pub(crate) fn next(&mut self, request: &Request, now: Timestamp) -> Option<Failure> {
        let mut found = None;
        for (failure, seen) in &mut self.all {
            if !concerns(failure, request, now) {
                continue;
            }
            *seen += 1;
            if seen.is_multiple_of(failure.every) && found.is_none() {
                found = Some(failure.clone());
            }
        }
        found
    }
}

fn concerns(failure: &Failure, request: &Request, now: Timestamp) -> bool {
    let provider = failure.provider.is_none() || failure.provider == request.provider();
    let symbol = failure
        .symbol
        .as_deref()
        .is_none_or(|symbol| symbol == request.symbol());
    let begun = failure.from.is_none_or(|from| from <= now);
    let over = failure.until.is_some_and(|until| until <= now);
    provider && symbol && begun && !over
}

/// The answer instead of one that never was, to a request with this key.
pub(crate) fn instead(failure: &Failure, key: &str) -> Option<Answer> {
    Some(match failure.kind {
        FailureKind::Down => Answer::text(503, ""),
        FailureKind::Html => Answer::text(
            200,
            "<!DOCTYPE html><html><body><h1>Will be right back</h1></body></html>",
        )
        .with("content-type", "text/html"),
        FailureKind::Unknown => {
            Answer::json(r#"{"Information":"The moon is in the wrong house."}"#)
        }
        FailureKind::Empty => Answer::json("{}"),
        FailureKind::Redirect => {
            let location = failure.location.as_deref();
            let location = location.unwrap_or("http://169.254.169.254/latest/meta-data/");
            let location = location.replace("{key}", &percent_encoded(key));
            Answer::text(302, "").with("location", &location)
        }
        FailureKind::Unauthorized => Answer {
            status: 401,
            ..Answer::json(
                r#"{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}"#,
            )
        },
        FailureKind::TooManyRequests => {
            Answer::text(429, "Too Many Requests").with("retry-after", "2")
        }
        FailureKind::Echo => Answer::json(json!({"Information": echo(key)}).to_string()),
        FailureKind::EchoError => {
            let page = format!(
                "<html><body><h1>500</h1><pre>GET /query?apikey={key}\n{}</pre></body></html>",
                echo(key)
            );
            let answer = Answer::text(500, &page).with("content-type", "text/html");
            answer.with("x-request-key", &percent_encoded(key))
        }
        FailureKind::Torn
        | FailureKind::Cut
        | FailureKind::Slow
        | FailureKind::Bomb
        | FailureKind::WrongSymbol
        | FailureKind::ChangedSchema => return None,
    })
}

/// A sentence of no known kind with a key as it is, in another case, percent-encoded and in base64, wherever that begins.
fn echo(key: &str) -> String {
    let base64 = ["", ":", "u:"].map(|before| STANDARD.encode(format!("{before}{key}")));
    format!(
        "The moon is in the wrong house for {key}, {}, {}, {} and {}.",
        key.to_lowercase(),
        percent_encoded(key),
        base64.join(" "),
        URL_SAFE.encode(key)
    )
}

/// Every byte as `%41`.
fn percent_encoded(key: &str) -> String {
    key.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What becomes of a good answer.
pub(crate) fn spoilt(kind: FailureKind, mut answer: Answer) -> Answer {
    match kind {
        FailureKind::Torn => answer.body.truncate(answer.body.len() / 2),
        FailureKind::Cut => answer.manner = Manner::Cut,
        FailureKind::Slow => answer.manner = Manner::Slow,
        FailureKind::Bomb => answer.manner = Manner::Bomb,
        FailureKind::ChangedSchema => {
            answer.body = answer
                .body
                .replace("4. close", "4. last")
                .replace("\"close\":", "\"last\":");
        }
        _ => {}
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_turn_among_the_requests_that_it_concerns() {
        let failure = Failure {
            kind: FailureKind::Down,
            provider: None,
            symbol: Some("IBM".into()),
            every: 2,
            from: Some("2024-01-02T00:00:00Z".parse().unwrap()),
            until: Some("2024-01-03T00:00:00Z".parse().unwrap()),
            location: None,
        };
        let mut failures = Failures::new(&[failure]);
        let ask = |symbol: &str| Request {
            path: format!("/v8/finance/chart/{symbol}"),
            ..Request::default()
        };
        let mut fails =
            |symbol: &str, now: &str| failures.next(&ask(symbol), now.parse().unwrap()).is_some();
        let noon = "2024-01-02T12:00:00Z";
        assert_eq!(
            [fails("IBM", noon), fails("AAPL", noon), fails("IBM", noon)],
            [false, false, true]
        );
        assert!(!fails("IBM", noon));
        assert!(!fails("IBM", "2024-01-03T00:00:00Z") && !fails("IBM", "2024-01-01T00:00:00Z"));
        assert!(fails("IBM", noon));
    }
}
