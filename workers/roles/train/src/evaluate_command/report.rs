//! What is printed: a table for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt;

use foresail_crds::TrainingParameters;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_evaluation::bootstrap::{self, Bootstrap};
use foresail_evaluation::leak_guard::Verdict;
use foresail_evaluation::metrics::{self, DateLoss};
use foresail_evaluation::{InputError, Unit};
use foresail_runtime_base::RoleError;
use serde::Serialize;

use super::drawn::Drawn;
use super::input::Input;
use crate::file::suspected;
use crate::validation::coverage::coverage;
use crate::validation::walk_forward::WalkForward;

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
    /// Bars ahead of the last step.
    pub horizon: usize,
    /// First and last forecast date, `YYYY-MM-DD`.
    pub test: [String; 2],
    /// Fits per kind, the one that calibrates the first intervals left out.
    pub folds: usize,
    /// Rows of the file and what became of them.
    pub rows: Rows,
    /// Verdicts of the leak guard.
    pub guards: Vec<Verdict>,
    /// What the page draws.
    #[serde(skip)]
    pub(crate) drawn: Drawn,
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
    /// The first row refused for each reason, and what is wrong with it.
    pub examples: BTreeMap<&'static str, String>,
    /// Declared symbols without a bar.
    pub without_bars: Vec<String>,
    /// Moves that may be mistakes of the file, each in a sentence that begins with what it looks like.
    pub suspicions: Vec<String>,
    /// Bars of which high or low gave way to open or close in the last bits.
    pub clamped: u64,
    /// Feature rows that reach over more missing bars than `training.maxGapSessions` allows, and were left out.
    pub over_gaps: u64,
}

/// Scores of one kind. Symbols are averaged per date first. Fields that a manifest has too are the same
/// numbers, made by the same code.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// Model kind.
    pub kind: String,
    /// Forecasts scored.
    pub count: usize,
    /// Root mean squared error of the close at the last step, in price units.
    pub rmse: f64,
    /// Mean absolute error of the close at the last step, in price units.
    pub mae: f64,
    /// MAE relative to the close, all steps, over that of the naive forecast on the training rows of the
    /// fold.
    pub mase: Option<f64>,
    /// RMSE over that of the naive forecast.
    pub rmse_ratio: Option<f64>,
    /// 95 % block-bootstrap interval of `rmse_ratio`.
    pub rmse_ratio_interval: Option<[f64; 2]>,
    /// Share of forecasts with the right sign of change at the last step, 0..1.
    pub directional_accuracy: Option<f64>,
    /// Share of outcomes at the last step inside the 80 % interval, mean over dates, 0..1.
    pub coverage_80: Option<f64>,
    /// 95 % block-bootstrap interval of `coverage_80`.
    pub coverage_80_interval: Option<[f64; 2]>,
    /// One-sided Clark-West p-value of "not better than naive", all steps.
    pub p_value_vs_naive: Option<f64>,
    /// One-sided Diebold-Mariano p-value of the same.
    pub p_value_diebold_mariano: Option<f64>,
}

/// Scores everything.
///
/// # Errors
/// User error `NotEnoughRows` when there was nothing to score.
pub(super) fn build(
    results: &[WalkForward],
    guards: Vec<Verdict>,
    input: &Input,
    drawn: Drawn,
    (parameters, over_gaps): (&TrainingParameters, u64),
) -> Result<Report, RoleError> {
    let nothing =
        |e: InputError| RoleError::user("NotEnoughRows", format!("nothing to score: {e}"));
    let mut kinds = BTreeMap::new();
    for result in results {
        let score = score(result, parameters.seed).map_err(nothing)?;
        kinds.insert(score.kind.clone(), score);
    }
    let score_of = |kind: ModelKind| {
        let missing = || RoleError::internal("NoScore", format!("{kind:?} was not evaluated"));
        kinds.get(&format!("{kind:?}")).cloned().ok_or_else(missing)
    };
    let records = results.iter().flat_map(|result| &result.records);
    let times: Vec<i64> = records.map(|record| record.event_time).collect();
    let date = |time: Option<&i64>| {
        let calendar = &input.config.model.calendar;
        time.map_or_else(String::new, |t| calendar.session_date(*t).to_string())
    };
    let (rows, refused) = (&input.rows, || input.rows.refused.iter());
    let folds = results.first().map_or(0, |r| r.breakdown.folds.len());
    Ok(Report {
        model: score_of(parameters.model.kind)?,
        naive: score_of(ModelKind::Naive)?,
        horizon: parameters.horizon,
        test: [date(times.iter().min()), date(times.iter().max())],
        folds,
        rows: Rows {
            read: rows.read,
            bars: rows.bars.iter().map(|(_, bars)| bars.len()).sum(),
            out_of_scope: rows.out_of_scope,
            refused: refused().map(|(reason, r)| (*reason, r.rows)).collect(),
            examples: refused()
                .map(|(reason, r)| (*reason, r.example.clone()))
                .collect(),
            without_bars: rows.without_bars().into_keys().collect(),
            suspicions: rows.suspicions.iter().map(suspected).collect(),
            clamped: rows.clamped,
            over_gaps,
        },
        guards,
        kinds,
        drawn,
    })
}

fn score(result: &WalkForward, seed: u64) -> Result<Score, InputError> {
    let last = result.last_step();
    let price = metrics::metrics(&last, Unit::Price, &|_| 0.0)?;
    let losses = metrics::date_losses(&last, Unit::Price)?;
    let coverage = coverage(result, seed).map(|coverage| coverage.bootstrap);
    Ok(Score {
        kind: format!("{:?}", result.kind),
        count: price.count,
        rmse: price.rmse,
        mae: price.mae,
        mase: result.breakdown.all.mase,
        rmse_ratio: price.rmse_ratio,
        rmse_ratio_interval: ratio_interval(&losses, result.horizon),
        directional_accuracy: price.directional_accuracy,
        coverage_80: coverage.map(|interval| interval.estimate),
        coverage_80_interval: coverage.map(|interval| [interval.lower, interval.upper]),
        p_value_vs_naive: result.evaluation.p_value_vs_naive,
        p_value_diebold_mariano: result.evaluation.p_value_diebold_mariano,
    })
}

/// Interval of the ratio of RMSE: whole blocks of dates are drawn, since labels overlap.
fn ratio_interval(losses: &[DateLoss], horizon: usize) -> Option<[f64; 2]> {
    let column = |value: fn(&DateLoss) -> f64| losses.iter().map(value).collect::<Vec<f64>>();
    let (model, naive) = (column(|d| d.model), column(|d| d.naive));
    let settings = Bootstrap {
        resamples: RESAMPLES,
        confidence: 0.95,
        block: bootstrap::block_length(&model, horizon).ok()?,
        seed: 1,
    };
    let sum = |values: &[f64], at: &[usize]| at.iter().filter_map(|i| values.get(*i)).sum::<f64>();
    let interval = bootstrap::interval(model.len(), &settings, |at| {
        let below = sum(&naive, at);
        (below > 0.0).then(|| (sum(&model, at) / below).sqrt())
    });
    interval
        .ok()
        .map(|interval| [interval.lower, interval.upper])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = &self.test;
        writeln!(
            f,
            "close {0} bars ahead, forecast dates {from} to {to}, {1} fit(s) per kind; MASE and p: steps 1 to {0}",
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
            "p CW",
            "p DM"
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
                number(score.p_value_diebold_mariano, 4),
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
            "* declared in the Pipeline; ratio: RMSE over naive; p: one-sided, not better than naive \
             (CW: Clark-West, DM: Diebold-Mariano)"
        )
    }
}
