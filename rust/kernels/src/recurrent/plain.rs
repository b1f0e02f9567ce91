//! Plain recurrent units (Elman 1990).

use super::gates::{activate, fetch};
use super::weights::units as units_of_block;
use super::{Backward, Cell, Forward};
use crate::element::Float;
use crate::gemm::GemmFloat;
use crate::isa::{Kernel, Simd, dispatch};

/// What a plain unit does with its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// Hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

/// Cells without gates: `h = f(x + h w)`.
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub Nonlinearity);

impl<T: GemmFloat> Cell<T> for Plain {
    const GATES: usize = 1;
    const SAVED: usize = 0;
    const HAS_CELL: bool = false;
    const SPLIT: bool = false;

    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn forward(&self, step: Forward<'_, T>) {
        dispatch(Ahead(step, self.0));
    }

    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn backward(&self, step: Backward<'_, T>) {
        for ((gx, &g), &y) in step.gx.iter_mut().zip(step.g).zip(step.y) {
            *gx = match self.0 {
                Nonlinearity::Tanh => g * (T::ONE - y * y),
                Nonlinearity::Relu if y <= T::ZERO => T::ZERO,
                Nonlinearity::Relu => g,
            };
        }
    }
}

struct Ahead<'a, T>(Forward<'a, T>, Nonlinearity);

impl<T: Float> Kernel for Ahead<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let (Forward { hidden, rows, x, next, products, y, .. }, nonlinearity) = (self.0, self.1);
        let wide = units_of_block(1);
        for first in (0..hidden).step_by(wide) {
            let count = wide.min(hidden - first);
            for row in 0..rows {
                let products = &products[first * rows + row * count..][..count];
                let at = row * hidden + first;
                let (x, y) = (&x[at..][..count], &mut y[at..][..count]);
                fetch(x, next * hidden.cast_signed());
                match nonlinearity {
                    Nonlinearity::Tanh => activate::<T, S, true>(x, products, y),
                    Nonlinearity::Relu => {
                        for ((y, &x), &product) in y.iter_mut().zip(x).zip(products) {
                            let sum = x + product;
                            *y = if sum < T::ZERO { T::ZERO } else { sum };
                        }
                    }
                }
            }
        }
    }
}
