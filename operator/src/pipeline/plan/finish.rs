//! A run in flight: has it ended, and what follows from its result.

use foresail_crds::ModelVersionSpec;
use foresail_crds::model_manifest::LeakGuardResult;
use foresail_crds::pipeline::status::{
    Action, ErrorClass, Reason, RunState, TrainingResult, TrainingStatus, Trigger, WorkerError,
};
use foresail_crds::worker_config::ServedVersion;
use jiff::Timestamp;

use super::{Plan, served, served_spec};
use crate::pipeline::decide::{Verdict, judge};
use crate::pipeline::dereference::Observed;
use crate::pipeline::pods;
use crate::pipeline::validate::ValidatedPipeline;

/// Records the end of the run in flight, when it has ended.
pub(super) fn finish(
    plan: &mut Plan,
    pipeline: &ValidatedPipeline,
    observed: &Observed,
    now: Timestamp,
) {
    let Some(run) = plan.run.clone() else { return };
    let training = observed
        .status
        .training
        .clone()
        .filter(|t| t.run_id == run.id);
    let TrainingStatus { result, error, .. } = training.unwrap_or_default();
    if let Some(result) = result {
        match check(&result, pipeline, run.delta_version) {
            Ok(()) => succeed(plan, pipeline, observed, &result, now),
            Err(message) => fail(plan, internal(message)),
        }
    } else if let Some(failure) = job_failure(observed, &run.id, error) {
        fail(plan, failure);
    }
}

/// A worker may write anything into its part of status; this is what it must have written.
fn check(
    result: &TrainingResult,
    pipeline: &ValidatedPipeline,
    delta_version: u64,
) -> Result<(), String> {
    let places = pipeline.name.places(&pipeline.spec.lake.uri);
    if !places.is_artifact(&result.manifest_uri) {
        return Err(format!(
            "manifest {} is not below {}",
            result.manifest_uri, places.models
        ));
    }
    let sha = &result.manifest_sha256;
    if sha.len() != 64 || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("the manifest digest is no SHA-256".into());
    }
    if result.delta_version != delta_version {
        return Err(format!(
            "it speaks of Delta version {}, not {delta_version}",
            result.delta_version
        ));
    }
    Ok(())
}

fn internal(message: String) -> WorkerError {
    let message = format!("the reported result is not used: {message}");
    WorkerError {
        class: ErrorClass::Internal,
        reason: "ResultRefused".into(),
        message,
    }
}

fn fail(plan: &mut Plan, error: WorkerError) {
    if let Some(run) = &mut plan.run {
        run.state = RunState::Failed;
        run.error = Some(error);
    }
}

/// The Job has given up, or the trainer has reported an error and its Job is over.
fn job_failure(
    observed: &Observed,
    run_id: &str,
    reported: Option<WorkerError>,
) -> Option<WorkerError> {
    let suffix = format!("-train-{run_id}");
    let job = observed.jobs.iter().find(|j| {
        j.metadata
            .name
            .as_deref()
            .is_some_and(|n| n.ends_with(&suffix))
    })?;
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let failed = conditions
        .iter()
        .find(|c| c.type_ == "Failed" && c.status == "True")?;
    // The trainer's own words, where it had the time to say them, say more than its exit code.
    let own = reported.filter(|e| e.class == ErrorClass::User);
    let seen = pods::training_failure(&observed.pods, run_id);
    Some(own.or(seen).unwrap_or_else(|| {
        let reason = failed.reason.clone().unwrap_or_else(|| "JobFailed".into());
        let class = if reason == "DeadlineExceeded" {
            ErrorClass::User
        } else {
            ErrorClass::Outside
        };
        let hint = if class == ErrorClass::User {
            "; raise training.activeDeadlineSeconds or train on less"
        } else {
            ""
        };
        let message = format!(
            "training Job failed: {}{hint}",
            failed.message.clone().unwrap_or_default()
        );
        WorkerError {
            class,
            reason,
            message,
        }
    }))
}

fn succeed(
    plan: &mut Plan,
    pipeline: &ValidatedPipeline,
    observed: &Observed,
    result: &TrainingResult,
    now: Timestamp,
) {
    let Some(run) = plan.run.clone() else { return };
    let existing = observed.versions.iter().find(|v| v.spec.run_id == run.id);
    let version = match existing {
        Some(version) => served(version),
        None => {
            let spec = new_version(pipeline, observed, result, &run.id, run.trigger);
            let version = served_spec(&spec);
            plan.create = Some(spec);
            version
        }
    };
    plan.trained = true;
    if let Some(run) = &mut plan.run {
        run.state = RunState::Succeeded;
        run.version = Some(version.version);
        run.error = None;
    }
    promote_or_reject(plan, pipeline, observed, result, (version, now));
}

fn promote_or_reject(
    plan: &mut Plan,
    pipeline: &ValidatedPipeline,
    observed: &Observed,
    result: &TrainingResult,
    (version, now): (ServedVersion, Timestamp),
) {
    let number = version.version;
    // Numbers that a leak has made are worth nothing, whatever the gate says.
    if let Some(failure) = result
        .leak_guard
        .as_ref()
        .and_then(LeakGuardResult::failure)
    {
        if plan.champion.is_some() {
            plan.drift_reference = Some(version);
        }
        let message = format!(
            "v{number} is not promoted, its leak guard failed: {failure}; its report shows the evidence"
        );
        return plan.decide(now, Action::ModelRejected, Reason::LeakFound, message);
    }
    let Some(champion) = plan.champion.clone() else {
        plan.promote(version);
        let message = format!("v{number} is the first version");
        return plan.decide(now, Action::ModelPromoted, Reason::First, message);
    };
    let fingerprint = |v: &ServedVersion| {
        let found = observed
            .versions
            .iter()
            .find(|m| m.spec.version == v.version);
        found.map(|m| m.spec.fingerprint.clone())
    };
    // A champion of other features cannot be served any more: there is nothing to compare with.
    if fingerprint(&champion).is_some_and(|f| f != pipeline.fingerprint)
        && result.fingerprint == pipeline.fingerprint
    {
        plan.promote(version);
        let message = format!(
            "v{number} has the features the Pipeline declares now, v{} has not",
            champion.version
        );
        return plan.decide(now, Action::ModelPromoted, Reason::SpecChanged, message);
    }
    let mode = pipeline.spec.promotion.mode;
    match judge(result.gate.as_ref(), mode, pipeline.minimum_effect) {
        Verdict::Promote { reason, message } => {
            plan.promote(version);
            plan.decide(
                now,
                Action::ModelPromoted,
                reason,
                format!("v{number} {message}"),
            );
        }
        Verdict::Reject { message } => {
            plan.drift_reference = Some(version);
            plan.decide(
                now,
                Action::ModelRejected,
                Reason::GateFailed,
                format!("v{number} {message}"),
            );
        }
        Verdict::Wait { message } => {
            plan.decide(
                now,
                Action::ModelWaiting,
                Reason::Manual,
                format!("v{number} {message}; set promotion.championVersion to serve it"),
            );
        }
    }
}

fn new_version(
    pipeline: &ValidatedPipeline,
    observed: &Observed,
    result: &TrainingResult,
    run_id: &str,
    trigger: Trigger,
) -> ModelVersionSpec {
    let status = &observed.status;
    let in_status = [&status.champion, &status.previous, &status.drift_reference];
    let highest = observed
        .versions
        .iter()
        .map(|v| v.spec.version)
        .chain(in_status.into_iter().flatten().map(|v| v.version))
        .chain(status.run.as_ref().and_then(|r| r.version))
        .max()
        .unwrap_or(0);
    ModelVersionSpec {
        pipeline: pipeline.name.name.clone(),
        version: highest + 1,
        manifest_uri: result.manifest_uri.clone(),
        manifest_sha256: result.manifest_sha256.clone(),
        kind: result.kind,
        fingerprint: result.fingerprint.clone(),
        trigger,
        run_id: run_id.to_string(),
        delta_version: result.delta_version,
        trained_through: result.trained_through.clone(),
        metrics: result.metrics.clone(),
        gate: result.gate.clone(),
        leak_guard: result.leak_guard.clone(),
    }
}
