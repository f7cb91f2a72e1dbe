//! What is said of one part of a Pipeline: one condition before it is compared with the one that is stored.

use foresail_crds::pipeline::status::{ErrorClass, WorkerError};

/// State of one part of a Pipeline.
pub(super) struct PartState {
    pub type_: &'static str,
    pub truth: bool,
    pub reason: String,
    pub message: String,
    /// A person must act.
    pub stalled: bool,
}

impl PartState {
    pub fn good(type_: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            type_,
            truth: true,
            reason: reason.into(),
            message: message.into(),
            stalled: false,
        }
    }

    pub fn waiting(type_: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            type_,
            truth: false,
            reason: reason.into(),
            message: message.into(),
            stalled: false,
        }
    }

    pub fn failed(type_: &'static str, who: &str, error: &WorkerError) -> Self {
        let class = match error.class {
            ErrorClass::User => "to be corrected by you",
            ErrorClass::Outside => "an outside system, retried automatically",
            ErrorClass::Internal => "a fault of Foresail, please report it",
        };
        let message = format!("{who}: {} ({class})", error.message);
        let stalled = error.class == ErrorClass::User;
        Self {
            type_,
            truth: false,
            reason: error.reason.clone(),
            message,
            stalled,
        }
    }
}

/// `7437` as `7,437`. Our own: num-format is a crate for locales, and this is one loop.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 999, 1000, 7437, 1234567].map(thousands),
            ["0", "999", "1,000", "7,437", "1,234,567"]
        );
    }
}
