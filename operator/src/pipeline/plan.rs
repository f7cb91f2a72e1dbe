//! What happens next, as a pure function of what is declared, what is seen, and the time.
//!
//! A run is finished when its result or failure is recorded in status, never because a Job is
//! absent. Worker-written values are checked before anything follows from them.

mod finish;
mod gate;
mod pins;
mod roles;
mod rows;
mod suspicion;
mod trigger;
pub mod types;

use foresail_crds::model_version::VersionRole;
use foresail_crds::pipeline::status::RunRecord;
use foresail_crds::worker_config::{OtherAccount, ServedVersion, ServingConfig, TrainingRun};
use jiff::Timestamp;

use super::another;
use super::observed::Observed;
use super::validate::ValidatedPipeline;
pub use trigger::is_retried;
use types::{AssignedRole, NewAlarm, Plan, Situation, Step};

/// The plan: what was decided before, and the steps that are due, each seeing those before it.
pub fn plan(pipeline: &ValidatedPipeline, observed: &Observed, now: Timestamp) -> Plan {
    let at = Situation {
        pipeline,
        observed,
        now,
    };
    let mut plan = recall(at);
    plan.take(replace_lost(&plan, at));
    plan.take(finish::finish(&plan, at));
    if let Some(alarm) = alarm(&plan, at) {
        plan.alarm_announced = Some(alarm.since.clone());
        plan.new_alarm = Some(alarm);
    }
    plan.take(roll_back(&plan, at));
    plan.take(pin(&plan, at));
    plan.stopped = suspicion::stops(&plan, at);
    plan.unreadable = another::unreadable(pipeline, observed);
    plan.waits_for_bars = another::is_awaited(pipeline, observed, plan.unreadable.as_ref());
    if plan.prepared && !pipeline.suspend && !plan.stopped && plan.unreadable.is_none() {
        plan.take(trigger::start(&plan, at));
    }
    plan.missing_pin = unserved_pin(&plan, at).filter(|pin| observed.version(*pin).is_none());
    let pins = pins::pins(&plan, at);
    plan.serving.versions = pins.found;
    plan.missing_versions = pins.missing;
    plan.serving.declared = pins::declared(&plan, at);
    plan.training = plan.running().map(|run| TrainingRun {
        run_id: run.id.clone(),
        trigger: run.trigger,
        delta_version: run.delta_version,
        champion: plan.champion().cloned(),
        gate_sessions: pipeline.promotion.gate_bars,
    });
    plan.serves = plan.champion().is_some() || observed.has_predictors();
    plan.roles = roles::roles(&plan, observed);
    plan.feature_sets = rows::feature_sets(&plan, at);
    plan.without_rows = rows::without_rows(&plan, at);
    plan.account = observed.account().map(|account| account.spec.clone());
    plan.other_accounts = other_accounts(observed);
    let is_whole = plan.other_accounts.len() == pipeline.other_accounts.len();
    plan.lacks_account = pipeline.account.is_some() && (plan.account.is_none() || !is_whole);
    plan
}

/// Whether more is due than to keep everything as it is: a step, another version that serves, another role of a version,
/// an answer to a person; or whether something that is named was not found. That is decided on lists alone.
pub fn decides(plan: &Plan, observed: &Observed) -> bool {
    let (status, serving) = (&observed.status, &plan.serving);
    let recorded = ServingConfig {
        champion: status.champion.clone(),
        previous: status.previous.clone(),
        drift_reference: status.drift_reference.clone(),
        // These are no decisions: they follow from the spec and from what exists.
        versions: serving.versions.clone(),
        declared: serving.declared.clone(),
    };
    let served = observed.serving.as_ref().unwrap_or(serving);
    let is_another_role = |assigned: &AssignedRole| {
        let version = observed.version(assigned.version);
        version.and_then(role_of) != Some(assigned.role)
    };
    !plan.steps.is_empty()
        || plan.new_alarm.is_some()
        || plan.rollback != status.rollback
        || *serving != recorded
        || serving != served
        || plan.missing_pin.is_some()
        || !plan.missing_versions.is_empty()
        || plan.lacks_account
        || plan.roles.iter().any(is_another_role)
}

/// The other accounts of the source that can be used.
fn other_accounts(observed: &Observed) -> Vec<OtherAccount> {
    let found = observed.other_accounts.iter();
    let found = found.filter_map(|(name, account)| {
        Some(OtherAccount {
            name: name.clone(),
            spec: account.found()?.spec.clone(),
        })
    });
    found.collect()
}

/// What was decided before: from status, or where that is lost from the serving ConfigMap and the
/// versions' own roles.
fn recall(at: Situation<'_>) -> Plan {
    let Situation {
        pipeline, observed, ..
    } = at;
    let status = &observed.status;
    let stored = observed.serving.clone().unwrap_or_default();
    let by_role = |role| {
        let mut newest_first = observed.versions.iter().rev();
        let version = newest_first.find(|v| role_of(v) == Some(role))?;
        Some(version.spec.served())
    };
    let known = |version: &ServedVersion| is_known(observed, version).then(|| version.clone());
    let champion = status.champion.as_ref().and_then(known);
    let previous = status.previous.as_ref().or(stored.previous.as_ref());
    let reference = status.drift_reference.as_ref();
    let prepare = status.prepare.as_ref();
    Plan {
        serving: ServingConfig {
            champion: champion
                .or_else(|| stored.champion.as_ref().and_then(known))
                .or_else(|| by_role(VersionRole::Champion)),
            previous: previous
                .and_then(known)
                .or_else(|| by_role(VersionRole::Previous)),
            drift_reference: reference
                .or(stored.drift_reference.as_ref())
                .and_then(known),
            ..ServingConfig::default()
        },
        alarm_announced: status.alarm_announced.clone(),
        rollback: pipeline.rollback.clone().or(status.rollback.clone()),
        run: status.run.clone().map(RunRecord::with_separate_hashes),
        prepared: prepare.is_some_and(|p| p.complete && p.config == pipeline.prepare_config),
        ..Plan::default()
    }
}

fn role_of(version: &foresail_crds::ModelVersion) -> Option<VersionRole> {
    version.status.as_ref()?.role
}

/// The version exists as it was recorded. One that cannot be read is not taken for deleted.
fn is_known(observed: &Observed, version: &ServedVersion) -> bool {
    let unreadable = observed.unreadable_versions.contains(&version.version);
    let mut versions = observed.versions.iter();
    unreadable || versions.any(|v| v.spec.served() == *version)
}

/// An alarm is announced once, whatever it leads to; one that lasted until it had settled also
/// when it was seen only after its end.
fn alarm(plan: &Plan, at: Situation<'_>) -> Option<NewAlarm> {
    let drift = at.observed.status.drift.as_ref()?;
    let announced = plan.alarm_announced.as_ref();
    let since = match &drift.alarm_since {
        Some(since) if drift.alarm => Some(since.clone()).filter(|since| announced != Some(since)),
        _ => trigger::settled(drift, at.pipeline.retraining.settle_bars, announced),
    }?;
    let message = format!(
        "alarm since {} against v{}: score now {}, level {}",
        since.0, drift.model_version, drift.score, drift.threshold
    );
    Some(NewAlarm { since, message })
}

/// The version before a champion whose ModelVersion was deleted takes its place.
fn replace_lost(plan: &Plan, at: Situation<'_>) -> Option<Step> {
    let lost = at.observed.status.champion.as_ref();
    let lost = lost.filter(|_| plan.champion().is_none())?;
    Some(Step::Replace {
        to: plan.serving.previous.clone()?,
        lost: lost.version,
    })
}

/// A new value of the rollback annotation puts the previous champion back, where there is one.
fn roll_back(plan: &Plan, at: Situation<'_>) -> Option<Step> {
    let asked = at.pipeline.rollback.as_ref()?;
    if at.observed.status.rollback.as_ref() == Some(asked) {
        return None;
    }
    Some(Step::RollBack {
        to: plan.serving.previous.clone()?,
        from: plan.champion().map_or(0, |c| c.version),
    })
}

fn pin(plan: &Plan, at: Situation<'_>) -> Option<Step> {
    let version = at.observed.version(unserved_pin(plan, at)?)?;
    Some(Step::Pin(version.spec.served()))
}

/// The pinned version, while another one serves.
fn unserved_pin(plan: &Plan, at: Situation<'_>) -> Option<u32> {
    let pinned = at.pipeline.promotion.champion_version;
    pinned.filter(|pin| plan.champion().is_none_or(|c| c.version != *pin))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
