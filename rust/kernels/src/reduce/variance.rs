//! Variances of contiguous rows, in two passes: the mean, then the squares of what lies beside it. Of a long row both are
//! sums over leaves of a fixed length, added in order.

use super::rows::LONG_LEAF;
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_each};

/// Elements that a task adds up, at least.
const GRAIN: usize = 4 * LONG_LEAF;
/// Elements of both passes that one thread takes in a nanosecond.
const PER_NS: usize = 8;

/// For each row of `cols` elements the sum of squared deviations from its mean, divided by `degrees`; NaN for rows of
/// nothing.
///
/// # Panics
/// If the slices do not fit.
pub fn variance<T: Float>(src: &[T], cols: usize, degrees: f64, dst: &mut [T]) {
    assert_eq!(src.len(), dst.len() * cols, "rows and results differ in number");
    if cols == 0 {
        return dst.fill(T::NAN);
    }
    if cols > 2 * GRAIN {
        for (row, out) in src.chunks_exact(cols).zip(dst) {
            *out = T::from_f64(of_long(row) / degrees);
        }
        return;
    }
    let (cost, rows) = (src.len() / PER_NS, GRAIN.div_ceil(cols));
    let (all, dst) = (dst.len(), Disjoint::new(dst));
    for_each(all.div_ceil(rows), cost, |task| {
        let own = task * rows..((task + 1) * rows).min(all);
        // SAFETY: each task has rows of its own.
        let out = unsafe { dst.slice(own.clone()) };
        dispatch(Rows { src: &src[own.start * cols..own.end * cols], cols, degrees, out });
    });
}

/// The sum of squared deviations of a row that is shared among threads.
fn of_long<T: Float>(row: &[T]) -> f64 {
    let leaves = row.len().div_ceil(GRAIN);
    let mut parts = vec![[0.0; 2]; leaves];
    let mut pass = |center: Option<T>| {
        let out = Disjoint::new(&mut parts);
        for_each(leaves, row.len() / PER_NS / 2, |leaf| {
            let row = &row[leaf * GRAIN..((leaf + 1) * GRAIN).min(row.len())];
            let sums = dispatch(Leaf { row, center });
            // SAFETY: each leaf has a place of its own.
            unsafe { out.slice(leaf..leaf + 1) }.fill(sums);
        });
        parts.iter().fold([0.0; 2], |[a, b], part| [a + part[0], b + part[1]])
    };
    let [sum, _] = pass(None);
    let [rest, squares] = pass(Some(T::from_f64(sum / count(row.len()))));
    corrected(rest, squares, row.len())
}

/// The sum of squared deviations from the mean, given sums of deviations from a number beside it, and of their squares.
fn corrected(rest: f64, squares: f64, len: usize) -> f64 {
    let off = rest * rest / count(len);
    // Of numbers that are not finite it is not a number.
    if off > squares { 0.0 } else { squares - off }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 elements")]
fn count(elements: usize) -> f64 {
    elements as f64
}

struct Rows<'a, T> {
    src: &'a [T],
    cols: usize,
    degrees: f64,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (row, out) in self.src.chunks_exact(self.cols).zip(self.out) {
            let center = T::from_f64(lanes::sum(row, |x| x) / count(self.cols));
            let [rest, squares] = lanes::sums(row, row, |x, _| [x - center, (x - center) * (x - center)]);
            *out = T::from_f64(corrected(rest, squares, self.cols) / self.degrees);
        }
    }
}

/// The sum of a leaf, or those of its deviations from a center and of their squares.
struct Leaf<'a, T> {
    row: &'a [T],
    center: Option<T>,
}

impl<T: Float> Kernel for Leaf<'_, T> {
    type Output = [f64; 2];
    #[inline(always)]
    fn run<S: Simd>(self) -> [f64; 2] {
        match self.center {
            None => [lanes::sum(self.row, |x| x), 0.0],
            Some(center) => lanes::sums(self.row, self.row, |x, _| [x - center, (x - center) * (x - center)]),
        }
    }
}
