//! `tanh` and the logistic function as one rational function of x^2.
//!
//! tanh(x) = x P(x^2) / Q(x^2) on |x| <= 8.7, P and Q of degree four, fitted by iteratively reweighted least squares
//! (Lawson 1961) to the least maximal error, 1.4e-8 before rounding. Beyond 8.7 the value at 8.7 stands, which is
//! 5.6e-8 from one. logistic(x) = (1 + tanh(x / 2)) / 2. With rounding the absolute error of either is below
//! [`MAX_ERROR`]; NaN gives NaN.

use crate::simd::Lanes;

/// Bound on the absolute error of `tanh` and the logistic function.
#[cfg(test)]
pub(crate) const MAX_ERROR: f64 = 4e-7;

const LIMIT: f32 = 8.7;
const P: [f32; 5] = [
    0.999_999_94,
    0.133_931_09,
    3.510_211e-3,
    2.086_104_9e-5,
    1.372_713_7e-8,
];
const Q: [f32; 5] = [
    1.0,
    0.467_264_15,
    0.025_931_91,
    3.310_028_7e-4,
    7.923_936e-7,
];

/// Numerator and denominator of tanh. The denominator lies in 1..=360, so four of them can be multiplied.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn fraction<V: Lanes>(x: V) -> (V, V) {
    // SAFETY: handed on to the caller.
    unsafe {
        let x = x.clamp(LIMIT);
        let u = x.mul(x);
        let mut p = V::splat(P[4]);
        let mut q = V::splat(Q[4]);
        for k in (0..4).rev() {
            p = V::splat(P[k]).fma(p, u);
            q = V::splat(Q[k]).fma(q, u);
        }
        (x.mul(p), q)
    }
}

/// tanh of every lane.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Lanes>(x: V) -> V {
    // SAFETY: handed on to the caller.
    unsafe {
        let (p, q) = fraction(x);
        p.div(q)
    }
}

/// logistic(a), logistic(b) with one division for both: dividing is the slowest instruction here.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(crate) unsafe fn logistic2<V: Lanes>(a: V, b: V) -> (V, V) {
    // SAFETY: handed on to the caller.
    unsafe {
        let half = V::splat(0.5);
        let (pa, qa) = fraction(a.mul(half));
        let (pb, qb) = fraction(b.mul(half));
        let inverse = half.div(qa.mul(qb));
        (half.fma(pa, inverse.mul(qb)), half.fma(pb, inverse.mul(qa)))
    }
}

/// logistic(i), logistic(f), tanh(g), logistic(o) with one division for all four.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(crate) unsafe fn gates4<V: Lanes>(x: [V; 4]) -> [V; 4] {
    // SAFETY: handed on to the caller.
    unsafe {
        let half = V::splat(0.5);
        let (pi, qi) = fraction(x[0].mul(half));
        let (pf, qf) = fraction(x[1].mul(half));
        let (pg, qg) = fraction(x[2]);
        let (po, qo) = fraction(x[3].mul(half));
        let (first, second) = (qi.mul(qf), qg.mul(qo));
        let inverse = half.div(first.mul(second));
        let (of_first, of_second) = (inverse.mul(second), inverse.mul(first));
        let g = pg.mul(of_second.mul(qo));
        [
            half.fma(pi, of_first.mul(qf)),
            half.fma(pf, of_first.mul(qi)),
            g.add(g),
            half.fma(po, of_second.mul(qg)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{InstructionSet, UNITS, dispatch};

    /// Every activation of `x`: tanh, logistic (two at once), then the four of a gate.
    #[inline(always)]
    unsafe fn all_sets<V: Lanes>(x: &[f32; UNITS], y: &mut [[f32; UNITS]; 7]) {
        // SAFETY: the offsets stay below UNITS; the processor is the caller's business.
        unsafe {
            for off in (0..UNITS).step_by(V::N) {
                let v = V::load(x.as_ptr().add(off));
                let pair = logistic2(v, v);
                let four = gates4([v; 4]);
                let values = [tanh(v), pair.0, pair.1, four[0], four[1], four[2], four[3]];
                for (value, row) in values.into_iter().zip(y.iter_mut()) {
                    value.store(row.as_mut_ptr().add(off));
                }
            }
        }
    }
    dispatch!(every(x: &[f32; UNITS], y: &mut [[f32; UNITS]; 7]) => all_sets);

    #[test]
    fn the_error_bound_holds() {
        for set in [
            InstructionSet::Scalar,
            InstructionSet::Avx2,
            InstructionSet::Avx512,
        ] {
            if !set.available() {
                continue;
            }
            let mut worst = 0f64;
            let points = if cfg!(miri) { 400 } else { 400_000 };
            for block in 0..points / UNITS {
                let x: [f32; UNITS] = std::array::from_fn(|i| {
                    let part = (block * UNITS + i) as f32 / points as f32 - 0.5;
                    if block % 8 == 0 {
                        part * 400.0
                    } else {
                        part * 24.0
                    }
                });
                let mut y = [[0f32; UNITS]; 7];
                // SAFETY: available, and both arrays have UNITS columns.
                unsafe { every(set, &x, &mut y) };
                for (row, values) in y.iter().enumerate() {
                    for (&x, &y) in x.iter().zip(values) {
                        let x = f64::from(x);
                        let truth = match row {
                            0 | 5 => x.tanh(),
                            _ => 1.0 / (1.0 + (-x).exp()),
                        };
                        worst = worst.max((f64::from(y) - truth).abs());
                        assert!(y.abs() <= 1.0 + 4e-7, "{y} at {x}");
                    }
                }
            }
            println!("{}: {worst:.3e}", set.name());
            assert!(worst < MAX_ERROR, "{set:?}: {worst}");
        }
    }

    #[test]
    fn not_a_number_stays_so_and_infinities_saturate() {
        for set in [
            InstructionSet::Scalar,
            InstructionSet::Avx2,
            InstructionSet::Avx512,
        ] {
            if !set.available() {
                continue;
            }
            let mut y = [[0f32; UNITS]; 7];
            // SAFETY: available, and both arrays have UNITS columns.
            unsafe { every(set, &[f32::NAN; UNITS], &mut y) };
            assert!(y.iter().flatten().all(|y| y.is_nan()), "{set:?}");
            // SAFETY: as above.
            unsafe { every(set, &[f32::NEG_INFINITY; UNITS], &mut y) };
            assert!(
                (y[0][0] + 1.0).abs() < 1e-6 && y[1][0].abs() < 1e-6,
                "{set:?}"
            );
        }
    }
}
