//! Gated recurrent units (Cho et al. 2014), with the reset gate behind the product.

use super::weights::units as units_of_block;
use super::{Backward, Cell, Forward};
use crate::element::Float;
use crate::gemm::GemmFloat;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes::{NARROW, put, take, take_sum};

/// Cells with gates reset, update and new: `n = tanh(x + r (h w + b))`, `h = (1 - z) n + z h`.
#[derive(Clone, Copy, Debug)]
pub struct Gru<'a, T> {
    /// Added to the products, (3, hidden).
    pub bias: &'a [T],
}

impl<T: GemmFloat> Cell<T> for Gru<'_, T> {
    const GATES: usize = 3;
    const SAVED: usize = 4;
    const HAS_CELL: bool = false;
    const SPLIT: bool = true;

    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn forward(&self, step: Forward<'_, T>) {
        dispatch(Ahead(step, self.bias));
    }

    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn backward(&self, step: Backward<'_, T>) {
        dispatch(Back(step));
    }
}

struct Ahead<'a, T>(Forward<'a, T>, &'a [T]);

impl<T: Float> Kernel for Ahead<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let (Forward { hidden, rows, x, products, before, saved, y, .. }, bias) = (self.0, self.1);
        let wide = units_of_block(3);
        for first in (0..hidden).step_by(wide) {
            let count = wide.min(hidden - first);
            for row in 0..rows {
                let products = &products[(first * rows + row * count) * 3..][..3 * count];
                let (x, saved) = (&x[row * 3 * hidden..][..3 * hidden], &mut saved[row * 4 * hidden..][..4 * hidden]);
                for at in (0..count).step_by(NARROW) {
                    let len = NARROW.min(count - at);
                    // Closures here would be functions of their own, without the features of this one.
                    let (x, bias, products) = (&x[first + at..], &bias[first + at..], &products[at..]);
                    let mut r: [T; NARROW] = take(&x[..len]);
                    let mut z: [T; NARROW] = take(&x[hidden..][..len]);
                    let mut n: [T; NARROW] = take(&x[2 * hidden..][..len]);
                    let of_r = take_sum(&products[..len], &bias[..len]);
                    let of_z = take_sum(&products[count..][..len], &bias[hidden..][..len]);
                    let of_n = take_sum(&products[2 * count..][..len], &bias[2 * hidden..][..len]);
                    let unit = row * hidden + first + at;
                    let mut h: [T; NARROW] = take(&before[unit..][..len]);
                    for lane in 0..NARROW {
                        r[lane] = (r[lane] + of_r[lane]).sigmoid::<S>();
                        z[lane] = (z[lane] + of_z[lane]).sigmoid::<S>();
                        n[lane] = r[lane].fma::<S>(of_n[lane], n[lane]).tanh::<S>();
                        h[lane] = z[lane].fma::<S>(h[lane] - n[lane], n[lane]);
                    }
                    for (part, values) in [r, z, n, of_n].iter().enumerate() {
                        put(&mut saved[part * hidden + first + at..][..len], values);
                    }
                    put(&mut y[unit..][..len], &h);
                }
            }
        }
    }
}

struct Back<'a, T>(Backward<'a, T>);

impl<T: Float> Kernel for Back<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Backward { hidden, rows, saved, before, g, gx, g_products, g_before, .. } = self.0;
        for row in 0..rows {
            let saved = &saved[row * 4 * hidden..][..4 * hidden];
            let [gx, g_products] = [&mut *gx, &mut *g_products].map(|x| &mut x[row * 3 * hidden..][..3 * hidden]);
            let (g, before) = (&g[row * hidden..][..hidden], before.row(row));
            let g_before = &mut g_before[row * hidden..][..hidden];
            for at in (0..hidden).step_by(NARROW) {
                let len = NARROW.min(hidden - at);
                let (r, z): ([T; NARROW], [T; NARROW]) =
                    (take(&saved[at..][..len]), take(&saved[hidden + at..][..len]));
                let n: [T; NARROW] = take(&saved[2 * hidden + at..][..len]);
                let of_n: [T; NARROW] = take(&saved[3 * hidden + at..][..len]);
                let (g, before): ([T; NARROW], [T; NARROW]) = (take(&g[at..][..len]), take(&before[at..][..len]));
                let mut slopes = [[T::ZERO; NARROW]; 3];
                let (mut of_product, mut direct) = ([T::ZERO; NARROW], [T::ZERO; NARROW]);
                for lane in 0..NARROW {
                    let new = g[lane] * (T::ONE - z[lane]) * (T::ONE - n[lane] * n[lane]);
                    slopes[0][lane] = new * of_n[lane] * r[lane] * (T::ONE - r[lane]);
                    slopes[1][lane] = g[lane] * (before[lane] - n[lane]) * z[lane] * (T::ONE - z[lane]);
                    slopes[2][lane] = new;
                    of_product[lane] = new * r[lane];
                    direct[lane] = g[lane] * z[lane];
                }
                for (gate, values) in slopes.iter().enumerate() {
                    put(&mut gx[gate * hidden + at..][..len], values);
                    let values = if gate == 2 { &of_product } else { values };
                    put(&mut g_products[gate * hidden + at..][..len], values);
                }
                put(&mut g_before[at..][..len], &direct);
            }
        }
    }
}
