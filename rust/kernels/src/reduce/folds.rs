//! What each reduction does with a leaf of elements, and how two results become one.

use super::rows::{LEAF, LONG_LEAF};
use crate::element::{Element, Float};
use crate::isa::Simd;
use crate::memory::Pod;
use crate::stored::Stored;
use std::mem::MaybeUninit;

/// A reduction as [`super::rows`] sees it.
pub(super) trait Fold<T>: Copy + Sync {
    /// Result of a part.
    type Part: Copy + Send + Sync;
    /// Final result.
    type Out: Pod;
    /// Estimated cost of 1024 elements, in nanoseconds.
    const COST: usize;
    /// Elements of a leaf that lies where it is, at most.
    const LEAF: usize = LEAF;
    /// Result of no elements.
    fn empty(self) -> Self::Part;
    /// Result of `elements`, at least one; the first is number `first` of its output.
    fn leaf<S: Simd>(self, elements: &[T], first: usize) -> Self::Part;
    /// Result of two parts, `left` before `right`.
    fn combine<S: Simd>(self, left: Self::Part, right: Self::Part) -> Self::Part;
    /// The output.
    fn finish<S: Simd>(self, part: Self::Part) -> Self::Out;
}

/// A reduction that takes elements one by one and in any grouping.
pub(super) trait Monoid<T>: Copy + Sync {
    /// Result, of a part as of the whole.
    type Out: Pod;
    /// Elements of a leaf that lies where it is, at most.
    const LEAF: usize;
    /// Result of no elements.
    fn identity(self) -> Self::Out;
    /// `sum` and one more element.
    fn step(self, sum: Self::Out, element: T) -> Self::Out;
    /// Result of two parts.
    fn join(self, left: Self::Out, right: Self::Out) -> Self::Out;
}

/// Independent accumulators of a leaf: four vectors of 16 lanes hide the latency of an addition.
pub(super) const LANES: usize = 64;

/// One more element for each of several results, made anew: where a result may stay as it is, the compiler would
/// otherwise update it by a masked store, which the next load has to wait for.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "iterators over arrays keep them in memory: 41 us become 175")]
pub(super) fn step_each<T: Pod, F: Monoid<T>, const N: usize>(
    fold: F,
    sums: [F::Out; N],
    elements: &[T; N],
) -> [F::Out; N] {
    let mut next = sums;
    // Not `array::from_fn`, whose closure the instruction set's features do not reach: 41 us become 138.
    for i in 0..N {
        next[i] = fold.step(sums[i], elements[i]);
    }
    next
}

/// The results of two parts, several side by side.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "as above")]
pub(super) fn join_each<T, F: Monoid<T>, const N: usize>(
    fold: F,
    left: [F::Out; N],
    right: [F::Out; N],
) -> [F::Out; N] {
    let mut joined = left;
    for i in 0..N {
        joined[i] = fold.join(left[i], right[i]);
    }
    joined
}

/// Joins the upper half of the lanes to the lower, in an array of its own: in one that shrinks in place, the compiler
/// does not see vectors.
#[inline(always)]
fn halve<T, F: Monoid<T>, const N: usize, const HALF: usize>(fold: F, lanes: [F::Out; N]) -> [F::Out; HALF] {
    std::array::from_fn(|i| fold.join(lanes[i], lanes[i + HALF]))
}

/// Folds a leaf by lanes, then the lanes as a tree.
#[inline(always)]
fn by_lanes<T: Pod, F: Monoid<T>>(fold: F, elements: &[T]) -> F::Out {
    if elements.len() < 16 {
        return elements.iter().fold(fold.identity(), |sum, &x| fold.step(sum, x));
    }
    if elements.len() < LANES {
        return join_vector::<T, F>(fold, lanes_of::<T, F, 16>(fold, elements));
    }
    join_lanes::<T, F>(fold, lanes_of(fold, elements))
}

/// Elements of `N` lanes.
#[inline(always)]
fn lanes_of<T: Pod, F: Monoid<T>, const N: usize>(fold: F, elements: &[T]) -> [F::Out; N] {
    let mut sums = [fold.identity(); N];
    let (blocks, rest) = elements.as_chunks::<N>();
    for block in blocks {
        sums = step_each(fold, sums, block);
    }
    if !rest.is_empty() {
        // An array of their own: one that is also indexed by a variable would not stay in registers.
        let mut last = [fold.identity(); N];
        for (sum, &x) in last.iter_mut().zip(rest) {
            *sum = fold.step(*sum, x);
        }
        sums = std::array::from_fn(|lane| fold.join(sums[lane], last[lane]));
    }
    sums
}

/// The lanes as a tree.
#[inline(always)]
pub(super) fn join_lanes<T, F: Monoid<T>>(fold: F, lanes: [F::Out; LANES]) -> F::Out {
    let lanes: [F::Out; 32] = halve::<T, F, LANES, 32>(fold, lanes);
    join_vector::<T, F>(fold, halve::<T, F, 32, 16>(fold, lanes))
}

/// Sixteen lanes as a tree.
#[inline(always)]
fn join_vector<T, F: Monoid<T>>(fold: F, lanes: [F::Out; 16]) -> F::Out {
    let lanes: [F::Out; 8] = halve::<T, F, 16, 8>(fold, lanes);
    let lanes: [F::Out; 4] = halve::<T, F, 8, 4>(fold, lanes);
    let [first, second] = halve::<T, F, 4, 2>(fold, lanes);
    fold.join(first, second)
}

/// A monoid as a fold.
#[derive(Clone, Copy)]
pub(super) struct ByLanes<F>(pub F);
impl<T: Pod, F: Monoid<T>> Fold<T> for ByLanes<F> {
    type Part = F::Out;
    type Out = F::Out;
    const COST: usize = 80;
    const LEAF: usize = F::LEAF;
    #[inline(always)]
    fn empty(self) -> F::Out {
        self.0.identity()
    }
    #[inline(always)]
    fn leaf<S: Simd>(self, elements: &[T], _first: usize) -> F::Out {
        by_lanes(self.0, elements)
    }
    #[inline(always)]
    fn combine<S: Simd>(self, left: F::Out, right: F::Out) -> F::Out {
        self.0.join(left, right)
    }
    #[inline(always)]
    fn finish<S: Simd>(self, part: F::Out) -> F::Out {
        part
    }
}

/// The sum of what is stored narrower than it is added, by a conversion that takes more than a few instructions: a leaf is
/// converted before.
#[derive(Clone, Copy)]
pub(super) struct Widened;
impl<K: Stored> Fold<K> for Widened {
    type Part = K::Value;
    type Out = K::Value;
    const COST: usize = 80;
    #[inline(always)]
    fn empty(self) -> K::Value {
        K::Value::ZERO
    }
    #[inline(always)]
    fn leaf<S: Simd>(self, elements: &[K], first: usize) -> K::Value {
        if elements.len() < LANES {
            return ByLanes(Sum).leaf::<S>(elements, first);
        }
        let mut room = [MaybeUninit::uninit(); LEAF];
        by_lanes(Sum, K::load_slice(elements, &mut room[..elements.len()]))
    }
    #[inline(always)]
    fn combine<S: Simd>(self, left: K::Value, right: K::Value) -> K::Value {
        left.wrapping_add(right)
    }
    #[inline(always)]
    fn finish<S: Simd>(self, part: K::Value) -> K::Value {
        part
    }
}

/// What joins two parts: what takes a further element in, unless something else is given.
macro_rules! join {
    ($step:expr) => {
        $step
    };
    ($_step:expr, $join:expr) => {
        $join
    };
}

macro_rules! monoid {
    ($Name:ident, $leaf:expr, $identity:expr, |$x:ident, $y:ident| $step:expr $(, join $join:expr)?) => {
        #[derive(Clone, Copy)]
        pub(super) struct $Name;
        impl<T: Element> Monoid<T> for $Name {
            type Out = T;
            const LEAF: usize = $leaf;
            #[inline(always)]
            fn identity(self) -> T {
                $identity
            }
            #[inline(always)]
            fn step(self, $x: T, $y: T) -> T {
                $step
            }
            #[inline(always)]
            fn join(self, $x: T, $y: T) -> T {
                join!($step $(, $join)?)
            }
        }
    };
}
// However products of floats are grouped, they are as exact; but each leaf may end in subnormal numbers, which take a
// hundred cycles a product.
monoid!(Product, if T::IS_FLOAT { 4 * LEAF } else { LONG_LEAF }, T::ONE, |x, y| x.wrapping_mul(y));
monoid!(Max, LONG_LEAF, T::LOWEST, |x, y| more_extreme::<T, true>(x, y), join if beats::<T, true>(y, x) { y } else { x });
monoid!(Min, LONG_LEAF, T::HIGHEST, |x, y| more_extreme::<T, false>(x, y), join if beats::<T, false>(y, x) { y } else { x });

/// The larger (or smaller) number, `x` of equal ones; NaN if either is. In this form `x`, for which the next element waits,
/// goes through one instruction of its kind and a blend.
#[inline(always)]
fn more_extreme<T: Element, const LARGEST: bool>(x: T, y: T) -> T {
    let number = if (LARGEST && y > x) || (!LARGEST && y < x) { y } else { x };
    if y.is_nan() { y } else { number }
}

/// Whether `y` is larger (or smaller) than `x`; NaN is more extreme than any number.
#[inline(always)]
pub(super) fn beats<T: Element, const LARGEST: bool>(y: T, x: T) -> bool {
    let no_better = if LARGEST { y <= x } else { y >= x };
    !no_better & !x.is_nan()
}

/// Sum, in the type that the elements are computed in.
#[derive(Clone, Copy)]
pub(super) struct Sum;
impl<K: Stored> Monoid<K> for Sum {
    type Out = K::Value;
    const LEAF: usize = if K::Value::IS_FLOAT { LEAF } else { LONG_LEAF };
    #[inline(always)]
    fn identity(self) -> K::Value {
        K::Value::ZERO
    }
    #[inline(always)]
    fn step(self, sum: K::Value, element: K) -> K::Value {
        sum.wrapping_add(element.load())
    }
    #[inline(always)]
    fn join(self, left: K::Value, right: K::Value) -> K::Value {
        left.wrapping_add(right)
    }
}

/// Sum of what is not NaN.
#[derive(Clone, Copy)]
pub(super) struct NanSum;
impl<T: Float> Monoid<T> for NanSum {
    type Out = T;
    const LEAF: usize = LEAF;
    #[inline(always)]
    fn identity(self) -> T {
        T::ZERO
    }
    #[inline(always)]
    fn step(self, sum: T, element: T) -> T {
        sum + if element.is_nan() { T::ZERO } else { element }
    }
    #[inline(always)]
    fn join(self, left: T, right: T) -> T {
        left + right
    }
}

/// Sum in int64.
#[derive(Clone, Copy)]
pub(super) struct WideSum;
impl<K: Stored> Monoid<K> for WideSum {
    type Out = i64;
    const LEAF: usize = LONG_LEAF;
    #[inline(always)]
    fn identity(self) -> i64 {
        0
    }
    #[inline(always)]
    fn step(self, sum: i64, element: K) -> i64 {
        sum.wrapping_add(element.load().to_i64())
    }
    #[inline(always)]
    fn join(self, left: i64, right: i64) -> i64 {
        left.wrapping_add(right)
    }
}

/// Whether all (`ALL`) or any of the elements differ from 0.
#[derive(Clone, Copy)]
pub(super) struct Truth<const ALL: bool>;
impl<T: Element, const ALL: bool> Monoid<T> for Truth<ALL> {
    type Out = u8;
    const LEAF: usize = LONG_LEAF;
    #[inline(always)]
    fn identity(self) -> u8 {
        u8::from(ALL)
    }
    #[inline(always)]
    fn step(self, sum: u8, element: T) -> u8 {
        let is_true = u8::from(element != T::ZERO);
        if ALL { sum & is_true } else { sum | is_true }
    }
    #[inline(always)]
    fn join(self, left: u8, right: u8) -> u8 {
        if ALL { left & right } else { left | right }
    }
}

/// Largest element and the sum of `exp(x - largest)`.
#[derive(Clone, Copy)]
pub(super) struct LogSumExp;

/// What is subtracted before `exp`: the largest element, unless it is infinite or NaN.
#[inline(always)]
pub(super) fn shift<T: Float>(largest: T) -> T {
    if largest.is_finite() { largest } else { T::ZERO }
}

impl<T: Float> Fold<T> for LogSumExp {
    type Part = (T, T);
    type Out = T;
    const COST: usize = 700;
    #[inline(always)]
    fn empty(self) -> (T, T) {
        (T::LOWEST, T::ZERO)
    }
    #[inline(always)]
    fn leaf<S: Simd>(self, elements: &[T], _first: usize) -> (T, T) {
        let largest = by_lanes(Max, elements);
        let shift = shift(largest);
        let mut lanes = [T::ZERO; 16];
        let (blocks, rest) = elements.as_chunks::<16>();
        for block in blocks {
            for (lane, &x) in lanes.iter_mut().zip(block) {
                *lane += (x - shift).exp::<S>();
            }
        }
        if !rest.is_empty() {
            // A whole vector, in which minus infinity counts nothing.
            let mut last = [T::LOWEST; 16];
            last[..rest.len()].copy_from_slice(rest);
            for (lane, x) in lanes.iter_mut().zip(last) {
                *lane += (x - shift).exp::<S>();
            }
        }
        (largest, by_lanes(Sum, &lanes))
    }
    #[inline(always)]
    fn combine<S: Simd>(self, left: (T, T), right: (T, T)) -> (T, T) {
        let largest = left.0.maximum(right.0);
        let scaled = |part: (T, T)| part.1 * (shift(part.0) - shift(largest)).exp::<S>();
        // A part of minus infinities has the sum 0 and no say in the scale.
        let scaled = |part: (T, T)| if part.1 == T::ZERO { T::ZERO } else { scaled(part) };
        (largest, scaled(left) + scaled(right))
    }
    #[inline(always)]
    fn finish<S: Simd>(self, part: (T, T)) -> T {
        shift(part.0) + part.1.log::<S>()
    }
}
