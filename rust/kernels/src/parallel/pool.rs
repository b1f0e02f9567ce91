//! The threads: a rayon pool of all but the caller, built on first use, replaced when the wanted number changes,
//! forgotten in a forked child (whose only thread is the one that forked).
//!
//! A worker that has helped a region waits a moment for the next before rayon may put it to sleep: in a program that
//! computes, one region follows another, and waking a thread costs more than many regions take.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limits;
use super::region::Region;

/// How long a worker that has nothing to do watches for the next region. A hand-off to a watching worker costs 1.5 us, to
/// a sleeping one 15 to 30 us (medians of 2-thread regions of 20 us tasks on two vCPUs; from rayon alone, 8 us where
/// work follows work closely). Where the other CPU is taken by somebody else, a region takes 0.5 us more than its tasks
/// one after the other.
const LINGER: Duration = Duration::from_micros(200);

pub(super) struct Pool {
    threads: usize,
    workers: Option<rayon::ThreadPool>,
    desk: Arc<Desk>,
}

/// Where regions wait for workers.
struct Desk {
    queue: Mutex<Queue>,
    /// Regions in the queue: what a lingering worker watches without the lock.
    waiting: AtomicUsize,
    linger: Duration,
}

#[derive(Default)]
struct Queue {
    regions: VecDeque<Arc<Region>>,
    /// Workers on their way to the queue or watching it; each will take a region if there is one.
    coming: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pool of `threads` threads, shared with whoever still uses it when the number changes.
pub(super) fn current(threads: usize) -> Arc<Pool> {
    let mut slot = lock(slot());
    match slot.as_ref() {
        Some(pool) if pool.threads == threads => pool.clone(),
        _ => slot.insert(Arc::new(Pool::new(threads))).clone(),
    }
}

/// The process's pool. A forked child gets a new, empty slot: the old one may be locked by a thread that the child
/// does not have, and its pool has no threads left to stop.
fn slot() -> &'static Mutex<Option<Arc<Pool>>> {
    static SLOT: AtomicPtr<Mutex<Option<Arc<Pool>>>> = AtomicPtr::new(std::ptr::null_mut());
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            SLOT.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handler only stores to an atomic, which is allowed after a fork. Should registration fail
            // (no memory), fork is as unsafe as without us.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }
    let mut found = SLOT.load(Ordering::Acquire);
    if found.is_null() {
        let fresh = Box::into_raw(Box::default());
        match SLOT.compare_exchange(found, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => found = fresh,
            Err(other) => {
                // SAFETY: made above and not published.
                drop(unsafe { Box::from_raw(fresh) });
                found = other;
            }
        }
    }
    // SAFETY: made by `Box::into_raw` and never freed once published.
    unsafe { &*found }
}

impl Pool {
    /// Where the system refuses the threads, the caller works alone: slower, but the same results.
    fn new(threads: usize) -> Self {
        let build = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads - 1)
                .thread_name(|i| format!("dlcore-{}", i + 1))
                .build()
        };
        // With more threads than CPUs, whoever lingers keeps somebody from working.
        let linger = if threads <= limits::affinity() { LINGER } else { Duration::ZERO };
        let desk = Desk { queue: Mutex::default(), waiting: AtomicUsize::new(0), linger };
        Self { threads, workers: (threads > 1).then(build).and_then(Result::ok), desk: Arc::new(desk) }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// How long a thread that waits for another one watches before it sleeps.
    pub(super) fn patience(&self) -> Duration {
        self.desk.linger
    }

    /// Asks up to `helpers` workers to help with `region`.
    pub(super) fn offer(&self, region: &Arc<Region>, helpers: usize) {
        let Some(workers) = &self.workers else { return };
        let helpers = helpers.min(self.threads - 1);
        let absent = {
            let mut queue = lock(&self.desk.queue);
            queue.regions.extend(std::iter::repeat_n(region, helpers).cloned());
            self.desk.waiting.store(queue.regions.len(), Ordering::Release);
            let absent = queue.regions.len().min(self.threads - 1).saturating_sub(queue.coming);
            queue.coming += absent;
            absent
        };
        for _ in 0..absent {
            let desk = self.desk.clone();
            workers.spawn(move || desk.serve());
        }
    }

    /// Takes back what no worker has come for: `region` is closed.
    pub(super) fn withdraw(&self, region: &Region) {
        let mut queue = lock(&self.desk.queue);
        queue.regions.retain(|waiting| !std::ptr::eq(waiting.as_ref(), region));
        self.desk.waiting.store(queue.regions.len(), Ordering::Release);
    }
}

impl Desk {
    /// A worker's life: helps regions, lingers, leaves.
    fn serve(&self) {
        while let Some(region) = self.next() {
            region.help(rayon::current_thread_index().unwrap_or(0));
            lock(&self.queue).coming += 1;
        }
    }

    /// The next region, or none if none comes soon. Either way this worker is no longer `coming`.
    fn next(&self) -> Option<Arc<Region>> {
        let give_up = Instant::now() + self.linger;
        loop {
            let late = Instant::now() >= give_up;
            if late || self.waiting.load(Ordering::Acquire) > 0 {
                let mut queue = lock(&self.queue);
                let region = queue.regions.pop_front();
                self.waiting.store(queue.regions.len(), Ordering::Release);
                if late || region.is_some() {
                    queue.coming -= 1;
                    return region;
                }
            }
            std::hint::spin_loop();
        }
    }
}
