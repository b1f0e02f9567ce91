//! Places among sorted numbers, what repeats most among them, and where running extremes are.

use crate::element::{Element, Float};
use crate::gather::{outer_extent, position, row_starts};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each, for_ranges};
use std::hint::select_unpredictable;

/// Estimated cost of 1024 elements, in nanoseconds: of a binary search each, and of one pass.
const SEARCH: usize = 20_000;
const PASS: usize = 1000;

/// Values that are looked for side by side, so that what is loaded for one does not wait for the others.
const ABREAST: usize = 8;

/// Where each of `values` goes into its sorted row so that the row stays sorted: before its equals, or with `after` after
/// them. `sorted` holds rows of `columns`, `values` as many rows, of any length. NaN goes to the end.
///
/// # Panics
/// If the sizes are no whole number of rows.
pub fn places<T: Element>(sorted: &[T], columns: usize, values: &[T], after: bool, out: &mut [i64]) {
    let rows = sorted.len().checked_div(columns).unwrap_or(1);
    let each = values.len().checked_div(rows).unwrap_or(0);
    assert!(each * rows == values.len() && columns * rows == sorted.len(), "lengths do not match the rows");
    look_up(values, out, |at, values, found| {
        // Those of one row at a time.
        let mut start = 0;
        while start < values.len() {
            let row = (at + start) / each;
            let end = values.len().min((row + 1) * each - at);
            let (row, own) = (&sorted[row * columns..][..columns], start..end);
            if after {
                dispatch(Places::<T, true> { row, values: &values[own.clone()], found: &mut found[own] });
            } else {
                dispatch(Places::<T, false> { row, values: &values[own.clone()], found: &mut found[own] });
            }
            start = end;
        }
    });
}

/// Whether each of `values` is among the `sorted` ones, or with `invert` is not.
///
/// # Panics
/// If the lengths differ.
pub fn members<T: Element>(sorted: &[T], values: &[T], invert: bool, out: &mut [u8]) {
    look_up(values, out, |_, values, found| dispatch(Members { sorted, values, invert, found }));
}

/// Runs `task(first, values, their results)` over pieces of all.
fn look_up<T: Element, R: Send>(values: &[T], out: &mut [R], task: impl Fn(usize, &[T], &mut [R]) + Sync) {
    assert_eq!(values.len(), out.len(), "one place a value");
    let out = Disjoint::new(out);
    for_ranges(values.len(), 1024, SEARCH, |range| {
        // SAFETY: the ranges of one region are disjoint.
        task(range.start, &values[range.clone()], unsafe { out.slice(range) });
    });
}

struct Places<'a, T, const AFTER: bool> {
    row: &'a [T],
    values: &'a [T],
    found: &'a mut [i64],
}

impl<T: Element, const AFTER: bool> Kernel for Places<'_, T, AFTER> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (values, found) in self.values.chunks(ABREAST).zip(self.found.chunks_mut(ABREAST)) {
            for (found, place) in found.iter_mut().zip(places_abreast::<T, AFTER>(self.row, values)) {
                *found = place.cast_signed() as i64;
            }
        }
    }
}

struct Members<'a, T> {
    sorted: &'a [T],
    values: &'a [T],
    invert: bool,
    found: &'a mut [u8],
}

impl<T: Element> Kernel for Members<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Some(last) = self.sorted.len().checked_sub(1) else { return self.found.fill(u8::from(self.invert)) };
        for (values, found) in self.values.chunks(ABREAST).zip(self.found.chunks_mut(ABREAST)) {
            let places = places_abreast::<T, false>(self.sorted, values);
            for ((found, value), place) in found.iter_mut().zip(values).zip(places) {
                // What goes behind all is not the last of them either.
                *found = u8::from(self.sorted[place.min(last)] == *value) ^ u8::from(self.invert);
            }
        }
    }
}

/// The [`places`] of at most [`ABREAST`] values in one row.
#[inline(always)]
fn places_abreast<T: Element, const AFTER: bool>(row: &[T], values: &[T]) -> [usize; ABREAST] {
    let (mut value, mut low) = ([T::ZERO; ABREAST], [0; ABREAST]);
    value[..values.len()].copy_from_slice(values);
    let mut size = row.len();
    while size > 1 {
        let half = size / 2;
        for lane in 0..ABREAST {
            let middle = low[lane] + half;
            // Not as a branch, which nothing would foresee.
            low[lane] = select_unpredictable(is_before::<T, AFTER>(row[middle], value[lane]), middle, low[lane]);
        }
        size -= half;
    }
    if size == 1 {
        for lane in 0..ABREAST {
            low[lane] += usize::from(is_before::<T, AFTER>(row[low[lane]], value[lane]));
        }
    }
    low
}

/// Whether `value` goes behind `x`.
#[inline(always)]
fn is_before<T: Element, const AFTER: bool>(x: T, value: T) -> bool {
    (if AFTER { x <= value } else { x < value }) | value.is_nan()
}

/// Where the longest run of equals ends in each sorted row of `columns`; the first of several.
///
/// # Panics
/// If `sorted` is not `out.len()` rows.
pub fn longest_runs<T: Element>(sorted: &[T], columns: usize, out: &mut [i64]) {
    assert_eq!(sorted.len(), out.len() * columns, "lengths do not match the rows");
    let out = Disjoint::new(out);
    for_each(sorted.len().checked_div(columns).unwrap_or(0), sorted.len() * PASS / 1024, |row| {
        let (row, place) = (&sorted[row * columns..][..columns], row);
        let (mut start, mut longest, mut end) = (0, 0, 0);
        for i in 0..columns {
            // NaN equals no NaN, as everywhere.
            if i + 1 == columns || row[i] != row[i + 1] {
                if i + 1 - start > longest {
                    (longest, end) = (i + 1 - start, i);
                }
                start = i + 1;
            }
        }
        // SAFETY: each task writes its own element.
        let end_of = unsafe { out.slice(place..place + 1) };
        end_of[0] = end.cast_signed() as i64;
    });
}

/// The largest (or smallest) element up to each one, and its row, in matrices of `rows` rows of `columns`: of equals the
/// last, and the first NaN's own and those after it.
///
/// # Panics
/// If the lengths differ or are no whole number of matrices.
pub fn running_extremes<T: Element>(
    largest: bool,
    src: &[T],
    rows: usize,
    columns: usize,
    (values, places): (&mut [T], &mut [i64]),
) {
    assert!(src.len() == values.len() && src.len() == places.len(), "source and destination differ in size");
    if src.is_empty() {
        return;
    }
    assert!(src.len().is_multiple_of(rows * columns), "lengths do not match the shapes");
    let (values, places) = (Disjoint::new(values), Disjoint::new(places));
    if largest {
        extremes::<T, true>(src, rows, columns, &values, &places);
    } else {
        extremes::<T, false>(src, rows, columns, &values, &places);
    }
}

/// Columns of a task, and elements that a running extreme is held against at once.
const COLUMNS: usize = 512;
const BLOCK: usize = 32;

fn extremes<T: Element, const LARGEST: bool>(
    src: &[T],
    rows: usize,
    columns: usize,
    values: &Disjoint<'_, T>,
    places: &Disjoint<'_, i64>,
) {
    let blocks = columns.div_ceil(COLUMNS);
    let units = src.len() / (rows * columns) * blocks;
    let grain = (COLUMNS * BLOCK / (rows * columns.min(COLUMNS))).max(1);
    for_each(units.div_ceil(grain), src.len() * PASS / 1024, |task| {
        for unit in task * grain..units.min((task + 1) * grain) {
            let (start, left) = (unit / blocks * rows * columns, unit % blocks * COLUMNS);
            if columns == 1 {
                let range = start..start + rows;
                // SAFETY: each task has lines of its own.
                let (values, places) = unsafe { (values.slice(range.clone()), places.slice(range.clone())) };
                dispatch(AlongLine::<T, LARGEST> { src: &src[range], values, places });
            } else {
                let width = COLUMNS.min(columns - left);
                dispatch(DownRows::<T, LARGEST> { src, at: start + left, rows, columns, width, values, places });
            }
        }
    });
}

/// Whether `x` takes the place of `best`, which comes before it.
#[inline(always)]
fn wins<T: Element, const LARGEST: bool>(x: T, best: T) -> bool {
    x.is_nan() | if LARGEST { x >= best } else { x <= best }
}

struct AlongLine<'a, T, const LARGEST: bool> {
    src: &'a [T],
    values: &'a mut [T],
    places: &'a mut [i64],
}

impl<T: Element, const LARGEST: bool> Kernel for AlongLine<'_, T, LARGEST> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let (mut best, mut place, mut row) = (self.src[0], 0, 0);
        let outputs = self.values.chunks_mut(BLOCK).zip(self.places.chunks_mut(BLOCK));
        for (src, (values, places)) in self.src.chunks(BLOCK).zip(outputs) {
            // New extremes become rare: blocks without any are filled.
            if !src.iter().fold(false, |any, &x| any | wins::<T, LARGEST>(x, best)) {
                values.fill(best);
                places.fill(place);
                row += BLOCK.cast_signed() as i64;
                continue;
            }
            // Values and places one after the other: what waits for the one before it is then one selection at a time.
            for (&x, value) in src.iter().zip(&mut *values) {
                best = if wins::<T, LARGEST>(x, best) { x } else { best };
                *value = best;
            }
            for ((&x, &value), at) in src.iter().zip(&*values).zip(places) {
                // An element that is the extreme so far took the place.
                place = if (x == value) | x.is_nan() { row } else { place };
                *at = place;
                row += 1;
            }
        }
    }
}

struct DownRows<'a, T, const LARGEST: bool> {
    src: &'a [T],
    /// Where the columns of this task begin.
    at: usize,
    rows: usize,
    columns: usize,
    width: usize,
    values: &'a Disjoint<'a, T>,
    places: &'a Disjoint<'a, i64>,
}

impl<T: Element, const LARGEST: bool> Kernel for DownRows<'_, T, LARGEST> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { src, at, rows, columns, width, values, places } = self;
        // SAFETY: each task has columns of its own, and one row of them lies behind the other.
        let outputs = |at: usize| unsafe { (values.slice(at..at + width), places.slice(at..at + width)) };
        let (mut best, mut place) = outputs(at);
        best.copy_from_slice(&src[at..at + width]);
        place.fill(0);
        for row in 1..rows {
            let at = at + row * columns;
            let (values, places) = outputs(at);
            let before = best.iter().zip(&*place);
            for (((&x, value), at), (&best, &place)) in src[at..].iter().zip(&mut *values).zip(&mut *places).zip(before)
            {
                let wins = wins::<T, LARGEST>(x, best);
                *value = if wins { x } else { best };
                *at = if wins { row.cast_signed() as i64 } else { place };
            }
            (best, place) = (values, places);
        }
    }
}

/// `dst[o, i, c] = log(exp(src[o, 0, c]) + .. + exp(src[o, i, c]))`, without overflow, for matrices of `rows` rows of
/// `columns`. Carried in float64: the errors of sums that are rounded on the way grow with their number.
///
/// # Panics
/// If the lengths differ or are no whole number of matrices.
pub fn running_log_sums<T: Float>(src: &[T], rows: usize, columns: usize, dst: &mut [T]) {
    assert_eq!(src.len(), dst.len(), "source and destination differ in size");
    if src.is_empty() {
        return;
    }
    let size = rows * columns;
    assert!(src.len().is_multiple_of(size), "lengths do not match the shapes");
    let sums = Disjoint::new(dst);
    for_each(src.len() / size, src.len() * PASS / 1024, |matrix| {
        let range = matrix * size..(matrix + 1) * size;
        // SAFETY: each task writes its own matrix.
        let dst = unsafe { sums.slice(range.clone()) };
        let mut carried = vec![f64::NEG_INFINITY; columns];
        for (x, y) in src[range].chunks_exact(columns).zip(dst.chunks_exact_mut(columns)) {
            for ((sum, x), y) in carried.iter_mut().zip(x).zip(y) {
                *sum = log_sum(*sum, x.to_f64());
                *y = T::from_f64(*sum);
            }
        }
    });
}

fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = (Element::maximum(a, b), Element::minimum(a, b));
    // Equal infinities have no difference.
    if high.is_infinite() || high.is_nan() { high } else { high + (low - high).exp().ln_1p() }
}

/// What becomes of elements that come to one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// They are multiplied.
    Product,
    /// The largest stays; NaN wins.
    Largest,
    /// The smallest stays; NaN wins.
    Smallest,
}

/// Brings each of `source` to where `index` says along `dim` of `out`, which is contiguous and of `shape`. Index and
/// source are contiguous and of `extents`, indices below the extent of `out` along `dim`. In order.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn scatter_reduce<T: Element>(
    op: Meeting,
    source: &[T],
    index: &[i64],
    extents: &[usize],
    dim: usize,
    (out, shape): (&mut [T], &[usize]),
) {
    let all = (source, index, extents, dim, (out, shape));
    match op {
        Meeting::Product => scatter_by(all, T::wrapping_mul),
        Meeting::Largest => scatter_by(all, T::maximum),
        Meeting::Smallest => scatter_by(all, T::minimum),
    }
}

/// As [`scatter_reduce`] of whole slices: `source` is `[outer, ids.len(), inner]`, `out` is `[outer, extent, inner]`, and
/// what is at `out[o, ids[n]]` meets `source[o, n]`. In order.
///
/// # Panics
/// If lengths do not match the shapes or an id is out of range.
pub fn slices_reduce<T: Element>(op: Meeting, source: &[T], ids: &[i64], extent: usize, inner: usize, out: &mut [T]) {
    let all = (source, ids, extent, inner, out);
    match op {
        Meeting::Product => slices_by(all, T::wrapping_mul),
        Meeting::Largest => slices_by(all, T::maximum),
        Meeting::Smallest => slices_by(all, T::minimum),
    }
}

fn slices_by<T: Element>(
    (source, ids, extent, inner, out): (&[T], &[i64], usize, usize, &mut [T]),
    meet: impl Fn(T, T) -> T,
) {
    let outer = outer_extent(out.len(), extent, inner, ids.len(), source.len());
    for block in 0..outer {
        let sources = source[block * ids.len() * inner..].chunks_exact(inner);
        let out = &mut out[block * extent * inner..][..extent * inner];
        for (&id, source) in ids.iter().zip(sources) {
            for (out, &value) in out[position(id) * inner..][..inner].iter_mut().zip(source) {
                *out = meet(*out, value);
            }
        }
    }
}

/// Sources, their indices, the extents and the dimension of both, and what they go to.
type Scattered<'a, T> = (&'a [T], &'a [i64], &'a [usize], usize, (&'a mut [T], &'a [usize]));

fn scatter_by<T: Element>(all: Scattered<'_, T>, meet: impl Fn(T, T) -> T) {
    let (source, index, extents, dim, (out, shape)) = all;
    assert_eq!(source.len(), index.len(), "one source an index");
    let width = extents.last().copied().unwrap_or(1).max(1);
    let rows = source.chunks_exact(width).zip(index.chunks_exact(width)).zip(row_starts(extents, dim, shape));
    for ((source, index), (start, step, next)) in rows {
        let mut at = start;
        for (&value, &id) in source.iter().zip(index) {
            let out = &mut out[at + position(id) * step];
            *out = meet(*out, value);
            at += next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_set() {
        let values: Vec<i32> = (-3..20).collect();
        for set in [vec![], vec![4], vec![-3, 0, 0, 7, 19], (1..18).collect()] {
            let mut found = vec![9; values.len()];
            members(&set, &values, false, &mut found);
            assert!(values.iter().zip(&found).all(|(value, &found)| found == u8::from(set.contains(value))));
            members(&set, &values, true, &mut found);
            assert!(values.iter().zip(&found).all(|(value, &found)| found == u8::from(!set.contains(value))));
        }
        let mut found = [9; 2];
        members(&[1.0, f64::NAN], &[f64::NAN, 1.0], false, &mut found);
        assert_eq!(found, [0, 1]);
    }

    #[test]
    fn places_before_and_after_equals() {
        let sorted = [1.0, 2.0, 2.0, 4.0, 0.0, 5.0, 6.0, f64::NAN];
        let values = [2.0, 9.0, f64::NAN, 5.5, 0.0, -1.0];
        let (mut before, mut after) = ([0; 6], [0; 6]);
        places(&sorted, 4, &values, false, &mut before);
        places(&sorted, 4, &values, true, &mut after);
        assert_eq!((before, after), ([1, 4, 4, 2, 0, 0], [3, 4, 4, 2, 1, 0]));
        places::<i32>(&[], 0, &[3, 4], false, &mut before[..2]);
        assert_eq!(before[..2], [0, 0]);
    }

    #[test]
    fn runs_and_extremes() {
        let mut out = [0; 2];
        longest_runs(&[1, 1, 2, 2, 2, 3, 3, 4], 4, &mut out);
        assert_eq!(out, [1, 2]);
        let (mut values, mut rows) = ([0.0; 6], [0; 6]);
        running_extremes(true, &[1.0, 5.0, 3.0, 5.0, f64::NAN, 7.0], 3, 2, (&mut values, &mut rows));
        assert_eq!((rows, &values[..4], values[5]), ([0, 0, 1, 1, 2, 2], [1.0, 5.0, 3.0, 5.0].as_slice(), 7.0));
        running_extremes(false, &[3.0, f64::NAN, 1.0, 1.0, f64::NAN, 2.0], 6, 1, (&mut values, &mut rows));
        assert_eq!((rows, values[0]), ([0, 1, 1, 1, 4, 4], 3.0));
        assert!(values[1..].iter().all(|value| value.is_nan()));
    }

    #[test]
    #[allow(clippy::float_cmp, clippy::cast_precision_loss, reason = "exact values")]
    fn running_extremes_are_those_of_one_element_after_the_other() {
        // Rows and columns that are no whole number of blocks, rare and frequent new extremes, ties, NaN.
        for (rows, columns) in [(1, 1), (33, 1), (1000, 1), (5, 700), (40, 3), (1, 9)] {
            for step in [7, 997] {
                let src: Vec<f32> = (0..2 * rows * columns).map(|i| (i * step % 101) as f32).collect();
                let src: Vec<f32> = src.iter().map(|&x| if x == 50.0 { f32::NAN } else { x }).collect();
                for (largest, with_nan) in [(true, true), (false, true), (true, false), (false, false)] {
                    let src: Vec<f32> = src.iter().map(|&x| if x.is_nan() && !with_nan { 0.0 } else { x }).collect();
                    let (mut values, mut places) = (vec![0.0; src.len()], vec![0; src.len()]);
                    running_extremes(largest, &src, rows, columns, (&mut values, &mut places));
                    for at in 0..src.len() {
                        let (matrix, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
                        let line = (0..=row).map(|row| src[(matrix * rows + row) * columns + column]);
                        let expected = line.enumerate().reduce(|(place, best), (row, x)| {
                            let better = if largest { x >= best } else { x <= best };
                            if x.is_nan() || better { (row, x) } else { (place, best) }
                        });
                        let (place, best) = expected.unwrap();
                        assert_eq!((places[at], values[at].to_bits()), (place.cast_signed() as i64, best.to_bits()));
                    }
                }
            }
        }
    }

    #[test]
    fn sums_of_powers_by_their_logarithms() {
        let mut sums = [0f64; 4];
        running_log_sums(&[1000.0, 1000.0, f64::NEG_INFINITY, f64::INFINITY], 4, 1, &mut sums);
        assert!((sums[1] - 1000.0 - std::f64::consts::LN_2).abs() < 1e-12);
        assert_eq!((sums[0], sums[2], sums[3]), (1000.0, sums[1], f64::INFINITY));
        // Two columns, as long as float32 counts exactly.
        let (n, mut counts) = (1 << 17, vec![0f32; 1 << 18]);
        running_log_sums(&vec![0f32; 2 * n], n, 2, &mut counts);
        for (count, sums) in (1u32..).zip(counts.chunks(2)) {
            let expected = f64::from(count).ln();
            assert!(sums.iter().all(|&sum| (f64::from(sum) - expected).abs() <= 1e-6), "{count}: {sums:?}");
        }
    }
}
