//! `spec.features`: named features and the function catalogue.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Decimal;

/// One named feature: a function bound to its parameters.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.function in ['LogReturn', 'SimpleReturn', 'Macd', 'MacdSignal', 'MacdHistogram', 'TrueRange', 'OvernightReturn', 'IntradayReturn', 'DayOfWeek', 'DayOfMonth', 'MonthOfYear', 'Expression'] || has(self.window)").message("features[].window must be set for this function"),
    validation = Rule::new("!(self.function in ['Macd', 'MacdSignal', 'MacdHistogram']) || (has(self.fast) && has(self.slow) && self.fast < self.slow)").message("features[].fast and slow must be set with fast < slow for Macd functions"),
    validation = Rule::new("!(self.function in ['MacdSignal', 'MacdHistogram', 'StochasticD']) || has(self.signal)").message("features[].signal must be set for MacdSignal, MacdHistogram and StochasticD"),
    validation = Rule::new("!(self.function in ['BollingerUpper', 'BollingerLower', 'BollingerWidth', 'BollingerPercentB']) || has(self.deviations)").message("features[].deviations must be set for Bollinger functions"),
    validation = Rule::new("!(self.function in ['Volatility', 'ZScore', 'VolumeZScore', 'BollingerUpper', 'BollingerLower', 'BollingerWidth', 'BollingerPercentB', 'RollingStd']) || !has(self.window) || self.window >= 2").message("features[].window must be at least 2 for this function"),
    validation = Rule::new("has(self.expression) == (self.function == 'Expression')").message("features[].expression must be set for Expression, and for no other function"),
    validation = Rule::new("has(self.quantile) == (self.function == 'RollingQuantile')").message("features[].quantile must be set for RollingQuantile, and for no other function"),
    validation = Rule::new("!has(self.column) || self.function in ['RollingMean', 'RollingStd', 'RollingMin', 'RollingMax', 'RollingSum', 'RollingQuantile']").message("features[].column must only be set for Rolling functions")
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
    /// Signal window of the MACD functions and of StochasticD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
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
    /// close / previous close - 1; no window.
    SimpleReturn,
    /// Log return of the bar `window` sessions ago.
    ReturnLag,
    /// Mean of the last `window` log returns.
    ReturnMean,
    /// Smallest of the last `window` log returns.
    ReturnMin,
    /// Largest of the last `window` log returns.
    ReturnMax,
    /// Average rank of the newest among the last `window` log returns, as a share, above 0 to 1.
    ReturnRank,
    /// Skewness of the last `window` (3 or more) log returns with small-sample correction, as pandas;
    /// 0 when constant.
    Skewness,
    /// Excess kurtosis of the last `window` (4 or more) log returns with small-sample correction, as
    /// pandas; 0 when constant.
    Kurtosis,
    /// First-order autocorrelation of the last `window` (3 or more) log returns; 0 when constant.
    Autocorrelation,
    /// ln(open / previous close); 0 when the open is missing; no window.
    OvernightReturn,
    /// ln(close / open); from the previous close when the open is missing; no window.
    IntradayReturn,
    /// Linearly weighted mean close of the last `window` sessions divided by close, minus 1; the newest
    /// weighs most.
    WmaRatio,
    /// Lowest of the last `window` closes divided by close, minus 1.
    MinRatio,
    /// Highest of the last `window` closes divided by close, minus 1.
    MaxRatio,
    /// close / highest of the last `window` closes, minus 1.
    Drawdown,
    /// Average rank of the close among the last `window` closes, as a share, above 0 to 1.
    PriceRank,
    /// True range (Wilder) / close; no window.
    TrueRange,
    /// Average true range (Wilder, first value a plain mean) over `window`, divided by close.
    AtrRatio,
    /// Average directional index (Wilder) over `window`, 0 to 100; 0 when nothing moved.
    Adx,
    /// Stochastic %K: place of the close between the lowest low and the highest high of `window`
    /// sessions, 0 to 100; 50 when they are equal.
    StochasticK,
    /// Mean of the last `signal` values of StochasticK.
    StochasticD,
    /// Williams %R, -100 to 0: StochasticK - 100.
    WilliamsR,
    /// Commodity channel index over `window`: (typical price - mean) / (0.015 * mean deviation); 0 when
    /// constant.
    Cci,
    /// On-balance volume of the last `window` sessions divided by their volume, -1 to 1; 0 without
    /// volume.
    ObvRatio,
    /// Money flow index over `window`, 0 to 100; 50 without flow.
    MoneyFlow,
    /// Volume-weighted typical price of the last `window` sessions divided by close, minus 1; 0 without
    /// volume.
    VwapRatio,
    /// Volume divided by the mean of the last `window` volumes; 1 when that is 0.
    VolumeRatio,
    /// Illiquidity after Amihud (2002): mean of |log return| per million of turnover over `window`; a bar
    /// without turnover counts 0.
    Amihud,
    /// Root mean square of the last `window` log returns.
    RealisedVolatility,
    /// Volatility per session after Parkinson (1980) over `window`, from high and low.
    Parkinson,
    /// Volatility per session after Garman and Klass (1980) over `window`, from open, high, low, close.
    GarmanKlass,
    /// Volatility per session after Yang and Zhang (2000) over `window` (2 or more), with overnight gaps.
    YangZhang,
    /// Sessions since the highest high of the last `window`, 0 to `window` - 1; the newest of equal ones.
    BarsSinceHigh,
    /// Sessions since the lowest low of the last `window`, 0 to `window` - 1; the newest of equal ones.
    BarsSinceLow,
    /// Day of the week of the session, 0 (Monday) to 6; no window.
    DayOfWeek,
    /// Day of the month of the session, 1 to 31; no window.
    DayOfMonth,
    /// Month of the session, 1 to 12; no window.
    MonthOfYear,
    /// Mean of the last `window` values of `column`: a level, not a ratio.
    RollingMean,
    /// Sample standard deviation of the last `window` (2 or more) values of `column`: a level.
    RollingStd,
    /// Smallest of the last `window` values of `column`: a level.
    RollingMin,
    /// Largest of the last `window` values of `column`: a level.
    RollingMax,
    /// Sum of the last `window` values of `column`: a level.
    RollingSum,
    /// Quantile `quantile` of the last `window` values of `column`, linear between the two nearest, as
    /// pandas: a level.
    RollingQuantile,
    /// Arithmetic over features declared before it, written in `expression`; no window.
    Expression,
}
