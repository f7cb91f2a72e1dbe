//! Vector registers behind one small trait, and the choice of instruction set at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod vector;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use scalar::Scalar;

/// Hidden units in one panel of packed weights, whatever the instruction set: the memory layout is the same for all.
pub(crate) const UNITS: usize = 16;
/// Gate vectors in one panel. The GRU has four as well: its candidate keeps the parts of input and state apart.
pub(crate) const SLOTS: usize = 4;
/// Floats in one row of a panel of gates.
pub(crate) const PANEL: usize = UNITS * SLOTS;

/// The instructions the kernels are run with.
///
/// Results are bit-equal for one instruction set on every processor (only exactly rounded operations are used),
/// whatever the number of threads. Between instruction sets the bits differ: AVX2 and AVX-512 fuse multiply and
/// add, the scalar code rounds twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// Plain Rust, no intrinsics; for every processor, and for Miri.
    Scalar,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors (needs only the foundation instructions).
    Avx512,
}

impl InstructionSet {
    /// The widest one this processor has.
    #[must_use]
    pub fn detect() -> Self {
        [Self::Avx512, Self::Avx2]
            .into_iter()
            .find(|set| set.available())
            .unwrap_or(Self::Scalar)
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(any(not(target_arch = "x86_64"), miri))]
            _ => false,
        }
    }

    /// The name written to manifests: `scalar`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// One vector register of `N` floats.
///
/// # Safety
/// Every method may be called only on a processor that has the instructions of the implementing type; the generic
/// kernels pass this duty on to their entry points, which are reached through [`InstructionSet`] only.
/// `load` and `store` need `N` readable or writable floats at `p` (any alignment of 4).
pub(crate) trait Lanes: Copy {
    /// Floats in the register; divides [`UNITS`].
    const N: usize;
    /// Rows of a register tile that still leave room for operands.
    const ROWS: usize;
    unsafe fn load(p: *const f32) -> Self;
    unsafe fn store(self, p: *mut f32);
    unsafe fn splat(x: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `a * b + self`.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// The value limited to `-limit..=limit`; NaN stays NaN.
    unsafe fn clamp(self, limit: f32) -> Self;
    /// Zero where the magnitude is below `limit` (this keeps slow denormal numbers out); NaN stays NaN.
    unsafe fn flush(self, limit: f32) -> Self;
    /// Asks for the cache line at `p`, which need not be valid, in order to read it (`WRITE`: to write it) soon.
    unsafe fn prefetch<const WRITE: bool>(p: *const f32);
    /// The same pointer; the compiler forgets how it was made, and keeps it in a register of its own.
    fn opaque(p: *const f32) -> *const f32;
}

/// Of every vector width: the instruction is older than them.
///
/// # Safety
/// None is needed by the processor: the address need not be valid, and every x86-64 has the instruction.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn prefetch<const WRITE: bool>(p: *const f32) {
    use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T1, _mm_prefetch};
    // SAFETY: an address that is not valid is ignored.
    unsafe {
        if WRITE {
            _mm_prefetch::<_MM_HINT_ET0>(p.cast());
        } else {
            _mm_prefetch::<_MM_HINT_T1>(p.cast());
        }
    }
}

/// Defines a function that runs the generic kernel `$generic::<V>` with the register type of an instruction set.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) => $generic:ident) => {
        $(#[$doc])*
        pub(crate) unsafe fn $name(set: $crate::simd::InstructionSet, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $type),*) {
                // SAFETY: the caller's promise on the arguments; the features are enabled on this function.
                unsafe { $generic::<$crate::simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512($($arg: $type),*) {
                // SAFETY: the caller's promise on the arguments; the features are enabled on this function.
                unsafe { $generic::<$crate::simd::Avx512>($($arg),*) }
            }
            // SAFETY: the caller promises that `set` is available and that the arguments hold.
            unsafe {
                match set {
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::InstructionSet::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::InstructionSet::Avx2 => avx2($($arg),*),
                    _ => $generic::<$crate::simd::Scalar>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_detected_is_available() {
        assert!(InstructionSet::detect().available());
        assert!(InstructionSet::Scalar.available());
    }
}
