//! Plain statistics of the last values of one column, as levels: computed afresh from oldest to newest,
//! so that history washes out to the last bit. What stands in for a missing value is the same as in
//! `window`.

use foresail_crds::pipeline::spec::{Column, LONGEST_WINDOW};
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::binding::Level;
use crate::kernels::Ring;

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
    pub(crate) fn push(&mut self, level: Level, bar: &AdjustedBar) -> Option<f64> {
        let value = self.read(bar)?;
        self.values.push(value);
        if !self.values.is_full() {
            return None;
        }
        Some(match level {
            Level::Mean => self.values.mean(),
            Level::Deviation => self.values.sample().1,
            Level::Least => self.values.least(),
            Level::Most => self.values.most(),
            Level::Sum => self.values.sum(),
            Level::Quantile => quantile(&self.values, self.quantile)?,
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

    /// Whether this restored state is valid and of the parameters of `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.column == fresh.column
            && self.quantile == fresh.quantile
            && self.values.is_compatible_with(&fresh.values)
    }
}

/// Linear between the two nearest of the sorted values, as pandas and numpy do by default.
fn quantile(values: &Ring, share: f64) -> Option<f64> {
    // On the stack: no row allocates but for itself.
    let mut copy = [0.0; LONGEST_WINDOW as usize];
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
