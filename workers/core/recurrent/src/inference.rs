//! Forward only, without keeping anything for a way back: windows, or one step on a kept state.

use crate::aligned::Aligned;
use crate::error::Error;
use crate::kernel::forward::{self, Step};
use crate::packed::Layer;
use crate::shape::{Cell, Shape, limit};
use crate::simd::{InstructionSet, PANEL};
use crate::weights::{Weights, same_length};

/// A trained network, ready to predict. It does not change, so threads can share it, each with its own
/// [`StepState`].
pub struct Predictor {
    shape: Shape,
    set: InstructionSet,
    layers: Vec<Layer>,
    head: Weights,
}

/// Hidden (and cell) states of some samples after the steps they have seen, and working memory.
#[derive(Clone)]
pub struct StepState {
    shape: Shape,
    rows: usize,
    /// Hidden states by layer: two of them, read and written in turn.
    h: [Vec<Aligned>; 2],
    c: Vec<Aligned>,
    now: usize,
    scratch: Aligned,
}

impl StepState {
    /// Back to the state before the first step.
    pub fn reset(&mut self) {
        for state in self.h.iter_mut().flatten().chain(&mut self.c) {
            state.fill(0.0);
        }
    }

    /// Hidden state of a layer, `[rows][width]` where the width is `hidden` rounded up to a multiple of 16.
    #[must_use]
    pub fn hidden(&self, layer: usize) -> Option<&[f32]> {
        self.h[self.now].get(layer).map(|h| &**h)
    }
}

impl Predictor {
    /// Packs the weights.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn new(weights: &Weights, set: InstructionSet) -> Result<Self, Error> {
        if !set.available() {
            return Err(Error::Unavailable(set));
        }
        let shape = weights.shape();
        let layers = (0..shape.layers)
            .map(|layer| {
                let mut packed = Layer::new(shape, layer, (false, false));
                packed.pack(shape, layer, weights.values());
                packed
            })
            .collect();
        Ok(Self {
            shape,
            set,
            layers,
            head: weights.clone(),
        })
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Zero states for `rows` samples, 1..=65536.
    ///
    /// # Errors
    /// [`Error::Size`].
    pub fn state(&self, rows: usize) -> Result<StepState, Error> {
        limit("rows", rows, 1 << 16)?;
        let lstm = self.shape.cell == Cell::Lstm;
        let wide = rows * self.shape.width();
        let states = || {
            (0..self.shape.layers)
                .map(|_| Aligned::new(wide))
                .collect::<Vec<_>>()
        };
        Ok(StepState {
            shape: self.shape,
            rows,
            h: [states(), states()],
            c: if lstm { states() } else { Vec::new() },
            now: 0,
            scratch: Aligned::new(rows * PANEL),
        })
    }

    /// One step on a kept state: `inputs` is `[rows][features]`, `outputs` is `[rows][outputs]`. Nothing is
    /// allocated. The numbers are those of a window that ends here, bit for bit.
    ///
    /// # Errors
    /// [`Error::Length`] for slices or a state of another shape.
    pub fn step(
        &self,
        state: &mut StepState,
        inputs: &[f32],
        outputs: &mut [f32],
    ) -> Result<(), Error> {
        self.check(state, inputs.len(), 1, outputs.len())?;
        self.advance(state, inputs, self.shape.features);
        self.read(state, outputs);
        Ok(())
    }

    /// Outputs `[rows][outputs]` for windows `[rows][steps][features]`, oldest step first, from zero states; the
    /// state is left after the last step.
    ///
    /// # Errors
    /// [`Error::Length`] for slices or a state of another shape, [`Error::Size`] for no step.
    pub fn window(
        &self,
        state: &mut StepState,
        inputs: &[f32],
        outputs: &mut [f32],
    ) -> Result<(), Error> {
        let features = self.shape.features;
        let steps = inputs.len() / (features * state.rows);
        limit("steps", steps, usize::MAX)?;
        self.check(state, inputs.len(), steps, outputs.len())?;
        state.reset();
        for t in 0..steps {
            self.advance(state, &inputs[t * features..], steps * features);
        }
        self.read(state, outputs);
        Ok(())
    }

    fn check(
        &self,
        state: &StepState,
        inputs: usize,
        steps: usize,
        outputs: usize,
    ) -> Result<(), Error> {
        if state.shape != self.shape {
            return Err(Error::Length {
                what: "state",
                is: state.shape.len(),
                expected: self.shape.len(),
            });
        }
        same_length("inputs", inputs, state.rows * steps * self.shape.features)?;
        same_length("outputs", outputs, state.rows * self.shape.outputs)
    }

    /// All layers one step on. `x` holds `rows` samples, `stride` floats apart.
    fn advance(&self, state: &mut StepState, x: &[f32], stride: usize) {
        let next = 1 - state.now;
        let width = self.shape.width();
        let (first, second) = state.h.split_at_mut(1);
        let (before, after) = if state.now == 0 {
            (&first[0], &mut second[0])
        } else {
            (&second[0], &mut first[0])
        };
        for (layer, packed) in self.layers.iter().enumerate() {
            let (below, this) = after.split_at_mut(layer);
            let (x, x_stride) = below
                .last()
                .map_or((x.as_ptr(), stride), |h| (h.as_ptr(), width));
            let c = state
                .c
                .get_mut(layer)
                .map_or(std::ptr::null_mut(), |c| c.as_mut_ptr());
            let step = Step {
                lstm: self.shape.cell == Cell::Lstm,
                rows: state.rows,
                panels: self.shape.panels(),
                inputs: self.shape.inputs(layer),
                hidden: self.shape.hidden,
                weights: packed.forward.as_ptr(),
                bias: packed.bias.as_ptr(),
                x,
                x_stride,
                h_before: before[layer].as_ptr(),
                h: this[0].as_mut_ptr(),
                c_before: c,
                c,
                tanh_c: std::ptr::null_mut(),
                gates: std::ptr::null_mut(),
                gates_stride: 0,
                scratch: state.scratch.as_mut_ptr(),
            };
            // SAFETY: the set was checked in `new`; `check` compared the shapes, so the states were made for
            // these layers and rows; `x` reaches to `(rows - 1) * stride + features`.
            unsafe { forward::step(self.set, &step) }
        }
        state.now = next;
    }

    fn read(&self, state: &StepState, outputs: &mut [f32]) {
        let Some(h) = state.h[state.now].last() else {
            return;
        };
        let [weight, bias] = self.shape.head();
        let values = self.head.values();
        let rows = h.chunks_exact(self.shape.width());
        for (h, outputs) in rows.zip(outputs.chunks_exact_mut(self.shape.outputs)) {
            crate::head::linear(
                &h[..self.shape.hidden],
                &values[weight.clone()],
                &values[bias.clone()],
                outputs,
            );
        }
    }
}
