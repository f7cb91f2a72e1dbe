//! What is printed: a table for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt;

use foresail_evaluation::bootstrap::{self, Bootstrap};
use foresail_evaluation::leak_guard::Verdict;
use foresail_evaluation::metrics::{self, Unit};
use foresail_evaluation::{InputError, clark_west, diebold_mariano};
use foresail_runtime_base::RoleError;
use serde::Serialize;

use super::input::Input;
use super::judge::Judged;
use crate::folds::Fold;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 2_000;

/// Result of [`super::evaluate`].
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The kind the Pipeline declares.
    pub model: Score,
    /// The naive forecast: the last close.
    pub naive: Score,
    /// Every kind that was evaluated, by name.
    pub kinds: BTreeMap<String, Score>,
    /// Sessions ahead of the forecast that is judged.
    pub horizon: u32,
    /// First and last forecast date, `YYYY-MM-DD`.
    pub test: [String; 2],
    /// Fits per kind.
    pub folds: usize,
    /// Rows of the file and what became of them.
    pub rows: Rows,
    /// What the leak guard found: features against a changed future, labels against the folds.
    pub guards: Vec<Verdict>,
}

/// Rows of the file.
#[derive(Clone, Debug, Serialize)]
pub struct Rows {
    /// Read.
    pub read: u64,
    /// Good bars.
    pub bars: usize,
    /// Of other symbols.
    pub out_of_scope: u64,
    /// Refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Scores of one kind. Symbols are averaged per date first.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// Model kind.
    pub kind: String,
    /// Forecasts judged.
    pub count: usize,
    /// Root mean squared error of the close, in price units.
    pub rmse: f64,
    /// Mean absolute error of the close, in price units.
    pub mae: f64,
    /// MAE relative to the close, over that of the naive forecast on the training rows of the fold.
    pub mase: Option<f64>,
    /// RMSE over that of the naive forecast.
    pub rmse_ratio: Option<f64>,
    /// 95 % block-bootstrap interval of `rmse_ratio`.
    pub rmse_ratio_interval: Option<[f64; 2]>,
    /// Share of forecasts with the right sign of change, 0..1.
    pub directional_accuracy: Option<f64>,
    /// Share of outcomes inside the 80 % split-conformal interval, 0..1.
    pub coverage_80: Option<f64>,
    /// One-sided Diebold-Mariano p-value of "not better than naive" (squared errors, HAC,
    /// small-sample correction).
    pub p_value_vs_naive: Option<f64>,
    /// One-sided Clark-West p-value of the same: the naive forecast is nested in the model.
    pub p_value_clark_west: Option<f64>,
}

/// Scores everything.
///
/// # Errors
/// User error `NotEnoughRows` when nothing could be judged.
pub(super) fn build(
    judged: Vec<Judged>,
    (folds, guards): (&[Fold<'_>], Vec<Verdict>),
    input: &Input,
) -> Result<Report, RoleError> {
    let few = |e: InputError| RoleError::user("NotEnoughRows", format!("nothing to judge: {e}"));
    let scales: Vec<f64> = folds.iter().map(naive_error).collect();
    let horizon = input.config.training.horizon;
    let mut kinds = BTreeMap::new();
    for one in &judged {
        let score = score(one, &scales, horizon).map_err(few)?;
        kinds.insert(format!("{:?}", one.kind), score);
    }
    let of = |kind: String| {
        let missing = || RoleError::internal("NoScore", format!("{kind} was not judged"));
        kinds.get(&kind).cloned().ok_or_else(missing)
    };
    let times = || {
        judged
            .iter()
            .flat_map(|j| j.records.iter().map(|r| r.event_time))
    };
    let date = |time: Option<i64>| {
        let calendar = input.config.calendar;
        time.map_or_else(String::new, |t| calendar.session_date(t).to_string())
    };
    Ok(Report {
        model: of(format!("{:?}", input.config.training.model.kind))?,
        naive: of("Naive".to_string())?,
        horizon,
        test: [date(times().min()), date(times().max())],
        folds: folds.len(),
        rows: Rows {
            read: input.rows,
            bars: input.bars.iter().map(|(_, bars)| bars.len()).sum(),
            out_of_scope: input.out_of_scope,
            refused: input.refused.clone(),
        },
        guards,
        kinds,
    })
}

/// Mean absolute change of the training labels at the last step: what the naive forecast errs.
fn naive_error(fold: &Fold<'_>) -> f64 {
    let labels = fold.train.iter().filter_map(|s| s.labels.as_ref()?.last());
    let (sum, count) = labels.fold((0.0, 0usize), |(sum, n), l| (sum + l.abs(), n + 1));
    sum / count.max(1) as f64
}

fn score(judged: &Judged, scales: &[f64], horizon: u32) -> Result<Score, InputError> {
    let records = &judged.records;
    let scale = |r: &metrics::Record| scales.get(r.fold).copied().unwrap_or(0.0);
    let price = metrics::metrics(records, Unit::Price, &scale)?;
    let relative = metrics::metrics(records, Unit::Relative, &scale)?;
    let dates = metrics::date_losses(records, Unit::Price)?;
    let horizon = usize::try_from(horizon).unwrap_or(1);
    let losses = |get: fn(&metrics::DateLoss) -> f64| dates.iter().map(get).collect::<Vec<f64>>();
    let (model, naive) = (losses(|d| d.model), losses(|d| d.naive));
    let compared = judged.kind != foresail_crds::pipeline::spec::ModelKind::Naive;
    let hits = judged.covered.iter().filter(|hit| **hit).count();
    Ok(Score {
        kind: format!("{:?}", judged.kind),
        count: price.count,
        rmse: price.rmse,
        mae: price.mae,
        mase: relative.mase,
        rmse_ratio: price.rmse_ratio,
        rmse_ratio_interval: ratio_interval(&model, &naive, horizon),
        directional_accuracy: price.directional_accuracy,
        coverage_80: (!judged.covered.is_empty())
            .then(|| hits as f64 / judged.covered.len() as f64),
        p_value_vs_naive: compared.then(|| diebold_mariano(&model, &naive, horizon).p_value),
        p_value_clark_west: compared.then(|| clark_west(&losses(|d| d.clark_west), horizon)),
    })
}

/// Interval of the ratio of RMSE: whole blocks of dates are drawn, since labels overlap.
fn ratio_interval(model: &[f64], naive: &[f64], horizon: usize) -> Option<[f64; 2]> {
    let settings = Bootstrap {
        resamples: RESAMPLES,
        confidence: 0.95,
        block: bootstrap::block_length(model, horizon).ok()?,
        seed: 1,
    };
    let sum = |values: &[f64], at: &[usize]| at.iter().filter_map(|i| values.get(*i)).sum::<f64>();
    let interval = bootstrap::interval(model.len(), &settings, |at| {
        let below = sum(naive, at);
        (below > 0.0).then(|| (sum(model, at) / below).sqrt())
    });
    interval.ok().map(|found| [found.lower, found.upper])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = &self.test;
        writeln!(
            f,
            "close {} sessions ahead, forecast dates {from} to {to}, {} fit(s) per kind",
            self.horizon, self.folds
        )?;
        writeln!(
            f,
            "{:<18}{:>7}{:>10}{:>10}{:>8}{:>9}{:>18}{:>9}{:>9}{:>8}{:>8}",
            "kind",
            "n",
            "RMSE",
            "MAE",
            "MASE",
            "ratio",
            "95 %",
            "direct.",
            "cov. 80",
            "p DM",
            "p CW"
        )?;
        for score in self.kinds.values() {
            let mark = if score.kind == self.model.kind {
                "*"
            } else {
                ""
            };
            let number = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_string(), |v| format!("{v:.digits$}"))
            };
            let interval = score
                .rmse_ratio_interval
                .map_or_else(|| "-".to_string(), |[a, b]| format!("[{a:.4}, {b:.4}]"));
            writeln!(
                f,
                "{:<18}{:>7}{:>10.4}{:>10.4}{:>8}{:>9}{:>18}{:>9}{:>9}{:>8}{:>8}",
                format!("{}{mark}", score.kind),
                score.count,
                score.rmse,
                score.mae,
                number(score.mase, 3),
                number(score.rmse_ratio, 4),
                interval,
                number(score.directional_accuracy, 3),
                number(score.coverage_80, 3),
                number(score.p_value_vs_naive, 4),
                number(score.p_value_clark_west, 4),
            )?;
        }
        for verdict in &self.guards {
            let passed = if verdict.passed { "passed" } else { "FAILED" };
            writeln!(
                f,
                "leak guard {:?}: {passed}, {}",
                verdict.guard, verdict.detail
            )?;
        }
        write!(
            f,
            "* declared in the Pipeline; ratio: RMSE over naive; p: one-sided, not better than naive"
        )
    }
}
