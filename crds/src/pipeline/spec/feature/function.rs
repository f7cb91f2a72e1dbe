//! The catalogue: one row per function says what it computes, reads, takes and needs. Its CEL rules, its
//! checks, its SQL signature and its row of `docs/features.md` are made from it; `foresail-features` adds
//! the kernel. Called by all of these.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::description::{Argument, Description, History, Reads, WarmUp, window};

/// Makes the enum and its descriptions from the rows, so that neither can lack one of the other's. A row
/// is the formula (its comment), what is read, the arguments in the
/// order of SQL, the warm-up, and how far back values depend on bars.
macro_rules! catalogue {
    ($(
        $(#[doc = $text:tt])+
        $function:ident => $reads:ident, [$($argument:expr),*], $warm_up:ident $(($bars:literal))?, $history:ident;
    )+) => {
        /// Feature functions. All read adjusted prices of one symbol up to the current bar.
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FeatureFunction {
            $($(#[doc = $text])+ $function,)+
        }

        impl FeatureFunction {
            /// Every function, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$function),+];

            /// What the function is.
            #[must_use]
            pub const fn describe(self) -> Description {
                use Argument::*;
                match self {
                    $(Self::$function => Description {
                        name: stringify!($function),
                        formula: concat!($($text),+).trim_ascii(),
                        reads: Reads::$reads,
                        arguments: const { &[$($argument),*] },
                        warm_up: WarmUp::$warm_up $(($bars))?,
                        history: History::$history,
                    },)+
                }
            }
        }
    };
}

catalogue! {
    /// ln(close / previous close); no window.
    LogReturn => Close, [], Bars(2), Windowed;
    /// ln(close / close `window` bars ago).
    LogReturnOver => Close, [window(1)], Window(1), Windowed;
    /// close / close `window` bars ago - 1.
    RateOfChange => Close, [window(1)], Window(1), Windowed;
    /// Mean close of the last `window` bars divided by close, minus 1.
    SmaRatio => Close, [window(1)], Window(0), Windowed;
    /// Exponential mean of close (alpha = 2/(window+1)) divided by close, minus 1.
    EmaRatio => Close, [window(1)], Window(0), Recursive;
    /// Sample standard deviation of the last `window` log returns.
    Volatility => Close, [window(2)], Window(1), Windowed;
    /// (close - mean) / sample standard deviation of the last `window` closes; 0 when constant.
    ZScore => Close, [window(2)], Window(0), Windowed;
    /// (mean + deviations * std) / close - 1 over `window` closes (population std).
    BollingerUpper => Close, [window(2), Deviations], Window(0), Windowed;
    /// (mean - deviations * std) / close - 1.
    BollingerLower => Close, [window(2), Deviations], Window(0), Windowed;
    /// (upper - lower) / mean.
    BollingerWidth => Close, [window(2), Deviations], Window(0), Windowed;
    /// (close - lower) / (upper - lower); 0.5 when the band has no width.
    BollingerPercentB => Close, [window(2), Deviations], Window(0), Windowed;
    /// (EMA fast - EMA slow) / close.
    Macd => Close, [Fast, Slow], Slow, Recursive;
    /// EMA `signal` of Macd.
    MacdSignal => Close, [Fast, Slow, Signal], SlowAndSignal, Recursive;
    /// Macd - MacdSignal.
    MacdHistogram => Close, [Fast, Slow, Signal], SlowAndSignal, Recursive;
    /// Relative strength index after Wilder over `window`, 0 to 100; 50 when nothing moved.
    Rsi => Close, [window(1)], Window(1), Recursive;
    /// (volume - mean) / sample standard deviation of the last `window` volumes; 0 when constant.
    /// A missing volume repeats the last known one.
    VolumeZScore => Bar, [window(2)], Window(0), Windowed;
    /// (high - low) / close averaged over `window`; a bar without high or low counts 0.
    RangeMean => Bar, [window(1)], Window(0), Windowed;
    /// close / previous close - 1; no window.
    SimpleReturn => Close, [], Bars(2), Windowed;
    /// Log return of the bar `window` bars ago.
    ReturnLag => Close, [window(1)], Window(2), Windowed;
    /// Mean of the last `window` log returns.
    ReturnMean => Close, [window(1)], Window(1), Windowed;
    /// Smallest of the last `window` log returns.
    ReturnMin => Close, [window(1)], Window(1), Windowed;
    /// Largest of the last `window` log returns.
    ReturnMax => Close, [window(1)], Window(1), Windowed;
    /// Average rank of the newest among the last `window` log returns, as a share, above 0 to 1.
    ReturnRank => Close, [window(1)], Window(1), Windowed;
    /// Skewness of the last `window` (3 or more) log returns with small-sample correction, as pandas;
    /// 0 when constant.
    Skewness => Close, [window(3)], Window(1), Windowed;
    /// Excess kurtosis of the last `window` (4 or more) log returns with small-sample correction, as
    /// pandas; 0 when constant.
    Kurtosis => Close, [window(4)], Window(1), Windowed;
    /// First-order autocorrelation of the last `window` (3 or more) log returns; 0 when constant.
    Autocorrelation => Close, [window(3)], Window(1), Windowed;
    /// ln(open / previous close); 0 when the open is missing; no window.
    OvernightReturn => Bar, [], Bars(2), Windowed;
    /// ln(close / open); from the previous close when the open is missing; no window.
    IntradayReturn => Bar, [], Bars(2), Windowed;
    /// Linearly weighted mean close of the last `window` bars divided by close, minus 1; the newest
    /// weighs most.
    WmaRatio => Close, [window(1)], Window(0), Windowed;
    /// Lowest of the last `window` closes divided by close, minus 1.
    MinRatio => Close, [window(1)], Window(0), Windowed;
    /// Highest of the last `window` closes divided by close, minus 1.
    MaxRatio => Close, [window(1)], Window(0), Windowed;
    /// close / highest of the last `window` closes, minus 1.
    Drawdown => Close, [window(1)], Window(0), Windowed;
    /// Average rank of the close among the last `window` closes, as a share, above 0 to 1.
    PriceRank => Close, [window(1)], Window(0), Windowed;
    /// True range (Wilder) / close; no window.
    TrueRange => Bar, [], Bars(2), Windowed;
    /// Average true range (Wilder, first value a plain mean) over `window`, divided by close.
    AtrRatio => Bar, [window(1)], Window(1), Recursive;
    /// Average directional index (Wilder) over `window`, 0 to 100; 0 when nothing moved.
    Adx => Bar, [window(1)], TwoWindows, Recursive;
    /// Stochastic %K: place of the close between the lowest low and the highest high of `window`
    /// bars, 0 to 100; 50 when they are equal.
    StochasticK => Bar, [window(1)], Window(0), Windowed;
    /// Mean of the last `signal` values of StochasticK.
    StochasticD => Bar, [window(1), Signal], WindowAndSignal, Windowed;
    /// Williams %R, -100 to 0: StochasticK - 100.
    WilliamsR => Bar, [window(1)], Window(0), Windowed;
    /// Commodity channel index over `window`: (typical price - mean) / (0.015 * mean deviation); 0 when
    /// constant.
    Cci => Bar, [window(1)], Window(0), Windowed;
    /// On-balance volume of the last `window` bars divided by their volume, -1 to 1; 0 without
    /// volume.
    ObvRatio => Bar, [window(1)], Window(1), Windowed;
    /// Money flow index over `window`, 0 to 100; 50 without flow.
    MoneyFlow => Bar, [window(1)], Window(1), Windowed;
    /// Volume-weighted typical price of the last `window` bars divided by close, minus 1; 0 without
    /// volume.
    VwapRatio => Bar, [window(1)], Window(0), Windowed;
    /// Volume divided by the mean of the last `window` volumes; 1 when that is 0.
    VolumeRatio => Bar, [window(1)], Window(0), Windowed;
    /// Illiquidity after Amihud (2002): mean of |log return| per million of turnover over `window`; a bar
    /// without turnover counts 0.
    Amihud => Bar, [window(1)], Window(1), Windowed;
    /// Root mean square of the last `window` log returns.
    RealisedVolatility => Close, [window(1)], Window(1), Windowed;
    /// Volatility per session after Parkinson (1980) over `window`, from high and low.
    Parkinson => Bar, [window(1)], Window(0), Windowed;
    /// Volatility per session after Garman and Klass (1980) over `window`, from open, high, low, close.
    GarmanKlass => Bar, [window(1)], Window(1), Windowed;
    /// Volatility per session after Yang and Zhang (2000) over `window` (2 or more), with overnight gaps.
    YangZhang => Bar, [window(2)], Window(1), Windowed;
    /// Bars since the highest high of the last `window`, 0 to `window` - 1; the newest of equal ones.
    BarsSinceHigh => Bar, [window(1)], Window(0), Windowed;
    /// Bars since the lowest low of the last `window`, 0 to `window` - 1; the newest of equal ones.
    BarsSinceLow => Bar, [window(1)], Window(0), Windowed;
    /// Day of the week of the session, 0 (Monday) to 6; no window.
    DayOfWeek => Date, [], Bars(1), Windowed;
    /// Day of the month of the session, 1 to 31; no window.
    DayOfMonth => Date, [], Bars(1), Windowed;
    /// Month of the session, 1 to 12; no window.
    MonthOfYear => Date, [], Bars(1), Windowed;
    /// Mean of the last `window` values of `column`: a level, not a ratio.
    RollingMean => Column, [window(1)], Window(0), Windowed;
    /// Sample standard deviation of the last `window` (2 or more) values of `column`: a level.
    RollingStd => Column, [window(2)], Window(0), Windowed;
    /// Smallest of the last `window` values of `column`: a level.
    RollingMin => Column, [window(1)], Window(0), Windowed;
    /// Largest of the last `window` values of `column`: a level.
    RollingMax => Column, [window(1)], Window(0), Windowed;
    /// Sum of the last `window` values of `column`: a level.
    RollingSum => Column, [window(1)], Window(0), Windowed;
    /// Quantile `quantile` of the last `window` values of `column`, linear between the two nearest, as
    /// pandas: a level.
    RollingQuantile => Column, [window(1), Quantile], Window(0), Windowed;
    /// Arithmetic over features declared before it, written in `expression`; no window.
    Expression => Features, [Expression], Bars(1), Windowed;
}
