//! Conversion between dtypes. Its gradient is converted back.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::order::kept;
use crate::ops::sample::{Params, Sample, real, single};

/// `x.to(dtype)`.
#[derive(Clone, Debug)]
pub struct Cast {
    /// What to convert to.
    pub dtype: DType,
}

impl Operation for Cast {
    const NAME: &'static str = "to";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(kept([inputs[0]], |[x]| x.cast(Self::NAME, self.dtype))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(cast(grad, context.dtype(0))?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        DType::ALL.map(|dtype| Sample::new(Self { dtype }, [real(&[2, 3])])).into()
    }

    fn params(&self) -> Params {
        vec![("dtype", self.dtype.name().into())]
    }
}

/// `x` as `dtype`; itself where it has that dtype.
///
/// # Errors
/// Only for lack of memory.
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype { Ok(x.clone()) } else { apply(Cast { dtype }, &[x]) }
}

/// `f` of `x`, computed in float32 and rounded once where `x` is a 16-bit float.
///
/// # Errors
/// What `f` returns.
pub(super) fn widened(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.dtype().is_half() { cast(&f(&cast(x, DType::F32)?)?, x.dtype()) } else { f(x) }
}
