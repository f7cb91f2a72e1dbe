//! All features of one symbol: the one place where a bar becomes a feature row.

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::Refusal;
use foresail_domain::{Bar, BarError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::adjust::Adjuster;
use crate::expression::{Program, programs};
use crate::feature::Feature;
use crate::fingerprint::{fingerprint, warm_up};
use crate::kernels::Shared;
use crate::spec::FeatureError;

/// Feature state of one symbol.
#[derive(Clone, Debug)]
pub struct FeatureSet {
    names: Vec<String>,
    fingerprint: String,
    warm_up: u32,
    /// By feature; `None` for what is no expression.
    programs: Vec<Option<Program>>,
    /// Of the bar that is being taken; no part of the state.
    shared: Shared,
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

impl FeatureRow {
    /// On the scale that changes and forecasts are made on.
    pub fn adjusted_close(&self) -> f64 {
        self.close * self.adjustment_factor
    }
}

/// What [`FeatureSet::snapshot`] writes.
#[derive(Serialize)]
struct Snapshot<'a> {
    fingerprint: &'a str,
    state: &'a State,
}

/// What [`FeatureSet::restore`] reads.
#[derive(Deserialize)]
struct Stored {
    fingerprint: String,
    state: State,
}

/// Why a bar was not taken; the state is unchanged.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PushError {
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
    /// A number of this bar is not finite or out of bounds: no bar that passes `Bar::check`.
    #[error("bar at {event_time} ms cannot be computed with: {source}")]
    NonFinite {
        /// Bar end.
        event_time: i64,
        /// The number.
        source: BarError,
    },
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let reason = match &error {
            PushError::OutOfOrder { .. } => "OutOfOrder",
            PushError::WrongSymbol { .. } => "WrongSymbol",
            PushError::NonFinite { .. } => "NonFinite",
        };
        Self::new(reason, error.to_string())
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
            programs: programs(specs)?,
            shared: Shared::with_capacity(specs.len()),
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
    /// Bars whose numbers are within the bounds of [`Bar::check`] give finite values, always. Nothing
    /// is allocated but the row.
    ///
    /// # Errors
    /// [`PushError`]; the state is as before.
    pub fn push(&mut self, bar: &Bar) -> Result<Option<FeatureRow>, PushError> {
        self.admit(bar)?;
        let state = &mut self.state;
        let adjusted = state.adjuster.push(bar);
        self.shared.next_bar();
        let mut values = Vec::with_capacity(state.features.len());
        let declared = state.features.iter_mut().zip(&self.programs).enumerate();
        for (index, (feature, program)) in declared {
            let value = match program {
                None => feature.push_shared(&adjusted, &mut self.shared),
                // Places of values are those of their features only while all before are warm; if one
                // is not, there is no row.
                Some(program) if values.len() == index => Some(program.value(&values)),
                Some(_) => None,
            };
            values.extend(value);
        }
        if state.symbol.is_none() {
            state.symbol = Some(bar.symbol.clone());
        }
        state.last_event_time = Some(bar.event_time);
        // Bounded bars cannot give a non-finite value; were one to appear, it must not leave here.
        let complete = values.len() == self.names.len() && values.iter().all(|v| v.is_finite());
        Ok(complete.then(|| FeatureRow {
            event_time: bar.event_time,
            close: bar.close,
            adjustment_factor: state.adjuster.factor(),
            values,
        }))
    }

    /// Everything that can refuse a bar, before the state changes.
    fn admit(&self, bar: &Bar) -> Result<(), PushError> {
        if let Some(expected) = self.state.symbol.as_ref().filter(|s| **s != bar.symbol) {
            let (expected, got) = (expected.clone(), bar.symbol.clone());
            return Err(PushError::WrongSymbol { expected, got });
        }
        let event_time = bar.event_time;
        if let Some(last) = self.state.last_event_time.filter(|l| event_time <= *l) {
            return Err(PushError::OutOfOrder { event_time, last });
        }
        bar.check_numbers()
            .map_err(|source| PushError::NonFinite { event_time, source })
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

    /// The state; [`Self::restore`] continues bit for bit.
    pub fn snapshot(&self) -> serde_json::Value {
        let snapshot = Snapshot {
            fingerprint: &self.fingerprint,
            state: &self.state,
        };
        serde_json::to_value(snapshot).expect("finite numbers and strings always serialise")
    }

    /// Continues from a snapshot of the same specs and adjustment.
    ///
    /// # Errors
    /// A bad spec, or [`FeatureError::State`] when the snapshot belongs to another feature set
    /// (by fingerprint) or is damaged.
    pub fn restore(
        specs: &[FeatureSpec],
        adjustment: Adjustment,
        snapshot: &serde_json::Value,
    ) -> Result<Self, FeatureError> {
        let mut set = Self::new(specs, adjustment)?;
        let refuse = |message: String| FeatureError::State { message };
        let stored = Stored::deserialize(snapshot).map_err(|e| refuse(e.to_string()))?;
        if stored.fingerprint != set.fingerprint {
            let theirs = stored.fingerprint;
            return Err(refuse(format!("it was made by feature set {theirs}")));
        }
        let (state, fresh) = (stored.state, &set.state);
        let same_features = state.features.len() == fresh.features.len()
            && state
                .features
                .iter()
                .zip(&fresh.features)
                .all(|(stored, fresh)| stored.is_compatible_with(fresh));
        if !(same_features && state.adjuster.is_compatible_with(&fresh.adjuster)) {
            return Err(refuse("it is damaged".to_string()));
        }
        set.state = state;
        Ok(set)
    }
}
