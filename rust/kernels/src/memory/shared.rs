//! Free blocks above 4 KiB, shared by all threads and bounded in bytes: the block that has waited longest goes first,
//! the block that came last (and may still be in a CPU's cache) is handed out first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::classes::class_bytes;
use super::system;

pub(super) struct Shared {
    /// Free blocks of each class, oldest first.
    shelves: Vec<VecDeque<Kept>>,
    bytes: usize,
    clock: u64,
}

struct Kept {
    start: *mut u8,
    since: u64,
}

// SAFETY: free blocks belong to no thread.
unsafe impl Send for Kept {}

static SHARED: Mutex<Shared> = Mutex::new(Shared { shelves: Vec::new(), bytes: 0, clock: 0 });

fn lock() -> MutexGuard<'static, Shared> {
    #[cfg(unix)]
    fork::guard();
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn bytes() -> usize {
    lock().bytes
}

pub(super) fn take(class: usize) -> Option<*mut u8> {
    let mut shared = lock();
    let start = shared.shelves.get_mut(class)?.pop_back()?.start;
    shared.bytes -= class_bytes(class);
    Some(start)
}

/// Keeps a block that nobody uses, and lets others go until at most `limit` bytes are kept.
///
/// # Safety
/// `start` is a block of `class` that came from [`system::fresh`]; nobody uses it any more.
pub(super) unsafe fn keep(start: *mut u8, class: usize, limit: usize) {
    let mut shared = lock();
    let since = shared.clock;
    shared.clock += 1;
    if shared.shelves.len() <= class {
        shared.shelves.resize_with(class + 1, VecDeque::new);
    }
    shared.shelves[class].push_back(Kept { start, since });
    shared.bytes += class_bytes(class);
    release(shared, limit);
}

/// Lets blocks go until at most `limit` bytes are kept.
pub(super) fn shrink(limit: usize) {
    release(lock(), limit);
}

/// Takes blocks out until at most `limit` bytes are kept; to give them back can take long, and needs no lock.
fn release(mut shared: MutexGuard<Shared>, limit: usize) {
    let mut out = Vec::new();
    while shared.bytes > limit {
        out.extend(shared.oldest());
    }
    drop(shared);
    for (start, class) in out {
        // SAFETY: `keep` was given a block of this class from `fresh`, and the shelf held it alone.
        unsafe { system::release(start, class_bytes(class)) };
    }
}

impl Shared {
    /// Takes out the block that has waited longest, with its class.
    fn oldest(&mut self) -> Option<(*mut u8, usize)> {
        let waiting = |(class, shelf): (usize, &VecDeque<Kept>)| Some((shelf.front()?.since, class));
        let (_, class) = self.shelves.iter().enumerate().filter_map(waiting).min()?;
        let start = self.shelves[class].pop_front()?.start;
        self.bytes -= class_bytes(class);
        Some((start, class))
    }
}

/// A child must find the cache and the arena whole and unlocked: the thread that forks holds the locks meanwhile.
#[cfg(unix)]
mod fork {
    use std::cell::UnsafeCell;
    use std::sync::{MutexGuard, Once, PoisonError};

    use super::{SHARED, Shared};

    #[cfg(target_os = "linux")]
    type Locks = (MutexGuard<'static, Shared>, MutexGuard<'static, super::super::arena::Arena>);
    #[cfg(not(target_os = "linux"))]
    type Locks = (MutexGuard<'static, Shared>, ());

    struct Held(UnsafeCell<Option<Locks>>);

    // SAFETY: touched only by the thread that forks, from `before` to `after`, while it holds the lock.
    unsafe impl Sync for Held {}

    static HELD: Held = Held(UnsafeCell::new(None));

    extern "C" fn before() {
        let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(target_os = "linux")]
        let arena = super::super::arena::lock();
        #[cfg(not(target_os = "linux"))]
        let arena = ();
        // SAFETY: this thread holds the locks, so no other is between `before` and `after`.
        unsafe { *HELD.0.get() = Some((shared, arena)) };
    }

    extern "C" fn after() {
        // SAFETY: as above. The guards leave the cell before they unlock.
        let guards = unsafe { (*HELD.0.get()).take() };
        drop(guards);
    }

    pub(super) fn guard() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handlers do nothing but lock and unlock.
            unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
        });
    }
}
