//! A copy with memory of its own; its gradient passes through.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::error::Result;
use crate::ops::sample::{Sample, real, single};

/// `x.clone()`.
#[derive(Clone, Debug)]
pub struct Copy;

impl Operation for Copy {
    const NAME: &'static str = "clone";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].copy(Self::NAME)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(grad.clone()))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![Sample::new(Self, [real(&[2, 3])]), Sample::new(Self, [real(&[])]), Sample::new(Self, [real(&[0, 2])])]
    }
}

/// A copy of `x`, row-major.
///
/// # Errors
/// Only for lack of memory.
pub fn copy(x: &Tensor) -> Result<Tensor> {
    apply(Copy, &[x])
}
