//! Mantissas and exponents of floats.

use super::operations::CHEAP;
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_ranges};

/// Elements of a task.
const GRAIN: usize = 1 << 14;
/// Bits of a float64 below its exponent, and what is added to that; the exponent's bits where they are.
const DIGITS: u32 = f64::MANTISSA_DIGITS - 1;
const BIAS: i32 = 1022;
const EXPONENT: u64 = 0x7ff << DIGITS;
/// By how many powers of two a subnormal float64 is lifted, and their product.
const LIFT: i32 = 54;
const LIFTED: f64 = 18_014_398_509_481_984.0;

/// `src[i] = mantissas[i] * 2^exponents[i]`, the size of the mantissa from 0.5 up to 1. Zero and what is not finite is its
/// own mantissa, with the exponent 0.
///
/// # Panics
/// If lengths differ.
pub fn frexp<T: Float>(src: &[T], mantissas: &mut [T], exponents: &mut [i32]) {
    assert!(src.len() == mantissas.len() && src.len() == exponents.len(), "lengths differ");
    let (mantissas, exponents) = (Disjoint::new(mantissas), Disjoint::new(exponents));
    for_ranges(src.len(), GRAIN, 4 * CHEAP, |range| {
        // SAFETY: ranges are disjoint.
        let (mantissas, exponents) = unsafe { (mantissas.slice(range.clone()), exponents.slice(range.clone())) };
        dispatch(Parts { src: &src[range], mantissas, exponents });
    });
}

struct Parts<'a, T> {
    src: &'a [T],
    mantissas: &'a mut [T],
    exponents: &'a mut [i32],
}

impl<T: Float> Kernel for Parts<'_, T> {
    type Output = ();
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "eleven bits")]
    fn run<S: Simd>(self) {
        for ((&x, mantissa), exponent) in self.src.iter().zip(self.mantissas).zip(self.exponents) {
            // In float64 no float32 is subnormal.
            let wide = x.to_f64();
            let small = wide.abs() < f64::MIN_POSITIVE;
            let bits = if small { wide * LIFTED } else { wide }.to_bits();
            let plain = (wide != 0.0) & (wide.abs() < f64::INFINITY);
            let power = ((bits & EXPONENT) >> DIGITS) as i32 - if small { BIAS + LIFT } else { BIAS };
            let digits = f64::from_bits(bits & !EXPONENT | (BIAS as u64) << DIGITS);
            *mantissa = if plain { T::from_f64(digits) } else { x };
            *exponent = if plain { power } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "exact values")]
    fn the_parts_make_the_number() {
        let tiny = f64::from_bits(1);
        let src = [8.0, -0.75, 0.0, -0.0, f64::INFINITY, tiny, f64::MIN_POSITIVE, f64::MAX, -1e-310];
        let (mut mantissas, mut exponents) = ([0.0; 9], [0; 9]);
        frexp(&src, &mut mantissas, &mut exponents);
        assert_eq!(mantissas[..7], [0.5, -0.75, 0.0, -0.0, f64::INFINITY, 0.5, 0.5]);
        assert_eq!(exponents[..8], [4, 0, 0, 0, 0, -1073, -1021, 1024]);
        assert!(mantissas[3].is_sign_negative());
        let half = 2f64.powi(exponents[8] / 2);
        let product = mantissas[8] * half * 2f64.powi(exponents[8] - exponents[8] / 2);
        assert_eq!(product.to_bits(), src[8].to_bits());
        let (mut mantissas, mut exponents) = ([0.0; 2], [0; 2]);
        frexp(&[f32::from_bits(1), f32::NAN], &mut mantissas, &mut exponents);
        assert_eq!((mantissas[0], exponents), (0.5, [-148, 0]));
        assert!(mantissas[1].is_nan());
    }
}
