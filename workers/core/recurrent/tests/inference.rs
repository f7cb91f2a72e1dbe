//! Predictions: steps on a kept state, windows, and the trainer's forward pass give the same bits.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, sets};
use foresail_recurrent::{Cell, Mode, Options, Predictor, Shape, Trainer, Weights};

#[test]
fn steps_windows_and_training_agree_bit_for_bit() {
    for cell in [Cell::Lstm, Cell::Gru] {
        for (hidden, rows) in [(128, 1), (17, 1), (17, 9), (40, 6)] {
            let shape = Shape {
                cell,
                features: 7,
                hidden,
                layers: 2,
                outputs: 3,
            };
            let weights = Weights::random(shape, 1).unwrap();
            let inputs = Numbers(3).many(rows * 11 * 7, 1.0);
            for set in sets() {
                let options = Options {
                    set,
                    ..Options::default()
                };
                let mut trainer = Trainer::new(shape, 11, rows, options).unwrap();
                trainer.set_weights(&weights).unwrap();
                let truth = trainer.forward(&inputs, Mode::Evaluate).unwrap();
                let predictor = Predictor::new(&weights, set).unwrap();
                let mut state = predictor.state(rows).unwrap();
                let mut outputs = vec![0.0; rows * 3];
                for _ in 0..2 {
                    predictor.window(&mut state, &inputs, &mut outputs).unwrap();
                    assert_eq!(outputs, truth, "window {cell:?} {hidden} {rows} {set:?}");
                }
                state.reset();
                for t in 0..11 {
                    let now: Vec<f32> = inputs
                        .chunks_exact(77)
                        .flat_map(|w| w[t * 7..][..7].to_vec())
                        .collect();
                    predictor.step(&mut state, &now, &mut outputs).unwrap();
                }
                assert_eq!(outputs, truth, "steps {cell:?} {hidden} {rows} {set:?}");
            }
        }
    }
}

#[test]
fn wrong_slices_and_states_are_refused() {
    let shape = Shape {
        cell: Cell::Lstm,
        features: 2,
        hidden: 5,
        layers: 1,
        outputs: 1,
    };
    let new = |shape| {
        Predictor::new(
            &Weights::random(shape, 1).unwrap(),
            foresail_recurrent::InstructionSet::detect(),
        )
        .unwrap()
    };
    let predictor = new(shape);
    let mut state = predictor.state(2).unwrap();
    let mut outputs = [0.0; 2];
    assert!(predictor.step(&mut state, &[0.0; 3], &mut outputs).is_err());
    assert!(
        predictor
            .step(&mut state, &[0.0; 4], &mut outputs[..1])
            .is_err()
    );
    assert!(predictor.window(&mut state, &[], &mut outputs).is_err());
    assert!(
        predictor
            .window(&mut state, &[0.0; 6], &mut outputs)
            .is_err()
    );
    assert!(predictor.step(&mut state, &[0.0; 4], &mut outputs).is_ok());
    let mut other = new(Shape { hidden: 6, ..shape }).state(2).unwrap();
    assert!(predictor.step(&mut other, &[0.0; 4], &mut outputs).is_err());
    assert!(predictor.state(0).is_err());
}
