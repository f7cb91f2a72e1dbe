use std::collections::BTreeSet;
use std::sync::Arc;

use foresail_crds::model_manifest::{DataWindow, Recipe};
use foresail_crds::pipeline::spec::{Adjustment, TrainingSpec};
use foresail_evaluation::leak_guard::{Guard, GuardReport, Verdict};
use serde_json::json;

use super::page::STYLE;
use super::*;
use crate::data::dataset::{FeatureSnapshot, Sample};
use crate::testing::parameters;
use crate::validation::coverage::coverage;
use crate::validation::folds;
use crate::validation::importance::Importance;
use crate::validation::walk_forward::walk_forward;

/// Sessions on a wave that a linear model sees half of.
fn samples() -> Vec<Sample> {
    const DAY: i64 = 86_400_000;
    let wave = |i: usize| (i as f64 * 0.7).sin();
    let noise = |i: usize| (i as f64 * 12.9898).sin();
    let close = |i: usize| 50.0 + 8.0 * (i as f64 * 0.02).sin() + noise(i * 3);
    let sample = |i: usize| {
        let snapshot: Arc<FeatureSnapshot> = FeatureSnapshot::new(&[wave(i), noise(i)], close(i));
        Sample {
            symbol: 0,
            event_time: 946_900_000_000 + i as i64 * DAY,
            close: close(i),
            adjustment_factor: 1.0,
            window: vec![snapshot],
            labels: Some(vec![
                0.02 * wave(i) + 0.02 * noise(i * 7),
                0.03 * wave(i) + 0.03 * noise(i * 5),
            ]),
            labels_end: Some(946_900_000_000 + (i as i64 + 2) * DAY),
        }
    };
    (0..1_500).map(sample).collect()
}

fn rendered(pipeline: &str, symbol: &str) -> String {
    let spec = json!({"model": {"kind": "Linear"}, "horizon": 2, "validationFraction": "0.5"});
    let declared: TrainingSpec = serde_json::from_value(spec.clone()).unwrap();
    let parameters = parameters(spec);
    let samples = samples();
    let rows: Vec<&Sample> = samples.iter().collect();
    let folds = folds::declared(&rows, &parameters).unwrap();
    let run = |kind| walk_forward(kind, &folds, &parameters, &|_| {}).unwrap();
    let (naive, linear) = (run(ModelKind::Naive), run(ModelKind::Linear));
    let verdict = Verdict {
        guard: Guard::Features,
        passed: true,
        checked: 12,
        detail: "8 cuts, no row at or before one changed".into(),
        evidence: None,
    };
    let rules = card::rules(2, 252.0);
    let symbols = vec![symbol.to_string()];
    let card = Card {
        namespace: "n".into(),
        pipeline: pipeline.into(),
        run_id: "r".into(),
        code_version: "0.1.0".into(),
        instruction_set: "scalar".into(),
        kind: ModelKind::Linear,
        fingerprint: "f".into(),
        adjustment: Adjustment::Splits,
        data: DataWindow {
            delta_version: 3,
            bars: 1_502,
            training_rows: 1_500,
            first_event_time: samples[0].event_time,
            trained_through: samples[1_499].event_time,
            data_through: samples[1_499].event_time,
            symbols: symbols.clone(),
            refused_bars: vec![],
        },
        features: Vec::new(),
        recipe: Recipe {
            training: (&declared).into(),
            gate_sessions: 0,
        },
        evaluation: vec![naive.evaluation, linear.evaluation.clone()],
        breakdown: linear.breakdown.clone(),
        years: card::years(&linear.records),
        coverage: coverage(&linear, 1),
        simulation: card::simulate(&linear, &symbols, &rules),
        cost_bps: rules.cost_bps,
        importance: vec![
            Importance {
                feature: "wave_over_ten_sessions".into(),
                rise: 0.31,
            },
            Importance {
                feature: "noise".into(),
                rise: -0.004,
            },
        ],
        gate: None,
        unseen_sessions: None,
        leak_guard: GuardReport::new(vec![verdict]),
    };
    html(&card, &linear).unwrap()
}

#[test]
fn text_is_escaped_in_page_and_charts() {
    let page = rendered("<script>alert(1)</script>", "<b>&co");
    assert!(!page.contains("<script>") && !page.contains("<b>"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("&lt;b&gt;&amp;co, 2 bars ahead"));
}

#[test]
fn all_text_of_the_charts_has_the_size_of_small_text() {
    let page = rendered("p", "X");
    assert!(STYLE.contains(&format!("--small:{}px", charts::TEXT)));
    let sizes: BTreeSet<String> = page
        .split("font-size=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|size| format!("{:.2}", size.parse::<f64>().unwrap()))
        .collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), ["13.00"]);
    // Drawn as large as shown: no scale changes a size.
    assert!(!STYLE.contains("svg{width") && !STYLE.contains("svg{max-width"));
}

#[test]
fn the_naive_bar_has_a_colour_and_a_label_and_axes_have_units() {
    let page = rendered("p", "X");
    let bars = page.matches("fill=\"#D97706\"").count();
    // Three folds, two steps and the years, and a key per chart.
    assert!(bars >= 3 + 2 + 3, "{bars}");
    for text in [
        "naive forecast",
        "this version",
        "RMSE / close, %",
        "rise of the RMSE, %",
        "close, units of the price",
        "date of the forecast",
        "p, Clark-West",
        "p, Diebold-Mariano",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn the_verdict_is_a_sentence_and_a_failed_guard_is_not_hidden() {
    let page = rendered("p", "X");
    assert!(page.contains("Linear: RMSE ") && page.contains("below the naive forecast"));
    // One of four guards ran.
    assert!(page.contains("The leak guard FAILED: do not believe these numbers."));
}

#[test]
fn equal_facts_give_equal_bytes() {
    assert_eq!(rendered("p", "X"), rendered("p", "X"));
}
