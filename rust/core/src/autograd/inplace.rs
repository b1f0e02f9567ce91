//! In-place writes: right gradients, or an error that says why not. Never silently wrong.

use crate::autograd::mode;
use crate::autograd::tensor::{Tensor, Tracking};
use crate::error::{Error, Result};
use crate::ops;

/// Writes `value` (broadcast, cast) into the memory of `target` on behalf of operation `op`.
///
/// Where the write must be recorded, `value` is the result of the out-of-place form of the operation on `target`, and
/// the tensor that stands for the memory from now on is returned; the caller's handle takes it. Otherwise `None`.
///
/// # Errors
/// [`Error::Gradient`] for a leaf that requires a gradient while recording, and for a recorded write to memory that
/// views share (the others would not know of it); what [`crate::Array::write`] returns.
pub fn assign(op: &'static str, target: &Tensor, value: &Tensor) -> Result<Option<Tensor>> {
    let recorded = mode::is_recording() && (target.requires_grad() || value.requires_grad());
    if !recorded {
        target.array().write(op, value.array())?;
        return Ok(None);
    }
    check(op, target)?;
    // The graph must see a value of the target's own shape and dtype.
    let value = ops::broadcast_to(&ops::cast(value, target.dtype())?, target.shape())?;
    target.array().write(op, value.array())?;
    let now = Tensor::new(target.array().clone(), value.tracking().clone());
    if target.retains_grad() {
        now.retain_grad();
    }
    Ok(Some(now))
}

/// Whether a write to `target` may be recorded.
///
/// # Errors
/// [`Error::Gradient`] where it may not.
pub fn check(op: &str, target: &Tensor) -> Result<()> {
    if let Tracking::Leaf(_) = target.tracking() {
        return Err(Error::gradient(
            op,
            "in-place write to a leaf that requires a gradient; do it under no_grad(), or out of place",
        ));
    }
    if target.array().storage().is_viewed() {
        return Err(Error::gradient(
            op,
            "recorded in-place write to memory that other tensors view; write out of place (x = x + y), or clone() first",
        ));
    }
    Ok(())
}
