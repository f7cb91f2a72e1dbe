//! Which kernel computes each function of the catalogue: the one place where a name becomes arithmetic.
//! `Feature` builds the state that a binding asks for, and takes every bar through it.

use foresail_crds::pipeline::spec::{Column, FeatureFunction as F};

use crate::kernels::Series;

/// Kernel of a function, with what sets it apart from others on the same kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    Lag(Lag),
    Ema,
    Macd(MacdLine),
    Rsi,
    Atr,
    Adx,
    /// A statistic of what is kept of the bars of a window.
    Window(Kept, Statistic),
    /// A statistic of the column that the feature names.
    Rolling(Level),
    Date(DatePart),
    /// Arithmetic over the row, which has no kernel.
    Expression,
}

/// The close against an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lag {
    /// Log return of the bar.
    Change,
    /// ln(close / older close).
    LogRatio,
    /// close / older close - 1.
    Ratio,
}

/// Lines of the MACD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MacdLine {
    Macd,
    Signal,
    Histogram,
}

/// Numbers of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    DayOfWeek,
    DayOfMonth,
    Month,
}

/// Statistics of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Mean,
    Deviation,
    Least,
    Most,
    Sum,
    Quantile,
}

/// What a window keeps of every bar: one column, or those named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Close,
    /// Log return.
    Change,
    High,
    Low,
    Typical,
    Volume,
    /// (high - low) / close.
    Range,
    /// Wilder's, divided by the close.
    TrueRange,
    /// ln(high / low) squared.
    SquaredLogRange,
    /// |log return| per million of turnover.
    Illiquidity,
    /// ln(open / previous close).
    Overnight,
    /// ln(close / open).
    Intraday,
    /// Terms of Garman and Klass.
    GarmanKlass,
    /// Highs, lows.
    HighLow,
    /// Typical price times volume, volume.
    Turnover,
    /// Volume with the sign of the change, volume.
    SignedVolume,
    /// Money that flowed in, out.
    MoneyFlow,
    /// Overnight, intraday, and the term of Rogers and Satchell.
    YangZhang,
}

impl Kept {
    /// Columns in use.
    pub(crate) const fn columns(self) -> usize {
        match self {
            Self::Close
            | Self::Change
            | Self::High
            | Self::Low
            | Self::Typical
            | Self::Volume
            | Self::Range
            | Self::TrueRange
            | Self::SquaredLogRange
            | Self::Illiquidity
            | Self::Overnight
            | Self::Intraday
            | Self::GarmanKlass => 1,
            Self::HighLow | Self::Turnover | Self::SignedVolume | Self::MoneyFlow => 2,
            Self::YangZhang => 3,
        }
    }

    /// What it reads of a bar besides the close. High and low count only together.
    pub(crate) const fn reads(self) -> &'static [Column] {
        use Column::{High, Low, Open, Volume};
        match self {
            Self::Close | Self::Change => &[],
            Self::High
            | Self::Low
            | Self::Typical
            | Self::Range
            | Self::TrueRange
            | Self::SquaredLogRange
            | Self::HighLow => &[High, Low],
            Self::Volume | Self::Illiquidity | Self::SignedVolume => &[Volume],
            Self::Turnover | Self::MoneyFlow => &[High, Low, Volume],
            Self::Overnight | Self::Intraday => &[Open],
            Self::GarmanKlass | Self::YangZhang => &[Open, High, Low],
        }
    }

    /// The series in the first column, where several features keep it.
    pub(crate) const fn series(self) -> Option<Series> {
        match self {
            Self::Close => Some(Series::Close),
            Self::Change => Some(Series::Change),
            Self::Volume => Some(Series::Volume),
            Self::High
            | Self::Low
            | Self::Typical
            | Self::Range
            | Self::TrueRange
            | Self::SquaredLogRange
            | Self::Illiquidity
            | Self::Overnight
            | Self::Intraday
            | Self::GarmanKlass
            | Self::HighLow
            | Self::Turnover
            | Self::SignedVolume
            | Self::MoneyFlow
            | Self::YangZhang => None,
        }
    }
}

/// What is worked out of a full window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    /// The one value of a bar, which is its own window.
    Newest,
    /// The value `window` bars ago.
    Lagged,
    Mean,
    /// Divided by the close, minus 1; so are the next three.
    MeanRatio,
    WeightedMeanRatio,
    LeastRatio,
    MostRatio,
    Least,
    Most,
    /// Close / largest, minus 1.
    Drawdown,
    Deviation,
    /// (newest - mean) / deviation.
    Score,
    Band(Band),
    /// Average rank of the newest.
    Rank,
    Skewness,
    Kurtosis,
    Autocorrelation,
    RootMeanSquare,
    /// Newest / mean.
    NewestOverMean,
    /// Place of the close between the lowest low and the highest high.
    Stochastic,
    /// Mean of the last places.
    SmoothedStochastic,
    WilliamsR,
    Cci,
    /// Share of the second column's sum that the first one's is.
    ShareOfSums,
    MoneyFlow,
    Vwap,
    Parkinson,
    GarmanKlass,
    YangZhang,
    BarsSinceMost,
    BarsSinceLeast,
}

/// Of Bollinger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Band {
    Upper,
    Lower,
    Width,
    PercentB,
}

/// The kernel of `function`.
pub(crate) const fn binding(function: F) -> Binding {
    use Binding::{Rolling, Window};
    match function {
        F::LogReturn => Binding::Lag(Lag::Change),
        F::LogReturnOver => Binding::Lag(Lag::LogRatio),
        F::SimpleReturn | F::RateOfChange => Binding::Lag(Lag::Ratio),
        F::EmaRatio => Binding::Ema,
        F::Macd => Binding::Macd(MacdLine::Macd),
        F::MacdSignal => Binding::Macd(MacdLine::Signal),
        F::MacdHistogram => Binding::Macd(MacdLine::Histogram),
        F::Rsi => Binding::Rsi,
        F::AtrRatio => Binding::Atr,
        F::Adx => Binding::Adx,
        F::SmaRatio => Window(Kept::Close, Statistic::MeanRatio),
        F::WmaRatio => Window(Kept::Close, Statistic::WeightedMeanRatio),
        F::MinRatio => Window(Kept::Close, Statistic::LeastRatio),
        F::MaxRatio => Window(Kept::Close, Statistic::MostRatio),
        F::Drawdown => Window(Kept::Close, Statistic::Drawdown),
        F::PriceRank => Window(Kept::Close, Statistic::Rank),
        F::ZScore => Window(Kept::Close, Statistic::Score),
        F::BollingerUpper => Window(Kept::Close, Statistic::Band(Band::Upper)),
        F::BollingerLower => Window(Kept::Close, Statistic::Band(Band::Lower)),
        F::BollingerWidth => Window(Kept::Close, Statistic::Band(Band::Width)),
        F::BollingerPercentB => Window(Kept::Close, Statistic::Band(Band::PercentB)),
        F::Volatility => Window(Kept::Change, Statistic::Deviation),
        F::RealisedVolatility => Window(Kept::Change, Statistic::RootMeanSquare),
        F::ReturnLag => Window(Kept::Change, Statistic::Lagged),
        F::ReturnMean => Window(Kept::Change, Statistic::Mean),
        F::ReturnMin => Window(Kept::Change, Statistic::Least),
        F::ReturnMax => Window(Kept::Change, Statistic::Most),
        F::ReturnRank => Window(Kept::Change, Statistic::Rank),
        F::Skewness => Window(Kept::Change, Statistic::Skewness),
        F::Kurtosis => Window(Kept::Change, Statistic::Kurtosis),
        F::Autocorrelation => Window(Kept::Change, Statistic::Autocorrelation),
        F::OvernightReturn => Window(Kept::Overnight, Statistic::Newest),
        F::IntradayReturn => Window(Kept::Intraday, Statistic::Newest),
        F::TrueRange => Window(Kept::TrueRange, Statistic::Newest),
        F::RangeMean => Window(Kept::Range, Statistic::Mean),
        F::Parkinson => Window(Kept::SquaredLogRange, Statistic::Parkinson),
        F::GarmanKlass => Window(Kept::GarmanKlass, Statistic::GarmanKlass),
        F::YangZhang => Window(Kept::YangZhang, Statistic::YangZhang),
        F::BarsSinceHigh => Window(Kept::High, Statistic::BarsSinceMost),
        F::BarsSinceLow => Window(Kept::Low, Statistic::BarsSinceLeast),
        F::StochasticK => Window(Kept::HighLow, Statistic::Stochastic),
        F::StochasticD => Window(Kept::HighLow, Statistic::SmoothedStochastic),
        F::WilliamsR => Window(Kept::HighLow, Statistic::WilliamsR),
        F::Cci => Window(Kept::Typical, Statistic::Cci),
        F::VolumeZScore => Window(Kept::Volume, Statistic::Score),
        F::VolumeRatio => Window(Kept::Volume, Statistic::NewestOverMean),
        F::ObvRatio => Window(Kept::SignedVolume, Statistic::ShareOfSums),
        F::VwapRatio => Window(Kept::Turnover, Statistic::Vwap),
        F::MoneyFlow => Window(Kept::MoneyFlow, Statistic::MoneyFlow),
        F::Amihud => Window(Kept::Illiquidity, Statistic::Mean),
        F::DayOfWeek => Binding::Date(DatePart::DayOfWeek),
        F::DayOfMonth => Binding::Date(DatePart::DayOfMonth),
        F::MonthOfYear => Binding::Date(DatePart::Month),
        F::RollingMean => Rolling(Level::Mean),
        F::RollingStd => Rolling(Level::Deviation),
        F::RollingMin => Rolling(Level::Least),
        F::RollingMax => Rolling(Level::Most),
        F::RollingSum => Rolling(Level::Sum),
        F::RollingQuantile => Rolling(Level::Quantile),
        F::Expression => Binding::Expression,
    }
}
