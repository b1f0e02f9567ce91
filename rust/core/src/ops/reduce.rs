//! Reductions over any set of dimensions: sums and what is made of them.
//!
//! Functions here take dimensions already counted from the front ([`dims_or_all`] does that); an empty set reduces
//! nothing. The kernels see a window split into the dimensions that stay and those that go: [`Axes`].

use crate::array::{Array, Native};
use crate::autograd::node::Gradients;
use crate::autograd::op::{
    Autocast, Context, Discrete, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, apply_discrete, one,
};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, Strides, distinct_dims};
use crate::ops::arithmetic::{div, mul, scalar, scale, sub};
use crate::ops::cast::widened;
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::shape::{broadcast_to, permute, reshape};
use crate::ops::{cat, cumprod, eq, exp, flip, isnan, slice, where_};
use crate::{with_element, with_float, with_integer, with_stored_float};
use dlcore_kernels::element::Element;
use dlcore_kernels::reduce::{self, Split};
use dlcore_kernels::stored::Stored;
use std::cmp::Reverse;

/// The dimensions named by `dims`, or all of them for `None` and for none named, as in PyTorch.
///
/// # Errors
/// [`Error::Index`] for one out of range, [`Error::Value`] for one named twice.
pub fn dims_or_all(op: &str, dims: Option<&[isize]>, rank: usize) -> Result<Dims> {
    match dims {
        Some(dims) if !dims.is_empty() => distinct_dims(op, dims, rank),
        _ => Ok((0..rank).collect()),
    }
}

/// An array's layout, split into the dimensions that a reduction keeps and those that it removes.
pub(crate) struct Axes {
    kept: Dims,
    kept_strides: Strides,
    reduced: Dims,
    reduced_strides: Strides,
    offset: usize,
    /// Extents of the result.
    pub shape: Dims,
}

impl Axes {
    /// Splits the layout of `x` by `dims`, those that go in the order in which they lie in memory.
    pub fn new(op: &str, x: &Array, dims: &[usize], keepdim: bool) -> Result<Self> {
        let mut axes = Self::in_index_order(op, x, dims, keepdim)?;
        let steps = &mut axes.reduced_strides;
        if !steps.is_sorted_by(|outer, inner| outer.unsigned_abs() >= inner.unsigned_abs()) {
            let mut order: Dims = (0..steps.len()).collect();
            order.sort_by_key(|&dim| Reverse(steps[dim].unsigned_abs()));
            *steps = order.iter().map(|&dim| steps[dim]).collect();
            axes.reduced = order.iter().map(|&dim| axes.reduced[dim]).collect();
        }
        Ok(axes)
    }

    /// Splits the layout of `x` by `dims`, which stay in order: that in which the elements of an output are counted.
    pub fn in_index_order(op: &str, x: &Array, dims: &[usize], keepdim: bool) -> Result<Self> {
        if let Some(dim) = dims.iter().find(|&&dim| dim >= x.rank()) {
            return Err(Error::index(op, format_args!("dimension {dim} is out of range for {} dimensions", x.rank())));
        }
        let layout = x.layout();
        let mut axes = Self {
            kept: Dims::new(),
            kept_strides: Strides::new(),
            reduced: Dims::new(),
            reduced_strides: Strides::new(),
            offset: layout.offset,
            shape: Dims::new(),
        };
        for (dim, (&extent, &stride)) in layout.shape.iter().zip(&layout.strides).enumerate() {
            if dims.contains(&dim) {
                axes.reduced.push(extent);
                axes.reduced_strides.push(stride);
                if keepdim {
                    axes.shape.push(1);
                }
            } else {
                axes.kept.push(extent);
                axes.kept_strides.push(stride);
                axes.shape.push(extent);
            }
        }
        Ok(axes)
    }

    /// As kernels take it.
    pub fn split(&self) -> Split<'_> {
        Split {
            kept: &self.kept,
            kept_strides: &self.kept_strides,
            reduced: &self.reduced,
            reduced_strides: &self.reduced_strides,
            offset: self.offset,
        }
    }
}

/// Number of elements of `shape` that each result over `dims` is made of.
pub(crate) fn count(shape: &[usize], dims: &[usize]) -> usize {
    dims.iter().map(|&dim| shape[dim]).product()
}

/// `shape` with extent 1 along `dims`.
pub(crate) fn kept_shape(shape: &[usize], dims: &[usize]) -> Dims {
    shape.iter().enumerate().map(|(dim, &extent)| if dims.contains(&dim) { 1 } else { extent }).collect()
}

/// `x`, the shape of its reduction over `dims` and how many elements each result is of, where those lie side by side, in rows
/// that follow one another. The elements of `x` are then in the order in which they lie.
pub(crate) fn rows_of(x: &Array, dims: &[usize], keepdim: bool) -> Option<(Array, Dims, usize)> {
    let Axes { kept, kept_strides, reduced, reduced_strides, offset, shape } = Axes::new("", x, dims, keepdim).ok()?;
    let count = reduced.iter().product();
    let extents = kept.into_iter().chain(reduced).collect();
    let strides = kept_strides.into_iter().chain(reduced_strides).collect();
    let layout = Layout { shape: extents, strides, offset };
    layout.is_contiguous().then(|| (x.view(layout), shape, count))
}

/// The result `y` of a reduction over `dims`, repeated to the `shape` that was reduced.
pub(crate) fn restore(y: &Tensor, shape: &[usize], dims: &[usize]) -> Result<Tensor> {
    broadcast_to(&reshape(y, &kept_shape(shape, dims))?, shape)
}

/// The sum of floats, rounded once.
pub(crate) fn float_sum(name: &str, x: &Array, dims: &[usize], keepdim: bool) -> Result<Array> {
    let axes = Axes::new(name, x, dims, keepdim)?;
    let sum = with_stored_float!(name, x.dtype(), T => Array::build(name, &axes.shape, |out: &mut [Wide<T>]| {
        reduce::sum(x.data::<T>(), axes.split(), out);
        Ok(())
    }))?;
    if x.dtype().is_half() { sum.cast(name, x.dtype()) } else { Ok(sum) }
}

/// The type that elements stored as `T` are computed in.
type Wide<T> = <T as Stored>::Value;

/// Shapes, dimensions and `keepdim` that reductions are tried on.
pub(crate) fn cases() -> Vec<(Vec<usize>, Dims, bool)> {
    let of = |shape: &[usize], dims: &[usize], keepdim| (shape.to_vec(), Dims::from_slice(dims), keepdim);
    vec![
        of(&[3, 7], &[0, 1], false),
        of(&[3, 7], &[1], true),
        of(&[2, 3, 4], &[0, 2], false),
        of(&[2, 3, 4], &[1], false),
        of(&[5], &[0], true),
        of(&[], &[], false),
        of(&[0, 3], &[1], false),
    ]
}

macro_rules! over_dims {
    ($domain:expr) => {
        fn samples() -> Vec<Sample<Self>> {
            let of =
                |(shape, dims, keepdim): (Vec<_>, _, _)| Sample::new(Self { dims, keepdim }, [input($domain, &shape)]);
            $crate::ops::reduce::cases().into_iter().map(of).collect()
        }

        fn params(&self) -> Params {
            vec![("dim", self.dims.as_slice().into()), ("keepdim", self.keepdim.into())]
        }
    };
}
pub(crate) use over_dims;

/// The sum over dimensions; integers and bools are summed as int64.
#[derive(Clone, Debug)]
pub struct Sum {
    /// Over which dimensions.
    pub dims: Dims,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
}

impl Operation for Sum {
    const NAME: &'static str = "sum";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        if x.dtype().is_float() {
            return Ok(single(float_sum(Self::NAME, x, &self.dims, self.keepdim)?));
        }
        let axes = Axes::new(Self::NAME, x, &self.dims, self.keepdim)?;
        Ok(single(with_integer!(x.dtype(), T => Array::build(Self::NAME, &axes.shape, |out: &mut [i64]| {
            reduce::sum_i64(x.data::<T>(), axes.split(), out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(restore(grad, context.shape(0), &self.dims)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    over_dims!(Domain::Real);
}

/// The sum over dimensions of what is not NaN, of floats.
#[derive(Clone, Debug)]
pub struct NanSum {
    /// Over which dimensions.
    pub dims: Dims,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
}

impl Operation for NanSum {
    const NAME: &'static str = "nansum";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        let axes = Axes::new(Self::NAME, x, &self.dims, self.keepdim)?;
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &axes.shape, |out: &mut [T]| {
            reduce::nansum(x.data::<T>(), axes.split(), out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let grad = restore(grad, x.shape(), &self.dims)?;
        Ok(one(where_(&isnan(&x)?, &scalar(Scalar::Float(0.0), grad.dtype())?, &grad)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    over_dims!(Domain::Real);
}

/// The mean over dimensions.
#[derive(Clone, Debug)]
pub struct Mean {
    /// Over which dimensions.
    pub dims: Dims,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
}

/// Refuses integers, whose mean would have to be rounded.
pub(crate) fn only_floats(name: &str, dtype: DType) -> Result<()> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(Error::dtype(name, format_args!("expected a float dtype, got {dtype}; convert it with .float()")))
}

impl Operation for Mean {
    const NAME: &'static str = "mean";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        only_floats(Self::NAME, x.dtype())?;
        let axes = Axes::new(Self::NAME, x, &self.dims, self.keepdim)?;
        let mean = with_stored_float!(Self::NAME, x.dtype(), T => {
            Array::build(Self::NAME, &axes.shape, |out: &mut [Wide<T>]| {
                reduce::mean(x.data::<T>(), axes.split(), out);
                Ok(())
            })
        })?;
        Ok(single(if x.dtype().is_half() { mean.cast(Self::NAME, x.dtype())? } else { mean }))
    }

    #[allow(clippy::cast_precision_loss, reason = "a count of elements in memory")]
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let share = widened(grad, |grad| scale(grad, 1.0 / count(context.shape(0), &self.dims) as f64))?;
        Ok(one(restore(&share, context.shape(0), &self.dims)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    over_dims!(Domain::Real);
}

/// The product over dimensions; integers and bools are multiplied as int64.
#[derive(Clone, Debug)]
pub struct Prod {
    /// Over which dimensions.
    pub dims: Dims,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
}

impl Prod {
    /// For each element the product of the others of its result, with no division: what comes before it times what comes
    /// after it.
    fn of_others(&self, x: &Tensor) -> Result<Tensor> {
        let kept = (0..x.rank()).filter(|dim| !self.dims.contains(dim));
        let order: Dims = kept.chain(self.dims.iter().copied()).collect();
        let signed: Vec<isize> = order.iter().map(|&dim| dim.cast_signed()).collect();
        let moved = permute(x, &signed)?;
        let n = count(x.shape(), &self.dims).max(1);
        let lines = reshape(&moved, &[x.numel() / n, n])?;
        let first: Tensor = Array::full(Self::NAME, &[x.numel() / n, 1], Scalar::Float(1.0), x.dtype())?.into();
        let before = |x: &Tensor| cat(&[&first, &cumprod(&slice(x, 1, 0, 1, n - 1)?, 1)?], 1);
        let after = flip(&before(&flip(&lines, &[1])?)?, &[1])?;
        let others = reshape(&mul(&before(&lines)?, &after)?, moved.shape())?;
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back[from] = to.cast_signed();
        }
        permute(&others, &back)
    }
}

/// The products of `x`, whose elements are of type `T`.
fn product_of<T: Element + Native>(x: &Array, axes: &Axes) -> Result<Array> {
    Array::build(Prod::NAME, &axes.shape, |out: &mut [T]| {
        reduce::product(x.data::<T>(), axes.split(), out);
        Ok(())
    })
}

impl Operation for Prod {
    const NAME: &'static str = "prod";
    const AUTOCAST: Autocast = Autocast::Widen;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let dtype = if inputs[0].dtype().is_float() { inputs[0].dtype() } else { DType::I64 };
        let x = inputs[0].cast(Self::NAME, dtype)?;
        let axes = Axes::new(Self::NAME, &x, &self.dims, self.keepdim)?;
        if dtype == DType::I64 {
            return Ok(single(product_of::<i64>(&x, &axes)?));
        }
        Ok(single(with_float!(Self::NAME, dtype, T => product_of::<T>(&x, &axes))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let output = context.output()?;
        let grad = restore(grad, x.shape(), &self.dims)?;
        // A product of elements that has overflowed or underflowed says nothing of the product of fewer.
        let others = if all_normal(x.array())? && all_normal(output.array())? {
            div(&restore(&output, x.shape(), &self.dims)?, &x)?
        } else {
            self.of_others(&x)?
        };
        Ok(one(mul(&grad, &others)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    over_dims!(Domain::AwayFromZero);
}

/// Whether all elements are finite, not zero, and as precise as their dtype.
fn all_normal(x: &Array) -> Result<bool> {
    let x = x.contiguous(Prod::NAME)?;
    with_float!(Prod::NAME, x.dtype(), T => Ok(x.elements::<T>().iter().fold(true, |all, x| all & x.is_normal())))
}

/// `log(sum(exp(x)))` over dimensions, without overflow.
#[derive(Clone, Debug)]
pub struct LogSumExp {
    /// Over which dimensions.
    pub dims: Dims,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
}

impl Operation for LogSumExp {
    const NAME: &'static str = "logsumexp";
    const PROMOTION: Promotion = Promotion::Float;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        let axes = Axes::new(Self::NAME, x, &self.dims, self.keepdim)?;
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &axes.shape, |out: &mut [T]| {
            reduce::logsumexp(x.data::<T>(), axes.split(), out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        // The softmax. Of elements that are all minus infinity it is zero, not NaN.
        let (x, y) = (context.input(0)?, context.output()?);
        let lowest = scalar(Scalar::Float(f64::NEG_INFINITY), y.dtype())?;
        let y = where_(&eq(&y, &lowest)?, &scalar(Scalar::Float(0.0), y.dtype())?, &y)?;
        let softmax = exp(&sub(&x, &restore(&y, x.shape(), &self.dims)?)?)?;
        Ok(one(mul(&restore(grad, x.shape(), &self.dims)?, &softmax)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    over_dims!(Domain::Real);
}

macro_rules! truths {
    ($($(#[$doc:meta])* $Op:ident = $function:ident as $name:literal: $all:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op {
            /// Over which dimensions.
            pub dims: Dims,
            /// Whether they stay, with extent 1.
            pub keepdim: bool,
        }

        impl Discrete for $Op {
            const NAME: &'static str = $name;

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                Ok(single(truth(Self::NAME, $all, inputs[0], &self.dims, self.keepdim)?))
            }

            over_dims!(Domain::Bool);
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Index`] for a dimension out of range.
        pub fn $function(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
            Ok(apply_discrete($Op { dims: Dims::from_slice(dims), keepdim }, &[x])?.swap_remove(0))
        }
    )* };
}
truths! {
    /// Whether all elements along some dimensions are true, or not zero.
    All = all_of as "all": true;
    /// Whether any element along some dimensions is true, or not zero.
    Any = any_of as "any": false;
}

fn truth(name: &str, all: bool, x: &Array, dims: &[usize], keepdim: bool) -> Result<Array> {
    let axes = Axes::new(name, x, dims, keepdim)?;
    with_element!(x.dtype(), T => Array::build_as(name, DType::Bool, &axes.shape, |out: &mut [u8]| {
        reduce::truth(all, x.data::<T>(), axes.split(), out);
        Ok(())
    }))
}

/// Whether any element of `x` differs from zero.
///
/// # Errors
/// Only for lack of memory.
pub fn any(x: &Array) -> Result<bool> {
    let all: Dims = (0..x.rank()).collect();
    Ok(truth("any", false, x, &all, false)?.item()? == Scalar::Bool(true))
}

macro_rules! functions {
    ($($(#[$doc:meta])* $function:ident = $Op:ident;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Index`] for a dimension out of range, [`Error::DType`] for a dtype that the operation does not take.
        pub fn $function(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
            apply($Op { dims: Dims::from_slice(dims), keepdim }, &[x])
        }
    )* };
}
functions! {
    /// The sum over `dims`; integers and bools are summed as int64.
    sum = Sum;
    /// The sum over `dims` of what is not NaN, of floats.
    nansum = NanSum;
    /// The mean over `dims`, of floats.
    mean = Mean;
    /// The product over `dims`; integers and bools are multiplied as int64.
    prod = Prod;
    /// `log(sum(exp(x)))` over `dims`, without overflow.
    logsumexp = LogSumExp;
}
