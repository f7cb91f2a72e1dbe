//! Decimal numbers in specs and status: strings, as the Kubernetes API conventions ask
//! (floats do not survive every client's round trip).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A non-negative or negative decimal number written as a string, for example `"0.25"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Decimal(
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$")
    )]
    pub String,
);

impl Decimal {
    /// Rounds to six significant decimals, the precision shown in status.
    pub fn rounded(value: f64) -> Self {
        if !value.is_finite() {
            return Self("0".into());
        }
        let text = format!("{value:.6}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Self(if text.is_empty() || text == "-0" {
            "0".into()
        } else {
            text.into()
        })
    }

    /// The number, or `None` when the text is not a finite decimal (admission refuses those).
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|v: &f64| v.is_finite())
    }
}

impl From<&str> for Decimal {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_without_trailing_zeros() {
        assert_eq!(Decimal::rounded(1.5).0, "1.5");
        assert_eq!(Decimal::rounded(2.0).0, "2");
        assert_eq!(Decimal::rounded(-0.0000001).0, "0");
        assert_eq!(Decimal::rounded(f64::NAN).0, "0");
    }
}
