//! The largest or smallest few of each line: a bound from the extremes of lanes, and what passes it.

use super::key::{Item, key};
use super::{MAX_LINE, narrow, over_lines};
use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};

/// Estimated cost of an element, in nanoseconds.
const SELECT_COST: usize = 1;
/// Lanes of the first pass of a selection.
const LANES: usize = 64;
/// The most that are selected by a bound from the lanes' extremes.
const FEW: usize = 32;
/// Candidates above which the worst are dropped.
const MANY: usize = 1024;

/// The `k` largest (or smallest) elements of each line of `n`, in order, and their positions in the line; of equals the
/// first. NaN counts as the largest.
///
/// # Panics
/// If the lengths do not fit, `k` exceeds `n`, or a line is longer than [`MAX_LINE`].
pub fn topk<T: Element>(src: &[T], n: usize, k: usize, largest: bool, values: &mut [T], positions: &mut [i64]) {
    if size_of::<T>() > 4 {
        topk_as::<T, u128>(src, n, k, largest, values, positions);
    } else {
        topk_as::<T, u64>(src, n, k, largest, values, positions);
    }
}

fn topk_as<T: Element, I: Item>(src: &[T], n: usize, k: usize, largest: bool, values: &mut [T], positions: &mut [i64]) {
    assert_eq!(values.len(), positions.len(), "lengths differ");
    if values.is_empty() {
        return;
    }
    assert!(src.len().is_multiple_of(n) && k <= n && n <= MAX_LINE, "lengths do not match the shapes");
    let lines = src.len() / n;
    assert_eq!(values.len(), lines * k, "lengths do not match the shapes");
    over_lines(lines, n, k, SELECT_COST, values, positions, |number, values, positions| {
        let src = &src[number * n..][..n];
        let few = k <= FEW && n >= 16 * LANES;
        let found = few.then(|| dispatch(Select::<T, I> { src, k, largest, items: std::marker::PhantomData }));
        // Too few where only NaN are left to choose from.
        let mut items = found.filter(|found| found.len() >= k).unwrap_or_else(|| {
            let packed = src.iter().zip(0..).map(|(&x, position)| I::new(key(x, largest), position));
            packed.collect()
        });
        keep(&mut items, k);
        for ((value, at), item) in values.iter_mut().zip(positions).zip(items) {
            *value = src[item.position() as usize];
            *at = i64::from(item.position());
        }
    });
}

/// Leaves the lowest `k`, in order.
fn keep<I: Item>(items: &mut Vec<I>, k: usize) {
    if k < items.len() {
        items.select_nth_unstable(k);
        items.truncate(k);
    }
    items.sort_unstable();
}

/// Candidates for the first `k` of a line, or fewer than `k` where NaN would be among them.
///
/// The extremes of the lanes bound what can be among the first: the `k`-th of them is such a one, and few elements pass
/// it.
struct Select<'a, T, I> {
    src: &'a [T],
    k: usize,
    largest: bool,
    items: std::marker::PhantomData<I>,
}

impl<T: Element, I: Item> Kernel for Select<'_, T, I> {
    type Output = Vec<I>;
    #[inline(always)]
    fn run<S: Simd>(self) -> Vec<I> {
        if self.largest { self.select::<true>() } else { self.select::<false>() }
    }
}

impl<T: Element, I: Item> Select<'_, T, I> {
    #[inline(always)]
    fn select<const LARGEST: bool>(self) -> Vec<I> {
        let Self { src, k, .. } = self;
        let (blocks, rest) = src.as_chunks::<LANES>();
        // A lane passes over NaN, and over what it begins with only for something better.
        let mut best = [if LARGEST { T::LOWEST } else { T::HIGHEST }; LANES];
        for block in blocks {
            best = std::array::from_fn(|i| {
                let better = if LARGEST { block[i] > best[i] } else { block[i] < best[i] };
                if better { block[i] } else { best[i] }
            });
        }
        let mut keys = best.map(|x| key(x, LARGEST));
        let (_, &mut edge_key, _) = keys.select_nth_unstable(k - 1);
        let edge = best.into_iter().find(|&x| key(x, LARGEST) == edge_key).unwrap_or(best[0]);
        let mut bound = I::new(edge_key, u32::MAX);
        let passes = |x: T| !(if LARGEST { x < edge } else { x > edge });
        let mut found = Vec::with_capacity(MANY + LANES);
        let mut take = |elements: &[T], first: usize| {
            for (&x, position) in elements.iter().zip(narrow(first)..) {
                if passes(x) {
                    let item = I::new(key(x, LARGEST), position);
                    if item <= bound {
                        found.push(item);
                    }
                }
            }
            if found.len() > MANY {
                keep(&mut found, k);
                bound = found[k - 1];
            }
        };
        for (number, block) in blocks.iter().enumerate() {
            if block.iter().fold(false, |any, &x| any | passes(x)) {
                take(block, number * LANES);
            }
        }
        take(rest, src.len() - rest.len());
        found
    }
}
