//! Convolution in one, two and three dimensions, and transposed, from the operations on images.
//!
//! A sequence is an image of height 1. A volume is a batch of images, one for each place of the window along its depth,
//! whose channels are those of the slices under the window. A transposed convolution is the gradient of a convolution
//! by its input, so it is that operation.

#![allow(clippy::many_single_char_names, reason = "x, w, y and n are the names that everybody knows")]

use super::conv::{Conv2d, Conv2dGradInput, Convolution, conv2d};
use crate::autograd::autocast::Autocast;
use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::pad::{Border, pad};
use crate::ops::shape::{Slice, SliceScatter, entry};
use crate::ops::{add, arrange, pad_end, permute, reshape, slice};
use smallvec::smallvec;

/// How the window moves, dimension by dimension; of one, two or three.
#[derive(Clone, Debug)]
pub struct Steps {
    /// From one window to the next.
    pub stride: Dims,
    /// Zeros added on each side.
    pub padding: Dims,
    /// From one element of the window to the next.
    pub dilation: Dims,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Steps {
    fn dims(&self) -> usize {
        self.stride.len()
    }

    /// The steps of the last two dimensions.
    fn of_images(&self) -> Convolution {
        let pair = |values: &Dims, missing| match values[..] {
            [.., height, width] => [height, width],
            [width] => [missing, width],
            [] => [missing; 2],
        };
        Convolution {
            stride: pair(&self.stride, 1),
            padding: pair(&self.padding, 0),
            dilation: pair(&self.dilation, 1),
            groups: self.groups,
        }
    }

    /// Elements from the first to the last of a window of `kernel` elements of dimension `d`, less one.
    fn reach(&self, d: usize, kernel: usize) -> usize {
        self.dilation[d].saturating_mul(kernel.saturating_sub(1))
    }

    /// `x` with a batch, and whether it had none; the weight must have its dimensions.
    fn batched(&self, op: &str, x: &Tensor, w: &Tensor) -> Result<(Tensor, bool)> {
        let rank = self.dims() + 2;
        let alone = x.rank() + 1 == rank;
        if w.rank() != rank || !(alone || x.rank() == rank) {
            let (x, w, extents) = (
                Show(x.shape()),
                Show(w.shape()),
                ["length", "height, width", "depth, height, width"][self.dims() - 1],
            );
            return Err(Error::shape(
                op,
                format_args!(
                    "expected an input (batch, channels, {extents}) and a weight of {rank} dimensions, got {x} and {w}"
                ),
            ));
        }
        if self.stride.contains(&0) || self.dilation.contains(&0) || self.groups == 0 {
            return Err(Error::value(op, "stride, dilation and groups must be at least 1"));
        }
        Ok((if alone { reshape(x, &before(x.shape(), &[1]))? } else { x.clone() }, alone))
    }
}

/// `first` and then `shape`.
fn before(shape: &[usize], first: &[usize]) -> Dims {
    first.iter().chain(shape).copied().collect()
}

/// `x` without its first dimension, if it was added.
fn unbatched(y: Tensor, alone: bool) -> Result<Tensor> {
    if alone { reshape(&y, &y.shape()[1..]) } else { Ok(y) }
}

/// `y` plus one number for each channel.
fn with_bias(op: &str, y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let Some(bias) = bias else { return Ok(y) };
    let mut shape: Dims = smallvec![1; y.rank() - 1];
    shape[0] = y.shape()[1];
    if bias.shape() != [shape[0]] {
        return Err(Error::shape(
            op,
            format_args!("bias of shape {} for {} output channels", Show(bias.shape()), shape[0]),
        ));
    }
    add(&y, &reshape(bias, &shape)?)
}

/// A sequence as an image of height 1.
fn flat(x: &Tensor) -> Result<Tensor> {
    let mut shape = Dims::from_slice(x.shape());
    shape.insert(2, 1);
    reshape(x, &shape)
}

/// An image of height 1 as a sequence.
fn row(x: &Tensor) -> Result<Tensor> {
    let mut shape = Dims::from_slice(x.shape());
    shape.remove(2);
    reshape(x, &shape)
}

/// Convolution of `x` (batch, in, extents..), or without the batch, with `w` (out, in / groups, kernel..), plus a bias for
/// each output channel. `extra` zeros more are added behind each dimension.
///
/// # Errors
/// [`Error::Shape`] where shapes do not fit, [`Error::Value`] for impossible steps, [`Error::DType`] for integers.
pub fn convolution(
    op: &str,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    steps: &Steps,
    extra: &[usize],
) -> Result<Tensor> {
    of_one_kind(op, x, w, bias)?;
    if extra.iter().any(|&n| n > 0) {
        let behind: Vec<isize> = extra.iter().rev().flat_map(|&n| [0, n.cast_signed()]).collect();
        let x = pad(x, &behind, Border::Constant(Scalar::Float(0.0)))?;
        return convolution(op, &x, w, bias, steps, &[]);
    }
    if steps.dims() == 2 {
        return conv2d(x, w, bias, steps.of_images());
    }
    let (x, alone) = steps.batched(op, x, w)?;
    for (d, (&kernel, &extent)) in w.shape()[2..].iter().zip(&x.shape()[2..]).enumerate() {
        if kernel == 0 || steps.reach(d, kernel) >= steps.padding[d].saturating_mul(2).saturating_add(extent) {
            let (x, w, padding, dilation) =
                (Show(x.shape()), Show(w.shape()), Show(&steps.padding), Show(&steps.dilation));
            return Err(Error::shape(
                op,
                format_args!(
                    "a weight {w} with dilation {dilation} does not fit into the input {x} with padding {padding}"
                ),
            ));
        }
    }
    if w.shape()[1].checked_mul(steps.groups) != Some(x.shape()[1]) || !w.shape()[0].is_multiple_of(steps.groups) {
        let (x, w, groups) = (Show(x.shape()), Show(w.shape()), steps.groups);
        let what = format_args!(
            "the channels of input {x} and weight {w} (out, in / groups, ..) do not fit in {groups} group(s)"
        );
        return Err(Error::shape(op, what));
    }
    let convolution = steps.of_images();
    let convolve = |x: &Tensor, w: &Tensor| match bias {
        Some(bias) => apply(Conv2d { convolution }, &[x, w, bias]),
        None => apply(Conv2d { convolution }, &[x, w]),
    };
    let y = if steps.dims() == 1 {
        row(&convolve(&flat(&x)?, &flat(w)?)?)?
    } else {
        let &[out, channels, depth, height, width] = w.shape() else { unreachable!("the rank was checked") };
        let w = reshape(w, &[out, channels * depth, height, width])?;
        let (slices, [n, places]) = slices(&x, depth, steps)?;
        let y = convolve(&slices, &w)?;
        let y = reshape(&y, &before(&y.shape()[1..], &[n, places]))?;
        permute(&y, &[0, 2, 1, 3, 4])?
    };
    unbatched(y, alone)
}

/// The slices of volumes `x` (batch, channels, depth, height, width) under each place of a window of `kernel` slices,
/// (batch * places, channels * kernel, height, width), with batch and places.
fn slices(x: &Tensor, kernel: usize, steps: &Steps) -> Result<(Tensor, [usize; 2])> {
    let (stride, margin, reach) = (steps.stride[0], steps.padding[0].cast_signed(), steps.reach(0, kernel));
    let x = if margin > 0 {
        pad(x, &[0, 0, 0, 0, margin, margin], Border::Constant(Scalar::Float(0.0)))?
    } else {
        x.clone()
    };
    let windows = arrange::unfold(&x, 2, reach + 1, stride)?;
    let taken = slice(&windows, 5, 0, steps.dilation[0].cast_signed(), kernel)?;
    let taken = permute(&taken, &[0, 2, 1, 5, 3, 4])?;
    let &[n, places, channels, kernel, height, width] = taken.shape() else { unreachable!("six dimensions") };
    Ok((reshape(&taken, &[n * places, channels * kernel, height, width])?, [n, places]))
}

/// Refuses floats with integers.
fn of_one_kind(op: &str, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<()> {
    if [Some(w), bias].into_iter().flatten().any(|other| other.dtype().is_float() != x.dtype().is_float()) {
        let what = format_args!("an input of {} with a weight or bias of another kind; convert one of them", x.dtype());
        return Err(Error::dtype(op, what));
    }
    Ok(())
}

/// Transposed convolution of `x` (batch, in, extents..), or without the batch, with `w` (in, out / groups, kernel..), plus
/// a bias for each output channel: the gradient by its input of the convolution with the same steps. `more` elements are
/// added behind each dimension, to tell apart sizes whose convolutions have one size.
///
/// # Errors
/// As [`convolution`]; [`Error::Value`] for `more` that neither stride nor dilation exceed.
pub fn conv_transpose(
    op: &str,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    steps: &Steps,
    more: &[usize],
) -> Result<Tensor> {
    of_one_kind(op, x, w, bias)?;
    let (x, w) = (&Autocast::Lower.of(x)?, &Autocast::Lower.of(w)?);
    let bias = bias.map(|bias| Autocast::Lower.of(bias)).transpose()?;
    let (x, alone) = steps.batched(op, x, w)?;
    let (inputs, outputs) = (w.shape()[0], w.shape()[1].saturating_mul(steps.groups));
    if x.shape()[1] != inputs || inputs % steps.groups != 0 {
        let (x, w, groups) = (Show(x.shape()), Show(w.shape()), steps.groups);
        return Err(Error::shape(
            op,
            format_args!(
                "input {x} and weight {w} (in, out / groups, kernel..) differ in channels, or {groups} groups do not divide them"
            ),
        ));
    }
    let mut sizes = Dims::new();
    for (d, (&extent, &kernel)) in x.shape()[2..].iter().zip(&w.shape()[2..]).enumerate() {
        if more[d] >= steps.stride[d].max(steps.dilation[d]) {
            let what = format_args!("output_padding {} must be less than stride or dilation", Show(more));
            return Err(Error::value(op, what));
        }
        let full = extent.saturating_sub(1).saturating_mul(steps.stride[d]) + steps.reach(d, kernel) + 1 + more[d];
        match full.checked_sub(2 * steps.padding[d]) {
            Some(size) if size > 0 && extent > 0 && kernel > 0 => sizes.push(size),
            _ => {
                let (x, w, padding) = (Show(x.shape()), Show(w.shape()), Show(&steps.padding));
                return Err(Error::shape(
                    op,
                    format_args!("nothing is left of the input {x} and the weight {w} with padding {padding}"),
                ));
            }
        }
    }
    let y = match steps.dims() {
        1 => row(&transposed(&flat(&x)?, &flat(w)?, steps, &[1, sizes[0]])?)?,
        2 => transposed(&x, w, steps, &sizes)?,
        _ => {
            let &[n, channels, depth, height, width] = x.shape() else { unreachable!("the rank was checked") };
            let kernel = w.shape()[2];
            let images = reshape(&permute(&x, &[0, 2, 1, 3, 4])?, &[n * depth, channels, height, width])?;
            let w = reshape(w, &[inputs, w.shape()[1] * kernel, w.shape()[3], w.shape()[4]])?;
            let y = transposed(&images, &w, steps, &sizes[1..])?;
            let y = reshape(&y, &[n, depth, outputs, kernel, sizes[1], sizes[2]])?;
            stacked(&permute(&y, &[0, 2, 1, 3, 4, 5])?, steps, sizes[0])?
        }
    };
    unbatched(with_bias(op, y, bias.as_ref())?, alone)
}

/// A transposed convolution of images to images of `size`.
fn transposed(x: &Tensor, w: &Tensor, steps: &Steps, size: &[usize]) -> Result<Tensor> {
    let (convolution, size) = (steps.of_images(), [size[0], size[1]]);
    // Output sizes that leave room for further windows: those have no gradient.
    let room = [0, 1].map(|d| {
        let reach = convolution.dilation[d] * (w.shape()[2 + d] - 1) + 1;
        let windows = (size[d] + 2 * convolution.padding[d] - reach) / convolution.stride[d] + 1;
        windows - x.shape()[2 + d]
    });
    let x = pad_end(x, room)?;
    apply(Conv2dGradInput { convolution, size }, &[&x, w])
}

/// Adds up what each slice gives to each place of the window: `x` (batch, channels, depth, kernel, height, width) to
/// (batch, channels, `size`, height, width).
fn stacked(x: &Tensor, steps: &Steps, size: usize) -> Result<Tensor> {
    let &[n, channels, depth, kernel, height, width] = x.shape() else { unreachable!("six dimensions") };
    let (stride, margin) = (steps.stride[0], steps.padding[0]);
    let full = ((depth - 1) * stride + steps.reach(0, kernel) + 1).max(margin + size);
    let mut sum: Option<Tensor> = None;
    for place in 0..kernel {
        let part = entry(x, 3, place)?;
        let start = place * steps.dilation[0];
        let slice = Slice { dim: 2, start, step: stride.cast_signed(), count: depth };
        let shape = smallvec![n, channels, full, height, width];
        let placed = apply(SliceScatter { slice, shape }, &[&part])?;
        sum = Some(match sum {
            Some(sum) => add(&sum, &placed)?,
            None => placed,
        });
    }
    let sum = sum.ok_or_else(|| Error::shape("conv_transpose3d", "a kernel of no slices"))?;
    slice(&sum, 2, margin, 1, size)
}
