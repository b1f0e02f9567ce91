//! What is made of samples of functions and of random variables: integrals, covariances, polynomials, combinations.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, normalize_dim};
use crate::ops::arithmetic::{add, div, floor_divide, mul, remainder, scalar, scale, sub};
use crate::ops::arrange::{counted, diagonal};
use crate::ops::statistics::{diff, vector_norm};
use crate::ops::{
    amin, broadcast_to, cast, cat, clamp, cumsum, flip, index_select, matmul, mean, pow, reshape, slice, sqrt, sum,
    transpose, where_,
};

fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), like.dtype())
}

/// What lies between neighbours along `dim`, under straight lines.
fn strips(op: &str, y: &Tensor, x: Option<&Tensor>, width: f64, at: usize) -> Result<Tensor> {
    let n = y.shape()[at];
    let pairs = n.saturating_sub(1);
    let heights = scale(&add(&slice(y, at, 0, 1, pairs)?, &slice(y, at, n - pairs, 1, pairs)?)?, 0.5)?;
    let Some(x) = x else { return scale(&heights, width) };
    let x = if x.rank() == 1 && y.rank() > 1 {
        let mut shape = Dims::from_elem(1, y.rank());
        shape[at] = x.numel();
        reshape(x, &shape)?
    } else {
        x.clone()
    };
    if x.rank() != y.rank() || x.shape()[at] != n {
        let what = format_args!(
            "places {} for values {}; expected as many along the dimension",
            Show(x.shape()),
            Show(y.shape())
        );
        return Err(Error::shape(op, what));
    }
    // Integers wrap in the narrow dtypes, and in those without a sign.
    let x = if x.dtype().is_float() { x } else { cast(&x, DType::I64)? };
    mul(&heights, &diff(&x, 1, at.cast_signed(), None, None)?)
}

fn along(op: &str, y: &Tensor, dim: isize) -> Result<(Tensor, usize)> {
    let at = normalize_dim(op, dim, y.rank())?;
    if y.rank() == 0 {
        return Err(Error::shape(op, "a 0-d tensor has no neighbours"));
    }
    Ok((cast(y, y.dtype().to_float())?, at))
}

/// The integral of samples `y` at `x`, or `width` apart, along `dim` by the trapezoidal rule.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Shape`] for places that do not fit.
pub fn trapezoid(y: &Tensor, x: Option<&Tensor>, width: f64, dim: isize) -> Result<Tensor> {
    let (y, at) = along("trapezoid", y, dim)?;
    let n = y.shape()[at];
    if x.is_some() || n < 2 {
        return sum(&strips("trapezoid", &y, x, width, at)?, &[at], false);
    }
    // Each but the first and the last stands in two strips.
    let end = |from| slice(&y, at, from, 1, 1);
    let ends = sum(&scale(&add(&end(0)?, &end(n - 1)?)?, 0.5)?, &[at], false)?;
    scale(&add(&sum(&slice(&y, at, 1, 1, n - 2)?, &[at], false)?, &ends)?, width)
}

/// The integrals up to each sample but the first.
///
/// # Errors
/// As [`trapezoid`].
pub fn cumulative_trapezoid(y: &Tensor, x: Option<&Tensor>, width: f64, dim: isize) -> Result<Tensor> {
    let (y, at) = along("cumulative_trapezoid", y, dim)?;
    cumsum(&strips("cumulative_trapezoid", &y, x, width, at)?, at.cast_signed())
}

/// Where the samples of a function are along a dimension.
#[derive(Clone)]
pub enum Places {
    /// As far apart as this.
    Apart(f64),
    /// At these coordinates, a vector.
    At(Tensor),
}

/// The derivative of a function along a dimension of its samples `y`, by the parabola through each and its neighbours
/// (Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", 1988), at both ends through the two
/// (`edge_order` 1) or three (2) nearest.
///
/// # Errors
/// [`Error::Shape`] for fewer samples than `edge_order + 1` and as many coordinates as there are not samples,
/// [`Error::Value`] for another order.
pub fn gradient(y: &Tensor, places: &Places, dim: isize, edge_order: usize) -> Result<Tensor> {
    const NAME: &str = "gradient";
    let at = normalize_dim(NAME, dim, y.rank())?;
    let n = y.shape().get(at).copied().unwrap_or(1);
    if edge_order != 1 && edge_order != 2 {
        return Err(Error::value(NAME, format_args!("edge_order is 1 or 2, got {edge_order}")));
    }
    if n <= edge_order {
        let what = format_args!("expected at least {} samples along dimension {dim}, got {n}", edge_order + 1);
        return Err(Error::shape(NAME, what));
    }
    let y = cast(y, y.dtype().to_float())?;
    let mut extents = Dims::from_elem(1, y.rank());
    extents[at] = n - 1;
    let steps = match places {
        Places::Apart(step) => broadcast_to(&number(&y, *step)?, &extents)?,
        Places::At(x) if x.rank() == 1 && x.numel() == n => {
            reshape(&diff(&cast(x, y.dtype())?, 1, 0, None, None)?, &extents)?
        }
        Places::At(x) => {
            return Err(Error::shape(NAME, format_args!("coordinates {} of {n} samples", Show(x.shape()))));
        }
    };
    let slopes = div(&diff(&y, 1, at.cast_signed(), None, None)?, &steps)?;
    let from = |x: &Tensor, first: usize, count: usize| slice(x, at, first, 1, count);
    let inside = match places {
        Places::Apart(step) => scale(&sub(&from(&y, 2, n - 2)?, &from(&y, 0, n - 2)?)?, 0.5 / step)?,
        Places::At(_) => {
            let (before, after) = (from(&steps, 0, n - 2)?, from(&steps, 1, n - 2)?);
            let weighted = add(&mul(&from(&slopes, 0, n - 2)?, &after)?, &mul(&from(&slopes, 1, n - 2)?, &before)?)?;
            div(&weighted, &add(&before, &after)?)?
        }
    };
    // The slope at the end of a parabola: that of the last step, and as much again as it changes over half of both.
    let edge = |last: usize, other: usize| {
        let slope = from(&slopes, last, 1)?;
        if edge_order == 1 {
            return Ok(slope);
        }
        let step = from(&steps, last, 1)?;
        let share = div(&step, &add(&step, &from(&steps, other, 1)?)?)?;
        add(&slope, &mul(&sub(&slope, &from(&slopes, other, 1)?)?, &share)?)
    };
    cat(&[&edge(0, 1)?, &inside, &edge(n - 2, n.saturating_sub(3))?], at.cast_signed())
}

/// Covariances of variables, the rows of `x`, over its columns, each counted `counts` times and weighted by `weights`.
///
/// # Errors
/// [`Error::Shape`] for more than two dimensions and weights that do not fit.
pub fn cov(x: &Tensor, correction: f64, counts: Option<&Tensor>, weights: Option<&Tensor>) -> Result<Tensor> {
    const NAME: &str = "cov";
    if counts.is_some_and(|counts| counts.dtype().is_float()) {
        return Err(Error::dtype(NAME, "fweights are counts: expected integers"));
    }
    if x.rank() > 2 {
        return Err(Error::shape(NAME, format_args!("expected at most two dimensions, got {}", Show(x.shape()))));
    }
    let rows = if x.rank() < 2 { reshape(x, &[1, x.numel()])? } else { x.clone() };
    // Counts do not make float64 of float32; weights that are do.
    let together = weights.map_or(Ok(x.dtype()), |weights| x.dtype().promote(NAME, weights.dtype()))?;
    let rows = cast(&rows, together.to_float())?;
    let columns = rows.shape()[1];
    let mut weight: Option<Tensor> = None;
    for given in [counts, weights].into_iter().flatten() {
        if given.shape() != [columns] {
            let what = format_args!("weights {} for {columns} observations", Show(given.shape()));
            return Err(Error::shape(NAME, what));
        }
        if given.numel() > 0 && amin(&given.detach(), &[0], false)?.array().item()?.to_f64() < 0.0 {
            return Err(Error::value(NAME, "weights below zero"));
        }
        let given = cast(given, rows.dtype())?;
        weight = Some(weight.map_or_else(|| Ok(given.clone()), |weight| mul(&weight, &given))?);
    }
    let all: Dims = (0..1).collect();
    let (centred, weighted, divisor) = match &weight {
        None => {
            let centred = sub(&rows, &mean(&rows, &[1], true)?)?;
            #[allow(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
            let divisor = number(&rows, columns as f64 - correction)?;
            (centred.clone(), centred, divisor)
        }
        Some(weight) => {
            let total = sum(weight, &all, false)?;
            let average = div(&sum(&mul(&rows, weight)?, &[1], true)?, &total)?;
            let centred = sub(&rows, &average)?;
            let squares = match weights {
                Some(own) => div(&sum(&mul(weight, &cast(own, rows.dtype())?)?, &all, false)?, &total)?,
                None => number(&rows, 1.0)?,
            };
            let divisor = sub(&total, &scale(&squares, correction)?)?;
            (centred.clone(), mul(&centred, weight)?, divisor)
        }
    };
    let divisor = clamp(&divisor, Some(Scalar::Float(0.0)), None)?;
    let covariances = div(&matmul(&weighted, &transpose(&centred, 0, 1)?)?, &divisor)?;
    // Of one variable a number, as in PyTorch.
    if covariances.numel() == 1 { reshape(&covariances, &[]) } else { Ok(covariances) }
}

/// Covariances over the deviations of both variables.
///
/// # Errors
/// As [`cov`].
pub fn corrcoef(x: &Tensor) -> Result<Tensor> {
    let covariances = cov(x, 1.0, None, None)?;
    if covariances.rank() == 0 {
        return div(&covariances, &covariances);
    }
    let deviations = sqrt(&diagonal(&covariances, 0, 0, 1)?)?;
    let n = deviations.numel();
    let scaled = div(&div(&covariances, &reshape(&deviations, &[n, 1])?)?, &deviations)?;
    clamp(&scaled, Some(Scalar::Float(-1.0)), Some(Scalar::Float(1.0)))
}

/// The powers of each element of the vector `x`, from the highest, `n - 1`, or from 0; of integers in int64.
///
/// # Errors
/// [`Error::Shape`] for anything but a vector.
pub fn vander(x: &Tensor, n: usize, increasing: bool) -> Result<Tensor> {
    if x.rank() != 1 {
        return Err(Error::shape("vander", format_args!("expected a vector, got {}", Show(x.shape()))));
    }
    let dtype = if x.dtype().is_float() { x.dtype() } else { DType::I64 };
    let powers = if dtype.is_float() {
        pow(&reshape(x, &[x.numel(), 1])?, &cast(&counted(n)?, dtype)?)?
    } else {
        crate::ops::matrices::whole_powers(&cast(x, dtype)?, n)?
    };
    if increasing { Ok(powers) } else { flip(&powers, &[1]) }
}

/// The positions along each dimension of `shape` of row-major positions.
///
/// # Errors
/// [`Error::DType`] for floats, [`Error::Index`] for positions out of range.
pub fn unravel_index(positions: &Tensor, shape: &[usize]) -> Result<Vec<Tensor>> {
    const NAME: &str = "unravel_index";
    if positions.dtype().is_float() || positions.dtype() == DType::Bool {
        return Err(Error::dtype(NAME, format_args!("expected integers, got {}", positions.dtype())));
    }
    let whole = |n: usize| scalar(Scalar::Int(n as i128), DType::I64);
    let mut rest = cast(positions, DType::I64)?;
    let outside = crate::ops::logical_or(
        &crate::ops::lt(&rest, &whole(0)?)?,
        &crate::ops::ge(&rest, &whole(shape.iter().product())?)?,
    )?;
    if crate::ops::reduce::any(outside.array())? {
        return Err(Error::index(NAME, format_args!("a position is out of range for shape {}", Show(shape))));
    }
    let mut found = Vec::new();
    for &extent in shape.iter().rev() {
        found.push(remainder(&rest, &whole(extent)?)?);
        rest = floor_divide(&rest, &whole(extent)?)?;
    }
    found.reverse();
    Ok(found)
}

/// All ways to take `r` elements of the vector `x` in order, with repeats if `repeated`: one a row.
///
/// # Errors
/// [`Error::Shape`] for anything but a vector.
pub fn combinations(x: &Tensor, r: usize, repeated: bool) -> Result<Tensor> {
    const NAME: &str = "combinations";
    if x.rank() != 1 {
        return Err(Error::shape(NAME, format_args!("expected a vector, got {}", Show(x.shape()))));
    }
    if r == 0 {
        return Ok(Array::zeros(NAME, &[0], x.dtype())?.into());
    }
    let n = x.numel();
    if n == 0 || !repeated && r > n {
        return reshape(&slice(x, 0, 0, 1, 0)?, &[0, r]);
    }
    let rows = choices(if repeated { n - 1 + r } else { n }, r)
        .ok_or_else(|| Error::value(NAME, format_args!("{r} of {n} elements can be chosen in too many ways")))?;
    let step = usize::from(!repeated);
    let ids = Array::build(NAME, &[rows, r], |out: &mut [i64]| {
        let mut chosen: Vec<usize> = (0..r).map(|i| i * step).collect();
        for row in out.chunks_exact_mut(r) {
            row.iter_mut().zip(&chosen).for_each(|(id, &i)| *id = i.cast_signed() as i64);
            // The last place that has another choice.
            let Some(at) = (0..r).rev().find(|&i| chosen[i] + 1 + (r - 1 - i) * step < n) else { break };
            let next = chosen[at] + 1;
            for (i, place) in chosen.iter_mut().enumerate().skip(at) {
                *place = next + (i - at) * step;
            }
        }
        Ok(())
    })?;
    reshape(&index_select(x, 0, &reshape(&ids.into(), &[rows * r])?)?, &[rows, r])
}

/// In how many ways `r` of `n` things can be chosen, where that is no more than memory could hold.
fn choices(n: usize, r: usize) -> Option<usize> {
    let fewer = r.min(n - r);
    let count = (0..fewer).try_fold(1u128, |count, i| {
        let count = count * (n - i) as u128 / (i + 1) as u128;
        (count < 1 << 48).then_some(count)
    })?;
    usize::try_from(count).ok().filter(|count| count.checked_mul(r).is_some())
}

/// Slices along `dim` scaled down where their norm of `order` is above `most`.
///
/// # Errors
/// As [`vector_norm`].
pub fn renorm(x: &Tensor, order: f64, dim: isize, most: f64) -> Result<Tensor> {
    if x.rank() < 2 {
        let what = format_args!("expected at least two dimensions, got {}", Show(x.shape()));
        return Err(Error::shape("renorm", what));
    }
    let at = normalize_dim("renorm", dim, x.rank())?;
    let others: Dims = (0..x.rank()).filter(|&d| d != at).collect();
    let norms = vector_norm(x, order, &others, true)?;
    let limit = number(x, most)?;
    let factors = div(&limit, &crate::ops::arithmetic::shift(&norms, 1e-7)?)?;
    mul(x, &where_(&crate::ops::gt(&norms, &limit)?, &factors, &number(x, 1.0)?)?)
}
