//! Neighbouring outputs side by side: memory runs along the outputs, so a row of elements adds to a row of results.

use std::ops::Range;

use super::Cascade;
use super::folds::Monoid;
use crate::isa::{Kernel, Simd, dispatch};
use crate::layout::Coalesced;
use crate::memory::Pod;
use crate::parallel::{Disjoint, for_each};

/// Outputs side by side: their results stay in registers or the first-level cache.
const WIDTH: usize = 64;
/// Rows that are folded one after another: a leaf.
const LEAF: usize = 16;
/// Rows a task: a power of two times a leaf, so that tasks are whole subtrees.
const ROWS: usize = 256 * LEAF;

/// Folds rows of elements `reduced` into the rows of outputs `kept`, whose inner loop has step 1.
pub(super) fn reduce_columns<T: Pod, F: Monoid<T>>(
    fold: F,
    src: &[T],
    offset: usize,
    kept: &Coalesced<1>,
    reduced: &Coalesced<1>,
    dst: &mut [F::Out],
) {
    let columns = kept.inner();
    let blocks = columns.div_ceil(WIDTH);
    let count = reduced.rows() * reduced.inner();
    let tasks = count.div_ceil(ROWS);
    let outputs = dst.len();
    let cost = (count.saturating_mul(outputs) / 1024).saturating_mul(100);
    let fold_into = |dst: &Disjoint<F::Out>, group: usize, rows: Range<usize>, at: usize| {
        let (line, left) = (group / blocks, group % blocks * WIDTH);
        let width = WIDTH.min(columns - left);
        let [line_start] = kept.walk(line..kept.rows()).next().unwrap_or_default();
        let start = offset.wrapping_add_signed(line_start) + left;
        let at = at + line * columns + left;
        // SAFETY: each task has columns of its own.
        let dst = unsafe { dst.slice(at..at + width) };
        dispatch(Block { fold, src, start, reduced, rows, dst });
    };
    let groups = kept.rows() * blocks;
    if tasks == 1 {
        let shared = Disjoint::new(dst);
        return for_each(groups, cost, |group| fold_into(&shared, group, 0..count, 0));
    }
    let mut parts = vec![fold.identity(); tasks * outputs];
    let shared = Disjoint::new(&mut parts);
    for_each(groups * tasks, cost, |task| {
        let (group, part) = (task / tasks, task % tasks);
        fold_into(&shared, group, part * ROWS..count.min((part + 1) * ROWS), part * outputs);
    });
    for (output, d) in dst.iter_mut().enumerate() {
        let mut cascade = Cascade::new();
        for part in parts.chunks(outputs) {
            cascade.push(part[output], |left, right| fold.join(left, right));
        }
        *d = cascade.finish(|left, right| fold.join(left, right)).unwrap_or(fold.identity());
    }
}

/// Some rows of at most [`WIDTH`] columns.
struct Block<'a, T, F: Monoid<T>> {
    fold: F,
    src: &'a [T],
    start: usize,
    reduced: &'a Coalesced<1>,
    rows: Range<usize>,
    dst: &'a mut [F::Out],
}

impl<T: Pod, F: Monoid<T>> Kernel for Block<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { fold, src, start, reduced, rows, dst } = self;
        let mut cascade = Cascade::new();
        let join = |left: [F::Out; WIDTH], right: [F::Out; WIDTH]| {
            let mut joined = left;
            for (l, r) in joined.iter_mut().zip(right) {
                *l = fold.join(*l, r);
            }
            joined
        };
        let mut starts = Starts::new(reduced, start, rows.start);
        for leaf in rows.clone().step_by(LEAF) {
            let mut sums = [fold.identity(); WIDTH];
            let height = LEAF.min(rows.end - leaf);
            if dst.len() == WIDTH {
                // An array of their own: one that is also indexed by a variable would not stay in registers.
                let mut whole = [fold.identity(); WIDTH];
                for _ in 0..height {
                    let at = starts.next();
                    let row = src[at..at + WIDTH].as_chunks::<WIDTH>().0;
                    for (sum, &x) in whole.iter_mut().zip(&row[0]) {
                        *sum = fold.step(*sum, x);
                    }
                }
                sums = whole;
            } else {
                for _ in 0..height {
                    let at = starts.next();
                    for (sum, &x) in sums.iter_mut().zip(&src[at..at + dst.len()]) {
                        *sum = fold.step(*sum, x);
                    }
                }
            }
            cascade.push(sums, join);
        }
        let sums = cascade.finish(join).unwrap_or([fold.identity(); WIDTH]);
        dst.copy_from_slice(&sums[..dst.len()]);
    }
}

/// Where each reduced row starts, from some row on.
struct Starts<'a> {
    walk: crate::layout::Walk<'a, 1>,
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
