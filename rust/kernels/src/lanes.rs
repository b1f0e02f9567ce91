//! Sums, maxima and maps over a contiguous row, in an order fixed by its length.
//!
//! A row is taken in blocks of 2048 elements. A block adds into 64 lanes (four accumulators of sixteen, enough to hide
//! the latency of an addition), the lanes add pairwise, and the blocks add in float64: fast, and as exact as the
//! element type allows for rows of any length. The last elements of a row are those of a whole vector, of which only they
//! count, so that no row ends in scalar code. Rows may be stored narrower than their elements are added.

use crate::element::Float;
use crate::isa::{Simd, prefetch};
use crate::stored::Stored;
use crate::stream;
use std::ops::Range;

/// Elements that end a row side by side.
pub(crate) const NARROW: usize = 16;
const LANES: usize = 64;
const BLOCK: usize = 2048;

/// Adds the results of `f` for pairs of elements into lanes, and brings near what lies `ahead` elements after them.
#[inline(always)]
fn add<T: Float, N: Stored<Value = T>, const K: usize>(
    lanes: &mut [[T; LANES]; K],
    a_row: &[N],
    b_row: &[N],
    ahead: usize,
    f: &impl Fn(T, T) -> [T; K],
) {
    let ((a, a_rest), (b, b_rest)) = (a_row.as_chunks::<LANES>(), b_row.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        fetch(a, ahead);
        if a.as_ptr() != b.as_ptr() {
            fetch(b, ahead);
        }
        for lane in 0..LANES {
            let results = f(a[lane].load(), b[lane].load());
            for (lanes, result) in lanes.iter_mut().zip(results) {
                lanes[lane] += result;
            }
        }
    }
    let ((a_narrow, a_rest), (b_narrow, b_rest)) = (a_rest.as_chunks::<NARROW>(), b_rest.as_chunks::<NARROW>());
    for (a, b) in a_narrow.iter().zip(b_narrow) {
        add_narrow(lanes, a, b, 0..NARROW, f);
    }
    if a_rest.is_empty() {
        return;
    }
    if let (Some(a), Some(b)) = (a_row.last_chunk(), b_row.last_chunk()) {
        add_narrow(lanes, a, b, NARROW - a_rest.len()..NARROW, f);
    } else {
        let zero = N::store(T::ZERO);
        add_narrow(lanes, &padded(a_rest, zero), &padded(b_rest, zero), 0..a_rest.len(), f);
    }
}

/// Brings near what lies `ahead` elements after these; nothing for 0.
#[inline(always)]
fn fetch<T>(from: &[T; LANES], ahead: usize) {
    if ahead > 0 {
        for line in (0..LANES).step_by(stream::LINE / size_of::<T>()) {
            prefetch(from.as_ptr().wrapping_add(line + ahead));
        }
    }
}

/// Brings near what lies `ahead` elements after a row.
#[inline(always)]
pub(crate) fn fetch_row<T>(row: &[T], ahead: usize) {
    for at in (0..row.len()).step_by(stream::LINE / size_of::<T>()) {
        prefetch(row.as_ptr().wrapping_add(at + ahead));
    }
}

/// Of one vector, the results that `counted` names.
#[inline(always)]
fn add_narrow<T: Float, N: Stored<Value = T>, const K: usize>(
    lanes: &mut [[T; LANES]; K],
    a: &[N; NARROW],
    b: &[N; NARROW],
    counted: Range<usize>,
    f: &impl Fn(T, T) -> [T; K],
) {
    for lane in 0..NARROW {
        let results = f(a[lane].load(), b[lane].load());
        for (lanes, result) in lanes.iter_mut().zip(results) {
            lanes[lane] += if counted.contains(&lane) { result } else { T::ZERO };
        }
    }
}

/// The sum of `f` over the elements of `a`.
#[inline(always)]
pub(crate) fn sum<T: Float, N: Stored<Value = T>>(a: &[N], f: impl Fn(T) -> T) -> f64 {
    let [sum] = sums(a, a, |x, _| [f(x)]);
    sum
}

/// The sums of the results of `f` over the elements of `a` and `b` together. Lanes live for a block, in registers.
#[inline(always)]
pub(crate) fn sums<T: Float, N: Stored<Value = T>, const K: usize>(
    a: &[N],
    b: &[N],
    f: impl Fn(T, T) -> [T; K],
) -> [f64; K] {
    sums_ahead(a, b, 0, f)
}

/// [`sums`], while what lies `ahead` elements after each row comes near.
#[inline(always)]
pub(crate) fn sums_ahead<T: Float, N: Stored<Value = T>, const K: usize>(
    a: &[N],
    b: &[N],
    ahead: usize,
    f: impl Fn(T, T) -> [T; K],
) -> [f64; K] {
    let mut totals = [0.0; K];
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [[T::ZERO; LANES]; K];
        add(&mut lanes, a, b, ahead, &f);
        for (total, lanes) in totals.iter_mut().zip(lanes) {
            *total += pairwise(lanes, |x, y| x + y).to_f64();
        }
    }
    totals
}

/// Rows of one length, some way apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// Where the first begins.
    pub first: usize,
    /// Elements of each.
    pub len: usize,
    /// Elements from the beginning of one to that of the next.
    pub step: usize,
    pub count: usize,
}

/// [`sums`] over rows of `a` and `b`. While one is added the next comes near: a row of a few pages is over before the
/// hardware has seen where it goes. The lanes of short rows meet in sixteen before they are added to each other.
#[inline(always)]
pub(crate) fn sums_of_rows<T: Float, N: Stored<Value = T>, const K: usize>(
    a: &[N],
    b: &[N],
    rows: Rows,
    f: impl Fn(T, T) -> [T; K],
) -> [f64; K] {
    let (mut totals, mut met, mut pending) = ([0.0; K], [[T::ZERO; NARROW]; K], 0);
    for row in 0..rows.count {
        let (a, b) = (&a[rows.first + row * rows.step..][..rows.len], &b[rows.first + row * rows.step..][..rows.len]);
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            let mut lanes = [[T::ZERO; LANES]; K];
            add(&mut lanes, a, b, rows.step, &f);
            for (met, lanes) in met.iter_mut().zip(lanes) {
                let lanes: [T; NARROW] = halve(halve::<T, LANES, { LANES / 2 }>(lanes, &|x, y| x + y), &|x, y| x + y);
                for lane in 0..NARROW {
                    met[lane] += lanes[lane];
                }
            }
            pending += a.len();
            if pending >= BLOCK || row + 1 == rows.count {
                for (total, met) in totals.iter_mut().zip(&mut met) {
                    *total += fold(std::mem::replace(met, [T::ZERO; NARROW]), |x, y| x + y).to_f64();
                }
                pending = 0;
            }
        }
    }
    totals
}

/// The largest element, leaving NaN out; minus infinity for an empty row.
#[inline(always)]
pub(crate) fn largest<T: Float>(a: &[T]) -> T {
    let most = |x: T, y: T| if y > x { y } else { x };
    // Arrays of their own: one that is also indexed by a variable, or changed only here and there, would not stay in
    // registers.
    let mut chains = [T::LOWEST; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for chunk in chunks {
        let mut next = [T::LOWEST; LANES];
        for lane in 0..LANES {
            next[lane] = most(chains[lane], chunk[lane]);
        }
        chains = next;
    }
    let mut lanes = chains;
    let (chunks, rest) = rest.as_chunks::<NARROW>();
    for chunk in chunks {
        for lane in 0..NARROW {
            lanes[lane] = most(lanes[lane], chunk[lane]);
        }
    }
    if !rest.is_empty() {
        let rest = a.last_chunk().copied().unwrap_or_else(|| padded(rest, T::LOWEST));
        for lane in 0..NARROW {
            lanes[lane] = most(lanes[lane], rest[lane]);
        }
    }
    pairwise(lanes, most)
}

/// `out = f(a, b)`, element by element; the last of a row once more where they fill no vector of their own.
#[inline(always)]
pub(crate) fn map<T: Float>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    let of = |a: &[T; NARROW], b: &[T; NARROW]| {
        let mut values = [T::ZERO; NARROW];
        for lane in 0..NARROW {
            values[lane] = f(a[lane], b[lane]);
        }
        values
    };
    let (a_chunks, b_chunks) = (a.as_chunks::<NARROW>(), b.as_chunks::<NARROW>());
    let (out_chunks, out_rest) = out.as_chunks_mut::<NARROW>();
    for ((out, a), b) in out_chunks.iter_mut().zip(a_chunks.0).zip(b_chunks.0) {
        *out = of(a, b);
    }
    if out_rest.is_empty() {
        return;
    }
    if let (Some(out), Some(a), Some(b)) = (out.last_chunk_mut(), a.last_chunk(), b.last_chunk()) {
        *out = of(a, b);
        return;
    }
    let values = of(&padded(a, T::ZERO), &padded(b, T::ZERO));
    out.copy_from_slice(&values[..out.len()]);
}

/// `out = f(a)`, and the sum of that, while what lies `ahead` elements after the row comes near.
#[inline(always)]
pub(crate) fn map_sum<T: Float>(a: &[T], out: &mut [T], ahead: usize, f: impl Fn(T) -> T) -> f64 {
    let mut total = 0.0;
    for (a_block, out_block) in a.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        // Two arrays, as in `largest`.
        let mut chains = [T::ZERO; LANES];
        let ((a, a_rest), (out, out_rest)) = (a_block.as_chunks::<LANES>(), out_block.as_chunks_mut::<LANES>());
        for (a, out) in a.iter().zip(out) {
            fetch(a, ahead);
            for lane in 0..LANES {
                out[lane] = f(a[lane]);
                chains[lane] += out[lane];
            }
        }
        let mut lanes = [chains];
        map(a_rest, a_rest, out_rest, |x, _| f(x));
        add(&mut lanes, out_rest, out_rest, 0, &|x, _| [x]);
        total += pairwise(lanes[0], |x, y| x + y).to_f64();
    }
    total
}

/// [`map`], past the caches. Call [`stream::fence`] after the last.
#[inline(always)]
pub(crate) fn map_past<T: Float, N: Stored<Value = T>, S: Simd>(
    a: &[N],
    b: &[N],
    out: &mut [N],
    f: impl Fn(T, T) -> T,
) {
    // A line at least.
    if size_of::<N>() * NARROW < stream::LINE {
        chunks_past::<T, N, S, { 2 * NARROW }>(a, b, out, f);
    } else {
        chunks_past::<T, N, S, NARROW>(a, b, out, f);
    }
}

#[inline(always)]
fn chunks_past<T: Float, N: Stored<Value = T>, S: Simd, const COUNT: usize>(
    a: &[N],
    b: &[N],
    out: &mut [N],
    f: impl Fn(T, T) -> T,
) {
    let head = out.as_ptr().align_offset(stream::LINE).min(out.len());
    let whole = head + (out.len() - head) / COUNT * COUNT;
    map_plainly(&a[..head], &b[..head], &mut out[..head], &f);
    let (from_a, from_b) = (a[head..whole].as_chunks::<COUNT>().0, b[head..whole].as_chunks::<COUNT>().0);
    for ((a, b), out) in from_a.iter().zip(from_b).zip(out[head..whole].as_chunks_mut::<COUNT>().0) {
        let mut values = [N::store(T::ZERO); COUNT];
        for lane in 0..COUNT {
            values[lane] = N::store(f(a[lane].load(), b[lane].load()));
        }
        for line in (0..size_of_val(out)).step_by(stream::LINE) {
            // SAFETY: a line of either; `out` begins at one.
            unsafe {
                stream::store_line::<S>(out.as_mut_ptr().byte_add(line).cast(), values.as_ptr().byte_add(line).cast());
            }
        }
    }
    map_plainly(&a[whole..], &b[whole..], &mut out[whole..], &f);
}

/// [`map`] of numbers that may be stored narrower, in a loop that the compiler cuts into vectors.
#[inline(always)]
pub(crate) fn map_plainly<T: Float, N: Stored<Value = T>>(a: &[N], b: &[N], out: &mut [N], f: impl Fn(T, T) -> T) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = N::store(f(a.load(), b.load()));
    }
}

/// Up to sixteen elements, and zeros.
#[inline(always)]
pub(crate) fn take<T: Float>(from: &[T]) -> [T; NARROW] {
    match from.try_into() {
        Ok(whole) => whole,
        Err(_) => padded(from, T::ZERO),
    }
}

/// Stores as many elements as there is room for.
#[inline(always)]
pub(crate) fn put<T: Float>(to: &mut [T], values: &[T; NARROW]) {
    match <&mut [T; NARROW]>::try_from(&mut *to) {
        Ok(whole) => *whole = *values,
        Err(_) => to.copy_from_slice(&values[..to.len()]),
    }
}

/// The last elements of a row, and `fill`.
#[inline(always)]
fn padded<N: Copy>(rest: &[N], fill: N) -> [N; NARROW] {
    let mut whole = [fill; NARROW];
    for (whole, &x) in whole.iter_mut().zip(rest) {
        *whole = x;
    }
    whole
}

/// Folds the upper half of the lanes into the lower until one is left.
#[inline(always)]
fn pairwise<T: Float>(lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let lanes: [T; LANES / 2] = halve(lanes, &join);
    fold(halve(lanes, &join), join)
}

/// As [`pairwise`], of one vector.
#[inline(always)]
pub(crate) fn fold<T: Float>(lanes: [T; NARROW], join: impl Fn(T, T) -> T) -> T {
    let lanes: [T; 8] = halve(lanes, &join);
    let lanes: [T; 4] = halve(lanes, &join);
    let [first, second] = halve(lanes, &join);
    join(first, second)
}

/// An array of its own for each half: in one that shrinks in place, the compiler does not see vectors.
#[inline(always)]
fn halve<T: Float, const N: usize, const HALF: usize>(lanes: [T; N], join: &impl Fn(T, T) -> T) -> [T; HALF] {
    let mut half = [T::ZERO; HALF];
    for i in 0..HALF {
        half[i] = join(lanes[i], lanes[i + HALF]);
    }
    half
}
