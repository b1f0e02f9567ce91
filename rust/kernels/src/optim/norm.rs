//! The norm of many gradients together, and scaling them.

use super::PIECE;
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, SERIAL_BELOW_NS, for_each};

/// The `p`-norm of all elements of all gradients together; `p` may be infinite. NaN propagates.
#[must_use]
#[expect(clippy::float_cmp, reason = "the exponents with a form of their own are exact")]
pub fn total_norm<T: Float>(grads: &[&[T]], p: f64) -> f64 {
    let pieces = || grads.iter().flat_map(|grad| grad.chunks(PIECE));
    let total: usize = grads.iter().map(|grad| grad.len()).sum();
    let cost = total / 8;
    let parts: Vec<f64> = if cost < SERIAL_BELOW_NS {
        pieces().map(|values| dispatch(Powers { values, p })).collect()
    } else {
        let pieces: Vec<&[T]> = pieces().collect();
        let mut parts = vec![0.0; pieces.len()];
        let out = Disjoint::new(&mut parts);
        for_each(pieces.len(), cost, |task| {
            // SAFETY: each task writes its own element.
            let slot = unsafe { out.slice(task..task + 1) };
            slot[0] = dispatch(Powers { values: pieces[task], p });
        });
        parts
    };
    if p.is_infinite() {
        return parts.into_iter().fold(0.0, |most: f64, part| if part > most || part.is_nan() { part } else { most });
    }
    let sum = parts.into_iter().fold(0.0, |sum, part| sum + part); // `sum` of nothing is -0
    if p == 2.0 { sum.sqrt() } else { sum.powf(p.recip()) }
}

/// The sum of the `p`-th powers of magnitudes in float64, or the largest magnitude where `p` is infinite.
struct Powers<'a, T> {
    values: &'a [T],
    p: f64,
}

impl<T: Float> Kernel for Powers<'_, T> {
    type Output = f64;
    #[expect(clippy::float_cmp, reason = "the exponents with a form of their own are exact")]
    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        if self.p == 2.0 {
            fold(self.values, |sum, value| sum + value * value, |a, b| a + b)
        } else if self.p == 1.0 {
            fold(self.values, |sum, value| sum + value.abs(), |a, b| a + b)
        } else if self.p.is_infinite() {
            let most = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
            fold(self.values, |sum, value| most(sum, value.abs()), most)
        } else {
            self.values.iter().map(|value| value.to_f64().abs().powf(self.p)).sum()
        }
    }
}

/// Folds `values` into lanes, enough of them to hide how long an addition takes, and the lanes pairwise.
#[inline(always)]
fn fold<T: Float>(values: &[T], add: impl Fn(f64, f64) -> f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 64;
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES);
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = add(*lane, value.to_f64());
    }
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = add(*lane, value.to_f64());
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Multiplies every element of every gradient by `factor`.
pub fn scale_all<T: Float>(list: &mut [&mut [T]], factor: f64) {
    let (factor, total) = (T::from_f64(factor), list.iter().map(|values| values.len()).sum::<usize>());
    let mut pieces: Vec<&mut [T]> = list.iter_mut().flat_map(|values| values.chunks_mut(PIECE)).collect();
    let (count, pieces) = (pieces.len(), Disjoint::new(&mut pieces));
    for_each(count, total / 10, |task| {
        // SAFETY: each task has its own piece.
        let piece = unsafe { pieces.slice(task..task + 1) };
        dispatch(Scale { values: &mut *piece[0], factor });
    });
}

struct Scale<'a, T> {
    values: &'a mut [T],
    factor: T,
}

impl<T: Float> Kernel for Scale<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for value in self.values {
            *value *= self.factor;
        }
    }
}
