//! Counters that cost next to nothing: each thread counts in plain cells and reports to the process's totals once the
//! difference is worth an atomic addition. Totals are exact for a thread that asks; of every other running thread up to
//! 64 KiB and 255 allocations may be unreported.

use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering};

static LIVE: AtomicIsize = AtomicIsize::new(0);
static KEPT: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HITS: AtomicU64 = AtomicU64::new(0);

const UNREPORTED_BYTES: usize = 64 << 10;
const UNREPORTED_ALLOCATIONS: u32 = 255;

/// One thread's counts since its last report, and the bytes in its own cache.
pub(super) struct Tally {
    pub(super) kept: Cell<usize>,
    kept_reported: Cell<usize>,
    live: Cell<isize>,
    allocations: Cell<u32>,
    hits: Cell<u32>,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            kept: Cell::new(0),
            kept_reported: Cell::new(0),
            live: Cell::new(0),
            allocations: Cell::new(0),
            hits: Cell::new(0),
        }
    }

    /// A block of `bytes` went to the user, from a cache if `hit`.
    #[inline]
    pub(super) fn took(&self, bytes: usize, hit: bool) {
        self.live.set(self.live.get() + bytes.cast_signed());
        self.allocations.set(self.allocations.get() + 1);
        self.hits.set(self.hits.get() + u32::from(hit));
        if self.allocations.get() > UNREPORTED_ALLOCATIONS {
            self.report();
        }
        self.weigh();
    }

    /// A block of `bytes` came back.
    #[inline]
    pub(super) fn returned(&self, bytes: usize) {
        self.live.set(self.live.get() - bytes.cast_signed());
        self.weigh();
    }

    #[inline]
    fn weigh(&self) {
        if self.live.get().unsigned_abs() >= UNREPORTED_BYTES {
            self.report_live();
        }
    }

    fn report_live(&self) {
        let live = self.live.replace(0);
        let now = (LIVE.fetch_add(live, Ordering::Relaxed) + live).max(0).unsigned_abs();
        if now > PEAK.load(Ordering::Relaxed) {
            PEAK.fetch_max(now, Ordering::Relaxed);
        }
    }

    #[cold]
    pub(super) fn report(&self) {
        self.report_live();
        let kept = self.kept.get();
        KEPT.fetch_add(kept.wrapping_sub(self.kept_reported.replace(kept)).cast_signed(), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(self.allocations.replace(0).into(), Ordering::Relaxed);
        HITS.fetch_add(self.hits.replace(0).into(), Ordering::Relaxed);
    }
}

/// Bytes in the users' hands. A block may be returned by a thread that reports before the one that took it.
pub(super) fn live() -> usize {
    LIVE.load(Ordering::Relaxed).max(0).unsigned_abs()
}

/// Bytes in the caches that are a thread's own.
pub(super) fn kept() -> usize {
    KEPT.load(Ordering::Relaxed).max(0).unsigned_abs()
}

pub(super) fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

pub(super) fn reset_peak() {
    PEAK.store(live(), Ordering::Relaxed);
}

pub(super) fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

pub(super) fn hits() -> u64 {
    HITS.load(Ordering::Relaxed)
}
