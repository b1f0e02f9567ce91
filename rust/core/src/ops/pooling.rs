//! Pooling in one, two and three dimensions, to windows or to a size, from the operations on planes.
//!
//! A sequence is a plane of height 1. Largest elements and means are separable: a volume is pooled plane by plane, and
//! then along its depth. Windows that adapt to a size are gathered, as long as the longest of them.

#![allow(clippy::many_single_char_names, reason = "x, y and n are the names that everybody knows")]

use super::adaptive::adaptive_max_pool2d;
use super::pool::{Divisor, Pooling, avg_pool2d, max_pool2d, max_pool2d_values};
use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::{scalar, scale};
use crate::ops::copy::apart;
use crate::ops::resample::{Mode, Resampling, resampled};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::{
    self, abs, add, cast, clamp, floor_divide, gather, lt, minimum, mul, pow, relu, reshape, sign, slice, where_,
};
use smallvec::smallvec;

/// Windows over the last dimensions, of which there are one, two or three.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Extent of a window.
    pub kernel: Dims,
    /// From one window to the next.
    pub stride: Dims,
    /// Elements added on each side.
    pub padding: Dims,
    /// From one element of a window to the next.
    pub dilation: Dims,
    /// Whether a last window may hang over the end.
    pub ceil_mode: bool,
}

/// Elements of windows that are pooled as such where they tile what they adapt to.
const SMALL: usize = 16;

const EXTENTS: [&str; 3] = ["length", "height, width", "depth, height, width"];

/// Extents before the last `dims`: channels, perhaps after a batch.
fn lead<'a>(op: &str, x: &'a Tensor, dims: usize) -> Result<&'a [usize]> {
    if let Some(lead @ 1..=2) = x.rank().checked_sub(dims) {
        return Ok(&x.shape()[..lead]);
    }
    let (extents, found) = (EXTENTS[dims - 1], Show(x.shape()));
    let what = format_args!("expected (channels, {extents}) or (batch, channels, {extents}), got shape {found}");
    Err(Error::shape(op, what))
}

impl Windows {
    fn dims(&self) -> usize {
        self.kernel.len()
    }

    /// The windows of the last two dimensions, or of the only one.
    fn of_planes(&self) -> Pooling {
        let pair = |values: &Dims, missing| match values[..] {
            [.., height, width] => [height, width],
            [width] => [missing, width],
            [] => [missing; 2],
        };
        Pooling {
            kernel: pair(&self.kernel, 1),
            stride: pair(&self.stride, 1),
            padding: pair(&self.padding, 0),
            dilation: pair(&self.dilation, 1),
            ceil_mode: self.ceil_mode,
        }
    }

    /// The windows along the depth of volumes whose planes are rows.
    fn of_depth(&self) -> Pooling {
        Pooling {
            kernel: [self.kernel[0], 1],
            stride: [self.stride[0], 1],
            padding: [self.padding[0], 0],
            dilation: [self.dilation[0], 1],
            ceil_mode: self.ceil_mode,
        }
    }

    fn check(&self, op: &str) -> Result<()> {
        if [&self.kernel, &self.stride, &self.dilation].iter().any(|values| values.contains(&0)) {
            return Err(Error::value(op, "kernel_size, stride and dilation must be at least 1"));
        }
        if self.padding.iter().zip(&self.kernel).any(|(padding, kernel)| *padding > kernel / 2) {
            let (padding, kernel) = (Show(&self.padding), Show(&self.kernel));
            return Err(Error::value(
                op,
                format_args!("padding {padding} must be at most half of kernel_size {kernel}"),
            ));
        }
        Ok(())
    }
}

/// `lead` and then `rest`.
fn extents(lead: &[usize], rest: &[usize]) -> Dims {
    lead.iter().chain(rest).copied().collect()
}

/// The largest element of each window, and where it is in the flattened extents that are pooled: minus infinity and -1 for
/// a window that lies in the padding alone.
///
/// # Errors
/// [`Error::Shape`] for another number of dimensions or windows that do not fit, [`Error::Value`] for impossible windows,
/// [`Error::DType`] for integers.
pub fn max_pool(op: &str, x: &Tensor, windows: &Windows) -> Result<(Tensor, Tensor)> {
    windows.check(op)?;
    let lead = lead(op, x, windows.dims())?;
    if lead[lead.len() - 1] == 0 {
        return Err(Error::shape(op, format_args!("there are no channels in {}", Show(x.shape()))));
    }
    match x.shape()[lead.len()..] {
        [length] => {
            let (y, at) = max_pool2d(&reshape(x, &extents(lead, &[1, length]))?, windows.of_planes())?;
            let row = |t: &Tensor| reshape(t, &extents(lead, &t.shape()[t.rank() - 1..]));
            Ok((row(&y)?, row(&at)?))
        }
        [depth, height, width] => {
            let planes = max_pool2d(&of_depths(x, [depth, height, width])?, windows.of_planes())?;
            let volume = through_depth(planes, height * width, |rows| max_pool2d(rows, windows.of_depth()))?;
            with_lead(lead, volume)
        }
        _ => max_pool2d(x, windows.of_planes()),
    }
}

/// Volumes of these extents as (count, depth, height, width), in the dtype that they are pooled in.
fn of_depths(x: &Tensor, [depth, height, width]: [usize; 3]) -> Result<Tensor> {
    let count = x.shape()[..x.rank() - 3].iter().product();
    reshape(&Autocast::Widen.of(x)?, &[count, depth, height, width])
}

/// The largest elements of planes (count, depth, rows, columns) and where they are in the `area` of each, pooled along the
/// depth by `pool`, which takes (count, depth, rows * columns); and where they are in their volumes, -1 for a window that
/// lies in the padding alone.
fn through_depth(
    (planes, inside): (Tensor, Tensor),
    area: usize,
    pool: impl FnOnce(&Tensor) -> Result<(Tensor, Tensor)>,
) -> Result<(Tensor, Tensor)> {
    let &[count, depth, rows, columns] = planes.shape() else {
        return Err(Error::shape("max_pool3d", format_args!("expected volumes, got {}", Show(planes.shape()))));
    };
    let (y, layer) = pool(&reshape(&planes, &[count, depth, rows * columns])?)?;
    let depths = y.shape()[1];
    let flat = |t: &Tensor, n: usize| reshape(t, &[count, n * rows * columns]);
    let number = |value: usize| scalar(Scalar::Int(value as i128), DType::I64);
    let layer = flat(&layer, depths)?;
    let somewhere = clamp(&layer, Some(Scalar::Int(0)), None)?;
    let inside = gather(&flat(&inside, depth)?, 1, &somewhere)?;
    let is_nowhere = lt(&minimum(&layer, &inside)?, &number(0)?)?;
    let above = mul(&floor_divide(&somewhere, &number(rows * columns)?)?, &number(area)?)?;
    let at = where_(&is_nowhere, &scalar(Scalar::Int(-1), DType::I64)?, &add(&inside, &above)?)?;
    let shape = [count, depths, rows, columns];
    Ok((reshape(&y, &shape)?, reshape(&at, &shape)?))
}

/// Both with the dimensions `lead` in place of the first.
fn with_lead(lead: &[usize], (y, at): (Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
    let shape = extents(lead, &y.shape()[1..]);
    Ok((reshape(&y, &shape)?, reshape(&at, &shape)?))
}

/// [`max_pool`], without where each was.
///
/// # Errors
/// As there.
pub fn max_pool_values(op: &str, x: &Tensor, windows: &Windows) -> Result<Tensor> {
    if x.shape().contains(&0) {
        return Ok(max_pool(op, x, windows)?.0);
    }
    windows.check(op)?;
    let lead = lead(op, x, windows.dims())?;
    if windows.kernel.iter().all(|&extent| extent == 1) && x.dtype().is_float() {
        return apart(every(x, lead.len(), &windows.stride)?, x);
    }
    match x.shape()[lead.len()..] {
        [length] => {
            let y = max_pool2d_values(&reshape(x, &extents(lead, &[1, length]))?, windows.of_planes())?;
            reshape(&y, &extents(lead, &y.shape()[y.rank() - 1..]))
        }
        [depth, height, width] => {
            let planes = max_pool2d_values(&of_depths(x, [depth, height, width])?, windows.of_planes())?;
            let (rows, columns) = (planes.shape()[2], planes.shape()[3]);
            let lines = reshape(&planes, &[planes.shape()[0], depth, rows * columns])?;
            let y = max_pool2d_values(&lines, windows.of_depth())?;
            reshape(&y, &extents(lead, &[y.shape()[1], rows, columns]))
        }
        _ => max_pool2d_values(x, windows.of_planes()),
    }
}

/// Every so many elements along the last dimensions, from `first` on: a view.
fn every(x: &Tensor, first: usize, strides: &[usize]) -> Result<Tensor> {
    let mut out = x.clone();
    for (dim, &stride) in (first..).zip(strides) {
        let step = isize::try_from(stride).unwrap_or(isize::MAX);
        out = slice(&out, dim, 0, step, x.shape()[dim].div_ceil(stride))?;
    }
    Ok(out)
}

/// The mean of each window.
///
/// # Errors
/// As [`max_pool`].
pub fn avg_pool(op: &str, x: &Tensor, windows: &Windows, divisor: Divisor) -> Result<Tensor> {
    windows.check(op)?;
    let lead = lead(op, x, windows.dims())?;
    match x.shape()[lead.len()..] {
        [length] => {
            let y = avg_pool2d(&reshape(x, &extents(lead, &[1, length]))?, windows.of_planes(), divisor)?;
            reshape(&y, &extents(lead, &y.shape()[y.rank() - 1..]))
        }
        [depth, height, width] => {
            let count = lead.iter().product::<usize>();
            let planes = reshape(&Autocast::Widen.of(x)?, &[count, depth, height, width])?;
            // One division does for both; integers are summed first, as the fraction of a quotient would be lost.
            if !x.dtype().is_float() && !matches!(divisor, Divisor::Fixed(_)) {
                let wide = avg_pool(op, &cast(x, DType::F64)?, windows, divisor)?;
                return cast(&wide, x.dtype());
            }
            let first = if let Divisor::Fixed(_) = divisor { Divisor::Fixed(1) } else { divisor };
            let planes = avg_pool2d(&planes, windows.of_planes(), first)?;
            let (rows, columns) = (planes.shape()[2], planes.shape()[3]);
            let y = avg_pool2d(&reshape(&planes, &[count, depth, rows * columns])?, windows.of_depth(), divisor)?;
            reshape(&y, &extents(lead, &[y.shape()[1], rows, columns]))
        }
        _ => avg_pool2d(x, windows.of_planes(), divisor),
    }
}

/// The root of the sum of powers of each window.
///
/// # Errors
/// As [`max_pool`].
pub fn lp_pool(op: &str, x: &Tensor, norm: f64, windows: &Windows) -> Result<Tensor> {
    let exponent = |p: f64| scalar(Scalar::Float(p), x.dtype());
    let mean = avg_pool(op, &pow(x, &exponent(norm)?)?, windows, Divisor::WithPadding)?;
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 elements")]
    let size = windows.kernel.iter().product::<usize>() as f64;
    pow(&scale(&mul(&sign(&mean)?, &relu(&abs(&mean)?)?)?, size)?, &exponent(norm.recip())?)
}

fn nothing_to_pool(op: &str) -> Error {
    Error::shape(op, "there is nothing to pool in a dimension of no elements")
}

/// The extents asked for, those of `x` where none are.
fn targets(op: &str, x: &Tensor, sizes: &[Option<usize>]) -> Result<Dims> {
    let lead = lead(op, x, sizes.len())?.len();
    if !x.dtype().is_float() {
        return Err(Error::dtype(op, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    Ok(sizes.iter().enumerate().map(|(d, size)| size.unwrap_or(x.shape()[lead + d])).collect())
}

/// `x` as pooling over `dims` dimensions takes it where a dtype is asked for: that of volumes is in float32, as in PyTorch.
fn of_volumes(x: &Tensor, dims: usize) -> Result<Tensor> {
    if dims == 3 { Autocast::Widen.of(x) } else { Ok(x.clone()) }
}

/// Means over windows that adapt to the extents asked for, `None` for those that stay.
///
/// # Errors
/// [`Error::Shape`] for another number of dimensions, or one of no elements; [`Error::DType`] for integers.
pub fn adaptive_avg_pool(op: &str, x: &Tensor, sizes: &[Option<usize>]) -> Result<Tensor> {
    let x = &of_volumes(x, sizes.len())?;
    let targets = targets(op, x, sizes)?;
    let lead = x.rank() - targets.len();
    if x.shape()[lead..].contains(&0) {
        return Err(nothing_to_pool(op));
    }
    if targets.iter().all(|&out| out == 1) {
        return ops::mean(x, &(lead..x.rank()).collect::<Dims>(), true);
    }
    let kernel: Dims = x.shape()[lead..].iter().zip(&targets).map(|(n, out)| n / out.max(&1)).collect();
    let is_whole = x.shape()[lead..].iter().zip(&targets).all(|(&n, &out)| out > 0 && n % out == 0);
    if is_whole && x.numel() > 0 && kernel.iter().product::<usize>() <= SMALL {
        let [padding, dilation] = [0, 1].map(|value| Dims::from_elem(value, kernel.len()));
        let windows = Windows { stride: kernel.clone(), kernel, padding, dilation, ceil_mode: false };
        return avg_pool(op, x, &windows, Divisor::WithPadding);
    }
    let mean = Resampling { mode: Mode::Area, align_corners: false, antialias: false };
    let y = resampled(x, &targets, &[None; 3][..targets.len()], mean)?;
    apart(y, x)
}

/// The largest elements of windows that adapt to the extents asked for, and where they are in the flattened extents
/// that are pooled.
///
/// # Errors
/// As [`adaptive_avg_pool`].
pub fn adaptive_max_pool(op: &str, x: &Tensor, sizes: &[Option<usize>]) -> Result<(Tensor, Tensor)> {
    let x = &of_volumes(x, sizes.len())?;
    let targets = targets(op, x, sizes)?;
    let lead = x.rank() - targets.len();
    if x.shape()[lead..].contains(&0) {
        return Err(nothing_to_pool(op));
    }
    let (lead, extents_of_x) = x.shape().split_at(lead);
    match (extents_of_x, targets.as_slice()) {
        (&[length], &[out]) => {
            let (y, at) = adaptive_max_pool2d(&reshape(x, &extents(lead, &[1, length]))?, [1, out])?;
            let shape = extents(lead, &[out]);
            Ok((reshape(&y, &shape)?, reshape(&at, &shape)?))
        }
        (&[depth, height, width], &[depths, rows, columns]) => {
            let planes = adaptive_max_pool2d(&of_depths(x, [depth, height, width])?, [rows, columns])?;
            let of_depth = |planes: &Tensor| adaptive_max_pool2d(planes, [depths, rows * columns]);
            with_lead(lead, through_depth(planes, height * width, of_depth)?)
        }
        (_, targets) => adaptive_max_pool2d(x, [targets[0], targets[1]]),
    }
}

/// [`adaptive_max_pool`], without where each was.
///
/// # Errors
/// As there.
pub fn adaptive_max_pool_values(op: &str, x: &Tensor, sizes: &[Option<usize>]) -> Result<Tensor> {
    let x = &of_volumes(x, sizes.len())?;
    let targets = targets(op, x, sizes)?;
    let (lead, extents_of_x) = x.shape().split_at(x.rank() - targets.len());
    let (&[depth, height, width], &[depths, rows, columns]) = (extents_of_x, targets.as_slice()) else {
        return Ok(adaptive_max_pool(op, x, sizes)?.0);
    };
    if extents_of_x.contains(&0) {
        return Err(nothing_to_pool(op));
    }
    let (planes, _) = adaptive_max_pool2d(&of_depths(x, [depth, height, width])?, [rows, columns])?;
    let lines = reshape(&planes, &[planes.shape()[0], depth, rows * columns])?;
    let (y, _) = adaptive_max_pool2d(&lines, [depths, rows * columns])?;
    reshape(&y, &extents(lead, &targets))
}

/// Rows of `extent` zeros with the elements of the rows of the first input where the second tells. Where several go to
/// one place the last stays, but as in PyTorch the gradient there is everybody's.
#[derive(Clone, Debug)]
pub struct MaxUnpool {
    /// Elements of a row of the result.
    pub extent: usize,
}

impl Operation for MaxUnpool {
    const NAME: &'static str = "max_unpool";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, places) = (Tensor::from(inputs[0].clone()), Tensor::from(inputs[1].clone()));
        if x.rank() != 2 {
            return Err(Error::shape(Self::NAME, format_args!("expected rows, got shape {}", Show(x.shape()))));
        }
        let zeros = Array::zeros(Self::NAME, &[x.shape()[0], self.extent], x.dtype())?.into();
        Ok(single(ops::placing::scatter(&zeros, 1, &places, &x)?.array().clone()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(smallvec![Some(gather(grad, 1, &context.input(1)?)?), None])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(1)
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![Sample::new(Self { extent: 5 }, [real(&[3, 1]), input(Domain::Index(5), &[3, 1])])]
    }

    fn params(&self) -> Params {
        vec![("extent", self.extent.into())]
    }
}

/// Zeros of the extents `size` with the elements of `x` where `places` tells, in the flattened extents: what a maximum
/// pooled, as far as it can be undone.
///
/// # Errors
/// [`Error::Shape`] where the shapes differ, [`Error::Index`] for a place outside.
pub fn max_unpool(op: &str, x: &Tensor, places: &Tensor, size: &[usize]) -> Result<Tensor> {
    let lead = lead(op, x, size.len())?;
    if x.shape() != places.shape() {
        let (x, places) = (Show(x.shape()), Show(places.shape()));
        return Err(Error::shape(op, format_args!("input {x} and indices {places} differ in shape")));
    }
    if places.dtype() != DType::I64 {
        return Err(Error::dtype(op, format_args!("expected int64 indices, got {}", places.dtype())));
    }
    let (count, all) = (lead.iter().product::<usize>(), size.iter().product::<usize>());
    let each = x.shape()[lead.len()..].iter().product::<usize>();
    let flat = |t: &Tensor| reshape(t, &[count, each]);
    let y = apply(MaxUnpool { extent: all }, &[&flat(x)?, &flat(places)?])?;
    reshape(&y, &extents(lead, size))
}
