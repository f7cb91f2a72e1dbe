//! One step back through the weights: gradients of the gates times the transposed weights.

use crate::simd::{Lanes, PANEL, SLOTS, UNITS, dispatch};

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
    /// Gradients of the gates, `[panels][gates_stride]`, each `[rows][4][16]`.
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
    add(product: &Product) => run
);

/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn run<V: Lanes>(p: &Product) {
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
/// As [`add`].
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
/// As [`add`]; the block lies inside.
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
/// As [`add`]; the tile lies inside.
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
