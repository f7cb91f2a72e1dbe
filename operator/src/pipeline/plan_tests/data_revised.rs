use foresail_crds::pipeline::status::RevisedBars;

use super::*;

/// A champion that has read Delta version 3 through day 900, and a lake whose version 4 has revised bars since a day.
fn revised(p: &ValidatedPipeline, first: i64) -> Observed {
    let mut observed = with_champion(p);
    let lake = observed.status.lake.as_mut().unwrap();
    lake.version = 4;
    lake.revised = vec![RevisedBars {
        delta_version: 4,
        first_event_time: day(first),
        bars: 2,
        last_ingested_time: day(1000),
    }];
    observed
}

fn asked() -> ValidatedPipeline {
    pipeline(|v| {
        v["spec"]["retraining"] = json!({"triggers": ["DataRevised"], "cooldown": "0s"});
    })
}

#[test]
fn revised_bars_start_a_run_where_the_spec_asks_for_it_and_the_champion_has_read_them() {
    let p = asked();
    let started = plan(&p, &revised(&p, 850), now());
    let decision = started.decision(now()).unwrap();
    assert!(
        started.starts() && decision.reason == Reason::DataRevised,
        "{decision:?}"
    );
    assert!(
        decision.message.contains("2 revisions of bars since"),
        "{decision:?}"
    );
    assert!(
        !plan(&p, &revised(&p, 901), now()).starts(),
        "not trained on"
    );
    let silent = pipeline(|v| v["spec"]["retraining"] = json!({"cooldown": "0s"}));
    assert!(
        !plan(&silent, &revised(&silent, 850), now()).starts(),
        "not asked for"
    );
}

#[test]
fn a_run_that_has_read_the_revisions_is_not_started_again_when_its_version_is_rejected() {
    let p = asked();
    let mut observed = revised(&p, 850);
    observed.status.run.as_mut().unwrap().delta_version = 4;
    assert!(!plan(&p, &observed, now()).starts());
    // Another revision is another reason.
    let lake = observed.status.lake.as_mut().unwrap();
    (lake.version, lake.revised[0].delta_version) = (5, 5);
    assert!(plan(&p, &observed, now()).starts());
}

#[test]
fn the_cooldown_holds_it_back() {
    let p = pipeline(|v| {
        v["spec"]["retraining"] = json!({"triggers": ["DataRevised"], "cooldown": "9999d"});
    });
    let held = plan(&p, &revised(&p, 850), now());
    let decision = held.decision(now()).unwrap();
    assert!(
        !held.starts() && decision.reason == Reason::Cooldown,
        "{decision:?}"
    );
}
