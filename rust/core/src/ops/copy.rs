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

/// `result`, or a copy of it where it is a view of `x`: for functions whose results callers may write to.
pub(crate) fn apart(result: Tensor, x: &Tensor) -> Result<Tensor> {
    if result.array().shares_storage(x.array()) { copy(&result) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{arrange, images, join, matrices, statistics};

    #[test]
    fn what_changes_nothing_is_a_copy_all_the_same() {
        let x: Tensor = Array::from_slice("test", &[1f32, 2., 3., 4.], &[2, 2]).unwrap().into();
        let planes = crate::ops::reshape(&x, &[1, 1, 2, 2]).unwrap();
        let number = |value: i64| Tensor::from(Array::from_slice("test", &[value], &[1]).unwrap());
        let single = crate::ops::reshape(&crate::ops::slice(&x, 1, 0, 1, 1).unwrap(), &[2, 1]).unwrap();
        let results = [
            join::repeat(&x, &[1, 1]),
            join::repeat(&single, &[1, 3]),
            arrange::tile(&x, &[1]),
            arrange::repeat_interleave(&x, &number(1), Some(0)),
            arrange::repeat_interleave(&x, &number(1), None),
            arrange::diag(&x, 0),
            arrange::roll(&x, &[0], &[0]),
            matrices::matrix_power(&x, 1),
            statistics::diff(&x, 0, -1, None, None),
            images::pixel_shuffle(&planes, 1),
            images::pixel_unshuffle(&planes, 1),
        ];
        for (i, result) in results.into_iter().enumerate() {
            assert!(!result.unwrap().array().shares_storage(x.array()), "{i}");
        }
    }
}
