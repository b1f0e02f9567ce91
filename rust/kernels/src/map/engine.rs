//! The loops under every map: pieces of the operands in, one contiguous output out.
//!
//! A map is a [`Function1`], [`Function2`] or [`Function3`], a value whose `call` inlines into the loop, so that each
//! function has its own vectorised loops and nothing is decided per element. Tasks are ranges of the output.

use super::source::{CHUNK, Piece, Scratch, Source};
use crate::isa::{Kernel, Simd, dispatch};
use crate::layout::Strided;
use crate::memory::Pod;
use crate::parallel::{Disjoint, for_ranges};

/// An elementwise function of one argument.
pub(super) trait Function1<A, R>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const COST: usize;
    /// Must be `#[inline(always)]`.
    fn call<S: Simd>(self, a: A) -> R;
    /// Overwrites results for arguments that `call` does not cover.
    #[inline(always)]
    fn mend(self, _a: &[A], _dst: &mut [R]) {}
}

/// An elementwise function of two arguments.
pub(super) trait Function2<A, B, R>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const COST: usize;
    /// Must be `#[inline(always)]`.
    fn call<S: Simd>(self, a: A, b: B) -> R;
}

/// An elementwise function of three arguments.
pub(super) trait Function3<A, B, C, R>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const COST: usize;
    /// Must be `#[inline(always)]`.
    fn call<S: Simd>(self, a: A, b: B, c: C) -> R;
}

/// Elements a task: enough work to be worth a task, few enough to balance.
const fn grain(cost: usize) -> usize {
    if cost > 1000 { 4 * CHUNK } else { 16 * CHUNK }
}

/// Runs `task(start, piece of dst)` over all of `dst`, in parallel where that pays.
#[inline(always)]
fn over<R: Pod>(dst: &mut [R], cost: usize, task: impl Fn(usize, &mut [R]) + Sync) {
    if dst.len() <= CHUNK {
        return task(0, dst);
    }
    let len = dst.len();
    let dst = Disjoint::new(dst);
    for_ranges(len, grain(cost), cost, |range| {
        let start = range.start;
        // SAFETY: the ranges of one region are disjoint.
        task(start, unsafe { dst.slice(range) });
    });
}

/// `dst[i] = f(a[i])`.
pub(super) fn map1<A: Pod, R: Pod, F: Function1<A, R>>(f: F, a: &[A], la: Strided, dst: &mut [R]) {
    assert_eq!(la.numel(), dst.len(), "operand and output differ in size");
    let a = Source::new(a, la);
    over(dst, F::COST, |start, dst| dispatch(Map1 { f, a: &a, start, dst }));
}

struct Map1<'a, F, A, R> {
    f: F,
    a: &'a Source<'a, A>,
    start: usize,
    dst: &'a mut [R],
}

impl<A: Pod, R: Pod, F: Function1<A, R>> Kernel for Map1<'_, F, A, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, a, start, dst } = self;
        if let Source::Splat(x) = *a {
            let mut one = [f.call::<S>(x)];
            f.mend(&[x], &mut one);
            return dst.fill(one[0]);
        }
        let mut scratch = Scratch::new();
        let end = start + dst.len();
        let mut at = start;
        while at < end {
            let next = end.min(at + CHUNK).min(a.stop(at));
            let a = a.slice(at..next, &mut scratch);
            let dst = &mut dst[at - start..next - start];
            for (d, &x) in dst.iter_mut().zip(a) {
                *d = f.call::<S>(x);
            }
            f.mend(a, dst);
            at = next;
        }
    }
}

/// `dst[i] = f(a[i], b[i])`.
pub(super) fn map2<A: Pod, B: Pod, R: Pod, F: Function2<A, B, R>>(
    f: F,
    a: &[A],
    la: Strided,
    b: &[B],
    lb: Strided,
    dst: &mut [R],
) {
    assert!(la.numel() == dst.len() && lb.numel() == dst.len(), "operands and output differ in size");
    let (a, b) = (Source::new(a, la), Source::new(b, lb));
    over(dst, F::COST, |start, dst| dispatch(Map2 { f, a: &a, b: &b, start, dst }));
}

struct Map2<'a, F, A, B, R> {
    f: F,
    a: &'a Source<'a, A>,
    b: &'a Source<'a, B>,
    start: usize,
    dst: &'a mut [R],
}

impl<A: Pod, B: Pod, R: Pod, F: Function2<A, B, R>> Kernel for Map2<'_, F, A, B, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, a, b, start, dst } = self;
        let (mut scratch_a, mut scratch_b) = (Scratch::new(), Scratch::new());
        let end = start + dst.len();
        let mut at = start;
        while at < end {
            let next = end.min(at + CHUNK).min(a.stop(at)).min(b.stop(at));
            let dst = &mut dst[at - start..next - start];
            match (a.piece(at..next, &mut scratch_a), b.piece(at..next, &mut scratch_b)) {
                (Piece::Slice(a), Piece::Slice(b)) => {
                    for ((d, &x), &y) in dst.iter_mut().zip(a).zip(b) {
                        *d = f.call::<S>(x, y);
                    }
                }
                (Piece::Slice(a), Piece::Splat(y)) => {
                    for (d, &x) in dst.iter_mut().zip(a) {
                        *d = f.call::<S>(x, y);
                    }
                }
                (Piece::Splat(x), Piece::Slice(b)) => {
                    for (d, &y) in dst.iter_mut().zip(b) {
                        *d = f.call::<S>(x, y);
                    }
                }
                (Piece::Splat(x), Piece::Splat(y)) => dst.fill(f.call::<S>(x, y)),
            }
            at = next;
        }
    }
}

/// `dst[i] = f(dst[i], b[i])`.
pub(super) fn update<A: Pod, B: Pod, F: Function2<A, B, A>>(f: F, dst: &mut [A], b: &[B], lb: Strided) {
    assert_eq!(lb.numel(), dst.len(), "operand and output differ in size");
    let b = Source::new(b, lb);
    over(dst, F::COST, |start, dst| dispatch(Update { f, b: &b, start, dst }));
}

struct Update<'a, F, A, B> {
    f: F,
    b: &'a Source<'a, B>,
    start: usize,
    dst: &'a mut [A],
}

impl<A: Pod, B: Pod, F: Function2<A, B, A>> Kernel for Update<'_, F, A, B> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, b, start, dst } = self;
        let mut scratch = Scratch::new();
        let end = start + dst.len();
        let mut at = start;
        while at < end {
            let next = end.min(at + CHUNK).min(b.stop(at));
            let dst = &mut dst[at - start..next - start];
            match b.piece(at..next, &mut scratch) {
                Piece::Slice(b) => {
                    for (d, &y) in dst.iter_mut().zip(b) {
                        *d = f.call::<S>(*d, y);
                    }
                }
                Piece::Splat(y) => {
                    for d in dst {
                        *d = f.call::<S>(*d, y);
                    }
                }
            }
            at = next;
        }
    }
}

/// `dst[i] = f(a[i], b[i], c[i])`.
pub(super) fn map3<A: Pod, B: Pod, C: Pod, R: Pod, F: Function3<A, B, C, R>>(
    f: F,
    (a, la): (&[A], Strided),
    (b, lb): (&[B], Strided),
    (c, lc): (&[C], Strided),
    dst: &mut [R],
) {
    let len = dst.len();
    assert!(la.numel() == len && lb.numel() == len && lc.numel() == len, "operands and output differ in size");
    let (a, b, c) = (Source::new(a, la), Source::new(b, lb), Source::new(c, lc));
    over(dst, F::COST, |start, dst| dispatch(Map3 { f, a: &a, b: &b, c: &c, start, dst }));
}

struct Map3<'a, F, A, B, C, R> {
    f: F,
    a: &'a Source<'a, A>,
    b: &'a Source<'a, B>,
    c: &'a Source<'a, C>,
    start: usize,
    dst: &'a mut [R],
}

impl<A: Pod, B: Pod, C: Pod, R: Pod, F: Function3<A, B, C, R>> Kernel for Map3<'_, F, A, B, C, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, a, b, c, start, dst } = self;
        let (mut scratch_a, mut scratch_b, mut scratch_c) = (Scratch::new(), Scratch::new(), Scratch::new());
        let end = start + dst.len();
        let mut at = start;
        while at < end {
            let next = end.min(at + CHUNK).min(a.stop(at)).min(b.stop(at)).min(c.stop(at));
            let a = a.slice(at..next, &mut scratch_a);
            let b = b.slice(at..next, &mut scratch_b);
            let c = c.slice(at..next, &mut scratch_c);
            for (((d, &x), &y), &z) in dst[at - start..next - start].iter_mut().zip(a).zip(b).zip(c) {
                *d = f.call::<S>(x, y, z);
            }
            at = next;
        }
    }
}
