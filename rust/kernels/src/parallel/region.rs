//! One fork-join: tasks that the calling thread and whoever comes to help claim.
//!
//! Each thread begins with a share of its own, neighbouring tasks, and then takes from the far end of what others have
//! left. So a thread that computed some rows finds them in its own caches when the next region reads them.
//!
//! The caller never waits for a helper that has not begun: a region closes as soon as its tasks are done, and a helper
//! that arrives later finds it closed and leaves. So a busy or sleeping worker costs time only where it works.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Instant;

use super::Work;
use super::pool::Pool;

thread_local! {
    static IN_REGION: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a task of some region.
pub(super) fn inside() -> bool {
    IN_REGION.get()
}

pub(super) struct Region {
    /// The caller's closure, valid while the region is open or a helper is inside.
    body: *const Work<'static>,
    shares: Box<[Share]>,
    /// Helpers inside, and [`CLOSED`].
    helpers: AtomicUsize,
    caller: Thread,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Tasks that nobody has claimed: the first in the lower half, the end in the upper.
#[repr(align(64))]
struct Share(AtomicU64);

impl Share {
    fn new(first: usize, end: usize) -> Self {
        Self(AtomicU64::new((end as u64) << 32 | first as u64))
    }

    /// The first task, for the thread whose share it is, or else the last. The first only grows and the end only shrinks,
    /// so no value comes twice; what tasks write is handed over by the queue's lock and `helpers`.
    fn claim(&self, first: bool) -> Option<usize> {
        let parts = |tasks: u64| (tasks & u64::from(u32::MAX), tasks >> 32);
        let rest = |tasks: u64| {
            let (start, end) = parts(tasks);
            (start < end).then(|| if first { tasks + 1 } else { tasks - (1 << 32) })
        };
        let (start, end) = parts(self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).ok()?);
        usize::try_from(if first { start } else { end - 1 }).ok()
    }
}

/// Set in `helpers` when no more may come in.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Pauses between looks at the clock, while the caller waits for helpers to finish their last tasks.
const SPINS: usize = 16;

// SAFETY: the closure behind `body` is `Sync` and outlives every use (see `run`); the rest is Send and Sync.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Runs `body` on this thread and the pool's workers, who share the tasks `0..tasks`. A panic in a task stops the handing
/// out of tasks and continues on this thread.
///
/// # Panics
/// For 2^32 tasks or more.
pub(super) fn run(pool: &Pool, tasks: usize, body: &Work<'_>) {
    assert!(u32::try_from(tasks).is_ok(), "too many tasks");
    let shares = pool.threads().min(tasks);
    // SAFETY: only the lifetime changes. `body` is used by the caller below and by helpers, which `Closing` keeps out
    // or waits for before this frame ends, by return or by panic.
    let body: &'static Work<'static> = unsafe { std::mem::transmute(body) };
    let region = Arc::new(Region {
        body: std::ptr::from_ref(body),
        shares: (0..shares).map(|i| Share::new(i * tasks / shares, (i + 1) * tasks / shares)).collect(),
        helpers: AtomicUsize::new(0),
        caller: std::thread::current(),
        panic: Mutex::new(None),
    });
    {
        let _closing = Closing { region: &region, pool };
        pool.offer(&region, tasks - 1);
        region.work(0);
    }
    let panic = region.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

struct Closing<'a> {
    region: &'a Region,
    pool: &'a Pool,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let helpers = &self.region.helpers;
        let mut inside = helpers.fetch_or(CLOSED, Ordering::Acquire) & !CLOSED;
        self.pool.withdraw(self.region);
        if inside == 0 {
            return;
        }
        // To sleep and be woken takes longer than most tasks.
        let give_up = Instant::now() + self.pool.patience();
        let mut asleep = false;
        while inside != 0 {
            if asleep {
                std::thread::park();
            } else {
                (0..SPINS).for_each(|_| std::hint::spin_loop());
                asleep = Instant::now() >= give_up;
            }
            inside = helpers.load(Ordering::Acquire) & !CLOSED;
        }
    }
}

impl Region {
    /// The part of worker `worker`: claims tasks until none is left. Does nothing if the region has closed.
    pub(super) fn help(&self, worker: usize) {
        let open = |helpers: usize| (helpers & CLOSED == 0).then_some(helpers + 1);
        if self.helpers.fetch_update(Ordering::Acquire, Ordering::Relaxed, open).is_err() {
            return;
        }
        self.work(1 + worker);
        if self.helpers.fetch_sub(1, Ordering::Release) == CLOSED + 1 {
            self.caller.unpark();
        }
    }

    fn work(&self, thread: usize) {
        let before = IN_REGION.replace(true);
        let claimed = || {
            // SAFETY: the region is open or this thread is counted inside it, so `run` has not returned.
            let body = unsafe { &*self.body };
            let (before, own) = self.shares.split_at(thread % self.shares.len());
            let mut shares = own.iter().chain(before);
            let (mut share, mut is_own) = (shares.next(), true);
            body(&mut || {
                while let Some(claimed) = share.map(|share| share.claim(is_own)) {
                    if claimed.is_some() {
                        return claimed;
                    }
                    (share, is_own) = (shares.next(), false);
                }
                None
            });
        };
        // A task that panicked leaves only its own output half written, and the caller sees the panic.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(claimed)) {
            self.shares.iter().for_each(|share| share.0.store(0, Ordering::Relaxed));
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
        IN_REGION.set(before);
    }
}
