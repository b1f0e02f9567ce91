//! Finding what went wrong in a walk: the place in the user's program where an operation was recorded, which whoever
//! embeds this crate knows, and gradients that are not numbers.

use crate::autograd::node::{Gradients, Node};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops;
use std::sync::OnceLock;

static ORIGIN: OnceLock<fn() -> Option<String>> = OnceLock::new();

/// Registers the function that describes where the program is. Only the first call counts.
pub fn install(origin: fn() -> Option<String>) {
    let _ = ORIGIN.set(origin);
}

/// Where the program is now.
#[must_use]
pub fn origin() -> Option<String> {
    ORIGIN.get().and_then(|origin| origin())
}

/// Completes an error of the walk through `node` with where it was recorded.
pub(super) fn locate(error: Error, node: &Node) -> Error {
    match node.origin() {
        Some(origin) => error.extended(&format!("\n{} was recorded {origin}", node.name())),
        None => error,
    }
}

/// Refuses gradients that are not numbers.
///
/// # Errors
/// [`Error::Gradient`] that names the operation, the input and where it was recorded.
pub(super) fn check(node: &Node, gradients: &Gradients) -> Result<()> {
    for (i, gradient) in gradients.iter().enumerate() {
        let Some(gradient) = gradient else { continue };
        if ops::reduce::any(ops::isnan(gradient)?.array())? {
            let (name, shape) = (node.name(), Show(gradient.shape()));
            let what = format_args!("the backward of {name} gave nan in the gradient of shape {shape} by input {i}");
            return Err(locate(Error::gradient("detect_anomaly", what), node));
        }
    }
    Ok(())
}
