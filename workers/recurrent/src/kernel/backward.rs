//! One step back: the gradients of the gates from those of the states, then the product with the transposed weights.

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
    gate_step(step: &GateStep) => gates
);

/// # Safety
/// As [`gate_step`].
#[inline(always)]
unsafe fn gates<V: Lanes>(step: &GateStep) {
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
/// As [`gate_step`]; `unit` and `place` lie inside.
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
/// As [`gate_step`]; `unit` and `place` lie inside.
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

/// Packed panels of gate gradients in one block of the product: 128 rows of weights for the LSTM.
const PANELS: usize = 2;

/// `out += gates W^T`, or `out = ...` when `fresh`.
pub(crate) struct Product {
    /// The slot without weights, or [`SLOTS`].
    pub skip: usize,
    /// Samples.
    pub rows: usize,
    /// Panels of gates.
    pub panels: usize,
    /// Gradients of the gates, as in [`GateStep`].
    pub gates: *const f32,
    /// Floats between two panels of `gates`.
    pub gates_stride: usize,
    /// Packed weights: blocks of up to 64 columns, each `[panels][slots][16][columns]`.
    pub weights: *const f32,
    /// Columns of the result, in vectors of 16.
    pub vectors: usize,
    /// The result `[rows][vectors * 16]`.
    pub out: *mut f32,
    /// Whether what stood in `out` is replaced.
    pub fresh: bool,
    /// Memory that the next step will read; it is asked for while this product is made.
    pub ahead: [Ahead; 4],
}

/// A range of memory, in lines of 16 floats; it need not be valid.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    pub start: *const f32,
    pub lines: usize,
}

impl Ahead {
    pub(crate) const NOTHING: Self = Self {
        start: std::ptr::null(),
        lines: 0,
    };
}

dispatch!(
    /// The product.
    ///
    /// # Safety
    /// `set` is available and every pointer is good for the layout said there.
    product(product: &Product) => multiply
);

/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn multiply<V: Lanes>(p: &Product) {
    // SAFETY: handed on.
    unsafe {
        match p.skip {
            2 => columns::<V, 2>(p),
            3 => columns::<V, 3>(p),
            _ => columns::<V, SLOTS>(p),
        }
    }
}

/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn columns<V: Lanes, const SKIP: usize>(p: &Product) {
    let depth = p.panels * UNITS * if SKIP == SLOTS { 4 } else { 3 };
    for first in (0..p.vectors).step_by(SLOTS) {
        for from in (0..p.panels).step_by(PANELS) {
            let at = Block {
                first,
                panels: (from, (from + PANELS).min(p.panels)),
                depth,
            };
            // SAFETY: the columns are there.
            unsafe {
                match p.vectors - first {
                    1 => rows::<V, SKIP, 1>(p, at),
                    2 => rows::<V, SKIP, 2>(p, at),
                    3 => rows::<V, SKIP, 3>(p, at),
                    _ => rows::<V, SKIP, 4>(p, at),
                }
            }
        }
    }
}

/// Part of the product that stays in the first-level cache.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    panels: (usize, usize),
    depth: usize,
}

/// # Safety
/// As [`product`]; the block lies inside.
#[inline(always)]
unsafe fn rows<V: Lanes, const SKIP: usize, const C: usize>(p: &Product, at: Block) {
    let tiles = p.rows.div_ceil(V::ROWS);
    for off in (0..UNITS).step_by(V::N) {
        for tile in 0..tiles {
            let row = tile * p.rows / tiles;
            // SAFETY: the rows of the tile are there.
            unsafe {
                match (tile + 1) * p.rows / tiles - row {
                    1 => tile_of::<V, SKIP, C, 1>(p, at, row, off),
                    2 => tile_of::<V, SKIP, C, 2>(p, at, row, off),
                    3 => tile_of::<V, SKIP, C, 3>(p, at, row, off),
                    4 => tile_of::<V, SKIP, C, 4>(p, at, row, off),
                    5 => tile_of::<V, SKIP, C, 5>(p, at, row, off),
                    _ => tile_of::<V, SKIP, C, 6>(p, at, row, off),
                }
            }
        }
    }
}

/// # Safety
/// As [`product`]; the tile lies inside.
#[inline(always)]
unsafe fn tile_of<V: Lanes, const SKIP: usize, const C: usize, const R: usize>(
    p: &Product,
    at: Block,
    row: usize,
    off: usize,
) {
    let width = p.vectors * UNITS;
    // SAFETY: rows, columns and panels of the tile are there.
    unsafe {
        look_ahead::<V>(p, at, row, off);
        let out = p.out.add(row * width + at.first * UNITS + off);
        let mut sums = [[V::splat(0.0); C]; R];
        if !(p.fresh && at.panels.0 == 0) {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(out.add(r * width + c * UNITS));
                }
            }
        }
        let slots = if SKIP == SLOTS { 4 } else { 3 };
        let mut b = p
            .weights
            .add(at.first * UNITS * at.depth + at.panels.0 * slots * UNITS * C * UNITS + off);
        for panel in at.panels.0..at.panels.1 {
            let gates = p.gates.add(panel * p.gates_stride + row * PANEL);
            for slot in 0..SLOTS {
                if slot == SKIP {
                    continue;
                }
                let a = gates.add(slot * UNITS);
                for k in 0..UNITS {
                    let mut weights = [V::splat(0.0); C];
                    for (c, weight) in weights.iter_mut().enumerate() {
                        *weight = V::load(b.add(c * UNITS));
                    }
                    b = b.add(C * UNITS);
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let x = V::splat(*a.add(r * PANEL + k));
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = sum.fma(x, weight);
                        }
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                sum.store(out.add(r * width + c * UNITS));
            }
        }
    }
}

/// Asks for this tile's share of what the next step needs.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn look_ahead<V: Lanes>(p: &Product, at: Block, row: usize, off: usize) {
    if off != 0 || at.first != 0 {
        return;
    }
    let blocks = p.panels.div_ceil(PANELS);
    let block = at.panels.0 / PANELS;
    // Rows stand for tiles: a tile of three rows asks for three shares.
    let rows = (row, (row + V::ROWS).min(p.rows));
    for ahead in &p.ahead {
        let line = |row: usize| (block * p.rows + row) * ahead.lines / (blocks * p.rows);
        for line in line(rows.0)..line(rows.1) {
            // SAFETY: a prefetch may be given any address.
            unsafe { V::prefetch::<false>(ahead.start.wrapping_add(line * UNITS)) };
        }
    }
}
