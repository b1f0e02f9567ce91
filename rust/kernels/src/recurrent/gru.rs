//! Gated recurrent units (Cho et al. 2014), with the reset gate behind the product.

use super::gates::fetch;
use super::weights::units as units_of_block;
use super::{Backward, Cell, Forward};
use crate::element::Float;
use crate::gemm::GemmFloat;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes::{NARROW, put, take};

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
        let (Forward { hidden, rows, x, next, products, before, saved, y, .. }, bias) = (self.0, self.1);
        let wide = units_of_block(3);
        for first in (0..hidden).step_by(wide) {
            let count = wide.min(hidden - first);
            for row in 0..rows {
                let products = &products[(first * rows + row * count) * 3..][..3 * count];
                let x = &x[row * 3 * hidden..][..3 * hidden];
                let (r, rest) = saved[row * 4 * hidden..][..4 * hidden].split_at_mut(hidden);
                let (z, rest) = rest.split_at_mut(hidden);
                let (n, of_n) = rest.split_at_mut(hidden);
                let mut parts = [r, z, n, of_n].map(|part| &mut part[first..][..count]);
                let units = row * hidden + first..row * hidden + first + count;
                // A loop each: together they would need more addresses than there are registers.
                for nth in 0..3 {
                    let at = nth * hidden + first;
                    let (x, inside) = (&x[at..][..count], [&products[nth * count..][..count], &bias[at..][..count]]);
                    fetch(x, next * (3 * hidden).cast_signed());
                    if nth < 2 {
                        gate::<T, S>(x, inside, parts[nth]);
                    } else {
                        update::<T, S>(x, inside, &before[units.clone()], &mut parts, &mut y[units.clone()]);
                    }
                }
            }
        }
    }
}

/// `out = sigmoid(x + (products + bias))`.
#[inline(always)]
fn gate<T: Float, S: Simd>(x: &[T], [products, bias]: [&[T]; 2], out: &mut [T]) {
    let whole = out.len() / NARROW * NARROW;
    let inputs = x.as_chunks().0.iter().zip(products.as_chunks().0).zip(bias.as_chunks().0);
    for (out, ((x, products), bias)) in out.as_chunks_mut().0.iter_mut().zip(inputs) {
        *out = opened::<T, S>(x, products, bias);
    }
    if whole < out.len() {
        let [x, products, bias] = [x, products, bias].map(|part| take(&part[whole..]));
        put(&mut out[whole..], &opened::<T, S>(&x, &products, &bias));
    }
}

#[inline(always)]
fn opened<T: Float, S: Simd>(x: &[T; NARROW], products: &[T; NARROW], bias: &[T; NARROW]) -> [T; NARROW] {
    let mut out = *x;
    for lane in 0..NARROW {
        out[lane] = (x[lane] + (products[lane] + bias[lane])).sigmoid::<S>();
    }
    out
}

/// `n = tanh(x + r (products + bias))`, `y = (1 - z) n + z h`, where `before` is `h` and `parts` are `r`, `z`, `n` and what
/// `r` is multiplied by.
#[inline(always)]
fn update<T: Float, S: Simd>(
    x: &[T],
    [products, bias]: [&[T]; 2],
    before: &[T],
    [r, z, n, of_n]: &mut [&mut [T]; 4],
    y: &mut [T],
) {
    let whole = y.len() / NARROW * NARROW;
    let inputs = x.as_chunks().0.iter().zip(products.as_chunks().0).zip(bias.as_chunks().0);
    let states = r.as_chunks().0.iter().zip(z.as_chunks().0).zip(before.as_chunks().0);
    let outputs = n.as_chunks_mut().0.iter_mut().zip(of_n.as_chunks_mut().0).zip(y.as_chunks_mut().0);
    for ((((x, products), bias), ((r, z), before)), ((n, of_n), y)) in inputs.zip(states).zip(outputs) {
        [*n, *of_n, *y] = updated::<T, S>([x, products, bias, r, z, before]);
    }
    if whole < y.len() {
        let inputs = [x, products, bias, r, z, before].map(|part| take(&part[whole..]));
        let [new, inside, h] = updated::<T, S>(inputs.each_ref());
        put(&mut n[whole..], &new);
        put(&mut of_n[whole..], &inside);
        put(&mut y[whole..], &h);
    }
}

#[inline(always)]
fn updated<T: Float, S: Simd>([x, products, bias, r, z, h]: [&[T; NARROW]; 6]) -> [[T; NARROW]; 3] {
    let [mut n, mut of_n, mut y] = [[T::ZERO; NARROW]; 3];
    for lane in 0..NARROW {
        of_n[lane] = products[lane] + bias[lane];
        n[lane] = r[lane].fma::<S>(of_n[lane], x[lane]).tanh::<S>();
        y[lane] = z[lane].fma::<S>(h[lane] - n[lane], n[lane]);
    }
    [n, of_n, y]
}

struct Back<'a, T>(Backward<'a, T>);

impl<T: Float> Kernel for Back<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Backward { hidden, rows, saved, before, g, gx, g_products, g_before, .. } = self.0;
        for row in 0..rows {
            let saved = &saved[row * 4 * hidden..][..4 * hidden];
            fetch(saved, (4 * hidden).cast_signed());
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
