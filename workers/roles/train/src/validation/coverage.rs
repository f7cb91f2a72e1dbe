//! The 80 % interval of the last step and how often it held the outcome: one definition, that of the
//! intervals the predictor serves.

use std::collections::BTreeMap;

use foresail_evaluation::Record;
use foresail_evaluation::bootstrap::{self, Bootstrap};
use foresail_evaluation::conformal::{self, Coverage};

use super::walk_forward::{WalkForward, residual};

/// Residual quantiles the interval lies between.
pub(crate) const INTERVAL: [f64; 2] = [0.1, 0.9];
/// Share of outcomes it should hold.
const LEVEL: f64 = 0.8;

/// Realised coverage at the last step. The interval of a fold lies between the residual quantiles of all
/// forecasts whose outcome was known before it: of earlier folds, and of the calibration forecasts where
/// there are any. A first fold without such forecasts is left out; `None` when none or too few dates
/// are left.
pub(crate) fn coverage(results: &WalkForward, seed: u64) -> Option<Coverage> {
    let last = results.last_step();
    let calibration = results.calibration.iter();
    let calibration: Vec<f64> = calibration
        .filter(|r| r.step == results.horizon)
        .map(residual)
        .collect();
    let mut dates: BTreeMap<i64, Vec<bool>> = BTreeMap::new();
    for fold in 0..=last.iter().map(|r| r.fold).max()? {
        let mut known = calibration.clone();
        known.extend(known_before(&last, fold, results.horizon));
        if fold == 0 && known.is_empty() {
            continue;
        }
        let ends = conformal::residual_quantiles(&known, &INTERVAL).ok()?;
        let (low, high) = (*ends.first()?, *ends.last()?);
        for record in last.iter().filter(|r| r.fold == fold) {
            let held = (low..=high).contains(&residual(record));
            dates.entry(record.event_time).or_default().push(held);
        }
    }
    let dates: Vec<Vec<bool>> = dates.into_values().collect();
    let shares: Vec<f64> = dates
        .iter()
        .map(|d| d.iter().filter(|held| **held).count() as f64 / d.len() as f64)
        .collect();
    let settings = Bootstrap {
        resamples: 1_000,
        confidence: 0.95,
        block: bootstrap::block_length(&shares, results.horizon).ok()?,
        seed,
    };
    conformal::realised_coverage(&dates, LEVEL, &settings).ok()
}

/// Residuals of earlier folds whose outcome was known when `fold` began: its newest `horizon` sessions
/// were not.
fn known_before(records: &[Record], fold: usize, horizon: usize) -> Vec<f64> {
    let earlier = records.iter().filter(|r| r.fold < fold);
    let mut sessions: Vec<i64> = earlier.map(|r| r.event_time).collect();
    sessions.dedup();
    let newest = sessions.len().checked_sub(horizon);
    let Some(until) = newest.and_then(|newest| sessions.get(newest)) else {
        return Vec::new();
    };
    let known = records.iter().filter(|r| r.event_time < *until);
    known.map(residual).collect()
}
