//! What a version is described by: the manifest that programs read, the card and the report that people
//! read.

use std::collections::BTreeSet;

use foresail_artifacts::Documents;
use foresail_crds::TrainingParameters;
use foresail_crds::model_manifest::{
    DataWindow, Evaluation, FORMAT_VERSION, ModelManifest, Recipe,
};
use foresail_crds::worker_config::{TrainConfig, TrainingRun};
use foresail_evaluation::leak_guard::GuardReport;
use foresail_model::{Predictor, Row, golden};
use foresail_recurrent::InstructionSet;
use foresail_runtime_base::RoleError;

use super::drift_reference;
use crate::data::dataset::{Dataset, Sample};
use crate::gate::Comparison;
use crate::report;
use crate::report::card::{self, Card};
use crate::validation::coverage::coverage;
use crate::validation::importance::Importance;
use crate::validation::leak_guard;
use crate::validation::walk_forward::WalkForward;

/// Result of validation.
pub(super) struct Validation {
    pub guard: GuardReport,
    pub evaluations: Vec<Evaluation>,
    /// The kind that will be served.
    pub served: WalkForward,
    pub importance: Vec<Importance>,
}

/// A version that is about to be written.
pub(super) struct Version<'a> {
    pub config: &'a TrainConfig,
    pub run: &'a TrainingRun,
    pub parameters: &'a TrainingParameters,
    pub data: &'a Dataset,
    /// Rows it was fitted on.
    pub rows: &'a [&'a Sample],
    pub fitted: &'a Predictor,
    pub validation: &'a Validation,
    pub recipe: &'a Recipe,
    pub comparison: Comparison,
}

impl Version<'_> {
    /// The manifest, but for the files, which are named when they are written.
    ///
    /// # Errors
    /// Residuals that are not finite, a drift reference that cannot be made.
    pub(super) fn manifest(&self) -> Result<ModelManifest, RoleError> {
        let (config, training) = (self.config, &self.config.model.training);
        let quantiles = self.validation.served.residual_quantiles();
        let quantiles = quantiles.map_err(|e| RoleError::user("NotFinite", e.to_string()))?;
        Ok(ModelManifest {
            format_version: FORMAT_VERSION,
            namespace: config.pipeline.namespace.clone(),
            pipeline: config.pipeline.name.clone(),
            run_id: self.run.run_id.clone(),
            code_version: env!("CARGO_PKG_VERSION").into(),
            seed: training.seed,
            data: self.window(),
            features: config.model.features.clone(),
            adjustment: config.model.adjustment,
            fingerprint: self.data.fingerprint.clone(),
            warm_up: self.data.warm_up,
            target: training.target,
            horizon: training.horizon,
            lookback: u32::try_from(self.fitted.lookback()).unwrap_or(u32::MAX),
            kind: training.model.kind,
            hidden: training.model.hidden,
            layers: training.model.layers,
            sequence: training.lookback,
            season: training.model.season,
            instruction_set: InstructionSet::detect().name().into(),
            weights: None,
            golden: None,
            scaler: self.fitted.scaler().clone(),
            evaluation: self.validation.evaluations.clone(),
            quantiles: Some(quantiles),
            leak_guard: Some(leak_guard::result(&self.validation.guard)),
            recipe: Some(self.recipe.clone()),
            card: None,
            report: None,
            gate: self.comparison.gate.clone(),
            unseen_sessions: self.comparison.unseen_sessions,
            drift_reference: drift_reference::build(config, self.data, self.rows)?,
        })
    }

    /// Windows of the training rows, from the oldest to the newest.
    fn golden_windows(&self) -> impl Iterator<Item = Vec<Row<'_>>> {
        let last = self.rows.len().saturating_sub(1);
        let parts = golden::MOST_REQUESTS - 1;
        let at = (0..=parts).map(move |part| last * part / parts);
        let at: BTreeSet<usize> = at.collect();
        let rows = at.into_iter().filter_map(move |index| self.rows.get(index));
        rows.map(move |sample| sample.rows(self.fitted.lookback()))
    }

    fn window(&self) -> DataWindow {
        let rows = self.rows;
        DataWindow {
            delta_version: self.run.delta_version,
            bars: self.data.bars,
            training_rows: rows.len() as u64,
            first_event_time: rows.first().map_or(0, |s| s.event_time),
            trained_through: rows.iter().map(|s| s.event_time).max().unwrap_or(0),
            data_through: self.data.data_through,
            symbols: self.data.symbols.clone(),
            refused_bars: self.data.refused_bars(),
        }
    }

    /// Card and report; they say what the manifest says.
    ///
    /// # Errors
    /// Internal errors only.
    pub(super) fn documents(&self, manifest: &ModelManifest) -> Result<Documents, RoleError> {
        let served = &self.validation.served;
        let rules = card::rules(
            self.parameters.horizon,
            self.config.model.bar_grid().bars_per_year(),
        );
        let card = Card {
            namespace: manifest.namespace.clone(),
            pipeline: manifest.pipeline.clone(),
            run_id: manifest.run_id.clone(),
            code_version: manifest.code_version.clone(),
            instruction_set: manifest.instruction_set.clone(),
            kind: served.kind,
            fingerprint: manifest.fingerprint.clone(),
            adjustment: manifest.adjustment,
            data: manifest.data.clone(),
            features: manifest.features.clone(),
            recipe: self.recipe.clone(),
            evaluation: manifest.evaluation.clone(),
            breakdown: served.breakdown.clone(),
            years: card::years(&served.records),
            coverage: coverage(served, self.parameters.seed),
            simulation: card::simulate(served, &manifest.data.symbols, &rules),
            cost_bps: rules.cost_bps,
            importance: self.validation.importance.clone(),
            gate: manifest.gate.clone(),
            unseen_sessions: manifest.unseen_sessions,
            leak_guard: self.validation.guard.clone(),
        };
        let json = serde_json::to_vec_pretty(&card);
        Ok(Documents {
            golden: golden::ask(self.fitted, self.golden_windows()),
            report: report::html(&card, served)?.into_bytes(),
            card: json.map_err(|e| RoleError::internal("CardInvalid", e.to_string()))?,
        })
    }
}
