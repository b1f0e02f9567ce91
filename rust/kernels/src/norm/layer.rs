//! Layer normalisation (Ba, Kiros and Hinton 2016) over contiguous rows. Numbers of 16 bits are widened a few rows at a
//! time; what there is one of for each row or column is as wide as the arithmetic.

use crate::abreast::{Block, ROWS, SHORT, sums};
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_each, for_ranges};
use crate::stored::{Stored, by_pieces};

/// Elements of one task, about.
const GRAIN: usize = 1 << 14;
/// Estimated cost of 1024 elements, in nanoseconds.
const NS_PER_1024: usize = 300;
/// Tasks of a backward pass: each keeps a partial sum of the gradients of weight and bias.
pub(super) const PARTS: usize = 32;

/// `y = (x - mean) * rstd * weight + bias` over each of `mean.len()` rows of `cols` elements, saving mean and
/// `rstd = 1 / sqrt(var + eps)` of each row.
///
/// # Panics
/// If lengths do not match the shapes.
#[expect(clippy::too_many_arguments, reason = "three inputs, three outputs and their shape")]
pub fn forward<T: Float, K: Stored<Value = T>>(
    x: &[K],
    cols: usize,
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    eps: f64,
    y: &mut [K],
    mean: &mut [T],
    rstd: &mut [T],
) {
    let rows = mean.len();
    assert!(x.len() == rows * cols && y.len() == x.len() && rstd.len() == rows, "lengths do not match the shapes");
    assert!(weight.is_none_or(|w| w.len() == cols) && bias.is_none_or(|b| b.len() == cols), "one parameter a column");
    let (y, mean, rstd) = (Disjoint::new(y), Disjoint::new(mean), Disjoint::new(rstd));
    let grain = grain_of(cols);
    for_ranges(rows, grain, cols.saturating_mul(NS_PER_1024), |range| {
        by_pieces::<K, 2>(range, [cols; 2], |range, [x_room, y_room]| {
            let flat = range.start * cols..range.end * cols;
            // SAFETY: ranges of rows are disjoint.
            let (y, mean, rstd) = unsafe { (y.slice(flat.clone()), mean.slice(range.clone()), rstd.slice(range)) };
            let x = K::load_slice(&x[flat], x_room);
            K::store_slice(y, y_room, |y| dispatch(Forward { x, cols, weight, bias, eps, y, mean, rstd }));
        });
    });
}

struct Forward<'a, T> {
    x: &'a [T],
    cols: usize,
    weight: Option<&'a [T]>,
    bias: Option<&'a [T]>,
    eps: f64,
    y: &'a mut [T],
    mean: &'a mut [T],
    rstd: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let cols = self.cols;
        if (1..=SHORT).contains(&cols) {
            return self.abreast::<S>();
        }
        for (row, (mean, rstd)) in self.mean.iter_mut().zip(self.rstd).enumerate() {
            let x = &self.x[row * cols..][..cols];
            let y = &mut self.y[row * cols..][..cols];
            let center = T::from_f64(lanes::sum(x, |x| x) / count(cols));
            let [squares] = lanes::sums_ahead(x, x, cols, |x, _| [(x - center) * (x - center)]);
            let variance = squares / count(cols);
            let scale = T::from_f64(1.0 / (variance + self.eps).sqrt());
            match (self.weight, self.bias) {
                (Some(weight), Some(bias)) => {
                    for (((y, &x), &weight), &bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                        *y = ((x - center) * scale).fma::<S>(weight, bias);
                    }
                }
                (Some(weight), None) => {
                    for ((y, &x), &weight) in y.iter_mut().zip(x).zip(weight) {
                        *y = (x - center) * scale * weight;
                    }
                }
                (None, Some(bias)) => {
                    for ((y, &x), &bias) in y.iter_mut().zip(x).zip(bias) {
                        *y = (x - center).fma::<S>(scale, bias);
                    }
                }
                (None, None) => {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = (x - center) * scale;
                    }
                }
            }
            (*mean, *rstd) = (center, scale);
        }
    }
}

impl<T: Float> Forward<'_, T> {
    /// The same for short rows.
    #[inline(always)]
    fn abreast<S: Simd>(self) {
        let Self { x, cols, weight, bias, eps, y, mean, rstd } = self;
        let mut block = Block::new();
        let results = mean.chunks_mut(ROWS).zip(rstd.chunks_mut(ROWS));
        for ((x, y), (mean, rstd)) in x.chunks(ROWS * cols).zip(y.chunks_mut(ROWS * cols)).zip(results) {
            let columns = block.load(x, cols);
            let (mut center, mut scale) = ([T::ZERO; ROWS], [T::ZERO; ROWS]);
            let total = sums(columns, |x, _| x);
            for lane in 0..ROWS {
                center[lane] = T::from_f64(total[lane] / count(cols));
            }
            let squares = sums(columns, |x, lane| (x - center[lane]) * (x - center[lane]));
            for lane in 0..ROWS {
                scale[lane] = T::from_f64(1.0 / (squares[lane] / count(cols) + eps).sqrt());
            }
            for (i, column) in columns.iter_mut().enumerate() {
                let of_column = |parameter: Option<&[T]>, none| parameter.map_or(none, |values| values[i]);
                let (weight, bias) = (of_column(weight, T::ONE), of_column(bias, T::ZERO));
                for lane in 0..ROWS {
                    column[lane] = ((column[lane] - center[lane]) * scale[lane]).fma::<S>(weight, bias);
                }
            }
            block.store(y, cols);
            mean.copy_from_slice(&center[..mean.len()]);
            rstd.copy_from_slice(&scale[..rstd.len()]);
        }
    }
}

/// Rows of one task.
pub(super) fn grain_of(cols: usize) -> usize {
    (GRAIN / cols.max(1)).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 elements")]
pub(super) fn count(elements: usize) -> f64 {
    elements as f64
}

/// Gradients of `x`, and of weight and bias where their buffers are given, from the gradient `g` of the result.
///
/// With `h = g * weight` and `z = (x - mean) * rstd`, `gx = rstd * (h - avg(h) - z * avg(h * z))`; the weight's
/// gradient is the sum of `g * z` over the rows, the bias's that of `g`.
///
/// # Panics
/// If lengths do not match the shapes.
#[expect(clippy::too_many_arguments, reason = "five inputs, three outputs and their shape")]
pub fn backward<T: Float, K: Stored<Value = T>>(
    g: &[K],
    x: &[K],
    cols: usize,
    mean: &[T],
    rstd: &[T],
    weight: Option<&[T]>,
    gx: &mut [K],
    gweight: Option<&mut [T]>,
    gbias: Option<&mut [T]>,
) {
    let rows = mean.len();
    assert!(x.len() == rows * cols && g.len() == x.len() && gx.len() == x.len() && rstd.len() == rows);
    assert!(weight.is_none_or(|w| w.len() == cols));
    assert!(gweight.as_ref().is_none_or(|w| w.len() == cols) && gbias.as_ref().is_none_or(|b| b.len() == cols));
    let sums = gweight.is_some() || gbias.is_some();
    let grain = grain_of(cols).max(rows.div_ceil(PARTS));
    let tasks = rows.div_ceil(grain);
    let width = if sums { 2 * cols } else { 0 };
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
                let (mean, rstd) = (&mean[range.clone()], &rstd[range]);
                let (g, x) = (K::load_slice(&g[flat.clone()], g_room), K::load_slice(&x[flat], x_room));
                K::store_slice(gx, gx_room, |gx| dispatch(Backward { g, x, cols, mean, rstd, weight, gx, part }));
            },
        );
    });
    for (target, at) in [(gweight, 0), (gbias, cols)] {
        if let Some(target) = target {
            target.fill(T::ZERO);
            for part in 0..tasks {
                for (target, &value) in target.iter_mut().zip(&partials[part * width + at..]) {
                    *target += value;
                }
            }
        }
    }
}

struct Backward<'a, T> {
    g: &'a [T],
    x: &'a [T],
    cols: usize,
    mean: &'a [T],
    rstd: &'a [T],
    weight: Option<&'a [T]>,
    gx: &'a mut [T],
    /// Sums of `g * z` and of `g` over these rows; empty if nobody asks.
    part: &'a mut [T],
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let cols = self.cols;
        let (gweight, gbias) = self.part.split_at_mut(self.part.len() / 2);
        for (row, (&mean, &rstd)) in self.mean.iter().zip(self.rstd).enumerate() {
            let g = &self.g[row * cols..][..cols];
            let x = &self.x[row * cols..][..cols];
            let gx = &mut self.gx[row * cols..][..cols];
            // gx holds h = g * weight until the row's averages are known.
            match self.weight {
                Some(weight) => {
                    for ((gx, &g), &weight) in gx.iter_mut().zip(g).zip(weight) {
                        *gx = g * weight;
                    }
                }
                None => gx.copy_from_slice(g),
            }
            lanes::fetch_row(g, cols);
            let [sum, dot] = lanes::sums(gx, x, |h, x| [h, h * (x - mean)]);
            lanes::fetch_row(x, cols);
            let average = T::from_f64(sum / count(cols));
            let slope = T::from_f64(dot / count(cols)) * rstd * rstd;
            if gweight.is_empty() {
                for (gx, &x) in gx.iter_mut().zip(x) {
                    *gx = rstd * ((*gx - average) - (x - mean) * slope);
                }
                continue;
            }
            let sums = gweight.iter_mut().zip(&mut *gbias);
            for (((gx, &g), &x), (gweight, gbias)) in gx.iter_mut().zip(g).zip(x).zip(sums) {
                *gx = rstd * ((*gx - average) - (x - mean) * slope);
                *gweight += g * ((x - mean) * rstd);
                *gbias += g;
            }
        }
    }
}
