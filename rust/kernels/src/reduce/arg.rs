//! Positions of extremes: lanes of values, and beside them lanes of where each was found.

use super::columns::{Columns, Visitor, for_planes, strip};
use super::folds::{Fold, LANES, Max, Min, beats, join_lanes};
use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::layout::Coalesced;
use crate::memory::Buffer;
use crate::parallel::Disjoint;
use std::ops::Range;

/// Position of the first largest (or smallest) element, or of the first NaN.
#[derive(Clone, Copy)]
pub(super) struct Arg<const LARGEST: bool>;

/// The more extreme of each pair, and where it is; made anew for the reason that [`super::folds::step_each`] has.
#[inline(always)]
fn best_of<T: Element, P: Copy, const LARGEST: bool, const N: usize>(
    best: &mut [T; N],
    at: &mut [P; N],
    values: &[T; N],
    here: P,
) {
    let (mut next, mut next_at) = (*values, [here; N]);
    for i in 0..N {
        let better = beats::<T, LARGEST>(values[i], best[i]);
        next[i] = if better { values[i] } else { best[i] };
        next_at[i] = if better { here } else { at[i] };
    }
    (*best, *at) = (next, next_at);
}

impl<T: Element, const LARGEST: bool> Fold<T> for Arg<LARGEST> {
    type Part = (T, usize);
    type Out = i64;
    const COST: usize = 100;
    const LEAF: usize = super::rows::LONG_LEAF;

    #[inline(always)]
    fn empty(self) -> (T, usize) {
        (if LARGEST { T::LOWEST } else { T::HIGHEST }, 0)
    }

    #[inline(always)]
    fn leaf<S: Simd>(self, elements: &[T], first: usize) -> (T, usize) {
        if elements.len() < LANES {
            let better = |best: (T, usize), at| {
                if beats::<T, LARGEST>(elements[at], best.0) { (elements[at], at) } else { best }
            };
            let best = (1..elements.len()).fold((elements[0], 0), better);
            return (best.0, first + best.1);
        }
        let mut best = [Fold::<T>::empty(self).0; LANES];
        let mut block_of = [0u32; LANES];
        let (blocks, rest) = elements.as_chunks::<LANES>();
        let mut number = 0;
        for block in blocks {
            best_of::<T, u32, LARGEST, LANES>(&mut best, &mut block_of, block, number);
            number += 1;
        }
        for (lane, &x) in rest.iter().enumerate() {
            if beats::<T, LARGEST>(x, best[lane]) {
                (best[lane], block_of[lane]) = (x, number);
            }
        }
        let extreme = if LARGEST { join_lanes::<T, Max>(Max, best) } else { join_lanes::<T, Min>(Min, best) };
        let at = (0..LANES).filter(|&lane| (best[lane] == extreme) | best[lane].is_nan());
        let at = at.map(|lane| block_of[lane] as usize * LANES + lane).min();
        (extreme, first + at.unwrap_or(0))
    }

    #[inline(always)]
    fn combine<S: Simd>(self, left: (T, usize), right: (T, usize)) -> (T, usize) {
        if beats::<T, LARGEST>(right.0, left.0) { right } else { left }
    }

    #[inline(always)]
    fn finish<S: Simd>(self, part: (T, usize)) -> i64 {
        part.1.cast_signed() as i64
    }
}

/// Positions for planes of few rows and columns, a line of outputs each: nothing is set up for one.
pub(super) fn arg_planes<T: Element, const LARGEST: bool>(
    fold: Arg<LARGEST>,
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    reduced: &Coalesced<1>,
    dst: &mut [i64],
) {
    let dst = Disjoint::new(dst);
    for_planes(kept, reduced, |lines| {
        // SAFETY: the tasks' lines are disjoint.
        let dst = unsafe { dst.slice(lines.start * kept.inner()..lines.end * kept.inner()) };
        dispatch(ArgPlanes { fold, src, offset, kept, reduced, lines, dst });
    });
}

/// Finds positions in planes, one for each line of outputs.
struct ArgPlanes<'a, T, const LARGEST: bool> {
    fold: Arg<LARGEST>,
    src: &'a [T],
    offset: usize,
    kept: &'a Coalesced<1>,
    reduced: &'a Coalesced<1>,
    lines: Range<usize>,
    dst: &'a mut [i64],
}

impl<T: Element, const LARGEST: bool> Kernel for ArgPlanes<'_, T, LARGEST> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { fold, src, offset, kept, reduced, lines, dst } = self;
        let (count, [step]) = (reduced.inner().cast_signed() as i64, reduced.inner_strides());
        for ([line], mut dst) in kept.walk(lines).zip(dst.chunks_exact_mut(kept.inner())) {
            let mut start = offset.wrapping_add_signed(line);
            macro_rules! strips {
                ($($n:literal)*) => { $(
                    let (strips, rest) = dst.as_chunks_mut::<$n>();
                    for strip in strips {
                        let (mut best, mut places) = ([Fold::<T>::empty(fold).0; $n], [0; $n]);
                        let mut at = start;
                        for number in 0..count {
                            if let Some(row) = src[at..].first_chunk() {
                                best_of::<T, i64, LARGEST, $n>(&mut best, &mut places, row, number);
                            }
                            at = at.wrapping_add_signed(step);
                        }
                        *strip = places;
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

/// Outputs side by side from which [`arg_columns`] is worth it.
pub(super) const WIDE: usize = 8;
/// Rows that a part compares.
const ROWS: usize = 256;

/// Positions for outputs along which memory runs.
pub(super) fn arg_columns<T: Element, const LARGEST: bool>(
    fold: Arg<LARGEST>,
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    reduced: &Coalesced<1>,
    dst: &mut [i64],
) {
    let outputs = dst.len();
    let columns = Columns { offset, kept, reduced, part: ROWS };
    let parts = columns.parts();
    let mut best = Buffer::uninit(parts * outputs * size_of::<T>());
    let best = best.as_mut_slice::<T>();
    let mut later = Buffer::uninit((parts - 1) * outputs * size_of::<i64>());
    let later = later.as_mut_slice::<i64>();
    {
        let (best, dst, later) = (Disjoint::new(best), Disjoint::new(dst), Disjoint::new(later));
        columns.for_each(|part, at| {
            // SAFETY: each part of a block of columns has results of its own.
            let (best, at) = unsafe {
                let positions = match at.start.checked_sub(outputs) {
                    None => dst.slice(at.clone()),
                    Some(start) => later.slice(start..start + at.len()),
                };
                (best.slice(at), positions)
            };
            part.walk(src, BestOfRows { fold, best, at });
        });
    }
    if parts > 1 {
        let (best, rest) = best.split_at_mut(outputs);
        for (values, positions) in rest.chunks(outputs).zip(later.chunks(outputs)) {
            for (((best, dst), &value), &position) in best.iter_mut().zip(&mut *dst).zip(values).zip(positions) {
                if beats::<T, LARGEST>(value, *best) {
                    (*best, *dst) = (value, position);
                }
            }
        }
    }
}

/// Finds the extremes of the rows and where they are.
struct BestOfRows<'a, T, const LARGEST: bool> {
    fold: Arg<LARGEST>,
    best: &'a mut [T],
    at: &'a mut [i64],
}

impl<T: Element, const LARGEST: bool> Visitor<T> for BestOfRows<'_, T, LARGEST> {
    #[inline(always)]
    fn visit<S: Simd, const N: usize>(&mut self, column: usize, first: usize, rows: &[&[T]]) {
        let first_at = first.cast_signed() as i64;
        let (best_here, at_here) = (&mut self.best[column..column + N], &mut self.at[column..column + N]);
        let (mut best, mut at) = ([Fold::<T>::empty(self.fold).0; N], [first_at; N]);
        if !first.is_multiple_of(ROWS) {
            best.copy_from_slice(best_here);
            at.copy_from_slice(at_here);
        }
        for (number, row) in (first_at..).zip(rows) {
            best_of::<T, i64, LARGEST, N>(&mut best, &mut at, strip(row, column), number);
        }
        best_here.copy_from_slice(&best);
        at_here.copy_from_slice(&at);
    }
}
