//! Safetensors: what is written is read, and nothing else is.

#![allow(clippy::unwrap_used)]

mod common;

use common::Numbers;
use foresail_recurrent::{Cell, Error, Shape, Weights};
use safetensors::tensor::{Dtype, TensorView};

const SHAPE: Shape = Shape {
    cell: Cell::Gru,
    features: 2,
    hidden: 3,
    layers: 2,
    outputs: 2,
};

#[test]
fn what_is_written_is_read() {
    for cell in [Cell::Lstm, Cell::Gru] {
        let shape = Shape { cell, ..SHAPE };
        let weights = Weights::random(shape, 1).unwrap();
        let bytes = weights.to_safetensors().unwrap();
        assert_eq!(bytes, weights.to_safetensors().unwrap());
        assert_eq!(weights, Weights::from_safetensors(shape, &bytes).unwrap());
        let length = |name: &str| {
            let mut parameters = shape.parameters().into_iter();
            parameters.find(|p| p.name == name).map(|p| p.range.len())
        };
        assert_eq!(length("head.bias"), Some(2));
        assert_eq!(length("rnn.weight_ih_l1"), Some(cell.gates() * 9));
        assert_eq!(length("rnn.weight_ih_l2"), None);
    }
}

#[test]
fn other_shapes_and_numbers_are_refused() {
    let bytes = Weights::random(SHAPE, 1).unwrap().to_safetensors().unwrap();
    for shape in [
        Shape {
            cell: Cell::Lstm,
            ..SHAPE
        },
        Shape {
            features: 3,
            ..SHAPE
        },
        Shape { layers: 1, ..SHAPE },
        Shape { layers: 3, ..SHAPE },
        Shape {
            outputs: 1,
            ..SHAPE
        },
        Shape { hidden: 0, ..SHAPE },
    ] {
        assert!(
            Weights::from_safetensors(shape, &bytes).is_err(),
            "{shape:?}"
        );
    }
    let mut infinite = bytes.clone();
    let end = infinite.len() - 4;
    infinite[end..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(matches!(
        Weights::from_safetensors(SHAPE, &infinite),
        Err(Error::NotFinite { .. })
    ));
    let small = vec![0u8; 2];
    let half = TensorView::new(Dtype::F16, vec![1], &small).unwrap();
    let other = safetensors::serialize([("head.bias", half)], None).unwrap();
    assert!(Weights::from_safetensors(SHAPE, &other).is_err());
}

#[test]
fn damaged_files_never_panic() {
    let weights = Weights::random(SHAPE, 1).unwrap();
    let bytes = weights.to_safetensors().unwrap();
    for len in 0..bytes.len() {
        assert!(
            Weights::from_safetensors(SHAPE, &bytes[..len]).is_err(),
            "{len}"
        );
    }
    let mut numbers = Numbers(2);
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=numbers.below(4) {
            let header = numbers.below(2) == 0;
            let at = numbers.below(if header { 700 } else { damaged.len() });
            damaged[at] ^= 1 << numbers.below(8);
        }
        // Either refused, or a network of finite numbers.
        if let Ok(read) = Weights::from_safetensors(SHAPE, &damaged) {
            assert!(read.values().iter().all(|v| v.is_finite()));
        }
    }
}
