//! Is it better than the naive forecast? Two tests with two meanings, computed in one place for training
//! runs, `evaluate` and the leak guard.

use serde::{Deserialize, Serialize};

use crate::metrics::DateLoss;
use crate::significance::{clark_west, diebold_mariano};

/// One-sided p-values of "not better than naive", 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgainstNaive {
    /// Clark-West: do the forecasts know anything about the outcome? The noise of estimation is taken
    /// off, so this is the one that can find something. Reported as `p_value_vs_naive`.
    pub clark_west: f64,
    /// Diebold-Mariano: did the forecasts, noise and all, err less? Reported as
    /// `p_value_diebold_mariano`.
    pub diebold_mariano: f64,
}

/// Tests forecasts against naive ones by their losses per date; `horizon` is the number of overlapping
/// steps.
pub fn against_naive(losses: &[DateLoss], horizon: usize) -> AgainstNaive {
    let column = |value: fn(&DateLoss) -> f64| losses.iter().map(value).collect::<Vec<f64>>();
    let (model, naive) = (column(|d| d.model), column(|d| d.naive));
    AgainstNaive {
        clark_west: clark_west(&column(|d| d.clark_west), horizon),
        diebold_mariano: diebold_mariano(&model, &naive, horizon).p_value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that knows something and is noisier than naive: only Clark-West sees it.
    #[test]
    fn each_test_gets_its_own_losses() {
        let loss = |i: i32| {
            let wave = f64::from(i % 3) * 0.1;
            DateLoss {
                event_time: i64::from(i),
                model: 2.0 + wave,
                naive: 1.0,
                model_abs: 1.0,
                naive_abs: 1.0,
                clark_west: 0.5 + wave,
            }
        };
        let losses: Vec<DateLoss> = (0..60).map(loss).collect();
        let found = against_naive(&losses, 1);
        assert!(found.clark_west < 0.001, "{found:?}");
        assert!(found.diebold_mariano > 0.999, "{found:?}");
        let none = against_naive(&[], 5);
        assert_eq!((none.clark_west, none.diebold_mariano), (1.0, 1.0));
    }
}
