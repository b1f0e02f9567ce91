//! The element in one place of a line's order, without sorting the line.

use super::key::{Item, key};
use super::{GRAIN, MAX_LINE};
use crate::element::Element;
use crate::parallel::{Disjoint, for_each};

/// Estimated cost of an element, in nanoseconds.
const COST: usize = 8;

/// A place in the order of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// This one, from 0; NaN comes after all numbers, equals as they lie.
    At(usize),
    /// The lower of those in the middle, or the first NaN where there is one.
    Middle,
    /// The lower of those in the middle of the numbers; of none the first.
    MiddleNumber,
}

/// Where the element of that `rank` lies in each line of `n`.
///
/// # Panics
/// If `src` is not `out.len()` lines, a line is empty or longer than [`MAX_LINE`], or the rank exceeds it.
pub fn nth<T: Element>(src: &[T], n: usize, rank: Rank, out: &mut [i64]) {
    if size_of::<T>() > 4 {
        nth_as::<T, u128>(src, n, rank, out);
    } else {
        nth_as::<T, u64>(src, n, rank, out);
    }
}

fn nth_as<T: Element, I: Item>(src: &[T], n: usize, rank: Rank, out: &mut [i64]) {
    assert!(src.len() == out.len() * n && (1..=MAX_LINE).contains(&n), "lengths do not match the shapes");
    let (lines, grain) = (out.len(), (GRAIN / n).max(1));
    let out = Disjoint::new(out);
    for_each(lines.div_ceil(grain), src.len() * COST, |task| {
        let range = task * grain..lines.min((task + 1) * grain);
        let mut items: Vec<I> = Vec::with_capacity(n);
        // SAFETY: each task has lines of its own.
        for (out, line) in unsafe { out.slice(range.clone()) }.iter_mut().zip(src[range.start * n..].chunks(n)) {
            *out = place(line, rank, &mut items);
        }
    });
}

/// Where the element of that rank lies in a line; `items` is room.
fn place<T: Element, I: Item>(line: &[T], rank: Rank, items: &mut Vec<I>) -> i64 {
    let missing = || line.iter().filter(|x| x.is_nan()).count();
    let rank = match rank {
        Rank::At(rank) => rank,
        Rank::Middle => match missing() {
            0 => (line.len() - 1) / 2,
            missing => line.len() - missing,
        },
        Rank::MiddleNumber => (line.len() - missing()).saturating_sub(1) / 2,
    };
    items.clear();
    items.extend(line.iter().zip(0..).map(|(&x, position)| I::new(key(x, false), position)));
    i64::from(items.select_nth_unstable(rank).1.position())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_a_stable_order() {
        let nan = f64::NAN;
        let src = [3.0, 1.0, 2.0, 1.0, nan, 2.0, nan, 0.0, nan, nan, nan, nan];
        let of = |rank| {
            let mut out = [9; 3];
            nth(&src, 4, rank, &mut out);
            out
        };
        assert_eq!(of(Rank::At(0)), [1, 3, 0]);
        assert_eq!(of(Rank::At(1)), [3, 1, 1]);
        assert_eq!(of(Rank::At(3)), [0, 2, 3]);
        assert_eq!(of(Rank::Middle), [3, 0, 0]);
        assert_eq!(of(Rank::MiddleNumber), [3, 3, 0]);
        let long: Vec<i32> = (0..10_001).map(|i| i * 7919 % 10_001).collect();
        let mut out = [0];
        nth(&long, long.len(), Rank::Middle, &mut out);
        assert_eq!(long[usize::try_from(out[0]).unwrap()], 5000);
    }
}
