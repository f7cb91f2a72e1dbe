//! The six conditions and the kstatus pair. Pure.

use foresail_crds::Role;
use foresail_crds::pipeline::conditions as names;
use foresail_crds::pipeline::status::{ErrorClass, RunState, WorkerError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::condition;
use crate::pipeline::apply::Applied;
use crate::pipeline::dereference::Observed;
use crate::pipeline::plan::Plan;
use crate::pipeline::pods;
use crate::pipeline::validate::ValidatedPipeline;

const DAY_MS: f64 = 86_400_000.0;

/// One judgement.
struct Judgement {
    type_: &'static str,
    truth: bool,
    reason: String,
    message: String,
    /// A person must act.
    stalled: bool,
}

impl Judgement {
    fn good(type_: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            type_,
            truth: true,
            reason: reason.into(),
            message: message.into(),
            stalled: false,
        }
    }

    fn waiting(type_: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self {
            type_,
            truth: false,
            reason: reason.into(),
            message: message.into(),
            stalled: false,
        }
    }

    fn failed(type_: &'static str, who: &str, error: &WorkerError) -> Self {
        let class = match error.class {
            ErrorClass::User => "to be corrected by you",
            ErrorClass::Outside => "an outside system, retried automatically",
            ErrorClass::Internal => "a fault of Foresail, please report it",
        };
        let message = format!("{who}: {} ({class})", error.message);
        let stalled = error.class == ErrorClass::User;
        Self {
            type_,
            truth: false,
            reason: error.reason.clone(),
            message,
            stalled,
        }
    }
}

/// All conditions in a fixed order.
pub(super) fn all(
    pipeline: &ValidatedPipeline,
    plan: &Plan,
    applied: &Applied,
    observed: &Observed,
    generation: Option<i64>,
) -> Vec<Condition> {
    let parts = [
        sources(pipeline, plan, applied, observed),
        features(pipeline, plan, applied, observed),
        training(plan),
        serving(pipeline, plan, applied, observed),
        fresh(pipeline, observed),
    ];
    let old = &observed.status.conditions;
    let summary = match parts.iter().find(|p| !p.truth) {
        None if pipeline.spec.suspend => {
            ("Suspended", "suspended; predictors serve on".to_string())
        }
        None => ("AllReady", "every part is ready".to_string()),
        Some(bad) => (
            bad.reason.as_str(),
            format!("{}: {}", bad.type_, bad.message),
        ),
    };
    let ready = parts.iter().all(|p| p.truth);
    let stalled = parts.iter().any(|p| p.stalled);
    let mut conditions = vec![condition(
        old,
        (names::READY, ready, summary.0, summary.1.clone()),
        generation,
    )];
    for part in &parts {
        let what = (
            part.type_,
            part.truth,
            part.reason.as_str(),
            part.message.clone(),
        );
        conditions.push(condition(old, what, generation));
    }
    // kstatus: present while they apply, removed otherwise.
    if stalled {
        conditions.push(condition(
            old,
            (names::STALLED, true, summary.0, summary.1),
            generation,
        ));
    } else if !ready {
        conditions.push(condition(
            old,
            (names::RECONCILING, true, summary.0, summary.1),
            generation,
        ));
    }
    conditions
}

fn sources(
    p: &ValidatedPipeline,
    plan: &Plan,
    applied: &Applied,
    observed: &Observed,
) -> Judgement {
    let type_ = names::SOURCES_READY;
    if !plan.prepared {
        if let Some(trouble) = pods::trouble(&observed.pods, &observed.events, Role::Prepare) {
            return Judgement::failed(type_, Role::Prepare.name(), &trouble);
        }
        let prepare = observed
            .status
            .prepare
            .as_ref()
            .filter(|s| s.config == p.config_name);
        return match prepare.and_then(|s| s.error.as_ref()) {
            Some(error) => Judgement::failed(type_, Role::Prepare.name(), error),
            None => Judgement::waiting(
                type_,
                "Preparing",
                "topics are made, Kafka, S3 and Redis are probed",
            ),
        };
    }
    let status = observed.status.ingest.as_ref();
    let lake = observed.status.lake.as_ref();
    let errors = [
        (Role::Ingest, status.and_then(|s| s.error.as_ref())),
        (Role::Lake, lake.and_then(|s| s.error.as_ref())),
    ];
    if let Some(bad) = worker_trouble(type_, &errors, observed) {
        return bad;
    }
    if p.spec.suspend {
        return Judgement::good(type_, "Suspended", "ingest is suspended");
    }
    match status {
        Some(s) if available(p, applied, Role::Ingest) && available(p, applied, Role::Lake) => {
            let message = format!(
                "{} rows read, {} in quarantine",
                thousands(s.rows_read),
                s.rows_quarantined
            );
            let message = if s.source_complete {
                message
            } else {
                "bars arrive".into()
            };
            Judgement::good(
                type_,
                if s.source_complete {
                    "SourceComplete"
                } else {
                    "Reading"
                },
                message,
            )
        }
        _ => Judgement::waiting(type_, "Starting", "ingest and lake are starting"),
    }
}

fn features(
    p: &ValidatedPipeline,
    plan: &Plan,
    applied: &Applied,
    observed: &Observed,
) -> Judgement {
    let type_ = names::FEATURES_READY;
    if !plan.prepared {
        return Judgement::waiting(type_, "Preparing", "waits for prepare");
    }
    let status = observed.status.stream.as_ref();
    let errors = [(Role::Stream, status.and_then(|s| s.error.as_ref()))];
    if let Some(bad) = worker_trouble(type_, &errors, observed) {
        return bad;
    }
    if p.spec.suspend {
        return Judgement::good(type_, "Suspended", "stream is suspended");
    }
    match status {
        Some(s)
            if s.rows > 0
                && s.fingerprint == p.fingerprint
                && available(p, applied, Role::Stream) =>
        {
            Judgement::good(type_, "Producing", "feature rows are produced")
        }
        _ => Judgement::waiting(
            type_,
            "WarmingUp",
            "no feature row with the declared features yet",
        ),
    }
}

fn training(plan: &Plan) -> Judgement {
    let type_ = names::TRAINING_HEALTHY;
    match &plan.run {
        None => Judgement::good(type_, "Waiting", "no run was needed yet"),
        Some(run) => match run.state {
            RunState::Running => Judgement::good(
                type_,
                "Running",
                format!("run {} ({})", run.id, run.trigger),
            ),
            RunState::Succeeded => Judgement::good(
                type_,
                "Succeeded",
                format!("run {} ({})", run.id, run.trigger),
            ),
            RunState::Failed => {
                let unknown = WorkerError {
                    class: ErrorClass::Internal,
                    reason: "RunFailed".into(),
                    message: "no cause was recorded".into(),
                };
                let error = run.error.as_ref().unwrap_or(&unknown);
                Judgement::failed(type_, &format!("training run {}", run.id), error)
            }
        },
    }
}

fn serving(
    p: &ValidatedPipeline,
    plan: &Plan,
    applied: &Applied,
    observed: &Observed,
) -> Judgement {
    let type_ = names::SERVING_READY;
    if let Some(version) = plan.missing_pin {
        let message = format!(
            "promotion.championVersion is {version}, but ModelVersion {} does not exist",
            p.name.model_version(version)
        );
        return Judgement {
            stalled: true,
            ..Judgement::waiting(type_, "ChampionVersionMissing", message)
        };
    }
    let Some(champion) = &plan.champion else {
        return Judgement::waiting(type_, "NoChampion", "waits for the first trained version");
    };
    let ready = applied.find("Deployment", &p.name.child(Role::Predict.name()));
    let ready = ready
        .and_then(|d| d.data["status"]["readyReplicas"].as_i64())
        .unwrap_or(0);
    if let Some((pod, error)) = observed.predictors.first() {
        let goes_on = if ready > 0 {
            "; the version before serves on"
        } else {
            ""
        };
        let error = WorkerError {
            message: format!("{}{goes_on}", error.message),
            ..error.clone()
        };
        return Judgement::failed(type_, pod, &error);
    }
    if ready > 0 {
        return Judgement::good(
            type_,
            "Serving",
            format!("v{} answers requests", champion.version),
        );
    }
    match pods::trouble(&observed.pods, &observed.events, Role::Predict) {
        Some(trouble) => Judgement::failed(type_, Role::Predict.name(), &trouble),
        None => Judgement::waiting(type_, "Starting", "predictor pods are starting"),
    }
}

/// In a replay, data is fresh when lake and features keep up with ingest; the tolerance is some
/// seconds of replay, so that the condition does not flap.
fn fresh(p: &ValidatedPipeline, observed: &Observed) -> Judgement {
    let type_ = names::DATA_FRESH;
    let status = &observed.status;
    let newest = |time: Option<&Time>| time.map(|t| t.0.as_millisecond());
    let sent = newest(
        status
            .ingest
            .as_ref()
            .and_then(|s| s.last_event_time.as_ref()),
    );
    let stored = newest(
        status
            .lake
            .as_ref()
            .and_then(|s| s.last_event_time.as_ref()),
    );
    let featured = newest(
        status
            .stream
            .as_ref()
            .and_then(|s| s.last_event_time.as_ref()),
    );
    let (Some(sent), Some(stored), Some(featured)) = (sent, stored, featured) else {
        return Judgement::waiting(type_, "NoData", "no bar has passed all stages yet");
    };
    let days = 4.0 + p.replay_speed.unwrap_or(0.0) * 30.0;
    let behind = (sent - stored.min(featured)) as f64 / DAY_MS;
    if behind <= days {
        Judgement::good(type_, "KeepingUp", "lake and features keep up with ingest")
    } else {
        let who = if stored < featured {
            Role::Lake
        } else {
            Role::Stream
        };
        Judgement::waiting(
            type_,
            "Behind",
            format!("{who} is behind ingest by more than {days:.0} days of market time"),
        )
    }
}

fn worker_trouble(
    type_: &'static str,
    errors: &[(Role, Option<&WorkerError>)],
    observed: &Observed,
) -> Option<Judgement> {
    for (role, reported) in errors {
        if let Some(error) = reported {
            return Some(Judgement::failed(type_, role.name(), error));
        }
        if let Some(trouble) = pods::trouble(&observed.pods, &observed.events, *role) {
            return Some(Judgement::failed(type_, role.name(), &trouble));
        }
    }
    None
}

fn available(p: &ValidatedPipeline, applied: &Applied, role: Role) -> bool {
    let deployment = applied.find("Deployment", &p.name.child(role.name()));
    deployment
        .and_then(|d| d.data["status"]["availableReplicas"].as_i64())
        .unwrap_or(0)
        > 0
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::status::PrepareStatus;
    use foresail_crds::worker_config::ServedVersion;

    use super::*;
    use crate::pipeline::validate::tests::pipeline;

    fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
        conditions.iter().find(|c| c.type_ == type_)
    }

    #[test]
    fn a_new_pipeline_is_reconciling_and_says_what_it_waits_for() {
        let p = pipeline(|_| {});
        let conditions = all(
            &p,
            &Plan::default(),
            &Applied::default(),
            &Observed::default(),
            Some(1),
        );
        let ready = find(&conditions, "Ready").unwrap();
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "Preparing")
        );
        assert!(
            find(&conditions, "Reconciling").is_some() && find(&conditions, "Stalled").is_none()
        );
        assert_eq!(conditions.len(), 7);
    }

    #[test]
    fn a_users_fault_stalls_and_an_outside_one_does_not() {
        let p = pipeline(|_| {});
        for (class, stalled) in [(ErrorClass::User, true), (ErrorClass::Outside, false)] {
            let mut observed = Observed::default();
            let error = WorkerError {
                class,
                reason: "S3AccessDenied".into(),
                message: "m".into(),
            };
            observed.status.prepare = Some(PrepareStatus {
                config: p.config_name.clone(),
                complete: false,
                error: Some(error),
            });
            let conditions = all(
                &p,
                &Plan::default(),
                &Applied::default(),
                &observed,
                Some(1),
            );
            assert_eq!(find(&conditions, "Ready").unwrap().reason, "S3AccessDenied");
            assert_eq!(find(&conditions, "Stalled").is_some(), stalled);
            assert_eq!(find(&conditions, "Reconciling").is_some(), !stalled);
        }
    }

    #[test]
    fn what_a_predictor_cannot_load_is_told() {
        let p = pipeline(|_| {});
        let plan = Plan {
            prepared: true,
            champion: Some(ServedVersion {
                version: 2,
                manifest_uri: String::new(),
                manifest_sha256: String::new(),
            }),
            ..Plan::default()
        };
        let error = WorkerError {
            class: ErrorClass::User,
            reason: "DigestMismatch".into(),
            message: "m".into(),
        };
        let observed = Observed {
            predictors: vec![("pod".into(), error)],
            ..Observed::default()
        };
        let found = serving(&p, &plan, &Applied::default(), &observed);
        assert_eq!(
            (found.truth, found.reason.as_str()),
            (false, "DigestMismatch")
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 999, 1000, 7437, 1234567].map(thousands),
            ["0", "999", "1,000", "7,437", "1,234,567"]
        );
    }
}
