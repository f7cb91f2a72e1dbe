//! Plain statistics of the last values of one column, as levels: computed afresh from oldest to newest,
//! so that history washes out to the last bit. What stands in for a missing value is the same as in
//! `window`.

use foresail_crds::pipeline::spec::{Column, FeatureFunction as F};
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::kernels::Ring;
use crate::spec::LONGEST;

/// State of one such feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rolling {
    column: Column,
    quantile: f64,
    values: Ring,
    /// What stands in for a missing open (the previous close) or volume (the last known one).
    substitute: Option<f64>,
}

impl Rolling {
    /// `window` values of `column`; `quantile`, 0 to 1, is of the one function that has it.
    pub(crate) fn new(column: Column, window: usize, quantile: f64) -> Self {
        Self {
            column,
            quantile,
            values: Ring::new(window),
            substitute: None,
        }
    }

    /// The value at this bar, once the window is full.
    pub(crate) fn push(&mut self, function: F, bar: &AdjustedBar) -> Option<f64> {
        let value = self.read(bar)?;
        self.values.push(value);
        if !self.values.is_full() {
            return None;
        }
        Some(match function {
            F::RollingStd => self.values.sample().1,
            F::RollingMin => self.values.least(),
            F::RollingMax => self.values.most(),
            F::RollingSum => self.values.sum(),
            F::RollingQuantile => quantile(&self.values, self.quantile)?,
            _ => self.values.mean(),
        })
    }

    /// The column of this bar; `None` for the open of the first, which has no close before it.
    fn read(&mut self, bar: &AdjustedBar) -> Option<f64> {
        Some(match self.column {
            Column::Close => bar.close,
            Column::High => bar.high,
            Column::Low => bar.low,
            Column::TypicalPrice => (bar.high + bar.low + bar.close) / 3.0,
            Column::Open => {
                let before = self.substitute.replace(bar.close)?;
                bar.open.unwrap_or(before)
            }
            Column::Volume => {
                let volume = bar.volume.or(self.substitute).unwrap_or(0.0);
                self.substitute = Some(volume);
                volume
            }
        })
    }

    /// Whether this restored state is sound and of the parameters of `fresh`.
    pub(crate) fn continues(&self, fresh: &Self) -> bool {
        self.column == fresh.column
            && self.quantile == fresh.quantile
            && self.values.continues(&fresh.values)
    }
}

/// Linear between the two nearest of the sorted values, as pandas and numpy do by default.
fn quantile(values: &Ring, share: f64) -> Option<f64> {
    // On the stack: no row allocates but for itself.
    let mut copy = [0.0; LONGEST];
    let mut count = 0;
    for (slot, value) in copy.iter_mut().zip(values.iter()) {
        *slot = value;
        count += 1;
    }
    let sorted = copy.get_mut(..count)?;
    sorted.sort_unstable_by(f64::total_cmp);
    let place = share * count.checked_sub(1)? as f64;
    let below = place.floor();
    let low = *sorted.get(below as usize)?;
    // The highest has none above it.
    let high = sorted.get(below as usize + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (place - below))
}
