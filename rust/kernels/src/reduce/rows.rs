//! Each output on its own: its elements leaf by leaf, where they lie or gathered.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::folds::Fold;
use super::{Cascade, Split};
use crate::copy::{copy, gather, is_scattered, row_offset};
use crate::isa::{Kernel, Simd, dispatch};
use crate::layout::{Coalesced, Order, Strided, coalesce};
use crate::memory::{Buffer, Pod};
use crate::parallel::{Disjoint, for_each};

/// Elements of a leaf, at most: of one that is gathered, and of most others.
pub(super) const LEAF: usize = 1024;
/// The same, where the grouping does not matter.
pub(super) const LONG_LEAF: usize = 16 * LEAF;
/// Inner loops at least this long are leaves where they lie; shorter ones are gathered.
const LONG_ROW: usize = 128;
/// Leaves of [`LEAF`] elements a task, where one output has many: a power of two, so that tasks are whole subtrees.
const LEAVES: usize = 32;
/// Outputs whose parts wait together to be finished.
const BLOCK: usize = 128;

/// Folds the elements of each output.
pub(super) fn reduce_rows<T: Pod, F: Fold<T>>(fold: F, src: &[T], split: Split, dst: &mut [F::Out]) {
    let outputs = dst.len();
    let count = split.count();
    if outputs == 1 && split.is_short_slice() && count > 0 {
        let elements = &src[split.offset..split.offset + count];
        return dst.fill(dispatch(Slice { fold, elements }));
    }
    let rows = Rows::new(fold, src, split);
    if outputs > 1 && count > 1 && is_scattered(&rows.reduced) {
        return with_copy(src, split, |copy, split| reduce_rows(fold, copy, split, dst));
    }
    let cost = (count.saturating_mul(outputs) / 1024).saturating_mul(F::COST) + outputs * 20;
    let leaves = if rows.in_place { LEAVES * LEAF / F::LEAF } else { LEAVES };
    if rows.leaves >= 2 * leaves {
        // Long outputs: each is cut into tasks.
        let tasks = rows.leaves.div_ceil(leaves);
        let mut parts = vec![fold.empty(); outputs * tasks];
        let shared = Disjoint::new(&mut parts);
        for_each(outputs * tasks, cost, |task| {
            let first = task % tasks * leaves;
            let leaves = first..rows.leaves.min(first + leaves);
            // SAFETY: each task has a part of its own.
            let dst = unsafe { shared.slice(task..task + 1) };
            dispatch(Parts { rows: &rows, first: task / tasks, leaves, dst });
        });
        return dispatch(Join { fold, parts: &parts, tasks, dst });
    }
    let grain = (LEAVES * LEAF / count.max(1)).clamp(1, LEAVES * LEAF);
    let shared = Disjoint::new(dst);
    for_each(outputs.div_ceil(grain), cost, |task| {
        let outputs = task * grain..((task + 1) * grain).min(outputs);
        // SAFETY: the tasks' outputs are disjoint.
        let dst = unsafe { shared.slice(outputs.clone()) };
        let mut parts = [fold.empty(); BLOCK];
        for (first, dst) in outputs.step_by(BLOCK).zip(dst.chunks_mut(BLOCK)) {
            let parts = &mut parts[..dst.len()];
            dispatch(Parts { rows: &rows, first, leaves: 0..rows.leaves, dst: &mut *parts });
            dispatch(Finish { fold, parts, dst });
        }
    });
}

/// Runs `reduce` on a copy, in which each output's elements lie together.
pub(super) fn with_copy<T: Pod>(src: &[T], split: Split, reduce: impl FnOnce(&[T], Split)) {
    let shape = [split.kept, split.reduced].concat();
    let strides = [split.kept_strides, split.reduced_strides].concat();
    let (outputs, count) = (split.outputs(), split.count());
    let mut copied = Buffer::uninit(outputs * count * size_of::<T>());
    copy(src, Strided { shape: &shape, strides: &strides, offset: split.offset }, copied.as_mut_slice());
    let kept_strides = [count.cast_signed()];
    let kept = [outputs];
    let split = Split { kept: &kept, kept_strides: &kept_strides, reduced: &[count], reduced_strides: &[1], offset: 0 };
    reduce(copied.as_slice(), split);
}

/// All elements of one output.
struct Slice<'a, T, F> {
    fold: F,
    elements: &'a [T],
}

impl<T: Pod, F: Fold<T>> Kernel for Slice<'_, T, F> {
    type Output = F::Out;
    #[inline(always)]
    fn run<S: Simd>(self) -> F::Out {
        self.fold.finish::<S>(self.fold.leaf::<S>(self.elements, 0))
    }
}

struct Rows<'a, T, F> {
    fold: F,
    src: &'a [T],
    offset: usize,
    kept: Coalesced<1>,
    reduced: Coalesced<1>,
    count: usize,
    /// Whether leaves are pieces of inner loops, or run over them.
    in_place: bool,
    /// Leaves of each output.
    leaves: usize,
}

impl<'a, T: Pod, F: Fold<T>> Rows<'a, T, F> {
    fn new(fold: F, src: &'a [T], split: Split) -> Self {
        let kept = coalesce(split.kept, [split.kept_strides], Order::Index);
        let reduced = coalesce(split.reduced, [split.reduced_strides], Order::Index);
        let (inner, rows, count) = (reduced.inner(), reduced.rows(), split.count());
        let in_place = reduced.inner_strides() == [1] && (inner >= LONG_ROW || rows == 1);
        let leaves = if in_place { rows * inner.div_ceil(F::LEAF) } else { count.div_ceil(LEAF) };
        Self { fold, src, offset: split.offset, kept, reduced, count, in_place, leaves }
    }

    /// Position of the first element of output `output`.
    #[inline(always)]
    fn start(&self, output: usize) -> usize {
        let [step] = self.kept.inner_strides();
        // Short rows notice a division.
        if self.kept.rows() == 1 {
            return self.offset.wrapping_add_signed(output.cast_signed() * step);
        }
        let (row, column) = (output / self.kept.inner(), output % self.kept.inner());
        self.offset.wrapping_add_signed(row_offset(&self.kept, row) + column.cast_signed() * step)
    }

    /// Result of leaf number `leaf` of the output that starts at `start`.
    #[inline(always)]
    fn leaf<S: Simd>(&self, start: usize, leaf: usize, scratch: &mut [MaybeUninit<T>; LEAF]) -> F::Part {
        let first;
        let elements = if self.in_place {
            let inner = self.reduced.inner();
            let pieces = inner.div_ceil(F::LEAF);
            let (row, column) = if leaf == 0 { (0, 0) } else { (leaf / pieces, leaf % pieces * F::LEAF) };
            let offset = if row == 0 { 0 } else { row_offset(&self.reduced, row) };
            let at = start.wrapping_add_signed(offset) + column;
            first = row * inner + column;
            &self.src[at..at + F::LEAF.min(inner - column)]
        } else {
            first = leaf * LEAF;
            gather(self.src, start, &self.reduced, first, &mut scratch[..LEAF.min(self.count - first)])
        };
        self.fold.leaf::<S>(elements, first)
    }

    /// Result of several leaves.
    #[inline(always)]
    fn part<S: Simd>(&self, output: usize, leaves: Range<usize>, scratch: &mut [MaybeUninit<T>; LEAF]) -> F::Part {
        let start = self.start(output);
        let only = leaves.len() == 1;
        // Made when a second leaf needs it; the call of `leaf` stands once because it inlines to much code.
        let mut cascade = None;
        for leaf in leaves {
            let part = self.leaf::<S>(start, leaf, scratch);
            if only {
                return part;
            }
            let cascade = cascade.get_or_insert_with(Cascade::new);
            cascade.push(part, |left, right| self.fold.combine::<S>(left, right));
        }
        let root = cascade.and_then(|cascade| cascade.finish(|left, right| self.fold.combine::<S>(left, right)));
        root.unwrap_or(self.fold.empty())
    }
}

/// The same leaves of several outputs, from number `first` on.
struct Parts<'a, T, F: Fold<T>> {
    rows: &'a Rows<'a, T, F>,
    first: usize,
    leaves: Range<usize>,
    dst: &'a mut [F::Part],
}

impl<T: Pod, F: Fold<T>> Kernel for Parts<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { rows, first, leaves, dst } = self;
        let mut scratch = [MaybeUninit::uninit(); LEAF];
        for (part, output) in dst.iter_mut().zip(first..) {
            *part = rows.part::<S>(output, leaves.clone(), &mut scratch);
        }
    }
}

/// Outputs of whole parts.
struct Finish<'a, T, F: Fold<T>> {
    fold: F,
    parts: &'a [F::Part],
    dst: &'a mut [F::Out],
}

impl<T: Pod, F: Fold<T>> Kernel for Finish<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (d, &part) in self.dst.iter_mut().zip(self.parts) {
            *d = self.fold.finish::<S>(part);
        }
    }
}

/// The tasks' parts of each output.
struct Join<'a, T, F: Fold<T>> {
    fold: F,
    parts: &'a [F::Part],
    tasks: usize,
    dst: &'a mut [F::Out],
}

impl<T: Pod, F: Fold<T>> Kernel for Join<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (d, parts) in self.dst.iter_mut().zip(self.parts.chunks(self.tasks)) {
            let mut cascade = Cascade::new();
            for &part in parts {
                cascade.push(part, |left, right| self.fold.combine::<S>(left, right));
            }
            let whole = cascade.finish(|left, right| self.fold.combine::<S>(left, right));
            *d = self.fold.finish::<S>(whole.unwrap_or(self.fold.empty()));
        }
    }
}
