//! Checks of one declared feature; the operator calls them before anything is built.

use foresail_crds::pipeline::spec::{FeatureFunction as F, FeatureSpec};
use thiserror::Error;

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
}

/// Checks one feature: all parameters of its function present and in range.
///
/// # Errors
/// The first parameter that is absent or out of range.
pub fn check(spec: &FeatureSpec) -> Result<(), FeatureError> {
    parameters(spec).map(drop)
}

/// True when the function reads nothing but closes (a univariate request can carry it).
pub fn needs_close_only(function: F) -> bool {
    !matches!(
        function,
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
            | F::BarsSinceLow
    )
}

pub(crate) fn parameters(spec: &FeatureSpec) -> Result<Parameters, FeatureError> {
    let need = Need(spec);
    let none = Parameters {
        window: 1,
        fast: 1,
        slow: 2,
        signal: 1,
        deviations: 0.0,
    };
    match spec.function {
        F::LogReturn
        | F::SimpleReturn
        | F::OvernightReturn
        | F::IntradayReturn
        | F::TrueRange
        | F::DayOfWeek
        | F::DayOfMonth
        | F::MonthOfYear => Ok(none),
        F::YangZhang => Ok(Parameters {
            window: need.window(2)?,
            ..none
        }),
        F::Skewness | F::Autocorrelation => Ok(Parameters {
            window: need.window(3)?,
            ..none
        }),
        F::Kurtosis => Ok(Parameters {
            window: need.window(4)?,
            ..none
        }),
        F::StochasticD => Ok(Parameters {
            window: need.window(1)?,
            signal: need.span("signal", spec.signal, 1)?,
            ..none
        }),
        F::Volatility | F::ZScore | F::VolumeZScore => Ok(Parameters {
            window: need.window(2)?,
            ..none
        }),
        F::BollingerUpper | F::BollingerLower | F::BollingerWidth | F::BollingerPercentB => {
            Ok(Parameters {
                window: need.window(2)?,
                deviations: need.deviations()?,
                ..none
            })
        }
        F::Macd => {
            let (fast, slow) = need.fast_slow()?;
            Ok(Parameters { fast, slow, ..none })
        }
        F::MacdSignal | F::MacdHistogram => {
            let (fast, slow) = need.fast_slow()?;
            let signal = need.span("signal", spec.signal, 1)?;
            Ok(Parameters {
                fast,
                slow,
                signal,
                ..none
            })
        }
        // Everything else has a window of one or more sessions.
        _ => Ok(Parameters {
            window: need.window(1)?,
            ..none
        }),
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
        let name = self.0.name.clone();
        let function = self.0.function;
        let value = value.ok_or(FeatureError::Missing {
            name: name.clone(),
            field,
            function,
        })?;
        let value = usize::try_from(value).unwrap_or(usize::MAX);
        if value < least || value > 512 {
            let expected = match least {
                2 => "between 2 and 512",
                3 => "between 3 and 512",
                4 => "between 4 and 512",
                _ => "between 1 and 512",
            };
            return Err(FeatureError::OutOfRange {
                name,
                field,
                expected,
            });
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
            let name = self.0.name.clone();
            return Err(FeatureError::OutOfRange {
                name,
                field: "fast",
                expected: "below slow",
            });
        }
        Ok((fast, slow))
    }

    fn deviations(&self) -> Result<f64, FeatureError> {
        let name = self.0.name.clone();
        let (field, function) = ("deviations", self.0.function);
        let text = self.0.deviations.as_ref();
        let text = text.ok_or(FeatureError::Missing {
            name: name.clone(),
            field,
            function,
        })?;
        let value = text.as_f64().filter(|v| *v > 0.0 && *v <= 10.0);
        value.ok_or(FeatureError::OutOfRange {
            name,
            field,
            expected: "above 0 and at most 10",
        })
    }
}
