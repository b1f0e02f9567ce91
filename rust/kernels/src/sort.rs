//! Sorting, and the largest or smallest few.
//!
//! A key is an unsigned integer whose order is that of the elements: NaN above all numbers, zeros of both signs equal.
//! Key and position travel as one integer, so that every order is total and stable. Short lines are sorted by
//! comparison, longer ones by radix, digit by digit from the lowest; one long line is sorted by all threads.

use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::memory::{Buffer, Pod};
use crate::parallel::{Disjoint, for_each};

/// Lines up to this long are sorted by comparison.
const SHORT: usize = 192;
/// Elements of a task of a long line.
const PIECE: usize = 1 << 16;
/// Elements of a task of short lines.
const GRAIN: usize = 1 << 13;
/// Estimated costs of an element, in nanoseconds.
const SORT_COST: usize = 20;
const SELECT_COST: usize = 1;

/// The longest line whose positions fit.
pub const MAX_LINE: usize = u32::MAX as usize;

/// The order's lowest key belongs to the smallest element, or to the largest where `descending`.
#[inline(always)]
fn key<T: Element>(x: T, descending: bool) -> u64 {
    let wide = size_of::<T>() > 4;
    let ascending = match (T::IS_FLOAT, wide) {
        // Adding zero makes zeros of both signs one.
        (true, false) => {
            let bits = if x.is_nan() { f32::NAN.to_bits() } else { (x.to_f32() + 0.0).to_bits() };
            u64::from(bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31))
        }
        (true, true) => {
            let bits = if x.is_nan() { f64::NAN.to_bits() } else { (x.to_f64() + 0.0).to_bits() };
            bits ^ ((bits.cast_signed() >> 63).cast_unsigned() | 1 << 63)
        }
        (false, _) => x.to_i64().wrapping_sub(T::LOWEST.to_i64()).cast_unsigned(),
    };
    let all = if wide { u64::MAX } else { u64::from(u32::MAX) };
    if descending { ascending ^ all } else { ascending }
}

/// A key and, below it, a position.
trait Item: Pod + Ord {
    /// Bits of the key.
    const BITS: u32;
    fn new(key: u64, position: u32) -> Self;
    fn position(self) -> u32;
    /// The lowest bits of the key without its last `skipped`.
    fn digit(self, skipped: u32) -> u32;
}

impl Item for u64 {
    const BITS: u32 = 32;
    #[inline(always)]
    fn new(key: u64, position: u32) -> Self {
        key << 32 | u64::from(position)
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    fn position(self) -> u32 {
        self as u32
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a digit")]
    fn digit(self, skipped: u32) -> u32 {
        (self >> (32 + skipped)) as u32
    }
}

impl Item for u128 {
    const BITS: u32 = 64;
    #[inline(always)]
    fn new(key: u64, position: u32) -> Self {
        Self::from(key) << 64 | Self::from(position)
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower part")]
    fn position(self) -> u32 {
        self as u32
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a digit")]
    fn digit(self, skipped: u32) -> u32 {
        (self >> (64 + skipped)) as u32
    }
}

/// Sorts each line of `n` elements, stably: values, and positions in the line. NaN counts as the largest.
///
/// # Panics
/// If the lengths differ or are no whole number of lines, or a line is longer than [`MAX_LINE`].
pub fn sort<T: Element>(src: &[T], n: usize, descending: bool, values: &mut [T], positions: &mut [i64]) {
    if size_of::<T>() > 4 {
        sort_as::<T, u128>(src, n, descending, values, positions);
    } else {
        sort_as::<T, u64>(src, n, descending, values, positions);
    }
}

fn sort_as<T: Element, I: Item>(src: &[T], n: usize, descending: bool, values: &mut [T], positions: &mut [i64]) {
    assert!(src.len() == values.len() && src.len() == positions.len(), "lengths differ");
    if src.is_empty() {
        return;
    }
    assert!(src.len().is_multiple_of(n) && n <= MAX_LINE, "lengths do not match the shapes");
    let lines = src.len() / n;
    let line = |src: &[T], values: &mut [T], positions: &mut [i64]| {
        let mut items = Buffer::uninit(2 * n * size_of::<I>());
        let (items, other) = items.as_mut_slice::<I>().split_at_mut(n);
        pack(src, descending, items);
        let sorted = if n <= SHORT {
            items.sort_unstable();
            items
        } else {
            radix::<I, 256>(items, other)
        };
        unpack(src, sorted, values, positions);
    };
    if n >= PIECE {
        let outputs = values.chunks_mut(n).zip(positions.chunks_mut(n));
        return src.chunks(n).zip(outputs).for_each(|(src, (values, positions))| line(src, values, positions));
    }
    over_lines(lines, n, n, SORT_COST, values, positions, |number, values, positions| {
        line(&src[number * n..][..n], values, positions);
    });
}

/// Runs `body` for every line, with its `k` outputs.
fn over_lines<T: Element>(
    lines: usize,
    n: usize,
    k: usize,
    cost: usize,
    values: &mut [T],
    positions: &mut [i64],
    body: impl Fn(usize, &mut [T], &mut [i64]) + Sync,
) {
    let (values, positions) = (Disjoint::new(values), Disjoint::new(positions));
    let grain = (GRAIN / n).max(1);
    for_each(lines.div_ceil(grain), lines.saturating_mul(n) * cost, |task| {
        for line in task * grain..lines.min((task + 1) * grain) {
            let range = line * k..(line + 1) * k;
            // SAFETY: each line has outputs of its own.
            let (values, positions) = unsafe { (values.slice(range.clone()), positions.slice(range)) };
            body(line, values, positions);
        }
    });
}

/// The pieces of a line and what to do in each: `body(number, range)`.
fn over_pieces(n: usize, cost: usize, body: impl Fn(usize, std::ops::Range<usize>) + Sync) {
    for_each(n.div_ceil(PIECE), n * cost, |piece| body(piece, piece * PIECE..n.min((piece + 1) * PIECE)));
}

/// A position, known to fit.
#[expect(clippy::cast_possible_truncation, reason = "lines are checked at the door")]
fn narrow(position: usize) -> u32 {
    position as u32
}

fn pack<T: Element, I: Item>(src: &[T], descending: bool, items: &mut [I]) {
    let items = Disjoint::new(items);
    over_pieces(src.len(), 1, |_, range| {
        // SAFETY: the pieces are disjoint.
        let items = unsafe { items.slice(range.clone()) };
        dispatch(Pack { src: &src[range.clone()], first: narrow(range.start), descending, items });
    });
}

struct Pack<'a, T, I> {
    src: &'a [T],
    first: u32,
    descending: bool,
    items: &'a mut [I],
}

impl<T: Element, I: Item> Kernel for Pack<'_, T, I> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for ((item, &x), position) in self.items.iter_mut().zip(self.src).zip(self.first..) {
            *item = I::new(key(x, self.descending), position);
        }
    }
}

fn unpack<T: Element, I: Item>(src: &[T], sorted: &[I], values: &mut [T], positions: &mut [i64]) {
    let (values, positions) = (Disjoint::new(values), Disjoint::new(positions));
    over_pieces(sorted.len(), 2, |_, range| {
        // SAFETY: the pieces are disjoint.
        let (values, positions) = unsafe { (values.slice(range.clone()), positions.slice(range.clone())) };
        for ((value, at), item) in values.iter_mut().zip(positions).zip(&sorted[range]) {
            *value = src[item.position() as usize];
            *at = i64::from(item.position());
        }
    });
}

/// Sorts by key, stably, between two buffers; returns the one that holds the result. A pass goes by one digit, of
/// `RUNS` values: few enough that the ends of all runs stay in the first-level cache.
fn radix<'a, I: Item, const RUNS: usize>(mut items: &'a mut [I], mut other: &'a mut [I]) -> &'a mut [I] {
    let n = items.len();
    let mut runs = vec![[0u32; RUNS]; n.div_ceil(PIECE)];
    for skipped in (0..I::BITS).step_by(RUNS.ilog2() as usize) {
        let digit = |item: I| item.digit(skipped) as usize % RUNS;
        let counts = Disjoint::new(&mut runs);
        over_pieces(n, 1, |piece, range| {
            // Two counts, so that equal digits in a row need not wait for each other.
            let mut count = [[0u32; RUNS]; 2];
            for (i, &item) in items[range].iter().enumerate() {
                count[i % 2][digit(item)] += 1;
            }
            let [even, odd] = count;
            // SAFETY: each piece has counts of its own.
            unsafe { counts.slice(piece..piece + 1) }.fill(std::array::from_fn(|digit| even[digit] + odd[digit]));
        });
        let first = digit(items[0]);
        if runs.iter().map(|counts| counts[first] as usize).sum::<usize>() == n {
            continue;
        }
        // Where each piece's elements of each digit begin.
        let mut start = 0;
        for digit in 0..RUNS {
            for counts in &mut runs {
                (counts[digit], start) = (start, start + counts[digit]);
            }
        }
        let target = Disjoint::new(other);
        let target = &target;
        over_pieces(n, 2, |piece, range| {
            let mut starts = runs[piece];
            for &item in &items[range] {
                let start = &mut starts[digit(item)];
                // SAFETY: the runs of all pieces are disjoint, and together as long as the line.
                unsafe { target.as_mut_ptr().add(*start as usize).write(item) };
                *start += 1;
            }
        });
        std::mem::swap(&mut items, &mut other);
    }
    items
}

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
