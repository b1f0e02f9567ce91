//! Elements as a set: the different ones, and how many there are of each. No gradient, but for the weights of a count.

use crate::array::Array;
use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, normalize_dim};
use crate::ops::arithmetic::{div, scalar, shift};
use crate::ops::arrange::{counted, movedim, select};
use crate::ops::placing::put;
use crate::ops::select_rows::IndexAdd;
use crate::ops::shape::{reshape, slice};
use crate::ops::statistics::diff;
use crate::ops::{amax, amin, any_of, cast, cat, cumsum, index_select, ne, nonzero, sort};
use crate::{with_element, with_float};
use dlcore_kernels::counts;

/// The different elements of a tensor.
pub struct Unique {
    /// Each of them once.
    pub values: Tensor,
    /// Where each element of the input is among them, if asked for.
    pub inverse: Option<Tensor>,
    /// How often each of them occurs, if asked for.
    pub counts: Option<Tensor>,
}

/// The different elements of `x`, or the different slices along `dim`, in order; with what is asked for.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn unique(x: &Tensor, dim: Option<isize>, inverse: bool, counts: bool) -> Result<Unique> {
    if let Some(dim) = dim {
        return unique_slices(x, dim, true);
    }
    if x.dtype() == DType::Bool && !inverse {
        return unique_of_two(x, counts);
    }
    let (sorted, order) = sort(&reshape(&x.detach(), &[x.numel()])?, 0, false)?;
    let mut found = unique_consecutive(&sorted, None, inverse, counts)?;
    if let Some(groups) = &found.inverse {
        found.inverse = Some(reshape(&put(groups, &order, groups, false)?, x.shape())?);
    }
    Ok(found)
}

/// [`unique`] of a mask.
fn unique_of_two(x: &Tensor, counts: bool) -> Result<Unique> {
    const NAME: &str = "unique";
    let count = total(&reshape(&x.detach(), &[x.numel()])?)?;
    let counted =
        [(0u8, x.numel().cast_signed() as i64 - count), (1, count)].into_iter().filter(|&(_, count)| count > 0);
    let (values, lengths): (Vec<u8>, Vec<i64>) = counted.unzip();
    let values = Array::from_slice(NAME, &values, &[values.len()])?;
    let lengths = counts.then(|| Array::from_slice(NAME, &lengths, &[lengths.len()])).transpose()?;
    Ok(Unique { values: values.cast(NAME, DType::Bool)?.into(), inverse: None, counts: lengths.map(Tensor::from) })
}

/// The different slices of `x` along `dim`: in order, or those that differ from the one before.
fn unique_slices(x: &Tensor, dim: isize, in_order: bool) -> Result<Unique> {
    let front = movedim(&crate::ops::arrange::at_least(&x.detach(), 1)?, &[dim], &[0])?;
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
    let values = movedim(&reshape(&index_select(&ordered, 0, &places)?, &shape)?, &[0], &[dim])?;
    Ok(Unique { values, inverse: Some(inverse), counts: Some(counts) })
}

/// The elements of `x`, or the slices along `dim`, that differ from the one before.
///
/// # Errors
/// As [`unique`].
pub fn unique_consecutive(x: &Tensor, dim: Option<isize>, inverse: bool, counts: bool) -> Result<Unique> {
    const NAME: &str = "unique_consecutive";
    if let Some(dim) = dim {
        return unique_slices(x, dim, false);
    }
    let wide = x.array().cast(NAME, x.dtype().widened())?.contiguous(NAME)?;
    with_element!(wide.dtype(), T => {
        let elements = wide.elements::<T>();
        let runs = counts::runs(elements);
        let values = Array::build(NAME, &[runs], |out: &mut [T]| {
            counts::firsts(elements, out);
            Ok(())
        })?;
        let numbers = || Array::build(NAME, x.shape(), |out: &mut [i64]| {
            counts::run_of_each(elements, out);
            Ok(())
        });
        let numbers = (inverse || counts).then(numbers).transpose()?;
        let lengths = |numbers: &Array| counted_in(NAME, numbers, runs);
        Ok(Unique {
            values: values.cast(NAME, x.dtype())?.into(),
            counts: numbers.as_ref().filter(|_| counts).map(lengths).transpose()?,
            inverse: numbers.filter(|_| inverse).map(Tensor::from),
        })
    })
}

/// How often each integer below `extent` is among `ids`.
fn counted_in(name: &str, ids: &Array, extent: usize) -> Result<Tensor> {
    let counts = Array::build(name, &[extent], |out: &mut [i64]| {
        out.fill(0);
        counts::count(ids.elements(), out);
        Ok(())
    })?;
    Ok(counts.into())
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
    let ids = x.array().cast(NAME, DType::I64)?.contiguous(NAME)?;
    let mut extent = length;
    if x.numel() > 0 {
        let position = |value: i64| {
            usize::try_from(value)
                .map_err(|_| Error::value(NAME, format_args!("expected no negative integers, got {value}")))
        };
        let (low, high) = counts::ends(ids.elements());
        position(low)?;
        extent = extent.max(position(high)?.saturating_add(1));
    }
    let weights = match weights {
        None => return counted_in(NAME, &ids, extent),
        Some(weights) if weights.dtype() == DType::F32 => weights.clone(),
        Some(weights) => cast(weights, DType::F64)?,
    };
    apply(IndexAdd { dim: 0, extent, frozen: None }, &[&weights, &ids.into()])
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
    let x = reshape(&x.detach(), &[x.numel()])?;
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
    // Ends count as elements do.
    let rounded = |end| Array::full(NAME, &[], Scalar::Float(end), x.dtype())?.item().map(Scalar::to_f64);
    let (low, high) = (rounded(low)?, rounded(high)?);
    let wide = x.array().cast(NAME, x.dtype().widened())?.contiguous(NAME)?;
    let counts = with_float!(NAME, wide.dtype(), T => Array::build(NAME, &[bins], |out: &mut [i64]| {
        out.fill(0);
        counts::even(wide.elements::<T>(), low, high, out);
        Ok(())
    }))?;
    Ok(counts.cast(NAME, x.dtype())?.into())
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
    let wide = |x: &Tensor, dtype: DType| x.array().cast(NAME, dtype)?.contiguous(NAME);
    let dtype = x.dtype().widened();
    let (array, limits) = (wide(x, dtype)?, wide(edges, dtype)?);
    // Sums of what 16 bits hold are made in 64.
    let summed = |weights: &Tensor| if weights.dtype() == DType::F32 { DType::F32 } else { DType::F64 };
    let weights = weights.map(|weights| wide(weights, summed(weights))).transpose()?;
    let counts = with_float!(NAME, dtype, T => {
        let (elements, limits) = (array.elements::<T>(), limits.elements::<T>());
        match &weights {
            None => Array::build(NAME, &[bins], |out: &mut [i64]| {
                out.fill(0);
                counts::between(elements, limits, |_| 1, out);
                Ok(())
            }),
            Some(weights) => with_float!(NAME, weights.dtype(), W => Array::build(NAME, &[bins], |out: &mut [W]| {
                let weights = weights.elements::<W>();
                out.fill(0.0);
                counts::between(elements, limits, |at| weights[at], out);
                Ok(())
            })),
        }
    })?;
    let counts = cast(&counts.into(), x.dtype())?;
    if !density {
        return Ok(counts);
    }
    div(&div(&counts, &crate::ops::sum(&counts, &[0], false)?)?, &diff(&edges.detach(), 1, 0, None, None)?)
}

/// Rows and columns of the elements of a triangle of a matrix: on and below diagonal `offset`, or on and above it.
///
/// # Errors
/// Only for lack of memory.
pub fn triangle_indices(rows: usize, columns: usize, offset: i64, lower: bool) -> Result<Tensor> {
    let (height, width, offset) = (rows as i128, columns as i128, i128::from(offset));
    // Elements on and below a diagonal: its rows become longer by one up to the first full one.
    let below = |offset: i128| {
        let first = (-offset).clamp(0, height);
        let full = (width - offset - 1).clamp(first, height);
        let growing = full - first;
        growing * (first + offset + 1) + growing * (growing - 1) / 2 + (height - full).saturating_mul(width)
    };
    let count = if lower { below(offset) } else { height.saturating_mul(width) - below(offset - 1) };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let first = if lower { (-offset).clamp(0, height) } else { 0 };
    let within = |row: usize| {
        let diagonal = row as i128 + offset + i128::from(lower);
        let split = usize::try_from(diagonal.clamp(0, width)).unwrap_or(columns);
        if lower { 0..split } else { split..columns }
    };
    let indices = Array::build("tril_indices", &[2, count], |out: &mut [i64]| {
        let (mut row_of, mut column_of) = out.split_at_mut(count);
        let filled = usize::try_from(first).unwrap_or(rows)..rows;
        for row in filled.take_while(|&row| !within(row).is_empty()) {
            let (rows, columns);
            (rows, row_of) = row_of.split_at_mut(within(row).len());
            (columns, column_of) = column_of.split_at_mut(rows.len());
            rows.fill(row.cast_signed() as i64);
            columns.iter_mut().zip(within(row)).for_each(|(out, column)| *out = column.cast_signed() as i64);
        }
        Ok(())
    })?;
    Ok(indices.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_of_every_offset_and_size() {
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (4, 4), (3, 6), (6, 3)] {
            for offset in -8..=8i64 {
                for lower in [true, false] {
                    let indices = triangle_indices(rows, columns, offset, lower).unwrap();
                    let inside = |row: i64, column: i64| {
                        let above = column - row;
                        if lower { above <= offset } else { above >= offset }
                    };
                    let to = |n: usize| 0..i64::try_from(n).unwrap();
                    let all = to(rows).flat_map(|row| to(columns).map(move |column| (row, column)));
                    let places: Vec<_> = all.filter(|&(row, column)| inside(row, column)).collect();
                    let expected: Vec<_> = places.iter().map(|at| at.0).chain(places.iter().map(|at| at.1)).collect();
                    assert_eq!(indices.array().elements::<i64>(), expected);
                }
            }
        }
        // Neither room nor time is looked for in vain.
        assert!(triangle_indices(1 << 60, 1 << 60, 0, true).is_err());
        assert_eq!(triangle_indices(1 << 60, 0, 0, true).unwrap().shape(), [2, 0]);
        assert_eq!(triangle_indices(1 << 60, 1 << 60, -(1 << 62), true).unwrap().shape(), [2, 0]);
        assert_eq!(triangle_indices(1 << 60, 3, 0, false).unwrap().shape(), [2, 6]);
    }
}
