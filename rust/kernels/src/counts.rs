//! How often elements occur: whole numbers, numbers between edges, runs of equals.

use crate::element::{Element, Float};
use crate::isa::{Kernel, Simd, dispatch};

/// The least and the greatest of `ids`; of none the greatest and the least that there are.
#[must_use]
pub fn ends(ids: &[i64]) -> (i64, i64) {
    dispatch(Ends(ids))
}

struct Ends<'a>(&'a [i64]);

impl Kernel for Ends<'_> {
    type Output = (i64, i64);
    #[inline(always)]
    fn run<S: Simd>(self) -> (i64, i64) {
        self.0.iter().fold((i64::MAX, i64::MIN), |(low, high), &id| (low.min(id), high.max(id)))
    }
}

/// Adds to each of `counts` how many of `ids` name it.
///
/// # Panics
/// On an id outside `counts`.
pub fn count(ids: &[i64], counts: &mut [i64]) {
    for &id in ids {
        counts[crate::gather::position(id)] += 1;
    }
}

/// Adds to each of `counts`, intervals of one width from `low` to `high`, both included, how many of `src` lie in it: by
/// the arithmetic of `T`, as in PyTorch, which decides where edges are no numbers of `T`.
#[allow(clippy::cast_precision_loss, reason = "a number of intervals")]
pub fn even<T: Float>(src: &[T], low: f64, high: f64, counts: &mut [i64]) {
    let last = counts.len() - 1;
    let (low, high, bins) = (T::from_f64(low), T::from_f64(high), T::from_f64(counts.len() as f64));
    for &x in src.iter().filter(|&&x| x >= low && x <= high) {
        counts[floor(((x - low) * bins / (high - low)).to_f64()).min(last)] += 1;
    }
}

/// The whole part of what is not negative.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; NaN is zero")]
fn floor(x: f64) -> usize {
    x as usize
}

/// Adds to each of `sums`, between neighbours in the ascending `edges`, the `weight` of each element of `src` there: on an
/// edge of the upper interval, on the last one of the last interval.
///
/// # Panics
/// If there is not one edge more than sums.
#[allow(clippy::cast_precision_loss, reason = "a number of intervals")]
pub fn between<T: Float, W: Element>(src: &[T], edges: &[T], weight: impl Fn(usize) -> W, sums: &mut [W]) {
    assert_eq!(edges.len(), sums.len() + 1, "edges around the sums");
    let last = sums.len() - 1;
    let (low, high) = (edges[0], edges[sums.len()]);
    let scale = sums.len() as f64 / (high.to_f64() - low.to_f64());
    for (i, &x) in src.iter().enumerate().filter(|&(_, &x)| x >= low && x <= high) {
        // Where it is among edges of one distance, which they often have.
        let mut at = floor((x.to_f64() - low.to_f64()) * scale).min(last);
        if !(edges[at] <= x && (at == last || x < edges[at + 1])) {
            at = edges.partition_point(|edge| *edge <= x).saturating_sub(1).min(last);
        }
        sums[at] = sums[at].wrapping_add(weight(i));
    }
}

/// How many runs of equals `src` is made of. NaN equals no NaN.
#[must_use]
pub fn runs<T: Element>(src: &[T]) -> usize {
    dispatch(Runs(src))
}

struct Runs<'a, T>(&'a [T]);

impl<T: Element> Kernel for Runs<'_, T> {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self) -> usize {
        let Some(later) = self.0.get(1..) else { return 0 };
        1 + later.iter().zip(self.0).filter(|(x, before)| x != before).count()
    }
}

/// The first element of each of the [`runs`] of `src`.
///
/// # Panics
/// If there are not as many `firsts` as runs.
pub fn firsts<T: Element>(src: &[T], firsts: &mut [T]) {
    let Some(mut run) = firsts.len().checked_sub(1) else { return };
    // Backwards, so that what is written last of each run is its first, without a branch.
    for pair in src.windows(2).rev() {
        firsts[run] = pair[1];
        run -= usize::from(pair[0] != pair[1]);
    }
    firsts[run] = src[0];
}

/// The number of the run that each element of `src` is in, from 0.
///
/// # Panics
/// If lengths differ.
pub fn run_of_each<T: Element>(src: &[T], numbers: &mut [i64]) {
    assert_eq!(src.len(), numbers.len(), "one number an element");
    let mut number = 0;
    for (i, out) in numbers.iter_mut().enumerate() {
        number += i64::from(i > 0 && src[i] != src[i - 1]);
        *out = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_equals() {
        for (src, expected) in [
            (vec![], vec![]),
            (vec![2.0], vec![2.0]),
            (vec![0.0, -0.0, 1.0, 1.0, 0.0], vec![0.0, 1.0, 0.0]),
            (vec![3.0, f64::NAN, f64::NAN], vec![3.0, f64::NAN, f64::NAN]),
        ] {
            let mut values = vec![9.0; runs(&src)];
            firsts(&src, &mut values);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&values), bits(&expected));
        }
        let mut numbers = [9; 5];
        run_of_each(&[4, 4, 5, 4, 4], &mut numbers);
        assert_eq!(numbers, [0, 0, 1, 2, 2]);
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "exact values")]
    fn counts_of_numbers_and_of_intervals() {
        let ids: Vec<i64> = (0..100).map(|i| i * i % 7).collect();
        assert_eq!((ends(&ids), ends(&[])), ((0, 4), (i64::MAX, i64::MIN)));
        let mut counts = [1; 5];
        count(&ids, &mut counts);
        assert_eq!(counts, [16, 30, 29, 1, 29]);
        let src = [0.0, 1.0, 1.5, 2.0, -0.1, 2.1, f64::NAN];
        let mut counts = [0; 2];
        even(&src, 0.0, 2.0, &mut counts);
        assert_eq!(counts, [1, 3]);
        // Edges of several distances, and two that are one.
        for (edges, expected) in
            [([0.0, 1.0, 2.0], [1.0, 3.0]), ([0.0, 1.7, 2.0], [3.0, 1.0]), ([1.0, 1.0, 1.6], [0.0, 2.0])]
        {
            let mut sums = [0.0; 2];
            between(&src, &edges, |_| 1.0, &mut sums);
            assert_eq!(sums, expected);
        }
    }
}
