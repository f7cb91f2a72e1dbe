//! The guard of everything that is fitted: scalers, selections, weights, calibration, forecasts.

use std::collections::BTreeSet;

use super::disturb::{Access, Cuts, disturbed};
use super::features::{self, Row};
use super::verdict::{Evidence, Guard, Verdict, Violation};

/// Result of one fold.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedFold {
    /// Newest time that anything fitted may depend on, milliseconds UTC: `Fold::fit_until`. A time
    /// after the first forecast counts as the time of that forecast.
    pub fit_until: i64,
    /// Everything fitted, as bytes: scaler, chosen features and parameters, weights, calibration.
    pub state: Vec<u8>,
    /// Forecasts of the test block; a value per step or quantile.
    pub forecasts: Vec<Row>,
}

/// Fits anew: from data to fitted folds, or why it stopped.
pub type Refit<'a, B> = &'a dyn Fn(&[B]) -> Result<Vec<FittedFold>, String>;

/// Changes the data after each fold's training end, and after random forecast times, and runs the
/// refit again: nothing fitted up to the cut and no forecast made up to it may change by a bit.
/// Calls it once, and once per fold and random cut.
pub fn fit_guard<B: Clone>(
    data: &[B],
    access: &Access<B>,
    refit: Refit<B>,
    cuts: &Cuts,
) -> Verdict {
    let guard = Guard::Fit;
    let stopped = |checked, error| {
        let detail = format!("the refit stopped: {error}");
        Verdict::fail(guard, checked, detail, None)
    };
    let folds = match refit(data) {
        Ok(folds) => folds,
        Err(error) => return stopped(0, error),
    };
    let times = |f: &FittedFold| f.forecasts.iter().map(|r| r.time).collect::<Vec<i64>>();
    let made: BTreeSet<i64> = folds.iter().flat_map(times).collect();
    let mut all = cuts.draw(&made);
    all.extend(folds.iter().map(ends));
    let (mut checked, mut reacted) = (0, false);
    for cut in &all {
        let changed = match refit(&disturbed(data, access, *cut, cuts.seed)) {
            Ok(changed) => changed,
            Err(error) => return stopped(checked, error),
        };
        reacted |= folds != changed;
        match first_difference(&folds, &changed, *cut) {
            Ok(count) => checked += count,
            Err(violation) => {
                let (detail, evidence) = *violation;
                let evidence = Evidence {
                    cut: Some(*cut),
                    ..evidence
                };
                return Verdict::fail(guard, checked, detail.into(), Some(evidence));
            }
        }
    }
    if checked == 0 || !reacted {
        let detail = "nothing fitted follows a change of the data: the guard is blind";
        return Verdict::fail(guard, checked, detail.into(), None);
    }
    let detail = format!("{} folds, {} cuts, no bit changed", folds.len(), all.len());
    Verdict::pass(guard, checked, detail)
}

/// A fold must be fitted before its first forecast, whatever it claims.
fn ends(fold: &FittedFold) -> i64 {
    let first = fold.forecasts.iter().map(|r| r.time).min();
    first.map_or(fold.fit_until, |first| first.min(fold.fit_until))
}

/// Values compared, or the first that differs.
fn first_difference(
    before: &[FittedFold],
    after: &[FittedFold],
    cut: i64,
) -> Result<usize, Violation> {
    let mut checked = 0;
    if before.len() != after.len() {
        let evidence = Evidence {
            expected: format!("{} folds", before.len()),
            found: format!("{} folds", after.len()),
            ..Evidence::default()
        };
        return Err(Box::new((
            "the folds depend on values of the data",
            evidence,
        )));
    }
    for (fold, (a, b)) in before.iter().zip(after).enumerate() {
        let of_fold = |evidence| Evidence {
            fold: Some(fold),
            ..evidence
        };
        if ends(a) <= cut {
            if let Some(evidence) = state(&a.state, &b.state) {
                let detail = "data after a fold's training end alter what was fitted in it";
                return Err(Box::new((detail, of_fold(evidence))));
            }
            checked += a.state.len();
        }
        if let Some(evidence) = forecasts(a, b, cut) {
            let detail = "data after a forecast alter it";
            return Err(Box::new((detail, of_fold(evidence))));
        }
        let compared = a.forecasts.iter().filter(|r| r.time <= cut);
        checked += compared.map(|r| r.values.len()).sum::<usize>();
    }
    Ok(checked)
}

fn state(a: &[u8], b: &[u8]) -> Option<Evidence> {
    let byte = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i))?;
    let text = |bytes: &[u8]| {
        let from = byte - byte % 8;
        let word = bytes.get(from..).unwrap_or_default();
        format!("{:02x?}", word.get(..word.len().min(8)).unwrap_or_default())
    };
    Some(Evidence {
        column: Some(format!("byte {byte} of the fitted state")),
        expected: text(a),
        found: text(b),
        ..Evidence::default()
    })
}

fn forecasts(a: &FittedFold, b: &FittedFold, cut: i64) -> Option<Evidence> {
    let known = |f: &FittedFold| -> Vec<Row> {
        let rows = f.forecasts.iter().filter(|r| r.time <= cut);
        rows.cloned().collect()
    };
    features::difference(known(a), known(b))
}
