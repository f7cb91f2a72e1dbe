//! How long a client waits for its answer.

use std::time::Duration;

use foresail_protocol::{Code, Failure};
use hyper::HeaderMap;
use tokio::time::Instant;

/// Until when the client waits; `None` where it does not say.
///
/// # Errors
/// A `grpc-timeout` that is none.
pub(super) fn deadline(headers: &HeaderMap) -> Result<Option<Instant>, Failure> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let wait = value.to_str().ok().and_then(wait);
    let wait = wait.ok_or_else(|| Failure::invalid("grpc-timeout is not a time"))?;
    // One beyond what the clock can count is none.
    Ok(Instant::now().checked_add(wait))
}

/// At most eight digits and a unit.
fn wait(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| is_number)?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// What is said to a client whose time is over.
pub(super) fn over() -> Failure {
    Failure::new(Code::Transport(504), "the deadline of the call has passed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_at_most_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("20m", Some(Duration::from_millis(20))),
            ("0u", Some(Duration::ZERO)),
            ("7n", Some(Duration::from_nanos(7))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("+1S", None),
            ("1s", None),
            ("1é", None),
        ] {
            assert_eq!(wait(text), expected, "{text}");
        }
    }
}
