//! LSTM and GRU as fused f32 kernels: forward, backward through time, optimizers and inference, on the CPU.
//!
//! Depends on no tensor library. The weights are one flat vector in PyTorch's layout and with PyTorch's names, so
//! they travel as safetensors; the numbers are the same bit for bit for any number of threads, because the batch is
//! cut into shards of a fixed size whose gradients are added in a fixed order.

mod aligned;
mod dropout;
mod error;
mod head;
mod inference;
mod kernel;
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
