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
fn put(slots: &[Cell<Option<Buffer>>; 2], buffer: Buffer) {
    let [first, second] = slots.each_ref().map(Cell::take);
    let mut all = [first, second, Some(buffer)];
    all.sort_by_key(|buffer| buffer.as_ref().map_or(0, Buffer::len));
    let [_, smaller, larger] = all;
    slots[0].set(smaller);
    slots[1].set(larger);
}
