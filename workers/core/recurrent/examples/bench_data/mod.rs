//! The data of the benchmarks.
#![allow(dead_code)]

use std::error::Error;

use foresail_recurrent::{Cell, Shape, Weights};
use safetensors::SafeTensors;

/// Weights to start from, windows and their targets.
pub struct Data {
    pub weights: Weights,
    pub steps: usize,
    pub inputs: Vec<f32>,
    pub targets: Vec<f32>,
}

/// Reads the file that `bench/train.py` writes.
pub fn read(path: &str) -> Result<Data, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let floats = |name: &str| -> Result<Vec<f32>, Box<dyn Error>> {
        let (numbers, _) = file.tensor(name)?.data().as_chunks::<4>();
        Ok(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect())
    };
    let hidden = file.tensor("rnn.weight_hh_l0")?.shape()[1];
    let inputs = file.tensor("inputs")?.shape().to_vec();
    let shape = Shape {
        cell: if file.tensor("rnn.weight_hh_l0")?.shape()[0] == 4 * hidden {
            Cell::Lstm
        } else {
            Cell::Gru
        },
        features: inputs[2],
        hidden,
        layers: file
            .names()
            .iter()
            .filter(|n| n.starts_with("rnn.weight_hh"))
            .count(),
        outputs: file.tensor("targets")?.shape()[1],
    };
    let mut values = Vec::new();
    for parameter in shape.parameters() {
        values.extend(floats(&parameter.name)?);
    }
    Ok(Data {
        weights: Weights::new(shape, values)?,
        steps: inputs[1],
        inputs: floats("inputs")?,
        targets: floats("targets")?,
    })
}
