//! Checks of one declared feature; the operator calls them before anything is built.

use foresail_crds::Decimal;
use foresail_crds::pipeline::spec::{Column, FeatureFunction as F, FeatureSpec};
use thiserror::Error;

/// Most sessions of a window, as the CRD says.
pub(crate) const LONGEST: usize = 512;

/// Why a declared feature cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FeatureError {
    /// A parameter is absent.
    #[error("feature `{name}` must have `{field}` for {function:?}")]
    Missing {
        /// Feature.
        name: String,
        /// Field of the spec.
        field: &'static str,
        /// Function.
        function: F,
    },
    /// A parameter is out of range.
    #[error("feature `{name}`: `{field}` must be {expected}")]
    OutOfRange {
        /// Feature.
        name: String,
        /// Field of the spec.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A parameter that the function does not read.
    #[error("feature `{name}` must not have `{field}`: {function:?} does not read it")]
    Surplus {
        /// Feature.
        name: String,
        /// Field of the spec.
        field: &'static str,
        /// Function.
        function: F,
    },
    /// An expression that cannot be read.
    #[error("feature `{name}`: `expression` is wrong at character {position}: {message}")]
    Expression {
        /// Feature.
        name: String,
        /// Character of the text, from 1.
        position: usize,
        /// What is there, and what was expected.
        message: String,
    },
    /// Two features share a name.
    #[error("feature name `{name}` must be unique")]
    Duplicate {
        /// Feature.
        name: String,
    },
    /// A stored state does not belong to this feature set.
    #[error("the stored feature state does not fit: {message}")]
    State {
        /// What does not fit.
        message: String,
    },
}

/// Checked parameters of one feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parameters {
    pub window: usize,
    pub fast: usize,
    pub slow: usize,
    pub signal: usize,
    pub deviations: f64,
    pub column: Column,
    pub quantile: f64,
}

/// Checks one feature: all parameters of its function present and in range. The text of an expression
/// is checked by [`crate::fingerprint`], which knows the features before it.
///
/// # Errors
/// The first parameter that is absent or out of range.
pub fn check(spec: &FeatureSpec) -> Result<(), FeatureError> {
    parameters(spec).map(drop)
}

/// What a function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Closes alone.
    Close,
    /// The column that the feature names.
    Column,
    /// The date of the session.
    Date,
    /// Open, high, low, close and volume.
    Bar,
    /// Features declared before it.
    Features,
}

/// What `function` reads.
pub fn reads(function: F) -> Reads {
    match function {
        F::DayOfWeek | F::DayOfMonth | F::MonthOfYear => Reads::Date,
        F::Expression => Reads::Features,
        rolling if is_rolling(rolling) => Reads::Column,
        F::VolumeZScore
        | F::RangeMean
        | F::OvernightReturn
        | F::IntradayReturn
        | F::TrueRange
        | F::AtrRatio
        | F::Adx
        | F::StochasticK
        | F::StochasticD
        | F::WilliamsR
        | F::Cci
        | F::ObvRatio
        | F::MoneyFlow
        | F::VwapRatio
        | F::VolumeRatio
        | F::Amihud
        | F::Parkinson
        | F::GarmanKlass
        | F::YangZhang
        | F::BarsSinceHigh
        | F::BarsSinceLow => Reads::Bar,
        _ => Reads::Close,
    }
}

/// Parameters that `function` must have, by their names in the spec, in the order SQL takes them.
pub fn arguments(function: F) -> &'static [&'static str] {
    match function {
        F::LogReturn
        | F::SimpleReturn
        | F::OvernightReturn
        | F::IntradayReturn
        | F::TrueRange
        | F::DayOfWeek
        | F::DayOfMonth
        | F::MonthOfYear => &[],
        F::Expression => &["expression"],
        F::RollingQuantile => &["window", "quantile"],
        F::StochasticD => &["window", "signal"],
        F::BollingerUpper | F::BollingerLower | F::BollingerWidth | F::BollingerPercentB => {
            &["window", "deviations"]
        }
        F::Macd => &["fast", "slow"],
        F::MacdSignal | F::MacdHistogram => &["fast", "slow", "signal"],
        _ => &["window"],
    }
}

/// True when the feature reads nothing but closes (a univariate request can carry it). So does an
/// expression: what it uses are features of their own.
pub fn needs_close_only(spec: &FeatureSpec) -> bool {
    match reads(spec.function) {
        Reads::Bar => false,
        Reads::Column => spec.column.unwrap_or_default() == Column::Close,
        Reads::Close | Reads::Date | Reads::Features => true,
    }
}

/// Functions over any column of the bars.
pub(crate) fn is_rolling(function: F) -> bool {
    matches!(
        function,
        F::RollingMean
            | F::RollingStd
            | F::RollingMin
            | F::RollingMax
            | F::RollingSum
            | F::RollingQuantile
    )
}

pub(crate) fn parameters(spec: &FeatureSpec) -> Result<Parameters, FeatureError> {
    let need = Need(spec);
    need.no_surplus()?;
    let mut found = Parameters {
        window: 1,
        fast: 1,
        slow: 2,
        signal: 1,
        deviations: 0.0,
        column: spec.column.unwrap_or_default(),
        quantile: 0.0,
    };
    for name in arguments(spec.function) {
        match *name {
            // One check of the two.
            "fast" => (found.fast, found.slow) = need.fast_slow()?,
            "slow" => {}
            "signal" => found.signal = need.span("signal", spec.signal, 1)?,
            "deviations" => found.deviations = need.deviations()?,
            "quantile" => found.quantile = need.quantile()?,
            "expression" => need.expression()?,
            _ => found.window = need.window(shortest(spec.function))?,
        }
    }
    Ok(found)
}

/// Sessions a window must have at least.
fn shortest(function: F) -> usize {
    match function {
        F::Kurtosis => 4,
        F::Skewness | F::Autocorrelation => 3,
        F::Volatility
        | F::ZScore
        | F::VolumeZScore
        | F::YangZhang
        | F::RollingStd
        | F::BollingerUpper
        | F::BollingerLower
        | F::BollingerWidth
        | F::BollingerPercentB => 2,
        _ => 1,
    }
}

struct Need<'a>(&'a FeatureSpec);

impl Need<'_> {
    fn span(
        &self,
        field: &'static str,
        value: Option<u32>,
        least: usize,
    ) -> Result<usize, FeatureError> {
        let value = value.ok_or_else(|| self.missing(field))?;
        let value = usize::try_from(value).unwrap_or(usize::MAX);
        if value < least || value > LONGEST {
            let expected = match least {
                2 => "between 2 and 512",
                3 => "between 3 and 512",
                4 => "between 4 and 512",
                _ => "between 1 and 512",
            };
            return Err(self.out_of_range(field, expected));
        }
        Ok(value)
    }

    fn window(&self, least: usize) -> Result<usize, FeatureError> {
        self.span("window", self.0.window, least)
    }

    fn fast_slow(&self) -> Result<(usize, usize), FeatureError> {
        let fast = self.span("fast", self.0.fast, 1)?;
        let slow = self.span("slow", self.0.slow, 2)?;
        if fast >= slow {
            return Err(self.out_of_range("fast", "below slow"));
        }
        Ok((fast, slow))
    }

    fn deviations(&self) -> Result<f64, FeatureError> {
        let within = |v: &f64| *v > 0.0 && *v <= 10.0;
        let value = self.number("deviations", self.0.deviations.as_ref())?;
        let value = value.filter(within);
        value.ok_or_else(|| self.out_of_range("deviations", "above 0 and at most 10"))
    }

    fn quantile(&self) -> Result<f64, FeatureError> {
        let value = self.number("quantile", self.0.quantile.as_ref())?;
        let value = value.filter(|v| (0.0..=1.0).contains(v));
        value.ok_or_else(|| self.out_of_range("quantile", "between 0 and 1"))
    }

    fn expression(&self) -> Result<(), FeatureError> {
        let text = self.0.expression.as_ref();
        text.map(drop).ok_or_else(|| self.missing("expression"))
    }

    /// Parameters whose meaning is some functions' own: another would silently do without.
    fn no_surplus(&self) -> Result<(), FeatureError> {
        let Self(spec) = self;
        let function = spec.function;
        let read = |name| arguments(function).contains(&name);
        let surplus = [
            ("column", spec.column.is_some() && !is_rolling(function)),
            ("quantile", spec.quantile.is_some() && !read("quantile")),
            (
                "expression",
                spec.expression.is_some() && !read("expression"),
            ),
        ];
        match surplus.into_iter().find(|(_, surplus)| *surplus) {
            None => Ok(()),
            Some((field, _)) => Err(FeatureError::Surplus {
                name: spec.name.clone(),
                field,
                function,
            }),
        }
    }

    /// A decimal that must be there; `None` when it is no finite number.
    fn number(
        &self,
        field: &'static str,
        text: Option<&Decimal>,
    ) -> Result<Option<f64>, FeatureError> {
        let text = text.ok_or_else(|| self.missing(field))?;
        Ok(text.as_f64())
    }

    fn missing(&self, field: &'static str) -> FeatureError {
        FeatureError::Missing {
            name: self.0.name.clone(),
            field,
            function: self.0.function,
        }
    }

    fn out_of_range(&self, field: &'static str, expected: &'static str) -> FeatureError {
        FeatureError::OutOfRange {
            name: self.0.name.clone(),
            field,
            expected,
        }
    }
}
