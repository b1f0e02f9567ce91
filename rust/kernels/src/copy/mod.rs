//! Copies between layouts and between element types, and the tensors that are a formula of their index.
//!
//! A copy walks both windows along the destination's memory. Where the source runs along another dimension (a
//! transpose) it goes by tiles, so that each cache line is used whole on both sides.

mod transpose;

use std::mem::MaybeUninit;

use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::layout::{Coalesced, Order, Strided, coalesce};
use crate::memory::{Buffer, Pod};
use crate::parallel::{Disjoint, for_ranges};
use crate::stored::Stored;

use transpose::transpose;
pub(crate) use transpose::turn;

/// Elements a task.
const GRAIN: usize = 1 << 14;
/// Elements of a row up to which the walk from row to row would cost more than the rows, whatever their steps, and where
/// they are whole.
const SHORT: usize = 16;
const SHORT_WHOLE: usize = 128;
/// Rows from which on a loop over short ones is worth its preparation.
const MANY: usize = 64;
/// Lines side by side below which a transpose has nothing to gain from tiles.
const FEW: usize = 4;
/// Estimated cost of 1024 elements, in nanoseconds: within rows, element by element.
const ROW_COST: usize = 100;
const STRIDED_COST: usize = 700;

/// Copies the window `layout` of `src` into `dst`, row-major.
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn copy<T: Pod>(src: &[T], layout: Strided, dst: &mut [T]) {
    layout.check(src.len());
    assert_eq!(layout.numel(), dst.len(), "source and destination differ in size");
    if dst.is_empty() {
        return;
    }
    if layout.is_contiguous() {
        return copy_slice(&src[layout.offset..][..dst.len()], dst);
    }
    let mut strides = [0; crate::layout::MAX_RANK];
    let strides = row_major(layout.shape, &mut strides);
    let loops = coalesce(layout.shape, [strides, layout.strides], Order::Memory);
    // SAFETY: both windows were checked above; `dst` is exclusive.
    unsafe { copy_loops(src.as_ptr().add(layout.offset), dst.as_mut_ptr(), &loops) }
}

/// Copies the window `from` of `src` into the window `to` of `dst`, which has the same shape. The two may overlap:
/// the copy is as if `src` had been read before anything was written.
///
/// # Panics
/// If a window leaves its memory or their shapes differ.
pub fn copy_into<T: Pod>(src: &[T], from: Strided, dst: &Buffer, to: Strided) {
    assert_eq!(from.shape, to.shape, "windows differ in shape");
    from.check(src.len());
    to.check(dst.len() / size_of::<T>());
    if from.numel() == 0 {
        return;
    }
    let target = dst.as_ptr().cast::<T>();
    assert!(target.is_aligned(), "misaligned foreign memory");
    let source = src.as_ptr();
    let bytes = |start: *const T, window: &Strided| {
        let (low, high) = reach(window);
        (start.wrapping_add(low).addr(), start.wrapping_add(high + 1).addr())
    };
    let (a, b) = (bytes(source, &from), bytes(target, &to));
    let loops = |strides| coalesce(to.shape, [to.strides, strides], Order::Memory);
    if a.0 < b.1 && b.0 < a.1 {
        let mut whole = Buffer::uninit(from.numel() * size_of::<T>());
        copy(src, from, whole.as_mut_slice());
        let mut strides = [0; crate::layout::MAX_RANK];
        let strides = row_major(from.shape, &mut strides);
        // SAFETY: `to` was checked above; `whole` has just this shape.
        return unsafe { copy_loops(whole.as_slice().as_ptr(), target.add(to.offset), &loops(strides)) };
    }
    // SAFETY: both windows were checked above and do not overlap.
    unsafe { copy_loops(source.add(from.offset), target.add(to.offset), &loops(from.strides)) }
}

/// Copies `src`, contiguous, to `dst`.
///
/// # Panics
/// If they differ in size.
pub fn copy_slice<T: Pod>(src: &[T], dst: &mut [T]) {
    assert_eq!(src.len(), dst.len(), "source and destination differ in size");
    let len = dst.len();
    if len <= GRAIN {
        return dst.copy_from_slice(src);
    }
    let dst = Disjoint::new(dst);
    for_ranges(len, GRAIN, ROW_COST, |range| {
        // SAFETY: the ranges of one region are disjoint.
        unsafe { dst.slice(range.clone()) }.copy_from_slice(&src[range]);
    });
}

/// Converts the window `layout` of `src` to another element type: floats truncate, and what int32 and int64 do not hold
/// is their lowest; integers wrap, and to fewer than 32 bits all go by way of int32. 16-bit floats are rounded once (int64 beyond 2^53 by way of float64).
///
/// # Panics
/// If the window leaves `src` or differs from `dst` in size.
pub fn cast<A: Stored, R: Stored>(src: &[A], layout: Strided, dst: &mut [R]) {
    crate::map::convert(src, layout, dst);
}

/// Sets every element.
pub fn fill<T: Pod>(dst: &mut [T], value: T) {
    let len = dst.len();
    if len <= GRAIN {
        return dst.fill(value);
    }
    let dst = Disjoint::new(dst);
    // SAFETY: the ranges of one region are disjoint.
    for_ranges(len, GRAIN, ROW_COST, |range| unsafe { dst.slice(range) }.fill(value));
}

/// `dst[i] = start + i * step`: computed in float64 for floats, in wrapping int64 for integers.
pub fn arange<T: Element>(start: T, step: T, dst: &mut [T]) {
    if T::IS_FLOAT {
        let (start, step) = (start.to_f64(), step.to_f64());
        each(dst, |i| T::from_f64(i.to_f64() * step + start));
    } else {
        let (start, step) = (start.to_i64(), step.to_i64());
        each(dst, |i| T::cast_from(start.wrapping_add(i.wrapping_mul(step))));
    }
}

/// Evenly spaced values from `start` to `end`, both included; one value is `start`.
pub fn linspace<T: Element>(start: f64, end: f64, dst: &mut [T]) {
    let Some(last) = dst.len().checked_sub(1) else { return };
    let step = (end - start) / (last.max(1).cast_signed() as i64).to_f64();
    let half = (dst.len() / 2).cast_signed() as i64;
    // From both ends inwards, so that both are exact.
    let last = last.cast_signed() as i64;
    each(dst, |i| {
        T::from_f64(if i < half || last == 0 { i.to_f64() * step + start } else { end - (last - i).to_f64() * step })
    });
}

/// The matrix of `columns` columns with ones on its main diagonal.
pub fn eye<T: Element>(columns: usize, dst: &mut [T]) {
    fill(dst, T::ZERO);
    let rows = dst.len().checked_div(columns).unwrap_or(0);
    for i in 0..rows.min(columns) {
        dst[i * columns + i] = T::ONE;
    }
}

/// `dst[i] = value(i)`.
fn each<T: Pod>(dst: &mut [T], value: impl Fn(i64) -> T + Sync) {
    let len = dst.len();
    let dst = Disjoint::new(dst);
    for_ranges(len, GRAIN, STRIDED_COST, |range| {
        let first = range.start.cast_signed() as i64;
        // SAFETY: the ranges of one region are disjoint.
        for (i, d) in (first..).zip(unsafe { dst.slice(range) }) {
            *d = value(i);
        }
    });
}

/// Strides of a contiguous window of this shape.
fn row_major<'a>(shape: &[usize], room: &'a mut [isize; crate::layout::MAX_RANK]) -> &'a [isize] {
    let mut stride = 1;
    for (dim, &extent) in shape.iter().enumerate().rev() {
        room[dim] = stride;
        stride *= extent.max(1).cast_signed();
    }
    &room[..shape.len()]
}

/// The lowest and highest position of a window that is not empty.
fn reach(window: &Strided) -> (usize, usize) {
    window.shape.iter().zip(window.strides).fold((window.offset, window.offset), |(low, high), (&extent, &stride)| {
        let span = (extent.cast_signed() - 1) * stride;
        if span < 0 { (low.wrapping_add_signed(span), high) } else { (low, high.wrapping_add_signed(span)) }
    })
}

/// Offset at which the inner loop number `row` starts. A call takes less than its divisions.
#[inline(never)]
pub(crate) fn row_offset(loops: &Coalesced<1>, mut row: usize) -> isize {
    let outer = loops.shape().len() - 1;
    let mut at = 0;
    for (&extent, &stride) in loops.shape()[..outer].iter().zip(loops.strides(0)).rev() {
        at += (row % extent).cast_signed() * stride;
        row /= extent;
    }
    at
}

/// Whether a large window's order is so far from memory's that it is better copied by tiles than gathered.
pub(crate) fn is_scattered(loops: &Coalesced<1>) -> bool {
    let [step] = loops.inner_strides();
    let lines = loops.strides(0).iter().any(|stride| stride.unsigned_abs() == 1);
    step.unsigned_abs() >= 8 && lines && loops.rows() * loops.inner() >= 1 << 13
}

/// Copies the elements from number `start` on of a window into `dst`, all of it, and returns it. Not inlined, as every map
/// and reduction calls it.
#[inline(never)]
pub(crate) fn gather<'a, T: Pod>(
    data: &[T],
    offset: usize,
    loops: &Coalesced<1>,
    start: usize,
    dst: &'a mut [MaybeUninit<T>],
) -> &'a [T] {
    let inner = loops.inner();
    let [step] = loops.inner_strides();
    let (mut start, mut rest) = (start, &mut *dst);
    if step == 1 && inner <= SHORT {
        let many = match inner {
            0..=4 => gather_short::<T, 4>,
            5..=8 => gather_short::<T, 8>,
            _ => gather_short::<T, SHORT>,
        };
        let done = many(data, offset, loops, start, rest);
        (start, rest) = (start + done, &mut rest[done..]);
    }
    let mut column = start % inner;
    for [row] in loops.walk(start / inner..loops.rows()) {
        let len = rest.len().min(inner - column);
        let first = offset.wrapping_add_signed(row + column.cast_signed() * step);
        if step == 1 {
            rest[..len].write_copy_of_slice(&data[first..first + len]);
        } else if step == 0 {
            let value = MaybeUninit::new(data[first]);
            match rest.first_chunk_mut::<SHORT>() {
                // As many as registers hold, of which the rows after this one overwrite the last.
                Some(room) if len <= SHORT => *room = [value; SHORT],
                _ => rest[..len].fill(value),
            }
        } else {
            // SAFETY: the window was checked at the door.
            let first = unsafe { data.as_ptr().add(first) };
            for (i, d) in (0isize..).zip(&mut rest[..len]) {
                // SAFETY: as above.
                d.write(unsafe { *first.offset(i * step) });
            }
        }
        rest = &mut rest[len..];
        column = 0;
        if rest.is_empty() {
            break;
        }
    }
    assert!(rest.is_empty(), "beyond the window");
    // SAFETY: nothing of `dst` is left unwritten.
    unsafe { dst.assume_init_ref() }
}

/// Copies rows of at most `N` elements, `N` of each, of which the row after it overwrites the last: a call of the copy for
/// any size costs more than what it copies. Ends where there is no room or nothing left for that; returns how many elements
/// it has brought.
#[inline(always)]
fn gather_short<T: Pod, const N: usize>(
    data: &[T],
    offset: usize,
    loops: &Coalesced<1>,
    start: usize,
    dst: &mut [MaybeUninit<T>],
) -> usize {
    let inner = loops.inner();
    let (mut column, mut done) = (start % inner, 0);
    for [row] in loops.walk(start / inner..loops.rows()) {
        let first = offset.wrapping_add_signed(row) + column;
        let (Some(room), Some(row)) = (dst[done..].first_chunk_mut::<N>(), data[first..].first_chunk::<N>()) else {
            break;
        };
        room.write_copy_of_slice(row);
        done += inner - column;
        column = 0;
    }
    done
}

/// A pointer that tasks share.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T, *const T);
// SAFETY: each task of a copy writes its own elements of the destination, and nobody writes the source.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Both pointers, moved by `by` elements.
    #[inline(always)]
    fn at(&self, by: [isize; 2]) -> (*mut T, *const T) {
        (self.0.wrapping_offset(by[0]), self.1.wrapping_offset(by[1]))
    }
}

/// Copies along `loops`, whose operands are destination and source.
///
/// # Safety
/// All positions lie in memory that is valid for writes and reads of `T`, and the two do not overlap.
unsafe fn copy_loops<T: Pod>(src: *const T, dst: *mut T, loops: &Coalesced<2>) {
    let ends = Shared(dst, src);
    let [to, from] = loops.inner_strides();
    let (rows, inner) = (loops.rows(), loops.inner());
    if loops.is_contiguous() {
        return for_ranges(inner, GRAIN, ROW_COST, |range| {
            let (d, s) = ends.at([range.start.cast_signed(); 2]);
            // SAFETY: the caller's contract.
            unsafe { std::ptr::copy_nonoverlapping(s, d, range.len()) }
        });
    }
    let outer = loops.shape().len() - 1;
    let short = if (to, from) == (1, 1) { SHORT_WHOLE } else { SHORT };
    if outer > 0 && inner <= short && loops.shape()[outer - 1] >= MANY {
        // SAFETY: the caller's contract.
        return unsafe { copy_short_rows(ends, loops) };
    }
    let lines = loops.strides(1)[..outer].iter().rposition(|s| s.unsigned_abs() == 1);
    if let (Some(lines), false) = (lines.filter(|&lines| loops.shape()[lines] > FEW), from.unsigned_abs() <= 1) {
        // SAFETY: the caller's contract.
        return unsafe { transpose(ends, loops, lines) };
    }
    let cost = if to == 1 && from.unsigned_abs() == 1 { ROW_COST } else { STRIDED_COST };
    let blocks = inner.div_ceil(GRAIN);
    let grain = (GRAIN / inner.max(1)).max(1);
    let row = |at: [isize; 2], len: usize| {
        let (d, s) = ends.at(at);
        // SAFETY: the caller's contract.
        unsafe {
            match (to, from) {
                (1, 1) => std::ptr::copy_nonoverlapping(s, d, len),
                (1, 0) => std::slice::from_raw_parts_mut(d, len).fill(*s),
                (1, -1) => dispatch(Reverse {
                    dst: std::slice::from_raw_parts_mut(d, len),
                    src: std::slice::from_raw_parts(s.sub(len.saturating_sub(1)), len),
                }),
                (1, _) => (0..len.cast_signed()).for_each(|i| *d.offset(i) = *s.offset(i * from)),
                (_, 1) => (0..len.cast_signed()).for_each(|i| *d.offset(i * to) = *s.offset(i)),
                _ => (0..len.cast_signed()).for_each(|i| *d.offset(i * to) = *s.offset(i * from)),
            }
        }
    };
    if blocks > 1 {
        // Few long rows: each is split.
        for_ranges(rows * blocks, 1, GRAIN / 1024 * cost * 1024, |tasks| {
            for task in tasks {
                let start = task % blocks * GRAIN;
                let at = loops.walk(task / blocks..rows).next().unwrap_or_default();
                let by = start.cast_signed();
                row([at[0] + by * to, at[1] + by * from], GRAIN.min(inner - start));
            }
        });
    } else {
        for_ranges(rows, grain, (inner * cost).max(20 * 1024), |rows| loops.walk(rows).for_each(|at| row(at, inner)));
    }
}

/// A line from its end to its start.
struct Reverse<'a, T> {
    dst: &'a mut [T],
    src: &'a [T],
}

impl<T: Pod> Kernel for Reverse<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (d, &s) in self.dst.iter_mut().zip(self.src.iter().rev()) {
            *d = s;
        }
    }
}

/// Copies along `loops` whose inner one is short, the two inner ones together.
///
/// # Safety
/// As for [`copy_loops`], and there are two loops at least.
unsafe fn copy_short_rows<T: Pod>(ends: Shared<T>, loops: &Coalesced<2>) {
    let (inner, height) = (loops.inner(), loops.shape()[loops.shape().len() - 2]);
    let [apart, steps] = [2, 1].map(|back| [0, 1].map(|end| loops.strides(end)[loops.shape().len() - back]));
    let strip = GRAIN / inner;
    let strips = height.div_ceil(strip);
    let blocks = loops.rows() / height;
    // As many blocks to a task as make a strip.
    let grain = (strip / height).max(1);
    for_ranges(blocks * strips, grain, height.min(strip) * inner * STRIDED_COST, |tasks| {
        for task in tasks {
            let first = task % strips * strip;
            let row = task / strips * height + first;
            let at = loops.walk(row..row + 1).next().unwrap_or_default();
            let (dst, src) = ends.at(at);
            let part = Rows { dst, src, height: strip.min(height - first), apart };
            // SAFETY: the caller's contract.
            unsafe { part.copy(inner, steps) }
        }
    });
}

/// Rows of a copy: from one to the next it is `apart` elements of destination and source.
struct Rows<T> {
    dst: *mut T,
    src: *const T,
    height: usize,
    apart: [isize; 2],
}

impl<T: Pod> Rows<T> {
    /// Copies rows of `inner` elements, from one to the next of which it is `steps`.
    ///
    /// # Safety
    /// All positions can be written and read.
    unsafe fn copy(self, inner: usize, steps: [isize; 2]) {
        // SAFETY: the contract.
        unsafe {
            match (inner, steps) {
                // Extents and steps that the compiler knows.
                (2, [1, from]) => self.each(2, [1, from]),
                (3, [1, from]) => self.each(3, [1, from]),
                (4, [1, 0]) => self.each(4, [1, 0]),
                (4, [1, from]) => self.each(4, [1, from]),
                (8, [1, 0]) => self.each(8, [1, 0]),
                (_, [1, 0]) => self.each(inner, [1, 0]),
                (..=SHORT, [1, 1]) => self.each(inner, [1, 1]),
                (_, [1, 1]) => self.whole(inner),
                (_, [1, from]) => self.each(inner, [1, from]),
                _ => self.each(inner, steps),
            }
        }
    }

    /// # Safety
    /// As for [`Rows::copy`], with steps of one.
    unsafe fn whole(self, inner: usize) {
        for row in 0..self.height.cast_signed() {
            let dst = self.dst.wrapping_offset(row * self.apart[0]);
            // SAFETY: the contract.
            unsafe { dst.copy_from_nonoverlapping(self.src.wrapping_offset(row * self.apart[1]), inner) }
        }
    }

    /// # Safety
    /// As for [`Rows::copy`].
    #[inline(always)]
    unsafe fn each(self, inner: usize, [to, from]: [isize; 2]) {
        for row in 0..self.height.cast_signed() {
            let dst = self.dst.wrapping_offset(row * self.apart[0]);
            let src = self.src.wrapping_offset(row * self.apart[1]);
            for i in 0..inner.cast_signed() {
                // SAFETY: the contract.
                unsafe { *dst.wrapping_offset(i * to) = *src.wrapping_offset(i * from) }
            }
        }
    }
}

/// Copies matrices of `columns`, one after another in `src`, but for zeros where an element does not lie in the band: with
/// `upper` on and above the diagonal `diagonal`, otherwise on and below it.
///
/// # Panics
/// If the sizes differ.
pub fn triangle<T: Pod + Default>(src: &[T], [rows, columns]: [usize; 2], diagonal: i64, upper: bool, dst: &mut [T]) {
    assert_eq!(src.len(), dst.len(), "source and destination differ in size");
    if src.is_empty() {
        return;
    }
    let dst = Disjoint::new(dst);
    for_ranges(src.len() / columns, (GRAIN / columns).max(1), columns * ROW_COST, |lines| {
        let own = lines.start * columns..lines.end * columns;
        // SAFETY: the ranges of one region are disjoint.
        let dst = unsafe { dst.slice(own.clone()) };
        for (line, (dst, src)) in lines.zip(dst.chunks_exact_mut(columns).zip(src[own].chunks_exact(columns))) {
            let [kept, zeros] = parts(line % rows, columns, diagonal, upper);
            dst[kept.clone()].copy_from_slice(&src[kept]);
            dst[zeros].fill(T::default());
        }
    });
}

/// As [`triangle`], of matrices that are in `dst`.
///
/// # Panics
/// If `dst` is no whole number of matrices.
pub fn triangle_over<T: Pod + Default>([rows, columns]: [usize; 2], diagonal: i64, upper: bool, dst: &mut [T]) {
    if dst.is_empty() {
        return;
    }
    assert!(dst.len().is_multiple_of(rows * columns), "no whole number of matrices");
    // Rows that have a part outside of the triangle.
    let row = |at: i64| usize::try_from(at).unwrap_or(0).min(rows);
    let touched = if upper {
        row(1i64.saturating_sub(diagonal))..rows
    } else {
        0..row((columns.cast_signed() as i64 - 1).saturating_sub(diagonal))
    };
    let lines = dst.len() / (rows * columns) * touched.len();
    let dst = Disjoint::new(dst);
    for_ranges(lines, (GRAIN / columns).max(1), columns * ROW_COST, |lines| {
        for line in lines {
            let (matrix, row) = (line / touched.len(), touched.start + line % touched.len());
            let [_, zeros] = parts(row, columns, diagonal, upper);
            let start = (matrix * rows + row) * columns;
            // SAFETY: the lines of one region are disjoint.
            unsafe { dst.slice(start + zeros.start..start + zeros.end) }.fill(T::default());
        }
    });
}

/// Which columns of a row are in the triangle, and which are not.
fn parts(row: usize, columns: usize, diagonal: i64, upper: bool) -> [std::ops::Range<usize>; 2] {
    // Elements up to and with the diagonal, or before it.
    let edge = (row.cast_signed() as i64).saturating_add(diagonal).saturating_add(i64::from(!upper));
    let edge = usize::try_from(edge).unwrap_or(0).min(columns);
    if upper { [edge..columns, 0..edge] } else { [0..edge, edge..columns] }
}
