//! Elements as a set: the different ones, and how many there are of each. No gradient, but for the weights of a count.

use crate::array::Array;
use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, normalize_dim};
use crate::ops::arithmetic::{div, scalar, shift, sub};
use crate::ops::arrange::{counted, movedim, select};
use crate::ops::placing::put;
use crate::ops::search::searchsorted;
use crate::ops::select_rows::IndexAdd;
use crate::ops::shape::{broadcast_to, reshape, slice};
use crate::ops::statistics::diff;
use crate::ops::{
    amax, amin, any_of, cast, cat, cumsum, floor, ge, index_select, le, logical_and, masked_select, ne, nonzero, sort,
    tril, triu,
};

/// The different elements of a tensor.
pub struct Unique {
    /// Each of them once.
    pub values: Tensor,
    /// Where each element of the input is among them.
    pub inverse: Tensor,
    /// How often each of them occurs.
    pub counts: Tensor,
}

/// The different elements of `x`, or the different slices along `dim`: in order, or those that differ from the one before.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn unique(x: &Tensor, dim: Option<isize>, in_order: bool) -> Result<Unique> {
    let x = x.detach();
    let front = match dim {
        None => reshape(&x, &[x.numel()])?,
        Some(dim) => movedim(&crate::ops::arrange::at_least(&x, 1)?, &[dim], &[0])?,
    };
    let n = front.shape()[0];
    let rows = reshape(&front, &[n, front.shape()[1..].iter().product()])?;
    let mut order = counted(n)?;
    if in_order {
        // From the last column to the first: equals stay in their order, so the first decides.
        for column in (0..rows.shape()[1]).rev() {
            let keys = index_select(&select(&rows, 1, column.cast_signed())?, 0, &order)?;
            order = index_select(&order, 0, &sort(&keys, 0, false)?.1)?;
        }
    }
    let ordered = index_select(&rows, 0, &order)?;
    let pairs = n.saturating_sub(1);
    let differ = ne(&slice(&ordered, 0, n - pairs, 1, pairs)?, &slice(&ordered, 0, 0, 1, pairs)?)?;
    let first = Tensor::from(Array::full("unique", &[n - pairs], Scalar::Bool(true), DType::Bool)?);
    let starts = cat(&[&first, &any_of(&differ, &[1], false)?], 0)?;
    let places = reshape(&nonzero(&starts)?, &[usize::try_from(total(&starts)?).unwrap_or(0)])?;
    let groups = shift(&cumsum(&starts, 0)?, -1.0)?;
    let inverse = put(&counted(n)?, &order, &groups, false)?;
    let end = scalar(Scalar::Int(i128::try_from(n).unwrap_or(0)), DType::I64)?;
    let counts = diff(&places, 1, 0, None, Some(&reshape(&end, &[1])?))?;
    let mut shape = front.array().dims();
    shape[0] = places.numel();
    let values = reshape(&index_select(&ordered, 0, &places)?, &shape)?;
    Ok(match dim {
        None => Unique { values, inverse: reshape(&inverse, x.shape())?, counts },
        Some(dim) => Unique { values: movedim(&values, &[0], &[dim])?, inverse, counts },
    })
}

/// How many are true.
fn total(mask: &Tensor) -> Result<i64> {
    let sum = crate::ops::sum(mask, &[0], false)?;
    Ok(sum.array().elements::<i64>()[0])
}

/// How often each integer from 0 on occurs in the vector `x`, or the sum of its `weights`; at least `length` results.
///
/// # Errors
/// [`Error::Shape`] for anything but vectors of one length, [`Error::DType`] for floats, [`Error::Value`] for negative
/// integers.
pub fn bincount(x: &Tensor, weights: Option<&Tensor>, length: usize) -> Result<Tensor> {
    const NAME: &str = "bincount";
    if x.rank() != 1 || weights.is_some_and(|weights| weights.shape() != x.shape()) {
        return Err(Error::shape(
            NAME,
            format_args!("expected a vector, and as many weights, got {}", Show(x.shape())),
        ));
    }
    if x.dtype().is_float() || x.dtype() == DType::Bool {
        return Err(Error::dtype(NAME, format_args!("expected integers, got {}", x.dtype())));
    }
    let ids = cast(&x.detach(), DType::I64)?;
    let mut extent = length;
    if x.numel() > 0 {
        let end = |x: Tensor| -> Result<usize> {
            let value = x.array().elements::<i64>()[0];
            usize::try_from(value)
                .map_err(|_| Error::value(NAME, format_args!("expected no negative integers, got {value}")))
        };
        end(amin(&ids, &[0], false)?)?;
        extent = extent.max(end(amax(&ids, &[0], false)?)? + 1);
    }
    let weights = match weights {
        None => broadcast_to(&scalar(Scalar::Int(1), DType::I64)?, ids.shape())?,
        Some(weights) if weights.dtype() == DType::F32 => weights.clone(),
        Some(weights) => cast(weights, DType::F64)?,
    };
    apply(IndexAdd { dim: 0, extent, frozen: None }, &[&weights, &ids])
}

/// How many elements fall into each of `bins` intervals of one width from `low` to `high`, both included; from the
/// smallest to the largest element where the two are equal.
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Value`] for no bins or an interval that is none.
#[allow(clippy::cast_precision_loss, reason = "a number of bins")]
pub fn histc(x: &Tensor, bins: usize, low: f64, high: f64) -> Result<Tensor> {
    const NAME: &str = "histc";
    if !x.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    let dtype = x.dtype();
    let x = cast(&reshape(&x.detach(), &[x.numel()])?, DType::F64)?;
    let (mut low, mut high) = (low, high);
    if low.to_bits() == high.to_bits() && x.numel() > 0 {
        let end = |x: Tensor| -> Result<f64> { Ok(x.array().item()?.to_f64()) };
        (low, high) = (end(amin(&x, &[0], false)?)?, end(amax(&x, &[0], false)?)?);
    }
    if low.to_bits() == high.to_bits() {
        (low, high) = (low - 1.0, high + 1.0);
    }
    if bins == 0 || low >= high || !low.is_finite() || !high.is_finite() {
        return Err(Error::value(NAME, format_args!("{bins} bins from {low} to {high}")));
    }
    let number = |value| scalar(Scalar::Float(value), DType::F64);
    let inside = logical_and(&ge(&x, &number(low)?)?, &le(&x, &number(high)?)?)?;
    let kept = masked_select(&x, &inside)?;
    let place = floor(&crate::ops::arithmetic::scale(&sub(&kept, &number(low)?)?, bins as f64 / (high - low))?)?;
    let place = crate::ops::clamp(&place, None, Some(Scalar::Float((bins - 1) as f64)))?;
    cast(&bincount(&cast(&place, DType::I64)?, None, bins)?, dtype)
}

/// The edges of `bins` intervals of one width: between the ends `range`, or between the extremes of `x`.
///
/// # Errors
/// [`Error::Value`] for no bins or an interval that is none.
pub fn edges(x: &Tensor, bins: usize, range: Option<[f64; 2]>) -> Result<Tensor> {
    const NAME: &str = "histogram";
    let flat = reshape(&x.detach(), &[x.numel()])?;
    let end = |x: Tensor| -> Result<f64> { Ok(x.array().item()?.to_f64()) };
    let [mut low, mut high] = match range {
        Some(range) => range,
        None if x.numel() == 0 => [0.0, 1.0],
        None => [end(amin(&flat, &[0], false)?)?, end(amax(&flat, &[0], false)?)?],
    };
    if bins == 0 || low > high || !low.is_finite() || !high.is_finite() {
        return Err(Error::value(NAME, format_args!("{bins} bins from {low} to {high}")));
    }
    if low >= high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    crate::creation::linspace(low, high, bins + 1, x.dtype())
}

/// How many elements fall between neighbours in the ascending vector `edges`, an element on an edge into the upper interval
/// and one on the last edge into the last; or the sum of their `weights`. As a `density`, the integral is 1.
///
/// # Errors
/// [`Error::DType`] for integers and edges or weights of another dtype; [`Error::Shape`] for edges that are no vector of two
/// at least and weights of another shape.
pub fn histogram(x: &Tensor, edges: &Tensor, weights: Option<&Tensor>, density: bool) -> Result<Tensor> {
    const NAME: &str = "histogram";
    if !x.dtype().is_float() || [Some(edges), weights].iter().flatten().any(|other| other.dtype() != x.dtype()) {
        return Err(Error::dtype(NAME, format_args!("expected one float dtype of all, got {}", x.dtype())));
    }
    if edges.rank() != 1 || edges.numel() < 2 || weights.is_some_and(|weights| weights.shape() != x.shape()) {
        let what =
            format_args!("expected a vector of two edges at least and as many weights, got {}", Show(edges.shape()));
        return Err(Error::shape(NAME, what));
    }
    let bins = edges.numel() - 1;
    let flat = |x: &Tensor| reshape(&x.detach(), &[x.numel()]);
    let (x, edges) = (flat(x)?, edges.detach());
    let end = |at: usize| slice(&edges, 0, at, 1, 1);
    let inside = logical_and(&ge(&x, &end(0)?)?, &le(&x, &end(bins)?)?)?;
    let kept = masked_select(&x, &inside)?;
    let place = shift(&searchsorted(NAME, &edges, &kept, true)?, -1.0)?;
    let place = crate::ops::clamp(&place, None, Some(Scalar::Int(bins as i128 - 1)))?;
    let weights = weights.map(|weights| masked_select(&flat(weights)?, &inside)).transpose()?;
    let counts = cast(&bincount(&place, weights.as_ref(), bins)?, x.dtype())?;
    if !density {
        return Ok(counts);
    }
    div(&div(&counts, &crate::ops::sum(&counts, &[0], false)?)?, &diff(&edges, 1, 0, None, None)?)
}

/// Rows and columns of the elements of a triangle of a matrix: on and below diagonal `offset`, or on and above it.
///
/// # Errors
/// Only for lack of memory.
pub fn triangle_indices(rows: usize, columns: usize, offset: i64, lower: bool) -> Result<Tensor> {
    let ones = Array::full("tril_indices", &[rows, columns], Scalar::Bool(true), DType::Bool)?.into();
    let mask = if lower { tril(&ones, offset) } else { triu(&ones, offset) }?;
    crate::ops::contiguous(&crate::ops::transpose(&nonzero(&mask)?, 0, 1)?)
}

/// The positions of elements that are not zero: for each dimension a vector.
///
/// # Errors
/// Only for lack of memory.
pub fn nonzero_by_dimension(x: &Tensor) -> Result<Vec<Tensor>> {
    let x = crate::ops::arrange::at_least(&x.detach(), 1)?;
    let places = nonzero(&x)?;
    (0..x.rank()).map(|dim| select(&places, 1, dim.cast_signed())).collect()
}

/// Slices `ids` of `x` along `dim`; of a 0-d tensor itself.
///
/// # Errors
/// [`Error::Index`] for an index or dimension out of range, [`Error::Shape`] for more than a vector of indices.
pub fn picked(x: &Tensor, dim: isize, ids: &Tensor) -> Result<Tensor> {
    if ids.rank() > 1 {
        let what = format_args!("expected a vector of indices, got shape {}", Show(ids.shape()));
        return Err(Error::index("index_select", what));
    }
    if x.rank() > 0 {
        return if ids.rank() == 1 { index_select(x, dim, ids) } else { index_select(x, dim, &reshape(ids, &[1])?) };
    }
    normalize_dim("index_select", dim, 0)?;
    if ids.numel() != 1 {
        return Err(Error::shape("index_select", format_args!("{} indices into a 0-d tensor", ids.numel())));
    }
    let only = index_select(&reshape(x, &[1])?, 0, &reshape(ids, &[1])?)?;
    reshape(&only, &Dims::new())
}
