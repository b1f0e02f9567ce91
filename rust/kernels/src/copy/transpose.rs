//! Copies whose source runs along another dimension than the destination.
//!
//! A task takes a strip of lines of the source, so few that it reads them side by side, and walks it in blocks: a block
//! is transposed into a buffer, square by square in registers, and leaves it in whole cache lines, past the cache where
//! the destination is large. Written square by square, the lines of a destination whose stride is a power of two would
//! push each other out of the cache before they are whole.

use std::mem::MaybeUninit;

use super::{STRIDED_COST, Shared};
use crate::isa::{Isa, Kernel, Simd, dispatch};
use crate::layout::{Coalesced, Strided};
use crate::memory::Pod;
use crate::parallel::for_each;
use crate::stream::{self, STREAM_FROM};

/// Edge of a block, in elements; lines that a task reads side by side.
const EDGE: usize = 64;
/// Elements of a task's lines.
const LENGTH: usize = 1024;

/// Copies along `loops` by blocks of loop `lines`, along which the source lies, and the inner one.
///
/// # Safety
/// As for [`super::copy_loops`].
pub(super) unsafe fn transpose<T: Pod>(ends: Shared<T>, loops: &Coalesced<2>, lines: usize) {
    let (height, width) = (loops.shape()[lines], loops.inner());
    let last = loops.shape().len() - 1;
    let others = (0..last).filter(|&dim| dim != lines);
    let outer: usize = others.clone().map(|dim| loops.shape()[dim]).product();
    let strip = EDGE * (LENGTH / height).max(1);
    let (bands, parts) = (height.div_ceil(LENGTH), width.div_ceil(strip));
    let cost = (height * width * STRIDED_COST / 4 / 1024).saturating_mul(outer);
    let [to, from] = loops.inner_strides();
    let steps = Steps { to, from, to_line: loops.strides(0)[lines], from_line: loops.strides(1)[lines] };
    let streamed = outer * height * width * size_of::<T>() >= STREAM_FROM;
    for_each(outer * bands * parts, cost, |task| {
        let (band, left) = (task / parts, task % parts * strip);
        let (mut index, top) = (band / bands, band % bands * LENGTH);
        let (x, y) = (left.cast_signed(), top.cast_signed());
        let mut at = [y * steps.to_line + x * steps.to, y * steps.from_line + x * steps.from];
        for dim in others.clone().rev() {
            let i = (index % loops.shape()[dim]).cast_signed();
            index /= loops.shape()[dim];
            at = [at[0] + i * loops.strides(0)[dim], at[1] + i * loops.strides(1)[dim]];
        }
        let (dst, src) = ends.at(at);
        let (height, width) = (LENGTH.min(height - top), strip.min(width - left));
        dispatch(Part { dst, src, steps, height, width, streamed });
    });
}

/// Copies `rows` rows of `cols` adjacent elements, `stride` apart from element `start` on, to `cols` rows; on this thread.
///
/// # Panics
/// If the rows are not in `src`, or `dst` has another length.
pub(crate) fn turn<T: Pod>(src: &[T], start: usize, stride: isize, [rows, cols]: [usize; 2], dst: &mut [T]) {
    assert_eq!(dst.len(), rows * cols, "as many elements");
    Strided { shape: &[rows, cols], strides: &[stride, 1], offset: start }.check(src.len());
    if dst.is_empty() {
        return;
    }
    let steps = Steps { to: 1, from: stride, to_line: rows.cast_signed(), from_line: 1 };
    let (dst, src) = (dst.as_mut_ptr(), src.as_ptr().wrapping_add(start));
    dispatch(Part { dst, src, steps, height: cols, width: rows, streamed: false });
}

/// Elements from one position to the next, in destination and source: along the inner loop, along the lines.
#[derive(Clone, Copy)]
struct Steps {
    to: isize,
    from: isize,
    to_line: isize,
    from_line: isize,
}

/// The first `height` elements of `width` lines.
struct Part<T> {
    dst: *mut T,
    src: *const T,
    steps: Steps,
    height: usize,
    width: usize,
    streamed: bool,
}

/// A transposed block: element `x` of row `y` is element `y` of line `x`.
type Block<T> = [[MaybeUninit<T>; EDGE]; EDGE];

impl<T: Pod> Kernel for Part<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { dst, src, steps, height, width, streamed } = self;
        let mut block: Block<T> = [[MaybeUninit::uninit(); EDGE]; EDGE];
        for left in (0..width).step_by(EDGE) {
            let wide = EDGE.min(width - left);
            for top in (0..height).step_by(EDGE) {
                let tall = EDGE.min(height - top);
                let (x, y) = (left.cast_signed(), top.cast_signed());
                let d = dst.wrapping_offset(x * steps.to + y * steps.to_line);
                let s = src.wrapping_offset(x * steps.from + y * steps.from_line);
                if !streamed {
                    for y in 0..tall {
                        prefetch_to_write(d.wrapping_offset(y.cast_signed() * steps.to_line), wide);
                    }
                }
                // SAFETY: the caller of `transpose` vouches for all positions, `turn` has checked them.
                unsafe {
                    fill::<T, S>(&mut block, s, steps, [tall, wide]);
                    empty::<T, S>(&block, d, steps, [tall, wide], streamed);
                }
            }
        }
        if streamed {
            stream::fence();
        }
    }
}

/// Reads a block.
///
/// # Safety
/// All positions of the block can be read.
#[inline(always)]
unsafe fn fill<T: Pod, S: Simd>(block: &mut Block<T>, src: *const T, steps: Steps, [tall, wide]: [usize; 2]) {
    // SAFETY: the contract.
    unsafe {
        if steps.from_line == 1 && squares::<T, S>(src, steps.from, tall, wide, block) {
            return;
        }
        for x in 0..wide {
            for (y, row) in block[..tall].iter_mut().enumerate() {
                let at = x.cast_signed() * steps.from + y.cast_signed() * steps.from_line;
                row[x].write(*src.wrapping_offset(at));
            }
        }
    }
}

/// Writes a block.
///
/// # Safety
/// All positions of the block can be written, and it was filled.
#[inline(always)]
unsafe fn empty<T: Pod, S: Simd>(
    block: &Block<T>,
    dst: *mut T,
    steps: Steps,
    [tall, wide]: [usize; 2],
    streamed: bool,
) {
    for (y, row) in (0isize..).zip(&block[..tall]) {
        let to = dst.wrapping_offset(y * steps.to_line);
        // SAFETY: the contract.
        unsafe {
            if steps.to == 1 && streamed {
                stream::store::<S>(to.cast(), row.as_ptr().cast(), wide * size_of::<T>());
            } else if steps.to == 1 && wide == EDGE {
                to.cast::<[MaybeUninit<T>; EDGE]>().write_unaligned(*row);
            } else if steps.to == 1 {
                to.cast::<MaybeUninit<T>>().copy_from_nonoverlapping(row.as_ptr(), wide);
            } else {
                for (x, element) in (0isize..).zip(&row[..wide]) {
                    *to.wrapping_offset(x * steps.to) = element.assume_init();
                }
            }
        }
    }
}

/// Asks for the cache lines of `len` elements from `at` on, to be written; any address will do.
#[inline(always)]
fn prefetch_to_write<T>(at: *const T, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        let (first, bytes) = (at.cast::<i8>(), len * size_of::<T>());
        // SAFETY: a hint; SSE is part of x86-64.
        let ask = |at| unsafe { _mm_prefetch::<_MM_HINT_ET0>(at) };
        (0..bytes).step_by(64).for_each(|line| ask(first.wrapping_add(line)));
        ask(first.wrapping_add(bytes - 1));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, len);
}

/// Fills a block by squares that are transposed in registers, the last ones over a part of those before them, so that
/// none is left over. False for a block that no square fits into, which stays as it is.
///
/// # Safety
/// `wide` lines, `from` apart, of `tall` adjacent elements can be read.
#[inline(always)]
unsafe fn squares<T: Pod, S: Simd>(src: *const T, from: isize, tall: usize, wide: usize, block: &mut Block<T>) -> bool {
    #[cfg(target_arch = "x86_64")]
    if matches!(S::ISA, Isa::Avx2 | Isa::Avx512) && matches!(size_of::<T>(), 4 | 8) {
        let least = tall.min(wide);
        let whole = S::ISA == Isa::Avx512 && size_of::<T>() == 4 && least >= 16;
        let edge = if whole { 16 } else { 32 / size_of::<T>() };
        if least < edge {
            return false;
        }
        // Along the lines first: the squares that share a cache line follow each other.
        for x in (0..wide).step_by(edge).map(|x| x.min(wide - edge)) {
            for y in (0..tall).step_by(edge).map(|y| y.min(tall - edge)) {
                let from_square = src.wrapping_offset(x.cast_signed() * from).wrapping_add(y);
                let to = block[y][x..].as_mut_ptr();
                // SAFETY: the ISA has AVX2 or AVX-512; the square lies inside what can be read, and inside the block.
                // Any four or eight bytes may be moved as a float.
                unsafe {
                    match edge {
                        16 => x86::square_of_16(from_square.cast(), from, to.cast()),
                        8 => x86::square_of_8(from_square.cast(), from, to.cast()),
                        _ => x86::square_of_4(from_square.cast(), from, to.cast()),
                    }
                }
            }
        }
        return true;
    }
    let _ = (src, from, tall, wide, block, S::ISA, Isa::Avx2);
    false
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::EDGE;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_permute2f128_pd, _mm256_permute2f128_ps,
        _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_pd, _mm256_storeu_ps, _mm256_unpackhi_pd,
        _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps, _mm512_loadu_ps, _mm512_setzero_ps,
        _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_storeu_ps, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
    };

    /// `dst[i][j] = src[j][i]`, rows of a block, for a square of sixteen: whole cache lines of the source.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn square_of_16(src: *const f32, from: isize, dst: *mut f32) {
        // SAFETY: the caller vouches for sixteen lines of sixteen, and for the block.
        unsafe {
            let mut r: [__m512; 16] = [_mm512_setzero_ps(); 16];
            for (j, row) in (0isize..).zip(&mut r) {
                *row = _mm512_loadu_ps(src.wrapping_offset(j * from));
            }
            transpose_16x16(&mut r);
            for (i, &row) in r.iter().enumerate() {
                _mm512_storeu_ps(dst.add(i * EDGE), row);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose_16x16(r: &mut [__m512; 16]) {
        let mut t = [_mm512_setzero_ps(); 16];
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        for i in 0..4 {
            r[4 * i] = _mm512_shuffle_ps::<0x44>(t[4 * i], t[4 * i + 2]);
            r[4 * i + 1] = _mm512_shuffle_ps::<0xEE>(t[4 * i], t[4 * i + 2]);
            r[4 * i + 2] = _mm512_shuffle_ps::<0x44>(t[4 * i + 1], t[4 * i + 3]);
            r[4 * i + 3] = _mm512_shuffle_ps::<0xEE>(t[4 * i + 1], t[4 * i + 3]);
        }
        for i in 0..4 {
            t[i] = _mm512_shuffle_f32x4::<0x88>(r[i], r[i + 4]);
            t[i + 4] = _mm512_shuffle_f32x4::<0xDD>(r[i], r[i + 4]);
            t[i + 8] = _mm512_shuffle_f32x4::<0x88>(r[i + 8], r[i + 12]);
            t[i + 12] = _mm512_shuffle_f32x4::<0xDD>(r[i + 8], r[i + 12]);
        }
        for i in 0..8 {
            r[i] = _mm512_shuffle_f32x4::<0x88>(t[i], t[i + 8]);
            r[i + 8] = _mm512_shuffle_f32x4::<0xDD>(t[i], t[i + 8]);
        }
    }

    /// `dst[i][j] = src[j][i]`, rows of a block, for a square of eight.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn square_of_8(src: *const f32, from: isize, dst: *mut f32) {
        // SAFETY: the caller vouches for eight lines of eight, and for the block.
        unsafe {
            let mut r: [__m256; 8] = [_mm256_setzero_ps(); 8];
            for (j, row) in (0isize..).zip(&mut r) {
                *row = _mm256_loadu_ps(src.wrapping_offset(j * from));
            }
            transpose_8x8(&mut r);
            for (i, &row) in r.iter().enumerate() {
                _mm256_storeu_ps(dst.add(i * EDGE), row);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose_8x8(r: &mut [__m256; 8]) {
        let mut t = [_mm256_setzero_ps(); 8];
        for i in 0..4 {
            t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        let mut s = [_mm256_setzero_ps(); 8];
        for i in 0..2 {
            s[4 * i] = _mm256_shuffle_ps::<0x44>(t[4 * i], t[4 * i + 2]);
            s[4 * i + 1] = _mm256_shuffle_ps::<0xEE>(t[4 * i], t[4 * i + 2]);
            s[4 * i + 2] = _mm256_shuffle_ps::<0x44>(t[4 * i + 1], t[4 * i + 3]);
            s[4 * i + 3] = _mm256_shuffle_ps::<0xEE>(t[4 * i + 1], t[4 * i + 3]);
        }
        for i in 0..4 {
            r[i] = _mm256_permute2f128_ps::<0x20>(s[i], s[i + 4]);
            r[i + 4] = _mm256_permute2f128_ps::<0x31>(s[i], s[i + 4]);
        }
    }

    /// `dst[i][j] = src[j][i]`, rows of a block, for a square of four.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn square_of_4(src: *const f64, from: isize, dst: *mut f64) {
        // SAFETY: the caller vouches for four lines of four, and for the block.
        unsafe {
            let row = |j: isize| _mm256_loadu_pd(src.wrapping_offset(j * from));
            let (a, b) = (_mm256_unpacklo_pd(row(0), row(1)), _mm256_unpackhi_pd(row(0), row(1)));
            let (c, d) = (_mm256_unpacklo_pd(row(2), row(3)), _mm256_unpackhi_pd(row(2), row(3)));
            _mm256_storeu_pd(dst, _mm256_permute2f128_pd::<0x20>(a, c));
            _mm256_storeu_pd(dst.add(EDGE), _mm256_permute2f128_pd::<0x20>(b, d));
            _mm256_storeu_pd(dst.add(2 * EDGE), _mm256_permute2f128_pd::<0x31>(a, c));
            _mm256_storeu_pd(dst.add(3 * EDGE), _mm256_permute2f128_pd::<0x31>(b, d));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_length_and_stride_are_turned() {
        fn check<T: Pod + PartialEq + std::fmt::Debug>(of: impl Fn(usize) -> T) {
            for rows in 0..=35_usize {
                for cols in 0..=35_usize {
                    for stride in [cols.cast_signed() + 3, cols.cast_signed(), -(cols.cast_signed() + 2)] {
                        let src: Vec<T> = (0..36 * 40).map(&of).collect();
                        let start = if stride < 0 { src.len() - 40 } else { 2 };
                        let mut out: Vec<T> = (0..rows * cols).map(|_| of(0)).collect();
                        turn(&src, start, stride, [rows, cols], &mut out);
                        for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
                            let at = start.wrapping_add_signed(row.cast_signed() * stride) + col;
                            assert_eq!(out[col * rows + row], src[at], "{rows} x {cols}, stride {stride}");
                        }
                    }
                }
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        check(|i| i as f32);
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        check(|i| i as f64);
    }
}
