//! Elements written or added where indices, masks or views say, into a copy: by [`Scatter`], by [`IndexPut`] or, where a
//! view says, [`AsStridedScatter`](crate::ops::strided::AsStridedScatter).

use crate::array::Array;
use crate::autograd::inplace::may_place;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, Show, broadcast_shapes, normalize_dim};
use crate::ops::arithmetic::{add, mul, scalar};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select_rows::{IndexPut, checked, last_writes};
use crate::ops::shape::{broadcast_to, reshape, slice};
use crate::ops::strided::written_at;
use crate::ops::{cast, copy, gather, index, index_put, lt, nonzero, sum_to, where_};
use crate::with_bits;
use dlcore_kernels::copy::copy_slice;
use dlcore_kernels::gather as kernel;
use smallvec::smallvec;
use std::borrow::Cow;

fn flat(x: &Tensor) -> Result<Tensor> {
    reshape(x, &[x.numel()])
}

fn same_dtype(op: &str, x: &Tensor, source: &Tensor) -> Result<()> {
    if x.dtype() == source.dtype() {
        return Ok(());
    }
    let what = format_args!("the source is {}, the tensor {}; convert one of them", source.dtype(), x.dtype());
    Err(Error::dtype(op, what))
}

/// `x` with `values` (broadcast) at the flat `places`.
fn put_flat(x: &Tensor, places: &Tensor, values: &Tensor) -> Result<Tensor> {
    let values = flat(&broadcast_to(values, places.shape())?)?;
    let put = IndexPut { dim: 0, accumulate: false };
    reshape(&put.put(&flat(x)?, &flat(places)?, &values)?, x.shape())
}

/// The first input with the elements of the third, broadcast to the second, written where that names along a dimension. Of
/// several writes to one place the last counts, and it alone takes a gradient.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// Along which dimension.
    pub dim: usize,
}

impl Scatter {
    /// The index, checked, and an element for each.
    fn parts<'a>(&self, x: &Array, ids: &'a Array, source: &Array) -> Result<(Cow<'a, Array>, Array)> {
        let (shape, extents) = (x.shape(), ids.shape());
        let fits = extents.len() == shape.len() && (0..shape.len()).all(|d| d == self.dim || extents[d] <= shape[d]);
        if !fits {
            let (ids, x) = (Show(extents), Show(shape));
            return Err(Error::shape(Self::NAME, format_args!("index of shape {ids} for a tensor of shape {x}")));
        }
        let ids = checked(Self::NAME, ids, self.dim, shape[self.dim])?;
        let source = source.cast(Self::NAME, x.dtype())?.expand(Self::NAME, ids.shape())?.contiguous(Self::NAME)?;
        Ok((ids, source))
    }

    fn write_in(&self, x: &Array, ids: &Array, source: &Array) -> Result<bool> {
        let (ids, source) = self.parts(x, ids, source)?;
        Ok(with_bits!(x.dtype(), T => x.edit(|out: &mut [T]| {
            kernel::scatter(source.elements(), ids.elements(), ids.shape(), self.dim, x.shape(), out);
        })))
    }
}

impl Operation for Scatter {
    const NAME: &'static str = "scatter";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].packed(Self::NAME, inputs[0].dtype())?;
        let (ids, source) = self.parts(&x, inputs[1], inputs[2])?;
        let out = with_bits!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), x.shape(), |out: &mut [T]| {
            copy_slice(x.elements(), out);
            kernel::scatter(source.elements(), ids.elements(), ids.shape(), self.dim, x.shape(), out);
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (ids, shape) = (context.input(1)?, context.shape(0));
        let zero = scalar(Scalar::Int(0), grad.dtype())?;
        let kept = context.needs(0).then(|| apply(self.clone(), &[grad, &ids, &zero])).transpose()?;
        let taken = || {
            let places = Array::build(Self::NAME, ids.shape(), |out: &mut [i64]| {
                let ids = checked(Self::NAME, ids.array(), self.dim, shape[self.dim])?;
                kernel::places(ids.elements(), ids.shape(), self.dim, shape, out);
                Ok(())
            })?;
            let last = last_writes(&places, shape.iter().product())?;
            let taken = gather(grad, self.dim.cast_signed(), &ids)?;
            let taken = if last.iter().all(|&last| last == 1) {
                taken
            } else {
                mul(&taken, &Array::from_slice(Self::NAME, &last, ids.shape())?.cast(Self::NAME, grad.dtype())?.into())?
            };
            cast(&sum_to(&taken, context.shape(2))?, context.dtype(2))
        };
        Ok(smallvec![kept, None, context.needs(2).then(taken).transpose()?])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, shape: &[usize], ids: &[usize], source: &[usize]| {
            let limit = i64::try_from(shape[dim]).unwrap_or(1);
            Sample::new(Self { dim }, [real(shape), input(Domain::Index(limit), ids), real(source)])
        };
        vec![
            of(0, &[5], &[3], &[3]),
            of(1, &[3, 4], &[2, 5], &[2, 5]),
            of(0, &[4, 3], &[3, 2], &[]),
            of(1, &[2, 3, 2], &[2, 2, 2], &[2, 2, 2]),
        ]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// `x` with the elements of `source` (broadcast where it is 0-d) written where `ids` name along `dim`. A source may be
/// larger than the index: the part that has an index counts.
///
/// # Errors
/// [`Error::Index`] for an index or dimension out of range, [`Error::Shape`] for shapes that do not fit,
/// [`Error::DType`] for a source of another dtype.
pub fn scatter(x: &Tensor, dim: isize, ids: &Tensor, source: &Tensor) -> Result<Tensor> {
    const NAME: &str = "scatter";
    if ids.numel() == 0 {
        return copy(x);
    }
    same_dtype(NAME, x, source)?;
    let at = normalize_dim(NAME, dim, x.rank())?;
    let wide = |x: &Tensor| if x.rank() == 0 { reshape(x, &[1]) } else { Ok(x.clone()) };
    let (target, ids) = (wide(x)?, wide(ids)?);
    let extents = ids.shape();
    let cut = |mut x: Tensor, along: bool| -> Result<Tensor> {
        for (d, &extent) in extents.iter().enumerate().filter(|&(d, _)| d != at || along) {
            x = slice(&x, d, 0, 1, extent)?;
        }
        Ok(x)
    };
    let source = match source.rank() {
        0 => source.clone(),
        rank if rank == extents.len() && (0..rank).all(|d| source.shape()[d] >= extents[d]) => {
            cut(source.clone(), true)?
        }
        _ => {
            let (source, ids) = (Show(source.shape()), Show(extents));
            return Err(Error::shape(NAME, format_args!("a source of shape {source} for an index of shape {ids}")));
        }
    };
    let op = Scatter { dim: at };
    if may_place(&target, [&ids, &source]) && op.write_in(target.array(), ids.array(), source.array())? {
        return Ok(x.clone());
    }
    reshape(&apply(op, &[&target, &ids, &source])?, x.shape())
}

/// What the elements of one slice along `dim` and its indices must satisfy.
fn vector_of_ids(op: &str, x: &Tensor, dim: isize, ids: &Tensor) -> Result<(usize, Tensor)> {
    if ids.rank() > 1 {
        return Err(Error::shape(op, format_args!("the index must be a vector, got shape {}", Show(ids.shape()))));
    }
    let at = normalize_dim(op, dim, x.rank())?;
    let extent = x.shape().get(at).copied().unwrap_or(1);
    Ok((at, checked(op, flat(ids)?.array(), at, extent)?.into_owned().into()))
}

/// `ids` with those of the last `extent` negative numbers, which count from the end, as they count from the start.
fn from_start(ids: &Tensor, extent: usize) -> Result<Tensor> {
    if ids.dtype() != DType::I64 {
        return Ok(ids.clone());
    }
    let given = ids.array().contiguous("index_fill")?;
    if given.elements::<i64>().iter().all(|&id| id >= 0) {
        return Ok(ids.clone());
    }
    let extent = extent.cast_signed() as i64;
    let counted = Array::build("index_fill", ids.shape(), |out: &mut [i64]| {
        for (out, &id) in out.iter_mut().zip(given.elements::<i64>()) {
            *out = if (-extent..0).contains(&id) { id + extent } else { id };
        }
        Ok(())
    })?;
    Ok(counted.into())
}

/// `source` as slices that fit `ids` along `dim` of `x`.
fn slices(op: &str, x: &Tensor, dim: usize, ids: &Tensor, source: &Tensor) -> Result<(Tensor, Tensor)> {
    let (x, source) = (at_least_a_vector(x)?, at_least_a_vector(source)?);
    let mut expected = Dims::from_slice(x.shape());
    expected[dim] = ids.numel();
    if source.shape() != expected.as_slice() {
        let (from, to) = (Show(source.shape()), Show(&expected));
        return Err(Error::shape(op, format_args!("a source of shape {from}, expected {to}")));
    }
    same_dtype(op, &x, &source)?;
    Ok((x, source))
}

fn at_least_a_vector(x: &Tensor) -> Result<Tensor> {
    crate::ops::arrange::at_least(x, 1)
}

/// `x` with `alpha` times the slices of `source` added at `ids` along `dim`.
///
/// # Errors
/// As [`index_copy`].
pub fn index_add(x: &Tensor, dim: isize, ids: &Tensor, source: &Tensor, alpha: f64) -> Result<Tensor> {
    let (at, ids) = vector_of_ids("index_add", x, dim, ids)?;
    let (wide, source) = slices("index_add", x, at, &ids, source)?;
    let source = if alpha.to_bits() == 1f64.to_bits() {
        source
    } else {
        mul(&source, &scalar(Scalar::Float(alpha).wrapped(source.dtype()), source.dtype())?)?
    };
    reshape(&IndexPut { dim: at, accumulate: true }.put(&wide, &ids, &source)?, x.shape())
}

/// `x` with the slices of `source` written at `ids` along `dim`.
///
/// # Errors
/// [`Error::Index`] for an index or dimension out of range, [`Error::Shape`] for a source that does not fit,
/// [`Error::DType`] for a source of another dtype.
pub fn index_copy(x: &Tensor, dim: isize, ids: &Tensor, source: &Tensor) -> Result<Tensor> {
    let (at, ids) = vector_of_ids("index_copy", x, dim, ids)?;
    let (wide, source) = slices("index_copy", x, at, &ids, source)?;
    reshape(&IndexPut { dim: at, accumulate: false }.put(&wide, &ids, &source)?, x.shape())
}

/// `x` with the 0-d `value` in the slices `ids` along `dim`, counted from the end where they are negative.
///
/// # Errors
/// As [`index_copy`].
pub fn index_fill(x: &Tensor, dim: isize, ids: &Tensor, value: &Tensor) -> Result<Tensor> {
    let extent = x.shape().get(normalize_dim("index_fill", dim, x.rank())?).copied().unwrap_or(1);
    let (at, ids) = vector_of_ids("index_fill", x, dim, &from_start(ids, extent)?)?;
    if value.rank() > 0 {
        return Err(Error::shape(
            "index_fill",
            format_args!("expected a 0-d value, got shape {}", Show(value.shape())),
        ));
    }
    let value = crate::ops::cast(value, x.dtype())?;
    let put = IndexPut { dim: at, accumulate: false };
    reshape(&put.put(&at_least_a_vector(x)?, &ids, &value)?, x.shape())
}

/// The elements at the flat places `ids`.
///
/// # Errors
/// [`Error::Index`] for one out of range.
pub fn take(x: &Tensor, ids: &Tensor) -> Result<Tensor> {
    if ids.dtype() != DType::I64 {
        return Err(Error::dtype("take", format_args!("expected int64 indices, got {}", ids.dtype())));
    }
    index(&flat(x)?, &[Some(ids.clone())])
}

/// `x` with the elements of `source` written, or added, at the flat places `ids`.
///
/// # Errors
/// [`Error::Index`] for one out of range, [`Error::Shape`] for another number of elements.
pub fn put(x: &Tensor, ids: &Tensor, source: &Tensor, accumulate: bool) -> Result<Tensor> {
    same_dtype("put", x, source)?;
    if ids.numel() != source.numel() {
        let what = format_args!("{} elements for {} places", source.numel(), ids.numel());
        return Err(Error::shape("put", what));
    }
    reshape(&index_put(&flat(x)?, &[Some(flat(ids)?)], &flat(source)?, accumulate)?, x.shape())
}

/// [`gather()`] by ids that count from the end where they are below zero.
fn gather_from_either_end(x: &Tensor, dim: usize, ids: &Tensor) -> Result<Tensor> {
    if ids.dtype().is_float() || ids.dtype() == DType::Bool {
        return gather(x, dim.cast_signed(), ids); // refused
    }
    let ids = cast(ids, DType::I64)?;
    // Seldom are there such, and to look for them first would take as long again.
    match gather(x, dim.cast_signed(), &ids) {
        Err(Error::Index(_)) => {}
        done => return done,
    }
    let number = |n: usize| scalar(Scalar::Int(i128::try_from(n).unwrap_or(0)), DType::I64);
    let extent = x.shape().get(dim).copied().unwrap_or(1);
    let ids = where_(&lt(&ids, &number(0)?)?, &add(&ids, &number(extent)?)?, &ids)?;
    gather(x, dim.cast_signed(), &ids)
}

/// The elements that `ids` name along `dim`, both broadcast in the other dimensions; of all in one row for no dimension.
///
/// # Errors
/// As [`gather()`].
pub fn take_along_dim(x: &Tensor, ids: &Tensor, dim: Option<isize>) -> Result<Tensor> {
    const NAME: &str = "take_along_dim";
    let Some(dim) = dim else { return gather_from_either_end(&flat(x)?, 0, &flat(ids)?) };
    if x.rank() != ids.rank() {
        let (x, ids) = (Show(x.shape()), Show(ids.shape()));
        return Err(Error::shape(NAME, format_args!("shapes {x} and {ids}: as many dimensions are needed")));
    }
    let at = normalize_dim(NAME, dim, x.rank())?;
    let with = |shape: &[usize], extent: usize| -> Dims {
        let mut shape = Dims::from_slice(shape);
        if let Some(own) = shape.get_mut(at) {
            *own = extent;
        }
        shape
    };
    let others = broadcast_shapes(NAME, &with(x.shape(), 1), &with(ids.shape(), 1))?;
    let extent = |x: &Tensor| x.shape().get(at).copied().unwrap_or(1);
    let ids = broadcast_to(ids, &with(&others, extent(ids)))?;
    gather_from_either_end(&broadcast_to(x, &with(&others, extent(x)))?, at, &ids)
}

/// `x` with the first elements of `source`, in order, where `mask` (broadcast) is true.
///
/// # Errors
/// [`Error::DType`] for a mask that is not bool, [`Error::Shape`] for too few elements.
pub fn masked_scatter(x: &Tensor, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
    const NAME: &str = "masked_scatter";
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(NAME, format_args!("expected a bool mask, got {}", mask.dtype())));
    }
    same_dtype(NAME, x, source)?;
    let shape = broadcast_shapes(NAME, x.shape(), mask.shape())?;
    let places = flat(&nonzero(&flat(&broadcast_to(mask, &shape)?)?)?)?;
    if places.numel() > source.numel() {
        let what = format_args!("{} elements for {} places", source.numel(), places.numel());
        return Err(Error::shape(NAME, what));
    }
    let source = slice(&flat(source)?, 0, 0, 1, places.numel())?;
    // Of another shape, it is not `x` that is written, also where the two see the same elements.
    let target = if x.shape() == &shape[..] { x.clone() } else { copy(&broadcast_to(x, &shape)?)? };
    put_flat(&target, &places, &source)
}

/// `x` with `source` in every `step`th entry from `start` to `end` along `dim`, counted as Python's slices are.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Shape`] for a source of another shape.
pub fn slice_scatter(
    x: &Tensor,
    source: &Tensor,
    dim: isize,
    [start, end]: [Option<isize>; 2],
    step: usize,
) -> Result<Tensor> {
    const NAME: &str = "slice_scatter";
    let at = normalize_dim(NAME, dim, x.rank())?;
    let Some(&extent) = x.shape().get(at).filter(|_| step > 0) else {
        return Err(Error::value(NAME, "expected a dimension and a step above zero"));
    };
    let place =
        |at: isize| if at < 0 { at.saturating_add_unsigned(extent).max(0) } else { at }.unsigned_abs().min(extent);
    let (start, end) = (start.map_or(0, place), end.map_or(extent, place));
    let count = end.saturating_sub(start).div_ceil(step);
    written_at(NAME, x, source, Layout::contiguous(x.shape()).slice(at, start, step.cast_signed(), count))
}
