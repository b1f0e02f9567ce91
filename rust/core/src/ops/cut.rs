//! Cutting a tensor along a dimension into parts that together are all of it.
//!
//! The parts are views, and one node stands for them all: its gradient is theirs one after another. A node for each part
//! would fill the rest with zeros and add up as many whole gradients as there are parts.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::{Backward, Gradients, Node};
use crate::autograd::op::{apply, one};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Dims;
use crate::ops::join::Cat;
use crate::ops::shape::{broadcast_to, reshape};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// How a tensor was cut.
struct Cut {
    whole: Dims,
    dtype: DType,
    dim: usize,
    lengths: Vec<usize>,
}

impl Cut {
    /// The shape of part `i`, the dimension that was cut kept.
    fn shape(&self, i: usize) -> Dims {
        let mut shape = self.whole.clone();
        shape[self.dim] = self.lengths[i];
        shape
    }
}

impl Backward for Cut {
    fn backward(&self, node: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        let part = |i: usize| match arrived.get(i) {
            Some(Some(grad)) => reshape(grad, &self.shape(i)),
            _ => broadcast_to(&Array::full(node.name(), &[], Scalar::Float(0.0), self.dtype)?.into(), &self.shape(i)),
        };
        let parts = (0..self.lengths.len()).map(part).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        Ok(one(apply(Cat { dim: self.dim }, &parts.iter().collect::<SmallVec<[&Tensor; 4]>>())?))
    }

    fn keeps_values(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        vec![Some((self.whole.clone(), self.dtype))]
    }
}

/// Views of `x` of the given lengths along `dim`, which add up to its extent. `name` is what the graph calls it.
///
/// # Errors
/// [`Error::Memory`] for more parts than handles fit into memory: there may be many of nothing, or of the same memory.
///
/// # Panics
/// If the lengths do not add up.
pub fn split(
    name: &'static str,
    x: &Tensor,
    dim: usize,
    lengths: impl ExactSizeIterator<Item = usize>,
) -> Result<Vec<Tensor>> {
    cut(name, x, dim, lengths, false)
}

/// The entries of `x` along `dim`, without that dimension, as views.
///
/// # Errors
/// As [`split`].
pub fn unbind(x: &Tensor, dim: usize) -> Result<Vec<Tensor>> {
    cut("unbind", x, dim, std::iter::repeat_n(1, x.shape()[dim]), true)
}

fn cut(
    name: &'static str,
    x: &Tensor,
    dim: usize,
    given: impl ExactSizeIterator<Item = usize>,
    drop_dim: bool,
) -> Result<Vec<Tensor>> {
    let count = given.len();
    let no_memory = |_| Error::Memory(format!("{name}: no memory for a tuple of {count} tensors"));
    let (mut parts, mut lengths) = (Vec::new(), Vec::new());
    parts.try_reserve_exact(count).map_err(no_memory)?;
    lengths.try_reserve_exact(count).map_err(no_memory)?;
    lengths.extend(given);
    assert_eq!(lengths.iter().sum::<usize>(), x.shape()[dim], "parts of a whole");
    let views = lengths.iter().scan(0, |start, &length| {
        let mut layout = x.array().layout().slice(dim, *start, 1, length);
        *start += length;
        if drop_dim {
            layout.shape.remove(dim);
            layout.strides.remove(dim);
        }
        Some(x.array().view(layout))
    });
    let cut = || Cut { whole: x.array().dims(), dtype: x.dtype(), dim, lengths: lengths.clone() };
    let recorded = mode::is_recording();
    let node = (recorded && x.requires_grad()).then(|| Node::new(name, smallvec![x.edge()], Arc::new(cut())));
    for (part, view) in (0..).zip(views) {
        let tracking = match (&node, x.tracking()) {
            (Some(node), _) => Tracking::Node(node.clone(), part),
            (None, &Tracking::Cut(at)) if recorded => Tracking::Cut(at),
            _ => Tracking::None,
        };
        parts.push(x.viewed(view, tracking));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, grad};
    use crate::ops;

    fn leaf(values: &[f64], shape: &[usize]) -> Tensor {
        Tensor::leaf(Array::from_slice("test", values, shape).unwrap()).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f64> {
        x.array().contiguous("test").unwrap().elements().to_vec()
    }

    #[test]
    fn parts_are_views_whose_gradients_come_back_together() {
        let x = leaf(&[1., 2., 3., 4., 5., 6.], &[2, 3]);
        let parts = split("split", &x, 1, [2, 0, 1].into_iter()).unwrap();
        assert_eq!(parts.iter().map(|part| part.shape().to_vec()).collect::<Vec<_>>(), [[2, 2], [2, 0], [2, 1]]);
        assert!(parts.iter().all(|part| part.is_view() && part.array().shares_storage(x.array())));
        let columns = unbind(&x, 1).unwrap();
        assert_eq!(columns.iter().map(values).collect::<Vec<_>>(), [[1., 4.], [2., 5.], [3., 6.]]);
        let loss = ops::add(
            &ops::sum(&ops::mul(&columns[2], &columns[0]).unwrap(), &[0], false).unwrap(),
            &ops::sum(&parts[0], &[0, 1], false).unwrap(),
        );
        let found = grad(&[loss.unwrap()], &[None], &[x], Options::default()).unwrap();
        assert_eq!(values(found[0].as_ref().unwrap()), [4., 1., 1., 7., 1., 4.]);
    }

    #[test]
    fn gradients_are_recorded_where_that_is_asked_for() {
        let x = leaf(&[1., 2., 3.], &[3]);
        let entries = unbind(&x, 0).unwrap();
        let cube = ops::mul(&ops::mul(&entries[1], &entries[1]).unwrap(), &entries[1]).unwrap();
        let options = Options { create_graph: true, ..Options::default() };
        let first = grad(&[cube], &[None], std::slice::from_ref(&x), options).unwrap().remove(0).unwrap();
        assert_eq!(values(&first), [0., 12., 0.]);
        let entry = unbind(&first, 0).unwrap().remove(1);
        assert_eq!(
            values(&grad(&[entry], &[None], &[x], Options::default()).unwrap().remove(0).unwrap()),
            [0., 12., 0.]
        );
    }
}
