//! Stores that go to memory past the caches: for results so large that nothing of them would still be cached when they
//! are next read. A plain store first reads the line that it changes, and pushes out lines that somebody may need.

#[cfg(target_arch = "x86_64")]
use crate::isa::Isa;
use crate::isa::Simd;

/// Bytes of a cache line, and the alignment that [`store_line`] needs.
pub(crate) const LINE: usize = 64;

/// Results from this size on are streamed: with their operands they exceed the second-level caches by far.
pub(crate) const STREAM_FROM: usize = 8 << 20;

/// Copies one line from `src`, of any alignment, to `dst`. Call [`fence`] after the last.
///
/// # Safety
/// `src` is valid for reads and `dst`, aligned to a line, for writes of [`LINE`] bytes; they do not overlap.
#[inline(always)]
pub(crate) unsafe fn store_line<S: Simd>(dst: *mut u8, src: *const u8) {
    debug_assert!(dst.addr().is_multiple_of(LINE));
    // SAFETY: the contract; the ISA has the instructions, SSE2 is part of x86-64.
    unsafe {
        match S::ISA {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::store_512(dst, src),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::store_256(dst, src),
            #[cfg(target_arch = "x86_64")]
            Isa::Portable => x86::store_128(dst, src),
            _ => dst.copy_from_nonoverlapping(src, LINE),
        }
    }
}

/// Copies `len` bytes: whole lines past the caches, what is left at either end through them. Call [`fence`] after the
/// last.
///
/// # Safety
/// `src` is valid for reads and `dst` for writes of `len` bytes; they do not overlap.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(dst: *mut u8, src: *const u8, len: usize) {
    let head = (dst.addr().wrapping_neg() % LINE).min(len);
    let tail = head + (len - head) / LINE * LINE;
    // SAFETY: all three pieces lie inside; the second starts at a line.
    unsafe {
        dst.copy_from_nonoverlapping(src, head);
        for at in (head..tail).step_by(LINE) {
            store_line::<S>(dst.add(at), src.add(at));
        }
        dst.add(tail).copy_from_nonoverlapping(src.add(tail), len - tail);
    }
}

/// Orders what was streamed before whatever this thread writes next, such as the news that a task is done.
#[inline(always)]
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm_stream_si128, _mm256_loadu_si256, _mm256_stream_si256, _mm512_loadu_si512,
        _mm512_stream_si512,
    };

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn store_512(dst: *mut u8, src: *const u8) {
        // SAFETY: the contract of `store_line`.
        unsafe { _mm512_stream_si512(dst.cast(), _mm512_loadu_si512(src.cast())) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn store_256(dst: *mut u8, src: *const u8) {
        for half in [0, 32] {
            // SAFETY: the contract of `store_line`.
            unsafe { _mm256_stream_si256(dst.add(half).cast(), _mm256_loadu_si256(src.add(half).cast())) }
        }
    }

    #[inline(always)]
    pub(super) unsafe fn store_128(dst: *mut u8, src: *const u8) {
        for quarter in [0, 16, 32, 48] {
            // SAFETY: the contract of `store_line`.
            unsafe { _mm_stream_si128(dst.add(quarter).cast(), _mm_loadu_si128(src.add(quarter).cast())) }
        }
    }
}
