//! Images at other sizes and other places: interpolation along each dimension, and at the points of a grid.

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::{add, mul, neg, scalar, scale, shift, sub};
use crate::ops::arrange::movedim;
use crate::ops::compare::{ge, le, logical_and};
use crate::ops::select::{clamp, filled, where_};
use crate::ops::{
    abs, broadcast_to, cast, floor, gather, index_select, matmul, reshape, round, slice, stack, transpose,
};

/// How values between elements are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The element whose place, rounded down, is the nearest.
    Nearest,
    /// The nearest element.
    NearestExact,
    /// A straight line between neighbours.
    Linear,
    /// A cubic through four neighbours (Keys, 1981).
    Cubic,
    /// The mean of all elements that a new one covers.
    Area,
}

/// What relates an extent to its new one.
#[derive(Clone, Copy, Debug)]
pub struct Resampling {
    /// How values are made.
    pub mode: Mode,
    /// Whether the outermost elements stay where they are, rather than the outermost edges.
    pub align_corners: bool,
    /// Whether shrinking averages over what an element covers.
    pub antialias: bool,
}

/// Keys' convolution with the coefficient `a`, at distance `x`.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}

/// PyTorch's coefficient; with antialiasing it takes the other usual one.
const SHARP: f64 = -0.75;
const SOFT: f64 = -0.5;

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places in memory"
)]
impl Resampling {
    /// Old elements for one new one.
    fn step(self, old: usize, new: usize, factor: Option<f64>) -> f64 {
        if self.align_corners {
            if new > 1 { (old as f64 - 1.0) / (new as f64 - 1.0) } else { 0.0 }
        } else {
            factor.filter(|factor| *factor > 0.0).map_or(old as f64 / new as f64, |factor| 1.0 / factor)
        }
    }

    fn place(self, i: usize, step: f64) -> f64 {
        if self.align_corners { i as f64 * step } else { (i as f64 + 0.5) * step - 0.5 }
    }

    /// For each new element the old ones that it is made of, `taps` each, and their weights.
    fn taps(self, old: usize, new: usize, factor: Option<f64>) -> (usize, Vec<i64>, Vec<f64>) {
        let step = self.step(old, new, factor);
        let inside = |at: f64| at.clamp(0.0, old as f64 - 1.0) as i64;
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        for i in 0..new {
            match self.mode {
                // In float32, as PyTorch decides which element is the nearest.
                Mode::Nearest => places.push(inside(f64::from((i as f32 * step as f32).floor()))),
                Mode::NearestExact => places.push(inside(f64::from(((i as f32 + 0.5) * step as f32).floor()))),
                Mode::Cubic => {
                    let at = self.place(i, step);
                    let first = at.floor() - 1.0;
                    for tap in 0..4 {
                        let place = first + f64::from(tap);
                        places.push(inside(place));
                        weights.push(cubic(at - place, SHARP));
                    }
                }
                Mode::Linear | Mode::Area => {
                    let at = self.place(i, step).max(0.0);
                    let first = at.floor();
                    places.extend([inside(first), inside(first + 1.0)]);
                    weights.extend([1.0 - (at - first), at - first]);
                }
            }
        }
        (places.len() / new.max(1), places, weights)
    }

    /// All weights, new by old: of means and of filters as wide as what a new element covers.
    fn matrix(self, old: usize, new: usize, factor: Option<f64>) -> Vec<f64> {
        let mut all = vec![0.0; old * new];
        let step = self.step(old, new, factor);
        for (i, row) in all.chunks_exact_mut(old.max(1)).enumerate() {
            if self.mode == Mode::Area {
                let (start, end) = (i * old / new, ((i + 1) * old).div_ceil(new));
                row[start..end].fill(1.0 / (end - start) as f64);
                continue;
            }
            let (reach, filter): (f64, fn(f64) -> f64) = match self.mode {
                Mode::Cubic => (2.0, |x| cubic(x, SOFT)),
                _ => (1.0, |x| (1.0 - x.abs()).max(0.0)),
            };
            let (width, centre) = (step.max(1.0), step * (i as f64 + 0.5));
            let start = (centre - reach * width + 0.5).max(0.0) as usize;
            let end = ((centre + reach * width + 0.5) as usize).min(old);
            let weight = |j: usize| filter((j as f64 - centre + 0.5) / width);
            let sum: f64 = (start..end).map(weight).sum();
            (start..end).for_each(|j| row[j] = weight(j) / sum);
        }
        all
    }
}

/// `values` in `dtype`, shaped to meet dimension `at` of `rank`.
fn along(values: &[f64], dtype: DType, at: usize, rank: usize) -> Result<Tensor> {
    let mut shape = Dims::from_elem(1, rank);
    shape[at] = values.len();
    Ok(Array::from_slice("interpolate", values, &shape)?.cast("interpolate", dtype)?.into())
}

/// (N, C, d1, ..) with the extents after the channels `sizes`; `factors` are those that were asked for, if any.
///
/// # Errors
/// [`Error::DType`] for integers, but for the nearest element; [`Error::Shape`] for extents of zero.
pub fn interpolate(x: &Tensor, sizes: &[usize], factors: &[Option<f64>], resampling: Resampling) -> Result<Tensor> {
    const NAME: &str = "interpolate";
    let nearest = matches!(resampling.mode, Mode::Nearest | Mode::NearestExact);
    if !nearest && !x.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    if x.shape()[2..].contains(&0) || sizes.contains(&0) {
        let what = format_args!("input {} and size {} must not be empty", Show(x.shape()), Show(sizes));
        return Err(Error::shape(NAME, what));
    }
    let (rank, mut y) = (x.rank(), x.clone());
    for (i, (&new, &factor)) in sizes.iter().zip(factors).enumerate() {
        let (at, old) = (i + 2, x.shape()[i + 2]);
        if old == new && (factor.is_none() || nearest) {
            continue;
        }
        if resampling.mode == Mode::Area || resampling.antialias {
            let weights = Array::from_slice(NAME, &resampling.matrix(old, new, factor), &[new, old])?;
            let weights = Tensor::from(weights.cast(NAME, x.dtype())?);
            let last = movedim(&y, &[at.cast_signed()], &[-1])?;
            y = movedim(&matmul(&last, &transpose(&weights, 0, 1)?)?, &[-1], &[at.cast_signed()])?;
            continue;
        }
        let (taps, places, weights) = resampling.taps(old, new, factor);
        let mut sum: Option<Tensor> = None;
        for tap in 0..taps {
            let of_tap: Vec<i64> = places.iter().skip(tap).step_by(taps).copied().collect();
            let ids = Array::from_slice(NAME, &of_tap, &[new])?.into();
            let mut part = index_select(&y, at.cast_signed(), &ids)?;
            if !weights.is_empty() {
                let of_tap: Vec<f64> = weights.iter().skip(tap).step_by(taps).copied().collect();
                part = mul(&part, &along(&of_tap, x.dtype(), at, rank)?)?;
            }
            sum = Some(match sum {
                Some(sum) => add(&sum, &part)?,
                None => part,
            });
        }
        y = sum.unwrap_or(y);
    }
    if sizes == &x.shape()[2..] && y.array().shares_storage(x.array()) { crate::ops::copy(x) } else { Ok(y) }
}

/// The points, from -1 to 1 each, from which a [`grid_sample`] of extents `size` (N, C, H, W) or (N, C, D, H, W) takes an
/// image moved by the matrices `theta` (N, 2, 3) or (N, 3, 4).
///
/// # Errors
/// [`Error::Shape`] where they do not fit.
pub fn affine_grid(theta: &Tensor, size: &[usize], align_corners: bool) -> Result<Tensor> {
    const NAME: &str = "affine_grid";
    let spatial = size.len().saturating_sub(2);
    if !matches!(spatial, 2 | 3) || theta.shape() != [size[0], spatial, spatial + 1] {
        let (theta, size) = (Show(theta.shape()), Show(size));
        let what =
            format_args!("theta {theta} for size {size}; expected (N, 2, 3) with (N, C, H, W), or one more each");
        return Err(Error::shape(NAME, what));
    }
    let extents = &size[2..];
    #[allow(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
    let points = |n: usize| -> Vec<f64> {
        let edge = if align_corners { 1.0 } else { (n as f64 - 1.0) / n as f64 };
        let step = if n > 1 { 2.0 * edge / (n as f64 - 1.0) } else { 0.0 };
        (0..n).map(|i| if n > 1 { i as f64 * step - edge } else { 0.0 }).collect()
    };
    let mut columns = Vec::new();
    for (at, &extent) in extents.iter().enumerate().rev() {
        columns.push(broadcast_to(&along(&points(extent), theta.dtype(), at, spatial)?, extents)?);
    }
    columns.push(broadcast_to(&scalar(Scalar::Float(1.0), theta.dtype())?, extents)?);
    let base = stack(&columns.iter().collect::<Vec<_>>(), -1)?;
    let count: usize = extents.iter().product();
    let moved = matmul(&reshape(&base, &[1, count, spatial + 1])?, &transpose(theta, 1, 2)?)?;
    let shape: Dims = size[..1].iter().chain(extents).chain(&[spatial]).copied().collect();
    reshape(&moved, &shape)
}

/// What lies outside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image again, mirrored.
    Reflection,
}

/// Places along one dimension of `extent`, brought inside where `outside` says how.
#[allow(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
fn brought_inside(at: &Tensor, extent: usize, outside: Outside, align_corners: bool) -> Result<Tensor> {
    let end = extent as f64 - 1.0;
    let kept = |at: &Tensor| clamp(at, Some(Scalar::Float(0.0)), Some(Scalar::Float(end)));
    match outside {
        Outside::Zeros => Ok(at.clone()),
        Outside::Border => kept(at),
        Outside::Reflection => {
            let (low, span) = if align_corners { (0.0, end) } else { (-0.5, end + 1.0) };
            if span == 0.0 {
                return scale(at, 0.0);
            }
            let distance = abs(&shift(at, -low)?)?;
            let flips = floor(&scale(&distance.detach(), 1.0 / span)?)?;
            let rest = sub(&distance, &scale(&flips, span)?)?;
            let halves = sub(&scale(&flips, 0.5)?, &floor(&scale(&flips, 0.5)?)?)?;
            let odd = crate::ops::gt(&halves, &scalar(Scalar::Float(0.0), at.dtype())?)?;
            kept(&shift(&where_(&odd, &shift(&neg(&rest)?, span)?, &rest)?, low)?)
        }
    }
}

/// The weights of the elements around places along one dimension: offsets from the place rounded down, and weights.
fn neighbours(at: &Tensor, mode: Mode) -> Result<Vec<(Tensor, Option<Tensor>)>> {
    let number = |value| scalar(Scalar::Float(value), at.dtype());
    let base = floor(&at.detach())?;
    let rest = sub(at, &base)?;
    match mode {
        Mode::Nearest | Mode::NearestExact | Mode::Area => {
            // Where the point lies within a nearest element changes nothing: it has a gradient of zero.
            let weight = at.requires_grad().then(|| filled(at, &number(1.0)?)).transpose()?;
            Ok(vec![(round(&at.detach())?, weight)])
        }
        Mode::Linear => Ok(vec![(base.clone(), Some(sub(&number(1.0)?, &rest)?)), (shift(&base, 1.0)?, Some(rest))]),
        Mode::Cubic => {
            // Keys' polynomials: near ones within 1, far ones within 2.
            let near = |x: &Tensor| -> Result<Tensor> {
                let inner = shift(&scale(x, SHARP + 2.0)?, -(SHARP + 3.0))?;
                shift(&mul(&mul(&inner, x)?, x)?, 1.0)
            };
            let far = |x: &Tensor| -> Result<Tensor> {
                let inner = shift(&mul(&shift(x, -5.0)?, x)?, 8.0)?;
                shift(&scale(&mul(&inner, x)?, SHARP)?, -4.0 * SHARP)
            };
            let other = sub(&number(1.0)?, &rest)?;
            Ok(vec![
                (shift(&base, -1.0)?, Some(far(&shift(&rest, 1.0)?)?)),
                (base.clone(), Some(near(&rest)?)),
                (shift(&base, 1.0)?, Some(near(&other)?)),
                (shift(&base, 2.0)?, Some(far(&shift(&other, 1.0)?)?)),
            ])
        }
    }
}

/// The values of an image (N, C, H, W) at the points (N, H', W', 2) of a grid, x before y, which go from -1 to 1; or of
/// (N, C, D, H, W) at (N, D', H', W', 3).
///
/// # Errors
/// [`Error::Shape`] where they do not fit, [`Error::DType`] for two dtypes, [`Error::Value`] for cubics of volumes.
pub fn grid_sample(x: &Tensor, grid: &Tensor, mode: Mode, outside: Outside, align_corners: bool) -> Result<Tensor> {
    const NAME: &str = "grid_sample";
    let (x, grid) = (&Autocast::Widen.of(x)?, &Autocast::Widen.of(grid)?);
    let (shape, points) = (x.shape(), grid.shape());
    let spatial = shape.len().saturating_sub(2);
    let fits = matches!(spatial, 2 | 3)
        && points.len() == shape.len()
        && points[0] == shape[0]
        && points[points.len() - 1] == spatial;
    if !fits {
        let what =
            format_args!("grid {} for input {}; expected (N, H', W', 2) for (N, C, H, W)", Show(points), Show(shape));
        return Err(Error::shape(NAME, what));
    }
    if x.dtype() != grid.dtype() || !x.dtype().is_float() {
        let what = format_args!("an input of {} with a grid of {}; expected one float dtype", x.dtype(), grid.dtype());
        return Err(Error::dtype(NAME, what));
    }
    if shape[2..].contains(&0) {
        return Err(Error::shape(NAME, format_args!("the input {} is empty", Show(shape))));
    }
    if mode == Mode::Cubic && spatial == 3 {
        return Err(Error::value(NAME, "bicubic is for (N, C, H, W) only"));
    }
    let (batch, channels) = (shape[0], shape[1]);
    let count: usize = points[1..points.len() - 1].iter().product();
    let places = reshape(grid, &[batch, count, spatial])?;
    // One element at a time of each dimension's neighbours: (flat position, weight), both (N, L).
    let mut parts: Vec<(Option<Tensor>, Option<Tensor>)> = vec![(None, None)];
    for (d, &extent) in shape[2..].iter().enumerate() {
        let at = reshape(&slice(&places, 2, spatial - 1 - d, 1, 1)?, &[batch, count])?;
        #[allow(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
        let n = extent as f64;
        let at = if align_corners {
            scale(&shift(&at, 1.0)?, (n - 1.0) / 2.0)?
        } else {
            shift(&scale(&shift(&at, 1.0)?, n / 2.0)?, -0.5)?
        };
        // A cubic's neighbours are brought inside one by one, others before they are chosen.
        let at = if mode == Mode::Cubic { at } else { brought_inside(&at, extent, outside, align_corners)? };
        let mut next = Vec::new();
        for (place, weight) in neighbours(&at, mode)? {
            let place =
                if mode == Mode::Cubic { brought_inside(&place, extent, outside, align_corners)? } else { place };
            let zero = scalar(Scalar::Float(0.0), place.dtype())?;
            let end = scalar(Scalar::Float(n - 1.0), place.dtype())?;
            let inside = logical_and(&ge(&place, &zero)?, &le(&place, &end)?)?;
            let place = cast(&where_(&inside, &place, &zero)?, DType::I64)?;
            let inside = cast(&inside, x.dtype())?;
            let weight = match weight {
                Some(weight) => mul(&weight, &inside)?,
                None => inside,
            };
            for (flat, product) in &parts {
                let size = scalar(Scalar::Int(extent as i128), DType::I64)?;
                let flat = flat.as_ref().map_or_else(|| Ok(place.clone()), |flat| add(&mul(flat, &size)?, &place))?;
                let product = product.as_ref().map_or_else(|| Ok(weight.clone()), |product| mul(product, &weight))?;
                next.push((Some(flat), Some(product)));
            }
        }
        parts = next;
    }
    let flat = reshape(x, &[batch, channels, shape[2..].iter().product()])?;
    let wide = |x: &Tensor| broadcast_to(&reshape(x, &[batch, 1, count])?, &[batch, channels, count]);
    let mut sum: Option<Tensor> = None;
    for (place, weight) in parts.iter().filter_map(|(place, weight)| place.as_ref().zip(weight.as_ref())) {
        let part = mul(&gather(&flat, 2, &wide(place)?)?, &reshape(weight, &[batch, 1, count])?)?;
        sum = Some(sum.map_or_else(|| Ok(part.clone()), |sum| add(&sum, &part))?);
    }
    let sampled = sum.ok_or_else(|| Error::value(NAME, "no dimensions"))?;
    let shape: Dims = shape[..2].iter().chain(&points[1..points.len() - 1]).copied().collect();
    reshape(&sampled, &shape)
}
