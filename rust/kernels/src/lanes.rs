//! Sums, maxima and maps over a contiguous row, in an order fixed by its length.
//!
//! A row is taken in blocks of 2048 elements. A block adds into 64 lanes (four accumulators of sixteen, enough to hide
//! the latency of an addition), the lanes add pairwise, and the blocks add in float64: fast, and as exact as the
//! element type allows for rows of any length. The last elements of a row fill a vector of their own, so that no row
//! ends in scalar code.

use crate::element::Float;

/// Elements that end a row side by side.
pub(crate) const NARROW: usize = 16;
const LANES: usize = 64;
const BLOCK: usize = 2048;

/// Sums of up to `K` functions of the elements of one row or several.
pub(crate) struct Sums<T, const K: usize> {
    lanes: [[T; LANES]; K],
    pending: usize,
    totals: [f64; K],
}

impl<T: Float, const K: usize> Sums<T, K> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { lanes: [[T::ZERO; LANES]; K], pending: 0, totals: [0.0; K] }
    }

    /// Adds the results of `f` for each pair of elements of `a` and `b`.
    #[inline(always)]
    pub(crate) fn add(&mut self, a: &[T], b: &[T], f: impl Fn(T, T) -> [T; K]) {
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            if self.pending + a.len() > BLOCK {
                self.flush();
            }
            self.pending += a.len();
            add(&mut self.lanes, a, b, &f);
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        flush(self.lanes, &mut self.totals);
        *self = Self { totals: self.totals, ..Self::new() };
    }

    #[inline(always)]
    pub(crate) fn finish(mut self) -> [f64; K] {
        self.flush();
        self.totals
    }
}

/// Adds the results of `f` for pairs of elements into lanes.
#[inline(always)]
fn add<T: Float, const K: usize>(lanes: &mut [[T; LANES]; K], a: &[T], b: &[T], f: &impl Fn(T, T) -> [T; K]) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let results = f(a[lane], b[lane]);
            for (lanes, result) in lanes.iter_mut().zip(results) {
                lanes[lane] += result;
            }
        }
    }
    let ((a, a_rest), (b, b_rest)) = (a_rest.as_chunks::<NARROW>(), b_rest.as_chunks::<NARROW>());
    for (a, b) in a.iter().zip(b) {
        add_narrow(lanes, a, b, NARROW, f);
    }
    if !a_rest.is_empty() {
        add_narrow(lanes, &padded(a_rest, T::ZERO), &padded(b_rest, T::ZERO), a_rest.len(), f);
    }
}

#[inline(always)]
fn add_narrow<T: Float, const K: usize>(
    lanes: &mut [[T; LANES]; K],
    a: &[T; NARROW],
    b: &[T; NARROW],
    len: usize,
    f: &impl Fn(T, T) -> [T; K],
) {
    for lane in 0..NARROW {
        let results = f(a[lane], b[lane]);
        for (lanes, result) in lanes.iter_mut().zip(results) {
            lanes[lane] += if lane < len { result } else { T::ZERO };
        }
    }
}

#[inline(always)]
fn flush<T: Float, const K: usize>(lanes: [[T; LANES]; K], totals: &mut [f64; K]) {
    for (lanes, total) in lanes.into_iter().zip(totals) {
        *total += pairwise(lanes, |x, y| x + y).to_f64();
    }
}

/// The sum of `f` over the elements of `a`.
#[inline(always)]
pub(crate) fn sum<T: Float>(a: &[T], f: impl Fn(T) -> T) -> f64 {
    let [sum] = sums(a, a, |x, _| [f(x)]);
    sum
}

/// The sums of the results of `f` over the elements of `a` and `b` together. As [`Sums`] has them; but lanes that live for
/// a block are in registers, where those of a struct are in memory.
#[inline(always)]
pub(crate) fn sums<T: Float, const K: usize>(a: &[T], b: &[T], f: impl Fn(T, T) -> [T; K]) -> [f64; K] {
    let mut totals = [0.0; K];
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [[T::ZERO; LANES]; K];
        add(&mut lanes, a, b, &f);
        flush(lanes, &mut totals);
    }
    totals
}

/// The largest element, leaving NaN out; minus infinity for an empty row.
#[inline(always)]
pub(crate) fn largest<T: Float>(a: &[T]) -> T {
    let most = |x: T, y: T| if y > x { y } else { x };
    let mut lanes = [T::LOWEST; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = most(lanes[lane], chunk[lane]);
        }
    }
    let (chunks, rest) = rest.as_chunks::<NARROW>();
    for chunk in chunks {
        for lane in 0..NARROW {
            lanes[lane] = most(lanes[lane], chunk[lane]);
        }
    }
    if !rest.is_empty() {
        let rest = padded(rest, T::LOWEST);
        for lane in 0..NARROW {
            lanes[lane] = most(lanes[lane], rest[lane]);
        }
    }
    pairwise(lanes, most)
}

/// `out = f(a, b)`, element by element.
#[inline(always)]
pub(crate) fn map<T: Float>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<NARROW>(), b.as_chunks::<NARROW>());
    let (out, out_rest) = out.as_chunks_mut::<NARROW>();
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        for lane in 0..NARROW {
            out[lane] = f(a[lane], b[lane]);
        }
    }
    if !out_rest.is_empty() {
        let (a, b) = (padded(a_rest, T::ZERO), padded(b_rest, T::ZERO));
        let mut whole = [T::ZERO; NARROW];
        for lane in 0..NARROW {
            whole[lane] = f(a[lane], b[lane]);
        }
        out_rest.copy_from_slice(&whole[..out_rest.len()]);
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

/// `a + b`, as [`take`] takes them.
#[inline(always)]
pub(crate) fn take_sum<T: Float>(a: &[T], b: &[T]) -> [T; NARROW] {
    let (mut sums, b): ([T; NARROW], _) = (take(a), take(b));
    for lane in 0..NARROW {
        sums[lane] += b[lane];
    }
    sums
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
fn padded<T: Float>(rest: &[T], fill: T) -> [T; NARROW] {
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
