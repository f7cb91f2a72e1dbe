//! One condition of a status. Pure.

use foresail_crds::role_error::presentable;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longest message the API server takes is 32 KiB; nobody reads that much.
const LONGEST_MESSAGE: usize = 2_000;

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    pub type_: &'a str,
    /// `True` or `False`.
    pub truth: bool,
    /// CamelCase reason.
    pub reason: &'a str,
    /// Sentence.
    pub message: String,
}

/// Turns claims into conditions: what is the same for all conditions of one status.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// As they were.
    pub old: &'a [Condition],
    /// Generation they speak for.
    pub generation: Option<i64>,
    /// Time of a change.
    pub now: Timestamp,
}

impl Conditions<'_> {
    /// The condition that makes a claim; its transition time moves only with its status.
    pub fn claim(&self, claim: Claim<'_>) -> Condition {
        let Claim {
            type_,
            truth,
            reason,
            message,
        } = claim;
        let status = if truth { "True" } else { "False" };
        let same = |c: &&Condition| c.type_ == type_ && c.status == status;
        let since = self.old.iter().find(same).map(|c| &c.last_transition_time);
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: presentable(&message, LONGEST_MESSAGE),
            observed_generation: self.generation,
            last_transition_time: since.cloned().unwrap_or(Time(self.now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ready = |truth, reason| Claim {
            type_: "Ready",
            truth,
            reason,
            message: "m".into(),
        };
        let first = Conditions {
            old: &[],
            generation: Some(1),
            now: at(10),
        };
        let old = [first.claim(ready(false, "Preparing"))];
        let later = Conditions {
            old: &old,
            generation: Some(2),
            now: at(20),
        };
        let same = later.claim(ready(false, "Starting"));
        assert_eq!(
            (same.last_transition_time.0, same.reason.as_str()),
            (at(10), "Starting")
        );
        let changed = later.claim(ready(true, "AllReady"));
        assert_eq!(changed.last_transition_time.0, at(20));
    }
}
