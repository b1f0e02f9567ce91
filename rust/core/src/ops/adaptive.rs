//! Max pooling by windows that adapt to the size of the result.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply_all, one};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::Dims;
use crate::ops::pool::{rank_message, scattered};
use crate::ops::sample::{Domain, Params, Sample, input};
use crate::ops::select::by_first;
use crate::with_stored_float;
use dlcore_kernels::pool;
use smallvec::smallvec;

/// Largest element of each of `size` windows that share planes as evenly as can be; the auxiliary output says where in its
/// plane it stood.
#[derive(Clone, Debug)]
pub struct AdaptiveMaxPool2d {
    /// Rows and columns of windows.
    pub size: [usize; 2],
}

impl Operation for AdaptiveMaxPool2d {
    const NAME: &'static str = "adaptive_max_pool2d";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let &[ref lead @ .., height, width] = inputs[0].shape() else {
            return Err(Error::shape(Self::NAME, rank_message(inputs[0].shape())));
        };
        let shape: Dims = lead.iter().chain(&self.size).copied().collect();
        if height * width == 0 && self.size.iter().all(|&windows| windows > 0) {
            return Err(Error::shape(Self::NAME, "there is nothing to pool in a dimension of no elements"));
        }
        let x = inputs[0].contiguous(Self::NAME)?;
        let (y, positions) = with_stored_float!(Self::NAME, x.dtype(), K => {
            Array::build_pair(Self::NAME, &shape, &shape, |y: &mut [K], positions: &mut [i64]| {
                let (planes, size) = (lead.iter().product(), (self.size[0], self.size[1]));
                pool::adaptive_max_pool2d(x.elements::<K>(), planes, (height, width), size, y, positions);
                Ok(())
            })
        })?;
        Ok(smallvec![y, positions])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let shape = context.shape(0);
        let (lead, plane) = shape.split_at(shape.len() - 2);
        let lengths = (plane.iter().product(), self.size.iter().product());
        let gx = scattered(Self::NAME, grad, &context.auxiliary(1)?, shape, lead.iter().product(), lengths)?;
        Ok(one(by_first(gx, context)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |size, shape: &[usize]| Sample::new(Self { size }, [input(Domain::Distinct, shape)]);
        vec![of([2, 3], &[1, 2, 5, 4]), of([1, 5], &[2, 1, 3]), of([2, 2], &[2, 7, 2]), of([1, 2], &[0, 2, 4])]
    }

    fn params(&self) -> Params {
        vec![("output_size", self.size.as_slice().into())]
    }
}

/// The largest element of each of `size` windows that share the last two dimensions, and where in its plane each stood.
///
/// # Errors
/// [`Error::Shape`] for fewer dimensions, or windows of none of their elements; [`Error::DType`] for integers.
pub fn adaptive_max_pool2d(x: &Tensor, size: [usize; 2]) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(AdaptiveMaxPool2d { size }, &[x])?;
    let values = outputs.swap_remove(0);
    Ok((values, outputs.swap_remove(0)))
}
