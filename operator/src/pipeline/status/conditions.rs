//! The six conditions and the kstatus pair. Pure.

use foresail_crds::Role;
use foresail_crds::pipeline::conditions as names;
use foresail_crds::pipeline::spec::OnSuspicion;
use foresail_crds::pipeline::status::{
    ErrorClass, PipelineStatus, RunRecord, RunState, WorkerError,
};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::condition::{Claim, Conditions};
use crate::pipeline::apply::Applied;
use crate::pipeline::error::Refused;
use crate::pipeline::observed::Observed;
use crate::pipeline::plan::is_retried;
use crate::pipeline::plan::types::Plan;
use crate::pipeline::pods;
use crate::pipeline::resources::Resources;
use crate::pipeline::revised::{DATA_REVISED, Superseded, superseded};
use crate::pipeline::status::account;
use crate::pipeline::status::another;
use crate::pipeline::status::freshness;
use crate::pipeline::status::part::{PartState, thousands};
use crate::pipeline::status::pins;
use crate::pipeline::status::source;
use crate::pipeline::validate::ValidatedPipeline;

/// What conditions are made from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    /// What is declared.
    pub pipeline: &'a ValidatedPipeline,
    /// What was decided.
    pub plan: &'a Plan,
    /// What exists.
    pub observed: &'a Observed,
    /// Children as they live.
    pub applied: &'a Resources<Applied>,
    /// Children that could not be made or removed.
    pub refused: &'a [Refused],
}

impl Facts<'_> {
    fn deployment(&self, role: Role) -> DeploymentStatus {
        let name = self.pipeline.name.child(role.name());
        let deployment = self.applied.find::<Deployment>(&name);
        deployment.and_then(|d| d.status).unwrap_or_default()
    }

    fn is_available(&self, role: Role) -> bool {
        self.deployment(role).available_replicas.unwrap_or(0) > 0
    }
}

/// All conditions in a fixed order.
pub(super) fn all(facts: Facts<'_>, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let parts = [
        sources(facts),
        features(facts),
        training(facts),
        serving(facts),
        freshness::fresh(facts.pipeline, &facts.observed.status, now),
    ];
    // What cannot be made comes before what is waited for.
    let parts = parts.map(|part| refusal(facts, part.type_).unwrap_or(part));
    let summary = match parts.iter().find(|p| !p.truth) {
        None if facts.pipeline.suspend => {
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
    let summary = |type_, truth| Claim {
        type_,
        truth,
        reason: summary.0,
        message: summary.1.clone(),
    };
    let mut claims = vec![summary(names::READY, ready)];
    claims.extend(parts.iter().map(|part| Claim {
        type_: part.type_,
        truth: part.truth,
        reason: &part.reason,
        message: part.message.clone(),
    }));
    // kstatus: present while they apply, removed otherwise.
    if stalled {
        claims.push(summary(names::STALLED, true));
    } else if !ready {
        claims.push(summary(names::RECONCILING, true));
    }
    let conditions = Conditions {
        old: &facts.observed.status.conditions,
        generation,
        now,
    };
    claims.into_iter().map(|c| conditions.claim(c)).collect()
}

fn sources(facts: Facts<'_>) -> PartState {
    let bad = account::lacking(facts.pipeline, facts.plan, facts.observed);
    if let Some(bad) = bad.or_else(|| another::lacking(facts.plan)) {
        return bad;
    }
    let mut part = source_and_lake(facts);
    part.message.push_str(&account::note(facts.observed));
    part
}

fn source_and_lake(facts: Facts<'_>) -> PartState {
    let (p, plan, observed) = (facts.pipeline, facts.plan, facts.observed);
    let type_ = names::SOURCES_READY;
    if !plan.prepared {
        if let Some(bad) = trouble(facts, type_) {
            return bad;
        }
        let prepare = observed
            .status
            .prepare
            .as_ref()
            .filter(|s| s.config == p.prepare_config);
        return match prepare.and_then(|s| s.error.as_ref()) {
            Some(error) => PartState::failed(type_, Role::Prepare.name(), error),
            None => PartState::waiting(
                type_,
                "Preparing",
                "topics are made, Kafka, S3 and Redis are probed",
            ),
        };
    }
    let status = observed.status.ingest.as_ref();
    if let Some(bad) = trouble(facts, type_) {
        return bad;
    }
    if let Some(theirs) = another::mirrored(p, observed) {
        // Who reads its bars is made once they can be.
        let reads = plan.waits_for_bars || facts.is_available(Role::Lake);
        return match theirs.truth && !reads {
            true => PartState::waiting(type_, "Starting", "lake is starting"),
            false => theirs,
        };
    }
    if p.suspend {
        return PartState::good(type_, "Suspended", "ingest is suspended");
    }
    if let Some(misfit) = status.and_then(|s| source::misfit(p, s)) {
        return misfit;
    }
    match status {
        Some(s) if facts.is_available(Role::Ingest) && facts.is_available(Role::Lake) => {
            source::read(p, s)
        }
        _ => PartState::waiting(type_, "Starting", "ingest and lake are starting"),
    }
}

fn features(facts: Facts<'_>) -> PartState {
    let (p, plan, observed) = (facts.pipeline, facts.plan, facts.observed);
    let type_ = names::FEATURES_READY;
    if !plan.prepared {
        return PartState::waiting(type_, "Preparing", "waits for prepare");
    }
    let status = observed.status.stream.as_ref();
    if let Some(bad) = trouble(facts, type_) {
        return bad;
    }
    if p.suspend {
        return PartState::good(type_, "Suspended", "stream is suspended");
    }
    match status {
        Some(s)
            if s.rows > 0 && s.fingerprint == p.fingerprint && facts.is_available(Role::Stream) =>
        {
            match lost(&observed.status) {
                Some(message) => PartState::good(type_, "RecordsLost", message),
                None => PartState::good(type_, "Producing", "feature rows are produced"),
            }
        }
        _ => PartState::waiting(
            type_,
            "WarmingUp",
            "no feature row with the declared features yet",
        ),
    }
}

/// Records that were gone before a role could read them. What came after them is used; nothing brings them back by itself.
fn lost(status: &PipelineStatus) -> Option<String> {
    let stored = status.lake.as_ref().map_or(0, |s| s.lost_records);
    let used = status.stream.as_ref().map_or(0, |s| s.lost_records);
    let (role, records) = if stored > used {
        (Role::Lake, stored)
    } else {
        (Role::Stream, used)
    };
    (records > 0).then(|| {
        format!(
            "feature rows are produced, but up to {} records of the bars topic were removed from Kafka before {role} had \
             read them; check the topic's retention, and send these bars again",
            thousands(records)
        )
    })
}

/// Training, and the monitor that asks for it.
fn training(facts: Facts<'_>) -> PartState {
    let type_ = names::TRAINING_HEALTHY;
    let run = facts.plan.run.as_ref();
    if facts.plan.stopped && facts.plan.running().is_none() {
        return suspicious(facts.pipeline, &facts.observed.status);
    }
    if let Some(run) = run.filter(|run| run.state == RunState::Failed) {
        return failed_run(run);
    }
    if let Some(bad) = trouble(facts, type_) {
        return bad;
    }
    let Some(run) = run else {
        return PartState::good(type_, "Waiting", "no run was needed yet");
    };
    let mut what = format!("run {} ({})", run.id, run.trigger);
    if let Some(superseded) = champion_superseded(facts) {
        what = format!("{what}; {DATA_REVISED}: {}", superseded.message);
    }
    if run.state == RunState::Succeeded {
        return PartState::good(type_, "Succeeded", what);
    }
    if pods::runs(&facts.observed.pods, &run.id) {
        PartState::good(type_, "Running", what)
    } else {
        PartState::good(type_, "Starting", format!("{what}: its pod is starting"))
    }
}

fn champion_superseded(facts: Facts<'_>) -> Option<Superseded> {
    let champion = facts.plan.champion()?;
    let version = facts.observed.version(champion.version)?;
    superseded(facts.observed.status.lake.as_ref(), &version.spec)
}

/// Moves of the source may be mistakes. A person must say what they are before they are learnt from.
fn suspicious(pipeline: &ValidatedPipeline, status: &PipelineStatus) -> PartState {
    let ingest = status.ingest.as_ref();
    let moves = ingest.map_or(0, |ingest| ingest.suspicious_moves);
    let newest = ingest.map(source::newest_suspicions).unwrap_or_default();
    let whose = pipeline.bars_of.as_ref();
    let whose = whose.map_or_else(String::new, |name| format!("in Pipeline {name}, "));
    let message = format!(
        "{} moves of the source may be mistakes, and no training starts: {newest}; {whose}{}",
        thousands(moves),
        OnSuspicion::ADVICE
    );
    PartState {
        stalled: true,
        ..PartState::waiting(names::TRAINING_HEALTHY, "SuspiciousMoves", message)
    }
}

fn failed_run(run: &RunRecord) -> PartState {
    let unknown = WorkerError {
        class: ErrorClass::Internal,
        reason: "RunFailed".into(),
        message: "no cause was recorded".into(),
    };
    let error = run.error.as_ref().unwrap_or(&unknown);
    let next = if is_retried(run) {
        "it is tried again by itself"
    } else {
        "the next trigger, an edit or the annotation foresail.dev/retrain starts another one"
    };
    PartState {
        message: format!("training run {}: {}; {next}", run.id, error.message),
        ..PartState::failed(names::TRAINING_HEALTHY, "", error)
    }
}

fn serving(facts: Facts<'_>) -> PartState {
    let (p, plan, observed) = (facts.pipeline, facts.plan, facts.observed);
    let type_ = names::SERVING_READY;
    if let Some(version) = plan.missing_pin {
        let message = format!(
            "promotion.championVersion is {version}, but ModelVersion {} does not exist",
            p.name.model_version(version)
        );
        return PartState {
            stalled: true,
            ..PartState::waiting(type_, "ChampionVersionMissing", message)
        };
    }
    let Some(champion) = plan.champion() else {
        let message = if plan.serves {
            "every version was deleted; predictors answer with what they have loaded until a new one is trained"
        } else {
            "waits for the first trained version"
        };
        return PartState::waiting(type_, "NoChampion", message);
    };
    if let Some(version) = plan.without_rows {
        return PartState {
            stalled: true,
            ..PartState::waiting(type_, "FeatureSchemaMismatch", no_rows(version))
        };
    }
    let ready = facts.deployment(Role::Predict).ready_replicas.unwrap_or(0);
    let mut said = observed.predictors.iter();
    if let Some((pod, error)) = said.find_map(|p| Some((&p.pod, p.error.as_ref()?))) {
        let goes_on = if ready > 0 {
            "; the version before serves on"
        } else {
            ""
        };
        let error = WorkerError {
            message: format!("{}{goes_on}", error.message),
            ..error.clone()
        };
        return PartState::failed(type_, pod, &error);
    }
    if ready > 0 {
        let message = format!("v{} answers requests", champion.version);
        return match pins::lacking(p, plan, observed) {
            Some((reason, lacking)) => {
                PartState::good(type_, reason, format!("{message}; {lacking}"))
            }
            None => PartState::good(type_, "Serving", message),
        };
    }
    match pods::trouble(observed, Role::Predict) {
        Some(trouble) => PartState::failed(type_, Role::Predict.name(), &trouble),
        None => PartState::waiting(type_, "Starting", "predictor pods are starting"),
    }
}

fn no_rows(version: u32) -> String {
    format!(
        "no feature rows are made for v{version}: the Pipeline declares other features than it was trained on, and its \
         ModelVersion names none that this release computes; declare its features again, or serve a version that is \
         trained on the declared ones"
    )
}

/// What keeps the roles that a condition speaks of from their work.
fn trouble(facts: Facts<'_>, type_: &'static str) -> Option<PartState> {
    let concerns = |role: &Role| role.facts().condition == type_ && facts.pipeline.runs(*role);
    let mut roles = Role::ALL.iter().copied().filter(concerns);
    let of_role = |role: Role| {
        let seen = || pods::trouble(facts.observed, role);
        let error = reported(&facts.observed.status, role)
            .cloned()
            .or_else(seen)?;
        Some(PartState::failed(type_, role.name(), &error))
    };
    roles.find_map(of_role)
}

/// The error a long-running role has reported. What a Job reports belongs to one run, and predictors are asked.
fn reported(status: &PipelineStatus, role: Role) -> Option<&WorkerError> {
    match role {
        Role::Ingest => status.ingest.as_ref()?.error.as_ref(),
        Role::Lake => status.lake.as_ref()?.error.as_ref(),
        Role::Stream => status.stream.as_ref()?.error.as_ref(),
        Role::Monitor => status.monitor_error.as_ref(),
        Role::Prepare | Role::Train | Role::Predict | Role::Cleanup => None,
    }
}

/// A child of these roles that the API server refuses. What several roles share is about what they serve.
fn refusal(facts: Facts<'_>, type_: &'static str) -> Option<PartState> {
    let condition = |refused: &Refused| {
        let of_role = refused.role.map(|role| role.facts().condition);
        of_role.unwrap_or(names::SERVING_READY)
    };
    let refused = facts.refused.iter().find(|r| condition(r) == type_)?;
    Some(PartState::waiting(
        type_,
        refused.reason,
        refused.message.clone(),
    ))
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::status::{
        IngestStatus, LakeStatus, PrepareStatus, RefusalCount, StreamStatus, SuspiciousMove,
    };
    use foresail_crds::worker_config::{ServedVersion, ServingConfig};

    use super::*;
    use crate::pipeline::observed::PredictorAnswer;
    use crate::pipeline::validate::tests::pipeline;

    /// Of a Pipeline of which nothing is applied yet.
    fn conditions_of(p: &ValidatedPipeline, plan: &Plan, observed: &Observed) -> Vec<Condition> {
        let facts = Facts {
            pipeline: p,
            plan,
            observed,
            applied: &Applied::nothing(),
            refused: &[],
        };
        all(facts, Some(1), Timestamp::UNIX_EPOCH)
    }

    fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
        conditions.iter().find(|c| c.type_ == type_)
    }

    #[test]
    fn a_new_pipeline_is_reconciling_and_says_what_it_waits_for() {
        let p = pipeline(|_| {});
        let conditions = conditions_of(&p, &Plan::default(), &Observed::default());
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
    fn a_champion_that_no_rows_are_made_for_is_said_to_have_none() {
        let p = pipeline(|_| {});
        let plan = Plan {
            serving: ServingConfig {
                champion: Some(ServedVersion {
                    version: 3,
                    manifest_uri: "s3://b/k".into(),
                    manifest_sha256: "a".into(),
                }),
                ..ServingConfig::default()
            },
            without_rows: Some(3),
            ..Plan::default()
        };
        let conditions = conditions_of(&p, &plan, &Observed::default());
        let serving = find(&conditions, "ServingReady").unwrap();
        assert_eq!(
            (serving.status.as_str(), serving.reason.as_str()),
            ("False", "FeatureSchemaMismatch")
        );
        let said = serving
            .message
            .starts_with("no feature rows are made for v3");
        assert!(said, "{}", serving.message);
        assert!(find(&conditions, "Stalled").is_some());
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
                config: p.prepare_config.clone(),
                complete: false,
                source: None,
                error: Some(error),
            });
            let conditions = conditions_of(&p, &Plan::default(), &observed);
            assert_eq!(find(&conditions, "Ready").unwrap().reason, "S3AccessDenied");
            assert_eq!(find(&conditions, "Stalled").is_some(), stalled);
            assert_eq!(find(&conditions, "Reconciling").is_some(), !stalled);
        }
    }

    #[test]
    fn a_source_of_which_most_rows_are_refused_is_not_ready_and_says_why() {
        let p = pipeline(|_| {});
        let plan = Plan {
            prepared: true,
            ..Plan::default()
        };
        let sources = |read, quarantined, refusals| {
            let mut observed = Observed::default();
            observed.status.ingest = Some(IngestStatus {
                rows_read: read,
                rows_sent: read - quarantined,
                rows_quarantined: quarantined,
                refusals,
                source_complete: true,
                ..IngestStatus::default()
            });
            let conditions = conditions_of(&p, &plan, &observed);
            assert_eq!(
                find(&conditions, "Stalled").is_some(),
                quarantined > read / 2
            );
            find(&conditions, "SourcesReady").unwrap().clone()
        };
        let dates = RefusalCount {
            reason: "BadDate".into(),
            rows: 1_200,
            example: "line 2: date `01/03/2000` must be YYYY-MM-DD".into(),
        };
        for (read, quarantined) in [(1_201, 1_201), (1_201, 601), (1, 1)] {
            let refused = sources(read, quarantined, vec![dates.clone()]);
            assert_eq!(
                (refused.status.as_str(), refused.reason.as_str()),
                ("False", "RowsRefused")
            );
            let why = "BadDate: line 2: date `01/03/2000` must be YYYY-MM-DD";
            assert!(refused.message.contains(why), "{}", refused.message);
        }
        for (read, quarantined) in [(0, 0), (1_201, 600), (2, 1)] {
            assert_ne!(sources(read, quarantined, vec![]).reason, "RowsRefused");
        }
        let unknown = sources(1_201, 1_201, vec![]);
        assert_eq!(unknown.reason, "RowsRefused", "whatever is not known");
    }

    #[test]
    fn suspicious_moves_are_told_and_where_they_stop_training_with_what_to_write() {
        let p = pipeline(|_| {});
        let mut plan = Plan {
            prepared: true,
            stopped: true,
            ..Plan::default()
        };
        let message =
            "ACME: 2020-01-02 closes at 100 and 2020-01-03 at 25, as after a split of 4:1";
        let mut observed = Observed::default();
        observed.status.ingest = Some(IngestStatus {
            suspicious_moves: 1_200,
            suspicions: vec![SuspiciousMove {
                reason: "SuspectedSplit".into(),
                message: message.into(),
            }],
            ..IngestStatus::default()
        });
        let training = |plan: &Plan| {
            let conditions = conditions_of(&p, plan, &observed);
            let stalled = find(&conditions, "Stalled").is_some();
            (
                find(&conditions, "TrainingHealthy").unwrap().clone(),
                stalled,
            )
        };
        let (stopped, stalled) = training(&plan);
        assert_eq!(
            (stopped.status.as_str(), stopped.reason.as_str(), stalled),
            ("False", "SuspiciousMoves", true)
        );
        for part in ["1,200 moves", message, "source.onSuspicion to Warn"] {
            assert!(stopped.message.contains(part), "{}", stopped.message);
        }
        plan.stopped = false;
        assert_eq!(training(&plan).0.status, "True");
    }

    #[test]
    fn what_a_predictor_cannot_load_is_in_the_condition() {
        let p = pipeline(|_| {});
        let plan = Plan {
            prepared: true,
            serving: ServingConfig {
                champion: Some(ServedVersion {
                    version: 2,
                    manifest_uri: String::new(),
                    manifest_sha256: String::new(),
                }),
                ..ServingConfig::default()
            },
            ..Plan::default()
        };
        let error = WorkerError {
            class: ErrorClass::User,
            reason: "DigestMismatch".into(),
            message: "m".into(),
        };
        let observed = Observed {
            predictors: vec![PredictorAnswer {
                pod: "pod".into(),
                error: Some(error),
                loaded: vec![],
                refused: vec![],
            }],
            ..Observed::default()
        };
        let conditions = conditions_of(&p, &plan, &observed);
        let serving = find(&conditions, "ServingReady").unwrap();
        assert_eq!(
            (serving.status.as_str(), serving.reason.as_str()),
            ("False", "DigestMismatch")
        );
    }

    #[test]
    fn what_the_monitor_cannot_do_is_in_the_condition() {
        let p = pipeline(|_| {});
        let plan = Plan {
            prepared: true,
            ..Plan::default()
        };
        let mut observed = Observed::default();
        let training = |observed: &Observed| {
            let conditions = conditions_of(&p, &plan, observed);
            let training = find(&conditions, "TrainingHealthy").unwrap();
            (training.status.clone(), training.reason.clone())
        };
        assert_eq!(training(&observed), ("True".into(), "Waiting".into()));
        observed.status.monitor_error = Some(WorkerError {
            class: ErrorClass::User,
            reason: "DriftPolicyMismatch".into(),
            message: "drift is not watched".into(),
        });
        let mismatch = ("False".into(), "DriftPolicyMismatch".into());
        assert_eq!(training(&observed), mismatch);
        observed.status.monitor_error = None;
        for (role, reason) in [("monitor", "ImageMissing"), ("train", "ImageMissing")] {
            let pod = serde_json::json!({
                "metadata": {"name": "x", "labels": {"app.kubernetes.io/component": role}},
                "status": {"containerStatuses": [{
                    "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff"}}
                }]}
            });
            observed.pods = vec![serde_json::from_value(pod).unwrap()];
            assert_eq!(
                training(&observed),
                ("False".into(), reason.into()),
                "{role}"
            );
        }
    }

    #[test]
    fn records_that_kafka_has_removed_are_named() {
        let mut status = PipelineStatus::default();
        assert_eq!(lost(&status), None);
        status.lake = Some(LakeStatus {
            lost_records: 1_200,
            ..LakeStatus::default()
        });
        let said = lost(&status).unwrap();
        assert!(
            said.contains("1,200 records") && said.contains("before lake"),
            "{said}"
        );
        status.stream = Some(StreamStatus {
            lost_records: 1_300,
            ..StreamStatus::default()
        });
        assert!(lost(&status).unwrap().contains("before stream"));
    }
}
