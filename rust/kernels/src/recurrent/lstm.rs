//! Long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000; projected, Sak et al.
//! 2014).

use super::gates::{activate, fetch};
use super::weights::units as units_of_block;
use super::{Backward, Cell, Forward};
use crate::element::Float;
use crate::gemm::GemmFloat;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes::{NARROW, put, take};
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
        let Forward { hidden, rows, x, next, products, cell, saved, cells, y, .. } = self.0;
        let wide = units_of_block(4);
        for first in (0..hidden).step_by(wide) {
            let count = wide.min(hidden - first);
            for row in 0..rows {
                let products = &products[(first * rows + row * count) * 4..][..4 * count];
                let x = &x[row * 4 * hidden..][..4 * hidden];
                let (i, rest) = saved[row * 4 * hidden..][..4 * hidden].split_at_mut(hidden);
                let (f, rest) = rest.split_at_mut(hidden);
                let (g, o) = rest.split_at_mut(hidden);
                let mut gates = [i, f, g, o].map(|gate| &mut gate[first..][..count]);
                // A loop each: together they would need more addresses than there are registers.
                for (nth, gate) in gates.iter_mut().enumerate() {
                    let (x, products) = (&x[nth * hidden + first..][..count], &products[nth * count..][..count]);
                    fetch(x, next * (4 * hidden).cast_signed());
                    if nth == 2 {
                        activate::<T, S, true>(x, products, gate);
                    } else {
                        activate::<T, S, false>(x, products, gate);
                    }
                }
                let unit = row * hidden + first;
                let states = [&mut cell[unit..][..count], &mut cells[unit..][..count], &mut y[unit..][..count]];
                open::<T, S>(gates.map(|gate| &*gate), states);
            }
        }
    }
}

/// `c = f c + i g` and `h = o tanh(c)`: the gates; the second state, where it is kept, and the output.
#[inline(always)]
fn open<T: Float, S: Simd>([i, f, g, o]: [&[T]; 4], [cell, cells, y]: [&mut [T]; 3]) {
    let whole = i.len() / NARROW * NARROW;
    let gates = i.as_chunks().0.iter().zip(f.as_chunks().0).zip(g.as_chunks().0).zip(o.as_chunks().0);
    let states = cell.as_chunks_mut().0.iter_mut().zip(cells.as_chunks_mut().0).zip(y.as_chunks_mut().0);
    for ((((i, f), g), o), ((cell, cells), y)) in gates.zip(states) {
        (*cell, *y) = opened::<T, S>([i, f, g, o], cell);
        *cells = *cell;
    }
    if whole < i.len() {
        let gates = [i, f, g, o].map(|gate| take(&gate[whole..]));
        let (c, h) = opened::<T, S>(gates.each_ref(), &take(&cell[whole..]));
        put(&mut cell[whole..], &c);
        put(&mut cells[whole..], &c);
        put(&mut y[whole..], &h);
    }
}

#[inline(always)]
fn opened<T: Float, S: Simd>([i, f, g, o]: [&[T; NARROW]; 4], c: &[T; NARROW]) -> ([T; NARROW], [T; NARROW]) {
    let (mut c, mut h) = (*c, [T::ZERO; NARROW]);
    for lane in 0..NARROW {
        c[lane] = f[lane].fma::<S>(c[lane], i[lane] * g[lane]);
        h[lane] = o[lane] * c[lane].tanh::<S>();
    }
    (c, h)
}

struct Back<'a, T>(Backward<'a, T>);

impl<T: Float> Kernel for Back<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Backward { hidden, rows, saved, cells, cell_before, g, g_cell, gx, .. } = self.0;
        for row in 0..rows {
            let saved = &saved[row * 4 * hidden..][..4 * hidden];
            fetch(saved, (4 * hidden).cast_signed());
            let (i, rest) = saved.split_at(hidden);
            let (f, rest) = rest.split_at(hidden);
            let (u, o) = rest.split_at(hidden);
            let (of_i, rest) = gx[row * 4 * hidden..][..4 * hidden].split_at_mut(hidden);
            let (of_f, rest) = rest.split_at_mut(hidden);
            let (of_u, of_o) = rest.split_at_mut(hidden);
            let [c, g] = [cells, g].map(|x| &x[row * hidden..][..hidden]);
            let g_cell = &mut g_cell[row * hidden..][..hidden];
            close::<T, S>([i, f, u, o, c, cell_before.row(row), g], [g_cell, of_i, of_f, of_u, of_o]);
        }
    }
}

/// The gradients of the second state and of the gates' sums, from the gates `i`, `f`, `u` and `o`, the second state after
/// and before the step, the gradient of the output, and in `g_cell` that of the state after the step.
#[inline(always)]
fn close<T: Float, S: Simd>([i, f, u, o, c, before, g]: [&[T]; 7], [g_cell, of_i, of_f, of_u, of_o]: [&mut [T]; 5]) {
    let whole = i.len() / NARROW * NARROW;
    let gates = i.as_chunks().0.iter().zip(f.as_chunks().0).zip(u.as_chunks().0).zip(o.as_chunks().0);
    let states = c.as_chunks().0.iter().zip(before.as_chunks().0).zip(g.as_chunks().0);
    let inner = of_i.as_chunks_mut().0.iter_mut().zip(of_f.as_chunks_mut().0);
    let outer = of_u.as_chunks_mut().0.iter_mut().zip(of_o.as_chunks_mut().0);
    let slopes = g_cell.as_chunks_mut().0.iter_mut().zip(inner).zip(outer);
    for (((((i, f), u), o), ((c, before), g)), ((g_cell, (of_i, of_f)), (of_u, of_o))) in gates.zip(states).zip(slopes)
    {
        [*g_cell, *of_i, *of_f, *of_u, *of_o] = closed::<T, S>([i, f, u, o, c, before, g], g_cell);
    }
    if whole < i.len() {
        let inputs = [i, f, u, o, c, before, g].map(|part| take(&part[whole..]));
        let slopes = closed::<T, S>(inputs.each_ref(), &take(&g_cell[whole..]));
        for (to, slopes) in [g_cell, of_i, of_f, of_u, of_o].into_iter().zip(&slopes) {
            put(&mut to[whole..], slopes);
        }
    }
}

#[inline(always)]
fn closed<T: Float, S: Simd>([i, f, u, o, c, before, g]: [&[T; NARROW]; 7], g_cell: &[T; NARROW]) -> [[T; NARROW]; 5] {
    let mut slopes = [[T::ZERO; NARROW]; 5];
    for lane in 0..NARROW {
        let open = c[lane].tanh::<S>();
        let all = (g[lane] * o[lane]).fma::<S>(T::ONE - open * open, g_cell[lane]);
        slopes[0][lane] = all * f[lane];
        slopes[1][lane] = all * u[lane] * i[lane] * (T::ONE - i[lane]);
        slopes[2][lane] = all * before[lane] * f[lane] * (T::ONE - f[lane]);
        slopes[3][lane] = all * i[lane] * (T::ONE - u[lane] * u[lane]);
        slopes[4][lane] = g[lane] * open * o[lane] * (T::ONE - o[lane]);
    }
    slopes
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
