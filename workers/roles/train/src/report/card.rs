//! The model card: every fact of a version as JSON, and what the HTML report draws.

use std::collections::BTreeMap;

use foresail_crds::model_manifest::{DataWindow, Evaluation, GateResult, Recipe};
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec, ModelKind};
use foresail_evaluation::conformal::Coverage;
use foresail_evaluation::leak_guard::GuardReport;
use foresail_evaluation::metrics::{Breakdown, Metrics, metrics};
use foresail_evaluation::strategy::{self, Rules, Session, Simulation};
use foresail_evaluation::{Record, Unit};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::validation::importance::Importance;
use crate::validation::walk_forward::WalkForward;

/// Cost of a whole change of position in the simulation, hundredths of a percent.
const COST_BPS: f64 = 10.0;

/// Facts of one version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Card {
    pub namespace: String,
    pub pipeline: String,
    pub run_id: String,
    pub code_version: String,
    pub instruction_set: String,
    pub kind: ModelKind,
    pub fingerprint: String,
    pub adjustment: Adjustment,
    pub data: DataWindow,
    pub features: Vec<FeatureSpec>,
    pub recipe: Recipe,
    /// Walk-forward result of every kind, naive among them.
    pub evaluation: Vec<Evaluation>,
    /// Errors of the served kind relative to the close, by fold, symbol and step.
    pub breakdown: Breakdown,
    /// The same by year of the forecast.
    pub years: BTreeMap<i16, Metrics>,
    /// Of the 80 % interval at the last step.
    pub coverage: Option<Coverage>,
    /// Long or flat on the forecasts against holding, per symbol.
    pub simulation: BTreeMap<String, Simulation>,
    /// What a simulated change of position costs, hundredths of a percent.
    pub cost_bps: f64,
    /// Rise of the error when a feature is shuffled, largest first.
    pub importance: Vec<Importance>,
    pub gate: Option<GateResult>,
    /// Sessions of the gate window that the champion had not seen, when they were too few to compare on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen_sessions: Option<u32>,
    pub leak_guard: GuardReport,
}

/// Metrics by year of the forecast, UTC.
pub(crate) fn years(records: &[Record]) -> BTreeMap<i16, Metrics> {
    let mut by: BTreeMap<i16, Vec<Record>> = BTreeMap::new();
    for record in records {
        if let Ok(time) = Timestamp::from_millisecond(record.event_time) {
            let year = time.to_zoned(TimeZone::UTC).year();
            by.entry(year).or_default().push(*record);
        }
    }
    let metrics_of = |(year, records): (i16, Vec<Record>)| {
        let metrics = metrics(&records, Unit::Relative, &|_| 0.0).ok()?;
        Some((year, metrics))
    };
    by.into_iter().filter_map(metrics_of).collect()
}

/// How the simulation trades: at the next close, for [`COST_BPS`].
pub(crate) fn rules(horizon: usize, sessions_per_year: f64) -> Rules {
    Rules {
        cost_bps: COST_BPS,
        horizon,
        delay: 1,
        sessions_per_year,
    }
}

/// Simulates every symbol that has enough sessions.
pub(crate) fn simulate(
    results: &WalkForward,
    symbols: &[String],
    rules: &Rules,
) -> BTreeMap<String, Simulation> {
    let simulate_one = |(index, symbol): (usize, &String)| {
        let mut sessions: Vec<Session> = Vec::new();
        let own = results.records.iter().filter(|r| r.symbol == index);
        let mut scale = 1.0;
        let mut next: Option<f64> = None;
        for record in own {
            if record.step == 1 {
                // Closes chained by the actual close one session later: a split does not show.
                if let (Some(expected), true) = (next, record.close > 0.0) {
                    scale = expected / record.close;
                }
                sessions.push(Session {
                    event_time: record.event_time,
                    close: record.close * scale,
                    forecast: None,
                });
                next = Some(record.actual * scale);
            }
            if record.step == rules.horizon
                && let Some(session) = sessions.last_mut()
            {
                session.forecast = Some(record.forecast * scale);
            }
        }
        let simulation = strategy::simulate(&sessions, rules).ok()?;
        Some((symbol.clone(), simulation))
    };
    symbols
        .iter()
        .enumerate()
        .filter_map(simulate_one)
        .collect()
}
