//! Arithmetic on instants that ends at the edge of what can be written instead of failing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `at` and `more`, whole milliseconds.
pub fn after(at: Timestamp, more: Duration) -> Timestamp {
    let more = SignedDuration::try_from(more).unwrap_or(SignedDuration::MAX);
    let sum = at.checked_add(more).unwrap_or(Timestamp::MAX);
    Timestamp::from_millisecond(sum.as_millisecond()).unwrap_or(sum)
}

/// `at` less `less`.
pub fn before(at: Timestamp, less: Duration) -> Timestamp {
    let less = SignedDuration::try_from(less).unwrap_or(SignedDuration::MAX);
    at.checked_sub(less).unwrap_or(Timestamp::MIN)
}

/// From `earlier` to `later`; zero when they stand the other way round.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

/// `part` of `whole`: a fraction between 0 and 1 of a duration; anything else is taken as 0 or 1.
pub fn fraction(whole: Duration, part: f64) -> Duration {
    let part = if part.is_finite() {
        part.clamp(0.0, 1.0)
    } else {
        0.0
    };
    Duration::try_from_secs_f64(whole.as_secs_f64() * part).unwrap_or(whole)
}
