//! Memory of a thread that tasks use while they run: grows to what was needed most, never moves to another thread.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::memory::{Buffer, Pod};

/// Buffers that a thread keeps.
type Slots = [Cell<Option<Buffer>>; 3];

thread_local! {
    /// For all tasks of a product, for one of them, and for what that calls meanwhile.
    static SCRATCH: Slots = const { [Cell::new(None), Cell::new(None), Cell::new(None)] };
}

/// Memory of this thread, which it never leaves, aligned to a cache line, until it is dropped.
pub(crate) struct Scratch(ManuallyDrop<Buffer>, PhantomData<*mut ()>);

impl Scratch {
    /// Room for at least `len` elements, whose contents are unspecified.
    pub fn new<T: Pod>(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        // Taken out while in use, so that a nested call gets memory of its own.
        let buffer = SCRATCH.with(|slots| take(slots, bytes));
        let buffer = buffer.unwrap_or_else(|| Buffer::uninit(bytes.next_power_of_two().max(1 << 16)));
        Self(ManuallyDrop::new(buffer), PhantomData)
    }

    pub fn start<T: Pod>(&self) -> *mut T {
        self.0.as_ptr().cast()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: nobody sees the field again.
        let buffer = unsafe { ManuallyDrop::take(&mut self.0) };
        // A thread that ends has no slots any more, and drops it.
        let _ = SCRATCH.try_with(|slots| put(slots, buffer));
    }
}

/// Runs `body` with at least `len` elements of unspecified contents, aligned to a cache line.
pub(crate) fn with_scratch<T: Pod, R>(len: usize, body: impl FnOnce(*mut T) -> R) -> R {
    let scratch = Scratch::new::<T>(len);
    body(scratch.start())
}

/// The first buffer that has the bytes: the smaller ones come first.
fn take(slots: &Slots, bytes: usize) -> Option<Buffer> {
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
fn put(slots: &Slots, mut buffer: Buffer) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_buffers_are_kept_and_the_smallest_that_fits_is_taken() {
        let slots: Slots = Default::default();
        for bytes in [2, 5, 1, 4, 3] {
            put(&slots, Buffer::uninit(bytes << 16));
        }
        let taken = [4, 1, 1, 1].map(|least| take(&slots, least << 16).map(|buffer| buffer.len() >> 16));
        assert_eq!(taken, [Some(4), Some(3), Some(5), None]);
    }

    #[test]
    fn what_is_in_use_is_not_given_out_again() {
        let (a, b) = (Scratch::new::<u8>(100), Scratch::new::<u8>(100));
        assert_ne!(a.start::<u8>(), b.start::<u8>());
        let first = b.start::<u8>();
        drop(b);
        assert_eq!(Scratch::new::<u8>(100).start::<u8>(), first);
    }
}
