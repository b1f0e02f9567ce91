//! Dropout (Srivastava et al. 2014): multiplication by a random mask that holds 0 or the inverse of what is kept.

use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::ops::arithmetic::scale;
use crate::ops::{cast, mul};
use crate::random;

const NAME: &str = "dropout";

/// `x` with elements set to zero with probability `p` and the others scaled by `1 / (1 - p)`; `x` itself where not
/// `training`. The mask comes from the default generator.
///
/// # Errors
/// [`Error::Value`] for a probability outside 0 to 1, [`Error::DType`] for integers.
pub fn dropout(x: &Tensor, p: f64, training: bool) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::value(NAME, format_args!("the probability must be between 0 and 1, got {p}")));
    }
    if !x.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected float32 or float64, got {}", x.dtype())));
    }
    if !training || p == 0.0 {
        return Ok(x.alias());
    }
    let keep = 1.0 - p;
    if keep == 0.0 {
        return scale(x, 0.0);
    }
    let kept = random::mask(random::default_generator(), keep, x.shape())?;
    let mask = scale(&cast(&kept.into(), x.dtype())?, keep.recip())?;
    mul(x, &mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::autograd::engine::{Options, backward};
    use crate::dtype::{DType, Scalar};

    #[test]
    fn keeps_about_the_share_it_should_and_scales_it() {
        let x = Tensor::leaf(Array::full(NAME, &[10_000], Scalar::Float(1.0), DType::F32).unwrap()).unwrap();
        let y = dropout(&x, 0.25, true).unwrap();
        let found = y.array().elements::<f32>();
        assert!(found.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));
        let kept = found.iter().filter(|&&v| v != 0.0).count();
        assert!((7_300..7_700).contains(&kept), "{kept}");
        let seed = Array::full(NAME, &[10_000], Scalar::Float(1.0), DType::F32).unwrap();
        backward(std::slice::from_ref(&y), &[Some(seed.into())], Options::default()).unwrap();
        assert_eq!(x.grad().unwrap().array().elements::<f32>(), found);
    }

    #[test]
    fn ends_of_the_range() {
        let x: Tensor = Array::full(NAME, &[3], Scalar::Float(2.0), DType::F64).unwrap().into();
        assert_eq!(dropout(&x, 1.0, true).unwrap().array().elements::<f64>(), [0.0; 3]);
        assert_eq!(dropout(&x, 0.0, true).unwrap().array().elements::<f64>(), [2.0; 3]);
        assert_eq!(dropout(&x, 0.5, false).unwrap().array().elements::<f64>(), [2.0; 3]);
        assert!(dropout(&x, 1.5, true).is_err());
        assert!(dropout(&x, f64::NAN, true).is_err());
    }
}
