//! Refusals of Alpha Vantage, told by their words: the name they come under says nothing.

use std::time::Duration;

use crate::body::folded;
use crate::request::Request;
use crate::verdict::Verdict;

/// What a sentence refuses; `None` when it is of no known kind. The order matters: the refusal of a burst names the limit
/// of the day and premium endpoints too, and the one of the day names the key.
pub(super) fn verdict(sentence: &str, request: &Request) -> Option<Verdict> {
    let text = folded(sentence);
    let says = |words: &str| text.contains(words);
    let burst = |seconds| Verdict::Burst {
        wait: Duration::from_secs(seconds),
    };
    if says("sparingly") || says("request per second") || says("per-second burst") {
        Some(burst(1))
    } else if says("per minute") {
        Some(burst(60))
    } else if says("premium endpoint") || says("premium feature") {
        let instead = request.compact().map(Box::new);
        Some(Verdict::NotEntitled { instead })
    } else if says("per day") || says("rate limit") {
        Some(Verdict::DailyQuota)
    } else if says("apikey") && says("invalid or missing") {
        Some(Verdict::BadKey)
    } else if says("**demo**") {
        Some(Verdict::DemoKey)
    } else if says("invalid api call") {
        Some(Verdict::BadSymbol)
    } else {
        None
    }
}
