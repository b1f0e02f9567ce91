//! Whether operations are recorded, per thread (`no_grad`, `enable_grad`).

use std::cell::Cell;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether this thread records operations.
#[must_use]
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Sets whether this thread records operations and returns what it was.
#[allow(clippy::must_use_candidate, reason = "called for its effect")]
pub fn set_recording(on: bool) -> bool {
    RECORDING.replace(on)
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
