//! One step back through the gates: their gradients before the activation, from those of the states.

use crate::simd::{Lanes, PANEL, SLOTS, UNITS, dispatch};

/// Gradients below this size count as zero: far from it denormal numbers would cost a hundredfold.
const FLUSH: f32 = 1e-30;

/// What the gates of one step need on the way back.
pub(crate) struct GateStep {
    /// True for an LSTM.
    pub lstm: bool,
    /// Samples.
    pub rows: usize,
    /// Panels of hidden units.
    pub panels: usize,
    /// Activated gates in, gradients before the activation out: `[panels][gates_stride]`, each `[rows][4][16]`.
    pub gates: *mut f32,
    /// Floats between two panels of `gates`.
    pub gates_stride: usize,
    /// tanh of the cell state (LSTM), `[panels][rows][16]`.
    pub tanh_c: *const f32,
    /// Cell state before the step (LSTM, same layout) or hidden state before it (GRU), `[rows][panels * 16]`.
    pub before: *const f32,
    /// Gradient of the output of this step from above, `[rows][panels * 16]`; null when there is none.
    pub above: *const f32,
    /// Gradient of the hidden state, same layout, in: from the step after; out: the part that does not go through the weights.
    pub dh: *mut f32,
    /// Gradient of the cell state (LSTM), `[panels][rows][16]`, in and out.
    pub dc: *mut f32,
    /// Bias gradients `[panels][4][16]`, added to.
    pub bias: *mut f32,
}

dispatch!(
    /// Gradients of the gates of one step.
    ///
    /// # Safety
    /// `set` is available and every pointer is good for the layout said there.
    step(step: &GateStep) => run
);

/// # Safety
/// As [`step`].
#[inline(always)]
unsafe fn run<V: Lanes>(step: &GateStep) {
    for panel in 0..step.panels {
        for off in (0..UNITS).step_by(V::N) {
            // SAFETY: every row and panel exists.
            unsafe {
                let bias = step.bias.add(panel * PANEL + off);
                let mut sums = [V::splat(0.0); SLOTS];
                for (slot, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(bias.add(slot * UNITS));
                }
                for row in 0..step.rows {
                    let unit = row * step.panels * UNITS + panel * UNITS + off;
                    let place = step
                        .gates
                        .add(panel * step.gates_stride + row * PANEL + off);
                    let mut dh = V::load(step.dh.add(unit));
                    if !step.above.is_null() {
                        dh = dh.add(V::load(step.above.add(unit)));
                    }
                    let dh = dh.flush(FLUSH);
                    let d = if step.lstm {
                        let cell = (panel * step.rows + row) * UNITS + off;
                        lstm(step, (unit, cell), place, dh)
                    } else {
                        gru(step, unit, place, dh)
                    };
                    for (slot, d) in d.into_iter().enumerate() {
                        d.store(place.add(slot * UNITS));
                        sums[slot] = sums[slot].add(d);
                    }
                }
                for (slot, sum) in sums.into_iter().enumerate() {
                    sum.store(bias.add(slot * UNITS));
                }
            }
        }
    }
}

/// # Safety
/// As [`step`]; `unit` and `place` lie inside.
#[inline(always)]
unsafe fn lstm<V: Lanes>(
    step: &GateStep,
    (unit, cell): (usize, usize),
    place: *const f32,
    dh: V,
) -> [V; SLOTS] {
    // SAFETY: handed on.
    unsafe {
        let one = V::splat(1.0);
        let i = V::load(place);
        let f = V::load(place.add(UNITS));
        let g = V::load(place.add(2 * UNITS));
        let o = V::load(place.add(3 * UNITS));
        let t = V::load(step.tanh_c.add(cell));
        let through = dh.mul(o);
        let dc = V::load(step.dc.add(cell))
            .fma(through, one.sub(t.mul(t)))
            .flush(FLUSH);
        dc.mul(f).store(step.dc.add(cell));
        V::splat(0.0).store(step.dh.add(unit));
        let (di, dg) = (dc.mul(i), dc.mul(f));
        [
            di.mul(g).mul(one.sub(i)),
            dg.mul(V::load(step.before.add(cell))).mul(one.sub(f)),
            di.mul(one.sub(g.mul(g))),
            through.mul(t).mul(one.sub(o)),
        ]
    }
}

/// # Safety
/// As [`step`]; `unit` and `place` lie inside.
#[inline(always)]
unsafe fn gru<V: Lanes>(step: &GateStep, unit: usize, place: *const f32, dh: V) -> [V; SLOTS] {
    // SAFETY: handed on.
    unsafe {
        let one = V::splat(1.0);
        let r = V::load(place);
        let z = V::load(place.add(UNITS));
        let n = V::load(place.add(2 * UNITS));
        let inner = V::load(place.add(3 * UNITS));
        let before = V::load(step.before.add(unit));
        let kept = dh.mul(z);
        kept.store(step.dh.add(unit));
        let dn = dh.sub(kept).mul(one.sub(n.mul(n)));
        let dr = dn.mul(inner).mul(r).mul(one.sub(r));
        let dz = kept.mul(before.sub(n)).mul(one.sub(z));
        [dr, dz, dn, dn.mul(r)]
    }
}
