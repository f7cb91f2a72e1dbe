//! Trains an LSTM or a GRU on the fused kernels: Adam or AdamW on the mean squared error of labels in
//! units of their own deviation, batches shuffled by a seeded generator, a cosine schedule, clipped
//! gradients, dropout, early stopping. The number of threads does not change a bit.

use std::thread;

use foresail_crds::TrainingParameters;
use foresail_model::recurrent::scaled;
use foresail_recurrent::{
    Adam, AdamOptions, Error, InstructionSet, Mode, Options, Shape, Trainer, Weights,
};
use foresail_runtime_base::RoleError;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;

use crate::fit::Progress;
use crate::fit::network::{Examples, deviations, not_finite};

/// More threads than this do not help batches of usual size.
const MOST_THREADS: usize = 8;

/// What a network is trained on.
pub(crate) struct Data<'a> {
    pub examples: &'a Examples,
    /// Later examples, purged: the weights with the least loss on them are kept.
    pub held_out: Option<&'a Examples>,
}

/// Trains; `progress` is called after each epoch.
///
/// # Errors
/// User error `LossNotFinite` with epoch and batch; internal errors of the kernels.
pub(crate) fn train(
    data: &Data,
    shape: Shape,
    parameters: &TrainingParameters,
    progress: Progress,
) -> Result<Weights, RoleError> {
    let (examples, patience) = (data.examples, parameters.model.patience);
    let held_out = data.held_out.filter(|_| patience > 0);
    let mut run = Run::new(examples, shape, parameters).map_err(internal)?;
    let (mut best, mut worse) = (None::<(f64, Weights)>, 0);
    for epoch in 1..=parameters.model.epochs {
        let loss = run.epoch(examples, epoch)?;
        progress(epoch, loss);
        let Some(held_out) = held_out else {
            continue;
        };
        let loss = run.loss(held_out).map_err(internal)?;
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            best = Some((loss, run.weights.clone()));
            worse = 0;
        } else {
            worse += 1;
            if worse >= patience {
                break;
            }
        }
    }
    let weights = best.map_or(run.weights, |(_, weights)| weights);
    Ok(scaled(weights, &run.deviations))
}

struct Run<'a> {
    parameters: &'a TrainingParameters,
    weights: Weights,
    trainer: Trainer,
    adam: Adam,
    random: ChaCha12Rng,
    deviations: Vec<f32>,
    order: Vec<usize>,
    batch: usize,
    step: u64,
}

impl<'a> Run<'a> {
    fn new(
        examples: &Examples,
        shape: Shape,
        parameters: &'a TrainingParameters,
    ) -> Result<Self, Error> {
        let (model, seed) = (&parameters.model, parameters.seed);
        let batch = model.batch_size.clamp(1, examples.count.max(1));
        let options = Options {
            threads: thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS)),
            dropout: model.dropout as f32,
            seed,
            ..Options::default()
        };
        let adam = AdamOptions {
            decay: model.weight_decay as f32,
            clip: Some(model.clip_norm as f32).filter(|norm| *norm > 0.0),
            ..AdamOptions::default()
        };
        Ok(Self {
            parameters,
            weights: Weights::random(shape, seed)?,
            trainer: Trainer::new(shape, examples.rows, batch, options)?,
            adam: Adam::new(shape.len(), adam, InstructionSet::detect())?,
            random: ChaCha12Rng::seed_from_u64(seed),
            deviations: deviations(examples),
            order: (0..examples.count).collect(),
            batch,
            step: 0,
        })
    }

    /// One pass over all examples; the mean loss.
    fn epoch(&mut self, examples: &Examples, epoch: usize) -> Result<f64, RoleError> {
        self.order.shuffle(&mut self.random);
        let order = std::mem::take(&mut self.order);
        let mut total = 0.0;
        for (number, batch) in order.chunks(self.batch).enumerate() {
            let loss = self.descend(examples, batch, epoch).map_err(internal)?;
            if !loss.is_finite() {
                return Err(not_finite(loss, number, epoch));
            }
            total += loss * batch.len() as f64;
        }
        self.order = order;
        Ok(total / examples.count.max(1) as f64)
    }

    fn descend(
        &mut self,
        examples: &Examples,
        batch: &[usize],
        epoch: usize,
    ) -> Result<f64, Error> {
        let (inputs, labels) = examples.batch(batch, &self.deviations);
        self.trainer.set_weights(&self.weights)?;
        let outputs = self
            .trainer
            .forward(&inputs, Mode::Train { step: self.step })?;
        let count = outputs.len().max(1) as f32;
        let (loss, slope) = squared(outputs, &labels, count);
        if !loss.is_finite() {
            return Ok(loss);
        }
        let rate = self.rate(epoch);
        let gradient = self.trainer.backward(&slope)?;
        self.adam.step(self.weights.values_mut(), gradient, rate)?;
        self.step += 1;
        Ok(loss)
    }

    /// Cosine from the declared rate to its declared share, by epoch.
    fn rate(&self, epoch: usize) -> f32 {
        let model = &self.parameters.model;
        let (rate, share) = (model.learning_rate, model.final_learning_rate);
        let done = (epoch - 1) as f64 / model.epochs.saturating_sub(1).max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        (rate * (share + (1.0 - share) * cosine)) as f32
    }

    /// Mean loss without dropout and without a step.
    fn loss(&mut self, examples: &Examples) -> Result<f64, Error> {
        self.trainer.set_weights(&self.weights)?;
        let all: Vec<usize> = (0..examples.count).collect();
        let mut total = 0.0;
        for batch in all.chunks(self.batch) {
            let (inputs, labels) = examples.batch(batch, &self.deviations);
            let outputs = self.trainer.forward(&inputs, Mode::Evaluate)?;
            total += squared(outputs, &labels, labels.len() as f32).0 * batch.len() as f64;
        }
        Ok(total / examples.count.max(1) as f64)
    }
}

/// Mean squared error over `count` values, and its derivative.
fn squared(outputs: &[f32], labels: &[f32], count: f32) -> (f64, Vec<f32>) {
    let errors = || outputs.iter().zip(labels).map(|(y, label)| y - label);
    let sum: f64 = errors().map(|e| f64::from(e) * f64::from(e)).sum();
    let slope = errors().map(|e| 2.0 * e / count).collect();
    (sum / f64::from(count), slope)
}

fn internal(error: Error) -> RoleError {
    RoleError::internal("RecurrentKernel", error.to_string())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use foresail_recurrent::Cell;
    use serde_json::json;

    use super::*;
    use crate::fit::network::tests::{examples, parameters};

    fn shape(cell: Cell) -> Shape {
        Shape {
            cell,
            features: 2,
            hidden: 12,
            layers: 1,
            outputs: 1,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_the_window_is_used() {
        for cell in [Cell::Lstm, Cell::Gru] {
            let last = || {
                let losses = RefCell::new(Vec::new());
                let parameters = parameters(json!({"kind": "Lstm"}));
                let progress = |_, loss| losses.borrow_mut().push(loss);
                let data = Data {
                    examples: &examples(),
                    held_out: None,
                };
                let weights = train(&data, shape(cell), &parameters, &progress).unwrap();
                (weights, losses.into_inner())
            };
            let (weights, losses) = last();
            assert_eq!(weights.values(), last().0.values(), "equal bits");
            assert_eq!(losses.len(), 60);
            assert!(losses[59] < 0.3 && losses[59] < losses[0], "{losses:?}");
        }
    }

    #[test]
    fn it_stops_when_later_examples_get_no_better_and_keeps_the_best() {
        let epochs = RefCell::new(0);
        let parameters = parameters(json!({"kind": "Lstm", "patience": 3}));
        // Labels that nothing explains: the held-out loss only gets worse.
        let mut held = examples();
        held.labels.iter_mut().for_each(|label| *label = -*label);
        let progress = |epoch, _| *epochs.borrow_mut() = epoch;
        let data = Data {
            examples: &examples(),
            held_out: Some(&held),
        };
        train(&data, shape(Cell::Lstm), &parameters, &progress).unwrap();
        assert!((4..60).contains(&epochs.into_inner()));
    }

    #[test]
    fn a_loss_that_is_not_finite_names_its_batch() {
        let mut examples = examples();
        examples.labels[2] = f32::INFINITY;
        let parameters = parameters(json!({"kind": "Gru"}));
        let data = Data {
            examples: &examples,
            held_out: None,
        };
        let error = train(&data, shape(Cell::Gru), &parameters, &|_, _| {}).unwrap_err();
        assert_eq!(error.reason, "LossNotFinite");
        assert!(error.message.contains("epoch 1"), "{}", error.message);
    }
}
