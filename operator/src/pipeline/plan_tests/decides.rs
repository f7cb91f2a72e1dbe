//! What is decided on lists alone.

use super::*;
use crate::pipeline::from_provider;

#[test]
fn keeping_everything_as_it_is_decides_nothing_and_whatever_else_does() {
    type Case = (
        &'static str,
        fn(&mut serde_json::Value),
        fn(&mut Observed),
        bool,
    );
    let keep: fn(&mut serde_json::Value) = |_| {};
    let cases: [Case; 11] = [
        ("rest", keep, |_| {}, false),
        (
            "a report of a worker",
            keep,
            |o| o.status.lake.as_mut().unwrap().rows = 200,
            false,
        ),
        (
            "an edit that concerns no version",
            |v| v["spec"]["serving"]["maxReplicas"] = json!(3),
            |_| {},
            false,
        ),
        (
            "a run that is asked for",
            |v| v["metadata"]["annotations"] = json!({"foresail.dev/retrain": "now"}),
            |_| {},
            true,
        ),
        (
            "an alarm that has not settled",
            keep,
            |o| o.status.drift = Some(drift(1, 0)),
            true,
        ),
        (
            "a rollback with nothing behind",
            |v| v["metadata"]["annotations"] = json!({"foresail.dev/rollback": "1"}),
            |_| {},
            true,
        ),
        (
            "a champion that is not shown",
            keep,
            |o| o.versions.clear(),
            true,
        ),
        (
            "a version without its role",
            keep,
            |o| o.versions[0].status = None,
            true,
        ),
        (
            "predictors that are told of another champion",
            keep,
            |o| o.serving = Some(ServingConfig::default()),
            true,
        ),
        (
            "a pin that is not shown",
            |v| v["spec"]["promotion"] = json!({"championVersion": 7}),
            |_| {},
            true,
        ),
        ("an account that is not shown", from_provider, |_| {}, true),
    ];
    for (case, edit, change, expected) in cases {
        let mut observed = with_champion(&pipeline(|_| {}));
        // Its first version has its role by now.
        let p = pipeline(|_| {});
        observed = follow(observed.clone(), &p, &plan(&p, &observed, now()));
        change(&mut observed);
        let plan = plan(&pipeline(edit), &observed, now());
        assert_eq!(decides(&plan, &observed), expected, "{case}: {plan:#?}");
    }
}
