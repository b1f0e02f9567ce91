//! Long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000; projected, Sak et al.
//! 2014).

use super::weights::units as units_of_block;
use super::{Backward, Cell, Forward};
use crate::element::Float;
use crate::gemm::GemmFloat;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes::{NARROW, put, take, take_sum};
use crate::parallel::{Disjoint, for_ranges};

/// Cells with gates in, forget, cell and out: `c = f c + i g`, `h = o tanh(c)`.
#[derive(Clone, Copy, Debug)]
pub struct Lstm;

impl<T: GemmFloat> Cell<T> for Lstm {
    const GATES: usize = 4;
    const SAVED: usize = 4;
    const HAS_CELL: bool = true;
    const SPLIT: bool = false;

    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn forward(&self, step: Forward<'_, T>) {
        dispatch(Ahead(step));
    }

    #[allow(private_interfaces, reason = "callable inside the crate only")]
    fn backward(&self, step: Backward<'_, T>) {
        dispatch(Back(step));
    }
}

struct Ahead<'a, T>(Forward<'a, T>);

impl<T: Float> Kernel for Ahead<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Forward { hidden, rows, x, products, cell, saved, cells, y, .. } = self.0;
        let wide = units_of_block(4);
        for first in (0..hidden).step_by(wide) {
            let count = wide.min(hidden - first);
            for row in 0..rows {
                let products = &products[(first * rows + row * count) * 4..][..4 * count];
                let (x, saved) = (&x[row * 4 * hidden..][..4 * hidden], &mut saved[row * 4 * hidden..][..4 * hidden]);
                for at in (0..count).step_by(NARROW) {
                    let len = NARROW.min(count - at);
                    // Closures here would be functions of their own, without the features of this one.
                    let (x, products) = (&x[first + at..], &products[at..]);
                    let mut i = take_sum(&x[..len], &products[..len]);
                    let mut f = take_sum(&x[hidden..][..len], &products[count..][..len]);
                    let mut g = take_sum(&x[2 * hidden..][..len], &products[2 * count..][..len]);
                    let mut o = take_sum(&x[3 * hidden..][..len], &products[3 * count..][..len]);
                    let unit = row * hidden + first + at;
                    let mut c: [T; NARROW] = take(&cell[unit..][..len]);
                    let mut h = [T::ZERO; NARROW];
                    for lane in 0..NARROW {
                        i[lane] = i[lane].sigmoid::<S>();
                        f[lane] = f[lane].sigmoid::<S>();
                        g[lane] = g[lane].tanh::<S>();
                        o[lane] = o[lane].sigmoid::<S>();
                        c[lane] = f[lane].fma::<S>(c[lane], i[lane] * g[lane]);
                        h[lane] = o[lane] * c[lane].tanh::<S>();
                    }
                    for (gate, values) in [i, f, g, o].iter().enumerate() {
                        put(&mut saved[gate * hidden + first + at..][..len], values);
                    }
                    put(&mut cell[unit..][..len], &c);
                    put(&mut cells[unit..][..len], &c);
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
        let Backward { hidden, rows, saved, cells, cell_before, g, g_cell, gx, .. } = self.0;
        for row in 0..rows {
            let (saved, gx) = (&saved[row * 4 * hidden..][..4 * hidden], &mut gx[row * 4 * hidden..][..4 * hidden]);
            let [cells, g] = [cells, g].map(|x| &x[row * hidden..][..hidden]);
            let (before, g_cell) = (cell_before.row(row), &mut g_cell[row * hidden..][..hidden]);
            for at in (0..hidden).step_by(NARROW) {
                let len = NARROW.min(hidden - at);
                let (i, f): ([T; NARROW], [T; NARROW]) =
                    (take(&saved[at..][..len]), take(&saved[hidden + at..][..len]));
                let u: [T; NARROW] = take(&saved[2 * hidden + at..][..len]);
                let o: [T; NARROW] = take(&saved[3 * hidden + at..][..len]);
                let c: [T; NARROW] = take(&cells[at..][..len]);
                let before: [T; NARROW] = take(&before[at..][..len]);
                let g: [T; NARROW] = take(&g[at..][..len]);
                let mut gc: [T; NARROW] = take(&g_cell[at..][..len]);
                let mut gates = [[T::ZERO; NARROW]; 4];
                for lane in 0..NARROW {
                    let open = c[lane].tanh::<S>();
                    let all = (g[lane] * o[lane]).fma::<S>(T::ONE - open * open, gc[lane]);
                    gates[0][lane] = all * u[lane] * i[lane] * (T::ONE - i[lane]);
                    gates[1][lane] = all * before[lane] * f[lane] * (T::ONE - f[lane]);
                    gates[2][lane] = all * i[lane] * (T::ONE - u[lane] * u[lane]);
                    gates[3][lane] = g[lane] * open * o[lane] * (T::ONE - o[lane]);
                    gc[lane] = all * f[lane];
                }
                for (gate, values) in gates.iter().enumerate() {
                    put(&mut gx[gate * hidden + at..][..len], values);
                }
                put(&mut g_cell[at..][..len], &gc);
            }
        }
    }
}

/// What units gave at every step before their projection: `o tanh(c)`.
pub(super) fn units<T: Float>(saved: &[T], cells: &[T], hidden: usize, out: &mut [T]) {
    let out = Disjoint::new(out);
    for_ranges(cells.len() / hidden.max(1), 64, hidden * 2000, |rows| {
        // SAFETY: ranges of rows are disjoint.
        let out = unsafe { out.slice(rows.start * hidden..rows.end * hidden) };
        dispatch(Units { saved: &saved[rows.start * 4 * hidden..], cells: &cells[rows.start * hidden..], hidden, out });
    });
}

struct Units<'a, T> {
    saved: &'a [T],
    cells: &'a [T],
    hidden: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Units<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let hidden = self.hidden;
        for (row, out) in self.out.chunks_exact_mut(hidden).enumerate() {
            let open = &self.saved[(row * 4 + 3) * hidden..][..hidden];
            for ((out, &open), &cell) in out.iter_mut().zip(open).zip(&self.cells[row * hidden..]) {
                *out = open * cell.tanh::<S>();
            }
        }
    }
}
