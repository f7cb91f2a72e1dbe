//! A run in flight: has it ended, and what follows from its result.

use foresail_crds::ModelVersionSpec;
use foresail_crds::model_manifest::LeakGuardResult;
use foresail_crds::pipeline::spec::PromotionMode;
use foresail_crds::pipeline::status::{ErrorClass, Reason, RunRecord, TrainingResult, WorkerError};

use super::gate::{Verdict, evaluate_gate};
use super::rows::{Rows, is_computed, rows_of};
use super::types::{Plan, Situation, Step};
use crate::pipeline::observed::Observed;
use crate::pipeline::pods;
use crate::pipeline::validate::ValidatedPipeline;

/// The end of the run in flight, when it has ended.
pub(super) fn finish(plan: &Plan, at: Situation<'_>) -> Option<Step> {
    let run = plan.running()?;
    let training = at.observed.status.training.as_ref();
    let training = training.filter(|t| t.run_id == run.id);
    let Some(result) = training.and_then(|t| t.result.as_ref()) else {
        let reported = training.and_then(|t| t.error.clone());
        return job_failure(at.observed, &run.id, reported).map(Step::Fail);
    };
    Some(match check(result, at.pipeline, run.delta_version) {
        Ok(()) => succeed(plan, at, run, result),
        Err(message) => Step::Fail(internal(message)),
    })
}

/// A worker may write anything into its part of status; this is what it must have written.
fn check(
    result: &TrainingResult,
    pipeline: &ValidatedPipeline,
    delta_version: u64,
) -> Result<(), String> {
    let places = &pipeline.places;
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
    let named = result.feature_set.as_ref();
    if named.is_some_and(|set| !is_computed(set, &result.fingerprint)) {
        return Err("the features it names are not of its fingerprint".into());
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

fn succeed(plan: &Plan, at: Situation<'_>, run: &RunRecord, result: &TrainingResult) -> Step {
    let existing = at
        .observed
        .versions
        .iter()
        .find(|v| v.spec.run_id.as_ref() == Some(&run.id));
    let (version, create) = match existing {
        Some(version) => (version.spec.served(), None),
        None => {
            let spec = new_version(at, run, result);
            (spec.served(), Some(Box::new(spec)))
        }
    };
    Step::Finish {
        verdict: verdict(plan, at, result, version.version),
        version,
        create,
    }
}

fn verdict(plan: &Plan, at: Situation<'_>, result: &TrainingResult, number: u32) -> Verdict {
    let guard = result.leak_guard.as_ref();
    // Numbers that a leak has made are worth nothing, whatever the gate says.
    if let Some(failure) = guard.and_then(LeakGuardResult::failure) {
        let message = format!(
            "v{number} is not promoted, its leak guard failed: {failure}; its report shows the evidence"
        );
        return Verdict::Reject {
            reason: Reason::LeakFound,
            message,
        };
    }
    // A first version that serves already, while status does not say so: the same decision once more.
    let Some(champion) = plan.champion().filter(|served| served.version != number) else {
        return Verdict::Promote {
            reason: Reason::First,
            message: format!("v{number} is the first version"),
        };
    };
    let served = at.observed.version(champion.version).map(|v| &v.spec);
    if let Some(served) = served
        && let Some(message) = cannot_stay(served, at, result)
    {
        return Verdict::Promote {
            reason: Reason::SpecChanged,
            message: format!("v{number} {message}"),
        };
    }
    let promotion = &at.pipeline.promotion;
    if let Some(unseen) = result.unseen_sessions {
        return not_judged(at, (number, champion.version), unseen);
    }
    let gate = result.gate.as_ref();
    let others = served.filter(|served| served.fingerprint != result.fingerprint);
    let apart = match (gate, others) {
        (Some(_), Some(_)) => "; each on its own features",
        _ => "",
    };
    match evaluate_gate(gate, promotion.mode, promotion.minimum_effect) {
        Verdict::Promote { reason, message } => Verdict::Promote {
            reason,
            message: format!("v{number} {message}{apart}"),
        },
        Verdict::Reject { reason, message } => Verdict::Reject {
            reason,
            message: format!("v{number} {message}{apart}"),
        },
        Verdict::Wait { message, until } => Verdict::Wait {
            message: format!(
                "v{number} {message}{apart}; set promotion.championVersion to serve it"
            ),
            until,
        },
    }
}

/// Why the champion gives way without having been judged: no rows can be made for it, so that it would answer from the
/// rows it has for ever.
fn cannot_stay(
    champion: &ModelVersionSpec,
    at: Situation<'_>,
    result: &TrainingResult,
) -> Option<String> {
    let declared = &at.pipeline.fingerprint;
    let gives_way = rows_of(champion, declared) == Rows::Nobodys && result.fingerprint == *declared;
    gives_way.then(|| {
        format!(
            "is not judged: it has the features that the Pipeline declares, and v{} was trained on features that it does \
             not name or that this release does not compute, so that nothing can feed it",
            champion.version
        )
    })
}

/// On rows that the champion was trained on it would win whatever it is worth.
fn not_judged(at: Situation<'_>, (number, champion): (u32, u32), unseen: u32) -> Verdict {
    let needed = at.pipeline.promotion.gate_bars;
    let lake = at.observed.status.lake.as_ref();
    let newest = lake.and_then(|lake| lake.last_event_time.as_ref());
    let missing = needed.saturating_sub(unseen);
    let by_gate = at.pipeline.promotion.mode == PromotionMode::Automatic;
    let until = newest.filter(|_| by_gate);
    let until = until.map(|newest| at.pipeline.after_bars(newest, missing));
    let next = until.as_ref().map(|until| until.0.strftime("%Y-%m-%d"));
    let next = next.map(|date| format!("a run on about {date} makes one that can be, and "));
    let message = format!(
        "v{number} is not judged: {unseen} of {needed} bars are unseen by v{champion}; {}\
         promotion.championVersion: {number} serves this one at once",
        next.unwrap_or_default()
    );
    Verdict::Wait { message, until }
}

/// The version of a run; its number is above every number that was ever given.
fn new_version(at: Situation<'_>, run: &RunRecord, result: &TrainingResult) -> ModelVersionSpec {
    let status = &at.observed.status;
    let in_status = [&status.champion, &status.previous, &status.drift_reference];
    let versions = at.observed.versions.iter().map(|v| v.spec.version);
    let highest = versions
        .chain(at.observed.unreadable_versions.iter().copied())
        .chain(in_status.into_iter().flatten().map(|v| v.version))
        .chain(status.run.as_ref().and_then(|r| r.version))
        .max()
        .unwrap_or(0);
    // A trainer of an older release does not name them.
    let is_declared = result.fingerprint == at.pipeline.fingerprint;
    let declared = is_declared.then(|| at.pipeline.feature_set());
    ModelVersionSpec {
        pipeline: at.pipeline.name.name.clone(),
        version: highest + 1,
        manifest_uri: result.manifest_uri.clone(),
        manifest_sha256: result.manifest_sha256.clone(),
        kind: result.kind,
        fingerprint: result.fingerprint.clone(),
        feature_set: result.feature_set.clone().or(declared),
        trigger: Some(run.trigger),
        run_id: Some(run.id.clone()),
        delta_version: Some(result.delta_version),
        trained_through: Some(result.trained_through.clone()),
        metrics: result.metrics.clone(),
        gate: result.gate.clone(),
        leak_guard: result.leak_guard.clone(),
        refused_bars: result.refused_bars.clone(),
    }
}
