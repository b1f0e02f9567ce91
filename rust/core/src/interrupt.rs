//! Lets whoever embeds this crate stop long work: the engine asks between nodes, the bindings answer (Ctrl-C).

use crate::error::{Error, Result};
use std::sync::OnceLock;

static ASKED_TO_STOP: OnceLock<fn() -> bool> = OnceLock::new();

/// Registers the function that says whether to stop. Called often: it must be cheap. Only the first call counts.
pub fn install(asked_to_stop: fn() -> bool) {
    let _ = ASKED_TO_STOP.set(asked_to_stop);
}

/// Fails with [`Error::Interrupted`] when the user asked to stop.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn check() -> Result<()> {
    match ASKED_TO_STOP.get() {
        Some(asked) if asked() => Err(Error::Interrupted),
        _ => Ok(()),
    }
}
