//! One fork-join: tasks that the calling thread and whoever comes to help claim from one counter.
//!
//! The caller never waits for a helper that has not begun: a region closes as soon as its tasks are done, and a helper
//! that arrives later finds it closed and leaves. So a busy or sleeping worker costs time only where it works.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

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
    body: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    /// The next task that nobody has claimed.
    next: AtomicUsize,
    /// Helpers inside, and [`CLOSED`].
    helpers: AtomicUsize,
    caller: Thread,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Set in `helpers` when no more may come in.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Pauses before the caller sleeps while helpers finish their last tasks: about ten microseconds.
const SPINS: usize = 256;

// SAFETY: the closure behind `body` is `Sync` and outlives every use (see `run`); the rest is Send and Sync.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Runs `body(task)` for every task in `0..tasks` on this thread and the pool's workers. A panic in a task stops the
/// handing out of tasks and continues on this thread.
pub(super) fn run(pool: &Pool, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
    // SAFETY: only the lifetime changes. `body` is used by the caller below and by helpers, which `Closing` keeps out
    // or waits for before this frame ends, by return or by panic.
    let body: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(body) };
    let region = Arc::new(Region {
        body: std::ptr::from_ref(body),
        tasks,
        next: AtomicUsize::new(0),
        helpers: AtomicUsize::new(0),
        caller: std::thread::current(),
        panic: Mutex::new(None),
    });
    {
        let _closing = Closing { region: &region, pool };
        pool.offer(&region, tasks - 1);
        region.work();
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
        let mut spins = 0;
        while inside != 0 {
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::park();
            }
            inside = helpers.load(Ordering::Acquire) & !CLOSED;
        }
    }
}

impl Region {
    /// A worker's part: claims tasks until none is left. Does nothing if the region has closed.
    pub(super) fn help(&self) {
        let open = |helpers: usize| (helpers & CLOSED == 0).then_some(helpers + 1);
        if self.helpers.fetch_update(Ordering::Acquire, Ordering::Relaxed, open).is_err() {
            return;
        }
        self.work();
        if self.helpers.fetch_sub(1, Ordering::Release) == CLOSED + 1 {
            self.caller.unpark();
        }
    }

    fn work(&self) {
        let before = IN_REGION.replace(true);
        let claimed = || {
            // SAFETY: the region is open or this thread is counted inside it, so `run` has not returned.
            let body = unsafe { &*self.body };
            loop {
                let task = self.next.fetch_add(1, Ordering::Relaxed);
                if task >= self.tasks {
                    break;
                }
                body(task);
            }
        };
        // A task that panicked leaves only its own output half written, and the caller sees the panic.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(claimed)) {
            self.next.store(self.tasks, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
        IN_REGION.set(before);
    }
}
