//! Decimal numbers in specs and status: strings, as the Kubernetes API conventions ask
//! (floats do not survive every client's round trip).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most characters of a decimal, as the schema has it.
const LONGEST: usize = 32;

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
    /// Rounds to six decimal places, the precision shown in status. A number too long for that is written with
    /// an exponent. `None` for NaN and the infinities: no decimal says them, and a stand-in would be believed.
    pub fn rounded(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{value:.6}");
        if text.len() > LONGEST {
            return Some(Self(format!("{value:e}")));
        }
        let text = text.trim_end_matches('0').trim_end_matches('.');
        Some(Self(if text.is_empty() || text == "-0" {
            "0".into()
        } else {
            text.into()
        }))
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
        for (value, text) in [(1.5, "1.5"), (2.0, "2"), (-0.0000001, "0"), (0.0, "0")] {
            assert_eq!(Decimal::rounded(value), Some(text.into()));
        }
    }

    #[test]
    fn what_is_not_finite_is_no_decimal() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Decimal::rounded(value), None);
        }
    }

    #[test]
    fn every_finite_number_fits_the_schema_and_reads_back() {
        for value in [
            1e17,
            -1e24,
            1e25,
            1.234_567_890_123_456_7e300,
            f64::MIN,
            f64::MAX,
        ] {
            let decimal = Decimal::rounded(value).unwrap();
            assert!(decimal.0.len() <= LONGEST, "{decimal}");
            assert!(!decimal.0.contains('+'), "{decimal}");
            assert_eq!(decimal.as_f64(), Some(value));
        }
    }
}
