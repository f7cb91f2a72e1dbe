//! Classic leaks, planted one at a time in a pipeline that is honest without them: each is caught by
//! the guard that is there for it.

#![allow(clippy::unwrap_used)]

mod toy;

use foresail_evaluation::leak_guard::{
    Control, Cuts, Gap, Guard, GuardReport, Row, Verdict, feature_guard, fit_guard, label_overlap,
    shuffled_labels,
};
use toy::{Bar, COLUMNS, HORIZON, Leak};

fn cuts(count: usize) -> Cuts {
    // Cuts within gaps: a fill from the future shows only there.
    let bars = toy::bars();
    let gaps = bars.iter().filter(|b| b.close.is_none() && b.time > 20_000);
    Cuts {
        count,
        seed: 9,
        also: gaps.map(|b| b.time).take(3).collect(),
    }
}

fn features(leak: Leak) -> Verdict {
    let columns = COLUMNS.map(String::from);
    let rows = |bars: &[Bar]| toy::features(bars, leak);
    feature_guard(&toy::bars(), &columns, &toy::access(), &rows, &cuts(8))
}

fn fits(leak: Leak) -> Verdict {
    let run = |bars: &[Bar]| Ok(toy::pipeline(bars, leak));
    fit_guard(&toy::bars(), &toy::access(), &run, &cuts(3))
}

fn overlap(leak: Leak) -> Verdict {
    let mut data = toy::data(&toy::bars(), leak);
    if leak == Leak::UnderstatedLabelEnd {
        for span in &mut data.spans {
            span.label_end = span.label_end.map(|_| span.event_time + 1000);
        }
    }
    let gap = Gap {
        horizon: HORIZON,
        embargo: HORIZON,
    };
    label_overlap(&data.sessions, &data.spans, &toy::cut(&data, leak), gap)
}

fn control(leak: Leak) -> Verdict {
    let data = || toy::data(&toy::bars(), leak);
    let control = Control {
        block: 2 * HORIZON,
        horizon: HORIZON,
        alpha: 0.001,
        seed: 42,
    };
    shuffled_labels(data().sessions.len(), &control, &|order| {
        Ok(toy::on_moved_labels(&mut data(), order, leak))
    })
}

fn evidence(verdict: &Verdict, guard: Guard) -> &foresail_evaluation::leak_guard::Evidence {
    assert!(!verdict.passed && verdict.guard == guard, "{verdict:?}");
    verdict.evidence.as_ref().unwrap()
}

#[test]
fn an_honest_pipeline_passes_every_guard() {
    let none = Leak::None;
    let report = GuardReport::new(vec![
        features(none),
        fits(none),
        overlap(none),
        control(none),
    ]);
    assert!(report.passed, "{report:#?}");
    assert!(
        report.verdicts.iter().all(|v| v.checked > 100),
        "{report:#?}"
    );
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<GuardReport>(&json).unwrap(), report);
    let three = GuardReport::new(report.verdicts[..3].to_vec());
    assert!(!three.passed, "a guard that was not run did not pass");
}

#[test]
fn features_that_look_ahead_are_caught() {
    for (leak, column) in [
        (Leak::CentredWindow, "distance"),
        (Leak::TargetAsFeature, "noise"),
        // Every price is scaled anew, so that even returns change in their last bit.
        (Leak::TodaysAdjustment, "return"),
        (Leak::GlobalMinMax, "noise"),
        (Leak::LookAheadRank, "noise"),
    ] {
        let verdict = features(leak);
        let seen = evidence(&verdict, Guard::Features);
        assert_eq!(seen.column.as_deref(), Some(column), "{leak:?} {seen:?}");
        assert!(seen.time <= seen.cut && seen.expected != seen.found);
    }
    // The gap itself changes every feature of its row.
    let verdict = features(Leak::Backfill);
    let seen = evidence(&verdict, Guard::Features);
    let bars = toy::bars();
    let at = bars
        .iter()
        .find(|b| Some(b.time) == seen.time && Some(b.symbol) == seen.symbol);
    assert_eq!(at.unwrap().close, None, "{seen:?}");
}

#[test]
fn fits_that_look_ahead_are_caught() {
    for (leak, first_byte) in [
        (Leak::ScalerOnAllRows, 0..16),
        (Leak::SelectionOnAllRows, 0..24),
        (Leak::ChoiceOnTest, 24..40),
        (Leak::CalibrationOnTest, 40..48),
    ] {
        let verdict = fits(leak);
        let seen = evidence(&verdict, Guard::Fit);
        let column = seen.column.as_deref().unwrap();
        let byte: usize = column.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(first_byte.contains(&byte), "{leak:?} {seen:?}");
    }
    let verdict = fits(Leak::ForecastSeesNextBar);
    let seen = evidence(&verdict, Guard::Fit);
    assert_eq!(seen.column.as_deref(), Some("column 0"), "{seen:?}");
    assert!(verdict.detail.contains("data after a forecast"));
    // Features and folds that leak are seen here as well.
    for leak in [Leak::GlobalMinMax, Leak::ShuffledSplit, Leak::NoPurge] {
        evidence(&fits(leak), Guard::Fit);
    }
}

#[test]
fn labels_that_reach_the_test_are_caught() {
    for (leak, word) in [
        (Leak::ShuffledSplit, "embargo"),
        (Leak::NoPurge, "reaches the test block"),
        (Leak::UnderstatedLabelEnd, "sooner"),
    ] {
        let verdict = overlap(leak);
        evidence(&verdict, Guard::LabelOverlap);
        assert!(verdict.detail.contains(word), "{leak:?} {verdict:?}");
    }
}

#[test]
fn a_target_among_the_features_beats_naive_on_labels_that_mean_nothing() {
    let verdict = control(Leak::TargetAsFeature);
    evidence(&verdict, Guard::ShuffledLabels);
}

#[test]
fn a_guard_that_sees_nothing_does_not_pass() {
    let (bars, access) = (toy::bars(), toy::access());
    let blind: Vec<Verdict> = vec![
        feature_guard(&bars, &[], &access, &|_| Vec::new(), &cuts(3)),
        feature_guard(&bars[..0], &[], &access, &|_| Vec::new(), &cuts(0)),
        // Rows that know no bar.
        feature_guard(
            &bars,
            &[],
            &access,
            &|_| {
                vec![Row {
                    symbol: 0,
                    time: 0,
                    values: vec![1.0],
                }]
            },
            &cuts(3),
        ),
        fit_guard(&bars, &access, &|_| Ok(Vec::new()), &cuts(3)),
        fit_guard(&bars, &access, &|_| Err("no rows".into()), &cuts(3)),
        label_overlap(
            &[],
            &[],
            &[],
            Gap {
                horizon: 1,
                embargo: 1,
            },
        ),
    ];
    for verdict in blind {
        assert!(!verdict.passed && !verdict.detail.is_empty(), "{verdict:?}");
    }
}
