//! Features that are edited while a champion serves: it is served rows of its own, and judged like any other.

use foresail_crds::pipeline::spec::FeatureSetSpec;

use super::*;

fn edited(change: impl FnOnce(&mut serde_json::Value)) -> ValidatedPipeline {
    pipeline(|v| {
        v["spec"]["features"] = json!([{"name": "c", "function": "RateOfChange", "window": 3}]);
        change(v);
    })
}

/// The plan after the run that an edit starts, with what the trainer reports of it.
fn judged(
    edited: &ValidatedPipeline,
    observed: Observed,
    report: impl FnOnce(&mut TrainingResult),
) -> (Observed, Plan) {
    let started = plan(edited, &observed, now());
    let run = started.run.clone().unwrap();
    assert_eq!(run.trigger, Trigger::SpecChanged);
    let mut observed = follow(observed, edited, &started);
    let mut training = result(edited, &run, None);
    report(training.result.as_mut().unwrap());
    observed.status.training = Some(training);
    let judged = plan(edited, &observed, now());
    (observed, judged)
}

fn champion(plan: &Plan) -> u32 {
    plan.champion().unwrap().version
}

/// Audit A2.
#[test]
fn a_version_of_other_features_passes_the_same_gate() {
    let (before, after) = (pipeline(|_| {}), edited(|_| {}));
    for (effect, challenger, promoted) in [("0.1", "0.027", true), ("-0.1", "0.033", false)] {
        let observed = with_champion(&before);
        let (_, judged) = judged(&after, observed, |result| {
            result.gate = Some(gate(effect, challenger));
        });
        assert_eq!(champion(&judged), if promoted { 2 } else { 1 });
        let decision = judged.decision(now()).unwrap();
        let reason = if promoted {
            Reason::GatePassed
        } else {
            Reason::GateFailed
        };
        assert_eq!(decision.reason, reason);
        let numbers = format!("challenger RMSE {challenger}, champion v1 0.03");
        assert!(decision.message.contains(&numbers), "{}", decision.message);
        let said = decision.message.ends_with("each on its own features");
        assert!(said, "{}", decision.message);
        // As champion or as the version before it, the old one can answer.
        assert_eq!(judged.feature_sets, [before.feature_set()]);
    }
}

#[test]
fn a_version_of_other_features_that_is_not_judged_waits() {
    let before = pipeline(|_| {});
    let (_, unseen) = judged(&edited(|_| {}), with_champion(&before), |result| {
        result.unseen_sessions = Some(5);
    });
    let decision = unseen.decision(now()).unwrap();
    assert_eq!(
        (champion(&unseen), decision.action, decision.reason),
        (1, Action::ModelWaiting, Reason::TooFewUnseen)
    );
    let manual = edited(|v| v["spec"]["promotion"] = json!({"mode": "Manual"}));
    let (_, waits) = judged(&manual, with_champion(&before), |result| {
        result.gate = Some(gate("0.1", "0.027"));
    });
    let decision = waits.decision(now()).unwrap();
    assert_eq!((champion(&waits), decision.reason), (1, Reason::Manual));
    // Nothing was compared and the champion has its rows: it stays.
    let (_, nothing) = judged(&edited(|_| {}), with_champion(&before), |_| {});
    let decision = nothing.decision(now()).unwrap();
    assert_eq!(
        (champion(&nothing), decision.reason),
        (1, Reason::GateFailed)
    );
}

#[test]
fn rows_are_made_of_the_features_of_every_version_that_may_answer() {
    let (before, after) = (pipeline(|_| {}), edited(|_| {}));
    let none: &[FeatureSetSpec] = &[];
    let observed = with_champion(&before);
    assert_eq!(plan(&before, &observed, now()).feature_sets, none);
    // From the edit on, while its run is in flight.
    let started = plan(&after, &observed, now());
    assert_eq!(started.feature_sets, [before.feature_set()]);
    let (observed, promoted) = judged(&after, observed, |result| {
        result.gate = Some(gate("0.1", "0.027"));
    });
    let observed = follow(observed, &after, &promoted);
    let annotated = edited(|v| {
        v["metadata"]["annotations"] = json!({"foresail.dev/rollback": "1"});
    });
    let rolled = plan(&annotated, &observed, now());
    assert_eq!(
        (champion(&rolled), rolled.feature_sets.as_slice()),
        (1, [before.feature_set()].as_slice())
    );
    // A third edit: the champion's, those of the version before it, and no set twice.
    let third = pipeline(|v| v["spec"]["features"][0]["name"] = json!("other"));
    let sets = plan(&third, &observed, now()).feature_sets;
    assert_eq!(sets.len(), 2);
    assert!(sets.contains(&before.feature_set()) && sets.contains(&after.feature_set()));
}

#[test]
fn a_champion_that_no_rows_can_be_made_for_says_so_and_gives_way() {
    let (before, after) = (pipeline(|_| {}), edited(|_| {}));
    type Change = fn(&mut ModelVersionSpec);
    let cases: [Change; 2] = [
        |version| version.feature_set = None,
        |version| version.feature_set.as_mut().unwrap().features[0].name = "otherwise".into(),
    ];
    for change in cases {
        let mut observed = with_champion(&before);
        change(&mut observed.versions[0].spec);
        assert_eq!(plan(&before, &observed, now()).without_rows, None);
        let started = plan(&after, &observed, now());
        assert_eq!(started.without_rows, Some(1));
        assert!(started.feature_sets.is_empty());
        let (_, judged) = judged(&after, observed, |_| {});
        assert_eq!(champion(&judged), 2);
        let decision = judged.decision(now()).unwrap();
        assert_eq!(decision.reason, Reason::SpecChanged);
        let said = decision.message.starts_with("v2 is not judged: ");
        assert!(said, "{}", decision.message);
        assert_eq!(judged.without_rows, None);
    }
}

#[test]
fn features_that_are_not_of_the_reported_fingerprint_are_refused() {
    let (before, after) = (pipeline(|_| {}), edited(|_| {}));
    let (_, refused) = judged(&after, with_champion(&before), |result| {
        result.feature_set = Some(before.feature_set());
    });
    assert_eq!(refused.run.unwrap().error.unwrap().reason, "ResultRefused");
    // A trainer of an older release names none: the declared ones are known.
    let (_, made) = judged(&after, with_champion(&before), |result| {
        result.feature_set = None;
    });
    assert_eq!(
        made.create().unwrap().feature_set,
        Some(after.feature_set())
    );
}
