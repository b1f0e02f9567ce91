//! `out=`: results that go into a tensor that is there already.

use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::autograd::mode;
use dlcore_core::layout::Show;
use dlcore_core::{Error, Result, Tensor, ops};
use pyo3::prelude::*;

/// Where a result goes.
pub type Out<'py> = Option<Bound<'py, PyTensor>>;

/// Where results go: a tensor, or a tuple of one for each.
pub type Outs<'py> = Option<Bound<'py, PyAny>>;

/// Runs `body`, which touches about `elements` elements, and puts its result into `out` where there is one: converted to
/// its dtype, if that is of no lower kind. One without elements takes the result's shape.
#[inline]
pub fn into<'py>(
    py: Python<'py>,
    op: &'static str,
    elements: usize,
    out: Out<'py>,
    body: impl FnOnce() -> Result<Tensor> + Send,
) -> PyResult<Bound<'py, PyTensor>> {
    let value = enter(py, elements, body)?;
    match out {
        None => Bound::new(py, PyTensor::from(value)),
        Some(out) => put(py, op, &value, out),
    }
}

/// Puts `value` into `out`, as [`into`] does.
#[cold]
pub fn put<'py>(
    py: Python<'py>,
    op: &'static str,
    value: &Tensor,
    out: Bound<'py, PyTensor>,
) -> PyResult<Bound<'py, PyTensor>> {
    check(op, value, &out).map_err(to_py)?;
    let target = out.get().get();
    let value = enter(py, value.numel(), || ops::cast(value, target.dtype()))?;
    if target.shape() == value.shape() {
        out.get().write(op, &value)?;
    } else {
        // A copy: the result may be a view of an argument.
        out.get().set(enter(py, value.numel(), || ops::copy(&value))?);
    }
    Ok(out)
}

/// Whether `value` may go into `out`.
pub fn check(op: &str, value: &Tensor, out: &Bound<'_, PyTensor>) -> Result<()> {
    let target = out.get().get();
    if mode::is_recording() && (value.requires_grad() || target.requires_grad()) {
        return Err(Error::gradient(op, "out= has no gradient; use the result, or dlcore.no_grad()"));
    }
    if !value.dtype().can_cast(target.dtype()) {
        let what = format_args!("a {} result does not go into an out of {}", value.dtype(), target.dtype());
        return Err(Error::dtype(op, what));
    }
    if target.shape() != value.shape() && target.numel() != 0 {
        let what = format_args!(
            "out has shape {}, the result {}; give an out of that shape, or an empty one",
            Show(target.shape()),
            Show(value.shape())
        );
        return Err(Error::shape(op, what));
    }
    Ok(())
}
