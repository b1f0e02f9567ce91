//! The only door to threads: rayon's pool behind a fork-join that never lets the thread count change a result.
//!
//! A region is a number of tasks fixed by the shape of the work; which thread runs which task is left open. The calling
//! thread takes part; small regions never leave it; a region inside a region runs serially.

mod limits;
mod pool;
mod region;

pub use limits::MAX_THREADS;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Regions whose estimated serial time is below this stay on the calling thread, in nanoseconds.
pub const SERIAL_BELOW_NS: usize = 5_000;

/// Runs `body(task)` for every task in `0..tasks`, in parallel when `cost_ns`, the estimated serial time of the whole
/// region in nanoseconds, makes a hand-off worth it. Tasks must write disjoint data. A panic in a task comes out here,
/// once every thread has left the region.
#[inline]
pub fn for_each(tasks: usize, cost_ns: usize, body: impl Fn(usize) + Sync) {
    for_each_dyn(tasks, cost_ns, &body);
}

/// A body behind a pointer, so that what runs it is compiled once. A `dyn Fn` would carry the body twice more, as `FnOnce`
/// and `FnMut`.
trait Body<T>: Sync {
    fn run(&self, task: T);
}

impl<T, F: Fn(T) + Sync> Body<T> for F {
    fn run(&self, task: T) {
        self(task);
    }
}

/// Not generic, so that the many bodies of kernels are compiled once each.
fn for_each_dyn(tasks: usize, cost_ns: usize, body: &dyn Body<usize>) {
    share(tasks, cost_ns, &|next| {
        while let Some(task) = next() {
            body.run(task);
        }
    });
}

/// [`for_each`] with something that each thread makes before its first task, and drops after its last or when one panics.
pub fn for_each_init<S>(
    tasks: usize,
    cost_ns: usize,
    init: impl Fn() -> S + Sync,
    body: impl Fn(&mut S, usize) + Sync,
) {
    share(tasks, cost_ns, &|next| {
        let Some(first) = next() else { return };
        let mut state = init();
        body(&mut state, first);
        while let Some(task) = next() {
            body(&mut state, task);
        }
    });
}

/// What a thread does in a region: takes tasks until there is none left.
type Work<'a> = dyn Fn(&mut dyn FnMut() -> Option<usize>) + Sync + 'a;

fn share(tasks: usize, cost_ns: usize, work: &Work<'_>) {
    let threads = num_threads();
    if tasks <= 1 || cost_ns < SERIAL_BELOW_NS || threads == 1 || region::inside() {
        let mut all = 0..tasks;
        return work(&mut || all.next());
    }
    region::run(&pool::current(threads), tasks, work);
}

/// Splits `0..len` into ranges of `grain` elements (the last may be shorter) and runs `body` on each. The split depends
/// on `len` and `grain` alone. `ns_per_1024` estimates the cost of 1024 elements.
#[inline]
pub fn for_ranges(len: usize, grain: usize, ns_per_1024: usize, body: impl Fn(Range<usize>) + Sync) {
    for_ranges_dyn(len, grain, ns_per_1024, &body);
}

/// Not generic, as [`for_each_dyn`].
fn for_ranges_dyn(len: usize, grain: usize, ns_per_1024: usize, body: &dyn Body<Range<usize>>) {
    let grain = grain.max(1);
    let cost = len.saturating_mul(ns_per_1024) / 1024;
    for_each(len.div_ceil(grain), cost, |task| body.run(task * grain..((task + 1) * grain).min(len)));
}

/// What [`set_num_threads`] asked for; zero before it was called.
static ASKED: AtomicUsize = AtomicUsize::new(0);

fn automatic() -> &'static limits::Limit {
    static AUTOMATIC: OnceLock<limits::Limit> = OnceLock::new();
    AUTOMATIC.get_or_init(limits::automatic)
}

/// Threads that a region may use: what [`set_num_threads`] asked for, else `DLCORE_NUM_THREADS`, else the CPUs that
/// affinity and control groups leave to this process.
#[must_use]
pub fn num_threads() -> usize {
    match ASKED.load(Ordering::Relaxed) {
        0 => automatic().threads,
        asked => asked,
    }
}

/// Regions that begin from now on use `threads` threads, the caller among them: at least 1, at most [`MAX_THREADS`],
/// more than there are CPUs if you insist. Regions under way keep the threads they have.
pub fn set_num_threads(threads: usize) {
    ASKED.store(threads.clamp(1, MAX_THREADS), Ordering::Relaxed);
}

/// Why [`num_threads`] is what it is, in one line for people.
#[must_use]
pub fn why() -> String {
    match ASKED.load(Ordering::Relaxed) {
        0 => automatic().why.clone(),
        asked => format!("set_num_threads({asked})"),
    }
}

/// A mutable slice that tasks of one region write in disjoint pieces.
pub struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: the pieces handed out are disjoint (the contract of `slice`), so this is `&mut [T]` split among threads.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Wraps `slice` for the length of a region.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The piece `range` of the slice.
    ///
    /// # Panics
    /// If `range` does not lie in the slice.
    ///
    /// # Safety
    /// No two pieces that are alive at the same time may overlap.
    #[must_use]
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's contract")]
    pub unsafe fn slice(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: in bounds by the line above, unaliased by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The start of the slice, for kernels whose tasks interleave (tiles of a matrix).
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut T {
        self.start
    }
}
