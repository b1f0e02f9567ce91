//! `gather` and `scatter_add`: one index for each element, along one dimension. Each is the other's gradient.

use crate::array::{Array, Native};
use crate::autograd::inplace::may_place;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, normalize_dim};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select_rows::{IndexPut, checked, is_added_to, union};
use crate::ops::{reshape, slice};
use crate::{with_bits, with_element};
use dlcore_kernels::copy::{copy_slice, fill};
use dlcore_kernels::element::Element;
use dlcore_kernels::gather as kernel;
use smallvec::smallvec;
use std::borrow::Cow;

/// `out[..i..] = x[..index[..i..]..]` along `dim`, in the shape of the index.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Along which dimension.
    pub dim: usize,
}

impl Operation for Gather {
    const NAME: &'static str = "gather";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, index) = (inputs[0], inputs[1]);
        check_shapes(Self::NAME, self.dim, x.shape(), index.shape())?;
        let index = checked(Self::NAME, index, self.dim, x.shape()[self.dim])?;
        let out = with_bits!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), index.shape(), |out: &mut [T]| {
            kernel::gather((x.data::<T>(), x.strided()), self.dim, (index.data(), index.strided()), out);
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let scatter = ScatterAdd { dim: self.dim, shape: Dims::from_slice(context.shape(0)) };
        Ok(smallvec![Some(apply(scatter, &[grad, &context.input(1)?])?), None])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, shape: &[usize], index: &[usize]| {
            let limit = i64::try_from(shape[dim]).unwrap_or(1);
            Sample::new(Self { dim }, [real(shape), input(Domain::Index(limit), index)])
        };
        vec![of(0, &[3, 4], &[5, 4]), of(1, &[3, 4], &[2, 2]), of(1, &[2, 3, 2], &[2, 4, 1]), of(0, &[3], &[0])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// Zeros of `shape`, or a third input of that shape, with each element of the first added where its index says.
#[derive(Clone, Debug)]
pub struct ScatterAdd {
    /// Along which dimension.
    pub dim: usize,
    /// Extents of the result.
    pub shape: Dims,
}

impl ScatterAdd {
    /// The index, if it fits the source and the result.
    fn checked<'a>(&self, x: &Array, index: &'a Array) -> Result<Cow<'a, Array>> {
        check_shapes(Self::NAME, self.dim, &self.shape, index.shape())?;
        if x.shape() != index.shape() {
            return Err(Error::shape(
                Self::NAME,
                format_args!("source {} and index {} must have one shape", Show(x.shape()), Show(index.shape())),
            ));
        }
        checked(Self::NAME, index, self.dim, self.shape[self.dim])
    }

    fn add<T: Element + Native>(&self, x: &Array, index: &Array, out: &mut [T]) {
        let (from, at) = ((x.data::<T>(), x.strided()), (index.data(), index.strided()));
        kernel::scatter_add(from, self.dim, at, (out, &self.shape));
    }

    /// Adds to `onto` itself, and says whether that could be.
    fn add_in(&self, x: &Array, index: &Array, onto: &Array) -> Result<bool> {
        if !is_added_to(x.dtype()) {
            return Ok(false);
        }
        let index = self.checked(x, index)?;
        Ok(with_element!(x.dtype(), T => onto.edit(|out: &mut [T]| self.add(x, &index, out))))
    }
}

/// `index` as a vector, where it names the same of every line along `dim` of a tensor of `shape`: its slices are meant.
pub(super) fn of_slices(index: &Array, dim: usize, shape: &[usize]) -> Option<Array> {
    let (own, strides) = (index.shape(), &index.layout().strides);
    let is_same = |d: usize| own[d] == shape[d] && own[d] > 0 && (strides[d] == 0 || own[d] == 1);
    if own.len() != shape.len() || own.len() < 2 || !(0..own.len()).all(|d| d == dim || is_same(d)) {
        return None;
    }
    let mut layout = index.layout().clone();
    for d in (0..own.len()).rev().filter(|&d| d != dim) {
        layout = layout.entry(d, 0);
    }
    Some(index.view(layout))
}

impl Operation for ScatterAdd {
    const NAME: &'static str = "scatter_add";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, index) = (inputs[0], inputs[1]);
        if let Some(union) = union(inputs, |inputs| self.forward(inputs)) {
            return union;
        }
        let index = self.checked(x, index)?;
        let base = inputs.get(2).map(|base| base.packed(Self::NAME, base.dtype())).transpose()?;
        if let Some(base) = base.as_ref().filter(|base| base.shape() != &self.shape[..]) {
            let (base, shape) = (Show(base.shape()), Show(&self.shape));
            return Err(Error::shape(Self::NAME, format_args!("sums of shape {shape} onto a tensor of shape {base}")));
        }
        let out = with_element!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), &self.shape, |out: &mut [T]| {
            match &base {
                Some(base) => copy_slice(base.elements(), out),
                None => fill(out, T::default()),
            }
            self.add(x, &index, out);
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let source =
            context.needs(0).then(|| apply(Gather { dim: self.dim }, &[grad, &context.input(1)?])).transpose()?;
        let mut gradients = smallvec![source, None];
        gradients.resize(context.len(), Some(grad.clone()));
        Ok(gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, shape: &[usize], index: &[usize]| {
            let limit = i64::try_from(shape[dim]).unwrap_or(1);
            let op = Self { dim, shape: Dims::from_slice(shape) };
            Sample::new(op, [real(index), input(Domain::Index(limit), index)])
        };
        let onto = |dim, shape: &[usize], index: &[usize]| {
            let mut sample = of(dim, shape, index);
            sample.inputs.push(real(shape));
            sample
        };
        vec![of(0, &[3, 4], &[5, 4]), of(1, &[3, 4], &[2, 2]), of(0, &[3], &[0]), onto(1, &[3, 4], &[2, 5])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("shape", self.shape.as_slice().into())]
    }
}

/// The index must have the rank of what it indexes and exceed it nowhere but along `dim`.
pub(super) fn check_shapes(op: &str, dim: usize, shape: &[usize], index: &[usize]) -> Result<()> {
    let fits = index.len() == shape.len() && (0..shape.len()).all(|d| d == dim || index[d] <= shape[d]);
    if fits && dim < shape.len() {
        return Ok(());
    }
    Err(Error::shape(
        op,
        format_args!(
            "index of shape {} for a tensor of shape {}: expected {} dimensions, none larger than the tensor's except \
             dimension {dim}",
            Show(index),
            Show(shape),
            shape.len()
        ),
    ))
}

/// A scalar counts as one dimension of one element.
fn at_least_1d(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 { reshape(x, &[1]) } else { Ok(x.clone()) }
}

/// The elements of `x` that `index` names along `dim`.
///
/// # Errors
/// [`Error::Index`] for an index or a dimension out of range, [`Error::Shape`] for shapes that do not fit.
pub fn gather(x: &Tensor, dim: isize, index: &Tensor) -> Result<Tensor> {
    let dim = normalize_dim(Gather::NAME, dim, x.rank())?;
    if index.numel() == 0 {
        // Of no indices nothing is asked but their shape, as in PyTorch.
        return reshape(&slice(&reshape(x, &[x.numel()])?, 0, 0, 1, 0)?, index.shape());
    }
    let picked = apply(Gather { dim }, &[&at_least_1d(x)?, &at_least_1d(index)?])?;
    reshape(&picked, index.shape())
}

/// `x` with the elements of `source` added where `index` names along `dim`. The source may be larger than the index:
/// the part that has an index counts.
///
/// # Errors
/// As [`gather`].
pub fn scatter_add(x: &Tensor, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    let dim = normalize_dim(ScatterAdd::NAME, dim, x.rank())?;
    let (wide, index) = (at_least_1d(x)?, at_least_1d(index)?);
    let mut source = at_least_1d(source)?;
    if source.rank() == index.rank() {
        for d in 0..index.rank() {
            if source.shape()[d] > index.shape()[d] {
                source = slice(&source, d, 0, 1, index.shape()[d])?;
            }
        }
    }
    if source.dtype() != x.dtype() {
        return Err(Error::dtype(
            ScatterAdd::NAME,
            format_args!("the source is {}, the tensor {}; convert one of them", source.dtype(), x.dtype()),
        ));
    }
    if source.shape() == index.shape()
        && let Some(slices) = of_slices(index.array(), dim, wide.shape())
    {
        checked(ScatterAdd::NAME, &slices, dim, wide.shape()[dim])?;
        return IndexPut { dim, accumulate: true }.put(&wide, &slices.into(), &source);
    }
    let add = ScatterAdd { dim, shape: wide.array().dims() };
    if may_place(&wide, [&source, &index]) && add.add_in(source.array(), index.array(), wide.array())? {
        return reshape(&wide, x.shape());
    }
    reshape(&apply(add, &[&source, &index, &wide])?, x.shape())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};

    #[test]
    fn gathers_and_scatters_known_values() {
        let x = Tensor::leaf(Array::from_slice("test", &[1f32, 2., 3., 4., 5., 6.], &[2, 3]).unwrap()).unwrap();
        let index: Tensor = Array::from_slice("test", &[2i64, 2, 0, 1], &[2, 2]).unwrap().into();
        let y = gather(&x, -1, &index).unwrap();
        assert_eq!(y.array().elements::<f32>(), [3., 3., 4., 5.]);
        let seed = Array::from_slice("test", &[1f32, 10., 100., 1000.], &[2, 2]).unwrap().into();
        backward(&[y], &[Some(seed)], Options::default()).unwrap();
        assert_eq!(x.grad().unwrap().array().elements::<f32>(), [0., 0., 11., 100., 1000., 0.]);
        let zeros = Array::zeros("test", &[2, 3], crate::DType::F32).unwrap().into();
        let sums = scatter_add(&zeros, 1, &index, &x.detach()).unwrap();
        assert_eq!(sums.array().elements::<f32>(), [0., 0., 3., 4., 5., 0.]);
    }

    #[test]
    fn bad_indices_and_shapes_are_errors() {
        let x: Tensor = Array::zeros("test", &[2, 3], crate::DType::F32).unwrap().into();
        let index = |values: &[i64], shape: &[usize]| Tensor::from(Array::from_slice("test", values, shape).unwrap());
        let error = gather(&x, 1, &index(&[0, 3], &[2, 1])).err().unwrap();
        assert_eq!(
            error,
            Error::Index("gather: index 3 at position 1 is out of range for dimension 1 of size 3".into())
        );
        assert!(gather(&x, 1, &index(&[0, 0, 0], &[3, 1])).is_err());
        assert!(gather(&x, 1, &index(&[0], &[1])).is_err());
        assert!(gather(&x, 1, &x).is_err());
        assert!(scatter_add(&x, 0, &index(&[-1], &[1, 1]), &x).is_err());
        let onto = ScatterAdd { dim: 1, shape: smallvec![2, 4] };
        assert_eq!(
            apply(onto, &[&x, &index(&[0; 6], &[2, 3]), &x]).err().unwrap(),
            Error::Shape("scatter_add: sums of shape (2, 4) onto a tensor of shape (2, 3)".into())
        );
    }
}
