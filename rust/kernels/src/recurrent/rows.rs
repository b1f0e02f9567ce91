//! Room for rows of one step that are stored narrower than they are computed.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::Row;
use crate::memory::Buffer;

/// Room for the values of rows; none where nothing is converted.
pub(super) struct Room<X> {
    buffer: Buffer,
    stored: PhantomData<X>,
}

impl<X: Row> Room<X> {
    pub(super) fn new(len: usize) -> Self {
        let len = if X::NARROW { len } else { 0 };
        Self { buffer: Buffer::uninit(len * size_of::<X::Value>()), stored: PhantomData }
    }

    /// Room for `len` values.
    pub(super) fn of(&mut self, len: usize) -> &mut [MaybeUninit<X::Value>] {
        let len = if X::NARROW { len } else { 0 };
        let room: *mut [X::Value] = &raw mut self.buffer.as_mut_slice::<X::Value>()[..len];
        // SAFETY: the same memory, of which less is said.
        unsafe { &mut *(room as *mut [MaybeUninit<X::Value>]) }
    }
}
