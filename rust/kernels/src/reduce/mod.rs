//! Reductions over any set of dimensions.
//!
//! A window is given as its kept and its reduced dimensions; the output is contiguous in the order of the kept ones.
//! The reduced elements, in row-major order, form leaves of a size that depends on the shape alone. A leaf is folded
//! by many independent lanes, leaves combine as a binary tree: sums are as accurate as pairwise summation, and neither
//! threads nor the ISA change a bit. [`rows`] folds each output's elements on their own; [`columns`] folds many
//! neighbouring outputs side by side, where memory runs along the outputs.

mod arg;
mod columns;
mod folds;
mod rows;
mod squares;

use crate::element::{Element, Float};
use crate::layout::{Coalesced, MAX_RANK, Order, Strided, coalesce};
use crate::memory::Pod;
use crate::softmax;
use crate::stored::Stored;

use arg::{Arg, arg_columns, arg_planes};
use columns::{are_planes, logsumexp_columns, reduce_columns};
use folds::{ByLanes, LogSumExp, Max, Min, Monoid, NanSum, Product, Sum, Truth, WideSum, Widened};
use rows::{reduce_rows, with_copy};
pub use squares::{deviation, length, variance};

/// A window of a slice, split into the dimensions that a reduction keeps and those that it removes.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// Extents of the kept dimensions.
    pub kept: &'a [usize],
    /// Strides of the kept dimensions.
    pub kept_strides: &'a [isize],
    /// Extents of the reduced dimensions.
    pub reduced: &'a [usize],
    /// Strides of the reduced dimensions.
    pub reduced_strides: &'a [isize],
    /// Position of the element at index zero.
    pub offset: usize,
}

impl Split<'_> {
    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.kept.iter().product()
    }

    /// Number of elements that each output reduces.
    #[must_use]
    pub fn count(&self) -> usize {
        self.reduced.iter().product()
    }

    /// Whether the elements of an output are few and contiguous.
    fn is_short_slice(&self) -> bool {
        let elements = Strided { shape: self.reduced, strides: self.reduced_strides, offset: 0 };
        self.count() <= rows::LEAF && elements.is_contiguous()
    }

    fn check(&self, src: usize, dst: usize, may_be_empty: bool) {
        assert_eq!(self.outputs(), dst, "kept dimensions and output differ in size");
        assert!(may_be_empty || self.count() > 0 || dst == 0, "nothing to reduce");
        assert!(self.kept.len() + self.reduced.len() <= MAX_RANK, "at most {MAX_RANK} dimensions are supported");
        if dst == 0 || self.count() == 0 {
            return;
        }
        let kept = self.kept.iter().zip(self.kept_strides);
        let (mut low, mut high) = (self.offset.cast_signed(), self.offset.cast_signed());
        for (&extent, &stride) in kept.chain(self.reduced.iter().zip(self.reduced_strides)) {
            let reach = (extent.cast_signed() - 1).checked_mul(stride).expect("window beyond the address space");
            let bound = if reach < 0 { &mut low } else { &mut high };
            *bound = bound.checked_add(reach).expect("window beyond the address space");
        }
        assert!(low >= 0 && high < src.cast_signed(), "window {low}..={high} outside a slice of {src}");
    }
}

/// Which element of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The largest; NaN if there is one.
    Max,
    /// The smallest; NaN if there is one.
    Min,
}

/// `dst[k]` is the extreme element of output `k`.
///
/// # Panics
/// If the window leaves `src`, the outputs differ from `dst` in number, or there is no element.
pub fn extreme<T: Element>(which: Extreme, src: &[T], split: Split, dst: &mut [T]) {
    split.check(src.len(), dst.len(), false);
    match which {
        Extreme::Max => fold_monoid(Max, src, split, dst),
        Extreme::Min => fold_monoid(Min, src, split, dst),
    }
}

/// Product; integers wrap. 1 of nothing.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn product<T: Element>(src: &[T], split: Split, dst: &mut [T]) {
    split.check(src.len(), dst.len(), true);
    fold_monoid(Product, src, split, dst);
}

/// Sum, rounded to nothing narrower than the sums of its parts: of 16-bit floats in float32. 0 of nothing.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn sum<K: Stored<Value: Float>>(src: &[K], split: Split, dst: &mut [K::Value]) {
    split.check(src.len(), dst.len(), true);
    match along_outputs(split, dst.len()) {
        Some((kept, reduced)) => reduce_columns(Sum, src, split.offset, &kept, &reduced, dst),
        None if const { K::NARROW && !K::SIMPLE } => reduce_rows(Widened, src, split, dst),
        None => reduce_rows(ByLanes(Sum), src, split, dst),
    }
}

/// Sum of what is not NaN; 0 of nothing.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn nansum<T: Float>(src: &[T], split: Split, dst: &mut [T]) {
    split.check(src.len(), dst.len(), true);
    fold_monoid(NanSum, src, split, dst);
}

/// Sum as int64: of integers without narrow overflow, of bools the number of true ones.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn sum_i64<K: Stored>(src: &[K], split: Split, dst: &mut [i64]) {
    split.check(src.len(), dst.len(), true);
    fold_monoid(WideSum, src, split, dst);
}

/// Mean, of 16-bit floats in float32; NaN of nothing.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn mean<K: Stored<Value: Float>>(src: &[K], split: Split, dst: &mut [K::Value]) {
    sum(src, split, dst);
    let count = K::Value::cast_from(split.count().cast_signed() as i64);
    for sum in dst {
        *sum = *sum / count;
    }
}

/// Whether any element (`all` false) or all elements (`all` true) differ from 0.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn truth<T: Element>(all: bool, src: &[T], split: Split, dst: &mut [u8]) {
    split.check(src.len(), dst.len(), true);
    if all {
        fold_monoid(Truth::<true>, src, split, dst);
    } else {
        fold_monoid(Truth::<false>, src, split, dst);
    }
}

/// Position, in row-major order of the reduced dimensions, of the first largest element, or of the first NaN.
///
/// # Panics
/// If the window leaves `src`, the outputs differ from `dst` in number, or there is no element.
pub fn argmax<T: Element>(src: &[T], split: Split, dst: &mut [i64]) {
    split.check(src.len(), dst.len(), false);
    arg(Arg::<true>, src, split, dst);
}

/// Position of the first smallest element; otherwise as [`argmax`].
///
/// # Panics
/// As [`argmax`].
pub fn argmin<T: Element>(src: &[T], split: Split, dst: &mut [i64]) {
    split.check(src.len(), dst.len(), false);
    arg(Arg::<false>, src, split, dst);
}

/// `log(sum(exp(x)))` without overflow; minus infinity of nothing.
///
/// # Panics
/// If the window leaves `src` or the outputs differ from `dst` in number.
pub fn logsumexp<T: Float>(src: &[T], split: Split, dst: &mut [T]) {
    split.check(src.len(), dst.len(), true);
    if let Some((rows, count)) = short_rows(src, split, dst.len()) {
        return softmax::logsumexp(rows, count, dst);
    }
    match along_outputs(split, dst.len()) {
        Some((kept, reduced)) if kept.inner() >= MANY => {
            logsumexp_columns(src, split.offset, &kept, &reduced, dst);
        }
        // Of few elements in few columns a copy, in which they follow one another.
        Some(_) if split.count() <= rows::LEAF => {
            with_copy(src, split, |copy, _| softmax::logsumexp(copy, split.count(), dst));
        }
        _ => reduce_rows(LogSumExp, src, split, dst),
    }
}

/// Outputs side by side from which columns of exponentials are quicker than to gather each output's elements.
const MANY: usize = 16;

/// The elements of short outputs that follow one another without gaps, and how many each has.
fn short_rows<'a, T>(src: &'a [T], split: Split, outputs: usize) -> Option<(&'a [T], usize)> {
    let (kept, count) = (coalesce(split.kept, [split.kept_strides], Order::Index), split.count());
    let gapless = kept.rows() == 1 && kept.inner_strides() == [count.cast_signed()];
    let short = outputs > 1 && count > 0 && split.is_short_slice();
    (short && gapless).then(|| (&src[split.offset..split.offset + outputs * count], count))
}

/// Chooses the walk for a fold that can go either way.
fn fold_monoid<T: Pod, F: Monoid<T>>(fold: F, src: &[T], split: Split, dst: &mut [F::Out]) {
    match along_outputs(split, dst.len()) {
        Some((kept, reduced)) => reduce_columns(fold, src, split.offset, &kept, &reduced, dst),
        None => reduce_rows(ByLanes(fold), src, split, dst),
    }
}

/// Chooses the walk for positions.
fn arg<T: Element, const LARGEST: bool>(fold: Arg<LARGEST>, src: &[T], split: Split, dst: &mut [i64]) {
    match along_outputs(split, dst.len()) {
        Some((kept, reduced)) if are_planes(&kept, &reduced) => {
            arg_planes(fold, src, split.offset, &kept, &reduced, dst);
        }
        Some((kept, reduced)) if kept.inner() >= arg::WIDE => {
            arg_columns(fold, src, split.offset, &kept, &reduced, dst);
        }
        _ => reduce_rows(fold, src, split, dst),
    }
}

/// The loops over outputs and over each output's elements, if memory runs along the outputs.
fn along_outputs(split: Split, outputs: usize) -> Option<(Coalesced<1>, Coalesced<1>)> {
    if outputs == 1 && split.is_short_slice() {
        return None;
    }
    let kept = coalesce(split.kept, [split.kept_strides], Order::Index);
    let reduced = coalesce(split.reduced, [split.reduced_strides], Order::Index);
    // Both run along memory where windows overlap: the longer is walked.
    let is_beside = reduced.inner_strides() != [1] || reduced.inner() < kept.inner();
    let along = kept.inner_strides() == [1] && kept.inner() > 1 && is_beside;
    (along && reduced.inner() > 0).then_some((kept, reduced))
}

/// Folds leaves in order as a balanced binary tree: slot `d` of the stack holds a finished subtree of 2^d leaves.
struct Cascade<A> {
    stack: [Option<A>; 48],
    leaves: usize,
}

impl<A: Copy> Cascade<A> {
    #[inline(always)]
    fn new() -> Self {
        Self { stack: [None; 48], leaves: 0 }
    }

    #[inline(always)]
    fn push(&mut self, mut leaf: A, combine: impl Fn(A, A) -> A) {
        let mut depth = 0;
        while let Some(left) = self.stack[depth].take() {
            leaf = combine(left, leaf);
            depth += 1;
        }
        self.stack[depth] = Some(leaf);
        self.leaves += 1;
    }

    /// The root; `None` without leaves.
    #[inline(always)]
    fn finish(self, combine: impl Fn(A, A) -> A) -> Option<A> {
        let depths = usize::BITS - self.leaves.leading_zeros();
        let mut root = None;
        for left in self.stack.into_iter().take(depths as usize).flatten() {
            root = Some(root.map_or(left, |right| combine(left, right)));
        }
        root
    }
}
