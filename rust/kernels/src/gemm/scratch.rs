//! Memory of a thread that tasks use while they run: grows to what was needed most, never moves to another thread.

use std::cell::Cell;

use crate::memory::{Buffer, Pod};

thread_local! {
    /// For a task, and for what it calls meanwhile.
    static SCRATCH: [Cell<Option<Buffer>>; 2] = const { [Cell::new(None), Cell::new(None)] };
}

/// Runs `body` with at least `len` elements of unspecified contents, aligned to a cache line.
pub(crate) fn with_scratch<T: Pod, R>(len: usize, body: impl FnOnce(*mut T) -> R) -> R {
    let bytes = len * size_of::<T>();
    // Taken out while in use, so that a nested call gets memory of its own.
    let buffer = SCRATCH.with(|slots| take(slots, bytes));
    let buffer = buffer.unwrap_or_else(|| Buffer::uninit(bytes.next_power_of_two().max(1 << 16)));
    let result = body(buffer.as_ptr().cast());
    SCRATCH.with(|slots| put(slots, buffer));
    result
}

/// The first buffer that has the bytes: the smaller one comes first.
fn take(slots: &[Cell<Option<Buffer>>; 2], bytes: usize) -> Option<Buffer> {
    slots.iter().find_map(|slot| {
        let buffer = slot.take();
        if buffer.as_ref().is_some_and(|buffer| buffer.len() >= bytes) {
            return buffer;
        }
        slot.set(buffer);
        None
    })
}

/// Keeps a buffer in place of nothing, or of a smaller one.
fn put(slots: &[Cell<Option<Buffer>>; 2], mut buffer: Buffer) {
    // The larger comes last.
    for slot in slots.iter().rev() {
        match slot.take() {
            None => return slot.set(Some(buffer)),
            Some(kept) if kept.len() >= buffer.len() => slot.set(Some(kept)),
            Some(kept) => {
                slot.set(Some(buffer));
                buffer = kept;
            }
        }
    }
}
