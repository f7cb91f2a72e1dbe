//! Trains the perceptron: Adam on the mean squared error of labels in units of their own deviation, in
//! batches shuffled by a seeded generator. One thread, a fixed order: equal inputs give equal weights.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use foresail_crds::TrainingParameters;
use foresail_model::network::{Network, Shape};
use foresail_runtime_base::RoleError;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::fit::Progress;

/// Rows to fit, flat: `inputs` is `[count, rows, features]`, `labels` is `[count, steps]`; by time.
pub(crate) struct Examples {
    pub inputs: Vec<f32>,
    pub labels: Vec<f32>,
    pub count: usize,
    /// Rows of one input.
    pub rows: usize,
    pub features: usize,
    pub steps: usize,
}

/// Trains; `progress` is called after each epoch.
///
/// # Errors
/// User error `LossNotFinite` with epoch and batch.
pub(crate) fn train(
    examples: &Examples,
    parameters: &TrainingParameters,
    progress: Progress,
) -> Result<Network, RoleError> {
    let device = Device::flex().autodiff();
    let model = &parameters.model;
    let mut random = ChaCha12Rng::seed_from_u64(parameters.seed);
    let shape = Shape {
        features: examples.rows * examples.features,
        hidden: model.hidden,
        steps: examples.steps,
    };
    let mut network = Network::new(shape, &mut || random.random(), &device);
    let deviations = deviations(examples);
    let mut optimizer = AdamConfig::new().init();
    let mut order: Vec<usize> = (0..examples.count).collect();
    for epoch in 1..=model.epochs {
        order.shuffle(&mut random);
        let (mut total, batches) = (0.0, order.chunks(model.batch_size));
        for (number, batch) in batches.enumerate() {
            let (input, labels) = tensors(examples, batch, &deviations, &device);
            let loss = (network.forward(input) - labels).square().mean();
            let value = f64::from(loss.clone().into_scalar::<f32>());
            if !value.is_finite() {
                return Err(not_finite(value, number, epoch));
            }
            total += value * batch.len() as f64;
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(model.learning_rate, network, gradients);
        }
        progress(epoch, total / examples.count.max(1) as f64);
    }
    Ok(network.valid().scaled(&deviations))
}

/// User error `LossNotFinite`.
pub(crate) fn not_finite(loss: f64, batch: usize, epoch: usize) -> RoleError {
    let message = format!(
        "the loss of batch {batch} in epoch {epoch} is {loss}; lower training.model.learningRate"
    );
    RoleError::user("LossNotFinite", message)
}

/// Root mean square of each step's labels; 1 for a step that is always zero.
pub(crate) fn deviations(examples: &Examples) -> Vec<f32> {
    let mut squares = vec![0.0f64; examples.steps];
    for label in examples.labels.chunks_exact(examples.steps) {
        for (sum, value) in squares.iter_mut().zip(label) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let root = |sum: f64| (sum / examples.count.max(1) as f64).sqrt() as f32;
    let positive = |d: f32| if d > 0.0 { d } else { 1.0 };
    squares.into_iter().map(|s| positive(root(s))).collect()
}

impl Examples {
    /// Inputs and labels of some examples; labels in units of their deviation.
    pub(crate) fn batch(&self, indices: &[usize], deviations: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (width, steps) = (self.rows * self.features, self.steps);
        let mut inputs = Vec::with_capacity(indices.len() * width);
        let mut labels = Vec::with_capacity(indices.len() * steps);
        for i in indices {
            inputs.extend_from_slice(&self.inputs[i * width..(i + 1) * width]);
            let label = &self.labels[i * steps..(i + 1) * steps];
            labels.extend(label.iter().zip(deviations).map(|(l, d)| l / d));
        }
        (inputs, labels)
    }
}

fn tensors(
    examples: &Examples,
    batch: &[usize],
    deviations: &[f32],
    device: &Device,
) -> (Tensor<2>, Tensor<2>) {
    let (inputs, labels) = examples.batch(batch, deviations);
    let width = examples.rows * examples.features;
    let input = TensorData::new(inputs, [batch.len(), width]);
    let labels = TensorData::new(labels, [batch.len(), examples.steps]);
    (
        Tensor::from_data(input, device),
        Tensor::from_data(labels, device),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn parameters(model: Value) -> TrainingParameters {
        let mut whole =
            json!({"hidden": 12, "epochs": 60, "batchSize": 32, "learningRate": "0.01"});
        for (field, value) in model.as_object().unwrap() {
            whole[field] = value.clone();
        }
        crate::testing::parameters(json!({"model": whole}))
    }

    /// The label is a product of the two rows' first columns: no linear model of the last row fits it.
    pub(crate) fn examples() -> Examples {
        let mut random = ChaCha12Rng::seed_from_u64(3);
        let count = 256;
        let inputs: Vec<f32> = (0..count * 4)
            .map(|_| random.random::<f32>() * 2.0 - 1.0)
            .collect();
        let labels = inputs.chunks_exact(4).map(|x| 0.02 * x[0] * x[2]);
        Examples {
            labels: labels.collect(),
            inputs,
            count,
            rows: 2,
            features: 2,
            steps: 1,
        }
    }

    /// The same rows side by side: one row of four columns.
    fn flat() -> Examples {
        Examples {
            rows: 1,
            features: 4,
            ..examples()
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_the_loss_falls() {
        let last = || {
            let losses = std::cell::RefCell::new(Vec::new());
            let progress = |_, loss| losses.borrow_mut().push(loss);
            let net = train(&flat(), &parameters(json!({"kind": "Mlp"})), &progress).unwrap();
            (net.encode().unwrap(), losses.into_inner())
        };
        let (bytes, losses) = last();
        assert_eq!(bytes, last().0, "equal bits");
        // A unit is the variance of the labels.
        assert!(losses.len() == 60 && losses[59] < 0.5, "{losses:?}");
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_batch() {
        let mut examples = flat();
        examples.inputs[2] = f32::INFINITY;
        let error = train(&examples, &parameters(json!({"kind": "Mlp"})), &|_, _| {}).unwrap_err();
        assert_eq!(error.reason, "LossNotFinite");
        assert!(error.message.contains("epoch 1"), "{}", error.message);
    }
}
