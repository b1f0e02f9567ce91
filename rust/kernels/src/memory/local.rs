//! Each thread's own blocks of up to 4 KiB: the headers and scalars of small programs, at a few nanoseconds each and
//! without a lock. A list of free blocks is threaded through the blocks themselves.

use std::cell::Cell;

use super::classes::{SMALL_CLASSES, class_bytes};
use super::system;
use super::tally::Tally;

/// Bytes that one thread keeps at most.
const MOST: usize = 1 << 20;

pub(super) struct Local {
    /// The first free block of each class; a free block begins with the address of the next.
    heads: [Cell<*mut u8>; SMALL_CLASSES],
    bytes: Cell<usize>,
    pub(super) tally: Tally,
}

thread_local! {
    static LOCAL: Local = const {
        Local { heads: [const { Cell::new(std::ptr::null_mut()) }; SMALL_CLASSES], bytes: Cell::new(0), tally: Tally::new() }
    };
}

/// Gives `action` this thread's cache and tally, for a thread about to end ones that last for this call.
#[inline]
pub(super) fn with<R>(action: impl FnOnce(&Local) -> R) -> R {
    let mut action = Some(action);
    let done = LOCAL.try_with(|local| action.take().map(|action| action(local)));
    match (done, action) {
        (Ok(Some(result)), _) => result,
        (_, Some(action)) => action(&Local::empty()),
        _ => unreachable!("the action runs once"),
    }
}

/// Where a free block holds the address of the next.
#[expect(clippy::cast_ptr_alignment, reason = "blocks are aligned to 64 bytes")]
fn next(free: *mut u8) -> *mut *mut u8 {
    free.cast()
}

impl Local {
    fn empty() -> Self {
        Self {
            heads: [const { Cell::new(std::ptr::null_mut()) }; SMALL_CLASSES],
            bytes: Cell::new(0),
            tally: Tally::new(),
        }
    }

    #[inline]
    pub(super) fn take(&self, class: usize) -> Option<*mut u8> {
        let head = self.heads[class].get();
        if head.is_null() {
            return None;
        }
        // SAFETY: a block in a list is ours alone and begins with the next one's address (see `keep`).
        self.heads[class].set(unsafe { next(head).read() });
        let bytes = class_bytes(class);
        self.bytes.set(self.bytes.get() - bytes);
        self.tally.kept(-bytes.cast_signed());
        Some(head)
    }

    /// Keeps a block that nobody uses, unless there are enough.
    ///
    /// # Safety
    /// `start` is a block of `class` that came from [`system::fresh`]; nobody uses it any more.
    #[inline]
    pub(super) unsafe fn keep(&self, start: *mut u8, class: usize) -> bool {
        let bytes = class_bytes(class);
        if self.bytes.get() + bytes > MOST {
            return false;
        }
        // SAFETY: the block is ours by contract, aligned, and holds more than an address.
        unsafe { next(start).write(self.heads[class].get()) };
        self.heads[class].set(start);
        self.bytes.set(self.bytes.get() + bytes);
        self.tally.kept(bytes.cast_signed());
        true
    }

    pub(super) fn clear(&self) {
        for class in 0..SMALL_CLASSES {
            while let Some(start) = self.take(class) {
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
