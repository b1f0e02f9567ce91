//! Softmax, log-softmax and log-sum-exp over rows, with their backward passes.
//!
//! Every kernel here takes contiguous rows of `cols` elements and reads a row from cache after its first touch. A row
//! whose largest element is infinite gives NaN, as in `PyTorch`; only the log-sum-exp of such a row is that infinity.
//! Short rows are taken sixteen abreast. Numbers of 16 bits are widened a few rows at a time.

use crate::abreast::{self, Block, Lane, ROWS, SHORT};
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_ranges};
use crate::stored::{Stored, by_pieces};

/// Elements of one task, about.
const GRAIN: usize = 1 << 13;
/// Estimated cost of 1024 elements, in nanoseconds.
const NS_PER_1024: usize = 600;

/// Rows of one task, and the estimated cost of 1024 rows.
pub(crate) fn row_grain(cols: usize) -> (usize, usize) {
    ((GRAIN / cols.max(1)).max(1), cols.saturating_mul(NS_PER_1024))
}

/// Number of rows; panics unless `len` is a multiple of `cols`.
fn row_count(len: usize, cols: usize) -> usize {
    if cols == 0 {
        assert_eq!(len, 0, "rows without columns hold nothing");
        return 0;
    }
    assert_eq!(len % cols, 0, "length is not a multiple of the columns");
    len / cols
}

/// `y = exp(x) / sum(exp(x))` over each row.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn softmax<T: Float, K: Stored<Value = T>>(x: &[K], cols: usize, y: &mut [K]) {
    for_rows(x, x, cols, y, Softmax);
}

/// `y = x - ln(sum(exp(x)))` over each row.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn log_softmax<T: Float, K: Stored<Value = T>>(x: &[K], cols: usize, y: &mut [K]) {
    for_rows(x, x, cols, y, LogSoftmax);
}

/// Gradient of [`softmax`] from that of its result and the result: `gx = y * (g - sum(g * y))`.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn softmax_backward<T: Float, K: Stored<Value = T>>(g: &[K], y: &[K], cols: usize, gx: &mut [K]) {
    for_rows(g, y, cols, gx, SoftmaxBackward);
}

/// Gradient of [`log_softmax`] from that of its result and the result: `gx = g - exp(y) * sum(g)`.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn log_softmax_backward<T: Float, K: Stored<Value = T>>(g: &[K], y: &[K], cols: usize, gx: &mut [K]) {
    for_rows(g, y, cols, gx, LogSoftmaxBackward);
}

/// `ln(sum(exp(x)))` over each of `out.len()` rows; minus infinity for a row without columns.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn logsumexp<T: Float>(x: &[T], cols: usize, out: &mut [T]) {
    assert_eq!(x.len(), out.len() * cols, "one result a row");
    let rows = out.len();
    let (grain, cost) = row_grain(cols);
    let out = Disjoint::new(out);
    for_ranges(rows, grain, cost, |range| {
        // SAFETY: ranges of rows are disjoint.
        let out = unsafe { out.slice(range.clone()) };
        dispatch(LogSumExp { x: &x[range.start * cols..range.end * cols], cols, out });
    });
}

struct LogSumExp<'a, T> {
    x: &'a [T],
    cols: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for LogSumExp<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { x, cols, out } = self;
        let mut parts = [[T::ZERO; 2]; ROWS];
        for (i, out) in out.chunks_mut(ROWS).enumerate() {
            let x = &x[i * ROWS * cols..][..out.len() * cols];
            statistics::<T, S>(x, cols, &mut parts[..out.len()]);
            for (row, (out, [largest, rest])) in out.iter_mut().zip(parts).enumerate() {
                *out = if largest.is_infinite() {
                    // It would make infinity minus infinity.
                    T::from_f64(lanes::sum(&x[row * cols..][..cols], T::exp::<S>)).log::<S>()
                } else {
                    rest + largest
                };
            }
        }
    }
}

/// `sum(exp(x - shift))`, no `x` being larger, while the next row comes near.
#[inline(always)]
fn sum_exp<T: Float, S: Simd>(x: &[T], shift: T) -> T {
    T::from_f64(lanes::sums_ahead(x, x, x.len(), |x, _| [(x - shift).exp_nonpositive::<S>()])[0])
}

/// For each row of `x`, its largest element and its log-sum-exp above that.
#[inline(always)]
pub(crate) fn statistics<T: Float, S: Simd>(x: &[T], cols: usize, out: &mut [[T; 2]]) {
    if cols == 0 || cols > SHORT {
        for (row, out) in out.iter_mut().enumerate() {
            let x = &x[row * cols..][..cols];
            let largest = lanes::largest(x);
            *out = [largest, sum_exp::<T, S>(x, largest)];
        }
        // All rows' logarithms side by side.
        for [_, rest] in out {
            *rest = rest.log::<S>();
        }
        return;
    }
    let mut block = Block::new();
    for (x, out) in x.chunks(ROWS * cols).zip(out.chunks_mut(ROWS)) {
        let columns = block.load(x, cols);
        let (largest, rest) = abreast_statistics::<T, S>(columns);
        for (lane, out) in out.iter_mut().enumerate() {
            *out = [largest[lane], rest[lane]];
        }
    }
}

#[inline(always)]
fn abreast_statistics<T: Float, S: Simd>(columns: &[Lane<T>]) -> (Lane<T>, Lane<T>) {
    let largest = abreast::largest(columns);
    let mut rest = [T::ZERO; ROWS];
    for column in columns {
        for lane in 0..ROWS {
            rest[lane] += (column[lane] - largest[lane]).exp_nonpositive::<S>();
        }
    }
    for rest in &mut rest {
        *rest = rest.log::<S>();
    }
    (largest, rest)
}

/// A function of a row, and of a second operand's row where `BINARY`.
trait Row: Copy + Sync {
    const BINARY: bool;
    /// One row.
    fn row<T: Float, S: Simd>(self, a: &[T], b: &[T], out: &mut [T]);
    /// Sixteen short rows, column by column, in place of `a`.
    fn abreast<T: Float, S: Simd>(self, a: &mut [Lane<T>], b: &[Lane<T>]);
}

fn for_rows<T: Float, K: Stored<Value = T>, R: Row>(a: &[K], b: &[K], cols: usize, out: &mut [K], row: R) {
    assert!(a.len() == out.len() && b.len() == out.len(), "operands differ in length");
    let (grain, cost) = row_grain(cols);
    let rows = row_count(out.len(), cols);
    let out = Disjoint::new(out);
    for_ranges(rows, grain, cost, |range| {
        by_pieces::<K, 3>(range, [cols; 3], |range, [a_room, b_room, out_room]| {
            let range = range.start * cols..range.end * cols;
            // SAFETY: ranges of rows are disjoint.
            let out = unsafe { out.slice(range.clone()) };
            let a = K::load_slice(&a[range.clone()], a_room);
            let b = if R::BINARY { K::load_slice(&b[range], b_room) } else { a };
            K::store_slice(out, out_room, |out| dispatch(Rows { a, b, cols, out, row }));
        });
    });
}

struct Rows<'a, T, R> {
    a: &'a [T],
    b: &'a [T],
    cols: usize,
    out: &'a mut [T],
    row: R,
}

impl<T: Float, R: Row> Kernel for Rows<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { a, b, cols, out, row } = self;
        if cols > SHORT {
            for ((a, b), out) in a.chunks_exact(cols).zip(b.chunks_exact(cols)).zip(out.chunks_exact_mut(cols)) {
                row.row::<T, S>(a, b, out);
            }
            return;
        }
        let (mut first, mut second) = (Block::new(), Block::new());
        let group = ROWS * cols;
        for ((a, b), out) in a.chunks(group).zip(b.chunks(group)).zip(out.chunks_mut(group)) {
            let columns = second.load(if R::BINARY { b } else { &[] }, cols);
            row.abreast::<T, S>(first.load(a, cols), columns);
            first.store(out, cols);
        }
    }
}

#[derive(Clone, Copy)]
struct Softmax;

impl Row for Softmax {
    const BINARY: bool = false;

    #[inline(always)]
    fn row<T: Float, S: Simd>(self, x: &[T], _: &[T], y: &mut [T]) {
        let largest = lanes::largest(x);
        let scale = T::from_f64(1.0 / lanes::map_sum(x, y, x.len(), |x| (x - largest).exp_nonpositive::<S>()));
        for y in y {
            *y *= scale;
        }
    }

    #[inline(always)]
    fn abreast<T: Float, S: Simd>(self, x: &mut [Lane<T>], _: &[Lane<T>]) {
        let largest = abreast::largest(x);
        for column in x.iter_mut() {
            for lane in 0..ROWS {
                column[lane] = (column[lane] - largest[lane]).exp_nonpositive::<S>();
            }
        }
        let total = abreast::fold(x, T::ZERO, |x, y| x + y);
        let scale = total.map(|total| T::ONE / total);
        for column in x {
            for lane in 0..ROWS {
                column[lane] *= scale[lane];
            }
        }
    }
}

#[derive(Clone, Copy)]
struct LogSoftmax;

impl Row for LogSoftmax {
    const BINARY: bool = false;

    #[inline(always)]
    fn row<T: Float, S: Simd>(self, x: &[T], _: &[T], y: &mut [T]) {
        let largest = lanes::largest(x);
        let rest = sum_exp::<T, S>(x, largest).log::<S>();
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x - largest - rest;
        }
    }

    #[inline(always)]
    fn abreast<T: Float, S: Simd>(self, x: &mut [Lane<T>], _: &[Lane<T>]) {
        let (largest, rest) = abreast_statistics::<T, S>(x);
        for column in x {
            for lane in 0..ROWS {
                column[lane] = column[lane] - largest[lane] - rest[lane];
            }
        }
    }
}

#[derive(Clone, Copy)]
struct SoftmaxBackward;

impl Row for SoftmaxBackward {
    const BINARY: bool = true;

    #[inline(always)]
    fn row<T: Float, S: Simd>(self, g: &[T], y: &[T], gx: &mut [T]) {
        let [dot] = lanes::sums_ahead(g, y, g.len(), |g, y| [g * y]);
        let dot = T::from_f64(dot);
        for (gx, (&g, &y)) in gx.iter_mut().zip(g.iter().zip(y)) {
            *gx = y * (g - dot);
        }
    }

    #[inline(always)]
    fn abreast<T: Float, S: Simd>(self, g: &mut [Lane<T>], y: &[Lane<T>]) {
        let mut dot = [T::ZERO; ROWS];
        for (g, y) in g.iter().zip(y) {
            for lane in 0..ROWS {
                dot[lane] = g[lane].fma::<S>(y[lane], dot[lane]);
            }
        }
        for (g, y) in g.iter_mut().zip(y) {
            for lane in 0..ROWS {
                g[lane] = y[lane] * (g[lane] - dot[lane]);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct LogSoftmaxBackward;

impl Row for LogSoftmaxBackward {
    const BINARY: bool = true;

    #[inline(always)]
    fn row<T: Float, S: Simd>(self, g: &[T], y: &[T], gx: &mut [T]) {
        let total = T::from_f64(lanes::sums_ahead(g, g, g.len(), |g, _| [g])[0]);
        lanes::map(g, y, gx, |g, y| g - y.exp::<S>() * total);
    }

    #[inline(always)]
    fn abreast<T: Float, S: Simd>(self, g: &mut [Lane<T>], y: &[Lane<T>]) {
        let total = abreast::fold(g, T::ZERO, |x, y| x + y);
        for (g, y) in g.iter_mut().zip(y) {
            for lane in 0..ROWS {
                g[lane] -= y[lane].exp::<S>() * total[lane];
            }
        }
    }
}
