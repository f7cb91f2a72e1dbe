//! What a version takes and gives, the same in every protocol.

use crate::limits::{MOST_ANSWERED, MOST_ROWS};

/// What a version takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// Features in the order of the manifest.
    pub features: Vec<String>,
    /// Rows that one forecast looks at.
    pub lookback: usize,
    /// Whether it needs the adjusted closes of these rows too.
    pub reads_closes: bool,
    /// Steps forecast.
    pub horizon: usize,
    /// Quantile levels, ascending; empty where none are known.
    pub levels: Vec<f64>,
}

/// A tensor that is taken or given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Sizes of its dimensions; the first is -1, which is any.
    pub shape: Vec<i64>,
}

/// Raw feature values.
pub(crate) const X: &str = "x";
/// Adjusted closes.
pub(crate) const CLOSE: &str = "close";
/// Change per step.
pub(crate) const Y: &str = "y";
/// Relative change of the close per step and level.
pub(crate) const QUANTILES: &str = "quantiles";

impl Signature {
    /// Tensors that a request holds, by name.
    pub fn inputs(&self) -> Vec<Spec> {
        let x = spec(X, &[self.lookback, self.features.len()]);
        let close = self.reads_closes.then(|| spec(CLOSE, &[self.lookback]));
        // In the order of their names, as TensorFlow Serving lists them.
        close.into_iter().chain([x]).collect()
    }

    /// Tensors that an answer holds, the forecast first.
    pub fn outputs(&self) -> Vec<Spec> {
        let quantiles =
            (!self.levels.is_empty()).then(|| spec(QUANTILES, &[self.horizon, self.levels.len()]));
        let y = spec(Y, &[self.horizon]);
        [y].into_iter().chain(quantiles).collect()
    }

    /// Most windows of one request, so that neither it nor its answer grows without bound.
    pub fn most_rows(&self) -> usize {
        let each = self.horizon.saturating_mul(1 + self.levels.len()).max(1);
        (MOST_ANSWERED / each).clamp(1, MOST_ROWS)
    }
}

fn spec(name: &'static str, sizes: &[usize]) -> Spec {
    let known = sizes
        .iter()
        .map(|size| i64::try_from(*size).unwrap_or(i64::MAX));
    Spec {
        name,
        shape: [-1].into_iter().chain(known).collect(),
    }
}
