//! Sums and maxima over a contiguous row, in an order fixed by its length.
//!
//! A row is taken in blocks of 2048 elements. A block adds into 64 lanes (four accumulators of sixteen, enough to hide
//! the latency of an addition), the lanes add pairwise, and the blocks add in float64: fast, and as exact as the
//! element type allows for rows of any length.

use crate::element::Float;

const LANES: usize = 64;
const BLOCK: usize = 2048;

/// The sum of `f` over the elements of `a`.
#[inline(always)]
pub(crate) fn sum<T: Float>(a: &[T], f: impl Fn(T) -> T) -> f64 {
    let mut total = 0.0;
    for block in a.chunks(BLOCK) {
        let mut lanes = [T::ZERO; LANES];
        let (chunks, rest) = block.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                lanes[lane] += f(chunk[lane]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += f(x);
        }
        total += pairwise(&mut lanes, |x, y| x + y).to_f64();
    }
    total
}

/// The sums of both results of `f` over the elements of `a` and `b` together.
#[inline(always)]
pub(crate) fn sum_pair<T: Float>(a: &[T], b: &[T], f: impl Fn(T, T) -> (T, T)) -> (f64, f64) {
    let mut totals = (0.0, 0.0);
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let (mut left, mut right) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                let results = f(a[lane], b[lane]);
                left[lane] += results.0;
                right[lane] += results.1;
            }
        }
        for (lane, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
            let results = f(a, b);
            left[lane] += results.0;
            right[lane] += results.1;
        }
        totals.0 += pairwise(&mut left, |x, y| x + y).to_f64();
        totals.1 += pairwise(&mut right, |x, y| x + y).to_f64();
    }
    totals
}

/// The largest element, leaving NaN out; minus infinity for an empty row.
#[inline(always)]
pub(crate) fn largest<T: Float>(a: &[T]) -> T {
    let most = |x: T, y: T| if y > x { y } else { x };
    let mut lanes = [T::LOWEST; LANES];
    let (chunks, rest) = a.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = most(lanes[lane], chunk[lane]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = most(*lane, x);
    }
    pairwise(&mut lanes, most)
}

/// Folds the upper half of the lanes into the lower until one is left.
#[inline(always)]
fn pairwise<T: Float>(lanes: &mut [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}
