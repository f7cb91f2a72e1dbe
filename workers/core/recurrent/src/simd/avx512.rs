//! 512-bit vectors.

use std::arch::x86_64::*;

use super::Lanes;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

// SAFETY of every block below: the trait's contract; the caller has checked the processor, and the pointers.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lanes for Avx512 {
    const N: usize = 16;
    const ROWS: usize = 6;
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { _mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }
    #[inline(always)]
    unsafe fn clamp(self, limit: f32) -> Self {
        // The second operand wins where one is NaN, so the value must stand second.
        unsafe {
            let low = _mm512_max_ps(_mm512_set1_ps(-limit), self.0);
            Self(_mm512_min_ps(_mm512_set1_ps(limit), low))
        }
    }
    #[inline(always)]
    unsafe fn flush(self, limit: f32) -> Self {
        unsafe {
            let size = _mm512_abs_ps(self.0);
            let keep = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(size, _mm512_set1_ps(limit));
            Self(_mm512_maskz_mov_ps(keep, self.0))
        }
    }
    #[inline(always)]
    unsafe fn prefetch<const WRITE: bool>(p: *const f32) {
        unsafe { super::prefetch::<WRITE>(p) }
    }
    #[inline(always)]
    #[allow(clippy::pointers_in_nomem_asm_block)] // Nothing is read through it.
    fn opaque(mut p: *const f32) -> *const f32 {
        // No instruction, and no memory: only the register is named.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) p, options(pure, nomem, nostack, preserves_flags))
        };
        p
    }
}
