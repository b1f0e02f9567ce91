//! Neighbouring outputs side by side: memory runs along the outputs, so a row of elements adds to a row of results.
//!
//! The rows are cut into parts, each of which gives a row of partial results. A part is read from left to right, a few
//! rows at once: few enough that every cache line is used whole while it is there, also where rows lie a power of two
//! apart, and enough that the partial results are seldom loaded and stored.

use std::ops::Range;

use super::Cascade;
use super::folds::{Max, Monoid, Sum, join_each, shift, step_each};
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::layout::{Coalesced, Walk};
use crate::memory::{Buffer, Pod};
use crate::parallel::{Disjoint, for_each};

/// Rows that a part folds.
const LEAF: usize = 64;
/// Rows that are read at once.
const GROUP: usize = 8;
/// Results of a part, at most: they stay in the first-level cache.
const WIDTH: usize = 4096;
/// Elements a task, about.
const GRAIN: usize = 1 << 17;
/// Columns of a strip; of fewer than half as many, several rows are taken for one.
const WIDE: usize = 64;
/// Columns, at most, of planes that are folded many in a call.
const SMALL: usize = 32;

/// Folds rows of elements `reduced` into the rows of outputs `kept`, whose inner loop has step 1.
pub(super) fn reduce_columns<T: Pod, F: Monoid<T>>(
    fold: F,
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    reduced: &Coalesced<1>,
    dst: &mut [F::Out],
) {
    if are_planes(kept, reduced) {
        return reduce_planes(fold, src, offset, kept, reduced, dst);
    }
    let gapless = reduced.rows() == 1 && reduced.inner_strides() == [kept.inner().cast_signed()];
    if gapless && kept.inner() <= WIDE / 2 && kept.inner() * reduced.inner() >= 2 * WIDE {
        return reduce_narrow(fold, src, offset, kept, reduced.inner(), dst);
    }
    let columns = Columns { offset, kept, reduced, part: LEAF };
    by_parts(fold, columns.parts(), dst, |dst| {
        columns.for_each(|part, at| {
            // SAFETY: each part of a block of columns has results of its own.
            let results = unsafe { dst.slice(at) };
            part.walk(src, FoldRows { fold, results });
        });
    });
}

/// Has `each` write the results of all outputs, part after part, and joins the parts as a balanced tree.
fn by_parts<T: Pod, F: Monoid<T>>(fold: F, parts: usize, dst: &mut [F::Out], each: impl Fn(&Disjoint<'_, F::Out>)) {
    if parts == 1 {
        return each(&Disjoint::new(dst));
    }
    let outputs = dst.len();
    let mut partial = Buffer::uninit(parts * outputs * size_of::<F::Out>());
    let partial = Disjoint::new(partial.as_mut_slice());
    each(&partial);
    let dst = Disjoint::new(dst);
    for_each(outputs.div_ceil(WIDTH), parts * outputs / 8, |block| {
        let range = block * WIDTH..outputs.min((block + 1) * WIDTH);
        // SAFETY: the blocks are disjoint.
        let dst = unsafe { dst.slice(range.clone()) };
        dispatch(JoinRows { fold, partial: &partial, parts, outputs, range, dst });
    });
}

/// Folds, for each line of outputs, `count` contiguous rows of as many columns, which are few: several of them are one
/// wide row.
fn reduce_narrow<T: Pod, F: Monoid<T>>(
    fold: F,
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    count: usize,
    dst: &mut [F::Out],
) {
    let (columns, lines, outputs) = (kept.inner(), kept.rows(), dst.len());
    let rows = 64 * LEAF * (WIDE / columns);
    let parts = count.div_ceil(rows);
    let (units, grain) = (lines * parts, GRAIN.div_ceil(rows.min(count) * columns));
    let cost = (count * columns).saturating_mul(lines) / 1024 * 100 + units * 20;
    by_parts(fold, parts, dst, |dst| {
        for_each(units.div_ceil(grain), cost, |task| {
            for unit in task * grain..units.min((task + 1) * grain) {
                let (part, line) = (unit / lines, unit % lines);
                let [line_start] = kept.walk(line..lines).next().unwrap_or_default();
                let start = offset.wrapping_add_signed(line_start) + part * rows * columns;
                let elements = &src[start..start + rows.min(count - part * rows) * columns];
                let at = part * outputs + line * columns;
                // SAFETY: each part of a line has results of its own.
                let results = unsafe { dst.slice(at..at + columns) };
                dispatch(FoldNarrow { fold, elements, results });
            }
        });
    });
}

/// Folds contiguous rows of as many columns as there are results.
struct FoldNarrow<'a, T, F, R> {
    fold: F,
    elements: &'a [T],
    results: &'a mut [R],
}

impl<T: Pod, F: Monoid<T>> Kernel for FoldNarrow<'_, T, F, F::Out> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { fold, elements, results } = self;
        let columns = results.len();
        let width = WIDE / columns * columns;
        // Lanes past the width take what the next wide row has too, and are not looked at.
        let wide_rows = elements.len().checked_sub(WIDE).map_or(0, |last| last / width + 1);
        let leaf_rows = const { F::LEAF / WIDE };
        let lanes = if wide_rows <= leaf_rows {
            (wide_rows > 0).then(|| wide_leaf(fold, elements, 0..wide_rows, width))
        } else {
            let mut cascade = Cascade::new();
            for first in (0..wide_rows).step_by(leaf_rows) {
                let leaf = wide_leaf(fold, elements, first..wide_rows.min(first + leaf_rows), width);
                cascade.push(leaf, |left, right| join_each::<T, F, WIDE>(fold, left, right));
            }
            cascade.finish(|left, right| join_each::<T, F, WIDE>(fold, left, right))
        };
        results.fill(fold.identity());
        for row in lanes.iter().flat_map(|lanes| lanes[..width].chunks_exact(columns)) {
            for (result, &part) in results.iter_mut().zip(row) {
                *result = fold.join(*result, part);
            }
        }
        for row in elements[wide_rows * width..].chunks_exact(columns) {
            for (result, &x) in results.iter_mut().zip(row) {
                *result = fold.step(*result, x);
            }
        }
    }
}

/// Folds planes of few rows and columns: a line of outputs each, for which nothing is set up.
fn reduce_planes<T: Pod, F: Monoid<T>>(
    fold: F,
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    reduced: &Coalesced<1>,
    dst: &mut [F::Out],
) {
    let dst = Disjoint::new(dst);
    for_planes(kept, reduced, |lines| {
        // SAFETY: the tasks' lines are disjoint.
        let dst = unsafe { dst.slice(lines.start * kept.inner()..lines.end * kept.inner()) };
        dispatch(FoldPlanes { fold, src, offset, kept, reduced, lines, dst });
    });
}

/// Whether the elements are many planes of few rows and columns, one for each line of outputs.
pub(super) fn are_planes(kept: &Coalesced<1>, reduced: &Coalesced<1>) -> bool {
    kept.rows() > 1 && reduced.rows() == 1 && reduced.inner() <= LEAF && kept.inner() <= SMALL
}

/// Runs `body` on the lines of outputs of such planes.
pub(super) fn for_planes(kept: &Coalesced<1>, reduced: &Coalesced<1>, body: impl Fn(Range<usize>) + Sync) {
    let (size, lines) = (reduced.inner() * kept.inner(), kept.rows());
    let grain = GRAIN.div_ceil(size);
    let cost = size.saturating_mul(lines) / 1024 * 200;
    for_each(lines.div_ceil(grain), cost, |task| body(task * grain..lines.min((task + 1) * grain)));
}

/// Folds planes, one for each line of outputs.
struct FoldPlanes<'a, T, F, R> {
    fold: F,
    src: &'a [T],
    offset: usize,
    kept: &'a Coalesced<1>,
    reduced: &'a Coalesced<1>,
    lines: Range<usize>,
    dst: &'a mut [R],
}

impl<T: Pod, F: Monoid<T>> Kernel for FoldPlanes<'_, T, F, F::Out> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { fold, src, offset, kept, reduced, lines, dst } = self;
        let (count, [step]) = (reduced.inner(), reduced.inner_strides());
        for ([line], mut dst) in kept.walk(lines).zip(dst.chunks_exact_mut(kept.inner())) {
            let mut start = offset.wrapping_add_signed(line);
            macro_rules! strips {
                ($($n:literal)*) => { $(
                    let (strips, rest) = dst.as_chunks_mut::<$n>();
                    for strip in strips {
                        let mut sums = [fold.identity(); $n];
                        let mut at = start;
                        for _ in 0..count {
                            if let Some(row) = src[at..].first_chunk() {
                                sums = step_each(fold, sums, row);
                            }
                            at = at.wrapping_add_signed(step);
                        }
                        *strip = sums;
                        start += $n;
                    }
                    dst = rest;
                )* };
            }
            strips!(16 4 1);
            debug_assert!(dst.is_empty());
        }
    }
}

/// Folds wide rows, which start `width` elements apart, lane by lane.
#[inline(always)]
fn wide_leaf<T: Pod, F: Monoid<T>>(fold: F, elements: &[T], rows: Range<usize>, width: usize) -> [F::Out; WIDE] {
    let mut lanes = [fold.identity(); WIDE];
    for row in rows {
        if let Some(row) = elements[row * width..].first_chunk() {
            lanes = step_each(fold, lanes, row);
        }
    }
    lanes
}

/// The loops of a reduction along whose outputs memory runs, and how many rows make a part.
pub(super) struct Columns<'a> {
    pub offset: usize,
    pub kept: &'a Coalesced<1>,
    pub reduced: &'a Coalesced<1>,
    pub part: usize,
}

/// Some rows of a block of columns.
pub(super) struct Part<'a> {
    reduced: &'a Coalesced<1>,
    start: usize,
    rows: Range<usize>,
    width: usize,
}

impl Columns<'_> {
    fn count(&self) -> usize {
        self.reduced.rows() * self.reduced.inner()
    }

    /// Parts of each output.
    pub fn parts(&self) -> usize {
        self.count().div_ceil(self.part)
    }

    /// Runs `body` on every part of every block of columns, with the range of its results: those of a part lie together,
    /// in the order of the outputs.
    pub fn for_each(&self, body: impl Fn(Part<'_>, Range<usize>) + Sync) {
        let (columns, lines, count, parts) = (self.kept.inner(), self.kept.rows(), self.count(), self.parts());
        let blocks = columns.div_ceil(WIDTH);
        let units = lines * parts * blocks;
        let grain = GRAIN.div_ceil(self.part.min(count) * columns.min(WIDTH));
        let cost = (count.saturating_mul(lines * columns) / 1024).saturating_mul(100) + units * 20;
        for_each(units.div_ceil(grain), cost, |task| {
            for unit in task * grain..units.min((task + 1) * grain) {
                let (block, part, line) = (unit % blocks, unit / blocks % parts, unit / blocks / parts);
                let left = block * WIDTH;
                let width = WIDTH.min(columns - left);
                let [line_start] = self.kept.walk(line..lines).next().unwrap_or_default();
                let start = self.offset.wrapping_add_signed(line_start) + left;
                let rows = part * self.part..count.min((part + 1) * self.part);
                let at = (part * lines + line) * columns + left;
                body(Part { reduced: self.reduced, start, rows, width }, at..at + width);
            }
        });
    }
}

impl Part<'_> {
    /// Shows all elements to `visitor`.
    pub fn walk<T: Pod, V: Visitor<T>>(self, src: &[T], visitor: V) {
        dispatch(Visit { part: self, src, visitor });
    }
}

/// What is done with the elements of a part.
pub(super) trait Visitor<T> {
    /// Takes `N` columns from number `column` on of several rows, the first of which is number `first` of the output.
    /// Must be `#[inline(always)]`.
    fn visit<S: Simd, const N: usize>(&mut self, column: usize, first: usize, rows: &[&[T]]);
}

/// `N` elements of a row from number `column` on, which must be there.
#[inline(always)]
pub(super) fn strip<T, const N: usize>(row: &[T], column: usize) -> &[T; N] {
    row[column..].first_chunk().expect("a strip ends where the row does, or before")
}

struct Visit<'a, T, V> {
    part: Part<'a>,
    src: &'a [T],
    visitor: V,
}

impl<T: Pod, V: Visitor<T>> Kernel for Visit<'_, T, V> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { part, src, mut visitor } = self;
        let mut starts = Starts::new(part.reduced, part.start, part.rows.start);
        let mut group = [&src[..0]; GROUP];
        for first in part.rows.clone().step_by(GROUP) {
            let rows = &mut group[..GROUP.min(part.rows.end - first)];
            for row in &mut *rows {
                *row = &src[starts.next()..][..part.width];
            }
            let mut column = 0;
            strips::<T, V, S, WIDE>(&mut visitor, &mut column, first, rows, part.width);
            strips::<T, V, S, 16>(&mut visitor, &mut column, first, rows, part.width);
            strips::<T, V, S, 4>(&mut visitor, &mut column, first, rows, part.width);
            strips::<T, V, S, 1>(&mut visitor, &mut column, first, rows, part.width);
        }
    }
}

/// Visits as many strips of `N` columns as there are.
#[inline(always)]
fn strips<T: Pod, V: Visitor<T>, S: Simd, const N: usize>(
    visitor: &mut V,
    column: &mut usize,
    first: usize,
    rows: &[&[T]],
    width: usize,
) {
    while width - *column >= N {
        visitor.visit::<S, N>(*column, first, rows);
        *column += N;
    }
}

/// Folds rows into `results`.
struct FoldRows<'a, F, R> {
    fold: F,
    results: &'a mut [R],
}

impl<T: Pod, F: Monoid<T>> Visitor<T> for FoldRows<'_, F, F::Out> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "as in `step_each`")]
    fn visit<S: Simd, const N: usize>(&mut self, column: usize, first: usize, rows: &[&[T]]) {
        let Some(results) = self.results[column..].first_chunk_mut() else { return };
        // Written one by one: an array of one repeated value stays in memory, and 56 us become 88.
        let mut sums: [F::Out; N] = *results;
        for i in 0..N {
            sums[i] = self.fold.identity();
        }
        for row in rows {
            sums = step_each(self.fold, sums, strip(row, column));
        }
        *results = if first.is_multiple_of(LEAF) { sums } else { join_each::<T, F, N>(self.fold, *results, sums) };
    }
}

/// `log(sum(exp(x)))` for outputs along which memory runs: the largest element of each, then the sum beside that.
pub(super) fn logsumexp_columns<T: Float>(
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    reduced: &Coalesced<1>,
    dst: &mut [T],
) {
    reduce_columns(Max, src, offset, kept, reduced, dst);
    let columns = Columns { offset, kept, reduced, part: LEAF };
    let (outputs, largest) = (dst.len(), &*dst);
    let mut sums = Buffer::uninit(size_of_val(dst));
    let sums = sums.as_mut_slice();
    by_parts::<T, Sum>(Sum, columns.parts(), sums, |sums| {
        columns.for_each(|part, at| {
            let largest = &largest[at.start % outputs..][..at.len()];
            // SAFETY: each part of a block of columns has results of its own.
            let sums = unsafe { sums.slice(at) };
            part.walk(src, ExpOfRows { largest, sums });
        });
    });
    dispatch(AddLogs { sums, dst });
}

/// Adds up `exp(x - largest)` of rows.
struct ExpOfRows<'a, T> {
    largest: &'a [T],
    sums: &'a mut [T],
}

impl<T: Float> Visitor<T> for ExpOfRows<'_, T> {
    #[inline(always)]
    fn visit<S: Simd, const N: usize>(&mut self, column: usize, first: usize, rows: &[&[T]]) {
        let (mut shifts, mut added) = ([T::ZERO; N], [T::ZERO; N]);
        for (shift_of, &largest) in shifts.iter_mut().zip(&self.largest[column..]) {
            *shift_of = shift(largest);
        }
        for row in rows {
            let row = strip::<T, N>(row, column);
            for i in 0..N {
                added[i] += (row[i] - shifts[i]).exp::<S>();
            }
        }
        let sums = &mut self.sums[column..column + N];
        for (sum, added) in sums.iter_mut().zip(added) {
            *sum = if first.is_multiple_of(LEAF) { added } else { *sum + added };
        }
    }
}

/// Turns largest elements into results, given the sums beside them.
struct AddLogs<'a, T> {
    sums: &'a [T],
    dst: &'a mut [T],
}

impl<T: Float> Kernel for AddLogs<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (result, &sum) in self.dst.iter_mut().zip(self.sums) {
            *result = shift(*result) + sum.log::<S>();
        }
    }
}

/// Joins the parts' results for a range of outputs as a balanced tree.
struct JoinRows<'a, T, F: Monoid<T>> {
    fold: F,
    partial: &'a Disjoint<'a, F::Out>,
    parts: usize,
    outputs: usize,
    range: Range<usize>,
    dst: &'a mut [F::Out],
}

impl<T: Pod, F: Monoid<T>> Kernel for JoinRows<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { fold, partial, parts, outputs, range, dst } = self;
        // SAFETY: nobody else has these outputs, and different parts lie apart.
        let results = |part| unsafe { partial.slice(part * outputs + range.start..part * outputs + range.end) };
        let mut step = 1;
        while step < parts {
            for part in (step..parts).step_by(2 * step) {
                for (left, &right) in results(part - step).iter_mut().zip(&*results(part)) {
                    *left = fold.join(*left, right);
                }
            }
            step *= 2;
        }
        dst.copy_from_slice(results(0));
    }
}

/// Where each reduced row starts, from some row on.
struct Starts<'a> {
    walk: Walk<'a, 1>,
    step: isize,
    inner: usize,
    at: isize,
    left: usize,
    base: usize,
}

impl<'a> Starts<'a> {
    #[inline(always)]
    fn new(loops: &'a Coalesced<1>, base: usize, first: usize) -> Self {
        let [step] = loops.inner_strides();
        let inner = loops.inner();
        let mut walk = loops.walk(first / inner..loops.rows());
        let [line] = walk.next().unwrap_or_default();
        let at = line + (first % inner).cast_signed() * step;
        Self { walk, step, inner, at, left: inner - first % inner, base }
    }

    #[inline(always)]
    fn next(&mut self) -> usize {
        if self.left == 0 {
            [self.at] = self.walk.next().unwrap_or_default();
            self.left = self.inner;
        }
        let here = self.base.wrapping_add_signed(self.at);
        self.at += self.step;
        self.left -= 1;
        here
    }
}
