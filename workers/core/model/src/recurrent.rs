//! LSTM and GRU on the fused kernels of `foresail-recurrent`. Input `[rows, features]`, oldest first,
//! output one value per step, f32.

use std::sync::Arc;

use foresail_crds::pipeline::spec::ModelKind;
use foresail_recurrent::{Cell, InstructionSet, Predictor, Shape, Weights};

use crate::ModelError;

/// A trained recurrent network; shared between threads.
#[derive(Clone)]
pub struct Recurrent {
    weights: Weights,
    predictor: Arc<Predictor>,
}

impl std::fmt::Debug for Recurrent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recurrent({:?})", self.weights.shape())
    }
}

/// The cell of a kind; `None` for kinds that are not recurrent.
pub fn cell(kind: ModelKind) -> Option<Cell> {
    match kind {
        ModelKind::Lstm => Some(Cell::Lstm),
        ModelKind::Gru => Some(Cell::Gru),
        ModelKind::Naive
        | ModelKind::SeasonalNaive
        | ModelKind::Linear
        | ModelKind::Mlp
        | ModelKind::GradientBoosting
        | ModelKind::Ensemble => None,
    }
}

impl Recurrent {
    /// A network ready to be asked.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn new(weights: Weights) -> Result<Self, ModelError> {
        let to_error = |e: foresail_recurrent::Error| ModelError::Weights(e.to_string());
        let predictor = Predictor::new(&weights, InstructionSet::detect()).map_err(to_error)?;
        Ok(Self {
            weights,
            predictor: Arc::new(predictor),
        })
    }

    /// Prediction per step, `[steps]`, for the scaled rows of one input, `[rows][features]`, oldest first.
    ///
    /// # Errors
    /// [`ModelError::Input`] for no row or rows of another width.
    pub fn predict(&self, rows: &[Vec<f64>]) -> Result<Vec<f64>, ModelError> {
        let to_error = |e: foresail_recurrent::Error| ModelError::Input(e.to_string());
        let inputs: Vec<f32> = rows.iter().flatten().map(|v| *v as f32).collect();
        let mut outputs = vec![0.0; self.weights.shape().outputs];
        let mut state = self.predictor.state(1).map_err(to_error)?;
        self.predictor
            .window(&mut state, &inputs, &mut outputs)
            .map_err(to_error)?;
        Ok(outputs.into_iter().map(f64::from).collect())
    }

    /// As stored: safetensors under PyTorch's names.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        self.weights
            .to_safetensors()
            .map_err(|e| ModelError::Weights(e.to_string()))
    }

    /// Reads stored weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when they are not exactly those of this shape.
    pub fn decode(bytes: &[u8], shape: Shape) -> Result<Self, ModelError> {
        let to_error = |e: foresail_recurrent::Error| ModelError::Weights(e.to_string());
        Self::new(Weights::from_safetensors(shape, bytes).map_err(to_error)?)
    }
}

/// Multiplies the output of each step: labels are fitted in units of their deviation.
pub fn scaled(mut weights: Weights, factors: &[f32]) -> Weights {
    let shape = weights.shape();
    for parameter in shape.parameters() {
        let per_output = match parameter.name.as_str() {
            "head.weight" => shape.hidden,
            "head.bias" => 1,
            _ => continue,
        };
        let values = weights.values_mut().get_mut(parameter.range);
        let rows = values.unwrap_or_default().chunks_mut(per_output);
        for (row, factor) in rows.zip(factors) {
            row.iter_mut().for_each(|value| *value *= factor);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(kind: ModelKind) -> Recurrent {
        let shape = Shape {
            cell: cell(kind).unwrap(),
            features: 3,
            hidden: 4,
            layers: 2,
            outputs: 2,
        };
        Recurrent::new(Weights::random(shape, 5).unwrap()).unwrap()
    }

    #[test]
    fn stored_and_read_again_it_gives_the_same_bits_and_uses_the_window() {
        let window = |first: f64| vec![vec![first; 3], vec![0.1, 0.2, 0.3]];
        for kind in [ModelKind::Lstm, ModelKind::Gru] {
            let net = network(kind);
            let read = Recurrent::decode(&net.encode().unwrap(), net.weights.shape()).unwrap();
            let found = net.predict(&window(1.0)).unwrap();
            assert_eq!(found, read.predict(&window(1.0)).unwrap());
            assert_ne!(found, net.predict(&window(0.0)).unwrap());
            assert!(net.predict(&[vec![1.0; 2]]).is_err() && net.predict(&[]).is_err());
            let tripled = Recurrent::new(scaled(net.weights.clone(), &[3.0, 1.0])).unwrap();
            let tripled = tripled.predict(&window(1.0)).unwrap();
            assert!((tripled[0] - 3.0 * found[0]).abs() < 1e-6 && tripled[1] == found[1]);
        }
    }
}
