//! Whole slices along one dimension, picked by an index and added up again: an embedding, forward and backward.
//!
//! Slices lie anywhere, so those that come next are asked for in time, and results that exceed the caches go past them.

use std::ops::Range;

use crate::element::Element;
use crate::gather::{GRAIN, MOVE_NS, index_add, outer_extent, position};
use crate::isa::{Kernel, Simd, dispatch, prefetch};
use crate::memory::Pod;
use crate::parallel::{Disjoint, for_each, for_each_init, for_ranges};
use crate::stream::{self, LINE, STREAM_FROM};

/// Slices that are under way at once.
const AHEAD: usize = 4;
/// Bytes of a slice that are asked for; the hardware follows a longer one by itself.
const ASKED: usize = 2048;

/// Copies slices along one dimension: `source` is `[outer, extent, inner]`, `out` is `[outer, ids.len(), inner]`, and
/// `out[o, n] = source[o, ids[n]]`. With `outer` 1 this is an embedding's forward.
///
/// # Panics
/// On an id outside `extent`.
pub fn index_select<T: Pod>(source: &[T], extent: usize, inner: usize, ids: &[i64], out: &mut [T]) {
    let outer = outer_extent(source.len(), extent, inner, ids.len(), out.len());
    let rows = outer * ids.len();
    let streamed = size_of_val(out) >= STREAM_FROM && inner * size_of::<T>() >= LINE;
    let out = Disjoint::new(out);
    for_ranges(rows, (GRAIN / inner.max(1)).max(1), inner.saturating_mul(MOVE_NS), |rows| {
        // SAFETY: ranges of rows are disjoint.
        let out = unsafe { out.slice(rows.start * inner..rows.end * inner) };
        dispatch(Pick { source, extent, inner, ids, rows, streamed, out });
    });
}

struct Pick<'a, T> {
    source: &'a [T],
    extent: usize,
    inner: usize,
    ids: &'a [i64],
    rows: Range<usize>,
    streamed: bool,
    out: &'a mut [T],
}

impl<T: Pod> Kernel for Pick<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { source, extent, inner, ids, rows, streamed, out } = self;
        // Counted on rather than divided for each row, which would cost more than a short slice.
        let (mut block, mut n) = (rows.start / ids.len().max(1), rows.start % ids.len().max(1));
        if inner == 1 {
            let mut rest = out;
            while !rest.is_empty() {
                let (out, later) = rest.split_at_mut(rest.len().min(ids.len() - n));
                let line = &source[block * extent..][..extent];
                for (out, &id) in out.iter_mut().zip(&ids[n..]) {
                    *out = line[position(id)];
                }
                (rest, block, n) = (later, block + 1, 0);
            }
            return;
        }
        for out in out.chunks_exact_mut(inner.max(1)) {
            let id = position(ids[n]);
            assert!(id < extent, "index {id} outside {extent}");
            if let Some(&next) = ids.get(n + AHEAD) {
                ask(source.as_ptr().wrapping_add((block * extent + position(next)) * inner), inner);
            }
            let from = &source[(block * extent + id) * inner..][..inner];
            if streamed {
                // SAFETY: both are a slice; `out` is this task's own.
                unsafe { stream::store::<S>(out.as_mut_ptr().cast(), from.as_ptr().cast(), size_of_val(from)) }
            } else {
                out.copy_from_slice(from);
            }
            n += 1;
            if n == ids.len() {
                (block, n) = (block + 1, 0);
            }
        }
        if streamed {
            stream::fence();
        }
    }
}

/// Asks for a slice of `len` elements.
#[inline(always)]
fn ask<T>(slice: *const T, len: usize) {
    for byte in (0..(len * size_of::<T>()).min(ASKED)).step_by(LINE) {
        prefetch(slice.wrapping_byte_add(byte));
    }
}

/// Sums of slices along one dimension, the adjoint of [`index_select`]: `source` is `[outer, ids.len(), inner]`, `out` is
/// `[outer, extent, inner]`, and `out[o, e]` is the sum of all `source[o, n]` with `ids[n] = e`, in their order, or zero.
///
/// # Panics
/// On an id outside `extent`.
pub fn index_sum<T: Element>(source: &[T], extent: usize, inner: usize, ids: &[i64], out: &mut [T]) {
    let outer = outer_extent(out.len(), extent, inner, ids.len(), source.len());
    assert!(ids.iter().all(|&id| position(id) < extent), "index outside {extent}");
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        // Single elements are added sooner than brought in the order of their sums.
        out.fill(T::default());
        return index_add(source, extent, inner, ids, out);
    }
    let terms = Terms::new(ids, extent);
    let each = (GRAIN / inner).clamp(1, extent);
    let tasks = extent.div_ceil(each);
    let cost = (out.len() + source.len()).saturating_mul(MOVE_NS) / 1024;
    let room = if size_of_val(out) >= STREAM_FROM { each * inner } else { 0 };
    let out = Disjoint::new(out);
    for_each_init(
        outer * tasks,
        cost,
        || vec![T::default(); room],
        |room, task| {
            let (block, first) = (task / tasks, task % tasks * each);
            let sums = first..(first + each).min(extent);
            let start = block * extent * inner;
            // SAFETY: each task has slices of its own.
            let out = unsafe { out.slice(start + sums.start * inner..start + sums.end * inner) };
            let source = &source[block * ids.len() * inner..][..ids.len() * inner];
            dispatch(Sum { source, inner, terms: &terms, sums, room, out });
        },
    );
}

/// Which slices of the source each sum is of.
struct Terms {
    /// The slices of all sums, one sum after the other.
    all: Vec<usize>,
    /// Where those of each sum begin among them, and the end.
    starts: Vec<usize>,
}

impl Terms {
    fn new(ids: &[i64], extent: usize) -> Self {
        let mut starts = vec![0; extent + 1];
        for &id in ids {
            starts[position(id) + 1] += 1;
        }
        for id in 0..extent {
            starts[id + 1] += starts[id];
        }
        let (mut next, mut all) = (starts.clone(), vec![0; ids.len()]);
        for (n, &id) in ids.iter().enumerate() {
            let next = &mut next[position(id)];
            all[*next] = n;
            *next += 1;
        }
        Self { all, starts }
    }
}

struct Sum<'a, T> {
    source: &'a [T],
    inner: usize,
    terms: &'a Terms,
    sums: Range<usize>,
    /// Where sums are made that go past the caches; empty where they do not.
    room: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Element> Kernel for Sum<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { source, inner, terms: Terms { all, starts }, sums, room, out } = self;
        let streamed = !room.is_empty();
        let made = if streamed { &mut room[..out.len()] } else { &mut *out };
        made.fill(T::default());
        for (sum, made) in sums.zip(made.chunks_exact_mut(inner)) {
            for term in starts[sum]..starts[sum + 1] {
                if let Some(&next) = all.get(term + AHEAD) {
                    ask(source[next * inner..].as_ptr(), inner);
                }
                for (made, &value) in made.iter_mut().zip(&source[all[term] * inner..][..inner]) {
                    *made = made.wrapping_add(value);
                }
            }
        }
        if streamed {
            // SAFETY: both have as many elements; `out` is this task's own.
            unsafe { stream::store::<S>(out.as_mut_ptr().cast(), room.as_ptr().cast(), size_of_val(out)) }
            stream::fence();
        }
    }
}

/// Windows that move along a dimension, one from the other by `step`.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// How many there are.
    pub count: usize,
    /// Elements of a window.
    pub size: usize,
    /// From one window to the next.
    pub step: usize,
    /// Extent of the dimension.
    pub extent: usize,
    /// Elements between neighbours along it.
    pub inner: usize,
}

/// Adds up the elements of windows where they come from, in the order of the windows: `x` is `[outer, count, inner, size]`,
/// `out` `[outer, extent, inner]`.
///
/// # Panics
/// If lengths do not match.
pub fn sum_windows<T: Element>(x: &[T], windows: Windows, out: &mut [T]) {
    let Windows { count, size, step, extent, inner } = windows;
    let (from, to) = (count * inner * size, extent * inner);
    assert!(count == 0 || (count - 1) * step + size <= extent, "windows beyond the extent");
    if from == 0 || to == 0 {
        return out.fill(T::ZERO);
    }
    assert_eq!(x.len() / from * to, out.len(), "lengths do not match the shapes");
    let out = Disjoint::new(out);
    for_each(x.len() / from, x.len(), |task| {
        // SAFETY: each task has a part of its own.
        let out = unsafe { out.slice(task * to..(task + 1) * to) };
        out.fill(T::ZERO);
        for (window, x) in x[task * from..][..from].chunks_exact(inner * size).enumerate() {
            let out = &mut out[window * step * inner..];
            if inner == 1 {
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = out.wrapping_add(x));
                continue;
            }
            for (place, out) in out.chunks_exact_mut(inner).take(size).enumerate() {
                let column = x[place..].iter().step_by(size);
                out.iter_mut().zip(column).for_each(|(out, &x)| *out = out.wrapping_add(x));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn windows_are_added_up_where_they_come_from() {
        for (outer, extent, inner, size, step) in [(1, 9, 1, 3, 1), (2, 8, 3, 3, 2), (3, 5, 2, 5, 4), (2, 4, 1, 0, 1)] {
            let count = (extent - size) / step + 1;
            let x: Vec<f64> = (0..outer * count * inner * size).map(|i| (i * 7 % 13) as f64).collect();
            let mut expected = vec![0.0; outer * extent * inner];
            for (at, &x) in x.iter().enumerate() {
                let (place, i) = (at % size, at / size % inner);
                let (window, o) = (at / size / inner % count, at / size / inner / count);
                expected[(o * extent + window * step + place) * inner + i] += x;
            }
            let mut found = vec![f64::NAN; expected.len()];
            sum_windows(&x, Windows { count, size, step, extent, inner }, &mut found);
            assert_eq!(found, expected);
        }
    }
}
