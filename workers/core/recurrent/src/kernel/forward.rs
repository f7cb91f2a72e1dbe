//! One step forward of one layer: `[x, h] W + b` in register tiles, with the gates applied before a tile is left.
//!
//! A panel holds the gates of 16 hidden units side by side, so a tile of a few rows (samples) by one panel has all
//! that a unit needs. Input and state are one sum: the tile goes through the rows of `W_ih`, then through those of
//! `W_hh`, in blocks that stay in the first-level cache. That is why the projection of the inputs is not a product
//! of its own for all steps: its result would go to memory and back. The order of the sum over k is the same for
//! every tile size and block size, so a sample's result does not depend on its neighbours, nor on the batch.

use super::activation::{gates4, logistic2, tanh};
use crate::simd::{Lanes, PANEL, SLOTS, UNITS, dispatch};

/// Rows of packed weights in one block: 32 KiB of an LSTM panel.
const BLOCK: usize = 128;
/// Rows of weights in one turn of the loop.
const UNROLL: usize = 4;
/// No slot is left out.
pub(crate) const ALL: usize = SLOTS;

/// What one step needs. All pointers are to memory of the shard or of the packed weights.
pub(crate) struct Step {
    /// True for an LSTM.
    pub lstm: bool,
    /// Samples.
    pub rows: usize,
    /// Panels of hidden units.
    pub panels: usize,
    /// Width of the input.
    pub inputs: usize,
    /// Hidden units without padding.
    pub hidden: usize,
    /// Packed weights `[panels][inputs + hidden][3 or 4][16]`.
    pub weights: *const f32,
    /// Biases `[panels][4][16]`.
    pub bias: *const f32,
    /// Inputs `[rows][x_stride]`.
    pub x: *const f32,
    /// Floats between two samples of the input.
    pub x_stride: usize,
    /// Hidden state before the step, `[rows][panels * 16]`.
    pub h_before: *const f32,
    /// Hidden state after the step; another place than `h_before`.
    pub h: *mut f32,
    /// Cell state before (LSTM), `[panels][rows][16]`; may equal `c`.
    pub c_before: *const f32,
    /// Cell state after (LSTM), same layout.
    pub c: *mut f32,
    /// tanh of the cell state, same layout, kept for the way back; null when nothing is kept.
    pub tanh_c: *mut f32,
    /// Activated gates `[panels][gates_stride]`, each `[rows][4][16]`; null when nothing is kept.
    pub gates: *mut f32,
    /// Floats between two panels of `gates`.
    pub gates_stride: usize,
    /// Room for sums between blocks, `[rows][4][16]`.
    pub scratch: *mut f32,
}

dispatch!(
    /// Runs one step.
    ///
    /// # Safety
    /// `set` is available and every pointer of `step` is good for the layout said there.
    step(step: &Step) => run
);

/// # Safety
/// As [`step`].
#[inline(always)]
unsafe fn run<V: Lanes>(step: &Step) {
    // SAFETY: handed on.
    unsafe {
        if step.lstm {
            panels::<V, ALL, ALL>(step);
        } else {
            panels::<V, 3, 2>(step);
        }
    }
}

/// `SKIP_X` and `SKIP_H` are the slots without weights of the input and of the state.
///
/// # Safety
/// As [`step`].
#[inline(always)]
unsafe fn panels<V: Lanes, const SKIP_X: usize, const SKIP_H: usize>(step: &Step) {
    let depth = step.inputs + step.hidden;
    let blocks = depth.div_ceil(BLOCK);
    let tiles = step.rows.div_ceil(V::ROWS);
    for panel in 0..step.panels {
        for block in 0..blocks {
            let range = (block * depth / blocks, (block + 1) * depth / blocks);
            for off in (0..UNITS).step_by(V::N) {
                for index in 0..tiles {
                    let row = index * step.rows / tiles;
                    let place = Place { panel, off, row };
                    // SAFETY: the tile's rows end at `(index + 1) * rows / tiles <= rows`.
                    unsafe {
                        match (index + 1) * step.rows / tiles - row {
                            1 => tile::<V, SKIP_X, SKIP_H, 1>(step, place, range),
                            2 => tile::<V, SKIP_X, SKIP_H, 2>(step, place, range),
                            3 => tile::<V, SKIP_X, SKIP_H, 3>(step, place, range),
                            4 => tile::<V, SKIP_X, SKIP_H, 4>(step, place, range),
                            5 => tile::<V, SKIP_X, SKIP_H, 5>(step, place, range),
                            _ => tile::<V, SKIP_X, SKIP_H, 6>(step, place, range),
                        }
                    }
                }
            }
        }
    }
}

/// Where a tile begins.
#[derive(Clone, Copy)]
struct Place {
    panel: usize,
    off: usize,
    row: usize,
}

/// One tile of `R` rows through the rows `from..to` of the packed weights.
///
/// # Safety
/// As [`step`]; the tile lies inside.
#[inline(always)]
unsafe fn tile<V: Lanes, const SKIP_X: usize, const SKIP_H: usize, const R: usize>(
    step: &Step,
    at: Place,
    (from, to): (usize, usize),
) {
    let line = UNITS * if SKIP_X == ALL { 4 } else { 3 };
    let depth = step.inputs + step.hidden;
    let width = step.panels * UNITS;
    // SAFETY: row `at.row + R - 1` and panel `at.panel` exist, and `to <= depth`.
    unsafe {
        let scratch = step.scratch.add(at.row * PANEL + at.off);
        let mut sums = [[V::splat(0.0); SLOTS]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (slot, sum) in sums.iter_mut().enumerate() {
                *sum = if from == 0 {
                    V::load(step.bias.add(at.panel * PANEL + slot * UNITS + at.off))
                } else {
                    V::load(scratch.add(r * PANEL + slot * UNITS))
                };
            }
        }
        if to == depth && at.off == 0 && !step.gates.is_null() {
            // What is kept goes to memory that was last seen a batch ago; it arrives while the sums are made.
            let kept = step
                .gates
                .add(at.panel * step.gates_stride + at.row * PANEL);
            for line in 0..R * SLOTS {
                V::prefetch::<true>(kept.add(line * UNITS));
            }
            let cell = (at.panel * step.rows + at.row) * UNITS;
            for row in 0..R {
                V::prefetch::<true>(step.tanh_c.wrapping_add(cell + row * UNITS));
                V::prefetch::<true>(step.c.wrapping_add(cell + row * UNITS));
            }
        }
        let b = step.weights.add(at.panel * depth * line + at.off);
        let middle = step.inputs.clamp(from, to);
        if from < middle {
            let a = step.x.add(at.row * step.x_stride + from);
            dot::<V, SKIP_X, R>(
                &mut sums,
                (a, step.x_stride),
                b.add(from * line),
                middle - from,
            );
        }
        if middle < to {
            let a = step.h_before.add(at.row * width + middle - step.inputs);
            dot::<V, SKIP_H, R>(&mut sums, (a, width), b.add(middle * line), to - middle);
        }
        if to == depth {
            for (r, sums) in sums.into_iter().enumerate() {
                let at = Place {
                    row: at.row + r,
                    ..at
                };
                if SKIP_X == ALL {
                    lstm(step, at, sums);
                } else {
                    gru(step, at, sums);
                }
            }
        } else {
            for (r, sums) in sums.iter().enumerate() {
                for (slot, sum) in sums.iter().enumerate() {
                    sum.store(scratch.add(r * PANEL + slot * UNITS));
                }
            }
        }
    }
}

/// `sums += a b` over `k` rows of packed weights; slot `SKIP` has no weights.
///
/// # Safety
/// `a` has `R` rows of `k` floats with the given stride, `b` has `k` packed rows.
#[inline(always)]
unsafe fn dot<V: Lanes, const SKIP: usize, const R: usize>(
    sums: &mut [[V; SLOTS]; R],
    (a, stride): (*const f32, usize),
    b: *const f32,
    k: usize,
) {
    // One register per row: working out addresses would take the ports of the multiply-adds.
    let rows: [*const f32; R] = std::array::from_fn(|r| V::opaque(a.wrapping_add(r * stride)));
    let line = UNITS * if SKIP == ALL { 4 } else { 3 };
    let unrolled = k / UNROLL * UNROLL;
    // SAFETY: the caller's promise on `a` and `b`.
    unsafe {
        let mut k_now = 0;
        while k_now < unrolled {
            for u in 0..UNROLL {
                one_row::<V, SKIP, R>(sums, &rows, k_now + u, b.add((k_now + u) * line));
            }
            k_now += UNROLL;
        }
        for k_now in unrolled..k {
            one_row::<V, SKIP, R>(sums, &rows, k_now, b.add(k_now * line));
        }
    }
}

/// One row of packed weights of [`dot`].
///
/// # Safety
/// Every row has a float at `k`, and `b` is a packed row.
#[inline(always)]
unsafe fn one_row<V: Lanes, const SKIP: usize, const R: usize>(
    sums: &mut [[V; SLOTS]; R],
    rows: &[*const f32; R],
    k: usize,
    b: *const f32,
) {
    // SAFETY: handed on.
    unsafe {
        let mut weights = [V::splat(0.0); SLOTS];
        let mut next = b;
        for (slot, weight) in weights.iter_mut().enumerate() {
            if slot != SKIP {
                *weight = V::load(next);
                next = next.add(UNITS);
            }
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = V::splat(*row.add(k));
            for slot in 0..SLOTS {
                if slot != SKIP {
                    sums[slot] = sums[slot].fma(x, weights[slot]);
                }
            }
        }
    }
}

/// # Safety
/// As [`step`]; the row and panel exist.
#[inline(always)]
unsafe fn lstm<V: Lanes>(step: &Step, at: Place, sums: [V; SLOTS]) {
    // SAFETY: handed on.
    unsafe {
        let unit = at.row * step.panels * UNITS + at.panel * UNITS + at.off;
        let cell = (at.panel * step.rows + at.row) * UNITS + at.off;
        let [i, f, g, o] = gates4(sums);
        let c = i.mul(g).fma(f, V::load(step.c_before.add(cell)));
        let t = tanh(c);
        c.store(step.c.add(cell));
        o.mul(t).store(step.h.add(unit));
        if !step.gates.is_null() {
            t.store(step.tanh_c.add(cell));
            keep(step, at, [i, f, g, o]);
        }
    }
}

/// # Safety
/// As [`step`]; the row and panel exist.
#[inline(always)]
unsafe fn gru<V: Lanes>(step: &Step, at: Place, sums: [V; SLOTS]) {
    // SAFETY: handed on.
    unsafe {
        let unit = at.row * step.panels * UNITS + at.panel * UNITS + at.off;
        let (r, z) = logistic2(sums[0], sums[1]);
        let n = tanh(sums[2].fma(r, sums[3]));
        let before = V::load(step.h_before.add(unit));
        n.fma(z, before.sub(n)).store(step.h.add(unit));
        if !step.gates.is_null() {
            keep(step, at, [r, z, n, sums[3]]);
        }
    }
}

/// # Safety
/// As [`step`]; the row and panel exist and gates are kept.
#[inline(always)]
unsafe fn keep<V: Lanes>(step: &Step, at: Place, gates: [V; SLOTS]) {
    // SAFETY: handed on.
    unsafe {
        let place = step
            .gates
            .add(at.panel * step.gates_stride + at.row * PANEL + at.off);
        for (slot, gate) in gates.into_iter().enumerate() {
            gate.store(place.add(slot * UNITS));
        }
    }
}
