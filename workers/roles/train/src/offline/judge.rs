//! Forecasts of one kind on every fold, beside what came.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{ModelKind, TrainingSpec};
use foresail_domain::Bar;
use foresail_evaluation::conformal::{self, Margin};
use foresail_evaluation::metrics::Record;
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::RoleError;

use super::input::Input;
use crate::dataset::Sample;
use crate::fit;
use crate::folds::Fold;
use crate::split::hold_out;

/// Share of the newest training dates that intervals are calibrated on.
const CALIBRATION: f64 = 0.2;
/// Nominal coverage of the intervals.
pub(super) const LEVEL: f64 = 0.8;

/// Forecasts of one kind at the last step.
pub(super) struct Judged {
    pub kind: ModelKind,
    /// One per forecast.
    pub records: Vec<Record>,
    /// Whether the interval held what came, one per forecast; empty without intervals.
    pub covered: Vec<bool>,
}

/// Fits `kind` on each fold's training rows and forecasts its test rows.
///
/// # Errors
/// A fit that fails, a forecast that is not finite.
pub(super) fn judge(
    kind: ModelKind,
    folds: &[Fold<'_>],
    input: &Input,
) -> Result<Judged, RoleError> {
    let training = &input.config.training;
    let outcomes = Outcomes::new(input);
    let mut judged = Judged {
        kind,
        records: Vec::new(),
        covered: Vec::new(),
    };
    for (number, fold) in folds.iter().enumerate() {
        let margin = margin(kind, fold, training, &outcomes)?;
        let fitted = fit::fit(kind, &fold.train, training, &|_, _| {})?;
        for sample in &fold.test {
            let Some(mut record) = outcomes.record(&fitted, sample)? else {
                continue;
            };
            record.fold = number;
            if let Some(margin) = &margin {
                let (forecast, actual) = (record.forecast, record.actual);
                let (low, high) = margin.apply(forecast / record.close, forecast / record.close);
                let actual = actual / record.close;
                judged.covered.push((low..=high).contains(&actual));
            }
            judged.records.push(record);
        }
    }
    Ok(judged)
}

/// Split-conformal margin in units of the close: residuals of a model fitted on the older training
/// rows, on the newer ones. `None` where they are too few.
fn margin(
    kind: ModelKind,
    fold: &Fold<'_>,
    training: &TrainingSpec,
    outcomes: &Outcomes<'_>,
) -> Result<Option<Margin>, RoleError> {
    let (older, newer) = hold_out(&fold.train, CALIBRATION);
    if older.is_empty() {
        return Ok(None);
    }
    let fitted = fit::fit(kind, &older, training, &|_, _| {})?;
    let mut residuals = Vec::new();
    for sample in newer {
        if let Some(record) = outcomes.record(&fitted, sample)? {
            residuals.push((record.forecast - record.actual) / record.close);
        }
    }
    let margins = conformal::symmetric(&[residuals], LEVEL).ok();
    Ok(margins.and_then(|margins| margins.into_iter().next()))
}

/// What came after each bar.
pub(super) struct Outcomes<'a> {
    bars: &'a [(String, Vec<Bar>)],
    places: Vec<BTreeMap<i64, usize>>,
    horizon: usize,
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(input: &'a Input) -> Self {
        let places = input.bars.iter().map(|(_, bars)| {
            let place = |(i, bar): (usize, &Bar)| (bar.event_time, i);
            bars.iter().enumerate().map(place).collect()
        });
        Self {
            bars: &input.bars,
            places: places.collect(),
            horizon: usize::try_from(input.config.training.horizon).unwrap_or(1),
        }
    }

    /// Forecast and close `horizon` sessions after a sample; `None` where the file ends before.
    fn record(&self, model: &Predictor, sample: &Sample) -> Result<Option<Record>, RoleError> {
        let Some(actual) = self.close_after(sample) else {
            return Ok(None);
        };
        let wrong = |e: ModelError| RoleError::user("NotFinite", e.to_string());
        let rows = sample.rows(model.lookback());
        let forecast = model.forecast(&rows, sample.close).map_err(wrong)?;
        let forecast = forecast.last().copied();
        Ok(forecast.map(|forecast| Record {
            fold: 0,
            symbol: sample.symbol,
            event_time: sample.event_time,
            step: self.horizon,
            forecast,
            actual,
            close: sample.close,
            naive: sample.close,
        }))
    }

    /// As traded, in the share units of the day of the forecast: a split on the way multiplies it.
    fn close_after(&self, sample: &Sample) -> Option<f64> {
        let (_, bars) = self.bars.get(sample.symbol)?;
        let place = *self.places.get(sample.symbol)?.get(&sample.event_time)?;
        let ahead = bars.get(place + 1..=place + self.horizon)?;
        let splits: f64 = ahead.iter().map(|bar| bar.split_factor).product();
        ahead.last().map(|bar| bar.close * splits)
    }
}
