//! A stream that threads share. A draw holds its lock for as long as it takes to set counters aside, and a forked child
//! never waits for a thread that it does not have: a lock taken before the fork counts as free.

use super::{Generator, Source};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A [`Generator`] behind a lock.
#[derive(Debug)]
pub struct Shared {
    /// Zero, or the generation of the process whose thread holds the lock.
    holder: AtomicU64,
    seed: AtomicU64,
    offset: AtomicU64,
}

/// One more than the forks between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(1);

#[cfg(unix)]
fn count_forks() {
    static COUNTING: AtomicBool = AtomicBool::new(false);
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    if !COUNTING.load(Ordering::Relaxed) && !COUNTING.swap(true, Ordering::Relaxed) {
        // SAFETY: the handler only adds to an atomic, which is allowed after a fork.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

#[cfg(not(unix))]
fn count_forks() {}

impl Shared {
    /// A stream that stands at `start`.
    #[must_use]
    pub const fn new(start: Generator) -> Self {
        Self { holder: AtomicU64::new(0), seed: AtomicU64::new(start.seed), offset: AtomicU64::new(start.offset) }
    }

    /// Lets `change` have the stream alone.
    pub fn with<R>(&self, change: impl FnOnce(&mut Generator) -> R) -> R {
        count_forks();
        let me = GENERATION.load(Ordering::Relaxed);
        loop {
            let holder = self.holder.load(Ordering::Relaxed);
            let free = holder != me;
            if free && self.holder.compare_exchange_weak(holder, me, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                break;
            }
            std::thread::yield_now();
        }
        let unlock = Unlock(self);
        let mut stream =
            Generator { seed: self.seed.load(Ordering::Relaxed), offset: self.offset.load(Ordering::Relaxed) };
        let result = change(&mut stream);
        self.seed.store(stream.seed, Ordering::Relaxed);
        self.offset.store(stream.offset, Ordering::Relaxed);
        drop(unlock);
        result
    }
}

/// Frees the lock when it goes, also where `change` panics.
struct Unlock<'a>(&'a Shared);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.0.holder.store(0, Ordering::Release);
    }
}

impl Source for &Shared {
    fn reserve(&mut self, counters: u64) -> Generator {
        self.with(|stream| stream.reserve(counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_share_a_stream_draw_different_stretches_of_it() {
        let shared = Shared::new(Generator::new(3));
        let starts = std::thread::scope(|scope| {
            let draw = || (0..1000).map(|_| (&mut &shared).reserve(16).offset).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(starts.len(), 4000);
        assert_eq!(shared.with(|stream| *stream), Generator { seed: 3, offset: 64_000 });
    }

    #[test]
    fn a_lock_that_was_taken_before_a_fork_is_free() {
        let shared = Shared::new(Generator::new(3));
        shared.holder.store(GENERATION.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        assert_eq!((&mut &shared).reserve(1).seed, 3);
    }
}
