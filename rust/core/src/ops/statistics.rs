//! Norms, order statistics and what else describes many elements by few, made of other operations.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, distinct_dims, normalize_dim};
use crate::ops::arithmetic::{add, div, mul, scalar, scale, sub};
use crate::ops::blend::lerp;
use crate::ops::compare::{eq, isnan, logical_and, logical_not, logical_or, ne};
use crate::ops::extremum::{amax, amin, not_empty};
use crate::ops::join::cat;
use crate::ops::length::length;
use crate::ops::placing::take_along_dim;
use crate::ops::reduce::{self, kept_shape, sum};
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::select::{filled, where_};
use crate::ops::shape::{broadcast_to, reshape, slice};
use crate::ops::{abs, cast, floor, gather, pow, sort};
use dlcore_kernels::sort::Rank;

fn number(x: &Tensor, value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), x.dtype())
}

/// `f` of 16-bit floats computed in float32 and rounded once: what lies between would overflow.
fn widely(inputs: &[&Tensor], f: impl Fn(&[&Tensor]) -> Result<Tensor>) -> Option<Result<Tensor>> {
    let dtype = inputs[0].dtype();
    inputs.iter().all(|x| x.dtype() == dtype && dtype.is_half()).then(|| {
        let wide = inputs.iter().map(|x| cast(x, DType::F32)).collect::<Result<Vec<_>>>()?;
        cast(&f(&wide.iter().collect::<Vec<_>>())?, dtype)
    })
}

/// `root` of `x`, where `x` is zero `at_zero` with the gradient zero.
fn smooth_root(x: &Tensor, at_zero: f64, root: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let flat = eq(x, &number(x, 0.0)?)?;
    where_(&flat, &number(x, at_zero)?, &root(&where_(&flat, &number(x, 1.0)?, x)?)?)
}

/// `sum(|x| ** order) ** (1 / order)` over `dims`: the largest for infinity, the smallest for minus infinity, and for 0
/// how many are not zero.
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Value`] for an extreme of nothing, and an order below zero.
#[allow(clippy::float_cmp, reason = "orders that are exactly these")]
pub fn vector_norm(x: &Tensor, order: f64, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Err(Error::dtype(
            "norm",
            format_args!("expected a float dtype, got {}; convert with .float()", x.dtype()),
        ));
    }
    if let Some(norm) = widely(&[x], |x| vector_norm(x[0], order, dims, keepdim)) {
        return norm;
    }
    if order == f64::INFINITY {
        amax(&abs(x)?, dims, keepdim)
    } else if order == f64::NEG_INFINITY {
        amin(&abs(x)?, dims, keepdim)
    } else if order == 0.0 {
        // What is not zero counts one, NaN too, and changes that by nothing.
        let zero = number(x, 0.0)?;
        sum(&where_(&eq(x, &zero)?, &zero, &filled(x, &number(x, 1.0)?)?)?, dims, keepdim)
    } else if order == 1.0 {
        sum(&abs(x)?, dims, keepdim)
    } else if order == 2.0 {
        length(x, dims, keepdim)
    } else {
        let at_zero = if order < 0.0 {
            not_empty("norm", x.array(), dims)?;
            f64::INFINITY
        } else {
            0.0
        };
        let powers = if order > 1.0 {
            pow(&abs(x)?, &number(x, order)?)?
        } else {
            smooth_root(&abs(x)?, at_zero, |x| pow(x, &number(x, order)?))?
        };
        smooth_root(&sum(&powers, dims, keepdim)?, at_zero, |x| pow(x, &number(x, 1.0 / order)?))
    }
}

/// The norm of the difference.
///
/// # Errors
/// As [`vector_norm`].
pub fn dist(x: &Tensor, y: &Tensor, order: f64) -> Result<Tensor> {
    let difference = sub(x, y)?;
    let all: Dims = (0..difference.rank()).collect();
    vector_norm(&difference, order, &all, false)
}

/// How many elements are not zero.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn count_nonzero(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    sum(&ne(&x.detach(), &scalar(Scalar::Int(0), x.dtype())?)?, dims, false)
}

/// The sum of what is not NaN.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn nansum(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    if x.dtype().is_float() { reduce::nansum(x, dims, keepdim) } else { sum(x, dims, keepdim) }
}

/// The mean of what is not NaN.
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Index`] for a dimension out of range.
pub fn nanmean(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Err(Error::dtype("nanmean", format_args!("expected a float dtype, got {}", x.dtype())));
    }
    let count = sum(&logical_not(&isnan(x)?)?, dims, keepdim)?;
    div(&nansum(x, dims, keepdim)?, &cast(&count, x.dtype())?)
}

/// Differences of neighbours along `dim`, `n` times, with `before` and `after` joined on.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Shape`] for a 0-d tensor.
pub fn diff(x: &Tensor, n: usize, dim: isize, before: Option<&Tensor>, after: Option<&Tensor>) -> Result<Tensor> {
    let at = normalize_dim("diff", dim, x.rank())?;
    if x.rank() == 0 {
        return Err(Error::shape("diff", "a 0-d tensor has no neighbours"));
    }
    if n == 0 {
        return crate::ops::copy(x);
    }
    let parts: Vec<&Tensor> = before.into_iter().chain([x]).chain(after).collect();
    let mut x = if parts.len() > 1 { cat(&parts, dim)? } else { x.clone() };
    for _ in 0..n.min(x.shape()[at]) {
        let count = x.shape()[at].saturating_sub(1);
        let (low, high) = (slice(&x, at, 0, 1, count)?, slice(&x, at, x.shape()[at] - count, 1, count)?);
        x = if x.dtype() == DType::Bool { ne(&high, &low)? } else { sub(&high, &low)? };
    }
    Ok(x)
}

/// `x`, or a 0-d one as one element.
fn line(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 { reshape(x, &[1]) } else { Ok(x.clone()) }
}

/// The `k`th smallest element along `dim`, 1 being the smallest, and its position. NaN counts as the largest.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Value`] for a `k` that is not there.
pub fn kthvalue(x: &Tensor, k: isize, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let at = normalize_dim("kthvalue", dim, x.rank())?;
    let extent = x.shape().get(at).copied().unwrap_or(1);
    if k < 1 || k.unsigned_abs() > extent {
        return Err(Error::value(
            "kthvalue",
            format_args!("k is {k}, expected 1 to {extent}, the size of dimension {at}"),
        ));
    }
    ranked("kthvalue", x, at, keepdim, Rank::At(k.unsigned_abs() - 1))
}

/// The element of that rank along `at`, and its position.
fn ranked(name: &str, x: &Tensor, at: usize, keepdim: bool, rank: Rank) -> Result<(Tensor, Tensor)> {
    let wide = line(x)?;
    let positions = crate::ops::sort::ranked(name, wide.array(), at, rank)?.into();
    let values = gather(&wide, at.cast_signed(), &positions)?;
    let mut shape = kept_shape(x.shape(), &[at]);
    if !keepdim && x.rank() > 0 {
        shape.remove(at);
    }
    Ok((reshape(&values, &shape)?, reshape(&positions, &shape)?))
}

/// The lower of all elements in the middle; NaN where there is one, and of no floats.
///
/// # Errors
/// [`Error::Index`] of no integers.
pub fn median_of_all(x: &Tensor) -> Result<Tensor> {
    apply(Median { of_numbers: false }, &[x])
}

/// The lower of all elements in the middle; `of_numbers` leaves out NaN. Elements equal to it share its gradient.
#[derive(Clone, Debug)]
pub struct Median {
    /// Whether NaN is left out, rather than the result.
    pub of_numbers: bool,
}

impl Operation for Median {
    const NAME: &'static str = "median";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = Tensor::from(inputs[0].clone());
        if x.numel() == 0 && x.dtype().is_float() {
            return Ok(single(number(&x, f64::NAN)?.array().clone()));
        }
        let line = reshape(&x, &[x.numel()])?;
        let (middle, _) = if self.of_numbers { nanmedian(&line, 0, false)? } else { median(&line, 0, false)? };
        Ok(single(middle.array().clone()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, middle) = (context.input(0)?.detach(), context.output()?.detach());
        let equal = logical_or(&eq(&x, &middle)?, &logical_and(&isnan(&x)?, &isnan(&middle)?)?)?;
        let all: Dims = (0..x.rank()).collect();
        let share = div(grad, &cast(&sum(&equal, &all, false)?, grad.dtype())?)?;
        Ok(one(where_(&equal, &share, &number(&x, 0.0)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |of_numbers, shape: &[usize]| Sample::new(Self { of_numbers }, [input(Domain::Distinct, shape)]);
        vec![of(false, &[3, 4]), of(true, &[5]), of(false, &[])]
    }

    fn params(&self) -> Params {
        vec![("of_numbers", self.of_numbers.into())]
    }
}

/// The lower of the elements in the middle along `dim`, and its position; NaN where there is one.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range or without elements.
pub fn median(x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let at = normalize_dim("median", dim, x.rank())?;
    let extent = x.shape().get(at).copied().unwrap_or(1);
    if extent == 0 {
        return Err(Error::index("median", format_args!("dimension {at} has no elements")));
    }
    ranked("median", x, at, keepdim, Rank::Middle)
}

/// The place of the last number among the elements of `x` in order, along `at`, which stays; 0 where all are NaN.
fn last_number(x: &Tensor, at: usize) -> Result<Tensor> {
    let numbers = crate::ops::sum(&logical_not(&isnan(&x.detach())?)?, &[at], true)?;
    let last = crate::ops::arithmetic::shift(&cast(&numbers, x.dtype().to_float())?, -1.0)?;
    crate::ops::clamp(&last, Some(Scalar::Float(0.0)), None)
}

/// The lower of the elements in the middle of those that are not NaN, of all; NaN of none.
///
/// # Errors
/// [`Error::Index`] of no integers.
pub fn nanmedian_of_all(x: &Tensor) -> Result<Tensor> {
    apply(Median { of_numbers: true }, &[x])
}

/// The lower of the elements in the middle of those along `dim` that are not NaN, and its position; NaN of none.
///
/// # Errors
/// As [`median`].
pub fn nanmedian(x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
    if !x.dtype().is_float() {
        return median(x, dim, keepdim);
    }
    let at = normalize_dim("nanmedian", dim, x.rank())?;
    if x.shape().get(at) == Some(&0) {
        return Err(Error::index("nanmedian", format_args!("dimension {at} has no elements")));
    }
    ranked("nanmedian", x, at, keepdim, Rank::MiddleNumber)
}

/// What lies `q` of the way through the elements in order, along `dim` or of all: between two of them as `interpolation`
/// says. NaN where there is one, unless those are left out.
///
/// # Errors
/// [`Error::DType`] for integers or two dtypes, [`Error::Value`] for a `q` outside 0 to 1 or nothing to look at.
#[allow(clippy::cast_precision_loss, reason = "a count of elements in memory")]
pub fn quantile(
    x: &Tensor,
    q: &Tensor,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
    without_nan: bool,
) -> Result<Tensor> {
    const NAME: &str = "quantile";
    let Some(along) = dim else {
        let all = quantile(&reshape(x, &[x.numel()])?, q, Some(0), false, interpolation, without_nan)?;
        let mut shape = Dims::from_slice(q.shape());
        shape.extend(std::iter::repeat_n(1, if keepdim { x.rank() } else { 0 }));
        return reshape(&all, &shape);
    };
    if !x.dtype().is_float() || q.dtype() != x.dtype() || q.rank() > 1 {
        let what =
            format_args!("{} of {}; expected one float dtype and at most a vector of fractions", q.dtype(), x.dtype());
        return Err(Error::dtype(NAME, what));
    }
    let at = normalize_dim(NAME, along, x.rank())?;
    let wide = line(x)?;
    let extent = wide.shape()[at];
    let inside = crate::ops::logical_and(&crate::ops::ge(q, &number(q, 0.0)?)?, &crate::ops::le(q, &number(q, 1.0)?)?)?;
    if extent == 0 {
        return Err(Error::value(NAME, "there are no elements"));
    }
    if crate::ops::reduce::any(logical_not(&inside)?.array())? {
        return Err(Error::value(NAME, "q must be between 0 and 1"));
    }
    let (sorted, _) = sort(&wide, along, false)?;
    let mut shape = Dims::from_elem(1, wide.rank());
    shape[at] = q.numel();
    let fractions = reshape(q, &shape)?;
    let place =
        if without_nan { mul(&fractions, &last_number(&wide, at)?)? } else { scale(&fractions, (extent - 1) as f64)? };
    let low = floor(&place)?;
    let up = crate::ops::ceil(&place)?;
    let pick = |places: &Tensor| take_along_dim(&sorted, &cast(places, DType::I64)?, Some(along));
    let found = match interpolation {
        "linear" => {
            // From the nearer one, so that an infinite other does not count.
            lerp(&pick(&low)?, &pick(&up)?, &cast(&sub(&place, &low)?, wide.dtype())?)?
        }
        "lower" => pick(&low)?,
        "higher" => pick(&up)?,
        "nearest" => pick(&crate::ops::round(&place)?)?,
        "midpoint" => scale(&add(&pick(&low)?, &pick(&up)?)?, 0.5)?,
        other => return Err(Error::value(NAME, format_args!("there is no interpolation {other:?}"))),
    };
    let found = if without_nan {
        found
    } else {
        let last = slice(&sorted, at, extent - 1, 1, 1)?;
        where_(&isnan(&broadcast_to(&last, found.shape())?)?, &number(x, f64::NAN)?, &found)?
    };
    // The fractions come first, then what is left of the shape.
    let moved = crate::ops::arrange::movedim(&found, &[along], &[0])?;
    let mut shape = Dims::from_slice(q.shape());
    let kept = kept_shape(x.shape(), &[at]);
    shape.extend(kept.into_iter().enumerate().filter(|&(d, _)| keepdim || d != at).map(|(_, n)| n));
    reshape(&moved, &shape)
}

/// `x` divided by its norm along `dim`, or by `eps` where that is larger.
///
/// # Errors
/// As [`vector_norm`].
pub fn normalize(x: &Tensor, order: f64, dims: &[isize], eps: f64) -> Result<Tensor> {
    let along = distinct_dims("normalize", dims, x.rank())?;
    if let Some(unit) = widely(&[x], |x| normalize(x[0], order, dims, eps)) {
        return unit;
    }
    // No dimensions stand for all.
    let dims = if dims.is_empty() { (0..x.rank()).collect() } else { along };
    let norm = vector_norm(x, order, &dims, true)?;
    div(x, &crate::ops::clamp(&norm, Some(Scalar::Float(eps)), None)?)
}

/// The cosine of the angle between `x` and `y` along `dim`; each norm at least `eps`.
///
/// # Errors
/// As [`vector_norm`].
pub fn cosine_similarity(x: &Tensor, y: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
    const NAME: &str = "cosine_similarity";
    if let Some(cosine) = widely(&[x, y], |x| cosine_similarity(x[0], x[1], dim, eps)) {
        return cosine;
    }
    let shape = crate::layout::broadcast_shapes(NAME, x.shape(), y.shape())?;
    let at = normalize_dim(NAME, dim, shape.len())?;
    let dtype = x.dtype().promote(NAME, y.dtype())?.to_float();
    let (x, y) = (broadcast_to(&cast(x, dtype)?, &shape)?, broadcast_to(&cast(y, dtype)?, &shape)?);
    let dims: Dims = (at..shape.len().min(at + 1)).collect();
    sum(&mul(&normalize(&x, 2.0, &[dim], eps)?, &normalize(&y, 2.0, &[dim], eps)?)?, &dims, false)
}
