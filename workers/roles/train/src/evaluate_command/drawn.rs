//! What the page of an evaluation draws of the declared kind.

use std::collections::BTreeMap;

use foresail_crds::TrainingParameters;
use foresail_evaluation::Record;
use foresail_evaluation::metrics::{Breakdown, Metrics};
use foresail_evaluation::strategy::Simulation;

use super::input::Input;
use crate::report::card;
use crate::validation::walk_forward::WalkForward;

/// Symbols whose simulation is shown.
const SIMULATED: usize = 40;

/// What the page draws of the declared kind, beside the scores of a report.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub title: String,
    pub symbols: Vec<String>,
    pub features: Vec<String>,
    /// Records of the last step.
    pub last: Vec<Record>,
    pub breakdown: Breakdown,
    pub years: BTreeMap<i16, Metrics>,
    pub simulation: BTreeMap<String, Simulation>,
    pub cost_bps: f64,
}

impl Drawn {
    /// Of what the walk-forward of the declared kind has forecast; `symbols` are those of its records.
    pub(super) fn new(
        result: &WalkForward,
        input: &Input,
        symbols: &[String],
        parameters: &TrainingParameters,
    ) -> Self {
        let model = &input.config.model;
        let rules = card::rules(parameters.horizon, model.bar_grid().bars_per_year());
        let few = symbols.get(..SIMULATED).unwrap_or(symbols);
        Self {
            title: format!("{} on {}", input.config.pipeline.name, input.file),
            symbols: symbols.to_vec(),
            features: model.features.iter().map(|f| f.name.clone()).collect(),
            last: result.last_step(),
            breakdown: result.breakdown.clone(),
            years: card::years(&result.records),
            simulation: card::simulate(result, few, &rules),
            cost_bps: rules.cost_bps,
        }
    }
}
