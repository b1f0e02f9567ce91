//! Picking and placing slices along one dimension by an index tensor: what embeddings and every form of advanced
//! indexing come down to. Each operation's gradient is another one of these.

use crate::array::{Array, Native};
use crate::autograd::inplace::may_place;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::scalar;
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::{self, reshape};
use crate::{with_bits, with_element};
use dlcore_kernels::copy::copy_slice;
use dlcore_kernels::element::Element;
use dlcore_kernels::memory::Pod;
use dlcore_kernels::{gather, slices};
use smallvec::smallvec;
use std::borrow::Cow;

/// The indices of `ids` as contiguous int64, each checked to be in `0..extent`.
pub(super) fn checked<'a>(op: &str, ids: &'a Array, dim: usize, extent: usize) -> Result<Cow<'a, Array>> {
    if ids.dtype() == DType::Bool || ids.dtype().is_float() {
        return Err(Error::dtype(
            op,
            format_args!("indices must be integers, got {}; convert them with .long()", ids.dtype()),
        ));
    }
    let ids = ids.packed(op, DType::I64)?;
    match gather::first_bad_index(ids.elements(), extent) {
        Some(bad) => Err(out_of_range(op, bad, dim, extent)),
        None => Ok(ids),
    }
}

/// Sums of truth values, where the first input is of them: true where any of them is. `sum` gets them as integers.
pub(super) fn union(inputs: &[&Array], sum: impl FnOnce(&[&Array]) -> Result<Outputs>) -> Option<Result<Outputs>> {
    if inputs[0].dtype() != DType::Bool {
        return None;
    }
    let number = |x: &&Array| if x.dtype() == DType::Bool { x.cast("sum", DType::I64) } else { Ok((*x).clone()) };
    let union = || -> Result<Outputs> {
        let numbers = inputs.iter().map(number).collect::<Result<Vec<_>>>()?;
        let mut outputs = sum(&numbers.iter().collect::<Vec<_>>())?;
        outputs[0] = outputs[0].cast("sum", DType::Bool)?;
        Ok(outputs)
    };
    Some(union())
}

/// Whether sums of this dtype need no other one.
pub(super) fn is_added_to(dtype: DType) -> bool {
    dtype != DType::Bool && !dtype.is_narrow()
}

/// An index that is out of range, as an error.
pub(super) fn out_of_range(op: &str, bad: gather::BadIndex, dim: usize, extent: usize) -> Error {
    let gather::BadIndex { position, value } = bad;
    Error::index(
        op,
        format_args!("index {value} at position {position} is out of range for dimension {dim} of size {extent}"),
    )
}

/// `shape` with dimension `dim` replaced by the dimensions of `ids`.
fn replaced(shape: &[usize], dim: usize, ids: &[usize]) -> Dims {
    shape[..dim].iter().chain(ids).chain(&shape[dim + 1..]).copied().collect()
}

/// Elements of one slice.
fn inner(shape: &[usize], dim: usize) -> usize {
    shape[dim + 1..].iter().product()
}

fn check_dim(op: &str, dim: usize, shape: &[usize]) -> Result<()> {
    if dim < shape.len() {
        return Ok(());
    }
    Err(Error::shape(op, format_args!("shape {} has no dimension {dim}", Show(shape))))
}

/// Slices `ids` of `x` along `dim`, in the shape of `ids`.
#[derive(Clone, Debug)]
pub struct IndexSelect {
    /// Along which dimension.
    pub dim: usize,
    /// The slice that takes no gradient: an embedding's padding.
    pub frozen: Option<usize>,
}

impl Operation for IndexSelect {
    const NAME: &'static str = "index_select";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        check_dim(Self::NAME, self.dim, x.shape())?;
        let (extent, inner) = (x.shape()[self.dim], inner(x.shape(), self.dim));
        let ids = checked(Self::NAME, inputs[1], self.dim, extent)?;
        let x = x.packed(Self::NAME, x.dtype())?;
        let shape = replaced(x.shape(), self.dim, ids.shape());
        let out = with_bits!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), &shape, |out: &mut [T]| {
            if !out.is_empty() {
                slices::index_select(x.elements::<T>(), extent, inner, ids.elements(), out);
            }
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let Self { dim, frozen } = *self;
        let add = IndexAdd { dim, extent: context.shape(0)[dim], frozen };
        Ok(smallvec![Some(apply(add, &[grad, &context.input(1)?])?), None])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, frozen, shape: &[usize], ids: &[usize]| {
            let limit = i64::try_from(shape[dim]).unwrap_or(1);
            Sample::new(Self { dim, frozen }, [real(shape), input(Domain::Index(limit), ids)])
        };
        vec![
            of(0, None, &[4, 3], &[5]),
            of(1, None, &[2, 3, 2], &[2, 2]),
            of(0, None, &[3], &[]),
            of(0, None, &[3, 2], &[0]),
            of(0, None, &[3, 0], &[2]),
        ]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("frozen", self.frozen.into())]
    }
}

/// Zeros with `extent` slices along `dim`, to which the slices of `x` are added at `ids`: the adjoint of
/// [`IndexSelect`].
#[derive(Clone, Debug)]
pub struct IndexAdd {
    /// Along which dimension; the dimensions of the indices stand there in `x`.
    pub dim: usize,
    /// Number of slices of the result.
    pub extent: usize,
    /// The slice that stays zero.
    pub frozen: Option<usize>,
}

impl Operation for IndexAdd {
    const NAME: &'static str = "index_add";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let Self { dim, extent, frozen } = *self;
        if let Some(union) = union(inputs, |inputs| self.forward(inputs)) {
            return union;
        }
        let ids = checked(Self::NAME, inputs[1], dim, extent)?;
        let x = inputs[0].contiguous(Self::NAME)?;
        let after = dim + ids.rank();
        if x.shape().get(dim..after) != Some(ids.shape()) {
            return Err(Error::shape(
                Self::NAME,
                format_args!(
                    "shape {} does not hold the indices' shape {} at dimension {dim}",
                    Show(x.shape()),
                    Show(ids.shape())
                ),
            ));
        }
        let inner = x.shape()[after..].iter().product();
        let shape: Dims = x.shape()[..dim].iter().chain(&[extent]).chain(&x.shape()[after..]).copied().collect();
        let out = with_element!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), &shape, |out: &mut [T]| {
            slices::index_sum(x.elements(), extent, inner, ids.elements(), out);
            Ok(())
        }))?;
        if let Some(frozen) = frozen.filter(|&slice| slice < extent) {
            let slice = out.view(out.layout().slice(dim, frozen, 1, 1));
            slice.write(Self::NAME, &Array::zeros(Self::NAME, &[], out.dtype())?)?;
        }
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let ids = context.input(1)?;
        let picked = apply(IndexSelect { dim: self.dim, frozen: self.frozen }, &[grad, &ids])?;
        let Some(frozen) = self.frozen else { return Ok(smallvec![Some(picked), None]) };
        let frozen = scalar(Scalar::Int(i128::try_from(frozen).unwrap_or(-1)), ids.dtype())?;
        let frozen = ops::eq(&ids, &frozen)?;
        let kept = ops::where_(
            &aligned(&frozen, self.dim, picked.rank())?,
            &scalar(Scalar::Float(0.0), picked.dtype())?,
            &picked,
        )?;
        Ok(smallvec![Some(kept), None])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, extent: usize, frozen, shape: &[usize], ids: &[usize]| {
            let limit = i64::try_from(extent).unwrap_or(1);
            Sample::new(Self { dim, extent, frozen }, [real(shape), input(Domain::Index(limit), ids)])
        };
        vec![
            of(0, 3, None, &[4, 2], &[4]),
            of(1, 4, None, &[2, 2, 3], &[2, 3]),
            of(0, 3, Some(2), &[5], &[5]),
            of(0, 3, None, &[0, 2], &[0]),
        ]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("extent", self.extent.into()), ("frozen", self.frozen.into())]
    }
}

/// `per_index`, a value for each index, as it broadcasts against slices picked along `dim` (`rank` dimensions in all).
pub(super) fn aligned(per_index: &Tensor, dim: usize, rank: usize) -> Result<Tensor> {
    let mut shape = per_index.array().dims();
    shape.resize(rank - dim, 1);
    reshape(per_index, &shape)
}

/// `x` with the slices of `values` written, or added, at `ids` along `dim`. Of several writes to one place the last
/// counts, and it alone takes a gradient.
#[derive(Clone, Debug)]
pub struct IndexPut {
    /// Along which dimension; the dimensions of the indices stand there in the values.
    pub dim: usize,
    /// Add instead of replacing.
    pub accumulate: bool,
}

impl IndexPut {
    /// `x` with the slices of `values` placed where `ids` say; in its own memory where that may be.
    ///
    /// # Errors
    /// As [`apply`].
    pub(super) fn put(self, x: &Tensor, ids: &Tensor, values: &Tensor) -> Result<Tensor> {
        let is_added = !self.accumulate || is_added_to(x.dtype());
        if is_added && may_place(x, [ids, values]) && self.put_in(x.array(), ids.array(), values.array())? {
            return Ok(x.clone());
        }
        apply(self, &[x, ids, values])
    }

    fn put_in(&self, x: &Array, ids: &Array, values: &Array) -> Result<bool> {
        check_dim(Self::NAME, self.dim, x.shape())?;
        let (ids, values) = self.parts(x, ids, values)?;
        Ok(if self.accumulate {
            with_element!(x.dtype(), T => x.edit(|out: &mut [T]| self.add(x, &ids, &values, out)))
        } else {
            with_bits!(x.dtype(), T => x.edit(|out: &mut [T]| self.write(x, &ids, &values, out)))
        })
    }

    /// The indices, checked, and a slice for each, in the dtype of `x`.
    fn parts<'a>(&self, x: &Array, ids: &'a Array, values: &Array) -> Result<(Cow<'a, Array>, Array)> {
        let ids = checked(Self::NAME, ids, self.dim, x.shape()[self.dim])?;
        let shape = replaced(x.shape(), self.dim, ids.shape());
        let values = values.cast(Self::NAME, x.dtype())?.expand(Self::NAME, &shape)?.contiguous(Self::NAME)?;
        Ok((ids, values))
    }

    fn add<T: Element + Native>(&self, x: &Array, ids: &Array, values: &Array, out: &mut [T]) {
        if values.numel() > 0 {
            let (extent, inner) = (x.shape()[self.dim], inner(x.shape(), self.dim));
            gather::index_add(values.elements(), extent, inner, ids.elements(), out);
        }
    }

    fn write<T: Pod>(&self, x: &Array, ids: &Array, values: &Array, out: &mut [T]) {
        if values.numel() > 0 {
            let (extent, inner) = (x.shape()[self.dim], inner(x.shape(), self.dim));
            place(values.elements(), extent, inner, ids.elements(), out);
        }
    }
}

impl Operation for IndexPut {
    const NAME: &'static str = "index_put";

    fn halves(&self) -> Halves {
        if self.accumulate { Halves::Widened } else { Halves::Stored }
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, values) = (inputs[0], inputs[2]);
        check_dim(Self::NAME, self.dim, x.shape())?;
        if self.accumulate
            && let Some(union) = union(inputs, |inputs| self.forward(inputs))
        {
            return union;
        }
        let (ids, values) = self.parts(x, inputs[1], values)?;
        let x = x.packed(Self::NAME, x.dtype())?;
        let out = if self.accumulate {
            with_element!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), x.shape(), |out: &mut [T]| {
                copy_slice(x.elements(), out);
                self.add(&x, &ids, &values, out);
                Ok(())
            }))?
        } else {
            with_bits!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), x.shape(), |out: &mut [T]| {
                copy_slice(x.elements(), out);
                self.write(&x, &ids, &values, out);
                Ok(())
            }))?
        };
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let ids = context.input(1)?;
        let x = if self.accumulate || !context.needs(0) {
            grad.clone()
        } else {
            apply(self.clone(), &[grad, &ids, &scalar(Scalar::Float(0.0), grad.dtype())?])?
        };
        let values = if context.needs(2) {
            let picked = apply(IndexSelect { dim: self.dim, frozen: None }, &[grad, &ids])?;
            let last = last_writes(ids.array(), context.shape(0)[self.dim])?;
            let taken = if self.accumulate || last.iter().all(|&last| last == 1) {
                picked
            } else {
                let last = Array::from_slice(Self::NAME, &last, ids.shape())?.cast(Self::NAME, picked.dtype())?;
                ops::mul(&picked, &aligned(&last.into(), self.dim, picked.rank())?)?
            };
            Some(ops::cast(&ops::sum_to(&taken, context.shape(2))?, context.dtype(2))?)
        } else {
            None
        };
        Ok(smallvec![context.needs(0).then_some(x), None, values])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, accumulate, shape: &[usize], ids: &[usize], values: &[usize]| {
            let limit = i64::try_from(shape[dim]).unwrap_or(1);
            Sample::new(Self { dim, accumulate }, [real(shape), input(Domain::Index(limit), ids), real(values)])
        };
        vec![
            of(0, false, &[4, 2], &[6], &[6, 2]),
            of(0, true, &[4, 2], &[6], &[6, 2]),
            of(1, false, &[2, 3], &[2], &[]),
            of(0, true, &[3], &[2, 2], &[2]),
            of(0, false, &[3], &[0], &[0]),
        ]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("accumulate", self.accumulate.into())]
    }
}

/// Copies slices to where `ids` say, in order.
fn place<T: Copy>(values: &[T], extent: usize, inner: usize, ids: &[i64], out: &mut [T]) {
    if inner == 1 {
        for (out, values) in out.chunks_exact_mut(extent).zip(values.chunks_exact(ids.len())) {
            for (&id, &value) in ids.iter().zip(values) {
                out[usize::try_from(id).unwrap_or(0)] = value;
            }
        }
        return;
    }
    for (out, values) in out.chunks_exact_mut(extent * inner).zip(values.chunks_exact(ids.len() * inner)) {
        for (&id, value) in ids.iter().zip(values.chunks_exact(inner)) {
            let start = usize::try_from(id).unwrap_or(0) * inner;
            out[start..start + inner].copy_from_slice(value);
        }
    }
}

/// 1 for each index that no later one repeats, otherwise 0.
pub(super) fn last_writes(ids: &Array, extent: usize) -> Result<Vec<u8>> {
    let ids = checked(IndexPut::NAME, ids, 0, extent)?;
    let mut seen = vec![false; extent];
    let mut last: Vec<u8> = ids
        .elements::<i64>()
        .iter()
        .rev()
        .map(|&id| u8::from(!std::mem::replace(&mut seen[usize::try_from(id).unwrap_or(0)], true)))
        .collect();
    last.reverse();
    Ok(last)
}
