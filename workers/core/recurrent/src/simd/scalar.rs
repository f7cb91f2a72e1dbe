//! Four floats in plain Rust; the compiler is free to use whatever the target has.

use super::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Scalar([f32; 4]);

impl Scalar {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Scalar {
    const N: usize = 4;
    const ROWS: usize = 3;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller has four readable floats at `p`; an array of floats has their alignment.
        Self(unsafe { p.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller has four writable floats at `p`.
        unsafe { p.cast::<[f32; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // Not `mul_add`: without the instruction that is a call into libm.
        Self(std::array::from_fn(|i| a.0[i] * b.0[i] + self.0[i]))
    }
    #[inline(always)]
    unsafe fn clamp(self, limit: f32) -> Self {
        Self(self.0.map(|x| x.clamp(-limit, limit)))
    }
    #[inline(always)]
    unsafe fn flush(self, limit: f32) -> Self {
        Self(self.0.map(|x| if x.abs() < limit { 0.0 } else { x }))
    }
    #[inline(always)]
    unsafe fn prefetch<const WRITE: bool>(_: *const f32) {}
    #[inline(always)]
    fn opaque(p: *const f32) -> *const f32 {
        p
    }
}
