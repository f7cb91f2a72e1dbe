//! Weights, outputs and gradients of PyTorch networks (tests/golden/make.py), read by PyTorch's names.

#![allow(clippy::unwrap_used)]

mod common;

use common::{error, sets};
use foresail_recurrent::{Cell, Mode, Options, Shape, Trainer, Weights};
use safetensors::SafeTensors;

fn floats(file: &SafeTensors, name: &str) -> Vec<f32> {
    let (numbers, _) = file.tensor(name).unwrap().data().as_chunks::<4>();
    numbers.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn close(values: &[f32], truth: &[f32], what: &str) {
    let truth: Vec<f64> = truth.iter().map(|&v| f64::from(v)).collect();
    let error = error(values, &truth);
    assert!(error < 1e-5, "{what}: {error}");
}

fn check(cell: Cell, weights: &[u8], values: &[u8]) {
    let shape = Shape {
        cell,
        features: 5,
        hidden: 19,
        layers: 2,
        outputs: 3,
    };
    let weights = Weights::from_safetensors(shape, weights).unwrap();
    let file = SafeTensors::deserialize(values).unwrap();
    for set in sets() {
        let options = Options {
            set,
            input_gradient: true,
            ..Options::default()
        };
        let mut trainer = Trainer::new(shape, 7, 4, options).unwrap();
        trainer.set_weights(&weights).unwrap();
        let outputs = trainer
            .forward(&floats(&file, "inputs"), Mode::Evaluate)
            .unwrap();
        close(outputs, &floats(&file, "outputs"), "outputs");
        let gradient = trainer.backward(&floats(&file, "d_outputs")).unwrap();
        for parameter in shape.parameters() {
            let truth = floats(&file, &format!("gradient.{}", parameter.name));
            close(&gradient[parameter.range], &truth, &parameter.name);
        }
        close(
            trainer.input_gradient(),
            &floats(&file, "d_inputs"),
            "inputs",
        );
    }
}

#[test]
fn lstm_agrees_with_pytorch() {
    check(
        Cell::Lstm,
        include_bytes!("golden/lstm.safetensors"),
        include_bytes!("golden/lstm.values.safetensors"),
    );
}

#[test]
fn gru_agrees_with_pytorch() {
    check(
        Cell::Gru,
        include_bytes!("golden/gru.safetensors"),
        include_bytes!("golden/gru.values.safetensors"),
    );
}
