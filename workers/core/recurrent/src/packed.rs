//! Weights in the order in which the kernels read them, and gradients back from that order.

use crate::aligned::Aligned;
use crate::shape::Shape;
use crate::simd::{PANEL, SLOTS, UNITS};

/// One layer. Units beyond `hidden` have zero weights, so their state stays zero.
#[derive(Clone)]
pub(crate) struct Layer {
    /// `[panels][inputs + hidden][gates][16]`.
    pub forward: Aligned,
    /// `[panels][4][16]`; both biases added, but for the candidate of a GRU.
    pub bias: Aligned,
    /// Transposed weights of the state, see [`transpose`].
    pub back_h: Aligned,
    /// Transposed weights of the input; empty where nobody asks for that gradient.
    pub back_x: Aligned,
}

/// A matrix of one layer in the flat vector: `[gates * hidden][columns]`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    hidden: usize,
    columns: usize,
}

impl Layer {
    /// Room for the weights of a layer; `back` says whether gradients of the state and of the input are wanted.
    pub(crate) fn new(shape: Shape, layer: usize, back: (bool, bool)) -> Self {
        let (gates, panels, inputs) = (shape.cell.gates(), shape.panels(), shape.inputs(layer));
        let transposed = |wanted: bool, columns: usize| {
            let padded = columns.div_ceil(UNITS) * UNITS;
            Aligned::new(if wanted {
                panels * gates * UNITS * padded
            } else {
                0
            })
        };
        Self {
            forward: Aligned::new(panels * (inputs + shape.hidden) * gates * UNITS),
            bias: Aligned::new(panels * PANEL),
            back_h: transposed(back.0, shape.hidden),
            back_x: transposed(back.1, inputs),
        }
    }

    /// Takes the weights of a layer from the flat vector.
    pub(crate) fn pack(&mut self, shape: Shape, layer: usize, values: &[f32]) {
        let [ih, hh, bias_ih, bias_hh] = shape.layer(layer);
        let (hidden, inputs) = (shape.hidden, shape.inputs(layer));
        let x = Matrix {
            values: &values[ih],
            hidden,
            columns: inputs,
        };
        let h = Matrix {
            values: &values[hh],
            hidden,
            columns: hidden,
        };
        let gates = shape.cell.gates();
        let line = gates * UNITS;
        for (panel, block) in self
            .forward
            .chunks_exact_mut((inputs + hidden) * line)
            .enumerate()
        {
            let (first, second) = block.split_at_mut(inputs * line);
            interleave(first, x, gates, panel);
            interleave(second, h, gates, panel);
        }
        for (index, bias) in self.bias.iter_mut().enumerate() {
            let (slot, unit) = place(index);
            let part = |slots: &[usize], values: &[f32]| {
                let gate = slots.iter().position(|&s| s == slot);
                gate.filter(|_| unit < hidden)
                    .map_or(0.0, |g| values[g * hidden + unit])
            };
            *bias = part(shape.cell.input_slots(), &values[bias_ih.clone()])
                + part(shape.cell.state_slots(), &values[bias_hh.clone()]);
        }
        transpose(&mut self.back_h, h, gates);
        transpose(&mut self.back_x, x, gates);
    }
}

/// Slot and unit of a place in `[panels][4][16]`.
fn place(index: usize) -> (usize, usize) {
    (index / UNITS % SLOTS, index / PANEL * UNITS + index % UNITS)
}

/// `[k][gates][16]` of one panel.
fn interleave(out: &mut [f32], m: Matrix, gates: usize, panel: usize) {
    let line = gates * UNITS;
    for gate in 0..gates {
        for j in 0..UNITS {
            let unit = panel * UNITS + j;
            if unit >= m.hidden {
                continue;
            }
            let row = &m.values[(gate * m.hidden + unit) * m.columns..][..m.columns];
            for (value, line) in row.iter().zip(out.chunks_exact_mut(line)) {
                line[gate * UNITS + j] = *value;
            }
        }
    }
}

/// Blocks of up to 64 columns, each `[panels][gates][16][columns]`: the rows in the order of a panel's gradients.
fn transpose(out: &mut Aligned, m: Matrix, gates: usize) {
    if out.is_empty() {
        return;
    }
    let vectors = m.columns.div_ceil(UNITS);
    let depth = m.hidden.div_ceil(UNITS) * gates * UNITS;
    for first in (0..vectors).step_by(SLOTS) {
        let from = first * UNITS;
        let padded = (vectors - first).min(SLOTS) * UNITS;
        let count = padded.min(m.columns - from);
        let block = &mut out[from * depth..][..padded * depth];
        for (index, line) in block.chunks_exact_mut(padded).enumerate() {
            let (panel, rest) = (index / (gates * UNITS), index % (gates * UNITS));
            let (gate, unit) = (rest / UNITS, panel * UNITS + rest % UNITS);
            if unit < m.hidden {
                let row = &m.values[(gate * m.hidden + unit) * m.columns..][..m.columns];
                line[..count].copy_from_slice(&row[from..from + count]);
            }
        }
    }
}

/// Gradients of one layer as the kernels leave them.
pub(crate) struct LayerGradient {
    /// As [`Layer::forward`].
    pub weights: Aligned,
    /// `[panels][4][16]`.
    pub bias: Aligned,
}

impl LayerGradient {
    pub(crate) fn new(shape: Shape, layer: usize) -> Self {
        let depth = shape.inputs(layer) + shape.hidden;
        Self {
            weights: Aligned::new(shape.panels() * depth * shape.cell.gates() * UNITS),
            bias: Aligned::new(shape.panels() * PANEL),
        }
    }

    /// Adds these gradients to the flat vector.
    pub(crate) fn add_to(&self, shape: Shape, layer: usize, flat: &mut [f32]) {
        let [ih, hh, bias_ih, bias_hh] = shape.layer(layer);
        let (hidden, inputs, gates) = (shape.hidden, shape.inputs(layer), shape.cell.gates());
        let line = gates * UNITS;
        for (panel, block) in self
            .weights
            .chunks_exact((inputs + hidden) * line)
            .enumerate()
        {
            let (first, second) = block.split_at(inputs * line);
            for (part, range, columns) in [(first, &ih, inputs), (second, &hh, hidden)] {
                for gate in 0..gates {
                    for j in 0..UNITS.min(hidden - panel * UNITS) {
                        let row = gate * hidden + panel * UNITS + j;
                        let row = &mut flat[range.start + row * columns..][..columns];
                        for (value, line) in row.iter_mut().zip(part.chunks_exact(line)) {
                            *value += line[gate * UNITS + j];
                        }
                    }
                }
            }
        }
        for (index, &d) in self.bias.iter().enumerate() {
            let (slot, unit) = place(index);
            if unit >= hidden {
                continue;
            }
            for (slots, range) in [
                (shape.cell.input_slots(), &bias_ih),
                (shape.cell.state_slots(), &bias_hh),
            ] {
                if let Some(gate) = slots.iter().position(|&s| s == slot) {
                    flat[range.start + gate * hidden + unit] += d;
                }
            }
        }
    }
}
