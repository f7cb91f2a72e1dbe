//! A vector of floats that begins on a cache line, so that no vector register straddles two. Large ones ask for huge
//! pages: the kernels walk through several arrays at once, and looking up small pages would cost a tenth.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

const LINE: usize = 64;
const HUGE: usize = 2 << 20;

/// A fixed number of floats, zero at first.
pub(crate) struct Aligned {
    start: NonNull<f32>,
    len: usize,
}

// SAFETY: the memory belongs to this value alone, as with a `Vec<f32>`.
unsafe impl Send for Aligned {}
// SAFETY: shared references only read.
unsafe impl Sync for Aligned {}

impl Aligned {
    pub(crate) fn new(len: usize) -> Self {
        let Some(layout) = layout(len) else {
            return Self {
                start: NonNull::dangling(),
                len: 0,
            };
        };
        // SAFETY: the layout has a size above zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(memory.cast()) else {
            handle_alloc_error(layout)
        };
        advise(memory, layout);
        Self { start, len }
    }
}

/// None for no floats.
fn layout(len: usize) -> Option<Layout> {
    let bytes = len.checked_mul(4).filter(|&bytes| bytes > 0)?;
    let align = if bytes >= HUGE { HUGE } else { LINE };
    // Fails only beyond the address space; such sizes were refused before.
    Layout::from_size_align(bytes, align).ok()
}

/// Only advice: what the kernel makes of it does not matter for the result.
#[cfg(all(target_os = "linux", not(miri)))]
fn advise(memory: *mut u8, layout: Layout) {
    if layout.align() == HUGE {
        // SAFETY: the range was just allocated and begins on a page.
        unsafe { libc::madvise(memory.cast(), layout.size(), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(any(not(target_os = "linux"), miri))]
fn advise(_: *mut u8, _: Layout) {}

impl Drop for Aligned {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.len) {
            // SAFETY: allocated in `new` with the layout of the same length.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len` floats at `start`, all written (zero) when they were allocated.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_aligned_and_as_long_as_asked() {
        for len in [0, 1, 17, HUGE / 4, HUGE / 4 + 3] {
            let mut memory = Aligned::new(len);
            assert_eq!(memory.len(), len);
            assert!(memory.iter().all(|&v| v == 0.0));
            assert!(len == 0 || memory.as_ptr().addr().is_multiple_of(LINE));
            memory.fill(1.5);
            assert_eq!(memory.clone().iter().sum::<f32>(), 1.5 * len as f32);
        }
    }
}
