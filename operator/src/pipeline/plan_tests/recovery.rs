//! Versions that are lost, alarms that are answered, runs that failed, and versions that cannot be judged.

use super::*;

#[test]
fn a_deleted_champion_gives_way_to_the_version_before_it_then_to_a_new_run() {
    let p = pipeline(|_| {});
    let mut observed = with_champion(&p);
    // v2 is promoted by pin, so that v1 stands behind it.
    observed.versions.push(version(&p, 2, "r2", None));
    let pinned = pipeline(|v| v["spec"]["promotion"] = json!({"championVersion": 2}));
    let mut observed = follow(observed.clone(), &p, &plan(&pinned, &observed, now()));
    assert_eq!(observed.status.champion.as_ref().unwrap().version, 2);
    observed.versions.retain(|v| v.spec.version != 2);
    let replaced = plan(&p, &observed, now());
    assert_eq!(replaced.champion().unwrap().version, 1);
    let decision = replaced.decision(now()).unwrap();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::RolledBack, Reason::VersionDeleted)
    );
    assert!(!replaced.starts());
    let mut observed = follow(observed, &p, &replaced);
    assert_eq!(plan(&p, &observed, now()).decision(now()), None);
    observed.versions.clear();
    let again = plan(&p, &observed, now());
    assert_eq!(again.run.as_ref().unwrap().trigger, Trigger::Initial);
    assert!(again.starts());
}

#[test]
fn an_alarm_that_was_answered_starts_no_other_run_however_long_it_holds() {
    let manual = |v: &mut serde_json::Value| {
        v["spec"]["promotion"] = json!({"mode": "Manual"});
        v["spec"]["retraining"] = json!({"cooldown": "1d"});
    };
    let p = pipeline(manual);
    let mut observed = with_champion(&p);
    observed.status.drift = Some(drift(1, 50));
    let started = plan(&p, &observed, now());
    let run = started.run.clone().unwrap();
    assert_eq!(run.trigger, Trigger::Drift);
    let mut observed = follow(observed, &p, &started);
    observed.status.training = Some(result(&p, &run, Some(gate("0.1", "0.027"))));
    let finished = plan(&p, &observed, now());
    assert_eq!(
        finished.decision(now()).unwrap().action,
        Action::ModelWaiting
    );
    let mut observed = follow(observed, &p, &finished);
    observed.status.lake.as_mut().unwrap().last_event_time = Some(day(3000));
    assert!(
        !plan(&p, &observed, now()).starts(),
        "the same alarm, a thousand days later"
    );
    observed.status.drift.as_mut().unwrap().alarm_since = Some(day(2500));
    assert!(plan(&p, &observed, now()).starts(), "another alarm");
    // Nor does the weakness that the waiting version was trained on.
    observed.status.drift = None;
    observed.status.performance = Some(PerformanceStatus {
        model_version: 1,
        matured_through: day(2900),
        dates: 60,
        rmse: "0.04".into(),
        naive_rmse: "0.03".into(),
        excess_lower_bound: "0.1".into(),
        worse_than_naive: true,
        worse_since: Some(day(2500)),
        sessions_since_worse: 500,
    });
    assert!(
        !plan(&p, &observed, now()).starts(),
        "a version waits already"
    );
    let waiting = observed.versions.iter_mut().find(|v| v.spec.version == 2);
    waiting.unwrap().status.as_mut().unwrap().role = Some(VersionRole::Retired);
    assert!(plan(&p, &observed, now()).starts(), "nothing waits");
}

#[test]
fn a_run_that_failed_for_good_does_not_silence_later_triggers() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "1d"}));
    for (class, attempt) in [(ErrorClass::User, 0), (ErrorClass::Outside, 5)] {
        let mut observed = with_champion(&p);
        observed.status.drift = Some(drift(1, 50));
        let started = plan(&p, &observed, now());
        let mut observed = follow(observed, &p, &started);
        let run = observed.status.run.as_mut().unwrap();
        (run.state, run.attempt) = (RunState::Failed, attempt);
        run.error = Some(WorkerError {
            class,
            reason: "X".into(),
            message: String::new(),
        });
        assert!(!is_retried(run));
        assert!(!plan(&p, &observed, now()).starts(), "within the cooldown");
        // The alarm it should have answered was not answered.
        observed.status.lake.as_mut().unwrap().last_event_time = Some(day(2002));
        let again = plan(&p, &observed, now());
        assert_eq!(again.run.as_ref().unwrap().trigger, Trigger::Drift);
        assert!(again.starts());
    }
}

#[test]
fn a_first_run_that_failed_for_good_is_tried_on_new_bars() {
    let p = pipeline(|_| {});
    let mut observed = ready(&p);
    let mut failed = plan(&p, &observed, now()).run.unwrap();
    failed.state = RunState::Failed;
    failed.error = Some(WorkerError {
        class: ErrorClass::User,
        reason: "NotEnoughRows".into(),
        message: String::new(),
    });
    observed.status.run = Some(failed);
    let later = now().checked_add(jiff::Span::new().hours(1)).unwrap();
    assert!(!plan(&p, &observed, later).starts(), "nothing has come");
    observed.status.lake.as_mut().unwrap().version += 1;
    assert!(!plan(&p, &observed, now()).starts(), "at once");
    assert!(plan(&p, &observed, later).starts());
}

#[test]
fn a_version_that_cannot_be_judged_waits_and_a_run_follows_once_one_can() {
    let p = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "1d"}));
    let mut observed = with_champion(&p);
    observed.status.drift = Some(drift(1, 50));
    let started = plan(&p, &observed, now());
    let run = started.run.clone().unwrap();
    let mut observed = follow(observed, &p, &started);
    let mut report = result(&p, &run, None);
    report.result.as_mut().unwrap().unseen_sessions = Some(10);
    observed.status.training = Some(report);
    let waits = plan(&p, &observed, now());
    let decision = waits.decision(now()).unwrap();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::ModelWaiting, Reason::TooFewUnseen)
    );
    assert!(
        decision.message.contains("10 of 40 bars are unseen by v1"),
        "{}",
        decision.message
    );
    assert_eq!(waits.champion().unwrap().version, 1);
    let mut observed = follow(observed, &p, &waits);
    assert!(!plan(&p, &observed, now()).starts());
    // Thirty sessions take more than thirty days.
    observed.status.lake.as_mut().unwrap().last_event_time = Some(day(2030));
    assert!(!plan(&p, &observed, now()).starts());
    observed.status.lake.as_mut().unwrap().last_event_time = Some(day(2050));
    observed.status.lake.as_mut().unwrap().version += 1;
    let again = plan(&p, &observed, now());
    assert_eq!(again.run.as_ref().unwrap().trigger, Trigger::Drift);
    assert!(again.starts());
}
