//! The memory of one shard of the batch, and its way forward. A shard is worked on by one thread.

mod back;

use crate::aligned::Aligned;
use crate::dropout::{self, Random};
use crate::head;
use crate::kernel::forward::{self, Step};
use crate::network::Network;
use crate::packed::{Layer, LayerGradient};
use crate::shape::{Cell, Shape};
use crate::simd::{InstructionSet, PANEL, SLOTS, UNITS};

/// What one layer keeps between forward and backward; `t` counts steps, a row is a sample.
struct Kept {
    /// Input `[t][rows][width]` of the first layer, or the dropped-out output of the layer below.
    x: Aligned,
    /// Hidden states `[1 + t][rows][width]`, the first zero.
    h: Aligned,
    /// Cell states `[1 + t][panels][rows][16]`, the first zero.
    c: Aligned,
    /// tanh of the cell states `[t][panels][rows][16]`.
    tanh_c: Aligned,
    /// Gates, then their gradients: `[t][panels][rows][4][16]`, so that a step is one range of memory.
    gates: Aligned,
    /// Gradient of the input `[t][rows][padded width]`.
    dx: Aligned,
    /// Dropout mask of the output `[t][rows][width]` (last layer: `[rows][width]` of the last step).
    mask: Aligned,
    gradient: LayerGradient,
}

/// A shard.
pub(crate) struct Shard {
    shape: Shape,
    steps: usize,
    rows: usize,
    dropout: bool,
    layers: Vec<Kept>,
    scratch: Aligned,
    scratch_h: Aligned,
    dh: Aligned,
    dc: Aligned,
    outputs: Vec<f32>,
    head: Vec<f32>,
}

/// A pass in training mode draws masks for one batch of one step.
#[derive(Clone, Copy)]
pub(crate) struct Masks {
    pub random: Random,
    pub rate: f32,
}

impl Shard {
    /// Room for `rows` samples; a pass uses as many as it is given.
    pub(crate) fn new(network: &Network, rows: usize) -> Self {
        let (shape, steps) = (network.shape, network.steps);
        let wide = rows * shape.width();
        let lstm = shape.cell == Cell::Lstm;
        let dropout = network.dropout > 0.0;
        let layers = (0..shape.layers)
            .map(|layer| {
                let top = layer + 1 == shape.layers;
                let padded = shape.inputs(layer).div_ceil(UNITS) * UNITS;
                Kept {
                    x: Aligned::new(match layer {
                        0 => steps * rows * shape.features,
                        _ if dropout => steps * wide,
                        _ => 0,
                    }),
                    h: Aligned::new((steps + 1) * wide),
                    c: Aligned::new(if lstm { (steps + 1) * wide } else { 0 }),
                    tanh_c: Aligned::new(if lstm { steps * wide } else { 0 }),
                    gates: Aligned::new(shape.panels() * steps * rows * PANEL),
                    dx: Aligned::new(if network.wants_dx(layer) {
                        steps * rows * padded
                    } else {
                        0
                    }),
                    mask: Aligned::new(if !dropout {
                        0
                    } else if top {
                        wide
                    } else {
                        steps * wide
                    }),
                    gradient: LayerGradient::new(shape, layer),
                }
            })
            .collect();
        Self {
            shape,
            steps,
            rows,
            dropout,
            layers,
            scratch: Aligned::new(rows * PANEL),
            scratch_h: Aligned::new(shape.width()),
            dh: Aligned::new(wide),
            dc: Aligned::new(if lstm { wide } else { 0 }),
            outputs: vec![0.0; rows * shape.outputs],
            head: vec![0.0; shape.outputs * (shape.hidden + 1)],
        }
    }

    /// Forward through all steps; `inputs` is `[samples][steps][features]`, at most what there is room for.
    pub(crate) fn forward(&mut self, network: &Network, inputs: &[f32], masks: Option<Masks>) {
        self.take(inputs);
        let wide = self.rows * self.shape.width();
        for kept in &mut self.layers {
            // With another number of rows, states of the last pass may lie here.
            kept.h[..wide].fill(0.0);
            kept.c.iter_mut().take(wide).for_each(|c| *c = 0.0);
        }
        for layer in 0..self.shape.layers {
            if let Some(masks) = masks {
                let random = masks.random.stream(layer as u64);
                dropout::fill(&mut self.layers[layer].mask, random, masks.rate);
            }
            for t in 0..self.steps {
                self.step(network.set, &network.layers[layer], layer, t);
            }
            if self.dropout && layer + 1 < self.shape.layers {
                let (below, above) = self.layers.split_at_mut(layer + 1);
                let (from, to) = (&below[layer], &mut above[0].x);
                let (to, states) = (&mut to[..self.steps * wide], &from.h[wide..]);
                match masks {
                    Some(_) => multiply(to, states, &from.mask),
                    None => to.copy_from_slice(&states[..self.steps * wide]),
                }
            }
        }
        self.read_head(network, masks.is_some());
    }

    /// Copies the inputs to `[t][rows][features]`.
    fn take(&mut self, inputs: &[f32]) {
        let features = self.shape.features;
        let rows = inputs.len() / (self.steps * features);
        self.rows = rows;
        let x = &mut self.layers[0].x;
        for (row, sample) in inputs.chunks_exact(self.steps * features).enumerate() {
            for (t, values) in sample.chunks_exact(features).enumerate() {
                x[(t * rows + row) * features..][..features].copy_from_slice(values);
            }
        }
    }

    fn step(&mut self, set: InstructionSet, packed: &Layer, layer: usize, t: usize) {
        let (rows, width) = (self.rows, self.shape.width());
        let wide = rows * width;
        let (below, this) = self.layers.split_at_mut(layer);
        let kept = &mut this[0];
        let (x, x_stride) = match below.last() {
            None => (
                &kept.x[t * rows * self.shape.features..],
                self.shape.features,
            ),
            Some(_) if self.dropout => (&kept.x[t * wide..], width),
            Some(below) => (&below.h[(t + 1) * wide..], width),
        };
        let (h_before, h) = kept.h[t * wide..].split_at_mut(wide);
        let lstm = self.shape.cell == Cell::Lstm;
        let (c_before, c) = kept
            .c
            .get_mut(t * wide..)
            .unwrap_or_default()
            .split_at_mut(if lstm { wide } else { 0 });
        let step = Step {
            lstm,
            rows,
            panels: self.shape.panels(),
            inputs: self.shape.inputs(layer),
            hidden: self.shape.hidden,
            weights: packed.forward.as_ptr(),
            bias: packed.bias.as_ptr(),
            x: x.as_ptr(),
            x_stride,
            h_before: h_before.as_ptr(),
            h: h.as_mut_ptr(),
            c_before: c_before.as_ptr(),
            c: c.as_mut_ptr(),
            tanh_c: kept
                .tanh_c
                .get_mut(t * wide..)
                .unwrap_or_default()
                .as_mut_ptr(),
            gates: kept.gates[t * wide * SLOTS..].as_mut_ptr(),
            gates_stride: rows * PANEL,
            scratch: self.scratch.as_mut_ptr(),
        };
        // SAFETY: the set was checked when the network was made; the arrays were made for `rows` and `steps` in
        // `new`, the slices above begin at step `t`, and `h`, `c` begin one step later than `h_before`, `c_before`.
        unsafe { forward::step(set, &step) }
    }

    fn read_head(&mut self, network: &Network, masked: bool) {
        let (hidden, width) = (self.shape.hidden, self.shape.width());
        let Some(top) = self.layers.last() else {
            return;
        };
        let last = &top.h[self.steps * self.rows * width..];
        let outputs = self.outputs.chunks_exact_mut(self.shape.outputs);
        for (row, outputs) in outputs.take(self.rows).enumerate() {
            let mut h = &last[row * width..][..hidden];
            if masked {
                let dropped = &mut self.scratch_h[..hidden];
                multiply(dropped, h, &top.mask[row * width..][..hidden]);
                h = dropped;
            }
            head::linear(h, &network.head.0, &network.head.1, outputs);
        }
    }

    /// Outputs of the last pass forward, `[samples][outputs]`.
    pub(crate) fn outputs(&self) -> &[f32] {
        &self.outputs[..self.rows * self.shape.outputs]
    }
}

fn multiply(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}
