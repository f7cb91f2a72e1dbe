//! Errors of forecasts beside the naive forecast; symbols are averaged per date first, so that a date
//! with many symbols counts once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{InputError, enough};
use crate::rank::{information_coefficient, share_of_hits};
use crate::record::{Record, Unit, group};
use crate::significance::clark_west_term;

/// Prices beyond this are refused: squares of relative errors stay finite.
const LARGEST: f64 = 1e70;

/// Metrics of a set of records; `None` where the data do not define one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Records.
    pub count: usize,
    /// Distinct forecast dates.
    pub dates: usize,
    /// Root of the mean over dates of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// RMSE of the naive forecast.
    pub naive_rmse: f64,
    /// MAE of the naive forecast.
    pub naive_mae: f64,
    /// Mean absolute error over the in-sample naive MAE (Hyndman and Koehler 2006).
    pub mase: Option<f64>,
    /// RMSE over the naive RMSE; below 1 is better than naive.
    pub rmse_ratio: Option<f64>,
    /// Share of moves whose sign was forecast. A close that did not move has no direction and is
    /// left out; a forecast of no move counts half, so that naive scores one half.
    pub directional_accuracy: Option<f64>,
    /// Mean Spearman rank correlation of forecast and actual change.
    pub information_coefficient: Option<f64>,
}

/// Losses of one forecast date, averaged over its symbols and steps: what tests and bootstraps take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DateLoss {
    /// Forecast date, milliseconds UTC.
    pub event_time: i64,
    /// Mean squared error of the model.
    pub model: f64,
    /// Mean squared error of the naive forecast.
    pub naive: f64,
    /// Mean absolute error of the model.
    pub model_abs: f64,
    /// Mean absolute error of the naive forecast.
    pub naive_abs: f64,
    /// Mean of [`clark_west_term`].
    pub clark_west: f64,
}

/// Metrics by fold, symbol and step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breakdown {
    /// All records.
    pub all: Metrics,
    /// Per fold.
    pub folds: BTreeMap<usize, Metrics>,
    /// Per symbol.
    pub symbols: BTreeMap<usize, Metrics>,
    /// Per step.
    pub steps: BTreeMap<usize, Metrics>,
    /// Every cell.
    pub cells: Vec<Cell>,
}

/// Metrics of one fold, symbol and step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// Fold.
    pub fold: usize,
    /// Symbol.
    pub symbol: usize,
    /// Step.
    pub step: usize,
    /// Metrics.
    pub metrics: Metrics,
}

/// In-sample naive MAE of a record's symbol, step and fold, in the unit of the errors: the divisor of
/// MASE. A value that is not above zero leaves MASE undefined.
pub type NaiveScale<'a> = &'a dyn Fn(&Record) -> f64;

/// Metrics of all records.
///
/// # Errors
/// No record; a value that is not finite or beyond 1e70 in size; a close that is not above zero.
pub fn metrics(records: &[Record], unit: Unit, scale: NaiveScale) -> Result<Metrics, InputError> {
    let all: Vec<&Record> = records.iter().collect();
    check(&all)?;
    Ok(from_records(&all, unit, scale))
}

/// Metrics of all records, and of each fold, symbol, step and cell.
///
/// # Errors
/// As [`metrics`].
pub fn breakdown(
    records: &[Record],
    unit: Unit,
    scale: NaiveScale,
) -> Result<Breakdown, InputError> {
    let all: Vec<&Record> = records.iter().collect();
    check(&all)?;
    let by = |key: fn(&Record) -> usize| -> BTreeMap<usize, Metrics> {
        let groups = group(&all, key).into_iter();
        groups
            .map(|(k, g)| (k, from_records(&g, unit, scale)))
            .collect()
    };
    let cells = group(&all, |r| (r.fold, r.symbol, r.step));
    let cell = |((fold, symbol, step), g): ((usize, usize, usize), Vec<&Record>)| Cell {
        fold,
        symbol,
        step,
        metrics: from_records(&g, unit, scale),
    };
    Ok(Breakdown {
        all: from_records(&all, unit, scale),
        folds: by(|r| r.fold),
        symbols: by(|r| r.symbol),
        steps: by(|r| r.step),
        cells: cells.into_iter().map(cell).collect(),
    })
}

/// Losses per forecast date, oldest first.
///
/// # Errors
/// As [`metrics`].
pub fn date_losses(records: &[Record], unit: Unit) -> Result<Vec<DateLoss>, InputError> {
    let all: Vec<&Record> = records.iter().collect();
    check(&all)?;
    Ok(losses(&all, unit))
}

fn losses(records: &[&Record], unit: Unit) -> Vec<DateLoss> {
    let one = |(event_time, records): (i64, Vec<&Record>)| {
        let mean = |f: &dyn Fn(&Record, f64) -> f64| {
            let values = records.iter().map(|r| f(r, unit.divisor(r.close)));
            values.sum::<f64>() / records.len() as f64
        };
        DateLoss {
            event_time,
            model: mean(&|r, d| ((r.forecast - r.actual) / d).powi(2)),
            naive: mean(&|r, d| ((r.naive - r.actual) / d).powi(2)),
            model_abs: mean(&|r, d| ((r.forecast - r.actual) / d).abs()),
            naive_abs: mean(&|r, d| ((r.naive - r.actual) / d).abs()),
            clark_west: mean(&|r, d| clark_west_term(r.actual / d, r.naive / d, r.forecast / d)),
        }
    };
    let dates = group(records, |r| r.event_time).into_iter();
    dates.map(one).collect()
}

fn from_records(records: &[&Record], unit: Unit, scale: NaiveScale) -> Metrics {
    let dates = losses(records, unit);
    let mean = |f: fn(&DateLoss) -> f64| dates.iter().map(f).sum::<f64>() / dates.len() as f64;
    let (rmse, naive_rmse) = (mean(|d| d.model).sqrt(), mean(|d| d.naive).sqrt());
    Metrics {
        count: records.len(),
        dates: dates.len(),
        rmse,
        mae: mean(|d| d.model_abs),
        naive_rmse,
        naive_mae: mean(|d| d.naive_abs),
        mase: mase(records, unit, scale),
        rmse_ratio: (naive_rmse > 0.0).then(|| rmse / naive_rmse),
        directional_accuracy: share_of_hits(records),
        information_coefficient: information_coefficient(records),
    }
}

fn mase(records: &[&Record], unit: Unit, scale: NaiveScale) -> Option<f64> {
    let scaled = |r: &Record| {
        let scale = scale(r);
        let error = ((r.forecast - r.actual) / unit.divisor(r.close)).abs();
        (scale > 0.0 && scale.is_finite()).then(|| error / scale)
    };
    per_date(records, scaled)
}

/// Mean over dates of the mean over the records of a date; `None` when a record has no value.
fn per_date(records: &[&Record], value: impl Fn(&Record) -> Option<f64>) -> Option<f64> {
    let dates = group(records, |r| r.event_time);
    let count = dates.len() as f64;
    let mut sum = 0.0;
    for records in dates.into_values() {
        let values: Option<Vec<f64>> = records.iter().map(|r| value(r)).collect();
        sum += values?.iter().sum::<f64>() / records.len() as f64;
    }
    (count > 0.0).then(|| sum / count)
}

fn check(records: &[&Record]) -> Result<(), InputError> {
    enough("records", records.len(), 1)?;
    for (index, r) in records.iter().enumerate() {
        let fields = [
            ("forecast", r.forecast),
            ("actual", r.actual),
            ("close", r.close),
            ("naive forecast", r.naive),
        ];
        for (what, value) in fields {
            let (least, expected) = match what {
                "close" => (1.0 / LARGEST, "from 1e-70 to 1e70"),
                _ => (-LARGEST, "from -1e70 to 1e70"),
            };
            if !(least..=LARGEST).contains(&value) {
                return Err(InputError::BadValue {
                    what,
                    index,
                    value: value.to_string(),
                    expected,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
