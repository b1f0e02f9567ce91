//! The largest and the smallest: their values, their positions, and gradients that go where they were found.
//! NaN counts as more extreme than any number.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Discrete, Needs, Operation, Outputs, Saves, apply, apply_all, apply_discrete, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, normalize_dim};
use crate::ops::arithmetic::{div, mul, scalar};
use crate::ops::reduce::{Axes, any, cases, kept_shape, over_dims, restore, sum};
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::shape::reshape;
use crate::ops::{cast, eq, isnan, logical_or, where_};
use crate::{with_bits, with_element};
use dlcore_kernels::reduce::{self, Extreme};
use dlcore_kernels::{copy, gather};
use smallvec::smallvec;

/// Refuses to look for an extremum among nothing.
pub(super) fn not_empty(name: &str, x: &Array, dims: &[usize]) -> Result<()> {
    let nothing = dims.iter().any(|&dim| x.shape().get(dim) == Some(&0));
    if nothing && x.shape().iter().enumerate().all(|(dim, &extent)| extent > 0 || dims.contains(&dim)) {
        return Err(Error::value(
            name,
            format_args!("no element to choose from in a tensor of shape {} along {dims:?}", Show(x.shape())),
        ));
    }
    Ok(())
}

/// `dim` as a set of dimensions: none for a 0-d tensor.
fn along(dim: usize, rank: usize) -> Dims {
    if rank == 0 { Dims::new() } else { Dims::from_slice(&[dim]) }
}

/// The extreme elements.
fn extreme(name: &str, which: Extreme, x: &Array, dims: &[usize], keepdim: bool) -> Result<Array> {
    let axes = Axes::new(name, x, dims, keepdim)?;
    with_element!(x.dtype(), T => Array::build_as(name, x.dtype(), &axes.shape, |out: &mut [T]| {
        reduce::extreme(which, x.data::<T>(), axes.split(), out);
        Ok(())
    }))
}

/// Positions of the extreme elements.
fn positions(name: &str, which: Extreme, x: &Array, dims: &[usize], keepdim: bool) -> Result<Array> {
    not_empty(name, x, dims)?;
    let axes = Axes::in_index_order(name, x, dims, keepdim)?;
    with_element!(x.dtype(), T => Array::build(name, &axes.shape, |out: &mut [i64]| {
        match which {
            Extreme::Max => reduce::argmax(x.data::<T>(), axes.split(), out),
            Extreme::Min => reduce::argmin(x.data::<T>(), axes.split(), out),
        }
        Ok(())
    }))
}

/// The elements at `positions` along `dims`: one dimension, or none of a 0-d tensor.
fn values_at(name: &str, x: &Array, dims: &[usize], positions: &Array) -> Result<Array> {
    let &[dim] = dims else { return x.copy(name) };
    let index = positions.reshape(name, &kept_shape(x.shape(), dims))?;
    with_bits!(x.dtype(), T => Array::build_as(name, x.dtype(), positions.shape(), |out: &mut [T]| {
        gather::gather((x.data(), x.strided()), dim, (index.data(), index.strided()), out);
        Ok(())
    }))
}

macro_rules! extrema {
    ($(
        $kernel:ident, $word:literal:
        $Value:ident = $value:ident as $value_name:literal,
        $Along:ident = $along:ident as $along_name:literal,
        $Position:ident = $position:ident as $position_name:literal;
    )*) => { $(
        #[doc = concat!("The ", $word, " element over dimensions; its gradient is shared evenly among equals.")]
        #[derive(Clone, Debug)]
        pub struct $Value {
            /// Over which dimensions.
            pub dims: Dims,
            /// Whether they stay, with extent 1.
            pub keepdim: bool,
        }

        impl Operation for $Value {
            const NAME: &'static str = $value_name;

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                not_empty(Self::NAME, inputs[0], &self.dims)?;
                Ok(single(extreme(Self::NAME, Extreme::$kernel, inputs[0], &self.dims, self.keepdim)?))
            }

            fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
                Ok(one(shared_gradient(&context.input(0)?, &context.output()?, grad, &self.dims)?))
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::INPUTS.outputs()
            }

            over_dims!(Domain::Distinct);
        }

        #[doc = concat!("The ", $word, " element along a dimension, and its position, to which the gradient goes.")]
        #[derive(Clone, Debug)]
        pub struct $Along {
            /// Along which dimension.
            pub dim: usize,
            /// Whether it stays, with extent 1.
            pub keepdim: bool,
        }

        impl Operation for $Along {
            const NAME: &'static str = $along_name;

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                let dims = along(self.dim, inputs[0].rank());
                let positions = positions(Self::NAME, Extreme::$kernel, inputs[0], &dims, self.keepdim)?;
                Ok(smallvec![values_at(Self::NAME, inputs[0], &dims, &positions)?, positions])
            }

            fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
                let dims = along(self.dim, context.shape(0).len());
                Ok(one(placed_gradient(&context.auxiliary(1)?, grad, context.shape(0), &dims)?))
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::OUTPUTS
            }

            fn samples() -> Vec<Sample<Self>> {
                one_dim().into_iter().map(|(shape, dim, keepdim)| {
                    Sample::new(Self { dim, keepdim }, [input(Domain::Distinct, &shape)])
                }).collect()
            }

            fn params(&self) -> Params {
                vec![("dim", self.dim.into()), ("keepdim", self.keepdim.into())]
            }
        }

        #[doc = concat!("Position of the ", $word, " element: along a dimension, or in row-major order of all.")]
        #[derive(Clone, Debug)]
        pub struct $Position {
            /// Along which dimension; all of them for `None`.
            pub dim: Option<usize>,
            /// Whether it stays, with extent 1.
            pub keepdim: bool,
        }

        impl Discrete for $Position {
            const NAME: &'static str = $position_name;

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                let rank = inputs[0].rank();
                let dims = self.dim.map_or_else(|| (0..rank).collect(), |dim| along(dim, rank));
                Ok(single(positions(Self::NAME, Extreme::$kernel, inputs[0], &dims, self.keepdim)?))
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |dim, keepdim, shape: &[usize]| {
                    Sample::new(Self { dim, keepdim }, [input(Domain::Distinct, shape)])
                };
                let mut samples = vec![of(None, false, &[3, 7]), of(None, true, &[2, 3]), of(None, false, &[])];
                samples.extend(one_dim().into_iter().map(|(shape, dim, keepdim)| of(Some(dim), keepdim, &shape)));
                samples
            }

            fn params(&self) -> Params {
                vec![("dim", self.dim.into()), ("keepdim", self.keepdim.into())]
            }
        }

        #[doc = concat!("The ", $word, " element over `dims`.")]
        ///
        /// # Errors
        /// [`Error::Value`] where there is none, [`Error::Index`] for a dimension out of range.
        pub fn $value(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
            apply($Value { dims: Dims::from_slice(dims), keepdim }, &[x])
        }

        #[doc = concat!("The ", $word, " element along `dim`, and its position.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($value), "`].")]
        pub fn $along(x: &Tensor, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
            let dim = normalize_dim($Along::NAME, dim, x.rank())?;
            let mut outputs = apply_all($Along { dim, keepdim }, &[x])?;
            let positions = outputs.remove(1);
            Ok((outputs.remove(0), positions))
        }

        #[doc = concat!("Position of the ", $word, " element along `dim`, or in row-major order of all.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($value), "`].")]
        pub fn $position(x: &Tensor, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
            let dim = dim.map(|dim| normalize_dim($Position::NAME, dim, x.rank())).transpose()?;
            Ok(apply_discrete($Position { dim, keepdim }, &[x])?.swap_remove(0))
        }
    )* };
}
extrema! {
    Max, "largest": Amax = amax as "amax", MaxDim = max_dim as "max", ArgMax = argmax as "argmax";
    Min, "smallest": Amin = amin as "amin", MinDim = min_dim as "min", ArgMin = argmin as "argmin";
}

/// Shapes, dimensions and `keepdim` of reductions over one dimension.
fn one_dim() -> impl IntoIterator<Item = (Vec<usize>, usize, bool)> {
    cases()
        .into_iter()
        .filter(|(_, dims, _)| dims.len() < 2)
        .map(|(shape, dims, keepdim)| (shape, dims.first().copied().unwrap_or(0), keepdim))
}

/// The gradient of an extremum, shared evenly among the elements that equal it, or are NaN as it is.
fn shared_gradient(x: &Tensor, y: &Tensor, grad: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let mut equal = eq(x, &restore(y, x.shape(), dims)?)?;
    if any(isnan(y)?.array())? {
        equal = logical_or(&equal, &isnan(x)?)?;
    }
    let equal = cast(&equal, grad.dtype())?;
    let share = div(&reshape(grad, &kept_shape(x.shape(), dims))?, &sum(&equal, dims, true)?)?;
    mul(&equal, &share)
}

/// The gradient of an extremum, at its position along `dims` (one dimension, or none of a 0-d tensor).
fn placed_gradient(positions: &Tensor, grad: &Tensor, shape: &[usize], dims: &[usize]) -> Result<Tensor> {
    let mut line = Dims::from_elem(1, shape.len());
    for &dim in dims {
        line[dim] = shape[dim];
    }
    let count = Array::build("backward", &line, |out: &mut [i64]| {
        copy::arange(0, 1, out);
        Ok(())
    })?;
    let chosen = eq(&reshape(positions, &kept_shape(shape, dims))?, &count.into())?;
    let zero = scalar(Scalar::Float(0.0), grad.dtype())?;
    where_(&chosen, &reshape(grad, &kept_shape(shape, dims))?, &zero)
}
