//! Forward and backward over a batch, shard by shard.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::dropout::Random;
use crate::error::Error;
use crate::network::Network;
use crate::packed::Layer;
use crate::pool::Pool;
use crate::shape::{Shape, limit};
use crate::shard::{Masks, Shard};
use crate::simd::InstructionSet;
use crate::weights::{Weights, same_length};

/// How a [`Trainer`] works. Only `shard_rows`, `set`, `dropout` and `seed` have an influence on the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Threads, the caller's included; more than there are shards in a batch do not help.
    pub threads: usize,
    /// Samples per shard, 1..=1024; part of what makes a result reproducible.
    pub shard_rows: usize,
    /// Instructions to use.
    pub set: InstructionSet,
    /// Probability that a value between layers, and of the last hidden state, is dropped in training; in [0, 1).
    pub dropout: f32,
    /// Seed of the dropout masks.
    pub seed: u64,
    /// Whether [`Trainer::input_gradient`] is wanted.
    pub input_gradient: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 1,
            shard_rows: 32,
            set: InstructionSet::detect(),
            dropout: 0.0,
            seed: 0,
            input_gradient: false,
        }
    }
}

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With dropout; the masks depend on the seed, this number and the place in the batch, so that a resumed run
    /// draws the same ones.
    Train {
        /// Number of the optimizer step.
        step: u64,
    },
    /// Without dropout.
    Evaluate,
}

/// A network with room for one batch. After [`Trainer::new`] nothing is allocated but a job per
/// thread and pass.
pub struct Trainer {
    network: Network,
    options: Options,
    batch: usize,
    used: usize,
    mode: Option<Mode>,
    shards: Vec<Mutex<Shard>>,
    pool: Pool,
    outputs: Vec<f32>,
    gradient: Vec<f32>,
    dx: Vec<f32>,
}

impl Trainer {
    /// Room for windows of `steps` steps, at most `batch` at once, with zero weights. Memory is about
    /// `4 * batch * steps * layers * hidden * (gates + 4)` bytes and, per shard, the gradients.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Range`], [`Error::Unavailable`].
    pub fn new(shape: Shape, steps: usize, batch: usize, options: Options) -> Result<Self, Error> {
        let shape = shape.check()?;
        limit("steps", steps, 1 << 16)?;
        limit("batch", batch, 1 << 20)?;
        limit("threads", options.threads, 1024)?;
        limit("shard_rows", options.shard_rows, 1024)?;
        if !(0.0..1.0).contains(&options.dropout) {
            return Err(Error::Range { what: "dropout" });
        }
        if !options.set.available() {
            return Err(Error::Unavailable(options.set));
        }
        let layers = (0..shape.layers)
            .map(|layer| Layer::new(shape, layer, (true, layer > 0 || options.input_gradient)))
            .collect();
        let network = Network {
            shape,
            steps,
            set: options.set,
            dropout: options.dropout,
            input_gradient: options.input_gradient,
            layers,
            head: (
                vec![0.0; shape.outputs * shape.hidden],
                vec![0.0; shape.outputs],
            ),
        };
        let sizes = (0..batch).step_by(options.shard_rows);
        let shards: Vec<_> = sizes
            .map(|from| Mutex::new(Shard::new(&network, options.shard_rows.min(batch - from))))
            .collect();
        let pool = Pool::new(options.threads.min(shards.len()));
        let dx = if options.input_gradient {
            batch * steps * shape.features
        } else {
            0
        };
        Ok(Self {
            network,
            options,
            batch,
            used: 0,
            mode: None,
            shards,
            pool,
            outputs: vec![0.0; batch * shape.outputs],
            gradient: vec![0.0; shape.len()],
            dx: vec![0.0; dx],
        })
    }

    /// Takes weights; to be called after every change.
    ///
    /// # Errors
    /// [`Error::Length`] when they are of another shape.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<(), Error> {
        let shape = self.network.shape;
        let values = weights.values();
        if weights.shape() != shape {
            return Err(Error::Length {
                what: "weights",
                is: values.len(),
                expected: shape.len(),
            });
        }
        for (layer, packed) in self.network.layers.iter_mut().enumerate() {
            packed.pack(shape, layer, values);
        }
        let [weight, bias] = shape.head();
        self.network.head.0.copy_from_slice(&values[weight]);
        self.network.head.1.copy_from_slice(&values[bias]);
        self.mode = None;
        Ok(())
    }

    /// Outputs `[batch][outputs]` for windows `[batch][steps][features]`, oldest step first, from zero states.
    /// Inputs are not checked: NaN gives NaN, in its own sample only.
    ///
    /// # Errors
    /// [`Error::Size`] or [`Error::Length`] when `inputs` is not a whole number of windows in `1..=batch`.
    pub fn forward(&mut self, inputs: &[f32], mode: Mode) -> Result<&[f32], Error> {
        let window = self.network.steps * self.network.shape.features;
        let used = inputs.len() / window;
        same_length("inputs", inputs.len(), used * window)?;
        limit("windows", used, self.batch)?;
        self.used = used;
        self.mode = Some(mode);
        let masks = self.masks(mode);
        let rows = self.options.shard_rows;
        let (network, shards) = (&self.network, &self.shards);
        self.pool.run(used.div_ceil(rows), &|index| {
            let from = index * rows * window;
            let part = &inputs[from..inputs.len().min(from + rows * window)];
            let masks = masks.map(|masks| Masks {
                random: masks.random.stream(index as u64),
                ..masks
            });
            lock(&shards[index]).forward(network, part, masks);
        });
        let outputs = &mut self.outputs[..used * self.network.shape.outputs];
        for (out, shard) in outputs
            .chunks_mut(rows * self.network.shape.outputs)
            .zip(shards)
        {
            out.copy_from_slice(lock(shard).outputs());
        }
        Ok(outputs)
    }

    fn masks(&self, mode: Mode) -> Option<Masks> {
        let Mode::Train { step } = mode else {
            return None;
        };
        (self.options.dropout > 0.0).then(|| Masks {
            random: Random::new(self.options.seed).stream(step),
            rate: self.options.dropout,
        })
    }

    /// Gradients in the layout of the weights for the windows of the last [`Trainer::forward`], from the gradients
    /// of its outputs (`d_outputs`, `[batch][outputs]`; scale them by the batch for a mean). The sums are over
    /// the batch.
    ///
    /// # Errors
    /// [`Error::NothingToGoBackTo`] without such a pass, [`Error::Length`].
    pub fn backward(&mut self, d_outputs: &[f32]) -> Result<&[f32], Error> {
        let outputs = self.network.shape.outputs;
        let mode = self.mode.ok_or(Error::NothingToGoBackTo)?;
        same_length("d_outputs", d_outputs.len(), self.used * outputs)?;
        self.mode = None;
        let masked = self.masks(mode).is_some();
        let rows = self.options.shard_rows;
        let count = self.used.div_ceil(rows);
        let (network, shards) = (&self.network, &self.shards);
        self.pool.run(count, &|index| {
            let from = index * rows * outputs;
            let part = &d_outputs[from..d_outputs.len().min(from + rows * outputs)];
            lock(&shards[index]).backward(network, part, masked);
        });
        self.gradient.fill(0.0);
        let window = rows * network.steps * network.shape.features;
        for (index, shard) in shards[..count].iter().enumerate() {
            let shard = lock(shard);
            shard.add_gradients(&mut self.gradient);
            if network.input_gradient {
                let end = self.used * network.steps * network.shape.features;
                shard.read_input_gradient(
                    &mut self.dx[index * window..end.min((index + 1) * window)],
                );
            }
        }
        Ok(&self.gradient)
    }

    /// Gradient of the inputs `[batch][steps][features]` after [`Trainer::backward`]; empty unless asked for in the
    /// options. With it the network can be an operation of another library's autodiff.
    #[must_use]
    pub fn input_gradient(&self) -> &[f32] {
        let len = self.used * self.network.steps * self.network.shape.features;
        self.dx.get(..len).unwrap_or_default()
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.network.shape
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A pass that panicked leaves numbers, and the next pass replaces them all.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
