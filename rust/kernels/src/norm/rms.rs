//! Normalisation by the root of the mean square (Zhang and Sennrich 2019) over contiguous rows, widened as in
//! [`super::layer`].

use super::layer::{PARTS, count, grain_of};
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_each, for_ranges};
use crate::stored::{Stored, by_pieces};

/// Estimated cost of 1024 elements, in nanoseconds.
const NS_PER_1024: usize = 200;

/// `y = x * rrms * weight` over each of `rrms.len()` rows of `cols` elements, saving `rrms = 1 / sqrt(mean(x²) + eps)`.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn forward<T: Float, K: Stored<Value = T>>(
    x: &[K],
    cols: usize,
    weight: Option<&[T]>,
    eps: f64,
    y: &mut [K],
    rrms: &mut [T],
) {
    let rows = rrms.len();
    assert!(x.len() == rows * cols && y.len() == x.len(), "lengths do not match the shapes");
    assert!(weight.is_none_or(|w| w.len() == cols), "one weight a column");
    let (y, rrms) = (Disjoint::new(y), Disjoint::new(rrms));
    for_ranges(rows, grain_of(cols), cols.saturating_mul(NS_PER_1024), |range| {
        by_pieces::<K, 2>(range, [cols; 2], |range, [x_room, y_room]| {
            let flat = range.start * cols..range.end * cols;
            // SAFETY: ranges of rows are disjoint.
            let (y, rrms) = unsafe { (y.slice(flat.clone()), rrms.slice(range)) };
            let x = K::load_slice(&x[flat], x_room);
            K::store_slice(y, y_room, |y| dispatch(Forward { x, cols, weight, eps, y, rrms }));
        });
    });
}

struct Forward<'a, T> {
    x: &'a [T],
    cols: usize,
    weight: Option<&'a [T]>,
    eps: f64,
    y: &'a mut [T],
    rrms: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let cols = self.cols;
        for (row, rrms) in self.rrms.iter_mut().enumerate() {
            let (x, y) = (&self.x[row * cols..][..cols], &mut self.y[row * cols..][..cols]);
            let square = lanes::sum(x, |x| x * x) / count(cols);
            let scale = T::from_f64(1.0 / (square + self.eps).sqrt());
            match self.weight {
                Some(weight) => {
                    for ((y, &x), &weight) in y.iter_mut().zip(x).zip(weight) {
                        *y = x * scale * weight;
                    }
                }
                None => {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = x * scale;
                    }
                }
            }
            *rrms = scale;
        }
    }
}

/// Gradients of `x`, and of the weight where its buffer is given, from the gradient `g` of the result.
///
/// With `h = g * weight`, `gx = rrms * (h - x * rrms² * avg(h * x))`; the weight's gradient is the sum of `g * x * rrms`
/// over the rows.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn backward<T: Float, K: Stored<Value = T>>(
    g: &[K],
    x: &[K],
    cols: usize,
    rrms: &[T],
    weight: Option<&[T]>,
    gx: &mut [K],
    gweight: Option<&mut [T]>,
) {
    let rows = rrms.len();
    assert!(x.len() == rows * cols && g.len() == x.len() && gx.len() == x.len(), "lengths do not match the shapes");
    assert!(weight.is_none_or(|w| w.len() == cols) && gweight.as_ref().is_none_or(|w| w.len() == cols));
    let grain = grain_of(cols).max(rows.div_ceil(PARTS));
    let tasks = rows.div_ceil(grain);
    let width = if gweight.is_some() { cols } else { 0 };
    let mut partials = vec![T::ZERO; tasks * width];
    let (gx, parts) = (Disjoint::new(gx), Disjoint::new(&mut partials));
    for_each(tasks, (rows * cols).saturating_mul(2 * NS_PER_1024) / 1024, |task| {
        // SAFETY: each task has its own partial sums.
        let part = unsafe { parts.slice(task * width..(task + 1) * width) };
        by_pieces::<K, 3>(
            task * grain..((task + 1) * grain).min(rows),
            [cols; 3],
            |range, [g_room, x_room, gx_room]| {
                let flat = range.start * cols..range.end * cols;
                // SAFETY: ranges of rows are disjoint.
                let gx = unsafe { gx.slice(flat.clone()) };
                let (g, x) = (K::load_slice(&g[flat.clone()], g_room), K::load_slice(&x[flat], x_room));
                let rrms = &rrms[range];
                K::store_slice(gx, gx_room, |gx| dispatch(Backward { g, x, cols, rrms, weight, gx, part }));
            },
        );
    });
    if let Some(gweight) = gweight {
        gweight.fill(T::ZERO);
        for part in partials.chunks_exact(width.max(1)) {
            for (sum, &value) in gweight.iter_mut().zip(part) {
                *sum += value;
            }
        }
    }
}

struct Backward<'a, T> {
    g: &'a [T],
    x: &'a [T],
    cols: usize,
    rrms: &'a [T],
    weight: Option<&'a [T]>,
    gx: &'a mut [T],
    /// Sums of `g * x * rrms` over these rows; empty if nobody asks.
    part: &'a mut [T],
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let cols = self.cols;
        for (row, &rrms) in self.rrms.iter().enumerate() {
            let (g, x) = (&self.g[row * cols..][..cols], &self.x[row * cols..][..cols]);
            let gx = &mut self.gx[row * cols..][..cols];
            // gx holds h = g * weight until the row's average is known.
            match self.weight {
                Some(weight) => {
                    for ((gx, &g), &weight) in gx.iter_mut().zip(g).zip(weight) {
                        *gx = g * weight;
                    }
                }
                None => gx.copy_from_slice(g),
            }
            let [dot] = lanes::sums(gx, x, |h, x| [h * x]);
            let slope = T::from_f64(dot / count(cols)) * rrms * rrms;
            for (gx, &x) in gx.iter_mut().zip(x) {
                *gx = rrms * (*gx - x * slope);
            }
            for ((part, &g), &x) in self.part.iter_mut().zip(g).zip(x) {
                *part += g * (x * rrms);
            }
        }
    }
}
