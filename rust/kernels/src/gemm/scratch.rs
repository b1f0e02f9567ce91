//! Memory of a thread that tasks use while they run: grows to what was needed most, never moves to another thread.

use std::cell::Cell;

use crate::memory::{Buffer, Pod};

thread_local! {
    static SCRATCH: Cell<Option<Buffer>> = const { Cell::new(None) };
}

/// Runs `body` with at least `len` elements of unspecified contents, aligned to a cache line.
pub(crate) fn with_scratch<T: Pod, R>(len: usize, body: impl FnOnce(*mut T) -> R) -> R {
    let bytes = len * size_of::<T>();
    // Taken out while in use, so that a nested call gets memory of its own.
    let buffer = match SCRATCH.take() {
        Some(buffer) if buffer.len() >= bytes => buffer,
        _ => Buffer::uninit(bytes.next_power_of_two().max(1 << 16)),
    };
    let result = body(buffer.as_ptr().cast());
    SCRATCH.set(Some(buffer));
    result
}
