//! Products of vectors of three elements.

use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_ranges};

/// Elements of a task, about, and the estimated cost of 1024, in nanoseconds.
const GRAIN: usize = 1 << 13;
const COST: usize = 600;

/// The vector products of `a` and `b`, which are `[outer, 3, inner]`, along their dimension of three.
///
/// # Panics
/// If lengths differ or are no whole number of such blocks.
pub fn cross<T: Element>(a: &[T], b: &[T], inner: usize, dst: &mut [T]) {
    assert!(a.len() == b.len() && a.len() == dst.len(), "lengths differ");
    if a.is_empty() {
        return;
    }
    let block = 3 * inner;
    assert!(a.len().is_multiple_of(block), "lengths do not match the shapes");
    let dst = Disjoint::new(dst);
    for_ranges(a.len() / block, (GRAIN / block).max(1), block.saturating_mul(COST), |blocks| {
        let range = blocks.start * block..blocks.end * block;
        // SAFETY: ranges of blocks are disjoint.
        let dst = unsafe { dst.slice(range.clone()) };
        dispatch(Blocks { a: &a[range.clone()], b: &b[range], inner, dst });
    });
}

struct Blocks<'a, T> {
    a: &'a [T],
    b: &'a [T],
    inner: usize,
    dst: &'a mut [T],
}

impl<T: Element> Kernel for Blocks<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { a, b, inner, dst } = self;
        if inner == 1 {
            let triples = a.as_chunks::<3>().0.iter().zip(b.as_chunks::<3>().0);
            for ((&[a0, a1, a2], &[b0, b1, b2]), dst) in triples.zip(dst.as_chunks_mut::<3>().0) {
                *dst = [minor(a1, b2, a2, b1), minor(a2, b0, a0, b2), minor(a0, b1, a1, b0)];
            }
            return;
        }
        let blocks = a.chunks_exact(3 * inner).zip(b.chunks_exact(3 * inner));
        for ((a, b), dst) in blocks.zip(dst.chunks_exact_mut(3 * inner)) {
            for (entry, dst) in dst.chunks_exact_mut(inner).enumerate() {
                let (next, last) = ((entry + 1) % 3 * inner, (entry + 2) % 3 * inner);
                let terms = a[next..][..inner].iter().zip(&b[last..][..inner]);
                let others = a[last..][..inner].iter().zip(&b[next..][..inner]);
                for (((&a, &b), (&c, &d)), dst) in terms.zip(others).zip(dst) {
                    *dst = minor(a, b, c, d);
                }
            }
        }
    }
}

/// `a * b - c * d`.
#[inline(always)]
fn minor<T: Element>(a: T, b: T, c: T, d: T) -> T {
    a.wrapping_mul(b).wrapping_sub(c.wrapping_mul(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_along_memory_and_across_it() {
        let (a, b) = ([1, 2, 3, 0, 1, 0], [4, 5, 6, 0, 0, 1]);
        let mut along = [0; 6];
        cross(&a, &b, 1, &mut along);
        assert_eq!(along, [-3, 6, -3, 1, 0, 0]);
        let turned = |x: [i32; 6]| [x[0], x[3], x[1], x[4], x[2], x[5]];
        let mut across = [0; 6];
        cross(&turned(a), &turned(b), 2, &mut across);
        assert_eq!(across, turned(along));
        cross::<i32>(&[], &[], 0, &mut []);
    }
}
