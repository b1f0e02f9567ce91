//! The loops under every map: pieces of the operands in, one contiguous output out.
//!
//! A map is a [`Function1`], [`Function2`] or [`Function3`], a value whose `call` inlines into the loop, so that each
//! function has its own vectorised loops and nothing is decided per element. The loops know slices and single values
//! only; operands that are neither are gathered piece by piece. Tasks are ranges of the output. 16-bit floats are
//! widened and narrowed piece by piece, in the first-level cache, around the loops for float32, or in the loops of what
//! is cheap.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::source::{CHUNK, Piece, Row, Rows, Scratch, Source, common_row};
use crate::isa::{Kernel, Portable, Simd, dispatch};
use crate::layout::Strided;
use crate::memory::Pod;
use crate::parallel::{Disjoint, for_ranges};
use crate::stored::Stored;
use crate::stream;

/// An elementwise function of one argument.
pub(super) trait Function1<A, R>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const COST: usize;
    /// Whether `call` gives the same bits on every ISA, so that one element needs no dispatch.
    const PLAIN: bool = false;
    /// Must be `#[inline(always)]`.
    fn call<S: Simd>(self, a: A) -> R;
    /// Whether `mend` does something.
    const MENDED: bool = false;
    /// Overwrites results for arguments that `call` does not cover.
    #[inline(always)]
    fn mend(self, _a: &[A], _dst: &mut [R]) {}
    /// Whether `usual_call` is sooner than `call`.
    const USUAL: bool = false;
    /// Of how many elements it takes one that is special to give `usual_call` up: few where most are likely to be.
    const TASTE: usize = usize::MAX;
    /// The value of `call` but for special cases, and whether this is none.
    #[inline(always)]
    fn usual_call<S: Simd>(self, a: A) -> (R, bool) {
        (self.call::<S>(a), true)
    }
}

/// An elementwise function of two arguments.
pub(super) trait Function2<A, B, R>: Copy + Sync {
    /// Estimated cost of 1024 elements, in nanoseconds.
    const COST: usize;
    /// As for [`Function1`].
    const PLAIN: bool = false;
    /// Must be `#[inline(always)]`.
    fn call<S: Simd>(self, a: A, b: B) -> R;
    /// Whether there are arguments for which only the call for [`Portable`] holds.
    const MENDED: bool = false;
    /// Whether these are such.
    #[inline(always)]
    fn is_beyond(self, _a: A, _b: B) -> bool {
        false
    }
    /// As for [`Function1`].
    const USUAL: bool = false;
    /// As for [`Function1`].
    #[inline(always)]
    fn usual_call<S: Simd>(self, a: A, b: B) -> (R, bool) {
        (self.call::<S>(a, b), true)
    }
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

/// A function on numbers as they are stored: converting each in the loop, where both cost little, is quicker than pieces.
#[derive(Clone, Copy)]
struct OnStored<F>(F);

impl<A: Stored, R: Stored, F: Function1<A::Value, R::Value>> Function1<A, R> for OnStored<F> {
    const COST: usize = F::COST;
    #[inline(always)]
    fn call<S: Simd>(self, a: A) -> R {
        R::store(self.0.call::<S>(a.load()))
    }
}

impl<A: Stored, B: Stored, R: Stored, F: Function2<A::Value, B::Value, R::Value>> Function2<A, B, R> for OnStored<F> {
    const COST: usize = F::COST;
    #[inline(always)]
    fn call<S: Simd>(self, a: A, b: B) -> R {
        R::store(self.0.call::<S>(a.load(), b.load()))
    }
}

/// Runs `task(start, piece of dst)` over all of `dst`, in parallel where that pays. The task gets what `dst` holds.
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

/// Bytes of a result from which on the last-level cache will not have it when it is next read.
const STREAM_FROM: usize = 32 << 20;
/// Largest cost of a map whose results are streamed: one that computes for longer hides its plain stores, and streamed
/// ones would wait for each other (gelu of 16M float32: 29 GB/s plain, 27 streamed; exp: 38.5 and 40; an addition: 38.5
/// and 48).
const STREAM_COST: usize = 300;
/// Elements computed between streams: few, so that stores and loads take turns.
const STEP: usize = 256;

/// Elements that a loop which may look at its operands twice takes at a time: they are in the first-level cache then.
const fn block(twice: bool) -> usize {
    if twice { STEP } else { usize::MAX }
}

/// As [`over`], for a task that writes all of its piece and reads nothing of it: where `dst` will not fit the caches,
/// the piece is room inside them, and goes past them from there.
#[inline(always)]
fn write<R: Pod>(dst: &mut [R], cost: usize, task: impl Fn(usize, &mut [R]) + Sync) {
    if size_of_val(dst) < STREAM_FROM || cost > STREAM_COST {
        return over(dst, cost, task);
    }
    over(dst, cost, |start, dst| {
        // SAFETY: any bits are an `R`.
        let mut room: [R; STEP] = unsafe { MaybeUninit::zeroed().assume_init() };
        for (i, dst) in dst.chunks_mut(STEP).enumerate() {
            let room = &mut room[..dst.len()];
            task(start + i * STEP, room);
            dispatch(Stream { room, dst });
        }
        stream::fence();
    });
}

struct Stream<'a, R> {
    room: &'a [R],
    dst: &'a mut [R],
}

impl<R: Pod> Kernel for Stream<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let bytes = size_of_val(self.dst).min(size_of_val(self.room));
        // SAFETY: both slices have as many bytes, and the one that is written is exclusive.
        unsafe { stream::store::<S>(self.dst.as_mut_ptr().cast(), self.room.as_ptr().cast(), bytes) }
    }
}

/// With what conversions in pieces add to the cost of 1024 elements.
const fn with_conversions(plain: usize, in_pieces: bool) -> usize {
    if in_pieces { plain + 200 } else { plain }
}

/// Longest piece of operands that need no gathering: where they are converted, what the room for it holds.
const fn longest(in_pieces: bool) -> usize {
    if in_pieces { CHUNK } else { usize::MAX }
}

/// Runs `task(start, piece of dst)` over the pieces of `dst`, `longest` at most, that end where `stop(start)` says, or
/// earlier.
#[inline(always)]
fn by_pieces<R>(
    start: usize,
    dst: &mut [R],
    longest: usize,
    stop: impl Fn(usize) -> usize,
    mut task: impl FnMut(usize, &mut [R]),
) {
    let (mut at, mut rest) = (start, dst);
    while !rest.is_empty() {
        let len = rest.len().min(longest).min(stop(at) - at);
        let (piece, after) = rest.split_at_mut(len);
        task(at, piece);
        at += len;
        rest = after;
    }
}

/// `dst[i] = f(a[i])`; where `a` has no elements and `dst` has, `dst[i] = f(dst[i])`.
pub(super) fn map1<A: Stored, R: Stored, F: Function1<A::Value, R::Value>>(f: F, a: &[A], la: Strided, dst: &mut [R]) {
    if is_own(a, la, dst) {
        return share_out_own::<A, R>(&Over(f), dst, F::COST);
    }
    if let Some(a) = small(a, la, dst.len()) {
        if let (true, [d]) = (F::PLAIN, &mut *dst) {
            *d = R::store(f.call::<Portable>(a.at(0).load()));
            return;
        }
        return Over(f).piece(a, dst);
    }
    let in_pieces = (A::NARROW || R::NARROW) && !(F::PLAIN && A::SIMPLE && R::SIMPLE);
    share_out1(&Over(f), a, la, dst, with_conversions(F::COST, in_pieces), longest(in_pieces));
}

/// Whether an operand stands for what `dst` holds: it has no elements, nor has its window.
#[inline(always)]
fn is_own<A, R>(a: &[A], la: Strided, dst: &[R]) -> bool {
    let own = a.is_empty() && !dst.is_empty();
    assert!(!own || la.numel() == 0, "a window of a slice without elements");
    own
}

/// The operand, where it is one piece that no task shares with another.
#[inline(never)]
fn small<'a, A: Pod>(a: &'a [A], la: Strided, len: usize) -> Option<Piece<'a, A>> {
    if len <= CHUNK { Piece::whole(a, la, len) } else { None }
}

/// What runs the loops of a function: a trait to point to, so that what finds the pieces is compiled for the types of the
/// elements and not for each function. (A `dyn Fn` would carry the loops twice more, as `FnOnce` and `FnMut`.)
trait Run1<A, R>: Sync {
    /// Runs the loops over one piece, which is at most a chunk where it is converted.
    fn piece(&self, a: Piece<'_, A>, dst: &mut [R]);
    /// Runs the loops over what is in `dst`, of the same type.
    fn own(&self, dst: &mut [R]);
}

/// The elements of `own`, which are of the same type, in `room`.
#[inline(always)]
fn copied<'a, A: Pod, R: Pod>(own: &[R], room: &'a mut [MaybeUninit<A>]) -> &'a [A] {
    assert!(size_of::<A>() == size_of::<R>(), "a map to another type has no place of its own");
    let room = &mut room[..own.len()];
    // SAFETY: as many elements of one size, of which any bits are an `A`; the room is exclusive, and written whole.
    unsafe {
        std::ptr::copy_nonoverlapping(own.as_ptr().cast::<A>(), room.as_mut_ptr().cast(), own.len());
        room.assume_init_ref()
    }
}

/// An element of the output as one of an operand of the same type.
#[inline(always)]
fn as_operand<A: Pod, R: Pod>(own: &R) -> A {
    assert!(size_of::<A>() == size_of::<R>(), "a map to another type has no place of its own");
    // SAFETY: of one size, and any bits are an `A`.
    unsafe { std::ptr::from_ref(own).cast::<A>().read_unaligned() }
}

/// The loops of a function.
struct Over<F>(F);

impl<A: Stored, R: Stored, F: Function1<A::Value, R::Value>> Run1<A, R> for Over<F> {
    #[inline(always)]
    fn piece(&self, a: Piece<'_, A>, dst: &mut [R]) {
        let f = self.0;
        if const { F::PLAIN && A::SIMPLE && R::SIMPLE } {
            return dispatch(Loop1 { f: OnStored(f), a, own: false, dst });
        }
        let (mut wide, mut room) = (Scratch::new(), Scratch::new());
        let a = a.load(&mut wide);
        R::store_slice(dst, room.of(dst.len()), |dst| dispatch(Loop1 { f, a, own: false, dst }));
    }

    #[inline(always)]
    fn own(&self, dst: &mut [R]) {
        if const { F::PLAIN && A::SIMPLE && R::SIMPLE } {
            return dispatch(Loop1::<_, A, R> { f: OnStored(self.0), a: Piece::Slice(&[]), own: true, dst });
        }
        if const { !A::NARROW && !R::NARROW } {
            let (f, a) = (self.0, Piece::Slice::<A::Value>(&[]));
            return R::store_slice(dst, &mut [], |dst| dispatch(Loop1 { f, a, own: true, dst }));
        }
        let mut room = Scratch::new();
        for dst in dst.chunks_mut(CHUNK) {
            self.piece(Piece::Slice(copied::<A, R>(dst, room.of(dst.len()))), dst);
        }
    }
}

/// Has `f` go over all that `dst` holds.
fn share_out_own<A: Pod, R: Pod>(f: &dyn Run1<A, R>, dst: &mut [R], cost: usize) {
    over(dst, cost, |_, dst| f.own(dst));
}

/// Has `f` go over all pieces, which are at most `longest`.
fn share_out1<A: Pod, R: Pod>(f: &dyn Run1<A, R>, a: &[A], la: Strided, dst: &mut [R], cost: usize, longest: usize) {
    if let Some(a) = Piece::whole(a, la, dst.len()) {
        return write(dst, cost, |start, dst| {
            by_pieces(start, dst, longest, |_| usize::MAX, |at, dst| f.piece(a.part(at, dst.len()), dst));
        });
    }
    let a = Source::new(a, la, dst.len());
    write(dst, cost, |start, dst| {
        let mut scratch = Scratch::new();
        by_pieces(start, dst, CHUNK, |at| a.stop(at), |at, dst| f.piece(a.piece(at, dst.len(), &mut scratch), dst));
    });
}

struct Loop1<'a, F, A, R> {
    f: F,
    a: Piece<'a, A>,
    /// Whether the operand is what `dst` holds: not `a`, then.
    own: bool,
    dst: &'a mut [R],
}

impl<A: Pod, R: Pod, F: Function1<A, R>> Kernel for Loop1<'_, F, A, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, a, own, dst } = self;
        if let Piece::Splat(x) = a {
            let mut value = [f.call::<S>(x)];
            f.mend(&[x], &mut value);
            dst.fill(value[0]);
            return;
        }
        // What is cheap reads and writes in one loop: a copy would cost as much again.
        if const { !F::USUAL && !F::MENDED && F::COST <= STREAM_COST && size_of::<A>() == size_of::<R>() } && own {
            for d in dst {
                *d = f.call::<S>(as_operand(d));
            }
            return;
        }
        let mut room = [MaybeUninit::uninit(); STEP];
        if const { F::USUAL && size_of::<A>() == size_of::<R>() } && own {
            for dst in dst.chunks_mut(STEP) {
                let (room, mut all) = (&mut room[..dst.len()], true);
                for (d, own) in dst.iter_mut().zip(&mut *room) {
                    let (value, usual) = f.usual_call::<S>(*own.write(as_operand(d)));
                    *d = value;
                    all &= usual;
                }
                if !all {
                    // SAFETY: written by the loop above.
                    let a = unsafe { room.assume_init_ref() };
                    for (d, &x) in dst.iter_mut().zip(a) {
                        *d = f.call::<S>(x);
                    }
                    f.mend(a, dst);
                }
            }
            return;
        }
        let block = if own { STEP } else { const { block(F::USUAL || F::MENDED) } };
        for (i, dst) in dst.chunks_mut(block).enumerate() {
            let a = if const { size_of::<A>() == size_of::<R>() } && own {
                copied(dst, &mut room)
            } else {
                let Piece::Slice(a) = a.part(i * block, dst.len()) else { return };
                a
            };
            // Whether that was all. A macro, as features do not cross a closure.
            macro_rules! usually {
                ($dst:expr, $a:expr) => {{
                    let mut all = true;
                    for (d, &x) in $dst.iter_mut().zip($a) {
                        let (value, usual) = f.usual_call::<S>(x);
                        *d = value;
                        all &= usual;
                    }
                    all
                }};
            }
            if const { F::USUAL && F::TASTE < usize::MAX } {
                let (first, rest) = dst.split_at_mut(F::TASTE.min(dst.len()));
                if usually!(first, a) && usually!(rest, &a[first.len()..]) {
                    continue;
                }
            } else if const { F::USUAL } && usually!(dst, a) {
                continue;
            }
            for (d, &x) in dst.iter_mut().zip(a) {
                *d = f.call::<S>(x);
            }
            f.mend(a, dst);
        }
    }
}

/// `dst[i] = f(a[i], b[i])`; where `a` has no elements and `dst` has, `dst[i] = f(dst[i], b[i])`.
pub(super) fn map2<A: Stored, B: Stored, R: Stored, F: Function2<A::Value, B::Value, R::Value>>(
    f: F,
    a: &[A],
    la: Strided,
    b: &[B],
    lb: Strided,
    dst: &mut [R],
) {
    if is_own(a, la, dst) {
        return share_out_own2::<A, B, R>(&Over(f), (b, lb), dst, F::COST);
    }
    if let Some((a, b)) = small_pair(a, la, b, lb, dst.len()) {
        if let (true, [d]) = (F::PLAIN, &mut *dst) {
            *d = R::store(f.call::<Portable>(a.at(0).load(), b.at(0).load()));
            return;
        }
        return Over(f).piece(a, b, dst);
    }
    let direct = const { F::PLAIN && A::SIMPLE && B::SIMPLE && R::SIMPLE };
    let in_pieces = (A::NARROW || B::NARROW || R::NARROW) && !direct;
    share_out2(&Over(f), (a, la), (b, lb), dst, with_conversions(F::COST, in_pieces), longest(in_pieces), direct);
}

/// As [`small`], for two operands.
#[inline(never)]
fn small_pair<'a, 'b, A: Pod, B: Pod>(
    a: &'a [A],
    la: Strided,
    b: &'b [B],
    lb: Strided,
    len: usize,
) -> Option<(Piece<'a, A>, Piece<'b, B>)> {
    if len <= CHUNK { Some((Piece::whole(a, la, len)?, Piece::whole(b, lb, len)?)) } else { None }
}

/// As [`Run1`], for two operands.
trait Run2<A, B, R>: Sync {
    /// Runs the loops over one piece, which is at most a chunk where it is converted.
    fn piece(&self, a: Piece<'_, A>, b: Piece<'_, B>, dst: &mut [R]);
    /// Runs the loops over one piece of `b` and what is in `dst`, of the type of the other operand.
    fn own(&self, b: Piece<'_, B>, dst: &mut [R]);
    /// Runs the loops over rows of `inner` elements, where nothing is converted ahead of them.
    fn rows(&self, a: Rows<'_, A>, b: Rows<'_, B>, inner: usize, dst: &mut [R]);
}

impl<A: Stored, B: Stored, R: Stored, F: Function2<A::Value, B::Value, R::Value>> Run2<A, B, R> for Over<F> {
    #[inline(always)]
    fn piece(&self, a: Piece<'_, A>, b: Piece<'_, B>, dst: &mut [R]) {
        let (f, inner) = (self.0, dst.len());
        if const { F::PLAIN && A::SIMPLE && B::SIMPLE && R::SIMPLE } {
            return self.rows(Rows::One(a), Rows::One(b), inner, dst);
        }
        let (mut wide_a, mut wide_b, mut room) = (Scratch::new(), Scratch::new(), Scratch::new());
        let (a, b) = (Rows::One(a.load(&mut wide_a)), Rows::One(b.load(&mut wide_b)));
        R::store_slice(dst, room.of(inner), |dst| dispatch(Loop2 { f, a, b, inner, dst }));
    }

    #[inline(always)]
    fn own(&self, b: Piece<'_, B>, dst: &mut [R]) {
        if const { F::PLAIN && A::SIMPLE && B::SIMPLE && R::SIMPLE && size_of::<A>() == size_of::<R>() } {
            return dispatch(Own2 { f: OnStored(self.0), b, dst, operand: PhantomData::<A> });
        }
        let mut room = Scratch::new();
        for (i, dst) in dst.chunks_mut(CHUNK).enumerate() {
            let a = Piece::Slice(copied::<A, R>(dst, room.of(dst.len())));
            self.piece(a, b.part(i * CHUNK, dst.len()), dst);
        }
    }

    #[inline(always)]
    fn rows(&self, a: Rows<'_, A>, b: Rows<'_, B>, inner: usize, dst: &mut [R]) {
        if const { F::PLAIN && A::SIMPLE && B::SIMPLE && R::SIMPLE } {
            dispatch(Loop2 { f: OnStored(self.0), a, b, inner, dst });
        } else {
            unreachable!("by pieces, as something is converted");
        }
    }
}

/// Has `f` go over all rows where it may and they are long enough, else over pieces of at most `longest`.
fn share_out2<A: Pod, B: Pod, R: Pod>(
    f: &dyn Run2<A, B, R>,
    (a, la): (&[A], Strided),
    (b, lb): (&[B], Strided),
    dst: &mut [R],
    cost: usize,
    longest: usize,
    may_by_rows: bool,
) {
    if let (Some(a), Some(b)) = (Piece::whole(a, la, dst.len()), Piece::whole(b, lb, dst.len())) {
        return write(dst, cost, |start, dst| {
            let piece = |at, dst: &mut [R]| f.piece(a.part(at, dst.len()), b.part(at, dst.len()), dst);
            by_pieces(start, dst, longest, |_| usize::MAX, piece);
        });
    }
    let (a, b) = (Source::new(a, la, dst.len()), Source::new(b, lb, dst.len()));
    let row = if may_by_rows { common_row(&[a.row(), b.row()]) } else { None };
    write(dst, cost, |start, dst| {
        let (mut scratch_a, mut scratch_b) = (Scratch::new(), Scratch::new());
        let mut pieces = |start: usize, dst: &mut [R]| {
            let stop = |at| a.stop(at).min(b.stop(at));
            by_pieces(start, dst, CHUNK, stop, |at, dst| {
                let len = dst.len();
                f.piece(a.piece(at, len, &mut scratch_a), b.piece(at, len, &mut scratch_b), dst);
            });
        };
        let Some(inner) = row else { return pieces(start, dst) };
        let [first, whole, last] = by_rows(start, dst, inner);
        let row = start.div_ceil(inner);
        pieces(start, first);
        pieces(row * inner + whole.len(), last);
        let (mut walk_a, mut walk_b) = (None, None);
        f.rows(a.rows(row, inner, &mut walk_a), b.rows(row, inner, &mut walk_b), inner, whole);
    });
}

/// Has `f` go over all that `dst` holds, and the other operand.
fn share_out_own2<A: Pod, B: Pod, R: Pod>(f: &dyn Run2<A, B, R>, (b, lb): (&[B], Strided), dst: &mut [R], cost: usize) {
    if let Some(b) = Piece::whole(b, lb, dst.len()) {
        return over(dst, cost, |start, dst| f.own(b.part(start, dst.len()), dst));
    }
    let b = Source::new(b, lb, dst.len());
    over(dst, cost, |start, dst| {
        let mut scratch = Scratch::new();
        let stop = |at| b.stop(at);
        by_pieces(start, dst, CHUNK, stop, |at, dst| f.own(b.piece(at, dst.len(), &mut scratch), dst));
    });
}

/// The loops over an operand of type `A` that is in `dst`, and another.
struct Own2<'a, 'd, F, A, B, R> {
    f: F,
    b: Piece<'a, B>,
    dst: &'d mut [R],
    operand: PhantomData<A>,
}

impl<A: Pod, B: Pod, R: Pod, F: Function2<A, B, R>> Kernel for Own2<'_, '_, F, A, B, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, b, dst, .. } = self;
        match b {
            Piece::Slice(b) => {
                for (d, &y) in dst.iter_mut().zip(b) {
                    *d = f.call::<S>(as_operand(d), y);
                }
            }
            Piece::Splat(y) => {
                for d in dst {
                    *d = f.call::<S>(as_operand(d), y);
                }
            }
        }
    }
}

struct Loop2<'a, 'b, 'd, F, A, B, R> {
    f: F,
    a: Rows<'a, A>,
    b: Rows<'b, B>,
    /// Elements of a row.
    inner: usize,
    dst: &'d mut [R],
}

/// The loops over two operands of which at most one is a single value. A macro, as features do not cross a closure.
macro_rules! each_pair {
    ($a:ident, $b:ident, $dst:ident, |$d:pat_param, $x:ident, $y:ident| $body:expr) => {
        match ($a, $b) {
            (Piece::Slice(a), Piece::Slice(b)) => {
                for (($d, &$x), &$y) in $dst.iter_mut().zip(a).zip(b) {
                    $body;
                }
            }
            (Piece::Slice(a), Piece::Splat($y)) => {
                for ($d, &$x) in $dst.iter_mut().zip(a) {
                    $body;
                }
            }
            (Piece::Splat($x), Piece::Slice(b)) => {
                for ($d, &$y) in $dst.iter_mut().zip(b) {
                    $body;
                }
            }
            (Piece::Splat(_), Piece::Splat(_)) => {}
        }
    };
}

impl<A: Pod, B: Pod, R: Pod, F: Function2<A, B, R>> Kernel for Loop2<'_, '_, '_, F, A, B, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, mut a, mut b, inner, dst } = self;
        for dst in dst.chunks_mut(inner.max(1)) {
            let (a, b) = (a.next(dst.len()), b.next(dst.len()));
            if let (Piece::Splat(x), Piece::Splat(y)) = (a, b) {
                dst.fill(if f.is_beyond(x, y) { f.call::<Portable>(x, y) } else { f.call::<S>(x, y) });
                continue;
            }
            let block = const { block(F::USUAL || F::MENDED) };
            for (i, dst) in dst.chunks_mut(block).enumerate() {
                if const { F::USUAL || F::MENDED } {
                    // Of two operands the loop itself does not look far enough ahead.
                    a.fetch((i + 1) * block, block);
                    b.fetch((i + 1) * block, block);
                }
                let (a, b) = (a.part(i * block, dst.len()), b.part(i * block, dst.len()));
                if const { F::USUAL } {
                    let mut all = true;
                    each_pair!(a, b, dst, |d, x, y| {
                        let (value, usual) = f.usual_call::<S>(x, y);
                        *d = value;
                        all &= usual;
                    });
                    if all {
                        continue;
                    }
                }
                each_pair!(a, b, dst, |d, x, y| *d = f.call::<S>(x, y));
                if const { F::MENDED } {
                    let mut any = false;
                    each_pair!(a, b, dst, |_, x, y| any |= f.is_beyond(x, y));
                    if any {
                        each_pair!(a, b, dst, |d, x, y| if f.is_beyond(x, y) {
                            *d = f.call::<Portable>(x, y);
                        });
                    }
                }
            }
        }
    }
}

/// `dst[i] = f(dst[i], b[i])`.
pub(super) fn update<A: Pod, B: Pod, F: Function2<A, B, A>>(f: F, dst: &mut [A], b: &[B], lb: Strided) {
    if let Some(b) = small(b, lb, dst.len()) {
        let inner = dst.len();
        return Over(f).update(Rows::One(b), inner, dst);
    }
    share_out_update(&Over(f), dst, b, lb, F::COST);
}

/// As [`Run1`], for an update.
trait RunUpdate<A, B>: Sync {
    /// Runs the loops over rows of `inner` elements.
    fn update(&self, b: Rows<'_, B>, inner: usize, dst: &mut [A]);
}

impl<A: Pod, B: Pod, F: Function2<A, B, A>> RunUpdate<A, B> for Over<F> {
    #[inline(always)]
    fn update(&self, b: Rows<'_, B>, inner: usize, dst: &mut [A]) {
        dispatch(Update { f: self.0, b, inner, dst });
    }
}

fn share_out_update<A: Pod, B: Pod>(f: &dyn RunUpdate<A, B>, dst: &mut [A], b: &[B], lb: Strided, cost: usize) {
    let whole = |b: Piece<'_, B>, dst: &mut [A]| f.update(Rows::One(b), dst.len(), dst);
    if let Some(b) = Piece::whole(b, lb, dst.len()) {
        return over(dst, cost, |start, dst| whole(b.part(start, dst.len()), dst));
    }
    let b = Source::new(b, lb, dst.len());
    over(dst, cost, |start, dst| {
        let mut scratch = Scratch::new();
        let mut pieces = |start: usize, dst: &mut [A]| {
            by_pieces(start, dst, CHUNK, |at| b.stop(at), |at, dst| whole(b.piece(at, dst.len(), &mut scratch), dst));
        };
        let Some(inner) = common_row(&[b.row(), Row::Any]) else { return pieces(start, dst) };
        let [first, whole, last] = by_rows(start, dst, inner);
        let row = start.div_ceil(inner);
        pieces(start, first);
        pieces(row * inner + whole.len(), last);
        let mut walk = None;
        f.update(b.rows(row, inner, &mut walk), inner, whole);
    });
}

/// What comes before the first whole row of `inner` elements, the whole rows, and what comes after them, of elements from
/// number `start` on.
#[inline(always)]
fn by_rows<R>(start: usize, dst: &mut [R], inner: usize) -> [&mut [R]; 3] {
    let (first, dst) = dst.split_at_mut((start.next_multiple_of(inner) - start).min(dst.len()));
    let (whole, last) = dst.split_at_mut(dst.len() / inner * inner);
    [first, whole, last]
}

/// `dst[i] = f(dst[i])`.
pub(super) fn update1<A: Pod, F: Function1<A, A>>(f: F, dst: &mut [A]) {
    over(dst, F::COST, |_, dst| dispatch(Update1 { f, dst }));
}

struct Update1<'a, F, A> {
    f: F,
    dst: &'a mut [A],
}

impl<A: Pod, F: Function1<A, A>> Kernel for Update1<'_, F, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for d in self.dst {
            *d = self.f.call::<S>(*d);
        }
    }
}

struct Update<'a, 'd, F, A, B> {
    f: F,
    b: Rows<'a, B>,
    /// Elements of a row.
    inner: usize,
    dst: &'d mut [A],
}

impl<A: Pod, B: Pod, F: Function2<A, B, A>> Kernel for Update<'_, '_, F, A, B> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, mut b, inner, dst } = self;
        for dst in dst.chunks_mut(inner.max(1)) {
            match b.next(dst.len()) {
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
        }
    }
}

/// `dst[i] = f(a[i], b[i], c[i])`; where `a` has no elements and `dst` has, `a[i]` is `dst[i]`, and so may be `b[i]` and
/// `c[i]`.
pub(super) fn map3<A: Pod, B: Pod, C: Pod, R: Pod, F: Function3<A, B, C, R>>(
    f: F,
    a: (&[A], Strided),
    b: (&[B], Strided),
    c: (&[C], Strided),
    dst: &mut [R],
) {
    if is_own(a.0, a.1, dst) {
        return share_out_own3(&Over(f), b, c, dst, F::COST);
    }
    share_out3(&Over(f), a, b, c, dst, F::COST);
}

/// As [`Run1`], for three operands.
trait Run3<A, B, C, R>: Sync {
    /// Runs the loops over one piece, which is at most a chunk.
    fn piece(&self, a: Piece<'_, A>, b: Piece<'_, B>, c: Piece<'_, C>, dst: &mut [R]);
    /// Runs the loops over one piece of `b` and `c` and what is in `dst`, of the type of the other operand.
    fn own(&self, b: Piece<'_, B>, c: Piece<'_, C>, dst: &mut [R]);
}

impl<A: Pod, B: Pod, C: Pod, R: Pod, F: Function3<A, B, C, R>> Run3<A, B, C, R> for Over<F> {
    fn piece(&self, a: Piece<'_, A>, b: Piece<'_, B>, c: Piece<'_, C>, dst: &mut [R]) {
        let mut room = Scratch::new();
        let a = match a {
            Piece::Slice(a) => a,
            // Seldom, and filled in less time than loops of its own would take of the library.
            Piece::Splat(x) => {
                let room = room.of(dst.len());
                room.fill(MaybeUninit::new(x));
                // SAFETY: all of it was written.
                unsafe { room.assume_init_ref() }
            }
        };
        dispatch(Loop3 { f: self.0, a: Some(a), b, c, dst });
    }

    fn own(&self, b: Piece<'_, B>, c: Piece<'_, C>, dst: &mut [R]) {
        dispatch(Loop3::<_, A, B, C, R> { f: self.0, a: None, b, c, dst });
    }
}

fn share_out3<A: Pod, B: Pod, C: Pod, R: Pod>(
    f: &dyn Run3<A, B, C, R>,
    (a, la): (&[A], Strided),
    (b, lb): (&[B], Strided),
    (c, lc): (&[C], Strided),
    dst: &mut [R],
    cost: usize,
) {
    let len = dst.len();
    let (a, b, c) = (Source::new(a, la, len), Source::new(b, lb, len), Source::new(c, lc, len));
    write(dst, cost, |start, dst| {
        let (mut scratch_a, mut scratch_b, mut scratch_c) = (Scratch::new(), Scratch::new(), Scratch::new());
        let stop = |at| a.stop(at).min(b.stop(at)).min(c.stop(at));
        by_pieces(start, dst, CHUNK, stop, |at, dst| {
            let len = dst.len();
            let a = a.piece(at, len, &mut scratch_a);
            let b = b.piece(at, len, &mut scratch_b);
            let c = c.piece(at, len, &mut scratch_c);
            f.piece(a, b, c, dst);
        });
    });
}

/// Has `f` go over all that `dst` holds, and the other operands; those without elements are what `dst` holds as well.
fn share_out_own3<A: Pod, B: Pod, C: Pod, R: Pod>(
    f: &dyn Run3<A, B, C, R>,
    (b, lb): (&[B], Strided),
    (c, lc): (&[C], Strided),
    dst: &mut [R],
    cost: usize,
) {
    if let (Some(b), Some(c)) = (Piece::whole(b, lb, dst.len()), Piece::whole(c, lc, dst.len())) {
        return over(dst, cost, |start, dst| f.own(b.part(start, dst.len()), c.part(start, dst.len()), dst));
    }
    let len = dst.len();
    let b = (!is_own(b, lb, dst)).then(|| Source::new(b, lb, len));
    let c = (!is_own(c, lc, dst)).then(|| Source::new(c, lc, len));
    over(dst, cost, |start, dst| {
        let (mut room_b, mut room_c) = (Scratch::new(), Scratch::new());
        let stop =
            |at| b.as_ref().map_or(usize::MAX, |b| b.stop(at)).min(c.as_ref().map_or(usize::MAX, |c| c.stop(at)));
        by_pieces(start, dst, CHUNK, stop, |at, dst| {
            let len = dst.len();
            let b = match &b {
                Some(b) => b.piece(at, len, &mut room_b),
                None => Piece::Slice(copied::<B, R>(dst, room_b.of(len))),
            };
            let c = match &c {
                Some(c) => c.piece(at, len, &mut room_c),
                None => Piece::Slice(copied::<C, R>(dst, room_c.of(len))),
            };
            f.own(b, c, dst);
        });
    });
}

struct Loop3<'a, F, A, B, C, R> {
    f: F,
    /// What `dst` holds where there is none.
    a: Option<&'a [A]>,
    b: Piece<'a, B>,
    c: Piece<'a, C>,
    dst: &'a mut [R],
}

/// The loops over three operands. The first is in `x`, given the output's element and what comes along with it.
macro_rules! each_triple {
    ($f:ident, $dst:expr, $b:ident, $c:ident, |$d:ident, $with:pat_param| $x:expr) => {
        match ($b, $c) {
            (Piece::Slice(b), Piece::Slice(c)) => {
                for ((($d, $with), &y), &z) in $dst.zip(b).zip(c) {
                    *$d = $f.call::<S>($x, y, z);
                }
            }
            (Piece::Slice(b), Piece::Splat(z)) => {
                for (($d, $with), &y) in $dst.zip(b) {
                    *$d = $f.call::<S>($x, y, z);
                }
            }
            (Piece::Splat(y), Piece::Slice(c)) => {
                for (($d, $with), &z) in $dst.zip(c) {
                    *$d = $f.call::<S>($x, y, z);
                }
            }
            (Piece::Splat(y), Piece::Splat(z)) => {
                for ($d, $with) in $dst {
                    *$d = $f.call::<S>($x, y, z);
                }
            }
        }
    };
}

impl<A: Pod, B: Pod, C: Pod, R: Pod, F: Function3<A, B, C, R>> Kernel for Loop3<'_, F, A, B, C, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { f, a, b, c, dst } = self;
        match a {
            Some(a) => each_triple!(f, dst.iter_mut().zip(a), b, c, |d, x| *x),
            None if const { size_of::<A>() == size_of::<R>() } => {
                each_triple!(f, dst.iter_mut().zip(std::iter::repeat(())), b, c, |d, ()| as_operand(d));
            }
            None => unreachable!("a map to another type has no place of its own"),
        }
    }
}
