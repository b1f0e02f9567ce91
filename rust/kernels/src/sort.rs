//! Sorting, the largest or smallest few ([`topk`]), and the one in some place ([`nth`]).
//!
//! A key is an unsigned integer whose order is that of the elements: NaN above all numbers, zeros of both signs equal.
//! Key and position travel as one integer, so that every order is total and stable. Short lines are sorted by
//! comparison, others by radix, digit by digit from the lowest. A long line is first split into buckets of nearly as many
//! elements each, by all threads; then each thread sorts buckets in its own cache.

mod key;
mod nth;
mod select;

pub use nth::{Rank, nth};
pub use select::topk;

use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};
use key::{Item, element, key};

/// Lines up to this long are sorted one after the other in registers and the nearest cache, without memory of their own.
const TINY: usize = 16;
/// Lines up to this long are sorted by comparison.
const SHORT: usize = 192;
/// Elements of a task of a long line, and of what is sorted in one thread's cache.
const PIECE: usize = 1 << 16;
/// Elements of a task of short lines.
const GRAIN: usize = 1 << 13;
/// Estimated cost of an element, in nanoseconds.
const SORT_COST: usize = 20;

/// The longest line whose positions fit.
pub const MAX_LINE: usize = u32::MAX as usize;

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
    if n <= TINY {
        let (values, positions, grain) = (Disjoint::new(values), Disjoint::new(positions), GRAIN / n * n);
        return for_each(src.len().div_ceil(grain), src.len().saturating_mul(SORT_COST), |task| {
            let range = task * grain..src.len().min((task + 1) * grain);
            // SAFETY: the ranges of the tasks are disjoint.
            let (values, positions) = unsafe { (values.slice(range.clone()), positions.slice(range.clone())) };
            dispatch(Insertion { src: &src[range], n, descending, values, positions, items: [I::new(0, 0); TINY] });
        });
    }
    if n >= PIECE {
        let outputs = values.chunks_mut(n).zip(positions.chunks_mut(n));
        return src.chunks(n).zip(outputs).for_each(|(src, (values, positions))| {
            sort_line::<T, I>(src, descending, values, positions);
        });
    }
    over_lines(lines, n, n, SORT_COST, values, positions, |number, values, positions| {
        sort_line::<T, I>(&src[number * n..][..n], descending, values, positions);
    });
}

/// Sorts lines of at most [`TINY`] elements by insertion.
struct Insertion<'a, T, I> {
    src: &'a [T],
    n: usize,
    descending: bool,
    values: &'a mut [T],
    positions: &'a mut [i64],
    /// Room for a line.
    items: [I; TINY],
}

impl<T: Element, I: Item> Kernel for Insertion<'_, T, I> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { src, n, descending, values, positions, mut items } = self;
        let outputs = values.chunks_exact_mut(n).zip(positions.chunks_exact_mut(n));
        for (src, (values, positions)) in src.chunks_exact(n).zip(outputs) {
            for (i, &x) in src.iter().enumerate() {
                let (item, mut at) = (I::new(key(x, descending), narrow(i)), i);
                while at > 0 && items[at - 1] > item {
                    items[at] = items[at - 1];
                    at -= 1;
                }
                items[at] = item;
            }
            for ((value, position), item) in values.iter_mut().zip(positions).zip(&items) {
                *value = src[item.position() as usize];
                *position = i64::from(item.position());
            }
        }
    }
}

fn sort_line<T: Element, I: Item>(src: &[T], descending: bool, values: &mut [T], positions: &mut [i64]) {
    let mut items = Buffer::uninit(src.len() * size_of::<I>());
    let items = items.as_mut_slice::<I>();
    pack(src, descending, items);
    Line { src, descending, values: Disjoint::new(values), positions: Disjoint::new(positions) }.sort(0, items);
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

/// [`span`] of many.
fn dispatched_span<I: Item>(items: &[I]) -> (I, u32) {
    let mut ends = vec![(items[0], items[0]); items.len().div_ceil(PIECE)];
    let found = Disjoint::new(&mut ends);
    over_pieces(items.len(), 1, |piece, range| {
        // SAFETY: each piece has ends of its own.
        unsafe { found.slice(piece..piece + 1) }.fill(dispatch(Ends(&items[range])));
    });
    span(ends.into_iter().reduce(|all, ends| (all.0.min(ends.0), all.1.max(ends.1))).unwrap_or((items[0], items[0])))
}

/// The lowest item of a key, and the bits of the difference to the highest key.
#[inline(always)]
fn span<I: Item>((low, high): (I, I)) -> (I, u32) {
    (I::new(low.key(), 0), u64::BITS - (high.key() - low.key()).leading_zeros())
}

/// The lowest and the highest item.
struct Ends<'a, I>(&'a [I]);

impl<I: Item> Kernel for Ends<'_, I> {
    type Output = (I, I);
    #[inline(always)]
    fn run<S: Simd>(self) -> (I, I) {
        self.0.iter().fold((self.0[0], self.0[0]), |(low, high), &item| (low.min(item), high.max(item)))
    }
}

/// A line, and where it goes in order.
struct Line<'a, T> {
    src: &'a [T],
    descending: bool,
    values: Disjoint<'a, T>,
    positions: Disjoint<'a, i64>,
}

impl<T: Element> Line<'_, T> {
    /// Sorts `items`, which are in the order of their positions, and writes them from `start` on.
    fn sort<I: Item>(&self, start: usize, items: &mut [I]) {
        let n = items.len();
        if n <= PIECE {
            let mut other = Buffer::uninit(size_of_val(items));
            return self.write(start, dispatch(Radix { items, other: other.as_mut_slice() }));
        }
        let (low, bits) = dispatched_span(items);
        if bits == 0 {
            return over_pieces(n, 2, |_, range| self.write(start + range.start, &items[range]));
        }
        let splitter = Splitter::new(items, low, bits);
        let mut other = Buffer::uninit((n + BUCKETS * SPREAD) * size_of::<I>());
        let other = other.as_mut_slice::<I>();
        let buckets = split(items, other, &splitter);
        let target = Disjoint::new(other);
        for_each(BUCKETS, n * SORT_COST, |bucket| {
            let Bucket { first, place, len } = buckets[bucket];
            if len <= PIECE {
                // SAFETY: the buckets are disjoint.
                self.sort(start + first, unsafe { target.slice(place..place + len) });
            }
        });
        for Bucket { first, place, len } in buckets.into_iter().filter(|bucket| bucket.len > PIECE) {
            self.sort(start + first, &mut other[place..place + len]);
        }
    }

    /// Writes the elements of `sorted` from `start` on, which no other thread does.
    fn write<I: Item>(&self, start: usize, sorted: &[I]) {
        let range = start..start + sorted.len();
        // SAFETY: every item is written once.
        let (values, positions) = unsafe { (self.values.slice(range.clone()), self.positions.slice(range)) };
        dispatch(Unpack { descending: self.descending, sorted, values, positions });
        if T::IS_FLOAT {
            for ambiguous in [T::ZERO, T::cast_from(f32::NAN)].map(|x| key(x, self.descending)) {
                let from = sorted.partition_point(|item| item.key() < ambiguous);
                let equal = sorted[from..].iter().take_while(|item| item.key() == ambiguous);
                for (value, item) in values[from..].iter_mut().zip(equal) {
                    *value = self.src[item.position() as usize];
                }
            }
        }
    }
}

struct Unpack<'a, T, I> {
    descending: bool,
    sorted: &'a [I],
    values: &'a mut [T],
    positions: &'a mut [i64],
}

impl<T: Element, I: Item> Kernel for Unpack<'_, T, I> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for ((value, at), item) in self.values.iter_mut().zip(self.positions).zip(self.sorted) {
            *value = element(item.key(), self.descending);
            *at = i64::from(item.position());
        }
    }
}

/// What items are moved by.
trait Digit<I>: Sync {
    fn of(&self, item: I) -> usize;
}

/// The bits above the last `skipped` of the distance to `low`.
struct Bits<I> {
    low: I,
    skipped: u32,
}

impl<I: Item> Digit<I> for Bits<I> {
    #[inline(always)]
    fn of(&self, item: I) -> usize {
        item.digit(self.low, self.skipped)
    }
}

/// Buckets of a long line, at most.
const BUCKETS: usize = 512;
/// Of the elements, a bucket gets about one in so many: few enough that there are always enough buckets.
const SHARE: usize = 128;
/// Buckets start this many items apart, modulo `SPREAD`: not all in the same sets of the cache.
const APART: usize = 8;
const SPREAD: usize = 512;

/// Equal parts of a line's span.
const BINS: usize = 1 << 11;
/// Items of a sample, at least.
const SAMPLE: usize = 1 << 13;

/// Divides the span of a line into buckets of nearly as many items each, as far as a sample tells.
struct Splitter<I> {
    bins: Bits<I>,
    /// For each bin, how many bits of the distance to skip, and above those six bits what to add to the others to get
    /// the bucket, modulo [`BUCKETS`].
    table: [u32; BINS],
}

impl<I: Item> Splitter<I> {
    fn new(items: &[I], low: I, bits: u32) -> Self {
        let skipped = bits.saturating_sub(BINS.ilog2());
        let digit = Bits { low, skipped };
        let sample = items.iter().step_by((items.len() / SAMPLE) | 1);
        let share = sample.len() / SHARE;
        let mut counts = [0usize; BINS];
        sample.for_each(|&item| counts[digit.of(item) % BINS] += 1);
        let (mut bucket, mut held) = (0u32, 0);
        let table = std::array::from_fn(|bin| {
            // Bins of many items are split, those of few share a bucket.
            let splits = counts[bin].div_ceil(share).max(1).next_power_of_two().ilog2().min(skipped);
            // Where the sample misses too much, a bucket still has a smaller span than the line.
            if (held > 0 && held + counts[bin] > share) || (bin > 0 && bin % (BINS / 8) == 0) {
                (bucket, held) = (bucket + 1, 0);
            }
            let added = bucket.wrapping_sub(narrow(bin) << splits);
            if splits > 0 {
                bucket += 1 << splits;
            } else {
                held += counts[bin];
            }
            added << 6 | (skipped - splits)
        });
        Self { bins: digit, table }
    }
}

impl<I: Item> Digit<I> for Splitter<I> {
    #[inline(always)]
    fn of(&self, item: I) -> usize {
        let distance = item.digit(self.bins.low, 0);
        let entry = self.table[(distance >> self.bins.skipped) % BINS];
        (distance >> (entry % 64)).wrapping_add(entry as usize >> 6)
    }
}

/// A bucket: `len` items that go `first` in the line's part, and lie from `place` on.
struct Bucket {
    first: usize,
    place: usize,
    len: usize,
}

/// Moves `items` to `other` by buckets, stably.
fn split<I: Item>(items: &[I], other: &mut [I], splitter: &Splitter<I>) -> Vec<Bucket> {
    let n = items.len();
    let mut counts = vec![[0usize; BUCKETS]; n.div_ceil(PIECE)];
    let pieces = Disjoint::new(&mut counts);
    over_pieces(n, 1, |piece, range| {
        // SAFETY: each piece has counts of its own.
        let counts = unsafe { pieces.slice(piece..piece + 1) };
        dispatch(Count { items: &items[range], digit: splitter, counts: &mut counts[0] });
    });
    let (mut first, mut place) = (0, 0);
    let buckets = (0..BUCKETS).map(|bucket| {
        place += (bucket * APART).wrapping_sub(place) % SPREAD;
        let (from, at) = (first, place);
        for counts in &mut counts {
            first += counts[bucket];
            (counts[bucket], place) = (place, place + counts[bucket]);
        }
        Bucket { first: from, place: at, len: place - at }
    });
    let buckets = buckets.collect();
    let (pieces, target) = (Disjoint::new(&mut counts), Disjoint::new(other));
    let target = &target;
    over_pieces(n, 2, |piece, range| {
        // SAFETY: each piece has starts of its own.
        let starts = unsafe { pieces.slice(piece..piece + 1) };
        // SAFETY: the runs of all pieces are disjoint, and `SPREAD` leaves room for each bucket's start.
        dispatch(unsafe { Place::new(&items[range], splitter, &mut starts[0], target.as_mut_ptr()) });
    });
    buckets
}

/// Counts the items of each digit.
struct Count<'a, I, D, const RUNS: usize> {
    items: &'a [I],
    digit: &'a D,
    counts: &'a mut [usize; RUNS],
}

impl<I: Item, D: Digit<I>, const RUNS: usize> Kernel for Count<'_, I, D, RUNS> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for &item in self.items {
            self.counts[self.digit.of(item) % RUNS] += 1;
        }
    }
}

/// Writes each item where the run of its digit goes on.
struct Place<'a, I, D, const RUNS: usize> {
    items: &'a [I],
    digit: &'a D,
    starts: &'a mut [usize; RUNS],
    target: *mut I,
}

impl<'a, I: Item, D: Digit<I>, const RUNS: usize> Place<'a, I, D, RUNS> {
    /// # Safety
    /// As many items as there are of each digit fit from its start in `target`, where nobody else reads or writes.
    #[inline(always)]
    unsafe fn new(items: &'a [I], digit: &'a D, starts: &'a mut [usize; RUNS], target: *mut I) -> Self {
        Self { items, digit, starts, target }
    }

    #[inline(always)]
    fn place(&mut self, item: I, digit: usize) {
        let start = &mut self.starts[digit % RUNS];
        // SAFETY: the contract of `new`.
        unsafe { self.target.add(*start).write(item) };
        *start += 1;
    }
}

impl<I: Item, D: Digit<I>, const RUNS: usize> Kernel for Place<'_, I, D, RUNS> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self) {
        // Loads ahead of stores, which they would wait for where the lowest bits of their addresses agree.
        let (blocks, rest) = self.items.as_chunks::<8>();
        for block in blocks {
            let digits = block.map(|item| self.digit.of(item));
            for (&item, digit) in block.iter().zip(digits) {
                self.place(item, digit);
            }
        }
        for &item in rest {
            self.place(item, self.digit.of(item));
        }
    }
}

/// Sorts items that are in the order of their positions, between two buffers; returns the one that holds the result.
struct Radix<'a, I> {
    items: &'a mut [I],
    other: &'a mut [I],
}

impl<'a, I: Item> Kernel for Radix<'a, I> {
    type Output = &'a mut [I];
    #[inline(always)]
    fn run<S: Simd>(self) -> &'a mut [I] {
        let Self { items, other } = self;
        if items.len() <= SHORT {
            items.sort_unstable();
            return items;
        }
        let (low, bits) = span(Ends(items).run::<S>());
        // As few passes as give short digits, whose runs' ends stay in the first-level cache.
        let longest = if items.len() < 2048 { 8 } else { 10 };
        match bits.div_ceil(bits.div_ceil(longest).max(1)) {
            0..=8 => radix::<S, I, 256>(items, other, low, bits),
            9 => radix::<S, I, 512>(items, other, low, bits),
            _ => radix::<S, I, 1024>(items, other, low, bits),
        }
    }
}

#[inline(always)]
fn radix<'a, S: Simd, I: Item, const RUNS: usize>(
    mut items: &'a mut [I],
    mut other: &'a mut [I],
    low: I,
    bits: u32,
) -> &'a mut [I] {
    for skipped in (0..bits).step_by(RUNS.ilog2() as usize) {
        let digit = &Bits { low, skipped };
        let mut counts = [0; RUNS];
        Count { items, digit, counts: &mut counts }.run::<S>();
        if counts[digit.of(items[0]) % RUNS] == items.len() {
            continue;
        }
        let mut start = 0;
        for count in &mut counts {
            (*count, start) = (start, start + *count);
        }
        // SAFETY: the starts are those of the items, and both buffers are as long.
        unsafe { Place::new(items, digit, &mut counts, other.as_mut_ptr()) }.run::<S>();
        std::mem::swap(&mut items, &mut other);
    }
    items
}
