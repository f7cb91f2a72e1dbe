//! Vector registers of x86-64: one definition, which is given the intrinsics of an instruction set.

/// Makes a register type and its [`super::Lanes`].
macro_rules! vector {
    (
        $vector:ident($register:ty), $floats:literal floats, $rows:literal rows,
        load $load:ident, store $store:ident, splat $splat:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, sqrt $sqrt:ident,
        fma $fma:ident, min $min:ident, max $max:ident,
        flush |$value:ident, $limit:ident| $flush:block
    ) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $vector($register);

        // SAFETY of every block below: the trait's contract; the caller has checked the processor, and the pointers.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl $crate::simd::Lanes for $vector {
            const N: usize = $floats;
            const ROWS: usize = $rows;
            #[inline(always)]
            unsafe fn load(p: *const f32) -> Self {
                Self(unsafe { $load(p) })
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut f32) {
                unsafe { $store(p, self.0) }
            }
            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                Self(unsafe { $splat(x) })
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                Self(unsafe { $div(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            unsafe fn fma(self, a: Self, b: Self) -> Self {
                Self(unsafe { $fma(a.0, b.0, self.0) })
            }
            #[inline(always)]
            unsafe fn clamp(self, limit: f32) -> Self {
                // The second operand wins where one is NaN, so the value must stand second.
                unsafe {
                    let low = $max($splat(-limit), self.0);
                    Self($min($splat(limit), low))
                }
            }
            #[inline(always)]
            unsafe fn flush(self, limit: f32) -> Self {
                let ($value, $limit) = (self.0, unsafe { $splat(limit) });
                Self(unsafe { $flush })
            }
            #[inline(always)]
            unsafe fn prefetch<const WRITE: bool>(p: *const f32) {
                unsafe { $crate::simd::prefetch::<WRITE>(p) }
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
    };
}
pub(super) use vector;
