//! Gradients of the weights: `out += a^T gates` over all samples of some steps.

use super::forward::ALL;
use crate::simd::{Lanes, PANEL, SLOTS, UNITS, dispatch};

/// The sum of outer products.
pub(crate) struct Outer {
    /// The slot without weights, or [`SLOTS`].
    pub skip: usize,
    /// Steps.
    pub steps: usize,
    /// Samples.
    pub rows: usize,
    /// Panels of gates.
    pub panels: usize,
    /// Inputs or states `[steps][rows][stride]`.
    pub a: *const f32,
    /// Floats between two rows of `a`.
    pub stride: usize,
    /// Columns of `a` that count.
    pub inputs: usize,
    /// Gradients of the gates: `[steps][panels][gates_stride]`, each `[rows][4][16]`.
    pub gates: *const f32,
    /// Floats between two panels of `gates`.
    pub gates_stride: usize,
    /// The result `[panels][out_stride]`, each `[inputs][3 or 4][16]`.
    pub out: *mut f32,
    /// Floats between two panels of `out`.
    pub out_stride: usize,
}

dispatch!(
    /// Adds the sum.
    ///
    /// # Safety
    /// `set` is available and every pointer is good for the layout said there.
    outer(outer: &Outer) => run
);

/// # Safety
/// As [`outer`].
#[inline(always)]
unsafe fn run<V: Lanes>(o: &Outer) {
    // SAFETY: handed on.
    unsafe {
        match o.skip {
            2 => tiles::<V, 2>(o),
            3 => tiles::<V, 3>(o),
            _ => tiles::<V, ALL>(o),
        }
    }
}

/// # Safety
/// As [`outer`].
#[inline(always)]
unsafe fn tiles<V: Lanes, const SKIP: usize>(o: &Outer) {
    let tiles = o.inputs.div_ceil(V::ROWS);
    for panel in 0..o.panels {
        for off in (0..UNITS).step_by(V::N) {
            for index in 0..tiles {
                let first = index * o.inputs / tiles;
                // SAFETY: the columns of the tile are there.
                unsafe {
                    match (index + 1) * o.inputs / tiles - first {
                        1 => tile::<V, SKIP, 1>(o, panel, first, off),
                        2 => tile::<V, SKIP, 2>(o, panel, first, off),
                        3 => tile::<V, SKIP, 3>(o, panel, first, off),
                        4 => tile::<V, SKIP, 4>(o, panel, first, off),
                        5 => tile::<V, SKIP, 5>(o, panel, first, off),
                        _ => tile::<V, SKIP, 6>(o, panel, first, off),
                    }
                }
            }
        }
    }
}

/// # Safety
/// As [`outer`]; the tile lies inside.
#[inline(always)]
unsafe fn tile<V: Lanes, const SKIP: usize, const R: usize>(
    o: &Outer,
    panel: usize,
    first: usize,
    off: usize,
) {
    let line = UNITS * if SKIP == ALL { 4 } else { 3 };
    // SAFETY: columns `first..first + R` and the panel are there.
    unsafe {
        let out = o.out.add(panel * o.out_stride + first * line + off);
        let mut sums = [[V::splat(0.0); SLOTS]; R];
        for step in 0..o.steps {
            let mut a = o.a.add(step * o.rows * o.stride + first);
            let mut gates = o
                .gates
                .add((step * o.panels + panel) * o.gates_stride + off);
            for _ in 0..o.rows / 2 {
                sample::<V, SKIP, R>(&mut sums, a, gates);
                sample::<V, SKIP, R>(&mut sums, a.wrapping_add(o.stride), gates.add(PANEL));
                a = a.wrapping_add(2 * o.stride);
                gates = gates.wrapping_add(2 * PANEL);
            }
            if o.rows % 2 == 1 {
                sample::<V, SKIP, R>(&mut sums, a, gates);
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let mut place = out.add(r * line);
            for (slot, sum) in sums.into_iter().enumerate() {
                if slot != SKIP {
                    sum.add(V::load(place)).store(place);
                    place = place.add(UNITS);
                }
            }
        }
    }
}

/// The outer product of one sample.
///
/// # Safety
/// `a` has `R` floats, `gates` has the slots.
#[inline(always)]
unsafe fn sample<V: Lanes, const SKIP: usize, const R: usize>(
    sums: &mut [[V; SLOTS]; R],
    a: *const f32,
    gates: *const f32,
) {
    // SAFETY: handed on.
    unsafe {
        let mut d = [V::splat(0.0); SLOTS];
        for (slot, d) in d.iter_mut().enumerate() {
            if slot != SKIP {
                *d = V::load(gates.add(slot * UNITS));
            }
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = V::splat(*a.add(r));
            for slot in 0..SLOTS {
                if slot != SKIP {
                    sums[slot] = sums[slot].fma(x, d[slot]);
                }
            }
        }
    }
}
