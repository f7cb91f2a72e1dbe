//! Manifests and weights that were damaged or forged, by the thousand: each is refused with a message, or gives
//! a model that answers with finite numbers or an error. Nothing panics, hangs or asks for endless memory.
//! `FORESAIL_SOAK=1` takes a hundred times as many.

#![allow(clippy::unwrap_used)]

use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::pipeline::spec::{ModelKind, Target};
use foresail_model::boosted::{Boosted, Settings};
use foresail_model::ensemble::Ensemble;
use foresail_model::linear::Linear;
use foresail_model::recurrent::{Recurrent, cell};
use foresail_model::{FittedModel, Predictor, Row, SingleModel, Sizes, artifact};
use foresail_recurrent::{Shape, Weights};
use serde_json::{Value, json};

const FEATURES: usize = 3;
const STEPS: usize = 2;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

fn manifest(kind: ModelKind, lookback: usize) -> Value {
    let feature = |i: usize| json!({"name": format!("f{i}"), "function": "LogReturn"});
    json!({
        "formatVersion": 1, "namespace": "n", "pipeline": "p", "runId": "r", "codeVersion": "0", "seed": 1,
        "data": {"deltaVersion": 1, "bars": 9, "trainingRows": 9, "firstEventTime": 0, "trainedThrough": 9,
            "dataThrough": 9, "symbols": ["X"]},
        "features": (0..FEATURES).map(feature).collect::<Vec<_>>(), "adjustment": "All",
        "fingerprint": "f", "warmUp": 2, "target": "LogReturn", "horizon": STEPS, "lookback": lookback,
        "kind": kind, "hidden": 4, "layers": 2, "sequence": lookback, "season": 3, "weights": null,
        "scaler": {"mean": [0.0, 1.0, 2.0], "std": [1.0, 2.0, 3.0]}, "evaluation": [], "gate": null,
        "quantiles": {"levels": [0.1, 0.9], "steps": [[-0.1, 0.1], [-0.2, 0.2]], "count": 5},
        "driftReference": {"windowSessions": 5, "features": [], "calibration": []}
    })
}

fn linear() -> Linear {
    Linear {
        intercepts: vec![0.01; STEPS],
        coefficients: vec![vec![0.1; FEATURES]; STEPS],
    }
}

fn recurrent(kind: ModelKind) -> SingleModel {
    let shape = Shape {
        cell: cell(kind).unwrap(),
        features: FEATURES,
        hidden: 4,
        layers: 2,
        outputs: STEPS,
    };
    SingleModel::Recurrent(Recurrent::new(Weights::random(shape, 3).unwrap()).unwrap())
}

fn boosted() -> SingleModel {
    let rows: Vec<Vec<f64>> = (0..40)
        .map(|i| vec![f64::from(i), f64::from(i % 7), 1.0])
        .collect();
    let labels: Vec<[f64; STEPS]> = (0..40)
        .map(|i| [f64::from(i).sin(), f64::from(i).cos()])
        .collect();
    let labels: Vec<&[f64]> = labels.iter().map(<[f64; STEPS]>::as_slice).collect();
    let settings = Settings {
        trees: 4,
        depth: 3,
        shrinkage: 0.3,
        seed: 1,
    };
    SingleModel::Boosted(Boosted::fit(&rows, &labels, settings).unwrap())
}

/// One sound artifact per kind that stores weights.
fn artifacts() -> Vec<(Value, Vec<u8>)> {
    let members = vec![
        (ModelKind::Naive, 1.0, SingleModel::Naive),
        (ModelKind::Linear, 1.0, SingleModel::Linear(linear())),
        (ModelKind::GradientBoosting, 1.0, boosted()),
        (ModelKind::Gru, 1.0, recurrent(ModelKind::Gru)),
    ];
    [
        (ModelKind::Linear, 1, SingleModel::Linear(linear()).into()),
        (ModelKind::Lstm, 4, recurrent(ModelKind::Lstm).into()),
        (ModelKind::Gru, 4, recurrent(ModelKind::Gru).into()),
        (ModelKind::GradientBoosting, 1, boosted().into()),
        (
            ModelKind::Ensemble,
            4,
            FittedModel::Ensemble(Ensemble::new(members).unwrap()),
        ),
    ]
    .into_iter()
    .map(|(kind, lookback, part)| (manifest(kind, lookback), part.encode().unwrap().unwrap()))
    .collect()
}

/// Whether it was taken; a model that was taken must answer.
fn load(manifest: &[u8], weights: &[u8]) -> bool {
    let Ok(manifest) = artifact::load(manifest) else {
        return false;
    };
    let Ok(predictor) = Predictor::load(&manifest, Some(weights)) else {
        return false;
    };
    ask(&manifest, &predictor);
    true
}

fn ask(manifest: &ModelManifest, predictor: &Predictor) {
    let row = Row {
        values: &manifest.scaler.mean,
        close: 100.0,
    };
    if let Ok(closes) = predictor.forecast(&vec![row; predictor.lookback()], row.close) {
        assert_eq!(closes.len(), predictor.horizon());
        assert!(closes.iter().all(|close| close.is_finite()), "{closes:?}");
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), random.below(256) as u8),
            2 => {
                let end = (at + random.below(16)).min(bytes.len());
                let copy: Vec<u8> = bytes.get(at..end).unwrap_or_default().to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            // A digit for a digit keeps JSON whole and makes another number of it.
            3 => {
                let from = bytes.iter().skip(at).position(u8::is_ascii_digit);
                if let Some(byte) = from.and_then(|from| bytes.get_mut(at + from)) {
                    *byte = b'0' + random.below(10) as u8;
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
}

/// Another value in a random place of the document.
fn forge(value: &mut Value, random: &mut Random) {
    let inside = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let at = random.below(fields.len());
            fields.values_mut().nth(at)
        }
        Value::Array(items) if !items.is_empty() => {
            let at = random.below(items.len());
            items.get_mut(at)
        }
        _ => None,
    };
    match inside {
        Some(inside) if random.below(4) > 0 => forge(inside, random),
        _ => {
            let forged = [
                json!(null),
                json!(0),
                json!(-1),
                json!(1),
                json!(2),
                json!(7),
                json!(u32::MAX),
                json!(u64::MAX),
                json!(1e308),
                json!(-1e308),
                json!(5e-324),
                json!(""),
                json!("x"),
                json!([]),
                json!({}),
                json!(true),
                json!([[1e308, -1e308]]),
                json!("Ensemble"),
            ];
            *value = forged[random.below(forged.len())].clone();
        }
    }
}

fn times() -> usize {
    if std::env::var("FORESAIL_SOAK").is_ok() {
        400_000
    } else {
        4_000
    }
}

#[test]
fn sound_artifacts_are_taken() {
    for (manifest, weights) in artifacts() {
        let kind = &manifest["kind"];
        assert!(load(manifest.to_string().as_bytes(), &weights), "{kind}");
    }
}

#[test]
fn damaged_weights_are_refused_or_answer() {
    let mut random = Random(1);
    for (manifest, weights) in artifacts() {
        let manifest = manifest.to_string();
        let mut refused = 0;
        for _ in 0..times() {
            let mut damaged = weights.clone();
            damage(&mut damaged, &mut random);
            refused += usize::from(!load(manifest.as_bytes(), &damaged));
        }
        assert!(refused > times() / 10, "{refused} refused");
    }
}

#[test]
fn forged_weights_of_trees_and_ensembles_are_refused_or_answer() {
    let mut random = Random(2);
    for (manifest, weights) in artifacts() {
        let Ok(document) = serde_json::from_slice::<Value>(&weights) else {
            continue;
        };
        let manifest = manifest.to_string();
        for _ in 0..times() {
            let mut forged = document.clone();
            // Trees are JSON within strings of JSON.
            let inner = forged.get_mut(0).filter(|text| text.is_string());
            match inner.filter(|_| random.below(4) > 0) {
                Some(text) => {
                    let mut tree: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
                    forge(&mut tree, &mut random);
                    *text = tree.to_string().into();
                }
                None => forge(&mut forged, &mut random),
            }
            load(manifest.as_bytes(), forged.to_string().as_bytes());
        }
    }
}

#[test]
fn damaged_and_forged_manifests_are_refused_or_answer() {
    let mut random = Random(3);
    for (manifest, weights) in artifacts() {
        let mut refused = 0;
        for turn in 0..times() {
            let bytes = if turn % 2 == 0 {
                let mut forged = manifest.clone();
                for _ in 0..=random.below(3) {
                    forge(&mut forged, &mut random);
                }
                forged.to_string().into_bytes()
            } else {
                let mut damaged = manifest.to_string().into_bytes();
                damage(&mut damaged, &mut random);
                damaged
            };
            refused += usize::from(!load(&bytes, &weights));
        }
        assert!(refused > times() / 10, "{refused} refused");
    }
}

#[test]
fn sizes_no_trainer_makes_are_refused() {
    for field in [
        "horizon", "lookback", "hidden", "layers", "sequence", "season",
    ] {
        for (manifest, weights) in artifacts() {
            let mut huge = manifest;
            huge[field] = json!(u32::MAX);
            if field == "lookback" || field == "sequence" || field == "season" {
                huge["lookback"] = json!(u32::MAX);
                huge["sequence"] = json!(u32::MAX);
                huge["season"] = json!(u32::MAX);
            }
            assert!(
                !load(huge.to_string().as_bytes(), &weights),
                "{field} of {}",
                huge["kind"]
            );
        }
    }
    let sizes = Sizes {
        features: FEATURES,
        steps: STEPS,
        hidden: 4,
        layers: 2,
        sequence: 4,
        season: 3,
        target: Target::LogReturn,
    };
    assert!(FittedModel::decode(ModelKind::Lstm, None, &sizes).is_err());
}
