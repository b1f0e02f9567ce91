//! Distances of every row of one matrix from every row of another, or of those below it in its own, and their gradients.

use crate::element::{Element, Float};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Rows of the second matrix whose distances are computed side by side.
const LANES: usize = 64;
/// Columns that are brought into the order of a panel at a time: a cache line of a row.
const LINE: usize = 16;
/// Terms that are added up in `T` before they go to a sum in float64.
const LEAF: usize = 64;
/// Rows of the first matrix in a task.
const ROWS: usize = 16;
/// Columns whose gradients are added up together: their sums stay in the first-level cache.
const COLUMNS: usize = 32;
/// Differences that a thread adds up in a nanosecond.
const PER_NS: usize = 16;

/// What becomes of the differences between two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The sum of their absolute values.
    Manhattan,
    /// The root of the sum of their squares.
    Euclidean,
    /// The largest of their absolute values.
    Chebyshev,
    /// How many are not zero.
    Hamming,
}

/// A [`Metric`] as a type, so that its loops are compiled for it.
trait Rule: Send + Sync {
    /// What was found with one difference more.
    fn add<T: Float, S: Simd>(apart: T, found: T) -> T;
    /// What was found in two parts of the columns.
    fn join(found: f64, more: f64) -> f64;
    /// The distance in the end.
    fn end<T: Float>(found: f64) -> T;
    /// The gradient of a difference.
    fn slope<T: Float>(apart: T, weight: T, distance: T) -> T;
}

/// `weight` with the sign of `apart`; zero where that is.
#[inline(always)]
fn signed<T: Float>(apart: T, weight: T) -> T {
    let above = if apart > T::ZERO { weight } else { T::ZERO };
    if apart < T::ZERO { -weight } else { above }
}

struct Manhattan;
impl Rule for Manhattan {
    #[inline(always)]
    fn add<T: Float, S: Simd>(apart: T, found: T) -> T {
        found + apart.magnitude()
    }
    #[inline(always)]
    fn join(found: f64, more: f64) -> f64 {
        found + more
    }
    #[inline(always)]
    fn end<T: Float>(found: f64) -> T {
        T::from_f64(found)
    }
    #[inline(always)]
    fn slope<T: Float>(apart: T, weight: T, _: T) -> T {
        signed(apart, weight)
    }
}

struct Euclidean;
impl Rule for Euclidean {
    #[inline(always)]
    fn add<T: Float, S: Simd>(apart: T, found: T) -> T {
        apart.fma::<S>(apart, found)
    }
    #[inline(always)]
    fn join(found: f64, more: f64) -> f64 {
        found + more
    }
    #[inline(always)]
    fn end<T: Float>(found: f64) -> T {
        T::from_f64(found).sqrt()
    }
    #[inline(always)]
    fn slope<T: Float>(apart: T, weight: T, _: T) -> T {
        apart * weight
    }
}

struct Chebyshev;
impl Rule for Chebyshev {
    #[inline(always)]
    fn add<T: Float, S: Simd>(apart: T, found: T) -> T {
        found.maximum(apart.magnitude())
    }
    #[inline(always)]
    fn join(found: f64, more: f64) -> f64 {
        Element::maximum(found, more)
    }
    #[inline(always)]
    fn end<T: Float>(found: f64) -> T {
        T::from_f64(found)
    }
    #[inline(always)]
    fn slope<T: Float>(apart: T, weight: T, distance: T) -> T {
        if apart.magnitude() == distance { signed(apart, weight) } else { T::ZERO }
    }
}

struct Hamming;
impl Rule for Hamming {
    #[inline(always)]
    fn add<T: Float, S: Simd>(apart: T, found: T) -> T {
        let one = if apart == T::ZERO { T::ZERO } else { T::ONE };
        found + if apart.is_nan() { apart } else { one }
    }
    #[inline(always)]
    fn join(found: f64, more: f64) -> f64 {
        found + more
    }
    #[inline(always)]
    fn end<T: Float>(found: f64) -> T {
        T::from_f64(found)
    }
    #[inline(always)]
    fn slope<T: Float>(_: T, _: T, _: T) -> T {
        T::ZERO
    }
}

/// `out[i, j]` is the distance of `x[i]` from `y[j]`, rows of `columns`.
///
/// # Panics
/// If `out` has not a row for each of `x` and a column for each of `y`.
pub fn between<T: Float>(metric: Metric, x: &[T], y: &[T], columns: usize, out: &mut [T]) {
    if columns == 0 || out.is_empty() {
        return out.fill(T::ZERO);
    }
    assert!((x.len() / columns) * (y.len() / columns) == out.len(), "one distance a pair of rows");
    all(metric, x, y, columns, false, out);
}

/// The distances of each row of `x` from each below it, one row's after another's.
///
/// # Panics
/// If `out` has not as many elements as there are pairs.
pub fn within<T: Float>(metric: Metric, x: &[T], columns: usize, out: &mut [T]) {
    if columns == 0 || out.is_empty() {
        return out.fill(T::ZERO);
    }
    let rows = x.len() / columns;
    assert!(rows * (rows - 1) / 2 == out.len(), "one distance a pair of rows");
    all(metric, x, x, columns, true, out);
}

/// Where the distances of row `i` of `rows` begin among those of all pairs.
fn first_pair(i: usize, rows: usize) -> usize {
    (i * (2 * rows - i) - i) / 2
}

fn all<T: Float>(metric: Metric, x: &[T], y: &[T], columns: usize, pairs: bool, out: &mut [T]) {
    let (rows, others) = (x.len() / columns, y.len() / columns);
    let mut panels = vec![T::ZERO; others.div_ceil(LANES) * LANES * columns];
    for (panel, y) in panels.chunks_exact_mut(LANES * columns).zip(y.chunks(LANES * columns)) {
        for (first, panel) in (0..columns).step_by(LINE).zip(panel.chunks_mut(LINE * LANES)) {
            for (lane, row) in y.chunks_exact(columns).enumerate() {
                panel[lane..].iter_mut().step_by(LANES).zip(&row[first..]).for_each(|(out, &y)| *out = y);
            }
        }
    }
    let begin = |row: usize| if pairs { first_pair(row, rows) } else { row * others };
    let out = Disjoint::new(out);
    for_each(rows.div_ceil(ROWS), rows * others * columns / PER_NS, |task| {
        let own = task * ROWS..rows.min((task + 1) * ROWS);
        // SAFETY: each task has rows of its own.
        let out = unsafe { out.slice(begin(own.start)..begin(own.end)) };
        let x = &x[own.start * columns..own.end * columns];
        let above = pairs.then_some(own.start);
        dispatch(Distances { metric, x, y, panels: &panels, columns, above, out });
    });
}

struct Distances<'a, T> {
    metric: Metric,
    x: &'a [T],
    y: &'a [T],
    /// The rows of `y`, [`LANES`] at a time, by columns.
    panels: &'a [T],
    columns: usize,
    /// Of pairs within `y`: which of its rows is the first of `x`.
    above: Option<usize>,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Distances<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        match self.metric {
            Metric::Manhattan => self.by::<Manhattan, S>(),
            Metric::Euclidean => self.by::<Euclidean, S>(),
            Metric::Chebyshev => self.by::<Chebyshev, S>(),
            Metric::Hamming => self.by::<Hamming, S>(),
        }
    }
}

impl<T: Float> Distances<'_, T> {
    #[inline(always)]
    fn by<R: Rule, S: Simd>(self) {
        let Self { metric, x, y, panels, columns, above, out } = self;
        let others = y.len() / columns;
        for (panel, first) in panels.chunks_exact(LANES * columns).zip((0..others).step_by(LANES)) {
            let end = others.min(first + LANES);
            if above.is_some_and(|row| row + 1 >= end) {
                continue;
            }
            let mut sums = [[0.0; LANES]; ROWS];
            // A piece of the panel stays in the first-level cache for all rows (29 and 20 sums a nanosecond).
            for (leaf, panel) in panel.chunks(LEAF * LANES).enumerate() {
                for (x, sums) in x.chunks_exact(columns).zip(&mut sums) {
                    add_differences::<R, T, S>(&x[leaf * LEAF..], panel, sums);
                }
            }
            let mut begin = 0;
            for (row, (x, sums)) in x.chunks_exact(columns).zip(&sums).enumerate() {
                // The first of the rows of `y` that count for this one.
                let least = above.map_or(0, |above| above + row + 1);
                let from = first.max(least);
                if from < end {
                    let out = &mut out[begin + from - least..][..end - from];
                    let sums = &sums[from - first..];
                    out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = R::end(sum));
                    if metric == Metric::Euclidean {
                        again_if_outside(sums, x, &y[from * columns..], out);
                    }
                }
                begin += others - least;
            }
        }
    }
}

/// Adds the differences of the elements of `x` and of each lane's in the panel.
#[inline(always)]
fn add_differences<R: Rule, T: Float, S: Simd>(x: &[T], panel: &[T], sums: &mut [f64; LANES]) {
    let mut found = [T::ZERO; LANES];
    for (&x, y) in x.iter().zip(panel.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            found[lane] = R::add::<T, S>(x - y[lane], found[lane]);
        }
    }
    for lane in 0..LANES {
        sums[lane] = R::join(sums[lane], found[lane].to_f64());
    }
}

/// Finds anew the roots of sums of squared differences of `x` and rows `y` that may have left the range.
#[inline(always)]
fn again_if_outside<T: Float>(sums: &[f64], x: &[T], y: &[T], out: &mut [T]) {
    let sums = &sums[..out.len()];
    if !sums.iter().fold(false, |any, &sum| any | is_outside::<T>(sum)) {
        return;
    }
    for ((out, &sum), y) in out.iter_mut().zip(sums).zip(y.chunks_exact(x.len())) {
        if is_outside::<T>(sum) && differ(x, y) {
            *out = T::from_f64(wide(x, y).sqrt());
        }
    }
}

/// Whether squares of this sum may have been too large or too small for `T`.
#[inline(always)]
fn is_outside<T: Float>(sum: f64) -> bool {
    size_of::<T>() == 4 && !(1e-30..f64::INFINITY).contains(&sum)
}

/// Whether any elements do: counted, without a way out of the loop, so that it can be one over vectors.
#[inline(always)]
fn differ<T: Float>(x: &[T], y: &[T]) -> bool {
    x.iter().zip(y).filter(|(x, y)| x != y).count() > 0
}

/// The sum in float64, which has room for the squares of any float32.
#[inline(always)]
fn wide<T: Float>(x: &[T], y: &[T]) -> f64 {
    let ((blocks, rest), (others, others_rest)) = (x.as_chunks::<LINE>(), y.as_chunks::<LINE>());
    let mut sums = [0.0; LINE];
    for (x, y) in blocks.iter().zip(others) {
        for lane in 0..LINE {
            let apart = x[lane].to_f64() - y[lane].to_f64();
            sums[lane] += apart * apart;
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(rest).zip(others_rest) {
        let apart = x.to_f64() - y.to_f64();
        *sum += apart * apart;
    }
    sums.iter().sum()
}

/// The gradient of the rows of `y`, given that of their distances from the rows of `x`; of Euclidean ones divided by the
/// distance. The distances themselves are for [`Metric::Chebyshev`].
///
/// # Panics
/// If there is not a gradient and a distance for each pair of rows and a result for each element of `y`.
pub fn gradient<T: Float>(
    metric: Metric,
    [x, y]: [&[T]; 2],
    columns: usize,
    grad: &[T],
    distances: &[T],
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    let (rows, others) = (x.len() / columns, y.len() / columns);
    assert!(grad.len() == rows * others && distances.len() == grad.len(), "one gradient a distance");
    assert_eq!(out.len(), y.len(), "one gradient an element");
    let out = Disjoint::new(out);
    for_each(others.div_ceil(LANES), 2 * rows * others * columns / PER_NS, |task| {
        let own = task * LANES..others.min((task + 1) * LANES);
        // SAFETY: each task has rows of its own.
        let out = unsafe { out.slice(own.start * columns..own.end * columns) };
        let y = &y[own.start * columns..own.end * columns];
        dispatch(Gradient { metric, x, y, columns, grad, distances, own: [own.start, others], out });
    });
}

struct Gradient<'a, T> {
    metric: Metric,
    x: &'a [T],
    y: &'a [T],
    columns: usize,
    grad: &'a [T],
    distances: &'a [T],
    /// Which column of the distances belongs to the first row of `y`, and how many there are.
    own: [usize; 2],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Gradient<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        match self.metric {
            Metric::Manhattan => self.by::<Manhattan>(),
            Metric::Euclidean => self.by::<Euclidean>(),
            Metric::Chebyshev => self.by::<Chebyshev>(),
            Metric::Hamming => self.by::<Hamming>(),
        }
    }
}

impl<T: Float> Gradient<'_, T> {
    #[inline(always)]
    fn by<R: Rule>(self) {
        let Self { x, y, columns, grad, distances, own: [first, others], out, .. } = self;
        let lanes = y.len() / columns;
        for left in (0..columns).step_by(COLUMNS) {
            let width = COLUMNS.min(columns - left);
            let mut panel = [[T::ZERO; LANES]; COLUMNS];
            for (lane, y) in y.chunks_exact(columns).enumerate() {
                panel[..width].iter_mut().zip(&y[left..]).for_each(|(panel, &y)| panel[lane] = y);
            }
            let mut sums = [[0.0; LANES]; COLUMNS];
            for (leaf, x) in x.chunks(LEAF * columns).enumerate() {
                let mut found = [[T::ZERO; LANES]; COLUMNS];
                for (row, x) in x.chunks_exact(columns).enumerate() {
                    let at = (leaf * LEAF + row) * others + first;
                    let (mut weights, mut apart) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                    weights[..lanes].copy_from_slice(&grad[at..at + lanes]);
                    apart[..lanes].copy_from_slice(&distances[at..at + lanes]);
                    for ((found, y), &x) in found[..width].iter_mut().zip(&panel).zip(&x[left..]) {
                        for lane in 0..LANES {
                            found[lane] += R::slope(y[lane] - x, weights[lane], apart[lane]);
                        }
                    }
                }
                for (sums, found) in sums[..width].iter_mut().zip(&found) {
                    for lane in 0..LANES {
                        sums[lane] += found[lane].to_f64();
                    }
                }
            }
            for (lane, out) in out.chunks_exact_mut(columns).enumerate() {
                out[left..].iter_mut().zip(&sums[..width]).for_each(|(out, sums)| *out = T::from_f64(sums[lane]));
            }
        }
    }
}

/// The symmetric matrix, zero on its diagonal, of what is given for all pairs of `rows` rows.
///
/// # Panics
/// If there is another number of pairs, or of elements in `out`.
pub fn symmetric<T: Element>(pairs: &[T], rows: usize, out: &mut [T]) {
    assert!(pairs.len() == first_pair(rows, rows) && out.len() == rows * rows, "one element a pair");
    let out = Disjoint::new(out);
    for_each(rows.div_ceil(ROWS), rows * rows, |task| {
        let own = task * ROWS..rows.min((task + 1) * ROWS);
        // SAFETY: each task has rows of its own.
        let out = unsafe { out.slice(own.start * rows..own.end * rows) };
        for (row, out) in own.clone().zip(out.chunks_exact_mut(rows)) {
            out[row] = T::ZERO;
            out[row + 1..].copy_from_slice(&pairs[first_pair(row, rows)..][..rows - row - 1]);
        }
        // The part on the left column by column, which lie in rows above.
        for column in 0..own.end {
            let from = own.start.max(column + 1);
            let pairs = &pairs[first_pair(column, rows) + from - column - 1..][..own.end - from];
            let out = out[(from - own.start) * rows..].iter_mut().skip(column).step_by(rows);
            out.zip(pairs).for_each(|(out, &pair)| *out = pair);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: [Metric; 4] = [Metric::Manhattan, Metric::Euclidean, Metric::Chebyshev, Metric::Hamming];

    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i + seed) * 37 % 101) as f32 / 10.0).collect()
    }

    fn distance(metric: Metric, x: &[f32], y: &[f32]) -> f64 {
        let apart = x.iter().zip(y).map(|(x, y)| f64::from((x - y).abs()));
        match metric {
            Metric::Manhattan => apart.sum(),
            Metric::Euclidean => apart.map(|x| x * x).sum::<f64>().sqrt(),
            Metric::Chebyshev => apart.fold(0.0, f64::max),
            Metric::Hamming => apart.map(|x| f64::from(u8::from(x != 0.0))).sum(),
        }
    }

    /// `size` is that of the terms of a sum, together.
    fn assert_close(found: f32, expected: f64, size: f64, place: &str) {
        assert!((f64::from(found) - expected).abs() <= 1e-6 * size, "{place}: {found}, {expected}");
    }

    #[test]
    fn every_pair_of_rows() {
        for (rows, others, columns) in [(1, 1, 1), (3, 2, 5), (33, 65, 130), (2, 3, 0)] {
            let (x, y) = (numbers(rows * columns, 0), numbers(others * columns, 50));
            for metric in METRICS {
                let mut found = vec![f32::NAN; rows * others];
                between(metric, &x, &y, columns, &mut found);
                for (at, &found) in found.iter().enumerate() {
                    let (i, j) = (at / others, at % others);
                    let expected = distance(metric, &x[i * columns..][..columns], &y[j * columns..][..columns]);
                    assert_close(found, expected, expected, &format!("{metric:?} {i}, {j}"));
                }
            }
        }
    }

    #[test]
    fn pairs_within_a_matrix_are_those_above_the_diagonal() {
        for rows in [0, 1, 2, 15, 16, 17, 64, 65, 150] {
            let (columns, x) = (3, numbers(rows * 3, 0));
            for metric in METRICS {
                let (mut pairs, mut whole) =
                    (vec![f32::NAN; rows * rows.saturating_sub(1) / 2], vec![f32::NAN; rows * rows]);
                within(metric, &x, columns, &mut pairs);
                between(metric, &x, &x, columns, &mut whole);
                let mut back = vec![f32::NAN; rows * rows];
                symmetric(&pairs, rows, &mut back);
                assert_eq!(back, whole);
            }
        }
    }

    #[test]
    fn gradients_are_sums_of_slopes() {
        let (rows, others, columns) = (70, 67, 35);
        let (x, y) = (numbers(rows * columns, 0), numbers(others * columns, 50));
        let grad = numbers(rows * others, 7);
        for metric in METRICS {
            let (mut distances, mut found) = (vec![0.0; rows * others], vec![f32::NAN; others * columns]);
            between(metric, &x, &y, columns, &mut distances);
            let by_distance = |(&grad, &distance): (&f32, &f32)| if distance > 0.0 { grad / distance } else { 0.0 };
            let divided = metric == Metric::Euclidean;
            let given = if divided { grad.iter().zip(&distances).map(by_distance).collect() } else { grad.clone() };
            gradient(metric, [&x, &y], columns, &given, &distances, &mut found);
            for (at, &found) in found.iter().enumerate() {
                let (j, column) = (at / columns, at % columns);
                let slope = |i: usize| {
                    let apart = f64::from(y[at] - x[i * columns + column]);
                    let distance = f64::from(distances[i * others + j]);
                    let sign = if apart == 0.0 { 0.0 } else { apart.signum() };
                    let slope = match metric {
                        Metric::Manhattan => sign,
                        Metric::Euclidean if distance > 0.0 => apart / distance,
                        Metric::Euclidean | Metric::Hamming => 0.0,
                        Metric::Chebyshev => f64::from(u8::from((apart.abs() - distance).abs() < 1e-12)) * sign,
                    };
                    slope * f64::from(grad[i * others + j])
                };
                let (expected, size) = ((0..rows).map(slope).sum(), (0..rows).map(|i| slope(i).abs()).sum());
                assert_close(found, expected, size, &format!("{metric:?} {j}, {column}"));
            }
        }
    }

    #[test]
    fn squares_beyond_the_range_of_float32() {
        let mut found = [0.0; 2];
        between(Metric::Euclidean, &[3e30_f32, 4e30], &[0.0, 0.0, 3e30, 4e30], 2, &mut found);
        assert_eq!(found.map(f32::to_bits), [5e30_f32, 0.0].map(f32::to_bits));
        let mut tiny = [0.0];
        between(Metric::Euclidean, &[3e-30_f32, 4e-30], &[0.0, 0.0], 2, &mut tiny);
        assert_eq!(tiny[0].to_bits(), 5e-30_f32.to_bits());
    }
}
