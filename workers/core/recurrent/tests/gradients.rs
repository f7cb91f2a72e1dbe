//! Forward and backward against a slow f64 implementation, and that one against finite differences.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, Reference, error, sets};
use foresail_recurrent::{Cell, InstructionSet, Mode, Options, Shape, Trainer, Weights};

struct Case {
    shape: Shape,
    steps: usize,
    windows: usize,
    weights: Weights,
    inputs: Vec<f32>,
    d_outputs: Vec<f32>,
}

fn case(shape: Shape, steps: usize, windows: usize, seed: u64) -> Case {
    let mut numbers = Numbers(seed);
    Case {
        shape,
        steps,
        windows,
        weights: Weights::random(shape, seed).unwrap(),
        inputs: numbers.many(windows * steps * shape.features, 2.0),
        d_outputs: numbers.many(windows * shape.outputs, 1.0),
    }
}

/// Outputs, gradients of the weights, gradients of the inputs.
fn run(case: &Case, set: InstructionSet, shard_rows: usize, threads: usize) -> [Vec<f32>; 3] {
    let options = Options {
        threads,
        shard_rows,
        set,
        input_gradient: true,
        ..Options::default()
    };
    let mut trainer = Trainer::new(case.shape, case.steps, case.windows, options).unwrap();
    trainer.set_weights(&case.weights).unwrap();
    let outputs = trainer
        .forward(&case.inputs, Mode::Train { step: 0 })
        .unwrap()
        .to_vec();
    let gradient = trainer.backward(&case.d_outputs).unwrap().to_vec();
    [outputs, gradient, trainer.input_gradient().to_vec()]
}

fn check(case: &Case, set: InstructionSet, shard_rows: usize) -> f64 {
    let reference = Reference::new(case.shape, case.weights.values());
    let [outputs, gradient, dx] = run(case, set, shard_rows, 1);
    let (truth, truth_dx) = reference.backward(&case.inputs, &case.d_outputs);
    let errors = [
        error(&outputs, &reference.forward(&case.inputs, case.windows)),
        error(&gradient, &truth),
        error(&dx, &truth_dx),
    ];
    let worst = errors.into_iter().fold(0.0, f64::max);
    let Case {
        shape,
        steps,
        windows,
        ..
    } = case;
    assert!(
        worst < 1e-5,
        "{errors:?}: {shape:?}, {steps} steps, {windows} windows, {shard_rows}, {set:?}"
    );
    worst
}

#[test]
fn the_reference_agrees_with_finite_differences() {
    for cell in [Cell::Lstm, Cell::Gru] {
        for layers in [1, 2] {
            let shape = Shape {
                cell,
                features: 3,
                hidden: 4,
                layers,
                outputs: 2,
            };
            let case = case(shape, 5, 2, 11);
            let mut reference = Reference::new(shape, case.weights.values());
            let (analytic, _) = reference.backward(&case.inputs, &case.d_outputs);
            let mut loss = |i: usize, by: f64| {
                let was = reference.weights[i];
                reference.weights[i] = was + by;
                let outputs = reference.forward(&case.inputs, case.windows);
                reference.weights[i] = was;
                outputs
                    .iter()
                    .zip(&case.d_outputs)
                    .map(|(y, d)| y * f64::from(*d))
                    .sum::<f64>()
            };
            for (i, analytic) in analytic.iter().enumerate() {
                let numeric = (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
                assert!(
                    (numeric - analytic).abs() < 1e-8,
                    "{cell:?} {i}: {numeric} {analytic}"
                );
            }
        }
    }
}

#[test]
fn random_shapes_agree_with_the_reference() {
    let mut numbers = Numbers(5);
    let pick = |numbers: &mut Numbers, odd: &[usize], most: usize| match numbers.below(2) {
        0 => odd[numbers.below(odd.len())],
        _ => 1 + numbers.below(most),
    };
    let mut worst = 0f64;
    for seed in 0..200 {
        let shape = Shape {
            cell: [Cell::Lstm, Cell::Gru][numbers.below(2)],
            features: pick(&mut numbers, &[1, 7, 16, 33], 20),
            hidden: pick(&mut numbers, &[1, 15, 16, 17, 31, 64, 65], 40),
            layers: 1 + numbers.below(3),
            outputs: pick(&mut numbers, &[1, 5], 12),
        };
        let case = case(
            shape,
            pick(&mut numbers, &[1, 2], 12),
            pick(&mut numbers, &[1, 13], 20),
            seed,
        );
        let shard_rows = [1, 4, 7, 32][numbers.below(4)];
        for set in sets() {
            worst = worst.max(check(&case, set, shard_rows));
        }
    }
    println!("largest error {worst:.2e}");
}

#[test]
fn blocks_of_large_shapes_agree_with_the_reference() {
    // More rows of weights than one block, more columns than one vector block, more steps than one outer block.
    for cell in [Cell::Lstm, Cell::Gru] {
        let shape = Shape {
            cell,
            features: 37,
            hidden: 150,
            layers: 2,
            outputs: 3,
        };
        for set in sets() {
            check(&case(shape, 9, 35, 3), set, 32);
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for cell in [Cell::Lstm, Cell::Gru] {
        let shape = Shape {
            cell,
            features: 5,
            hidden: 24,
            layers: 2,
            outputs: 3,
        };
        let case = case(shape, 8, 53, 9);
        for set in sets() {
            let one = run(&case, set, 8, 1);
            for threads in [1, 2, 3, 16] {
                assert_eq!(one, run(&case, set, 8, threads), "{set:?} {threads}");
            }
        }
    }
}

#[test]
fn neighbours_in_a_batch_change_no_bit_of_a_forecast() {
    let shape = Shape {
        cell: Cell::Lstm,
        features: 5,
        hidden: 24,
        layers: 2,
        outputs: 3,
    };
    let mut complete = case(shape, 8, 13, 9);
    for set in sets() {
        let [all, ..] = run(&complete, set, 32, 1);
        let (window, inputs) = (8 * 5, complete.inputs.clone());
        for (i, alone) in inputs.chunks_exact(window).enumerate() {
            let one = Case {
                inputs: alone.to_vec(),
                d_outputs: vec![1.0; 3],
                windows: 1,
                weights: complete.weights.clone(),
                ..complete
            };
            assert_eq!(run(&one, set, 32, 1)[0], all[i * 3..][..3]);
        }
        // NaN stays in its own sample.
        complete.inputs[window] = f32::NAN;
        let [spoiled, ..] = run(&complete, set, 32, 1);
        assert!(spoiled[3..6].iter().all(|y| y.is_nan()));
        assert_eq!(spoiled[6..], all[6..]);
        complete.inputs = inputs;
    }
}
