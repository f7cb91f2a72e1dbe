//! All features of one symbol: the one place where a bar becomes a feature row.

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_domain::Bar;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::adjust::Adjuster;
use crate::feature::Feature;
use crate::fingerprint::{fingerprint, warm_up};
use crate::spec::FeatureError;

/// Feature state of one symbol.
#[derive(Clone, Debug)]
pub struct FeatureSet {
    names: Vec<String>,
    fingerprint: String,
    warm_up: u32,
    state: State,
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    symbol: Option<String>,
    last_event_time: Option<i64>,
    adjuster: Adjuster,
    features: Vec<Feature>,
}

/// Feature values at one bar.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// Bar end, milliseconds UTC.
    pub event_time: i64,
    /// Raw close.
    pub close: f64,
    /// Adjusted close = close * factor.
    pub adjustment_factor: f64,
    /// Finite values in the order of the specs.
    pub values: Vec<f64>,
}

/// Why a bar was not taken; the state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Not after the last bar of the symbol (a repeat, or out of order).
    #[error("bar at {event_time} ms is not after the last one at {last} ms")]
    OutOfOrder {
        /// Bar end.
        event_time: i64,
        /// Last bar taken.
        last: i64,
    },
    /// Another symbol's bar.
    #[error("bar of `{got}` given to the features of `{expected}`")]
    WrongSymbol {
        /// Symbol of this state.
        expected: String,
        /// Symbol of the bar.
        got: String,
    },
    /// A feature of this bar is not a finite number (prices beyond the range of f64).
    #[error("feature `{feature}` is not finite at {event_time} ms")]
    NonFinite {
        /// Feature.
        feature: String,
        /// Bar end.
        event_time: i64,
    },
}

impl Refused {
    /// CamelCase reason for the quarantine record.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "OutOfOrder",
            Self::WrongSymbol { .. } => "WrongSymbol",
            Self::NonFinite { .. } => "NonFiniteFeature",
        }
    }
}

impl FeatureSet {
    /// Empty state.
    ///
    /// # Errors
    /// The first feature that cannot be computed as declared.
    pub fn new(specs: &[FeatureSpec], adjustment: Adjustment) -> Result<Self, FeatureError> {
        let features = specs.iter().map(Feature::new).collect::<Result<_, _>>()?;
        let adjuster = Adjuster::new(adjustment);
        Ok(Self {
            names: specs.iter().map(|s| s.name.clone()).collect(),
            fingerprint: fingerprint(specs, adjustment)?,
            warm_up: warm_up(specs)?,
            state: State {
                symbol: None,
                last_event_time: None,
                adjuster,
                features,
            },
        })
    }

    /// Takes the next bar of the symbol; a row once every feature is warm.
    ///
    /// # Errors
    /// [`Refused`]; the state is as before.
    pub fn push(&mut self, bar: &Bar) -> Result<Option<FeatureRow>, Refused> {
        self.admit(bar)?;
        // A bar that gives a non-finite value must leave no trace, and that shows only at the end.
        let mut next = self.state.clone();
        let adjusted = next.adjuster.push(bar);
        let mut values = Vec::with_capacity(next.features.len());
        for (feature, name) in next.features.iter_mut().zip(&self.names) {
            if let Some(value) = feature.push(&adjusted) {
                if !value.is_finite() {
                    let (feature, event_time) = (name.clone(), bar.event_time);
                    return Err(Refused::NonFinite {
                        feature,
                        event_time,
                    });
                }
                values.push(value);
            }
        }
        next.symbol.get_or_insert_with(|| bar.symbol.clone());
        next.last_event_time = Some(bar.event_time);
        self.state = next;
        Ok((values.len() == self.names.len()).then(|| FeatureRow {
            event_time: bar.event_time,
            close: bar.close,
            adjustment_factor: self.state.adjuster.factor(),
            values,
        }))
    }

    fn admit(&self, bar: &Bar) -> Result<(), Refused> {
        if let Some(expected) = self.state.symbol.as_ref().filter(|s| **s != bar.symbol) {
            let (expected, got) = (expected.clone(), bar.symbol.clone());
            return Err(Refused::WrongSymbol { expected, got });
        }
        match self.state.last_event_time {
            Some(last) if bar.event_time <= last => Err(Refused::OutOfOrder {
                event_time: bar.event_time,
                last,
            }),
            _ => Ok(()),
        }
    }

    /// Names in the order of the values.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Identity of the feature set.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Bars needed for the first row, its own bar included.
    pub fn warm_up(&self) -> u32 {
        self.warm_up
    }

    /// Last bar taken, milliseconds UTC.
    pub fn last_event_time(&self) -> Option<i64> {
        self.state.last_event_time
    }

    /// The whole state; [`Self::restore`] continues bit for bit.
    pub fn snapshot(&self) -> serde_json::Value {
        serde_json::to_value(&self.state).expect("finite numbers and strings always serialise")
    }

    /// Continues from a snapshot of the same specs.
    ///
    /// # Errors
    /// A bad spec, or [`FeatureError::State`] when the snapshot belongs to another feature set.
    pub fn restore(
        specs: &[FeatureSpec],
        adjustment: Adjustment,
        snapshot: &serde_json::Value,
    ) -> Result<Self, FeatureError> {
        let mut set = Self::new(specs, adjustment)?;
        let state = State::deserialize(snapshot).map_err(|e| FeatureError::State {
            message: e.to_string(),
        })?;
        let fits = state.features.len() == specs.len()
            && state
                .features
                .iter()
                .zip(specs)
                .all(|(feature, spec)| feature.fits(spec));
        if !fits {
            let message = "it holds other features or a damaged window".to_string();
            return Err(FeatureError::State { message });
        }
        set.state = state;
        Ok(set)
    }
}
