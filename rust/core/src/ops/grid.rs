//! Images at the points of a grid: an affine map of one, and sampling at one.

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::engine::{self, Options};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::{add, mul, neg, scalar, scale, shift, sub};
use crate::ops::compare::{ge, le, logical_and};
use crate::ops::resample::SHARP;
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select::{clamp, filled, where_};
use crate::ops::{abs, broadcast_to, cast, copy, floor, gather, matmul, reshape, round, slice, stack, transpose};
use crate::with_float;
use dlcore_kernels::grid::{self as kernel, Sizes};
pub use dlcore_kernels::grid::{Mode, Outside, Sampling};
use smallvec::SmallVec;

/// `values` in `dtype`, shaped to meet dimension `at` of `rank`.
fn along(values: &[f64], dtype: DType, at: usize, rank: usize) -> Result<Tensor> {
    let mut shape = Dims::from_elem(1, rank);
    shape[at] = values.len();
    Ok(Array::from_slice("affine_grid", values, &shape)?.cast("affine_grid", dtype)?.into())
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
        Mode::Nearest => {
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

/// [`GridSample`] in operations that can be differentiated again.
fn composed(x: &Tensor, grid: &Tensor, sampling: Sampling) -> Result<Tensor> {
    let Sampling { mode, outside, align_corners } = sampling;
    let (shape, points) = (x.shape(), grid.shape());
    let (batch, channels, spatial) = (shape[0], shape[1], shape.len() - 2);
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
    let sampled = sum.ok_or_else(|| Error::value(GridSample::NAME, "no dimensions"))?;
    let shape: Dims = shape[..2].iter().chain(&points[1..points.len() - 1]).copied().collect();
    reshape(&sampled, &shape)
}

/// The values of images (N, C, H, W) at the points (N, H', W', 2) of grids, or of volumes at theirs.
#[derive(Clone, Debug)]
pub struct GridSample {
    /// Between elements, and outside.
    pub sampling: Sampling,
}

impl GridSample {
    /// The sizes of images and grids that fit each other.
    fn sizes<'a>(&self, shape: &'a [usize], points: &[usize]) -> Result<Sizes<'a>> {
        let spatial = shape.len().saturating_sub(2);
        let fits = matches!(spatial, 2 | 3)
            && points.len() == shape.len()
            && points[0] == shape[0]
            && points[points.len() - 1] == spatial;
        if !fits {
            let (grid, input) = (Show(points), Show(shape));
            let what = format_args!("grid {grid} for input {input}; expected (N, H', W', 2) for (N, C, H, W)");
            return Err(Error::shape(Self::NAME, what));
        }
        if shape[2..].contains(&0) {
            return Err(Error::shape(Self::NAME, format_args!("the input {} is empty", Show(shape))));
        }
        if self.sampling.mode == Mode::Cubic && spatial == 3 {
            return Err(Error::value(Self::NAME, "bicubic is for (N, C, H, W) only"));
        }
        let points = points[1..points.len() - 1].iter().product();
        let sizes = Sizes { batch: shape[0], channels: shape[1], extents: &shape[2..], points };
        if sizes.plane() > kernel::MAX_PLANE {
            return Err(Error::shape(Self::NAME, format_args!("the input {} has more than 2^31 pixels", Show(shape))));
        }
        Ok(sizes)
    }

    /// The gradients in operations that can be differentiated again: those of the composition.
    fn composed_gradients(&self, context: &Context<'_>, inputs: &[Tensor; 2], grad: &Tensor) -> Result<Gradients> {
        // Copies, as what hangs at the inputs themselves must not run twice.
        let copies = [copy(&inputs[0])?, copy(&inputs[1])?];
        let y = composed(&copies[0], &copies[1], self.sampling)?;
        let wanted: Vec<Tensor> = (0..2).filter(|&i| context.needs(i)).map(|i| copies[i].clone()).collect();
        let options = Options { create_graph: true, ..Options::default() };
        let mut found = engine::grad(&[y], &[Some(grad.clone())], &wanted, options)?.into_iter();
        let gradient = |i| if context.needs(i) { found.next().flatten() } else { None };
        Ok((0..2).map(gradient).collect())
    }
}

impl Operation for GridSample {
    const NAME: &'static str = "grid_sample";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let sizes = self.sizes(inputs[0].shape(), inputs[1].shape())?;
        let (x, grid) = (inputs[0].contiguous(Self::NAME)?, inputs[1].contiguous(Self::NAME)?);
        if x.dtype() != grid.dtype() || !x.dtype().is_float() {
            let what =
                format_args!("an input of {} with a grid of {}; expected one float dtype", x.dtype(), grid.dtype());
            return Err(Error::dtype(Self::NAME, what));
        }
        let points = &grid.shape()[1..grid.rank() - 1];
        let shape: Dims = x.shape()[..2].iter().chain(points).copied().collect();
        let y = with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |y: &mut [T]| {
            kernel::sample(x.elements::<T>(), grid.elements(), sizes, self.sampling, y);
            Ok(())
        }))?;
        Ok(single(y))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let inputs = [context.input(0)?, context.input(1)?];
        if mode::is_recording() {
            return self.composed_gradients(context, &inputs, grad);
        }
        let contiguous = |t: &Tensor| t.array().contiguous(Self::NAME);
        let (g, x, points) = (contiguous(grad)?, contiguous(&inputs[0])?, contiguous(&inputs[1])?);
        let sizes = self.sizes(x.shape(), points.shape())?;
        with_float!(Self::NAME, g.dtype(), T => {
            let (g, at) = (g.elements::<T>(), points.elements());
            let of_input = context.needs(0).then(|| Array::build(Self::NAME, x.shape(), |gx: &mut [T]| {
                kernel::grad_input(g, at, sizes, self.sampling, gx);
                Ok(())
            }));
            let of_grid = context.needs(1).then(|| Array::build(Self::NAME, points.shape(), |of_grid: &mut [T]| {
                kernel::grad_grid(g, x.elements(), at, sizes, self.sampling, of_grid);
                Ok(())
            }));
            Ok([of_input.transpose()?, of_grid.transpose()?].map(|gradient| gradient.map(Tensor::from)).into_iter().collect())
        })
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |mode, outside, align_corners, extents: &[usize]| {
            let sampling = Sampling { mode, outside, align_corners };
            let image: SmallVec<[usize; 5]> = [2, 2].iter().chain(extents).copied().collect();
            let points = &[&[2][..], &[3, 1, 2][..extents.len()], &[extents.len()]].concat();
            Sample::new(Self { sampling }, [real(&image), input(Domain::Real, points)])
        };
        vec![
            of(Mode::Linear, Outside::Zeros, false, &[3, 4]),
            of(Mode::Linear, Outside::Border, true, &[3, 4]),
            of(Mode::Linear, Outside::Reflection, false, &[2, 3, 4]),
            of(Mode::Cubic, Outside::Zeros, true, &[3, 4]),
            of(Mode::Cubic, Outside::Reflection, false, &[4, 3]),
            of(Mode::Nearest, Outside::Reflection, true, &[3, 5]),
        ]
    }

    fn params(&self) -> Params {
        let Sampling { mode, outside, align_corners } = self.sampling;
        let mode = match mode {
            Mode::Nearest => "nearest",
            Mode::Linear => "bilinear",
            Mode::Cubic => "bicubic",
        };
        let outside = match outside {
            Outside::Zeros => "zeros",
            Outside::Border => "border",
            Outside::Reflection => "reflection",
        };
        vec![("mode", mode.into()), ("padding_mode", outside.into()), ("align_corners", align_corners.into())]
    }
}

/// The values of an image (N, C, H, W) at the points (N, H', W', 2) of a grid, x before y, which go from -1 to 1; or of
/// (N, C, D, H, W) at (N, D', H', W', 3).
///
/// # Errors
/// [`Error::Shape`] where they do not fit, [`Error::DType`] for two dtypes, [`Error::Value`] for cubics of volumes.
pub fn grid_sample(x: &Tensor, grid: &Tensor, sampling: Sampling) -> Result<Tensor> {
    apply(GridSample { sampling }, &[&Autocast::Widen.of(x)?, &Autocast::Widen.of(grid)?])
}
