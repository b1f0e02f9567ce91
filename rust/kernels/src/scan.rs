//! Running sums and products.
//!
//! Along memory, eight elements at a time are joined as a tree, and what came before is joined to all of them; across
//! it, a row of running results goes down the rows. Floats are accumulated as float64, so that the errors of float32 do
//! not grow with the length; sums of float64 itself, and products, are joined strictly in order, so that nothing
//! overflows in between. Large results are streamed past the cache.

use std::marker::PhantomData;
use std::ops::Range;

use crate::element::Element;
use crate::isa::{Isa, Kernel, Simd, dispatch, prefetch};
use crate::memory::Pod;
use crate::parallel::{Disjoint, for_each};
use crate::stream::{self, STREAM_FROM};

/// Elements that are joined as a tree.
const BLOCK: usize = 8;
/// Lanes of what is only carried.
const LANES: usize = 32;
/// Elements that are written at once.
const CHUNK: usize = 1024;
/// Columns of a task.
const COLUMNS: usize = 512;
/// Bytes, or rows, ahead of which the source is asked for.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 2048;
const ROWS_AHEAD: usize = 2;
/// Columns and rows, at most, of planes that are scanned many in a call.
const SMALL_COLUMNS: usize = 32;
const SMALL_ROWS: usize = 64;
/// Elements of a piece of a long row, and of a task of short ones.
const PIECE: usize = 1 << 16;
/// Estimated cost of 1024 elements, in nanoseconds.
const COST: usize = 300;

/// What is accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Sums; integers wrap.
    Sum,
    /// Products; integers wrap.
    Product,
}

/// `dst[o, i, c] = src[o, 0, c] op .. op src[o, i, c]`: both are contiguous, of any number of matrices of `rows` rows of
/// `columns`.
///
/// # Panics
/// If they differ in size or are no whole number of matrices.
pub fn scan<T: Element>(op: Scan, src: &[T], rows: usize, columns: usize, dst: &mut [T]) {
    assert_eq!(src.len(), dst.len(), "source and destination differ in size");
    if src.is_empty() {
        return;
    }
    assert!(src.len().is_multiple_of(rows * columns), "lengths do not match the shapes");
    match (op, T::IS_FLOAT) {
        (Scan::Sum, true) => run::<T, f64, Sum>(src, rows, columns, dst),
        (Scan::Sum, false) => run::<T, T, Sum>(src, rows, columns, dst),
        (Scan::Product, true) => run::<T, f64, Product>(src, rows, columns, dst),
        (Scan::Product, false) => run::<T, T, Product>(src, rows, columns, dst),
    }
}

/// An associative operation on all element types.
trait Join: Copy + Send + Sync {
    /// Whether what lies between may be joined first.
    fn as_tree<T: Element>() -> bool;
    fn identity<T: Element>() -> T;
    fn join<T: Element>(left: T, right: T) -> T;
}

#[derive(Clone, Copy)]
struct Sum;
impl Join for Sum {
    /// Float64 has nothing wider to sum in: elements that overflow together may not before what precedes them.
    #[inline(always)]
    fn as_tree<T: Element>() -> bool {
        !(T::IS_FLOAT && size_of::<T>() == size_of::<f64>())
    }
    #[inline(always)]
    fn identity<T: Element>() -> T {
        T::ZERO
    }
    #[inline(always)]
    fn join<T: Element>(left: T, right: T) -> T {
        left.wrapping_add(right)
    }
}

#[derive(Clone, Copy)]
struct Product;
impl Join for Product {
    /// Zero times what overflows, had it been multiplied first, would be NaN.
    #[inline(always)]
    fn as_tree<T: Element>() -> bool {
        false
    }
    #[inline(always)]
    fn identity<T: Element>() -> T {
        T::ONE
    }
    #[inline(always)]
    fn join<T: Element>(left: T, right: T) -> T {
        left.wrapping_mul(right)
    }
}

/// Scans with what is carried as `C`.
fn run<T: Element, C: Element, J: Join>(src: &[T], rows: usize, columns: usize, dst: &mut [T]) {
    let len = src.len();
    let streamed = size_of_val(src) >= STREAM_FROM;
    let cost = (len / 1024).saturating_mul(COST);
    let shared = Disjoint::new(dst);
    if columns > 1 && columns <= SMALL_COLUMNS && rows <= SMALL_ROWS {
        let plane = rows * columns;
        let grain = (PIECE / plane).max(1) * plane;
        return for_each(len.div_ceil(grain), cost, |task| {
            let range = task * grain..len.min((task + 1) * grain);
            // SAFETY: each task has planes of its own.
            let dst = unsafe { shared.slice(range.clone()) };
            dispatch(Planes::<T, C, J> { src: &src[range], dst, rows, columns, carried: PhantomData });
        });
    }
    if columns > 1 {
        let blocks = columns.div_ceil(COLUMNS);
        let units = len / (rows * columns) * blocks;
        let grain = (PIECE / (rows * columns.min(COLUMNS))).max(1);
        return for_each(units.div_ceil(grain), cost, |task| {
            for unit in task * grain..units.min((task + 1) * grain) {
                let (matrix, left) = (unit / blocks * rows * columns, unit % blocks * COLUMNS);
                let (at, width) = (matrix + left, COLUMNS.min(columns - left));
                let (src, dst) = (&src[at..matrix + rows * columns], &shared);
                dispatch(Down::<T, C, J> { src, dst, at, rows, columns, width, streamed, carried: PhantomData });
            }
        });
    }
    let along = |range: Range<usize>, line: usize, carry: C, store: bool| {
        // SAFETY: the tasks of a region have pieces of their own.
        let dst = store.then(|| unsafe { shared.slice(range.clone()) });
        dispatch(Along::<T, C, J> { src: &src[range], dst, line, carry, streamed, joined: PhantomData })
    };
    if rows < 2 * PIECE || !J::as_tree::<T>() {
        let grain = (PIECE / rows).max(1) * rows;
        return for_each(len.div_ceil(grain), cost, |task| {
            along(task * grain..len.min((task + 1) * grain), rows, J::identity(), true);
        });
    }
    // Long rows: the pieces' results first, then each piece from what comes before it.
    let pieces = rows.div_ceil(PIECE);
    let piece = |task: usize| {
        let start = task / pieces * rows;
        start + task % pieces * PIECE..start + rows.min((task % pieces + 1) * PIECE)
    };
    let mut carries = vec![J::identity::<C>(); len / rows * pieces];
    let results = Disjoint::new(&mut carries);
    for_each(len / rows * pieces, cost, |task| {
        // SAFETY: each task has a result of its own.
        unsafe { results.slice(task..task + 1) }.fill(along(piece(task), PIECE, J::identity(), false));
    });
    for carries in carries.chunks_mut(pieces) {
        let mut carry = J::identity();
        for piece in carries {
            (*piece, carry) = (carry, J::join(carry, *piece));
        }
    }
    for_each(len / rows * pieces, cost, |task| {
        along(piece(task), PIECE, carries[task], true);
    });
}

/// Lines of `line` elements; or a part of one, of which, without a destination, all elements are joined.
struct Along<'a, T, C, J> {
    src: &'a [T],
    dst: Option<&'a mut [T]>,
    line: usize,
    /// What is carried into each line.
    carry: C,
    streamed: bool,
    joined: PhantomData<J>,
}

/// Each element joined to the one `STEP` before it.
#[inline(always)]
fn spread<T: Element, J: Join, const STEP: usize>(block: [T; BLOCK]) -> [T; BLOCK] {
    let mut next = block;
    for i in STEP..BLOCK {
        next[i] = J::join(block[i - STEP], block[i]);
    }
    next
}

/// All elements joined, in lanes.
#[inline(always)]
fn whole<T: Element, C: Element, J: Join>(src: &[T]) -> C {
    let (blocks, rest) = src.as_chunks::<LANES>();
    let mut lanes = [J::identity::<C>(); LANES];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane = J::join(*lane, C::cast_from(x));
        }
    }
    let lanes = lanes.into_iter().reduce(J::join).unwrap_or(J::identity());
    rest.iter().fold(lanes, |whole, &x| J::join(whole, C::cast_from(x)))
}

/// The running sums of blocks from `carry` and the last of them, by instructions that the compiler does not find; `None`
/// where there are none.
#[inline(always)]
fn sums_of_blocks<T: Element, S: Simd>(src: &[[T; BLOCK]], dst: &mut [[T; BLOCK]], carry: f64) -> Option<f64> {
    assert_eq!(src.len(), dst.len());
    #[cfg(target_arch = "x86_64")]
    if S::ISA == Isa::Avx512 && T::IS_FLOAT && size_of::<T>() == 4 {
        // SAFETY: the only such type is float32; both are as long; the ISA has the instructions.
        return Some(unsafe { x86::sums(src.as_ptr().cast(), dst.as_mut_ptr().cast(), src.len(), carry) });
    }
    let _ = (carry, S::ISA, Isa::Avx512);
    None
}

/// Joins up the elements of a chunk, and returns what is carried out of it.
#[inline(always)]
fn join_up<T: Element, C: Element, J: Join, S: Simd>(src: &[T], dst: &mut [T], mut carry: C) -> C {
    let (mut left, mut out_left) = (src, dst);
    if J::as_tree::<T>() {
        let ((blocks, rest), (out, out_rest)) = (left.as_chunks::<BLOCK>(), out_left.as_chunks_mut::<BLOCK>());
        (left, out_left) = (rest, out_rest);
        if let Some(sum) = sums_of_blocks::<T, S>(blocks, out, carry.to_f64()) {
            carry = C::cast_from(sum);
        } else {
            for (out, x) in out.iter_mut().zip(blocks) {
                let joined = spread::<C, J, 4>(spread::<C, J, 2>(spread::<C, J, 1>(x.map(C::cast_from))));
                *out = joined.map(|x| T::cast_from(J::join(carry, x)));
                carry = J::join(carry, joined[BLOCK - 1]);
            }
        }
    }
    for (out, &x) in out_left.iter_mut().zip(left) {
        carry = J::join(carry, C::cast_from(x));
        *out = T::cast_from(carry);
    }
    carry
}

impl<T: Element, C: Element, J: Join> Kernel for Along<'_, T, C, J> {
    type Output = C;
    #[inline(always)]
    fn run<S: Simd>(self) -> C {
        let Self { src, dst, line, carry: start, streamed, .. } = self;
        let Some(dst) = dst else { return whole::<T, C, J>(src) };
        let mut buffer = [T::ZERO; CHUNK];
        for (src, dst) in src.chunks(line).zip(dst.chunks_mut(line)) {
            let mut carry = start;
            for (src, dst) in src.chunks(CHUNK).zip(dst.chunks_mut(CHUNK)) {
                if streamed {
                    let buffer = &mut buffer[..src.len()];
                    carry = join_up::<T, C, J, S>(src, buffer, carry);
                    store::<T, S>(dst, buffer);
                } else {
                    carry = join_up::<T, C, J, S>(src, dst, carry);
                }
            }
        }
        if streamed {
            stream::fence();
        }
        J::identity()
    }
}

/// Writes a chunk past the cache.
#[inline(always)]
fn store<T: Pod, S: Simd>(dst: &mut [T], chunk: &[T]) {
    assert_eq!(dst.len(), chunk.len());
    // SAFETY: both are as long.
    unsafe { stream::store::<S>(dst.as_mut_ptr().cast(), chunk.as_ptr().cast(), size_of_val(chunk)) }
}

/// Some columns of a matrix, from the top down.
struct Down<'a, T, C, J> {
    src: &'a [T],
    dst: &'a Disjoint<'a, T>,
    /// Where the first row starts in `dst`.
    at: usize,
    rows: usize,
    columns: usize,
    width: usize,
    streamed: bool,
    carried: PhantomData<(C, J)>,
}

impl<T: Element, C: Element, J: Join> Kernel for Down<'_, T, C, J> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { src, dst, at, rows, columns, width, streamed, .. } = self;
        let mut carries = vec![J::identity::<C>(); width];
        let mut buffer = vec![T::ZERO; if streamed { width } else { 0 }];
        for row in 0..rows {
            let at = at + row * columns;
            // SAFETY: each task has columns of its own.
            let dst = unsafe { dst.slice(at..at + width) };
            let out = if streamed { &mut buffer[..] } else { &mut *dst };
            let src = &src[row * columns..][..width];
            let ((above, above_rest), (x, x_rest)) = (carries.as_chunks_mut::<BLOCK>(), src.as_chunks::<BLOCK>());
            let (out, out_rest) = out.as_chunks_mut::<BLOCK>();
            for ((carry, x), out) in above.iter_mut().zip(x).zip(out) {
                prefetch(x.as_ptr().wrapping_add(ROWS_AHEAD * columns));
                *carry = std::array::from_fn(|i| J::join(carry[i], C::cast_from(x[i])));
                *out = carry.map(T::cast_from);
            }
            for ((carry, &x), out) in above_rest.iter_mut().zip(x_rest).zip(out_rest) {
                *carry = J::join(*carry, C::cast_from(x));
                *out = T::cast_from(*carry);
            }
            if streamed {
                store::<T, S>(dst, &buffer);
            }
        }
        if streamed {
            stream::fence();
        }
    }
}

/// Whole matrices of few rows and columns, for which nothing is set up.
struct Planes<'a, T, C, J> {
    src: &'a [T],
    dst: &'a mut [T],
    rows: usize,
    columns: usize,
    carried: PhantomData<(C, J)>,
}

impl<T: Element, C: Element, J: Join> Kernel for Planes<'_, T, C, J> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { src, dst, rows, columns, .. } = self;
        let plane = rows * columns;
        for (src, dst) in src.chunks_exact(plane).zip(dst.chunks_exact_mut(plane)) {
            let mut left = 0;
            macro_rules! strips {
                ($($n:literal)*) => { $(
                    while columns - left >= $n {
                        let mut carry = [J::identity::<C>(); $n];
                        let mut at = left;
                        while let (Some(x), Some(out)) =
                            (src.get(at..at + $n).and_then(|x| x.first_chunk()), dst.get_mut(at..at + $n))
                        {
                            let x: &[T; $n] = x;
                            for (carry, &x) in carry.iter_mut().zip(x) {
                                *carry = J::join(*carry, C::cast_from(x));
                            }
                            out.copy_from_slice(&carry.map(T::cast_from));
                            at += columns;
                        }
                        left += $n;
                    }
                )* };
            }
            strips!(8 4 1);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{AHEAD, BLOCK};
    use crate::isa::prefetch;
    use std::arch::x86_64::{
        _mm256_loadu_ps, _mm256_storeu_ps, _mm512_add_pd, _mm512_alignr_epi64, _mm512_castpd_si512,
        _mm512_castsi512_pd, _mm512_cvtpd_ps, _mm512_cvtps_pd, _mm512_cvtsd_f64, _mm512_permutexvar_pd,
        _mm512_set1_epi64, _mm512_set1_pd,
    };

    /// The running sums of blocks of float32 from `carry`, as `join_up` forms them; returns the last.
    ///
    /// # Safety
    /// `src` is valid for reads and `dst` for writes of `blocks` blocks.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
    pub(super) unsafe fn sums(src: *const f32, dst: *mut f32, blocks: usize, carry: f64) -> f64 {
        // What leaves every number as it is, the zeros of both signs too.
        let none = _mm512_castpd_si512(_mm512_set1_pd(-0.0));
        let last = _mm512_set1_epi64(7);
        let mut carry = _mm512_set1_pd(carry);
        for at in (0..blocks * BLOCK).step_by(BLOCK) {
            // SAFETY: the contract.
            let mut x = _mm512_cvtps_pd(unsafe { _mm256_loadu_ps(src.add(at)) });
            prefetch(src.wrapping_add(at).wrapping_byte_add(AHEAD));
            x = _mm512_add_pd(_mm512_castsi512_pd(_mm512_alignr_epi64::<7>(_mm512_castpd_si512(x), none)), x);
            x = _mm512_add_pd(_mm512_castsi512_pd(_mm512_alignr_epi64::<6>(_mm512_castpd_si512(x), none)), x);
            x = _mm512_add_pd(_mm512_castsi512_pd(_mm512_alignr_epi64::<4>(_mm512_castpd_si512(x), none)), x);
            x = _mm512_add_pd(carry, x);
            carry = _mm512_permutexvar_pd(last, x);
            // SAFETY: the contract.
            unsafe { _mm256_storeu_ps(dst.add(at), _mm512_cvtpd_ps(x)) };
        }
        _mm512_cvtsd_f64(carry)
    }
}
