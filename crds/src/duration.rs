//! Durations in specs are strings such as `"30s"`, `"15m"`, `"6h"`, `"10d"`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A span of time: a whole number followed by `s`, `m`, `h` or `d`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DurationString(
    #[schemars(length(min = 2, max = 12), regex(pattern = r"^[0-9]{1,7}(s|m|h|d)$"))] pub String,
);

impl DurationString {
    /// The span, or `None` when the text does not follow the pattern (admission refuses those).
    pub fn as_duration(&self) -> Option<Duration> {
        let split = self.0.len().checked_sub(1)?;
        let (digits, unit) = (self.0.get(..split)?, self.0.get(split..)?);
        let count: u64 = digits.parse().ok()?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(count.checked_mul(seconds)?))
    }
}

impl From<&str> for DurationString {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_refuses_the_rest() {
        assert_eq!(
            DurationString::from("90s").as_duration(),
            Some(Duration::from_secs(90))
        );
        assert_eq!(
            DurationString::from("2d").as_duration(),
            Some(Duration::from_secs(172_800))
        );
        for bad in ["", "5", "x", "1w", "-1s", "é"] {
            assert_eq!(DurationString::from(bad).as_duration(), None, "{bad}");
        }
    }
}
