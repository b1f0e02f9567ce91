//! Running sums and products along a dimension.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::layout::{Dims, normalize_dim};
use crate::ops::arithmetic::{add, div, mul, neg, scalar, sub};
use crate::ops::compare::{compare, gt};
use crate::ops::join::Flip;
use crate::ops::reduce::{any, sum};
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::select::where_;
use crate::ops::shape::{broadcast_to, reshape};
use crate::ops::unary::{exp, log};
use crate::{with_element, with_float};
use dlcore_kernels::map::Compare;
use dlcore_kernels::scan::{self, Scan};
use dlcore_kernels::search;

/// What `op` accumulates of `x` along `dim`; integers and bools as int64.
fn accumulated(name: &str, op: Scan, x: &Array, dim: usize) -> Result<Outputs> {
    let dtype = if x.dtype().is_float() { x.dtype() } else { DType::I64 };
    let x = x.cast(name, dtype)?.contiguous(name)?;
    let rows = x.shape().get(dim).copied().unwrap_or(1);
    let columns = x.shape().iter().skip(dim + 1).product();
    Ok(single(with_element!(dtype, T => Array::build(name, x.shape(), |out: &mut [T]| {
        scan::scan(op, x.elements::<T>(), rows, columns, out);
        Ok(())
    }))?))
}

/// Sums of `x` from each element to the last along `dim`.
fn sums_to_the_end(x: &Tensor, dim: usize) -> Result<Tensor> {
    if x.rank() == 0 {
        return Ok(x.clone());
    }
    let flip = Flip { dims: Dims::from_slice(&[dim]) };
    apply(flip.clone(), &[&apply(Cumsum { dim }, &[&apply(flip, &[x])?])?])
}

fn samples_of<O>(domain: Domain, op: impl Fn(usize) -> O) -> Vec<Sample<O>> {
    let of = |dim, shape: &[usize]| Sample::new(op(dim), [input(domain, shape)]);
    vec![of(0, &[5]), of(1, &[2, 3, 4]), of(1, &[2, 17]), of(0, &[3, 0]), of(0, &[])]
}

/// Running sums along a dimension.
#[derive(Clone, Debug)]
pub struct Cumsum {
    /// Along which dimension.
    pub dim: usize,
}

impl Operation for Cumsum {
    const NAME: &'static str = "cumsum";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        accumulated(Self::NAME, Scan::Sum, inputs[0], self.dim)
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(sums_to_the_end(grad, self.dim)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        samples_of(Domain::Real, |dim| Self { dim })
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// Running products along a dimension.
#[derive(Clone, Debug)]
pub struct Cumprod {
    /// Along which dimension.
    pub dim: usize,
}

impl Cumprod {
    /// The gradient with no division: right also where elements are zero. Takes as much memory as `x` for each element
    /// along the dimension, so only for that case.
    fn of_others(&self, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (n, dim) = (x.shape()[self.dim], self.dim);
        let mut square = Dims::from_slice(x.shape());
        square.insert(dim, n);
        let square_of = |x: &Tensor| {
            let mut line = Dims::from_slice(x.shape());
            line.insert(dim, 1);
            broadcast_to(&reshape(x, &line)?, &square)
        };
        // Entry k, j of a square: whether it is on the diagonal, or left of it.
        let mask = |chosen: fn(usize, usize) -> bool| -> Result<Tensor> {
            let mut shape = Dims::from_elem(1, x.rank() - dim + 1);
            (shape[0], shape[1]) = (n, n);
            let mask = Array::build_as(Self::NAME, DType::Bool, &shape, |out: &mut [u8]| {
                for (at, out) in out.iter_mut().enumerate() {
                    *out = u8::from(chosen(at / n, at % n));
                }
                Ok(())
            })?;
            Ok(mask.into())
        };
        let number = |value| scalar(Scalar::Float(value), x.dtype());
        let others = where_(&mask(|k, j| k == j)?, &number(1.0)?, &square_of(x)?)?;
        let products = mul(&cumprod(&others, dim.cast_signed() + 1)?, &square_of(grad)?)?;
        sum(&where_(&mask(|k, j| j < k)?, &number(0.0)?, &products)?, &[dim + 1], false)
    }
}

impl Operation for Cumprod {
    const NAME: &'static str = "cumprod";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        accumulated(Self::NAME, Scan::Product, inputs[0], self.dim)
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        if x.rank() == 0 {
            return Ok(one(grad.clone()));
        }
        let zeros = compare(Self::NAME, Compare::Eq, x.array(), &Array::zeros(Self::NAME, &[], x.dtype())?)?;
        if any(&zeros)? {
            return Ok(one(self.of_others(&x, grad)?));
        }
        Ok(one(div(&sums_to_the_end(&mul(grad, &context.output()?)?, self.dim)?, &x)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        samples_of(Domain::AwayFromZero, |dim| Self { dim })
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// Running logarithms of sums of powers of e along a dimension.
#[derive(Clone, Debug)]
pub struct LogCumSumExp {
    /// Along which dimension.
    pub dim: usize,
}

impl LogCumSumExp {
    /// The sums to the end of what `logs` are the logarithms of, times the exponential of `x`.
    fn shares(&self, logs: &Tensor, x: &Tensor) -> Result<Tensor> {
        let flip = Flip { dims: Dims::from_slice(&[self.dim]) };
        let sums = apply(flip.clone(), &[&apply(self.clone(), &[&apply(flip, &[logs])?])?])?;
        exp(&add(&sums, x)?)
    }
}

impl Operation for LogCumSumExp {
    const NAME: &'static str = "logcumsumexp";
    const PROMOTION: Promotion = Promotion::Float;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].contiguous(Self::NAME)?;
        let rows = x.shape().get(self.dim).copied().unwrap_or(1);
        let columns = x.shape().iter().skip(self.dim + 1).product();
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, x.shape(), |out: &mut [T]| {
            search::running_log_sums(x.elements::<T>(), rows, columns, out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, y) = (context.input(0)?, context.output()?);
        if x.rank() == 0 {
            return Ok(one(grad.clone()));
        }
        // Sums of grad * exp(x - y), by logarithms of the positive and of the negative gradients.
        let number = |value| scalar(Scalar::Float(value), x.dtype());
        let part = |grad: &Tensor| {
            let positive = gt(grad, &number(0.0)?)?;
            let logs = log(&where_(&positive, grad, &number(1.0)?)?)?;
            self.shares(&where_(&positive, &sub(&logs, &y)?, &number(f64::NEG_INFINITY)?)?, &x)
        };
        Ok(one(sub(&part(grad)?, &part(&neg(grad)?)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        samples_of(Domain::Real, |dim| Self { dim })
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// The logarithms of the running sums of `exp(x)` along `dim`, without overflow.
///
/// # Errors
/// As [`cumsum`].
pub fn logcumsumexp(x: &Tensor, dim: isize) -> Result<Tensor> {
    apply(LogCumSumExp { dim: normalize_dim(LogCumSumExp::NAME, dim, x.rank())? }, &[x])
}

/// The running sums of `x` along `dim`; integers and bools as int64.
///
/// # Errors
/// [`crate::Error::Index`] for a dimension out of range.
pub fn cumsum(x: &Tensor, dim: isize) -> Result<Tensor> {
    apply(Cumsum { dim: normalize_dim(Cumsum::NAME, dim, x.rank())? }, &[x])
}

/// The running products of `x` along `dim`; integers and bools as int64.
///
/// # Errors
/// As [`cumsum`].
pub fn cumprod(x: &Tensor, dim: isize) -> Result<Tensor> {
    apply(Cumprod { dim: normalize_dim(Cumprod::NAME, dim, x.rank())? }, &[x])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};

    #[test]
    fn the_gradient_of_products_with_zeros_divides_by_none() {
        let x = Array::from_slice("test", &[2f64, 0., 3., 0., 5., 2., 3., 4.], &[2, 4]).unwrap();
        let x = Tensor::leaf(x).unwrap();
        let y = cumprod(&x, 1).unwrap();
        assert_eq!(y.array().elements::<f64>(), [2., 0., 0., 0., 5., 10., 30., 120.]);
        let seed = Array::from_slice("test", &[1f64, 10., 100., 1000., 1., 1., 1., 1.], &[2, 4]).unwrap();
        backward(&[y], &[Some(seed.into())], Options::default()).unwrap();
        let got = x.grad().unwrap();
        let got = got.array().contiguous("test").unwrap();
        assert_eq!(got.elements::<f64>(), [1., 20. + 600., 0., 0., 33., 80., 50., 30.]);
    }
}
