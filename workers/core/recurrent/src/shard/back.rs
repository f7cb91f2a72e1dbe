//! The way of a shard back.

use super::{Kept, Shard};
use crate::head::{self, Gradients};
use crate::kernel::gates::{self, GateStep};
use crate::kernel::outer::{self, Outer};
use crate::kernel::product::{self, Ahead, Product};
use crate::network::Network;
use crate::shape::Cell;
use crate::simd::{InstructionSet, PANEL, SLOTS, UNITS};

/// Samples times steps in one sum of outer products: the block of gate gradients (32 KiB) stays in the first-level
/// cache.
const OUTER_ROWS: usize = 128;

impl Kept {
    /// What the step before `t` will read on the way back, each `wide` floats or four times that.
    fn ahead(&self, above: Option<&Self>, t: usize, wide: usize, lstm: bool) -> [Ahead; 4] {
        let Some(t) = t.checked_sub(1) else {
            return [Ahead::NOTHING; 4];
        };
        let range = |from: &[f32], per_step: usize| {
            let range = from.get(t * per_step..(t + 1) * per_step);
            range.map_or(Ahead::NOTHING, |range| Ahead {
                start: range.as_ptr(),
                lines: per_step / UNITS,
            })
        };
        [
            range(&self.gates, wide * SLOTS),
            range(&self.tanh_c, wide),
            range(if lstm { &self.c } else { &self.h }, wide),
            above.map_or(Ahead::NOTHING, |above| range(&above.dx, wide)),
        ]
    }
}

impl Shard {
    /// Back through all steps; `d_outputs` is `[samples][outputs]` of the samples of the last pass forward.
    pub(crate) fn backward(&mut self, network: &Network, d_outputs: &[f32], masked: bool) {
        for kept in &mut self.layers {
            kept.gradient.weights.fill(0.0);
            kept.gradient.bias.fill(0.0);
        }
        self.back_head(network, d_outputs, masked);
        for layer in (0..self.shape.layers).rev() {
            if layer + 1 < self.shape.layers {
                self.dh.fill(0.0);
            }
            self.dc.fill(0.0);
            let group = (OUTER_ROWS / self.rows).clamp(1, self.steps);
            for t in (0..self.steps).rev() {
                self.back_step(network, layer, t);
                if t % group == 0 {
                    self.back_weights(network.set, layer, t..(t + group).min(self.steps));
                }
            }
            if masked && layer > 0 {
                let (below, above) = self.layers.split_at_mut(layer);
                for (d, m) in above[0].dx.iter_mut().zip(below[layer - 1].mask.iter()) {
                    *d *= m;
                }
            }
        }
    }

    fn back_head(&mut self, network: &Network, d_outputs: &[f32], masked: bool) {
        let (hidden, width) = (self.shape.hidden, self.shape.width());
        self.head.fill(0.0);
        self.dh.fill(0.0);
        let Some(top) = self.layers.last() else {
            return;
        };
        let last = &top.h[self.steps * self.rows * width..];
        let (weights, bias) = self.head.split_at_mut(self.shape.outputs * hidden);
        for (row, d) in d_outputs.chunks_exact(self.shape.outputs).enumerate() {
            let unit = row * width..row * width + hidden;
            let scale = masked.then(|| &top.mask[unit.clone()]);
            let gradients = Gradients {
                weights,
                bias,
                h: &mut self.dh[unit.clone()],
            };
            head::back(d, &last[unit], &network.head.0, scale, gradients);
        }
    }

    fn back_step(&mut self, network: &Network, layer: usize, t: usize) {
        let (rows, width, panels) = (self.rows, self.shape.width(), self.shape.panels());
        let wide = rows * width;
        let lstm = self.shape.cell == Cell::Lstm;
        let (this, above) = self.layers.split_at_mut(layer + 1);
        let kept = &mut this[layer];
        let gates = kept.gates[t * wide * SLOTS..].as_mut_ptr();
        let gates_stride = rows * PANEL;
        let before = if lstm {
            &kept.c[t * wide..]
        } else {
            &kept.h[t * wide..]
        };
        let step = GateStep {
            lstm,
            rows,
            panels,
            gates,
            gates_stride,
            tanh_c: kept.tanh_c.get(t * wide..).unwrap_or_default().as_ptr(),
            before: before.as_ptr(),
            above: above
                .first()
                .map_or(std::ptr::null(), |above| above.dx[t * wide..].as_ptr()),
            dh: self.dh.as_mut_ptr(),
            dc: self.dc.as_mut_ptr(),
            bias: kept.gradient.bias.as_mut_ptr(),
        };
        let packed = &network.layers[layer];
        let to_state = Product {
            skip: self.shape.cell.state_skip(),
            rows,
            panels,
            gates,
            gates_stride,
            weights: packed.back_h.as_ptr(),
            vectors: panels,
            out: self.dh.as_mut_ptr(),
            fresh: false,
            ahead: kept.ahead(above.first(), t, wide, lstm),
        };
        // SAFETY: the set was checked when the network was made; the arrays were made for `rows` and `steps` in
        // `new`, the slices begin at step `t`, and `dx` of the layer above has this layer's width.
        unsafe {
            gates::step(network.set, &step);
            if t > 0 {
                product::add(network.set, &to_state);
            }
            if network.wants_dx(layer) {
                let vectors = self.shape.inputs(layer).div_ceil(UNITS);
                let to_input = Product {
                    skip: self.shape.cell.input_skip(),
                    weights: packed.back_x.as_ptr(),
                    vectors,
                    out: kept.dx[t * rows * vectors * UNITS..].as_mut_ptr(),
                    fresh: true,
                    ahead: [Ahead::NOTHING; 4],
                    ..to_state
                };
                product::add(network.set, &to_input);
            }
        }
    }

    /// Gradients of the weights from the gates of some steps.
    fn back_weights(&mut self, set: InstructionSet, layer: usize, steps: std::ops::Range<usize>) {
        let (rows, width) = (self.rows, self.shape.width());
        let wide = rows * width;
        let (below, this) = self.layers.split_at_mut(layer);
        let kept = &mut this[0];
        let (x, stride) = match below.last() {
            None => (
                &kept.x[steps.start * rows * self.shape.features..],
                self.shape.features,
            ),
            Some(_) if self.dropout => (&kept.x[steps.start * wide..], width),
            Some(below) => (&below.h[(steps.start + 1) * wide..], width),
        };
        let (inputs, hidden) = (self.shape.inputs(layer), self.shape.hidden);
        let line = self.shape.cell.gates() * UNITS;
        let of_input = Outer {
            skip: self.shape.cell.input_skip(),
            steps: steps.len(),
            rows,
            panels: self.shape.panels(),
            a: x.as_ptr(),
            stride,
            inputs,
            gates: kept.gates[steps.start * wide * SLOTS..].as_ptr(),
            gates_stride: rows * PANEL,
            out: kept.gradient.weights.as_mut_ptr(),
            out_stride: (inputs + hidden) * line,
        };
        let of_state = Outer {
            skip: self.shape.cell.state_skip(),
            a: kept.h[steps.start * wide..].as_ptr(),
            stride: width,
            inputs: hidden,
            out: kept.gradient.weights[inputs * line..].as_mut_ptr(),
            ..of_input
        };
        // SAFETY: the set was checked; the arrays hold all steps, and the slices begin at the first of `steps`.
        unsafe {
            outer::outer(set, &of_input);
            outer::outer(set, &of_state);
        }
    }

    /// Adds this shard's gradients to the flat vector.
    pub(crate) fn add_gradients(&self, flat: &mut [f32]) {
        for (layer, kept) in self.layers.iter().enumerate() {
            kept.gradient.add_to(self.shape, layer, flat);
        }
        let start = self.shape.head()[0].start;
        for (sum, d) in flat[start..].iter_mut().zip(&self.head) {
            *sum += d;
        }
    }

    /// Copies the gradient of the inputs to `[rows][steps][features]`.
    pub(crate) fn read_input_gradient(&self, out: &mut [f32]) {
        let features = self.shape.features;
        let padded = features.div_ceil(UNITS) * UNITS;
        for (row, sample) in out.chunks_exact_mut(self.steps * features).enumerate() {
            for (t, values) in sample.chunks_exact_mut(features).enumerate() {
                values.copy_from_slice(
                    &self.layers[0].dx[(t * self.rows + row) * padded..][..features],
                );
            }
        }
    }
}
