//! `scatter_reduce`: elements that meet are summed, averaged, multiplied, or the outermost of them stays.

use crate::array::{Array, Native};
use crate::autograd::inplace::may_place;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Show, normalize_dim};
use crate::ops::arithmetic::{add, div, floor_divide, mul, scalar};
use crate::ops::compare::eq;
use crate::ops::gather::{check_shapes, of_slices};
use crate::ops::placing::scatter;
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select::{clamp, where_};
use crate::ops::select_rows::{aligned, checked, is_added_to};
use crate::ops::{broadcast_to, cast, gather, reshape, scatter_add, slice};
use crate::with_element;
use dlcore_kernels::element::Element;
use dlcore_kernels::search::{self, Meeting};
use smallvec::smallvec;
use std::borrow::Cow;

/// `x` with each element of a source met by the one that its index names along `dim`.
#[derive(Clone, Debug)]
pub struct ScatterReduce {
    /// Along which dimension.
    pub dim: usize,
    /// What becomes of those that meet.
    pub meeting: Meeting,
}

impl ScatterReduce {
    const fn reduce(&self) -> &'static str {
        match self.meeting {
            Meeting::Product => "prod",
            Meeting::Largest => "amax",
            Meeting::Smallest => "amin",
        }
    }

    /// The index, checked, and the source, both contiguous and of one shape; of an index that names slices, a vector.
    fn parts<'a>(&self, x: &Array, index: &'a Array, source: &'a Array) -> Result<(Cow<'a, Array>, Cow<'a, Array>)> {
        check_shapes(Self::NAME, self.dim, x.shape(), index.shape())?;
        if index.shape() != source.shape() {
            let (index, source) = (Show(index.shape()), Show(source.shape()));
            let what = format_args!("source {source} and index {index} must have one shape");
            return Err(Error::shape(Self::NAME, what));
        }
        let extent = x.shape()[self.dim];
        let index = match of_slices(index, self.dim, x.shape()) {
            Some(slices) => Cow::Owned(checked(Self::NAME, &slices, self.dim, extent)?.into_owned()),
            None => checked(Self::NAME, index, self.dim, extent)?,
        };
        Ok((index, source.packed(Self::NAME, source.dtype())?))
    }

    fn meet<T: Element + Native>(&self, index: &Array, source: &Array, shape: &[usize], out: &mut [T]) {
        let (from, at) = (source.elements::<T>(), index.elements());
        if index.rank() == source.rank() {
            search::scatter_reduce(self.meeting, from, at, index.shape(), self.dim, (out, shape));
        } else {
            search::slices_reduce(self.meeting, from, at, shape[self.dim], shape[self.dim + 1..].iter().product(), out);
        }
    }

    /// `x` met by the source; itself where it may be.
    fn onto(self, x: &Tensor, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        if may_place(x, [index, source]) && is_added_to(x.dtype()) {
            let (index, source) = self.parts(x.array(), index.array(), source.array())?;
            let x_array = x.array();
            let meet = with_element!(x.dtype(), T => x_array.edit(|out: &mut [T]| {
                self.meet(&index, &source, x_array.shape(), out);
            }));
            if meet {
                return Ok(x.clone());
            }
        }
        apply(self, &[x, index, source])
    }

    fn back(&self, x: &Tensor, index: &Tensor) -> Result<Tensor> {
        gather(x, self.dim.cast_signed(), index)
    }

    fn sum(&self, like: &Tensor, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let zeros = Array::zeros("backward", like.shape(), source.dtype())?.into();
        scatter_add(&zeros, self.dim.cast_signed(), index, source)
    }

    /// Gradients of products: each is the product of the others, of which none, one or more are zero.
    fn product_gradients(&self, x: &Tensor, index: &Tensor, source: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        let zero = scalar(Scalar::Float(0.0), x.dtype())?;
        let one = scalar(Scalar::Float(1.0), x.dtype())?;
        let (x_zero, source_zero) = (eq(x, &zero)?, eq(source, &zero)?);
        let (x_safe, source_safe) = (where_(&x_zero, &one, x)?, where_(&source_zero, &one, source)?);
        let count = |mask: &Tensor| cast(mask, x.dtype());
        let zeros = add(&count(&x_zero)?, &self.sum(x, index, &count(&source_zero)?)?)?;
        let others = apply(self.clone(), &[&x_safe, index, &source_safe])?;
        let weighted = mul(grad, &others)?;
        // Of one without zeros beside it, the product of the others.
        let share = |own_zero: &Tensor, zeros: &Tensor, weighted: &Tensor, safe: &Tensor| {
            let alone = eq(zeros, &count(own_zero)?)?;
            where_(&alone, &div(weighted, safe)?, &zero)
        };
        Ok([
            share(&x_zero, &zeros, &weighted, &x_safe)?,
            share(&source_zero, &self.back(&zeros, index)?, &self.back(&weighted, index)?, &source_safe)?,
        ])
    }

    /// Gradients of extremes: all that are equal to the result share it.
    fn extreme_gradients(
        &self,
        [x, source, result]: [&Tensor; 3],
        index: &Tensor,
        grad: &Tensor,
    ) -> Result<[Tensor; 2]> {
        let x_wins = cast(&eq(x, result)?, grad.dtype())?;
        let source_wins = cast(&eq(source, &self.back(result, index)?)?, grad.dtype())?;
        let share = div(grad, &add(&x_wins, &self.sum(x, index, &source_wins)?)?)?;
        Ok([mul(&share, &x_wins)?, mul(&self.back(&share, index)?, &source_wins)?])
    }
}

impl Operation for ScatterReduce {
    const NAME: &'static str = "scatter_reduce";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (index, source) = self.parts(inputs[0], inputs[1], inputs[2])?;
        let x = inputs[0].packed(Self::NAME, inputs[0].dtype())?;
        Ok(single(with_element!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), x.shape(), |out: &mut [T]| {
            out.copy_from_slice(x.elements::<T>());
            self.meet(&index, &source, x.shape(), out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, index, source) = (context.input(0)?, context.input(1)?, context.input(2)?);
        let [for_x, for_source] = if self.meeting == Meeting::Product {
            self.product_gradients(&x, &index, &source, grad)?
        } else {
            self.extreme_gradients([&x, &source, &context.output()?], &index, grad)?
        };
        Ok(smallvec![Some(for_x), None, Some(for_source)])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |meeting, dim, shape: &[usize], index: &[usize]| {
            let limit = i64::try_from(shape[dim]).unwrap_or(1);
            let ids = input(Domain::Index(limit), index);
            let source = if meeting == Meeting::Product { Domain::Unit } else { Domain::Distinct };
            Sample::new(Self { dim, meeting }, [real(shape), ids, input(source, index)])
        };
        vec![
            of(Meeting::Product, 0, &[3, 4], &[5, 4]),
            of(Meeting::Largest, 1, &[3, 4], &[2, 6]),
            of(Meeting::Smallest, 1, &[2, 3, 2], &[2, 4, 1]),
            of(Meeting::Product, 0, &[3], &[0]),
        ]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("reduce", self.reduce().into())]
    }
}

/// `x` with the elements of `source` that `index` brings to each of its places along `dim` reduced: their sum, mean,
/// product, largest or smallest, together with what was there if `with_self`. A source may be larger than the index.
///
/// # Errors
/// [`Error::Value`] for another reduction, [`Error::Index`] for an index or dimension out of range, [`Error::Shape`] and
/// [`Error::DType`] for what does not fit.
pub fn scatter_reduce(
    x: &Tensor,
    dim: isize,
    index: &Tensor,
    source: &Tensor,
    reduce: &str,
    with_self: bool,
) -> Result<Tensor> {
    const NAME: &str = ScatterReduce::NAME;
    let at = normalize_dim(NAME, dim, x.rank())?;
    if source.dtype() != x.dtype() {
        let (source, x) = (source.dtype(), x.dtype());
        return Err(Error::dtype(NAME, format_args!("the source is {source}, the tensor {x}; convert one of them")));
    }
    let line = |x: &Tensor| if x.rank() == 0 { reshape(x, &[1]) } else { Ok(x.clone()) };
    let (target, index, mut source) = (line(x)?, line(index)?, line(source)?);
    let extents = index.shape();
    let fits = extents.len() == target.rank()
        && source.rank() == target.rank()
        && (0..extents.len()).all(|d| extents[d] <= source.shape()[d] && (d == at || extents[d] <= target.shape()[d]));
    if !fits {
        let (index, source, x) = (Show(extents), Show(source.shape()), Show(target.shape()));
        let what = format_args!("index {index} and source {source} for a tensor {x}: the index must not exceed either");
        return Err(Error::shape(NAME, what));
    }
    for (d, &extent) in extents.iter().enumerate() {
        source = slice(&source, d, 0, 1, extent)?;
    }
    let dim = at.cast_signed();
    let without_own = |value: f64| -> Result<Tensor> {
        if with_self { Ok(target.clone()) } else { scatter(&target, dim, &index, &outermost(value, x.dtype())?) }
    };
    let meeting = |meeting, neutral| ScatterReduce { dim: at, meeting }.onto(&without_own(neutral)?, &index, &source);
    let reduced = match reduce {
        "sum" => scatter_add(&without_own(0.0)?, dim, &index, &source)?,
        "mean" => {
            // Where whole slices meet, one count for each.
            let (index_of_one, extent) = match of_slices(index.array(), at, target.shape()) {
                Some(slices) => (slices.into(), vec![target.shape()[at]]),
                None => (index.clone(), target.shape().to_vec()),
            };
            let along = if extent.len() == 1 { 0 } else { dim };
            let number = |n| scalar(Scalar::Int(n), DType::I64);
            let ones = broadcast_to(&number(1)?, index_of_one.shape())?;
            let own = broadcast_to(&number(1)?, &extent)?;
            let own = if with_self { own } else { scatter(&own, along, &index_of_one, &number(0)?)? };
            let count = clamp(&scatter_add(&own, along, &index_of_one, &ones)?, Some(Scalar::Int(1)), None)?;
            let count = if extent.len() == target.rank() { count } else { aligned(&count, at, target.rank())? };
            let sum = scatter_add(&without_own(0.0)?, dim, &index, &source)?;
            if x.dtype().is_float() {
                div(&sum, &cast(&count, x.dtype())?)?
            } else {
                cast(&floor_divide(&sum, &count)?, x.dtype())?
            }
        }
        "prod" => meeting(Meeting::Product, 1.0)?,
        "amax" => meeting(Meeting::Largest, f64::NEG_INFINITY)?,
        "amin" => meeting(Meeting::Smallest, f64::INFINITY)?,
        other => {
            let what = format_args!("reduce is \"sum\", \"mean\", \"prod\", \"amax\" or \"amin\", got {other:?}");
            return Err(Error::value(NAME, what));
        }
    };
    reshape(&reduced, x.shape())
}

/// As [`scatter_reduce`], of whole slices: the vector `index` has one place for each slice of `source` along `dim`.
///
/// # Errors
/// As [`scatter_reduce`].
pub fn index_reduce(
    x: &Tensor,
    dim: isize,
    index: &Tensor,
    source: &Tensor,
    reduce: &str,
    with_self: bool,
) -> Result<Tensor> {
    const NAME: &str = "index_reduce";
    let at = normalize_dim(NAME, dim, x.rank())?;
    let extent = source.shape().get(at).copied().unwrap_or(1);
    if source.rank() != x.rank() || index.rank() > 1 || index.numel() != extent {
        let (index, source, x) = (Show(index.shape()), Show(source.shape()), Show(x.shape()));
        let what =
            format_args!("index {index} and source {source} for a tensor {x}; expected one place for each slice");
        return Err(Error::shape(NAME, what));
    }
    let mut shape = crate::Dims::from_elem(1, x.rank().max(1));
    shape[at] = extent;
    let places = reshape(index, &shape[..x.rank()])?;
    scatter_reduce(x, dim, &broadcast_to(&places, source.shape())?, source, reduce, with_self)
}

/// `value` in `dtype`; for integers the outermost one in place of an infinity.
fn outermost(value: f64, dtype: DType) -> Result<Tensor> {
    let scalar_of = match dtype.integers() {
        Some((least, greatest)) if value.is_infinite() => Scalar::Int(if value < 0.0 { least } else { greatest }),
        _ if dtype == DType::Bool => Scalar::Bool(value > 0.0),
        _ => Scalar::Float(value),
    };
    scalar(scalar_of, dtype)
}
