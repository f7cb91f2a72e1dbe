//! A version from what was read: everything of a run that computes and waits for nobody. Called by `run`, on
//! a thread of its own.

use foresail_artifacts::Documents;
use foresail_crds::TrainingParameters;
use foresail_crds::model_manifest::{ModelManifest, Recipe};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::worker_config::{TrainConfig, TrainingRun};
use foresail_domain::BarGrid;
use foresail_evaluation::leak_guard::GuardReport;
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::RoleError;

use super::describe::{Validation, Version};
use super::progress::{FITTED, Progress};
use crate::data::dataset::Dataset;
use crate::data::split::{Plan, Split, split};
use crate::fit::{fit, not_fittable};
use crate::gate::{self, Champion, Comparison, GateWindow};
use crate::inputs::{Declared, baseline_kinds};
use crate::lake::Bars;
use crate::validation::importance::importance;
use crate::validation::walk_forward::{FoldProgress, walk_forward};
use crate::validation::{folds, leak_guard};

/// What a version is made from.
pub(super) struct Inputs {
    pub config: TrainConfig,
    /// Of the configuration: where bars begin and end.
    pub grid: BarGrid,
    pub run: TrainingRun,
    pub parameters: TrainingParameters,
    pub bars: Bars,
    /// What serves now; none for a first version.
    pub champion: Option<Champion>,
}

/// What is written of a version.
pub(super) struct Made {
    pub manifest: ModelManifest,
    pub weights: Option<Vec<u8>>,
    pub documents: Documents,
}

/// Validates, fits and compares.
///
/// # Errors
/// User errors of data and configuration, internal ones.
pub(super) fn make(inputs: &Inputs, progress: &Progress) -> Result<Made, RoleError> {
    let (parameters, trainer) = (&inputs.parameters, Trainer { inputs, progress });
    progress.report(30, "computing features");
    let kinds = baseline_kinds(parameters.model.kind);
    let data = trainer.declared().feature_rows(&inputs.bars, &kinds)?;
    let recipe = trainer.recipe();
    let plan = Plan {
        gate_sessions: recipe.gate_sessions as usize,
        max_sessions: parameters.max_sessions,
    };
    let split = split(&data, plan);
    let validation = trainer.validate(&data, &split, &kinds)?;
    let (kind, epochs) = (parameters.model.kind, parameters.model.epochs);
    progress.last_fit(0, epochs, None);
    let on_epoch = |epoch, loss| progress.last_fit(epoch, epochs, Some(loss));
    let fitted = fit(kind, &split.before, parameters, &on_epoch)?;
    progress.report(FITTED, "comparing with the champion");
    let window = GateWindow {
        bars: &inputs.bars,
        data: &data,
        rows: &split.gate,
        parameters,
    };
    let version = Version {
        config: &inputs.config,
        run: &inputs.run,
        parameters,
        data: &data,
        rows: &split.before,
        fitted: &fitted,
        validation: &validation,
        recipe: &recipe,
        comparison: trainer.compare(&fitted, &window)?,
    };
    let manifest = version.manifest()?;
    Ok(Made {
        documents: version.documents(&manifest)?,
        manifest,
        weights: fitted.encode().map_err(|e| not_fittable(kind, &e))?,
    })
}

struct Trainer<'a> {
    inputs: &'a Inputs,
    progress: &'a Progress,
}

impl Trainer<'_> {
    fn declared(&self) -> Declared<'_> {
        Declared {
            features: &self.inputs.config.model.features,
            adjustment: self.inputs.config.model.adjustment,
            grid: &self.inputs.grid,
            parameters: &self.inputs.parameters,
        }
    }

    fn recipe(&self) -> Recipe {
        let gate = self.inputs.run.champion.as_ref();
        Recipe {
            training: self.inputs.config.model.training.clone(),
            gate_sessions: gate.map_or(0, |_| self.inputs.run.gate_sessions),
        }
    }

    /// Forecasts the folds with every kind, and checks the data and the folds for leaks.
    fn validate(
        &self,
        data: &Dataset,
        split: &Split<'_>,
        kinds: &[ModelKind],
    ) -> Result<Validation, RoleError> {
        let parameters = &self.inputs.parameters;
        self.progress.report(35, "looking for leaks");
        let folds = folds::declared(&split.before, parameters)?;
        let verdicts =
            leak_guard::verdicts(self.declared(), &self.inputs.bars, folds.overlap.clone())?;
        let (mut evaluations, mut served) = (Vec::new(), None);
        // The baselines take no time worth telling.
        self.progress.begin_fits(folds.folds.len());
        for kind in kinds.iter().copied() {
            let declared = kind == parameters.model.kind;
            let on_fold = |at: FoldProgress| {
                if declared {
                    self.progress.fold(&at, parameters.model.epochs);
                }
            };
            let result = walk_forward(kind, &folds, parameters, &on_fold)?;
            evaluations.push(result.evaluation.clone());
            if declared {
                served = Some(result);
            }
        }
        let not_validated = || RoleError::internal("NotValidated", "no kind was validated");
        let served = served.ok_or_else(not_validated)?;
        let newest = folds.folds.last().map_or(&[][..], |fold| &fold.test);
        let importance = importance(&served.newest, newest, &data.names, parameters);
        let not_finite = |e: ModelError| RoleError::user("NotFinite", e.to_string());
        Ok(Validation {
            importance: importance.map_err(not_finite)?,
            guard: GuardReport::new(verdicts),
            evaluations,
            served,
        })
    }

    fn compare(
        &self,
        fitted: &Predictor,
        window: &GateWindow<'_>,
    ) -> Result<Comparison, RoleError> {
        let champion = self.inputs.champion.as_ref();
        let compared = champion.map(|champion| gate::compare_unseen(fitted, champion, window));
        compared.unwrap_or_else(|| Ok(Comparison::default()))
    }
}
