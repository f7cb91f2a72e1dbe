//! The raw spec, parsed once; nothing after this sees the raw spec again.

mod configured;
mod rules;
mod source;

use std::time::Duration;

use foresail_crds::names::{PipelineName, Places};
use foresail_crds::pipeline::conditions::{
    REFETCH_ANNOTATION, RETRAIN_ANNOTATION, ROLLBACK_ANNOTATION,
};
use foresail_crds::pipeline::refetch::Refetch;
use foresail_crds::pipeline::spec::{
    FeatureSetSpec, OnSuspicion, PipelineSpec, PromotionMode, RetrainTrigger, ServingSpec,
};
use foresail_crds::worker_config::{
    DriftWatch, Installation, RoleConfig, TrainConfig, TrainingJob,
};
use foresail_crds::{Pipeline, Role, TrainingParameters};
use foresail_domain::{BarGrid, Calendar};
use foresail_drift::DriftPolicy;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::{Resource, ResourceExt};

use super::schedule::Schedule;
pub use configured::Beside;
pub use source::LiveSource;

/// A Pipeline whose numbers are parsed and whose features can be computed.
#[derive(Clone, Debug)]
pub struct ValidatedPipeline {
    /// Namespace and name.
    pub name: PipelineName,
    /// For children.
    pub owner: OwnerReference,
    /// Only to make configurations from: what decides is in fields of its own.
    spec: PipelineSpec,
    /// For the same.
    installation: Installation,
    /// Name of the ConfigMap that prepare reads: what was prepared before had another one.
    pub prepare_config: String,
    /// Feature-set fingerprint.
    pub fingerprint: String,
    /// Hash of everything a model depends on.
    pub model_hash: String,
    /// Hash of everything a training run depends on, resources included.
    pub run_hash: String,
    /// Places on S3.
    pub places: Places,
    /// The ProviderAccount that its source names.
    pub account: Option<String>,
    /// The Pipeline whose bars it reads, in place of a source of its own.
    pub bars_of: Option<String>,
    /// The other accounts that its source names, in order.
    pub other_accounts: Vec<String>,
    /// Ingest, stream and new runs stand still.
    pub suspend: bool,
    /// The deletion removes something outside the cluster.
    pub deletes_outside: bool,
    /// Sessions per second of the replay that is declared, here or by the Pipeline that is read from.
    pub replay_speed: Option<f64>,
    /// The source, when its newest bar is judged by the clock.
    pub live_source: Option<LiveSource>,
    /// Where bars begin and end.
    grid: BarGrid,
    /// What becomes of moves that may be mistakes of the source.
    pub on_suspicion: Option<OnSuspicion>,
    /// When runs start.
    pub retraining: Retraining,
    /// Who becomes the champion.
    pub promotion: Promotion,
    /// How the Job of a run runs.
    pub training_job: TrainingJob,
    /// How predictors run and scale.
    pub serving: ServingSpec,
    /// Value of the retrain annotation.
    pub retrain: Option<String>,
    /// Value of the rollback annotation.
    pub rollback: Option<String>,
    /// What the refetch annotation asks for, or why it is not followed.
    pub refetch: Option<Result<Refetch, String>>,
}

/// When training runs start.
#[derive(Clone, Debug)]
pub struct Retraining {
    /// Observations that start one.
    pub triggers: Vec<RetrainTrigger>,
    /// Shortest time between two.
    pub cooldown: Duration,
    /// Most within a day.
    pub max_per_day: usize,
    /// Bars, in time, to wait after an alarm.
    pub settle_bars: u32,
    /// Times at which one starts.
    pub schedule: Option<Schedule>,
}

/// When a challenger becomes the champion.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// By the gate, or by a person.
    pub mode: PromotionMode,
    /// Smallest relative improvement that promotes.
    pub minimum_effect: f64,
    /// Pinned version.
    pub champion_version: Option<u32>,
    /// Newest bars, in time, kept to compare challenger and champion on.
    pub gate_bars: u32,
}

impl ValidatedPipeline {
    /// End of the bar `count` bars after the one that ended at `time`.
    pub fn after_bars(&self, time: &Time, count: u32) -> Time {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let end = self.grid.after(time.0.as_millisecond(), count);
        Timestamp::from_millisecond(end).map_or_else(|_| time.clone(), Time)
    }

    /// Bars that have ended after `from` and until `to`.
    pub fn bars_between(&self, from: &Timestamp, to: &Timestamp) -> usize {
        self.grid.ended(from.as_millisecond(), to.as_millisecond())
    }

    /// Where bars begin and end.
    pub fn grid(&self) -> &BarGrid {
        &self.grid
    }

    /// The trading calendar.
    pub fn calendar(&self) -> &Calendar {
        self.grid.calendar()
    }

    /// Date of the session that a bar which ended at `time` is of.
    pub fn session_date(&self, time: &Timestamp) -> Date {
        self.calendar().session_date(time.as_millisecond())
    }

    /// What it declares to make rows of.
    pub fn feature_set(&self) -> FeatureSetSpec {
        FeatureSetSpec::from(&self.spec)
    }

    /// Whether its predictors answer over TLS alone.
    pub fn has_tls(&self) -> bool {
        self.spec.serving.tls.is_some()
    }

    /// Topic of its own bars.
    pub fn bars_topic(&self) -> String {
        self.name.topics(&self.spec.kafka.topic_prefix).bars
    }

    /// Whether `spec.suspend` stops a role now.
    pub fn suspends(&self, role: Role) -> bool {
        self.suspend && role.facts().stops_on_suspend
    }

    /// CPU and memory of a role's pods, where the spec says them.
    pub fn declared_resources(&self, role: Role) -> Option<ResourceRequirements> {
        role.declared_resources(&self.spec).cloned()
    }
}

/// Why a Pipeline cannot be run although the API server took it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    /// Field of the spec.
    pub field: String,
    /// What it must be.
    pub message: String,
}

fn invalid(field: &str, message: impl Into<String>) -> Invalid {
    Invalid {
        field: field.into(),
        message: message.into(),
    }
}

/// Checks what CEL cannot.
///
/// # Errors
/// The first field that cannot be used, with what it must be.
pub fn validate(
    object: &Pipeline,
    installation: &Installation,
) -> Result<ValidatedPipeline, Invalid> {
    let spec = &object.spec;
    let owner = object.controller_owner_ref(&()).ok_or_else(|| {
        invalid(
            "metadata",
            "must have a uid; apply the Pipeline to an API server",
        )
    })?;
    let name = PipelineName::new(object.namespace().unwrap_or_default(), object.name_any());
    let fingerprint = foresail_features::fingerprint(&spec.features, spec.source.adjustment)
        .map_err(|e| invalid("spec.features", e.to_string()))?;
    DriftPolicy::try_from(&DriftWatch::from(&spec.drift))
        .map_err(|e| invalid("spec.drift", e.to_string()))?;
    TrainingParameters::try_from(&spec.training).map_err(|e| invalid(e.field, e.message))?;
    rules::check(spec)?;
    let calendar = Calendar::new(spec.calendar, &spec.calendar_overrides)
        .map_err(|e| invalid("spec.calendarOverrides", e.to_string()))?;
    let grid = BarGrid::new(calendar, spec.source.interval);
    rules::window(spec, &grid)?;
    let retraining = retraining(spec, &grid)?;
    let gate_bars = grid.bars(spec.promotion.gate_window_sessions);
    let minimum_effect = spec.promotion.minimum_effect.as_f64().ok_or_else(|| {
        let message = "must be a decimal number, such as \"0.01\"";
        invalid("spec.promotion.minimumEffect", message)
    })?;
    let train = TrainConfig::new(name.clone(), spec);
    let training_job = TrainingJob::from(&spec.training);
    let annotation = |key: &str| object.annotations().get(key).cloned();
    Ok(ValidatedPipeline {
        prepare_config: Role::Prepare.config(&name, spec, installation).name,
        model_hash: train.model.hash(),
        run_hash: train.run_hash(&training_job, gate_bars),
        retrain: annotation(RETRAIN_ANNOTATION),
        rollback: annotation(ROLLBACK_ANNOTATION),
        refetch: annotation(REFETCH_ANNOTATION).map(|value| source::refetch(&value, spec)),
        places: name.places(&spec.lake.uri),
        account: spec.source.provider.as_ref().map(|p| p.account.clone()),
        bars_of: spec.bars_of().map(str::to_owned),
        other_accounts: spec.source.other_accounts().map(str::to_owned).collect(),
        suspend: spec.suspend,
        deletes_outside: spec.deletion_policy.deletes_anything(),
        promotion: Promotion {
            mode: spec.promotion.mode,
            minimum_effect,
            champion_version: spec.promotion.champion_version,
            gate_bars,
        },
        training_job,
        serving: spec.serving.clone(),
        spec: spec.clone(),
        installation: installation.clone(),
        name,
        owner,
        fingerprint,
        grid,
        replay_speed: source::replay_speed(spec),
        live_source: source::live_source(object)?,
        on_suspicion: spec.source.on_suspicion,
        retraining,
    })
}

fn retraining(spec: &PipelineSpec, grid: &BarGrid) -> Result<Retraining, Invalid> {
    let declared = &spec.retraining;
    let cooldown = declared.cooldown.as_duration().ok_or_else(|| {
        let message = "must be a duration such as 12h or 5d";
        invalid("spec.retraining.cooldown", message)
    })?;
    Ok(Retraining {
        triggers: declared.triggers.clone(),
        cooldown,
        max_per_day: usize::try_from(declared.max_per_day).unwrap_or(usize::MAX),
        settle_bars: grid.bars(declared.settle_sessions),
        schedule: schedule(spec, grid.calendar())?,
    })
}

/// The schedule, when runs are triggered by it; a line that cannot be read is refused in any case.
fn schedule(spec: &PipelineSpec, calendar: &Calendar) -> Result<Option<Schedule>, Invalid> {
    let name = &spec.training.time_zone;
    let zone = TimeZone::get(name).map_err(|_| {
        invalid(
            "spec.training.timeZone",
            format!("is `{name}`; it must be an IANA time zone"),
        )
    })?;
    let Some(line) = &spec.training.schedule else {
        return Ok(None);
    };
    let schedule = Schedule::parse(line, zone, calendar).map_err(|e| {
        let message = format!(
            "is `{line}` ({e}); it must be a cron line of five fields such as `0 22 * * 5`, or a time after the end of each \
             session such as `close+30m`"
        );
        invalid("spec.training.schedule", message)
    })?;
    let triggers = &spec.retraining.triggers;
    Ok(triggers
        .contains(&RetrainTrigger::Schedule)
        .then_some(schedule))
}

#[cfg(test)]
pub(crate) mod tests;
