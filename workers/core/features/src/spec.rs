//! Checks of one declared feature; the operator calls them before anything is built.

use foresail_crds::Decimal;
use foresail_crds::pipeline::spec::{
    Argument, Column, FeatureFunction as F, FeatureSpec, LONGEST_WINDOW, Reads,
};
use thiserror::Error;

use crate::binding::{Binding, binding};

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
        expected: String,
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
    #[error("feature `{name}`: `expression` is invalid at character {position}: {message}")]
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

/// What a bar must have besides its close for the feature to mean what it says: where one of these is missing,
/// something else stands in for it. An expression needs what the features it uses need.
pub fn columns_read(spec: &FeatureSpec) -> &'static [Column] {
    use Column::{Close, High, Low, Open, TypicalPrice, Volume};
    match binding(spec.function) {
        Binding::Lag(_)
        | Binding::Ema
        | Binding::Macd(_)
        | Binding::Rsi
        | Binding::Date(_)
        | Binding::Expression => &[],
        Binding::Atr | Binding::Adx => &[High, Low],
        Binding::Window(kept, _) => kept.reads(),
        Binding::Rolling(_) => match spec.column.unwrap_or_default() {
            Close => &[],
            Open => &[Open],
            High | Low | TypicalPrice => &[High, Low],
            Volume => &[Volume],
        },
    }
}

/// Whether the feature depends on the date of a bar.
pub const fn reads_date(spec: &FeatureSpec) -> bool {
    matches!(binding(spec.function), Binding::Date(_))
}

pub(crate) fn parameters(spec: &FeatureSpec) -> Result<Parameters, FeatureError> {
    let need = Need(spec);
    need.no_surplus()?;
    let mut parameters = Parameters {
        window: 1,
        fast: 1,
        slow: 2,
        signal: 1,
        deviations: 0.0,
        column: spec.column.unwrap_or_default(),
        quantile: 0.0,
    };
    for argument in spec.function.describe().arguments {
        match *argument {
            Argument::Window { least } => {
                parameters.window = need.sessions(*argument, spec.window, least)?;
            }
            // One check of the two.
            Argument::Fast => (parameters.fast, parameters.slow) = need.fast_slow()?,
            Argument::Slow => {}
            Argument::Signal => parameters.signal = need.sessions(*argument, spec.signal, 1)?,
            Argument::Deviations => {
                let within = |v: f64| v > 0.0 && v <= 10.0;
                parameters.deviations = need.number(*argument, &spec.deviations, within)?;
            }
            Argument::Quantile => {
                let within = |v: f64| (0.0..=1.0).contains(&v);
                parameters.quantile = need.number(*argument, &spec.quantile, within)?;
            }
            Argument::Expression => need.expression()?,
        }
    }
    Ok(parameters)
}

struct Need<'a>(&'a FeatureSpec);

impl Need<'_> {
    fn sessions(
        &self,
        argument: Argument,
        value: Option<u32>,
        least: u32,
    ) -> Result<usize, FeatureError> {
        let value = value.ok_or_else(|| self.missing(argument))?;
        if value < least || value > LONGEST_WINDOW {
            return Err(self.out_of_range(argument.field(), argument.bounds()));
        }
        Ok(value as usize)
    }

    fn fast_slow(&self) -> Result<(usize, usize), FeatureError> {
        let fast = self.sessions(Argument::Fast, self.0.fast, 1)?;
        let slow = self.sessions(Argument::Slow, self.0.slow, 2)?;
        if fast >= slow {
            return Err(self.out_of_range("fast", "below slow".into()));
        }
        Ok((fast, slow))
    }

    /// A decimal that must be there, finite, and `within` the bounds of the argument.
    fn number(
        &self,
        argument: Argument,
        text: &Option<Decimal>,
        within: impl Fn(f64) -> bool,
    ) -> Result<f64, FeatureError> {
        let text = text.as_ref().ok_or_else(|| self.missing(argument))?;
        let value = text.as_f64().filter(|value| within(*value));
        value.ok_or_else(|| self.out_of_range(argument.field(), argument.bounds()))
    }

    fn expression(&self) -> Result<(), FeatureError> {
        let text = self.0.expression.as_ref();
        text.map(drop)
            .ok_or_else(|| self.missing(Argument::Expression))
    }

    /// Parameters whose meaning is some functions' own: another would silently do without.
    fn no_surplus(&self) -> Result<(), FeatureError> {
        let Self(spec) = self;
        let function = spec.function;
        let description = function.describe();
        let takes_column = description.reads == Reads::Column;
        let surplus = [
            ("column", spec.column.is_some() && !takes_column),
            (
                "quantile",
                spec.quantile.is_some() && !description.takes("quantile"),
            ),
            (
                "expression",
                spec.expression.is_some() && !description.takes("expression"),
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

    fn missing(&self, argument: Argument) -> FeatureError {
        FeatureError::Missing {
            name: self.0.name.clone(),
            field: argument.field(),
            function: self.0.function,
        }
    }

    fn out_of_range(&self, field: &'static str, expected: String) -> FeatureError {
        FeatureError::OutOfRange {
            name: self.0.name.clone(),
            field,
            expected,
        }
    }
}
