//! Copies whose source runs along another dimension than the destination.
//!
//! A task takes a part so small that the pages of all its lines and rows stay in the address cache, and walks it in
//! blocks: a block is transposed into a buffer, square by
//! square in registers, and leaves it in whole cache lines. Written square by square, the lines of a destination whose
//! stride is a power of two would push each other out of the cache; and since no hardware foresees such strides, each
//! block asks for the lines of the next.

use std::mem::MaybeUninit;

use super::{STRIDED_COST, Shared};
use crate::isa::{Isa, Kernel, Simd, dispatch};
use crate::layout::Coalesced;
use crate::memory::Pod;
use crate::parallel::for_each;

/// Edge of a block, in elements.
const EDGE: usize = 32;
/// Edge of a task.
const PART: usize = 256;

/// Copies along `loops` by blocks of loop `lines`, along which the source lies, and the inner one.
///
/// # Safety
/// As for [`super::copy_loops`].
pub(super) unsafe fn transpose<T: Pod>(ends: Shared<T>, loops: &Coalesced<2>, lines: usize) {
    let (height, width) = (loops.shape()[lines], loops.inner());
    let last = loops.shape().len() - 1;
    let others = (0..last).filter(|&dim| dim != lines);
    let outer: usize = others.clone().map(|dim| loops.shape()[dim]).product();
    let (bands, parts) = (height.div_ceil(PART), width.div_ceil(PART));
    let cost = (height * width * STRIDED_COST / 4 / 1024).saturating_mul(outer);
    let [to, from] = loops.inner_strides();
    let steps = Steps { to, from, to_line: loops.strides(0)[lines], from_line: loops.strides(1)[lines] };
    for_each(outer * bands * parts, cost, |task| {
        let (band, left) = (task / parts, task % parts * PART);
        let (mut index, top) = (band / bands, band % bands * PART);
        let (x, y) = (left.cast_signed(), top.cast_signed());
        let mut at = [y * steps.to_line + x * steps.to, y * steps.from_line + x * steps.from];
        for dim in others.clone().rev() {
            let i = (index % loops.shape()[dim]).cast_signed();
            index /= loops.shape()[dim];
            at = [at[0] + i * loops.strides(0)[dim], at[1] + i * loops.strides(1)[dim]];
        }
        let (dst, src) = ends.at(at);
        dispatch(Part { dst, src, steps, height: PART.min(height - top), width: PART.min(width - left) });
    });
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
}

/// A transposed block: element `x` of row `y` is element `y` of line `x`.
type Block<T> = [[MaybeUninit<T>; EDGE]; EDGE];

impl<T: Pod> Kernel for Part<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { dst, src, steps, height, width } = self;
        let mut block: Block<T> = [[MaybeUninit::uninit(); EDGE]; EDGE];
        for top in (0..height).step_by(EDGE) {
            let tall = EDGE.min(height - top);
            for left in (0..width).step_by(EDGE) {
                let wide = EDGE.min(width - left);
                let (x, y) = (left.cast_signed(), top.cast_signed());
                let d = dst.wrapping_offset(x * steps.to + y * steps.to_line);
                let s = src.wrapping_offset(x * steps.from + y * steps.from_line);
                for y in 0..tall {
                    prefetch::<true, T>(d.wrapping_offset(y.cast_signed() * steps.to_line), wide);
                }
                for x in wide..(wide + EDGE).min(width - left) {
                    prefetch::<false, T>(s.wrapping_offset(x.cast_signed() * steps.from), tall);
                }
                // SAFETY: the caller of `transpose` vouches for all positions.
                unsafe {
                    fill::<T, S>(&mut block, s, steps, [tall, wide]);
                    empty(&block, d, steps, [tall, wide]);
                }
            }
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
        let unit = steps.from_line == 1;
        let done = if unit { squares::<T, S>(src, steps.from, tall, wide, block) } else { [0; 2] };
        for (y, row) in block[..tall].iter_mut().enumerate() {
            for (x, element) in row[..wide].iter_mut().enumerate().skip(if y < done[0] { done[1] } else { 0 }) {
                let at = x.cast_signed() * steps.from + y.cast_signed() * steps.from_line;
                element.write(*src.wrapping_offset(at));
            }
        }
    }
}

/// Writes a block.
///
/// # Safety
/// All positions of the block can be written, and it was filled.
#[inline(always)]
unsafe fn empty<T: Pod>(block: &Block<T>, dst: *mut T, steps: Steps, [tall, wide]: [usize; 2]) {
    for (y, row) in (0isize..).zip(&block[..tall]) {
        let to = dst.wrapping_offset(y * steps.to_line);
        // SAFETY: the contract.
        unsafe {
            if steps.to == 1 && wide == EDGE {
                to.cast::<[MaybeUninit<T>; EDGE]>().write_unaligned(*row);
            } else {
                for (x, element) in (0isize..).zip(&row[..wide]) {
                    *to.wrapping_offset(x * steps.to) = element.assume_init();
                }
            }
        }
    }
}

/// Asks for the cache lines of `len` elements from `at` on, to be written if `WRITE`; any address will do.
#[inline(always)]
fn prefetch<const WRITE: bool, T>(at: *const T, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        let (first, bytes) = (at.cast::<i8>(), len * size_of::<T>());
        let ask = |at| {
            // SAFETY: a hint; SSE is part of x86-64.
            unsafe { if WRITE { _mm_prefetch::<_MM_HINT_ET0>(at) } else { _mm_prefetch::<_MM_HINT_T0>(at) } }
        };
        (0..bytes).step_by(64).for_each(|line| ask(first.wrapping_add(line)));
        ask(first.wrapping_add(bytes - 1));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, len);
}

/// Fills the first rows and columns of a block by squares that are transposed in registers; returns how many.
///
/// # Safety
/// `wide` lines, `from` apart, of `tall` adjacent elements can be read.
#[inline(always)]
unsafe fn squares<T: Pod, S: Simd>(
    src: *const T,
    from: isize,
    tall: usize,
    wide: usize,
    block: &mut Block<T>,
) -> [usize; 2] {
    #[cfg(target_arch = "x86_64")]
    if matches!(S::ISA, Isa::Avx2 | Isa::Avx512) && matches!(size_of::<T>(), 4 | 8) {
        let edge = 32 / size_of::<T>();
        let (tall, wide) = (tall - tall % edge, wide - wide % edge);
        for y in (0..tall).step_by(edge) {
            for x in (0..wide).step_by(edge) {
                let from_square = src.wrapping_offset(x.cast_signed() * from).wrapping_add(y);
                let to = block[y][x..].as_mut_ptr();
                // SAFETY: the ISA has AVX2; the square lies inside what can be read, and inside the block. Any four
                // or eight bytes may be moved as a float.
                unsafe {
                    if edge == 8 {
                        x86::square_of_8(from_square.cast(), from, to.cast());
                    } else {
                        x86::square_of_4(from_square.cast(), from, to.cast());
                    }
                }
            }
        }
        return [tall, wide];
    }
    let _ = (src, from, tall, wide, block, S::ISA, Isa::Avx2);
    [0; 2]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::EDGE;
    use std::arch::x86_64::{
        __m256, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_permute2f128_pd, _mm256_permute2f128_ps, _mm256_setzero_ps,
        _mm256_shuffle_ps, _mm256_storeu_pd, _mm256_storeu_ps, _mm256_unpackhi_pd, _mm256_unpackhi_ps,
        _mm256_unpacklo_pd, _mm256_unpacklo_ps,
    };

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
