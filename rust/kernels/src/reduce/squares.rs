//! What sums of squares say of contiguous rows: their length, and, in two passes, the variance, of squares of what lies
//! beside the mean. Of a long row they are sums over leaves of a fixed length, added in order.

use super::rows::LONG_LEAF;
use crate::abreast::{self, Block, ROWS};
use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::parallel::{Disjoint, for_each};

/// Rows that are so short take less time than to pass them to a kernel one by one.
const SHORT: usize = 128;
/// Elements that a task adds up, at least.
const GRAIN: usize = 4 * LONG_LEAF;
/// The part of each element, a power of two, that is added up where the sum of all is too large.
const PART: f64 = f64::EPSILON;
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
    each_row(src, cols, dst, |row| {
        let center = mean(row);
        corrected(sums(row, Addends::Beside(center)), cols) / degrees
    });
}

/// The root of what [`variance`] gives, also where that is too large or too small for `T`.
///
/// # Panics
/// If the slices do not fit.
pub fn deviation<T: Float>(src: &[T], cols: usize, degrees: f64, dst: &mut [T]) {
    assert_eq!(src.len(), dst.len() * cols, "rows and results differ in number");
    if cols == 0 {
        return dst.fill(T::NAN);
    }
    each_row(src, cols, dst, |row| (corrected(sums_of_any(row, mean(row)), cols) / degrees).sqrt());
}

/// The mean, also where the sum is too large for `T`.
fn mean<T: Float>(row: &[T]) -> T {
    let mut sum = sums(row, Addends::Elements)[0] / count(row.len());
    if !sum.is_finite() {
        sum = sums(row, Addends::Scaled(T::ZERO, T::from_f64(PART)))[0] / (PART * count(row.len()));
    }
    T::from_f64(sum)
}

/// For each row of `cols` elements the root of the sum of their squares.
///
/// # Panics
/// If the slices do not fit.
pub fn length<T: Float>(src: &[T], cols: usize, dst: &mut [T]) {
    assert_eq!(src.len(), dst.len() * cols, "rows and results differ in number");
    if cols == 0 {
        return dst.fill(T::ZERO);
    }
    let any = |row: &[T]| sums_of_any(row, T::ZERO)[1].sqrt();
    if cols > SHORT {
        return each_row(src, cols, dst, any);
    }
    let (rows, all, dst) = (GRAIN.div_ceil(cols), dst.len(), Disjoint::new(dst));
    for_each(all.div_ceil(rows), src.len() / PER_NS + all * 2, |task| {
        let own = task * rows..((task + 1) * rows).min(all);
        let src = &src[own.start * cols..own.end * cols];
        // SAFETY: each task has rows of its own.
        let out = unsafe { dst.slice(own) };
        dispatch(Short { src, cols, out });
        for (row, out) in src.chunks_exact(cols).zip(out) {
            // Its square is what the kernel had.
            if size_of::<T>() < 8 && !(1e-15..f64::INFINITY).contains(&out.to_f64()) {
                *out = T::from_f64(any(row));
            }
        }
    });
}

/// The lengths of short rows, as far as their squares do not leave the range of `T`.
struct Short<'a, T> {
    src: &'a [T],
    cols: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Short<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        const ABREAST: usize = 8;
        if self.cols <= abreast::SHORT {
            let mut block = Block::new();
            for (rows, out) in self.src.chunks(ROWS * self.cols).zip(self.out.chunks_mut(ROWS)) {
                let squares = abreast::sums(block.load(rows, self.cols), |x, _| x * x);
                let mut roots = [T::ZERO; ROWS];
                for lane in 0..ROWS {
                    roots[lane] = T::from_f64(squares[lane].sqrt());
                }
                out.copy_from_slice(&roots[..out.len()]);
            }
            return;
        }
        for (row, out) in self.src.chunks_exact(self.cols).zip(self.out) {
            let mut sums = [T::ZERO; ABREAST];
            let (eights, rest) = row.as_chunks::<ABREAST>();
            for eight in eights {
                for i in 0..ABREAST {
                    sums[i] += eight[i] * eight[i];
                }
            }
            for (sum, &x) in sums.iter_mut().zip(rest) {
                *sum += x * x;
            }
            let pairs = |i: usize| sums[i].to_f64() + sums[i + ABREAST / 2].to_f64();
            *out = T::from_f64(((pairs(0) + pairs(2)) + (pairs(1) + pairs(3))).sqrt());
        }
    }
}

/// Puts what `of` makes of each row into `dst`. Rows are shared among threads, long ones by `of`.
fn each_row<T: Float>(src: &[T], cols: usize, dst: &mut [T], of: impl Fn(&[T]) -> f64 + Sync) {
    if cols > 2 * GRAIN {
        for (row, out) in src.chunks_exact(cols).zip(dst) {
            *out = T::from_f64(of(row));
        }
        return;
    }
    let (rows, all, dst) = (GRAIN.div_ceil(cols), dst.len(), Disjoint::new(dst));
    for_each(all.div_ceil(rows), src.len() / PER_NS, |task| {
        let own = task * rows..((task + 1) * rows).min(all);
        // SAFETY: each task has rows of its own.
        let out = unsafe { dst.slice(own.clone()) };
        for (row, out) in src[own.start * cols..].chunks_exact(cols).zip(out) {
            *out = T::from_f64(of(row));
        }
    });
}

/// Sums over a row; one that is long is shared among threads.
fn sums<T: Float>(row: &[T], addends: Addends<T>) -> [f64; 2] {
    if row.len() <= 2 * GRAIN {
        return dispatch(Leaf { row, addends });
    }
    let leaves = row.len().div_ceil(GRAIN);
    let mut parts = vec![[0.0; 2]; leaves];
    let out = Disjoint::new(&mut parts);
    for_each(leaves, row.len() / PER_NS, |leaf| {
        let row = &row[leaf * GRAIN..((leaf + 1) * GRAIN).min(row.len())];
        let sums = dispatch(Leaf { row, addends });
        // SAFETY: each leaf has a place of its own.
        unsafe { out.slice(leaf..leaf + 1) }.fill(sums);
    });
    parts.iter().fold([0.0; 2], |[a, b], part| [a + part[0], b + part[1]])
}

/// The sums of deviations from `center` and of their squares, also where squares leave the range of `T`: of those, the
/// deviations are brought near one.
fn sums_of_any<T: Float>(row: &[T], center: T) -> [f64; 2] {
    let sums_in_range = sums(row, Addends::Beside(center));
    if size_of::<T>() == 8 || (1e-30..f64::INFINITY).contains(&sums_in_range[1]) {
        return sums_in_range;
    }
    let largest = row.iter().fold(0.0, |largest: f64, x| largest.max((x.to_f64() - center.to_f64()).abs()));
    if largest == 0.0 || !largest.is_finite() {
        return sums_in_range;
    }
    let factor = largest.log2().floor().clamp(-126.0, 126.0).exp2().recip();
    let [rest, squares] = sums(row, Addends::Scaled(center, T::from_f64(factor)));
    [rest / factor, squares / (factor * factor)]
}

/// The sum of squared deviations from the mean, given sums of deviations from a number beside it, and of their squares.
fn corrected([rest, squares]: [f64; 2], len: usize) -> f64 {
    if squares.is_infinite() {
        return squares;
    }
    let off = rest * rest / count(len);
    // Of numbers that are not finite it is not a number.
    if off > squares { 0.0 } else { squares - off }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 elements")]
fn count(elements: usize) -> f64 {
    elements as f64
}

/// What is added up.
#[derive(Clone, Copy)]
enum Addends<T> {
    /// The elements, and nothing.
    Elements,
    /// How far they lie beside a number, and the squares of that.
    Beside(T),
    /// The same of that distance times a factor.
    Scaled(T, T),
}

/// The sums over a leaf.
struct Leaf<'a, T> {
    row: &'a [T],
    addends: Addends<T>,
}

impl<T: Float> Kernel for Leaf<'_, T> {
    type Output = [f64; 2];
    #[inline(always)]
    fn run<S: Simd>(self) -> [f64; 2] {
        match self.addends {
            Addends::Elements => [lanes::sum(self.row, |x| x), 0.0],
            Addends::Beside(center) => {
                lanes::sums(self.row, self.row, |x, _| [x - center, (x - center) * (x - center)])
            }
            Addends::Scaled(center, factor) => {
                // Elements and center may be further apart than `T` reaches.
                let center = center * factor;
                lanes::sums(self.row, self.row, |x, _| {
                    let apart = x * factor - center;
                    [apart, apart * apart]
                })
            }
        }
    }
}
