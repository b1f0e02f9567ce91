//! Softmax and log-softmax along any dimension: the kernels take rows, other dimensions are brought last first.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::error::Result;
use crate::layout::{Dims, normalize_dim};
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::{self, cast, mul, sub};
use crate::with_stored_float;
use dlcore_kernels::softmax as kernel;

/// `array` with dimension `dim` and the last exchanged, its own inverse; a scalar as it is.
fn exchanged(array: &Array, dim: usize) -> Array {
    if array.rank() == 0 {
        return array.clone();
    }
    let mut dims: Dims = (0..array.rank()).collect();
    dims.swap(dim, array.rank() - 1);
    array.view(array.layout().permute(&dims))
}

/// Runs a kernel over the rows of its inputs, with dimension `$dim` brought last and put back.
macro_rules! rows {
    ($kernel:path, $op:expr, $dim:expr, $($x:ident),+) => {{
        $(let $x = exchanged($x, $dim).contiguous($op)?;)+
        let first = [$(&$x),+][0];
        let cols = first.shape().last().copied().unwrap_or(1);
        let rows = with_stored_float!($op, first.dtype(), K => Array::build($op, first.shape(), |out: &mut [K]| {
            if !out.is_empty() {
                $kernel($($x.elements::<K>(),)+ cols, out);
            }
            Ok(())
        }))?;
        exchanged(&rows, $dim)
    }};
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident, $text:literal, $forward:path, $backward:path, |$y:ident, $g:ident, $dims:ident| $composed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// The dimension along which the results sum to one.
            pub dim: usize,
        }

        impl Operation for $name {
            const NAME: &'static str = $text;
            const PROMOTION: Promotion = Promotion::Float;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                let x = inputs[0];
                Ok(single(rows!($forward, $text, self.dim, x)))
            }

            fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
                let y = context.output()?;
                if mode::is_recording() {
                    let wide = |t: &Tensor| cast(t, t.dtype().widened());
                    let ($y, $g) = (&wide(&y)?, &wide(grad)?);
                    // A scalar has nothing to sum over.
                    let $dims: &[usize] = if y.rank() == 0 { &[] } else { &[self.dim] };
                    return Ok(one(cast(&$composed, y.dtype())?));
                }
                let (g, y) = (grad.array(), y.array());
                Ok(one(rows!($backward, $text, self.dim, g, y).into()))
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::OUTPUTS
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |dim, shape: &[usize]| Sample::new(Self { dim }, [real(shape)]);
                vec![of(1, &[3, 4]), of(0, &[3, 4]), of(1, &[2, 3, 2]), of(0, &[]), of(0, &[1]), of(1, &[0, 3]), of(1, &[2, 0])]
            }

            fn params(&self) -> Params {
                vec![("dim", self.dim.into())]
            }
        }
    };
}
operation!(
    /// `exp(x) / sum(exp(x))`.
    Softmax, "softmax", kernel::softmax, kernel::softmax_backward,
    |y, g, dims| {
        let weighted = mul(g, y)?;
        sub(&weighted, &mul(y, &ops::sum(&weighted, dims, true)?)?)?
    }
);
operation!(
    /// `x - ln(sum(exp(x)))`.
    LogSoftmax, "log_softmax", kernel::log_softmax, kernel::log_softmax_backward,
    |y, g, dims| sub(g, &mul(&ops::exp(y)?, &ops::sum(g, dims, true)?)?)?
);

/// Probabilities along `dim`: `exp(x) / sum(exp(x))`.
///
/// # Errors
/// [`crate::Error::Index`] for a dimension out of range.
pub fn softmax(x: &Tensor, dim: isize) -> Result<Tensor> {
    apply(Softmax { dim: normalize_dim(Softmax::NAME, dim, x.rank())? }, &[x])
}

/// Logarithms of probabilities along `dim`, without ever leaving the logarithm.
///
/// # Errors
/// As [`softmax`].
pub fn log_softmax(x: &Tensor, dim: isize) -> Result<Tensor> {
    apply(LogSoftmax { dim: normalize_dim(LogSoftmax::NAME, dim, x.rank())? }, &[x])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(x: &Tensor, expected: &[f64]) {
        let found = x.array().contiguous("test").unwrap();
        for (found, expected) in found.elements::<f64>().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn rows_and_columns() {
        let ln = |values: [f64; 4]| Array::from_slice("test", &values.map(f64::ln), &[2, 2]).unwrap().into();
        let x: Tensor = ln([1., 3., 4., 1.]);
        close(&softmax(&x, -1).unwrap(), &[0.25, 0.75, 0.8, 0.2]);
        close(&softmax(&x, 0).unwrap(), &[0.2, 0.75, 0.8, 0.25]);
        close(&log_softmax(&x, 1).unwrap(), &[0.25f64.ln(), 0.75f64.ln(), 0.8f64.ln(), 0.2f64.ln()]);
    }

    #[test]
    fn large_logits_do_not_overflow_and_nan_stays() {
        let x: Tensor = Array::from_slice("test", &[1000f64, 1000., f64::NAN, 0.], &[2, 2]).unwrap().into();
        let y = softmax(&x, 1).unwrap();
        close(&y, &[0.5, 0.5]);
        assert!(y.array().elements::<f64>()[2..].iter().all(|p| p.is_nan()));
        assert!(softmax(&x, 2).is_err());
    }
}
