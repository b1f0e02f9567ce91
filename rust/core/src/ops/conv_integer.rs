//! Convolution of integers and its transpose, as products of matrices of windows: exact, wrapping as all arithmetic of
//! integers does. Networks do not train in integers, so this is made of other operations and has no kernel.

use super::conv::Convolution;
use crate::array::Array;
use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::arrange::unfold;
use crate::ops::pad::{Border, pad};
use crate::ops::shape::{Slice, SliceScatter};
use crate::ops::{flip, matmul, permute, reshape, slice, transpose};

/// Refuses truth values.
fn numbers(op: &str, x: &Array) -> Result<()> {
    if x.dtype() == DType::Bool {
        return Err(Error::dtype(op, "expected numbers, got bool; convert with .float()"));
    }
    Ok(())
}

/// `x` (n, in, height, width) with zeros around it, or without what negative numbers take: left, right, top, bottom.
fn margined(x: &Tensor, margins: [isize; 4]) -> Result<Tensor> {
    pad(x, &margins, Border::Constant(Scalar::Int(0)))
}

/// The convolution of images `x` (n, in, height, width) with `w` (out, in / groups, kernel height, kernel width), whose
/// shapes are known to fit.
///
/// # Errors
/// [`Error::DType`] for bool.
pub(super) fn forward(op: &str, x: &Array, w: &Array, steps: &Convolution) -> Result<Array> {
    numbers(op, x)?;
    let [top, left] = steps.padding.map(usize::cast_signed);
    let mut windows = margined(&x.clone().into(), [left, left, top, top])?;
    let &[out, channels, height, width] = w.shape() else { unreachable!("shapes were checked to be rank 4") };
    for (d, extent) in [height, width].into_iter().enumerate() {
        let reach = (extent - 1) * steps.dilation[d] + 1;
        windows = unfold(&windows, 2 + d.cast_signed(), reach, steps.stride[d])?;
        windows = slice(&windows, windows.rank() - 1, 0, steps.dilation[d].cast_signed(), extent)?;
    }
    let &[n, _, rows, columns, ..] = windows.shape() else { unreachable!("six dimensions") };
    let (groups, size) = (steps.groups, channels * height * width);
    // (n, groups, places, elements of a window), times (groups, elements of a window, out / groups).
    let windows = reshape(&windows, &[n, groups, channels, rows, columns, height, width])?;
    let windows = reshape(&permute(&windows, &[0, 1, 3, 4, 2, 5, 6])?, &[n, groups, rows * columns, size])?;
    let w = transpose(&reshape(&w.clone().into(), &[groups, out / groups, size])?, 1, 2)?;
    let product = transpose(&matmul(&windows, &w)?, 2, 3)?;
    Ok(reshape(&product, &[n, out, rows, columns])?.array().clone())
}

/// What [`forward`] takes to `g` (n, out, height, width), transposed: images of extents `size`.
///
/// # Errors
/// [`Error::DType`] for bool.
pub(super) fn transposed(op: &str, g: &Array, w: &Array, steps: &Convolution, size: [usize; 2]) -> Result<Array> {
    numbers(op, g)?;
    let (&[out, channels, height, width], groups) = (w.shape(), steps.groups) else {
        unreachable!("shapes were checked to be rank 4")
    };
    // Zeros between what lay a stride apart, and around it as far as windows reach; then windows seen from the other end.
    let (mut spread, mut margins): (Tensor, [isize; 4]) = (g.clone().into(), [0; 4]);
    for (d, kernel) in [height, width].into_iter().enumerate() {
        let (dim, stride) = (2 + d, steps.stride[d]);
        let count = spread.shape()[dim];
        let extent = count.saturating_sub(1) * stride + 1;
        let mut shape = spread.array().dims();
        shape[dim] = extent;
        let at = Slice { dim, start: 0, step: stride.cast_signed(), count };
        spread = apply(SliceScatter { slice: at, shape }, &[&spread])?;
        let (reach, padding) = (((kernel - 1) * steps.dilation[d]).cast_signed(), steps.padding[d].cast_signed());
        let sides = [reach - padding, size[d].cast_signed() + padding - extent.cast_signed()];
        margins[2 - 2 * d..4 - 2 * d].copy_from_slice(&sides);
    }
    let w = reshape(&w.clone().into(), &[groups, out / groups, channels, height, width])?;
    let w = reshape(&transpose(&w, 1, 2)?, &[groups * channels, out / groups, height, width])?;
    let steps = Convolution { stride: [1, 1], padding: [0, 0], ..*steps };
    forward(op, margined(&spread, margins)?.array(), flip(&w, &[2, 3])?.array(), &steps)
}
