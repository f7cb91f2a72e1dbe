//! Sizes, options and packed weights that all shards of a batch read.

use crate::packed::Layer;
use crate::shape::Shape;
use crate::simd::InstructionSet;

/// What all shards share.
pub(crate) struct Network {
    pub shape: Shape,
    pub steps: usize,
    pub set: InstructionSet,
    pub dropout: f32,
    pub input_gradient: bool,
    pub layers: Vec<Layer>,
    pub head: (Vec<f32>, Vec<f32>),
}

impl Network {
    /// Whether the gradient of a layer's input is worked out.
    pub fn wants_dx(&self, layer: usize) -> bool {
        layer > 0 || self.input_gradient
    }
}
