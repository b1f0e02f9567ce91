//! Places among sorted numbers, membership, the most frequent element. Positions have no gradient; values that are picked
//! by them do.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, normalize_dim};
use crate::ops::arrange::movedim;
use crate::ops::placing::take_along_dim;
use crate::ops::{cast, eq, gather, ne, reshape, sort};
use crate::with_element;
use dlcore_kernels::search;

/// Where each of `values` goes into the sorted `boundaries` so that they stay sorted: before its equals, or `after` them.
/// Boundaries are a vector, or have the shape of the values but for the last dimension.
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::DType`] for two dtypes of which none holds both.
pub fn searchsorted(op: &str, boundaries: &Tensor, values: &Tensor, after: bool) -> Result<Tensor> {
    let (rank, shape) = (boundaries.rank(), values.shape());
    let rows = rank > 1 && rank == shape.len() && boundaries.shape()[..rank - 1] == shape[..rank - 1];
    if rank != 1 && !rows {
        let (boundaries, values) = (Show(boundaries.shape()), Show(shape));
        let what = format_args!(
            "boundaries {boundaries} for values {values}; expected a vector, or equal shapes but for the last dimension"
        );
        return Err(Error::shape(op, what));
    }
    let dtype = boundaries.dtype().promote(op, values.dtype())?.widened();
    let wide = |x: &Tensor| x.array().cast(op, dtype)?.contiguous(op);
    let (sorted, wanted) = (wide(boundaries)?, wide(values)?);
    let columns = sorted.shape()[rank - 1];
    let found = with_element!(dtype, T => Array::build(op, shape, |out: &mut [i64]| {
        search::places(sorted.elements::<T>(), columns, wanted.elements::<T>(), after, out);
        Ok(())
    }))?;
    Ok(found.into())
}

/// Whether each element of `x` is among those of `set`; with `invert` whether it is not.
///
/// # Errors
/// [`Error::DType`] for two dtypes of which none holds both.
pub fn isin(x: &Tensor, set: &Tensor, invert: bool) -> Result<Tensor> {
    let dtype = x.dtype().promote("isin", set.dtype())?;
    if set.numel() == 1 {
        let compare = if invert { ne } else { eq };
        return compare(&x.detach(), &reshape(&set.detach(), &[])?);
    }
    let (x, set) = (x.array().cast("isin", dtype)?, cast(&reshape(&set.detach(), &[set.numel()])?, dtype)?);
    let sorted = if set.numel() > 1 { sort(&set, 0, false)?.0 } else { set };
    let wide = |x: &Array| x.cast("isin", dtype.widened())?.contiguous("isin");
    let (sorted, x) = (wide(sorted.array())?, wide(&x)?);
    let found = with_element!(x.dtype(), T => Array::build_as("isin", DType::Bool, x.shape(), |out: &mut [u8]| {
        search::members(sorted.elements::<T>(), x.elements::<T>(), invert, out);
        Ok(())
    }))?;
    Ok(found.into())
}

/// The element that occurs most along `dim`, the smallest of several, and its last position.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range or without elements.
pub fn mode(x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let at = normalize_dim("mode", dim, x.rank())?;
    let wide = if x.rank() == 0 { reshape(x, &[1])? } else { x.clone() };
    if wide.shape()[at] == 0 {
        return Err(Error::index("mode", format_args!("dimension {at} has no elements")));
    }
    let last = movedim(&wide, &[at.cast_signed()], &[-1])?;
    let (values, positions) = sort(&last.detach(), -1, false)?;
    let dtype = values.dtype().widened();
    let values = values.array().cast("mode", dtype)?.contiguous("mode")?;
    let mut shape = Dims::from_slice(values.shape());
    let columns = shape.last_mut().map_or(1, |last| std::mem::replace(last, 1));
    let ends: Tensor = with_element!(dtype, T => Array::build("mode", &shape, |out: &mut [i64]| {
        search::longest_runs(values.elements::<T>(), columns, out);
        Ok(())
    }))?
    .into();
    let position = take_along_dim(&positions, &ends, Some(-1))?;
    picked(x, &wide, at, &movedim(&position, &[-1], &[at.cast_signed()])?, keepdim)
}

/// The elements of `wide` (`x`, of one dimension at least) at `position` along `at`, and the positions.
fn picked(x: &Tensor, wide: &Tensor, at: usize, position: &Tensor, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let value = gather(wide, at.cast_signed(), position)?;
    let mut shape = Dims::from_slice(x.shape());
    if x.rank() > 0 {
        if keepdim { shape[at] = 1 } else { _ = shape.remove(at) }
    }
    Ok((reshape(&value, &shape)?, reshape(position, &shape)?))
}
