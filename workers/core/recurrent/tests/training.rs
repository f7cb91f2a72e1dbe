//! The optimizer, dropout, and a complete training run.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, sets};
use foresail_recurrent::{
    Adam, AdamOptions, Cell, Error, InstructionSet, Mode, Options, Shape, Trainer, Weights,
};

const SHAPE: Shape = Shape {
    cell: Cell::Lstm,
    features: 3,
    hidden: 20,
    layers: 2,
    outputs: 2,
};

fn options() -> AdamOptions {
    AdamOptions {
        decay: 0.01,
        clip: Some(1.5),
        ..AdamOptions::default()
    }
}

/// Adam as its paper says, in f64.
struct Plain {
    m: Vec<f64>,
    v: Vec<f64>,
    t: i32,
}

impl Plain {
    fn step(&mut self, w: &mut [f64], g: &[f32], rate: f64, o: AdamOptions) {
        let norm = g.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let scale = o.clip.map_or(1.0, |c| (f64::from(c) / norm).min(1.0));
        let (b1, b2) = (f64::from(o.beta1), f64::from(o.beta2));
        self.t += 1;
        for i in 0..w.len() {
            let g = f64::from(g[i]) * scale;
            self.m[i] = b1 * self.m[i] + (1.0 - b1) * g;
            self.v[i] = b2 * self.v[i] + (1.0 - b2) * g * g;
            let m = self.m[i] / (1.0 - b1.powi(self.t));
            let v = self.v[i] / (1.0 - b2.powi(self.t));
            w[i] -= rate * (m / (v.sqrt() + f64::from(o.epsilon)) + f64::from(o.decay) * w[i]);
        }
    }
}

#[test]
fn adam_agrees_with_its_paper() {
    for set in sets() {
        for len in [1, 7, 16, 333] {
            let mut numbers = Numbers(1);
            let mut weights = numbers.many(len, 1.0);
            let mut truth: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
            let mut plain = Plain {
                m: vec![0.0; len],
                v: vec![0.0; len],
                t: 0,
            };
            let mut adam = Adam::new(len, options(), set).unwrap();
            for step in 0..50 {
                let gradient = numbers.many(len, if step % 2 == 0 { 5.0 } else { 0.01 });
                plain.step(&mut truth, &gradient, 1e-2, options());
                adam.step(&mut weights, &gradient, 1e-2).unwrap();
            }
            let error = common::error(&weights, &truth);
            assert!(error < 2e-6, "{set:?} {len}: {error}");
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let mut adam = Adam::new(3, options(), InstructionSet::detect()).unwrap();
    let mut weights = [1.0, 2.0, 3.0];
    adam.step(&mut weights, &[0.1, 0.2, 0.3], 0.1).unwrap();
    let (before, was) = (adam.clone(), weights);
    for bad in [f32::NAN, f32::INFINITY] {
        assert!(matches!(
            adam.step(&mut weights, &[0.1, bad, 0.3], 0.1),
            Err(Error::NotFinite { .. })
        ));
    }
    assert_eq!((before, was), (adam, weights));
}

/// Trains on generated windows; returns the losses and the weights.
fn train(
    options: Options,
    from: std::ops::Range<u64>,
    start: (Weights, Adam),
) -> (Vec<f64>, Weights, Adam) {
    let (mut weights, mut adam) = start;
    let mut trainer = Trainer::new(SHAPE, 12, 24, options).unwrap();
    let mut losses = Vec::new();
    for step in from {
        let mut numbers = Numbers(step % 5);
        let inputs = numbers.many(24 * 12 * 3, 1.5);
        trainer.set_weights(&weights).unwrap();
        let outputs = trainer.forward(&inputs, Mode::Train { step }).unwrap();
        let targets = inputs
            .chunks_exact(36)
            .flat_map(|w| [0.5 * w[33], w[30] * w[34]]);
        let d: Vec<f32> = outputs
            .iter()
            .zip(targets)
            .map(|(y, t)| (y - t) / 24.0)
            .collect();
        losses.push(d.iter().map(|d| f64::from(*d).powi(2)).sum());
        adam.step(weights.values_mut(), trainer.backward(&d).unwrap(), 5e-3)
            .unwrap();
    }
    (losses, weights, adam)
}

fn start(set: InstructionSet) -> (Weights, Adam) {
    (
        Weights::random(SHAPE, 3).unwrap(),
        Adam::new(SHAPE.len(), options(), set).unwrap(),
    )
}

#[test]
fn training_learns_and_resumes_to_the_same_bits_for_any_threads() {
    for set in sets() {
        let with = |threads| Options {
            threads,
            set,
            shard_rows: 8,
            dropout: 0.1,
            ..Options::default()
        };
        let (losses, complete, _) = train(with(1), 0..120, start(set));
        assert!(
            losses[115..].iter().sum::<f64>() < 0.3 * losses[..5].iter().sum::<f64>(),
            "{losses:?}"
        );
        let (_, weights, adam) = train(with(3), 0..60, start(set));
        let (steps, mean, square) = adam.state();
        let mut restored = Adam::new(SHAPE.len(), options(), set).unwrap();
        restored
            .restore(steps, mean.to_vec(), square.to_vec())
            .unwrap();
        let (_, resumed, _) = train(with(2), 60..120, (weights, restored));
        assert_eq!(complete, resumed, "{set:?}");
    }
}

#[test]
fn dropout_gradients_agree_with_finite_differences() {
    // The masks are fixed by the step, so the network is an ordinary function of its weights.
    for cell in [Cell::Lstm, Cell::Gru] {
        let shape = Shape {
            cell,
            features: 3,
            hidden: 17,
            layers: 2,
            outputs: 2,
        };
        let mut numbers = Numbers(4);
        let (inputs, d) = (numbers.many(5 * 6 * 3, 1.0), numbers.many(10, 1.0));
        let options = Options {
            dropout: 0.4,
            shard_rows: 2,
            ..Options::default()
        };
        let mut trainer = Trainer::new(shape, 6, 5, options).unwrap();
        let mut weights = Weights::random(shape, 8).unwrap();
        let mut loss = |weights: &Weights, mode| {
            trainer.set_weights(weights).unwrap();
            let outputs = trainer.forward(&inputs, mode).unwrap();
            outputs
                .iter()
                .zip(&d)
                .map(|(y, d)| f64::from(*y) * f64::from(*d))
                .sum::<f64>()
        };
        let mode = Mode::Train { step: 9 };
        assert_ne!(loss(&weights, mode), loss(&weights, Mode::Evaluate));
        assert_ne!(
            loss(&weights, mode),
            loss(&weights, Mode::Train { step: 10 })
        );
        // Along a random direction, because one weight alone drowns in the rounding of f32.
        let direction = numbers.many(shape.len(), 1.0);
        let start = weights.values().to_vec();
        let mut moved = |by: f32| {
            for ((w, s), d) in weights.values_mut().iter_mut().zip(&start).zip(&direction) {
                *w = s + by * d;
            }
            loss(&weights, mode)
        };
        let numeric = (moved(2e-3) - moved(-2e-3)) / 4e-3;
        moved(0.0);
        let gradient = trainer.backward(&d).unwrap();
        let analytic = gradient
            .iter()
            .zip(&direction)
            .map(|(g, d)| f64::from(g * d))
            .sum::<f64>();
        assert!(
            (numeric - analytic).abs() < 2e-3 * analytic.abs().max(1.0),
            "{numeric} {analytic}"
        );
    }
}

#[test]
fn another_number_of_windows_leaves_nothing_behind() {
    let mut numbers = Numbers(2);
    let inputs = numbers.many(9 * 4 * 3, 1.0);
    let weights = Weights::random(SHAPE, 3).unwrap();
    let run = |trainer: &mut Trainer, windows: usize| {
        let outputs = trainer
            .forward(&inputs[..windows * 12], Mode::Evaluate)
            .unwrap()
            .to_vec();
        let gradient = trainer.backward(&vec![1.0; windows * 2]).unwrap().to_vec();
        (outputs, gradient)
    };
    for dropout in [0.0, 0.2] {
        let options = Options {
            shard_rows: 4,
            dropout,
            ..Options::default()
        };
        let new = || {
            let mut trainer = Trainer::new(SHAPE, 4, 9, options).unwrap();
            trainer.set_weights(&weights).unwrap();
            trainer
        };
        let mut used = new();
        for windows in [9, 2, 5, 1, 9, 3] {
            assert_eq!(
                run(&mut used, windows),
                run(&mut new(), windows),
                "{windows}"
            );
        }
    }
}

#[test]
fn wrong_calls_are_refused() {
    let mut trainer = Trainer::new(SHAPE, 4, 9, Options::default()).unwrap();
    assert_eq!(trainer.backward(&[1.0; 18]), Err(Error::NothingToGoBackTo));
    assert!(trainer.forward(&[], Mode::Evaluate).is_err());
    assert!(trainer.forward(&[0.0; 11], Mode::Evaluate).is_err());
    assert!(trainer.forward(&[0.0; 120], Mode::Evaluate).is_err());
    trainer.forward(&[0.0; 24], Mode::Evaluate).unwrap();
    assert!(trainer.backward(&[1.0; 3]).is_err());
    assert!(trainer.backward(&[1.0; 4]).is_ok());
    assert_eq!(trainer.backward(&[1.0; 4]), Err(Error::NothingToGoBackTo));
    let other = Weights::random(
        Shape {
            cell: Cell::Gru,
            ..SHAPE
        },
        1,
    )
    .unwrap();
    assert!(trainer.set_weights(&other).is_err());
    for dropout in [-0.1, 1.0, f32::NAN] {
        assert!(
            Trainer::new(
                SHAPE,
                4,
                9,
                Options {
                    dropout,
                    ..Options::default()
                }
            )
            .is_err()
        );
    }
}
