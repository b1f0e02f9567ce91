//! Elements written or added where indices, masks or views say, into a copy; all come down to [`IndexPut`] and, where a
//! view says, [`AsStridedScatter`](crate::ops::strided::AsStridedScatter).

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, Show, broadcast_shapes, normalize_dim};
use crate::ops::arithmetic::{add, mul, scalar};
use crate::ops::select_rows::{IndexPut, checked};
use crate::ops::shape::{broadcast_to, reshape, slice};
use crate::ops::strided::written_at;
use crate::ops::{cast, copy, gather, index, index_put, lt, nonzero, where_};
use dlcore_kernels::gather as kernel;

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
    let (shape, extents) = (target.shape(), ids.shape());
    let fits = extents.len() == shape.len() && (0..shape.len()).all(|d| d == at || extents[d] <= shape[d]);
    if !fits {
        let (ids, x) = (Show(extents), Show(shape));
        return Err(Error::shape(NAME, format_args!("index of shape {ids} for a tensor of shape {x}")));
    }
    let ids = Tensor::from(checked(NAME, ids.array(), at, shape[at])?.into_owned());
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
    if let &[_] = shape {
        return reshape(&put_flat(&target, &ids, &source)?, x.shape());
    }
    let places = Array::build(NAME, extents, |out: &mut [i64]| {
        kernel::places(ids.array().elements(), extents, at, shape, out);
        Ok(())
    })?;
    reshape(&put_flat(&target, &places.into(), &source)?, x.shape())
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

/// `ids` with `extent` added to those below zero, which count from the end.
fn from_the_end(ids: &Tensor, extent: usize) -> Result<Tensor> {
    if ids.dtype().is_float() || ids.dtype() == DType::Bool {
        return Ok(ids.clone()); // refused later
    }
    let number = |n: usize| scalar(crate::Scalar::Int(i128::try_from(n).unwrap_or(0)), DType::I64);
    let ids = cast(ids, DType::I64)?;
    where_(&lt(&ids, &number(0)?)?, &add(&ids, &number(extent)?)?, &ids)
}

/// The elements that `ids` name along `dim`, both broadcast in the other dimensions; of all in one row for no dimension.
///
/// # Errors
/// As [`gather()`].
pub fn take_along_dim(x: &Tensor, ids: &Tensor, dim: Option<isize>) -> Result<Tensor> {
    const NAME: &str = "take_along_dim";
    let Some(dim) = dim else { return gather(&flat(x)?, 0, &from_the_end(&flat(ids)?, x.numel())?) };
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
    let ids = from_the_end(ids, extent(x))?;
    gather(&broadcast_to(x, &with(&others, extent(x)))?, dim, &broadcast_to(&ids, &with(&others, extent(&ids)))?)
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
