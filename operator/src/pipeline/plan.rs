//! What happens next, as a pure function of what is declared, what is seen, and the time.
//!
//! A run is finished when its result or failure is recorded in status, never because a Job is
//! absent. Worker-written values are checked before anything follows from them.

mod finish;
mod trigger;

use foresail_crds::ModelVersionSpec;
use foresail_crds::model_version::VersionRole;
use foresail_crds::pipeline::status::{Action, Decision, Reason, RunRecord, RunState};
use foresail_crds::worker_config::{ServedVersion, ServingConfig, TrainingRun};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::dereference::Observed;
use super::validate::ValidatedPipeline;

/// What the operator will make true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Version that serves.
    pub champion: Option<ServedVersion>,
    /// Version kept loaded.
    pub previous: Option<ServedVersion>,
    /// Version whose drift reference is used instead of the champion's.
    pub drift_reference: Option<ServedVersion>,
    /// Start of the drift alarm that is, or now will be, announced.
    pub alarm_announced: Option<Time>,
    /// Sentence about a drift alarm that was not announced yet.
    pub new_alarm: Option<String>,
    /// A run starts now: it is recorded before its Job is made.
    pub starts: bool,
    /// Consumed rollback annotation.
    pub rollback: Option<String>,
    /// Run in flight or last finished.
    pub run: Option<RunRecord>,
    /// Job of the run in flight.
    pub training: Option<TrainingRun>,
    /// Version to make from a finished run.
    pub create: Option<ModelVersionSpec>,
    /// Role of each version by number.
    pub roles: Vec<(u32, VersionRole, String)>,
    /// New decision, when one was taken now.
    pub decision: Option<Decision>,
    /// A finished run was recorded now.
    pub trained: bool,
    /// The prepare Job has succeeded for the present configuration.
    pub prepared: bool,
    /// The pinned version does not exist.
    pub missing_pin: Option<u32>,
}

impl Plan {
    /// Content of the `-serving` ConfigMap.
    pub fn serving(&self) -> ServingConfig {
        ServingConfig {
            champion: self.champion.clone(),
            previous: self.previous.clone(),
            drift_reference: self.drift_reference.clone(),
        }
    }

    fn decide(&mut self, now: Timestamp, action: Action, reason: Reason, message: String) {
        self.decision = Some(Decision {
            action,
            reason,
            message,
            time: Time(now),
        });
    }

    /// Makes `next` the champion and keeps the present one loaded.
    fn promote(&mut self, next: ServedVersion) {
        if self.champion.as_ref() != Some(&next) {
            self.previous = self.champion.replace(next);
        }
        self.drift_reference = None;
    }
}

/// Plans.
pub fn plan(pipeline: &ValidatedPipeline, observed: &Observed, now: Timestamp) -> Plan {
    let mut plan = recall(pipeline, observed);
    if plan
        .run
        .as_ref()
        .is_some_and(|r| r.state == RunState::Running)
    {
        finish::finish(&mut plan, pipeline, observed, now);
    }
    alarm(&mut plan, pipeline, observed);
    roll_back(&mut plan, pipeline, observed, now);
    pin(&mut plan, pipeline, observed, now);
    if plan.prepared && !pipeline.spec.suspend {
        trigger::start(&mut plan, pipeline, observed, now);
    }
    plan.training = plan
        .run
        .as_ref()
        .filter(|r| r.state == RunState::Running)
        .map(|run| TrainingRun {
            run_id: run.id.clone(),
            trigger: run.trigger,
            delta_version: run.delta_version,
            champion: plan.champion.clone(),
        });
    plan.roles = roles(&plan, observed);
    plan
}

/// What was decided before: from status, or where that is lost from the serving ConfigMap and the
/// versions' own roles.
fn recall(pipeline: &ValidatedPipeline, observed: &Observed) -> Plan {
    let status = &observed.status;
    let serving = observed.serving.clone().unwrap_or_default();
    let by_role = |role| {
        let mut found = observed.versions.iter().rev();
        found
            .find(|v| v.status.as_ref().and_then(|s| s.role) == Some(role))
            .map(served)
    };
    let known = |version: &ServedVersion| {
        observed
            .versions
            .iter()
            .any(|v| served(v) == *version)
            .then(|| version.clone())
    };
    let champion = status.champion.as_ref().and_then(known);
    let champion = champion
        .or_else(|| serving.champion.as_ref().and_then(known))
        .or_else(|| by_role(VersionRole::Champion));
    let previous = status
        .previous
        .as_ref()
        .or(serving.previous.as_ref())
        .and_then(known);
    let reference = status
        .drift_reference
        .as_ref()
        .or(serving.drift_reference.as_ref());
    let prepare = status.prepare.as_ref();
    Plan {
        champion,
        previous: previous.or_else(|| by_role(VersionRole::Previous)),
        drift_reference: reference.and_then(known),
        alarm_announced: status.alarm_announced.clone(),
        rollback: status.rollback.clone(),
        run: status.run.clone().map(RunRecord::with_separate_hashes),
        prepared: prepare.is_some_and(|p| p.complete && p.config == pipeline.config_name),
        ..Plan::default()
    }
}

/// An alarm is announced once, whatever it leads to; one that lasted until it had settled also
/// when it was seen only after its end.
fn alarm(plan: &mut Plan, pipeline: &ValidatedPipeline, observed: &Observed) {
    let Some(drift) = &observed.status.drift else {
        return;
    };
    let settle = pipeline.spec.retraining.settle_sessions;
    let announced = plan.alarm_announced.as_ref();
    let since = match &drift.alarm_since {
        Some(since) if drift.alarm => Some(since.clone()).filter(|since| announced != Some(since)),
        _ => trigger::settled(drift, settle, announced),
    };
    if let Some(since) = since {
        plan.new_alarm = Some(format!(
            "alarm since {} against v{}: score now {}, level {}",
            since.0, drift.model_version, drift.score, drift.threshold
        ));
        plan.alarm_announced = Some(since);
    }
}

fn roll_back(plan: &mut Plan, pipeline: &ValidatedPipeline, observed: &Observed, now: Timestamp) {
    if pipeline.rollback.is_none() || pipeline.rollback == plan.rollback {
        return;
    }
    plan.rollback = pipeline.rollback.clone();
    let Some(previous) = plan.previous.clone() else {
        return;
    };
    let from = plan.champion.as_ref().map_or(0, |c| c.version);
    let message = format!(
        "champion v{from} replaced by v{} as the annotation asks",
        previous.version
    );
    plan.promote(previous);
    // The rolled-back model's alarms are judged by its own reference again.
    plan.drift_reference = None;
    debug_assert!(!observed.versions.is_empty());
    plan.decide(now, Action::RolledBack, Reason::Annotation, message);
}

fn pin(plan: &mut Plan, pipeline: &ValidatedPipeline, observed: &Observed, now: Timestamp) {
    let Some(wanted) = pipeline.spec.promotion.champion_version else {
        return;
    };
    if plan.champion.as_ref().is_some_and(|c| c.version == wanted) {
        return;
    }
    let found = observed
        .versions
        .iter()
        .find(|v| v.spec.version == wanted)
        .map(served);
    let Some(version) = found else {
        plan.missing_pin = Some(wanted);
        return;
    };
    plan.promote(version);
    plan.decide(
        now,
        Action::ModelPromoted,
        Reason::Pinned,
        format!("v{wanted} is pinned by promotion.championVersion"),
    );
}

/// The loadable part of a version.
pub(crate) fn served(version: &foresail_crds::ModelVersion) -> ServedVersion {
    served_spec(&version.spec)
}

fn served_spec(spec: &ModelVersionSpec) -> ServedVersion {
    ServedVersion {
        version: spec.version,
        manifest_uri: spec.manifest_uri.clone(),
        manifest_sha256: spec.manifest_sha256.clone(),
    }
}

/// Role of every version, the new one included. What was once rejected or retired stays so.
fn roles(plan: &Plan, observed: &Observed) -> Vec<(u32, VersionRole, String)> {
    let leaks = |spec: &ModelVersionSpec| spec.leak_guard.as_ref().is_some_and(|g| !g.passed);
    let created = plan.create.iter().map(|spec| (spec, None));
    let existing = observed.versions.iter();
    let existing = existing.map(|v| (&v.spec, v.status.as_ref().and_then(|s| s.role)));
    let is =
        |served: &Option<ServedVersion>, n: u32| served.as_ref().is_some_and(|s| s.version == n);
    let role = |(spec, before): (&ModelVersionSpec, Option<VersionRole>)| {
        let number = spec.version;
        let now = if is(&plan.champion, number) {
            VersionRole::Champion
        } else if is(&plan.previous, number) {
            VersionRole::Previous
        } else if is(&plan.drift_reference, number) {
            VersionRole::Rejected
        } else {
            match before {
                Some(VersionRole::Champion | VersionRole::Previous) => VersionRole::Retired,
                None if leaks(spec) => VersionRole::Rejected,
                Some(kept) => kept,
                None => VersionRole::Candidate,
            }
        };
        let reason = match now {
            VersionRole::Champion => "answers requests",
            VersionRole::Previous => "kept loaded for rollback",
            VersionRole::Rejected if leaks(spec) => "its leak guard failed",
            VersionRole::Rejected => "did not pass the gate",
            VersionRole::Retired => "was replaced",
            VersionRole::Candidate => "set promotion.championVersion to serve it",
        };
        (number, now, reason.to_string())
    };
    existing.chain(created).map(role).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
