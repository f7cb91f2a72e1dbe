#[path = "plan_tests/data_revised.rs"]
mod data_revised;
#[path = "plan_tests/decides.rs"]
mod decides_tests;
#[path = "plan_tests/features.rs"]
mod features;
#[path = "plan_tests/pins.rs"]
mod pins_tests;
#[path = "plan_tests/recovery.rs"]
mod recovery;
#[path = "plan_tests/suspicion.rs"]
mod suspicion_tests;

use foresail_crds::model_manifest::{GateResult, LeakCheck, LeakGuardResult};
use foresail_crds::model_version::ModelVersionStatus;
use foresail_crds::pipeline::spec::{DriftMetric, ModelKind};
use foresail_crds::pipeline::status::{
    Action, AlarmEpisode, DriftStatus, ErrorClass, IngestStatus, LakeStatus, PerformanceStatus,
    PrepareStatus, Reason, RunState, TrainingResult, TrainingStatus, Trigger, WorkerError,
};
use foresail_crds::{Decimal, ModelVersion, ModelVersionSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::types::AssignedRole;
use super::*;
use crate::pipeline::validate::tests::pipeline;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn day(days: i64) -> Time {
    Time(Timestamp::from_millisecond(days * 86_400_000).unwrap())
}

/// Prepared, backfilled, nothing trained.
fn ready(p: &ValidatedPipeline) -> Observed {
    let mut observed = Observed::default();
    let status = &mut observed.status;
    status.prepare = Some(PrepareStatus {
        config: p.prepare_config.clone(),
        complete: true,
        source: None,
        error: None,
    });
    status.ingest = Some(IngestStatus {
        rows_sent: 100,
        backfill_complete: true,
        ..IngestStatus::default()
    });
    status.lake = Some(LakeStatus {
        version: 3,
        rows: 100,
        last_event_time: Some(day(1000)),
        ..LakeStatus::default()
    });
    observed
}

fn version(
    p: &ValidatedPipeline,
    number: u32,
    run: &str,
    role: Option<VersionRole>,
) -> ModelVersion {
    let spec = ModelVersionSpec {
        pipeline: "p".into(),
        version: number,
        manifest_uri: format!("s3://bucket/lake/n/p/models/{run}/manifest.json"),
        manifest_sha256: "a".repeat(64),
        kind: ModelKind::Linear,
        fingerprint: p.fingerprint.clone(),
        feature_set: Some(p.feature_set()),
        trigger: Some(Trigger::Initial),
        run_id: Some(run.into()),
        delta_version: Some(3),
        trained_through: Some(day(900)),
        metrics: vec![],
        gate: None,
        leak_guard: None,
        refused_bars: vec![],
    };
    let mut version = ModelVersion::new(&format!("p-v{number}"), spec);
    version.status = Some(ModelVersionStatus {
        role,
        ..ModelVersionStatus::default()
    });
    version
}

fn result(p: &ValidatedPipeline, run: &RunRecord, gate: Option<GateResult>) -> TrainingStatus {
    TrainingStatus {
        run_id: run.id.clone(),
        result: Some(TrainingResult {
            manifest_uri: format!("s3://bucket/lake/n/p/models/{}/manifest.json", run.id),
            manifest_sha256: "b".repeat(64),
            delta_version: run.delta_version,
            trained_through: day(900),
            fingerprint: p.fingerprint.clone(),
            feature_set: Some(p.feature_set()),
            kind: ModelKind::Linear,
            metrics: vec![],
            gate,
            unseen_sessions: None,
            leak_guard: None,
            refused_bars: vec![],
        }),
        ..TrainingStatus::default()
    }
}

fn gate(effect: &str, challenger: &str) -> GateResult {
    GateResult {
        champion_version: 1,
        dates: 40,
        challenger_rmse: challenger.into(),
        champion_rmse: "0.03".into(),
        naive_rmse: "0.03".into(),
        effect: effect.into(),
        p_value: "0.01".into(),
    }
}

fn drift(version: u32, sessions: u32) -> DriftStatus {
    DriftStatus {
        model_version: version,
        metric: DriftMetric::Psi,
        score: Decimal::from("3"),
        threshold: Decimal::from("2"),
        alarm: true,
        alarm_since: Some(day(1990)),
        sessions_since_alarm: sessions,
        longest_alarm: None,
        window_end_time: day(2000),
        features: vec![],
    }
}

/// Follows one plan into the next observation, as apply and status would.
fn follow(mut observed: Observed, p: &ValidatedPipeline, plan: &Plan) -> Observed {
    if let Some(spec) = plan.create() {
        let mut created = version(p, spec.version, spec.run_id.as_deref().unwrap(), None);
        created.spec = spec.clone();
        observed.versions.push(created);
    }
    for AssignedRole { version, role, .. } in &plan.roles {
        if let Some(found) = observed
            .versions
            .iter_mut()
            .find(|v| v.spec.version == *version)
        {
            found.status.get_or_insert_default().role = Some(*role);
        }
    }
    let status = &mut observed.status;
    status.champion = plan.serving.champion.clone();
    status.previous = plan.serving.previous.clone();
    status.drift_reference = plan.serving.drift_reference.clone();
    status.rollback = plan.rollback.clone();
    status.run = plan.run.clone();
    status.last_decision = plan.decision(now()).or(status.last_decision.take());
    observed.serving = Some(plan.serving.clone());
    observed
}

/// A Pipeline with v1 as champion, its first run recorded.
fn with_champion(p: &ValidatedPipeline) -> Observed {
    let first = ready(p);
    let started = plan(p, &first, now());
    let mut observed = follow(first, p, &started);
    observed.status.training = Some(result(p, started.run.as_ref().unwrap(), None));
    let finished = plan(p, &observed, now());
    assert_eq!(finished.decision(now()).unwrap().reason, Reason::First);
    let mut observed = follow(observed, p, &finished);
    observed.status.lake.as_mut().unwrap().last_event_time = Some(day(2000));
    observed
}

#[test]
fn nothing_starts_before_prepare_and_backfill() {
    let p = pipeline(|_| {});
    let mut observed = ready(&p);
    observed.status.lake.as_mut().unwrap().rows = 99;
    assert_eq!(plan(&p, &observed, now()).run, None);
    let mut observed = ready(&p);
    observed.status.prepare.as_mut().unwrap().config = "another".into();
    assert_eq!(plan(&p, &observed, now()).run, None);
    let suspended = pipeline(|v| v["spec"]["suspend"] = json!(true));
    assert_eq!(plan(&suspended, &ready(&suspended), now()).run, None);
}

#[test]
fn the_first_run_pins_the_lake_version_and_is_the_same_for_two_operators() {
    let p = pipeline(|_| {});
    let one = plan(&p, &ready(&p), now());
    let other = plan(
        &p,
        &ready(&p),
        now().checked_add(jiff::Span::new().seconds(9)).unwrap(),
    );
    let (one, other) = (one.training.unwrap(), other.training.unwrap());
    assert_eq!(one.run_id, other.run_id);
    assert_eq!(
        (one.delta_version, one.trigger, one.champion),
        (3, Trigger::Initial, None)
    );
}

#[test]
fn the_first_version_is_promoted_and_made_once() {
    let p = pipeline(|_| {});
    let observed = with_champion(&p);
    assert_eq!(observed.versions.len(), 1);
    let again = plan(&p, &observed, now());
    assert_eq!(
        (
            again.create(),
            again.decision(now()),
            again.training.clone()
        ),
        (None, None, None)
    );
    assert_eq!(again.serving.champion.unwrap().version, 1);
}

#[test]
fn a_crash_after_making_the_version_makes_no_second_one() {
    let p = pipeline(|_| {});
    let first = ready(&p);
    let started = plan(&p, &first, now());
    let mut observed = follow(first, &p, &started);
    observed.status.training = Some(result(&p, started.run.as_ref().unwrap(), None));
    let finished = plan(&p, &observed, now());
    // The version exists, nothing else was written.
    let spec = finished.create().unwrap().clone();
    let mut created = version(&p, 1, spec.run_id.as_deref().unwrap(), None);
    created.spec = spec;
    observed.versions.push(created);
    let again = plan(&p, &observed, now());
    assert_eq!(again.create(), None);
    assert_eq!(again.serving.champion, finished.serving.champion);
}

#[test]
fn a_result_that_is_not_ours_is_refused() {
    let p = pipeline(|_| {});
    let first = ready(&p);
    let started = plan(&p, &first, now());
    let mut observed = follow(first, &p, &started);
    let mut training = result(&p, started.run.as_ref().unwrap(), None);
    training.result.as_mut().unwrap().manifest_uri = "s3://elsewhere/manifest.json".into();
    observed.status.training = Some(training);
    let refused = plan(&p, &observed, now());
    assert_eq!(refused.serving.champion, None);
    assert_eq!(refused.run.unwrap().error.unwrap().reason, "ResultRefused");
}

#[test]
fn drift_starts_one_run_after_settling_and_only_for_the_right_version() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"settleSessions": 10, "cooldown": "1d"}));
    let mut observed = with_champion(&p);
    observed.status.drift = Some(drift(1, 9));
    assert!(plan(&p, &observed, now()).training.is_none(), "not settled");
    observed.status.drift = Some(drift(2, 10));
    assert!(
        plan(&p, &observed, now()).training.is_none(),
        "another version's alarm"
    );
    observed.status.drift = Some(drift(1, 10));
    let started = plan(&p, &observed, now());
    assert_eq!(started.training.as_ref().unwrap().trigger, Trigger::Drift);
    assert_eq!(
        started
            .training
            .as_ref()
            .unwrap()
            .champion
            .as_ref()
            .unwrap()
            .version,
        1
    );
    let observed = follow(observed, &p, &started);
    let again = plan(&p, &observed, now());
    assert_eq!(
        again.training.as_ref().unwrap().run_id,
        started.training.unwrap().run_id
    );
    assert_eq!(again.decision(now()), None);
}

#[test]
fn cooldown_counts_event_time_in_replay_and_is_said_once() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "1001d"}));
    let mut observed = with_champion(&p);
    observed.status.drift = Some(drift(1, 0));
    let held = plan(&p, &observed, now());
    assert!(held.training.is_none());
    let decision = held.decision(now()).unwrap();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::RetrainSkipped, Reason::Cooldown)
    );
    let mut observed = follow(observed, &p, &held);
    assert_eq!(plan(&p, &observed, now()).decision(now()), None);
    observed.status.lake.as_mut().unwrap().last_event_time = Some(day(2002));
    assert!(
        plan(&p, &observed, now()).training.is_some(),
        "1,002 days of event time have passed"
    );
}

/// In replay a day is one of the market, however fast it passes; live it is one of the clock, whatever the bars say.
#[test]
fn no_more_than_max_per_day_start_in_a_day_of_the_clock_that_counts() {
    for replayed in [true, false] {
        let p = pipeline(|v| {
            v["spec"]["retraining"] =
                json!({"triggers": ["Drift"], "cooldown": "0s", "maxPerDay": 2});
            if !replayed {
                v["spec"]["source"]["replay"] = serde_json::Value::Null;
            }
        });
        let mut observed = with_champion(&p);
        // Hours on the clock that counts; the other one stands still, or runs ahead by a hundred days each time.
        let looks = [
            (48, Some(Reason::Drift)),
            (49, Some(Reason::Drift)),
            (50, Some(Reason::MaxPerDay)),
            (71, None),
            (72, Some(Reason::Drift)),
            (72, Some(Reason::MaxPerDay)),
            (73, Some(Reason::Drift)),
        ];
        for (alarm, (hours, expected)) in (1990..).zip(looks) {
            let counted = jiff::Span::new().hours(hours);
            let (market, wall) = if replayed {
                (day(2000).0.checked_add(counted).unwrap(), now())
            } else {
                let wall = now().checked_add(counted).unwrap();
                (day(100 * alarm).0, wall)
            };
            observed.status.lake.as_mut().unwrap().last_event_time = Some(Time(market));
            // Each alarm is a new one; the run before has ended.
            let alarm_since = Some(day(alarm));
            observed.status.drift = Some(DriftStatus {
                alarm_since,
                ..drift(1, 0)
            });
            observed.status.run.as_mut().unwrap().state = RunState::Succeeded;
            let seen = plan(&p, &observed, wall);
            let reason = seen.decision(wall).map(|decision| decision.reason);
            assert_eq!(reason, expected, "replayed {replayed}, hour {hours}");
            assert_eq!(seen.starts(), expected == Some(Reason::Drift));
            observed = follow(observed, &p, &seen);
        }
    }
}

#[test]
fn a_better_challenger_replaces_and_a_worse_one_rebases_the_alarm() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "1d"}));
    for (effect, challenger, promoted) in [("0.1", "0.027", true), ("-0.1", "0.033", false)] {
        let mut observed = with_champion(&p);
        observed.status.drift = Some(drift(1, 0));
        let started = plan(&p, &observed, now());
        let mut observed = follow(observed, &p, &started);
        observed.status.training = Some(result(
            &p,
            started.run.as_ref().unwrap(),
            Some(gate(effect, challenger)),
        ));
        let judged = plan(&p, &observed, now());
        assert_eq!(
            judged.serving.champion.as_ref().unwrap().version,
            if promoted { 2 } else { 1 }
        );
        assert_eq!(judged.serving.drift_reference.is_none(), promoted);
        let observed = follow(observed, &p, &judged);
        // The alarm of v1's reference is still in status: it must not start another run.
        assert!(plan(&p, &observed, now()).training.is_none());
        let role = |n: usize| observed.versions[n].status.as_ref().unwrap().role.unwrap();
        let expected = if promoted {
            (VersionRole::Previous, VersionRole::Champion)
        } else {
            (VersionRole::Champion, VersionRole::Rejected)
        };
        assert_eq!((role(0), role(1)), expected);
    }
}

#[test]
fn a_leak_is_never_promoted_first_version_or_not() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "1d"}));
    let leak = LeakGuardResult {
        passed: false,
        checks: vec![LeakCheck {
            name: "Features".into(),
            passed: false,
            checked: 7,
            detail: "inputs changed after a time alter a row".into(),
        }],
    };
    for champion in [true, false] {
        let mut observed = if champion {
            with_champion(&p)
        } else {
            ready(&p)
        };
        observed.status.drift = champion.then(|| drift(1, 0));
        let started = plan(&p, &observed, now());
        let mut observed = follow(observed, &p, &started);
        let run = started.run.as_ref().unwrap();
        let mut training = result(&p, run, Some(gate("0.5", "0.01")));
        training.result.as_mut().unwrap().leak_guard = Some(leak.clone());
        observed.status.training = Some(training);
        let judged = plan(&p, &observed, now());
        assert_eq!(
            judged.serving.champion.as_ref().map(|c| c.version),
            champion.then_some(1)
        );
        let decision = judged.decision(now()).unwrap();
        assert_eq!(
            (decision.action, decision.reason),
            (Action::ModelRejected, Reason::LeakFound)
        );
        assert!(
            decision.message.contains("Features: inputs changed"),
            "{}",
            decision.message
        );
        let created = judged.create().unwrap().version;
        let role = judged
            .roles
            .iter()
            .find(|assigned| assigned.version == created)
            .unwrap();
        assert_eq!(role.role, VersionRole::Rejected);
        // The same data would leak again: nothing starts by itself.
        let observed = follow(observed, &p, &judged);
        assert!(plan(&p, &observed, now()).training.is_none());
    }
}

#[test]
fn rollback_happens_once_per_annotation_value() {
    let base = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "1d"}));
    let mut observed = with_champion(&base);
    observed
        .versions
        .push(version(&base, 2, "r2", Some(VersionRole::Champion)));
    observed.status.champion = Some(observed.versions[1].spec.served());
    observed.status.previous = Some(observed.versions[0].spec.served());
    let p = pipeline(|v| {
        v["spec"]["retraining"] = json!({"cooldown": "1d"});
        v["metadata"]["annotations"] = json!({"foresail.dev/rollback": "1"});
    });
    let rolled = plan(&p, &observed, now());
    assert_eq!(
        (
            rolled.serving.champion.as_ref().unwrap().version,
            rolled.serving.previous.as_ref().unwrap().version
        ),
        (1, 2)
    );
    let observed = follow(observed, &p, &rolled);
    let again = plan(&p, &observed, now());
    assert_eq!(
        (
            again.serving.champion.as_ref().unwrap().version,
            again.decision(now())
        ),
        (1, None)
    );
}

#[test]
fn a_pin_promotes_without_the_gate_and_a_missing_one_is_said() {
    let base = pipeline(|_| {});
    let mut observed = with_champion(&base);
    let p = pipeline(|v| v["spec"]["promotion"] = json!({"championVersion": 2}));
    assert_eq!(plan(&p, &observed, now()).missing_pin, Some(2));
    observed.versions.push(version(&p, 2, "r2", None));
    let pinned = plan(&p, &observed, now());
    assert_eq!(
        (pinned.serving.champion.unwrap().version, pinned.missing_pin),
        (2, None)
    );
}

#[test]
fn a_lost_status_is_rebuilt_from_the_objects() {
    let p = pipeline(|_| {});
    let mut observed = with_champion(&p);
    let (prepare, ingest, lake) = (
        observed.status.prepare.take(),
        observed.status.ingest.take(),
        observed.status.lake.take(),
    );
    observed.status = foresail_crds::PipelineStatus {
        prepare,
        ingest,
        lake,
        ..Default::default()
    };
    let rebuilt = plan(&p, &observed, now());
    assert_eq!(rebuilt.serving.champion.as_ref().unwrap().version, 1);
    assert!(
        rebuilt.training.is_none(),
        "a lost status must not train again"
    );
    observed.serving = None;
    assert_eq!(plan(&p, &observed, now()).champion().unwrap().version, 1);
}

#[test]
fn a_run_recorded_by_an_older_operator_is_not_repeated() {
    let p = pipeline(|_| {});
    let mut observed = with_champion(&p);
    let run = observed.status.run.as_mut().unwrap();
    run.spec_hash = Some(format!("{}:{}", run.model_hash, run.run_hash));
    (run.model_hash, run.run_hash) = (String::new(), String::new());
    let plan = plan(&p, &observed, now());
    assert!(!plan.starts());
    let run = plan.run.unwrap();
    assert_eq!((run.model_hash, run.spec_hash), (p.model_hash, None));
}

#[test]
fn a_record_without_hashes_is_not_taken_for_an_edit() {
    let p = pipeline(|_| {});
    let mut observed = with_champion(&p);
    let run = observed.status.run.as_mut().unwrap();
    (run.model_hash, run.run_hash) = (String::new(), String::new());
    assert!(!plan(&p, &observed, now()).starts());
}

#[test]
fn the_number_of_a_version_that_does_not_decode_is_not_given_again() {
    let p = pipeline(|_| {});
    let first = ready(&p);
    let started = plan(&p, &first, now());
    let mut observed = follow(first, &p, &started);
    observed.status.training = Some(result(&p, started.run.as_ref().unwrap(), None));
    observed.unreadable_versions = vec![4];
    let finished = plan(&p, &observed, now());
    assert_eq!(finished.create().unwrap().version, 5);
}

#[test]
fn failed_runs_are_tried_again_only_when_the_outside_is_at_fault() {
    let p = pipeline(|_| {});
    let first = ready(&p);
    let mut failed = plan(&p, &first, now()).run.unwrap();
    failed.state = RunState::Failed;
    let later = |s: i64| now().checked_add(jiff::Span::new().seconds(s)).unwrap();
    let mut with = |class, hash: &str| {
        let mut observed = ready(&p);
        failed.error = Some(WorkerError {
            class,
            reason: "X".into(),
            message: String::new(),
        });
        failed.run_hash = hash.into();
        observed.status.run = Some(failed.clone());
        observed
    };
    let outside = with(ErrorClass::Outside, &p.run_hash);
    assert!(plan(&p, &outside, later(5)).training.is_none());
    let again = plan(&p, &outside, later(30));
    assert_eq!(again.run.unwrap().attempt, 1);
    let user = with(ErrorClass::User, &p.run_hash);
    assert!(plan(&p, &user, later(3000)).training.is_none());
    let edited = with(ErrorClass::User, "other");
    assert_eq!(
        plan(&p, &edited, later(1)).training.unwrap().trigger,
        Trigger::SpecChanged
    );
}

#[test]
fn an_alarm_is_announced_once_and_whatever_starts_the_run() {
    // Drift is no trigger here: the alarm is news all the same.
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"triggers": ["Performance"]}));
    let mut observed = with_champion(&p);
    observed.status.drift = Some(drift(1, 0));
    let seen = plan(&p, &observed, now());
    assert!(seen.new_alarm.is_some() && seen.training.is_none());
    observed.status.alarm_announced = seen.alarm_announced.clone();
    assert_eq!(plan(&p, &observed, now()).new_alarm, None);
    observed.status.drift.as_mut().unwrap().alarm_since = Some(day(1995));
    assert!(
        plan(&p, &observed, now()).new_alarm.is_some(),
        "a later alarm is another one"
    );
}

#[test]
fn an_alarm_that_ended_between_two_looks_is_answered_once() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"settleSessions": 10, "cooldown": "1d"}));
    let mut observed = with_champion(&p);
    let ended = |sessions| DriftStatus {
        alarm: false,
        alarm_since: None,
        longest_alarm: Some(AlarmEpisode {
            since: day(1990),
            sessions,
        }),
        ..drift(1, 0)
    };
    observed.status.drift = Some(ended(9));
    let seen = plan(&p, &observed, now());
    assert!(seen.training.is_none() && seen.new_alarm.is_none(), "short");
    observed.status.drift = Some(ended(10));
    let seen = plan(&p, &observed, now());
    assert_eq!(seen.training.as_ref().unwrap().trigger, Trigger::Drift);
    assert!(
        seen.new_alarm
            .as_ref()
            .unwrap()
            .message
            .contains("alarm since 1975")
    );
    // The run ends without a new reference, as after a rollback: the same alarm is no news.
    let mut run = seen.run.unwrap();
    assert_eq!(run.alarm_answered, Some(day(1990)));
    run.state = RunState::Succeeded;
    run.event_time -= 10 * 86_400_000;
    run.recent_starts.clear();
    observed.status.run = Some(run);
    observed.status.alarm_announced = seen.alarm_announced;
    let seen = plan(&p, &observed, now());
    assert!(seen.training.is_none() && seen.new_alarm.is_none());
    let later = observed.status.drift.as_mut().unwrap();
    later.longest_alarm.as_mut().unwrap().since = day(1995);
    assert_eq!(
        plan(&p, &observed, now()).training.unwrap().trigger,
        Trigger::Drift
    );
}

#[test]
fn another_pipeline_or_annotation_is_another_run() {
    let run = |change: fn(&mut serde_json::Value)| {
        let p = pipeline(change);
        plan(&p, &ready(&p), now()).training.unwrap().run_id
    };
    let first = run(|_| {});
    assert_ne!(first, run(|v| v["metadata"]["uid"] = json!("u-2")));
    assert_ne!(
        first,
        run(|v| v["metadata"]["annotations"] = json!({"foresail.dev/retrain": "1"}))
    );
}

#[test]
fn a_schedule_starts_a_run_once_per_time_and_only_on_new_bars() {
    let p = pipeline(|v| {
        v["spec"]["retraining"] = json!({"triggers": ["Schedule"], "cooldown": "0s"});
        v["spec"]["training"]["schedule"] = json!("0 22 * * *");
        v["spec"]["source"]["replay"] = serde_json::Value::Null;
    });
    let mut observed = with_champion(&p);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let run = observed.status.run.as_mut().unwrap();
    run.started_time = Time(at("2026-01-01T21:00:00Z"));
    let (before, after) = (at("2026-01-01T21:59:59Z"), at("2026-01-01T22:00:00Z"));
    assert!(
        !plan(&p, &observed, after).starts(),
        "no bar since the last run"
    );
    observed.status.lake.as_mut().unwrap().version += 1;
    assert!(!plan(&p, &observed, before).starts());
    let started = plan(&p, &observed, after);
    let decision = started.decision(now()).unwrap();
    assert!(
        started.starts() && decision.reason == Reason::Schedule,
        "{decision:?}"
    );
    observed.status.run.as_mut().unwrap().started_time = Time(after);
    observed.status.lake.as_mut().unwrap().version += 1;
    assert!(!plan(&p, &observed, at("2026-01-02T21:00:00Z")).starts());
}
