//! Pooling over the last two dimensions.
//!
//! A maximum remembers where it stood, so its gradient is a scatter to those places, and that gradient's own a gather.
//! An average and its gradient are linear and each other's adjoint.

use crate::array::{Array, Native};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, apply_all, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::scalar;
use crate::ops::gather::ScatterAdd;
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select::by_first;
use crate::ops::{ge, reshape, where_};
use crate::{with_element, with_stored_float};
pub use dlcore_kernels::pool::Divisor;
use dlcore_kernels::pool::{self, Found, Window};
use dlcore_kernels::stored::Stored;
use smallvec::smallvec;

/// The largest extent of a window: beyond it the arithmetic of margins could overflow.
const LARGEST: usize = 1 << 20;

/// Kernel, stride, padding and dilation of a pooling window, each as (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Extent of a window.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns added on each side.
    pub padding: [usize; 2],
    /// From one element of a window to the next.
    pub dilation: [usize; 2],
    /// Whether a last window may hang over the end.
    pub ceil_mode: bool,
}

impl Pooling {
    /// Windows of `kernel` that neither overlap nor leave gaps.
    #[must_use]
    pub fn tiles(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: kernel, padding: [0, 0], dilation: [1, 1], ceil_mode: false }
    }

    fn window(&self) -> Window {
        let pair = |[height, width]: [usize; 2]| (height, width);
        Window {
            kernel: pair(self.kernel),
            stride: pair(self.stride),
            padding: pair(self.padding),
            dilation: pair(self.dilation),
            ceil_mode: self.ceil_mode,
        }
    }

    /// Number of planes, extents of a plane and of its result.
    fn planes(&self, op: &str, shape: &[usize]) -> Result<Planes> {
        let (lead, &[height, width]) = shape.split_at(shape.len().saturating_sub(2)) else {
            return Err(Error::shape(op, rank_message(shape)));
        };
        if !(3..=4).contains(&shape.len()) {
            return Err(Error::shape(op, rank_message(shape)));
        }
        if self.kernel.contains(&0) || self.stride.contains(&0) || self.dilation.contains(&0) {
            return Err(Error::value(op, "kernel_size, stride and dilation must be at least 1"));
        }
        let largest = self.kernel.iter().chain(&self.stride).chain(&self.dilation).max().copied().unwrap_or(0);
        if largest > LARGEST {
            return Err(Error::value(
                op,
                format_args!("kernel_size, stride and dilation must be at most {LARGEST}, got {largest}"),
            ));
        }
        if (0..2).any(|d| self.padding[d] > self.kernel[d] / 2) {
            return Err(Error::value(
                op,
                format_args!(
                    "padding {} must be at most half of kernel_size {}",
                    Show(&self.padding),
                    Show(&self.kernel)
                ),
            ));
        }
        let output = self.window().output((height, width)).ok_or_else(|| {
            Error::shape(
                op,
                format_args!(
                    "a window of {} with dilation {} does not fit into {height} x {width} with padding {}",
                    Show(&self.kernel),
                    Show(&self.dilation),
                    Show(&self.padding)
                ),
            )
        })?;
        let mut shape = Dims::from_slice(lead);
        shape.extend([output.0, output.1]);
        Ok(Planes { count: lead.iter().product(), input: (height, width), output, shape })
    }

    fn params(&self) -> Params {
        vec![
            ("kernel_size", self.kernel.as_slice().into()),
            ("stride", self.stride.as_slice().into()),
            ("padding", self.padding.as_slice().into()),
            ("dilation", self.dilation.as_slice().into()),
            ("ceil_mode", self.ceil_mode.into()),
        ]
    }
}

pub(super) fn rank_message(shape: &[usize]) -> String {
    format!("expected (channels, height, width) or (batch, channels, height, width), got shape {}", Show(shape))
}

/// What is pooled.
struct Planes {
    count: usize,
    input: (usize, usize),
    output: (usize, usize),
    /// Of the result.
    shape: Dims,
}

impl Planes {
    fn lengths(&self) -> (usize, usize) {
        (self.input.0 * self.input.1, self.output.0 * self.output.1)
    }
}

/// Refuses truth values.
fn numbers(op: &str, x: &Array) -> Result<()> {
    if x.dtype() == DType::Bool {
        return Err(Error::dtype(op, "expected numbers, got bool; convert with .float()"));
    }
    Ok(())
}

/// Largest element of each window; the auxiliary output says where in its plane it stood, or, where windows are small and
/// nobody else asks, in one byte where in its window.
#[derive(Clone, Debug)]
pub struct MaxPool2d {
    /// The windows.
    pub pooling: Pooling,
    /// Whether the caller wants to know where in the plane.
    pub indices: bool,
}

impl MaxPool2d {
    /// [`Operation::forward`] on elements of one type.
    fn of<K: Native + Stored>(&self, x: &Array, planes: &Planes) -> Result<Outputs> {
        let window = self.pooling.window();
        let (x, count, input) = (x.elements::<K>(), planes.count, planes.input);
        let (y, found) = if !self.indices && window.is_small() {
            Array::build_pair(Self::NAME, &planes.shape, &planes.shape, |y: &mut [K], winners: &mut [u8]| {
                if window.is_halving(input) {
                    pool::halve(x, count, input, y, winners);
                } else if !y.is_empty() {
                    pool::max_pool2d(x, count, input, &window, y, Found::Winners(winners));
                }
                Ok(())
            })
        } else {
            Array::build_pair(Self::NAME, &planes.shape, &planes.shape, |y: &mut [K], positions: &mut [i64]| {
                if !y.is_empty() {
                    pool::max_pool2d(x, count, input, &window, y, Found::Positions(positions));
                }
                Ok(())
            })
        }?;
        Ok(smallvec![y, found])
    }
}

impl Operation for MaxPool2d {
    const NAME: &'static str = "max_pool2d";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let planes = self.pooling.planes(Self::NAME, inputs[0].shape())?;
        numbers(Self::NAME, inputs[0])?;
        let x = inputs[0].contiguous(Self::NAME)?;
        if x.dtype().is_half() {
            return with_stored_float!(Self::NAME, x.dtype(), K => self.of::<K>(&x, &planes));
        }
        Halves::Widened.forward(&[&x], &|x| with_element!(x[0].dtype(), T => self.of::<T>(x[0], &planes)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let mut indices = context.auxiliary(1)?;
        let planes = self.pooling.planes(Self::NAME, context.shape(0))?;
        let (from, to) = planes.lengths();
        let are_winners = indices.dtype() == DType::U8;
        if are_winners && mode::is_recording() {
            let winners = indices;
            indices = Array::build(Self::NAME, &planes.shape, |positions: &mut [i64]| {
                pool::positions(winners.array().elements(), planes.input, &self.pooling.window(), positions);
                Ok(())
            })?
            .into();
        }
        if mode::is_recording() || !are_winners {
            let gx = scattered(Self::NAME, grad, &indices, context.shape(0), planes.count, (from, to))?;
            return Ok(one(by_first(gx, context)?));
        }
        let (g, winners) = (grad.array().contiguous(Self::NAME)?, indices.array());
        let gx = with_stored_float!(Self::NAME, g.dtype(), K => Array::build(Self::NAME, context.shape(0), |gx: &mut [K]| {
            let (g, window) = (g.elements::<K>(), self.pooling.window());
            if window.is_halving(planes.input) {
                pool::halve_backward(g, winners.elements(), planes.count, planes.input, gx);
            } else {
                pool::max_pool2d_backward_to_winners(g, winners.elements(), planes.count, planes.input, &window, gx);
            }
            Ok(())
        }))?;
        Ok(one(gx.into()))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |pooling, shape: &[usize]| {
            Sample::new(Self { pooling, indices: shape.len() == 3 }, [input(Domain::Distinct, shape)])
        };
        let overlapping = Pooling { stride: [1, 2], padding: [1, 1], ..Pooling::tiles([3, 2]) };
        let dilated = Pooling { dilation: [2, 1], ceil_mode: true, ..Pooling::tiles([2, 2]) };
        vec![
            of(Pooling::tiles([2, 2]), &[1, 2, 4, 4]),
            of(Pooling::tiles([2, 2]), &[1, 2, 5, 7]),
            of(overlapping, &[2, 4, 5]),
            of(dilated, &[1, 1, 5, 5]),
            of(Pooling::tiles([2, 2]), &[0, 1, 2, 2]),
        ]
    }

    fn params(&self) -> Params {
        let mut params = self.pooling.params();
        params.push(("indices", self.indices.into()));
        params
    }
}

/// The gradient of planes of `shape` from that of their largest elements, which stand at `positions`, or nowhere, at -1;
/// `from` elements of a plane have `to` results.
pub(super) fn scattered(
    op: &str,
    grad: &Tensor,
    positions: &Tensor,
    shape: &[usize],
    planes: usize,
    (from, to): (usize, usize),
) -> Result<Tensor> {
    if mode::is_recording() {
        let flat = |t: &Tensor| reshape(t, &[planes, to]);
        let zero = |dtype| scalar(Scalar::Int(0), dtype);
        let somewhere = ge(positions, &zero(DType::I64)?)?;
        let grad = where_(&somewhere, grad, &zero(grad.dtype())?)?;
        let positions = where_(&somewhere, positions, &zero(DType::I64)?)?;
        let scatter = ScatterAdd { dim: 1, shape: smallvec![planes, from] };
        return reshape(&apply(scatter, &[&flat(&grad)?, &flat(&positions)?])?, shape);
    }
    let (g, positions) = (grad.array().contiguous(op)?, positions.array());
    let gx = with_stored_float!(op, g.dtype(), K => Array::build(op, shape, |gx: &mut [K]| {
        pool::max_pool2d_backward(g.elements::<K>(), positions.elements(), planes, (from, to), gx);
        Ok(())
    }))?;
    Ok(gx.into())
}

/// Average of each window.
#[derive(Clone, Debug)]
pub struct AvgPool2d {
    /// The windows; dilation 1.
    pub pooling: Pooling,
    /// What a sum is divided by.
    pub divisor: Divisor,
}

impl AvgPool2d {
    fn params_with(&self) -> Params {
        let mut params = self.pooling.params();
        params.retain(|(name, _)| *name != "dilation");
        params.push(("count_include_pad", (self.divisor != Divisor::WithoutPadding).into()));
        let fixed = if let Divisor::Fixed(divisor) = self.divisor { Some(divisor) } else { None };
        params.push(("divisor_override", fixed.into()));
        params
    }
}

impl AvgPool2d {
    /// [`Operation::forward`] on elements of one type.
    fn of<K: Native + Stored>(&self, x: &Array, planes: &Planes) -> Result<Outputs> {
        let y = Array::build(Self::NAME, &planes.shape, |y: &mut [K]| {
            if !y.is_empty() {
                let window = self.pooling.window();
                pool::avg_pool2d(x.elements::<K>(), planes.count, planes.input, &window, self.divisor, y);
            }
            Ok(())
        })?;
        Ok(single(y))
    }
}

impl Operation for AvgPool2d {
    const NAME: &'static str = "avg_pool2d";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let planes = self.pooling.planes(Self::NAME, inputs[0].shape())?;
        numbers(Self::NAME, inputs[0])?;
        if inputs[0].dtype() == DType::U8 {
            // Its sums need room.
            let mean = self.forward(&[&inputs[0].cast(Self::NAME, DType::I32)?])?;
            return Ok(single(mean[0].cast(Self::NAME, DType::U8)?));
        }
        let x = inputs[0].contiguous(Self::NAME)?;
        if x.dtype().is_half() {
            return with_stored_float!(Self::NAME, x.dtype(), K => self.of::<K>(&x, &planes));
        }
        Halves::Widened.forward(&[&x], &|x| with_element!(x[0].dtype(), T => self.of::<T>(x[0], &planes)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let spread = AvgPool2dGrad { pool: self.clone(), shape: Dims::from_slice(context.shape(0)) };
        Ok(one(by_first(apply(spread, &[grad])?, context)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |pooling, divisor, shape: &[usize]| Sample::new(Self { pooling, divisor }, [real(shape)]);
        let padded = Pooling { stride: [2, 1], padding: [1, 0], ceil_mode: true, ..Pooling::tiles([3, 2]) };
        vec![
            of(Pooling::tiles([2, 2]), Divisor::WithPadding, &[1, 2, 4, 4]),
            of(padded, Divisor::WithPadding, &[1, 4, 5]),
            of(padded, Divisor::WithoutPadding, &[1, 1, 4, 3]),
            of(Pooling::tiles([1, 2]), Divisor::Fixed(3), &[1, 2, 4]),
            of(Pooling::tiles([2, 2]), Divisor::WithPadding, &[0, 1, 2, 2]),
        ]
    }

    fn params(&self) -> Params {
        self.params_with()
    }
}

/// Spreads each element over the window whose average it would be: the gradient of [`AvgPool2d`].
#[derive(Clone, Debug)]
pub struct AvgPool2dGrad {
    /// The forward operation.
    pub pool: AvgPool2d,
    /// Extents of the result.
    pub shape: Dims,
}

impl Operation for AvgPool2dGrad {
    const NAME: &'static str = "avg_pool2d_grad";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let AvgPool2d { pooling, divisor } = &self.pool;
        let planes = pooling.planes(Self::NAME, &self.shape)?;
        if inputs[0].shape() != planes.shape.as_slice() {
            return Err(Error::shape(
                Self::NAME,
                format_args!("expected the gradient of {}, got {}", Show(&planes.shape), Show(inputs[0].shape())),
            ));
        }
        let g = inputs[0].contiguous(Self::NAME)?;
        let gx = with_stored_float!(Self::NAME, g.dtype(), K => Array::build(Self::NAME, &self.shape, |gx: &mut [K]| {
            if !gx.is_empty() {
                pool::avg_pool2d_backward(g.elements::<K>(), planes.count, planes.input, &pooling.window(), *divisor, gx);
            }
            Ok(())
        }))?;
        Ok(single(gx))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(apply(self.pool.clone(), &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let pooling = Pooling { stride: [2, 1], padding: [1, 0], ..Pooling::tiles([3, 2]) };
        let pool = AvgPool2d { pooling, divisor: Divisor::WithPadding };
        vec![Sample::new(Self { pool, shape: smallvec![1, 2, 4, 3] }, [real(&[1, 2, 2, 2])])]
    }

    fn params(&self) -> Params {
        let mut params = self.pool.params_with();
        params.push(("shape", self.shape.as_slice().into()));
        params
    }
}

/// The largest element of each window of (batch,) channels, height, width; and where in its plane each stood.
///
/// # Errors
/// [`Error::Shape`] for other ranks and windows that do not fit, [`Error::Value`] for impossible windows.
pub fn max_pool2d(x: &Tensor, pooling: Pooling) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(MaxPool2d { pooling, indices: true }, &[x])?;
    let values = outputs.swap_remove(0);
    Ok((values, outputs.swap_remove(0)))
}

/// [`max_pool2d`], without where each stood.
///
/// # Errors
/// As there.
pub fn max_pool2d_values(x: &Tensor, pooling: Pooling) -> Result<Tensor> {
    apply(MaxPool2d { pooling, indices: false }, &[x])
}

/// The average of each window; padding counts as zeros, or with `Divisor::WithoutPadding` not at all.
///
/// # Errors
/// As [`max_pool2d`].
pub fn avg_pool2d(x: &Tensor, pooling: Pooling, divisor: Divisor) -> Result<Tensor> {
    if pooling.dilation != [1, 1] {
        return Err(Error::value(AvgPool2d::NAME, "an average has no dilation"));
    }
    if divisor == Divisor::Fixed(0) {
        return Err(Error::value(AvgPool2d::NAME, "divisor_override must not be zero"));
    }
    apply(AvgPool2d { pooling, divisor }, &[x])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};

    fn image() -> Tensor {
        let values = [1f32, 5., 2., 0., 3., 4., 8., 7., 9., 6., 1., 1., 2., 2., 3., 0.];
        Tensor::leaf(Array::from_slice("test", &values, &[1, 1, 4, 4]).unwrap()).unwrap()
    }

    fn ones(shape: &[usize]) -> Tensor {
        Array::full("test", shape, crate::Scalar::Float(1.0), crate::DType::F32).unwrap().into()
    }

    #[test]
    fn maxima_and_where_their_gradient_goes() {
        let x = image();
        let (y, at) = max_pool2d(&x, Pooling::tiles([2, 2])).unwrap();
        assert_eq!(y.array().elements::<f32>(), [5., 8., 9., 3.]);
        assert_eq!(at.array().elements::<i64>(), [1, 6, 8, 14]);
        backward(&[y], &[Some(ones(&[1, 1, 2, 2]))], Options::default()).unwrap();
        let gradient = x.grad().unwrap();
        let hit: Vec<usize> = (0..16).filter(|&i| gradient.array().elements::<f32>()[i] != 0.0).collect();
        assert_eq!(hit, [1, 6, 8, 14]);
    }

    #[test]
    fn averages() {
        let x = image();
        let y = avg_pool2d(&x, Pooling::tiles([2, 2]), Divisor::WithPadding).unwrap();
        assert_eq!(y.array().elements::<f32>(), [3.25, 4.25, 4.75, 1.25]);
        backward(&[y], &[Some(ones(&[1, 1, 2, 2]))], Options::default()).unwrap();
        assert!(x.grad().unwrap().array().elements::<f32>().iter().all(|&g| (g - 0.25).abs() < 1e-7));
        let padded = Pooling { padding: [1, 1], stride: [4, 4], ..Pooling::tiles([2, 2]) };
        let y = avg_pool2d(&x, padded, Divisor::WithoutPadding).unwrap();
        assert_eq!(y.array().elements::<f32>(), [1., 0., 2., 0.]);
    }

    #[test]
    fn impossible_windows_are_errors() {
        let x = image();
        assert!(max_pool2d(&x, Pooling::tiles([5, 1])).is_err());
        assert!(max_pool2d(&x, Pooling::tiles([0, 1])).is_err());
        assert!(max_pool2d(&x, Pooling { padding: [2, 0], ..Pooling::tiles([2, 2]) }).is_err());
        assert!(max_pool2d(&reshape(&x, &[4, 4]).unwrap(), Pooling::tiles([2, 2])).is_err());
        assert!(avg_pool2d(&x, Pooling { dilation: [2, 1], ..Pooling::tiles([2, 2]) }, Divisor::WithPadding).is_err());
    }
}
