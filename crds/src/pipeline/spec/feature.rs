//! `spec.features`: named features and the function catalogue.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Decimal;

/// One named feature: a function bound to its parameters.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.function == 'LogReturn' || self.function == 'Macd' || self.function == 'MacdSignal' || self.function == 'MacdHistogram' || has(self.window)").message("features[].window must be set for this function"),
    validation = Rule::new("!(self.function in ['Macd', 'MacdSignal', 'MacdHistogram']) || (has(self.fast) && has(self.slow) && self.fast < self.slow)").message("features[].fast and slow must be set with fast < slow for Macd functions"),
    validation = Rule::new("!(self.function in ['MacdSignal', 'MacdHistogram']) || has(self.signal)").message("features[].signal must be set for MacdSignal and MacdHistogram"),
    validation = Rule::new("!(self.function in ['BollingerUpper', 'BollingerLower', 'BollingerWidth', 'BollingerPercentB']) || has(self.deviations)").message("features[].deviations must be set for Bollinger functions"),
    validation = Rule::new("!(self.function in ['Volatility', 'ZScore', 'VolumeZScore', 'BollingerUpper', 'BollingerLower', 'BollingerWidth', 'BollingerPercentB']) || !has(self.window) || self.window >= 2").message("features[].window must be at least 2 for this function")
)]
pub struct FeatureSpec {
    /// Name, unique in the Pipeline; lower case letters, digits and `_`.
    #[schemars(length(min = 1, max = 48), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// What is computed.
    pub function: FeatureFunction,
    /// Window in sessions, 1 to 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub window: Option<u32>,
    /// Fast window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub fast: Option<u32>,
    /// Slow window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 512))]
    pub slow: Option<u32>,
    /// Signal window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub signal: Option<u32>,
    /// Width of Bollinger bands in standard deviations, for example `"2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<Decimal>,
}

/// Feature functions. All read adjusted prices of one symbol up to the current bar.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeatureFunction {
    /// ln(close / previous close); no window.
    LogReturn,
    /// ln(close / close `window` sessions ago).
    LogReturnOver,
    /// close / close `window` sessions ago - 1.
    RateOfChange,
    /// Mean close of the last `window` sessions divided by close, minus 1.
    SmaRatio,
    /// Exponential mean of close (alpha = 2/(window+1)) divided by close, minus 1.
    EmaRatio,
    /// Sample standard deviation of the last `window` log returns.
    Volatility,
    /// (close - mean) / sample standard deviation of the last `window` closes; 0 when constant.
    ZScore,
    /// (mean + deviations * std) / close - 1 over `window` closes (population std).
    BollingerUpper,
    /// (mean - deviations * std) / close - 1.
    BollingerLower,
    /// (upper - lower) / mean.
    BollingerWidth,
    /// (close - lower) / (upper - lower); 0.5 when the band has no width.
    BollingerPercentB,
    /// (EMA fast - EMA slow) / close.
    Macd,
    /// EMA `signal` of Macd.
    MacdSignal,
    /// Macd - MacdSignal.
    MacdHistogram,
    /// Relative strength index after Wilder over `window`, 0 to 100; 50 when nothing moved.
    Rsi,
    /// (volume - mean) / sample standard deviation of the last `window` volumes; 0 when constant.
    /// A missing volume repeats the last known one.
    VolumeZScore,
    /// (high - low) / close averaged over `window`; a bar without high or low counts 0.
    RangeMean,
}
