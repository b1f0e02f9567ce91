//! What this thread does beside computing: record operations (`no_grad`, `enable_grad`), find out where each was recorded
//! (`detect_anomaly`), refuse numbers that are not finite (`guard`), hand over what it saves (`saved_tensors_hooks`).

use std::cell::Cell;

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode(RECORDING)) };
}

const RECORDING: u8 = 1;
const TRACING: u8 = 2;
const PACKING: u8 = 4;
const CHECKING: u8 = 8;
const GUARDING: u8 = 16;
const RETAINING: u8 = 32;

/// The modes of a thread, read at once: every operation asks.
#[derive(Clone, Copy)]
pub struct Mode(u8);

impl Mode {
    /// The modes of this thread.
    #[must_use]
    pub fn get() -> Self {
        MODE.get()
    }

    /// Whether operations are recorded.
    #[must_use]
    pub fn records(self) -> bool {
        self.0 & RECORDING != 0
    }

    /// Whether recorded operations remember where in the user's program that was.
    #[must_use]
    pub fn traces(self) -> bool {
        self.0 & TRACING != 0
    }

    /// Whether walks refuse gradients that are not numbers.
    #[must_use]
    pub fn checks(self) -> bool {
        self.0 & CHECKING != 0
    }

    /// Whether operations refuse to give the first number that is not finite.
    #[must_use]
    pub fn guards(self) -> bool {
        self.0 & GUARDING != 0
    }

    /// Whether what is saved for backward is handed over.
    #[must_use]
    pub fn packs(self) -> bool {
        self.0 & PACKING != 0
    }
}

/// Whether the graph that is being walked will be walked again, so that what it saved must stay as it is.
#[must_use]
pub fn is_retaining() -> bool {
    Mode::get().0 & RETAINING != 0
}

fn switch(bit: u8, on: bool) -> bool {
    let before = MODE.get();
    MODE.set(Mode(if on { before.0 | bit } else { before.0 & !bit }));
    before.0 & bit != 0
}

/// Whether this thread records operations.
#[must_use]
pub fn is_recording() -> bool {
    Mode::get().records()
}

/// Sets whether this thread records operations and returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_recording(on: bool) -> bool {
    switch(RECORDING, on)
}

/// Sets whether this thread traces and returns what it was; see [`Mode::traces`].
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_tracing(on: bool) -> bool {
    switch(TRACING, on)
}

/// Sets whether walks of this thread refuse gradients that are not numbers and returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_checking(on: bool) -> bool {
    switch(CHECKING, on)
}

/// Sets whether this thread guards and returns what it was; see [`Mode::guards`].
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_guarding(on: bool) -> bool {
    switch(GUARDING, on)
}

/// Sets whether this thread packs; see [`Mode::packs`].
pub(super) fn set_packing(on: bool) {
    switch(PACKING, on);
}

/// A walk through a graph that is kept, or not; the earlier state returns when it drops.
pub(super) struct Retaining(bool);

impl Retaining {
    pub(super) fn new(on: bool) -> Self {
        Self(switch(RETAINING, on))
    }
}

impl Drop for Retaining {
    fn drop(&mut self) {
        switch(RETAINING, self.0);
    }
}

/// Sets recording for a scope; the earlier state returns when it drops.
pub struct Scope(bool);

impl Scope {
    /// Records, or not, until dropped.
    #[must_use]
    pub fn new(on: bool) -> Self {
        Self(set_recording(on))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        set_recording(self.0);
    }
}
