//! `spec.features`: named features. Their functions are in `function`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Decimal;

mod description;
mod function;
mod rules;
mod set;

pub use description::{Argument, Description, History, LONGEST_WINDOW, Reads, WarmUp};
pub use function::FeatureFunction;
pub use set::FeatureSetSpec;

/// One named feature: a function bound to its parameters.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::window_is_set(),
    validation = rules::fast_is_below_slow(),
    validation = rules::signal_is_set(),
    validation = rules::deviations_are_set(),
    validation = rules::window_is_long_enough(),
    validation = rules::only_with("expression"),
    validation = rules::only_with("quantile"),
    validation = rules::column_is_read()
)]
pub struct FeatureSpec {
    /// Name, unique in the Pipeline; lower case letters, digits and `_`.
    #[schemars(length(min = 1, max = 48), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// What is computed.
    pub function: FeatureFunction,
    /// Window in bars, 1 to 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = LONGEST_WINDOW))]
    pub window: Option<u32>,
    /// Fast window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = LONGEST_WINDOW))]
    pub fast: Option<u32>,
    /// Slow window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = LONGEST_WINDOW))]
    pub slow: Option<u32>,
    /// Signal window of the MACD functions and of StochasticD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = LONGEST_WINDOW))]
    pub signal: Option<u32>,
    /// Width of Bollinger bands in standard deviations, for example `"2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<Decimal>,
    /// What the Rolling functions read of a bar, Close when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<Column>,
    /// Quantile of RollingQuantile, 0 (lowest) to 1 (highest), for example `"0.5"`; linear between the
    /// two nearest values, as pandas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("double(self) >= 0.0 && double(self) <= 1.0").message("features[].quantile must be between 0 and 1"))]
    pub quantile: Option<Decimal>,
    /// Arithmetic of Expression over features declared before it, by name, for example
    /// `"mean_5d / mean_20d - 1"`; at most 256 characters, 64 numbers, names and operations, 32 levels.
    /// It may use + - * /, minus before a value, parentheses, abs(x), min(a, b), max(a, b), log(x)
    /// (natural), exp(x), sqrt(x), sign(x) (-1, 0 or 1) and clip(x, low, high) (high where low is above
    /// it). Every step gives a finite number: division by zero gives 0, log of a number not above zero
    /// 0, sqrt of a negative number 0, and so does any result too large for a 64-bit float.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub expression: Option<String>,
}

impl FeatureSpec {
    /// `function` without parameters.
    pub fn new(name: impl Into<String>, function: FeatureFunction) -> Self {
        Self {
            name: name.into(),
            function,
            window: None,
            fast: None,
            slow: None,
            signal: None,
            deviations: None,
            column: None,
            quantile: None,
            expression: None,
        }
    }
}

/// What the Rolling functions read of a bar, Close when absent. Prices are adjusted; a missing open is the
/// previous close, a missing high or low the close. TypicalPrice is (high + low + close) / 3. Volume is
/// in shares, adjusted for splits; a missing one is the last known, 0 before the first.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Column {
    /// Close.
    #[default]
    Close,
    /// Open; the previous close when it is missing. Of the first bar only the close is used.
    Open,
    /// High; the close when high or low is missing.
    High,
    /// Low; the close when high or low is missing.
    Low,
    /// Volume in shares; the last known one when it is missing, 0 before the first.
    Volume,
    /// (high + low + close) / 3.
    TypicalPrice,
}
