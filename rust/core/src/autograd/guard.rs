//! The guard: where a thread asks for it, the first operation that gives a number which is not finite is an error,
//! forwards or backwards.
//!
//! What was not finite before is nobody's fault here: an operation is blamed for NaN only if none came in, and for an
//! infinity only if all that came in was finite, its parameters too, as the value that a mask fills in.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::{Gradients, Node};
use crate::autograd::tensor::Tensor;
use crate::autograd::trace;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::sample::{Param, Params};

const NAME: &str = "guard";

/// Refuses what operation `op` made of `inputs`, if it is the first that is not finite.
///
/// # Errors
/// [`Error::NotFinite`] that names the operation and the index.
#[cold]
pub(super) fn check(op: &str, params: &Params, inputs: &[&Array], output: &Array) -> Result<()> {
    let Some(found) = blamed(inputs.iter().copied(), output, is_finite(params))? else { return Ok(()) };
    let shapes: Vec<_> = inputs.iter().map(|input| Show(input.shape()).to_string()).collect();
    let inputs = if shapes.len() == 1 { "its input, of shape" } else { "its inputs, of shapes" };
    let what = format_args!("the output is {found}; {inputs} {}, held no such number", shapes.join(" and "));
    Err(Error::not_finite(op, what))
}

/// Refuses the gradients by the inputs of `node` if they are the first that are not finite.
///
/// # Errors
/// [`Error::NotFinite`] that names the operation and the index, and where it was recorded.
#[cold]
pub(super) fn check_gradients(node: &Node, arrived: &[Option<Tensor>], gradients: &Gradients) -> Result<()> {
    for (i, gradient) in gradients.iter().enumerate() {
        let Some(gradient) = gradient else { continue };
        let arrived = arrived.iter().flatten().map(Tensor::array);
        let Some(found) = blamed(arrived, gradient.array(), true)? else { continue };
        let what = format_args!("the gradient by input {i}, backwards, is {found}");
        return Err(trace::locate(Error::not_finite(node.name(), what), node));
    }
    Ok(())
}

/// Lets operations give any number while a backward is made of them, for it may leave some out; until dropped.
pub(super) struct Pause(bool);

impl Pause {
    pub(super) fn new() -> Self {
        Self(mode::set_guarding(false))
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        mode::set_guarding(self.0);
    }
}

fn is_finite(params: &Params) -> bool {
    !params.iter().any(|(_, param)| matches!(param, Param::Float(value) if !value.is_finite()))
}

/// The first number of `output` that is not finite, in words, where it is not one of `inputs` that brought it.
fn blamed<'a>(inputs: impl Iterator<Item = &'a Array>, output: &Array, finite: bool) -> Result<Option<String>> {
    let Some(first) = first(output, |value| !value.is_finite())? else { return Ok(None) };
    let (mut nan, mut infinity) = (false, !finite);
    for input in inputs {
        nan |= self::first(input, f64::is_nan)?.is_some();
        infinity |= self::first(input, f64::is_infinite)?.is_some();
    }
    if nan {
        return Ok(None);
    }
    Ok(if infinity { self::first(output, f64::is_nan)? } else { Some(first) })
}

/// The first element that is `wrong`, with its index, in words.
fn first(x: &Array, wrong: impl Fn(f64) -> bool) -> Result<Option<String>> {
    if !x.dtype().is_float() {
        return Ok(None);
    }
    let values = x.cast(NAME, DType::F64)?.contiguous(NAME)?;
    let Some(at) = values.elements::<f64>().iter().position(|&value| wrong(value)) else { return Ok(None) };
    let value = values.elements::<f64>()[at];
    let (mut index, mut rest) = (vec![0; x.rank()], at);
    for (place, &extent) in index.iter_mut().zip(x.shape()).rev() {
        *place = rest % extent;
        rest /= extent;
    }
    let value = if value.is_nan() { "nan".to_owned() } else { value.to_string() };
    Ok(Some(format!("{value} at {index:?}")))
}
