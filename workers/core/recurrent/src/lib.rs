//! LSTM and GRU as fused f32 kernels: forward, backward through time, optimizers and inference, on the CPU.
//!
//! Depends on no tensor library. The weights are one flat vector in PyTorch's layout and with PyTorch's names
//! ([`Shape::parameters`]), so they travel as safetensors.
//!
//! # How it works
//! Weights are packed once per optimizer step into panels that hold all gates of 16 hidden units. One step forward is
//! one pass over the panels: a tile of up to six samples by one panel stays in registers through the product with the
//! input, the product with the state, and the gates. On the way back the gradients of the gates replace the gates in
//! memory; one product carries them to the state before and to the layer below, and outer products over 128 samples
//! and steps at a time make the gradients of the weights. The memory that the next step will read is asked for
//! while the product of this one is made.
//!
//! # Which bits
//! The batch is cut into shards of [`Options::shard_rows`] samples, whose gradients are added in their order. So the
//! same shape, data, seed, shard size and [`InstructionSet`] give the same bits, for any number of threads, on every
//! processor that has the instructions. A forecast does not even depend on the other samples of its batch: windows,
//! batches and steps on a kept state agree bit for bit. Between instruction sets the bits differ (rounding of
//! multiply-add); all agree with an f64 implementation within 1e-5 of the largest gradient.
//!
//! tanh and the logistic function are rational functions with an absolute error below 4e-7 (scalar; about 2e-7 with
//! fused multiply-add), tested over their range. Gradients of states below 1e-30 count as zero.
//!
//! ```
//! use foresail_recurrent::{Adam, AdamOptions, Cell, Mode, Options, Predictor, Shape, Trainer, Weights};
//! # fn main() -> Result<(), foresail_recurrent::Error> {
//! let shape = Shape { cell: Cell::Lstm, features: 2, hidden: 8, layers: 1, outputs: 1 };
//! let options = Options::default();
//! let mut weights = Weights::random(shape, 7)?;
//! let mut adam = Adam::new(shape.len(), AdamOptions::default(), options.set)?;
//! let mut trainer = Trainer::new(shape, 10, 4, options)?;
//! let (inputs, targets) = ([0.1; 4 * 10 * 2], [0.5; 4]);
//! for step in 0..20 {
//!     trainer.set_weights(&weights)?;
//!     let outputs = trainer.forward(&inputs, Mode::Train { step })?;
//!     let d: Vec<f32> = outputs.iter().zip(targets).map(|(y, t)| 2.0 * (y - t) / 4.0).collect();
//!     adam.step(weights.values_mut(), trainer.backward(&d)?, 1e-2)?;
//! }
//! let predictor = Predictor::new(&weights, options.set)?;
//! let mut state = predictor.state(1)?;
//! let mut forecast = [0.0];
//! predictor.step(&mut state, &[0.1, 0.1], &mut forecast)?;
//! # Ok(())
//! # }
//! ```

mod aligned;
mod dropout;
mod error;
mod head;
mod inference;
mod kernel;
mod network;
mod optimizer;
mod packed;
mod pool;
mod shape;
mod shard;
mod simd;
mod store;
mod trainer;
mod weights;

pub use error::Error;
pub use inference::{Predictor, StepState};
pub use optimizer::{Adam, AdamOptions};
pub use shape::{Cell, Parameter, Shape};
pub use simd::InstructionSet;
pub use trainer::{Mode, Options, Trainer};
pub use weights::Weights;
