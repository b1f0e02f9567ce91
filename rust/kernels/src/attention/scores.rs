//! From products of queries and keys to the scores that are exponentiated: scale, mask, causality.

use std::ops::Range;

use super::Attention;
use crate::element::Float;
use crate::gemm::GemmFloat;
use crate::isa::Simd;
use crate::lanes::{NARROW as LANES, fold};
use crate::layout::Strided;

/// Elements that a row of scores takes in scratch: whole vectors, which end in keys that are not seen.
pub(super) fn padded(keys: usize) -> usize {
    keys.next_multiple_of(LANES)
}

/// A row of whole vectors, each of whose elements times a factor, not negative, is the score of a key.
pub(super) struct Scores<'s, T> {
    pub row: &'s mut [T],
    pub factor: T,
}

impl<T: Float> Scores<'_, T> {
    /// The largest score, leaving NaN out.
    #[inline(always)]
    pub fn largest(&self) -> T {
        let most = |x: T, y: T| if y > x { y } else { x };
        // Two vectors, in arrays of their own to stay in registers: a comparison waits for the one before.
        let (mut even, mut odd) = ([T::LOWEST; LANES], [T::LOWEST; LANES]);
        let (pairs, rest) = self.row.as_chunks::<{ 2 * LANES }>();
        for pair in pairs {
            for lane in 0..LANES {
                even[lane] = most(even[lane], pair[lane]);
                odd[lane] = most(odd[lane], pair[LANES + lane]);
            }
        }
        for chunk in rest.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                even[lane] = most(even[lane], chunk[lane]);
            }
        }
        for lane in 0..LANES {
            even[lane] = most(even[lane], odd[lane]);
        }
        let largest = fold(even, most);
        // No score is larger than minus infinity: it stays what it is, whatever the factor.
        if largest == T::LOWEST { largest } else { largest * self.factor }
    }

    /// Puts `exp(score - shift)` in place of each; their sum.
    #[inline(always)]
    pub fn exponentials<S: Simd>(&mut self, shift: T) -> T {
        let factor = self.factor;
        let mut sums = [T::ZERO; LANES];
        for chunk in self.row.as_chunks_mut::<LANES>().0 {
            for lane in 0..LANES {
                // The product is rounded as it was for the largest: shares of a certain key are one.
                chunk[lane] = (chunk[lane] * factor - shift).exp_nonpositive::<S>();
                sums[lane] += chunk[lane];
            }
        }
        fold(sums, |x, y| x + y)
    }
}

/// What keeps queries from keys.
#[derive(Clone, Copy, Debug)]
pub enum Mask<'a, T> {
    /// Nothing.
    None,
    /// Numbers added to the scores.
    Add(Plane<'a, T>),
    /// Zero where a key is not seen.
    Keep(Plane<'a, u8>),
}

/// One element for each (batch, head, query, key); steps may be zero.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a, T> {
    /// The slice they lie in.
    pub data: &'a [T],
    /// Position of the first element.
    pub offset: usize,
    /// Steps from a batch, a head, a query and a key to the next.
    pub strides: [isize; 4],
}

impl<T: Copy> Plane<'_, T> {
    fn check(&self, problem: &Attention) {
        let shape = [problem.batch, problem.heads, problem.queries, problem.keys];
        Strided { shape: &shape, strides: &self.strides, offset: self.offset }.check(self.data.len());
    }

    /// `f(element, score)` in place of each score of a row that begins at (batch, head, query, key).
    #[inline(always)]
    fn each<F: Copy>(&self, at: [usize; 4], scores: &mut [F], f: impl Fn(T, F) -> F) {
        let ahead = at.iter().zip(self.strides).map(|(&i, stride)| i.cast_signed() * stride).sum();
        let first = self.offset.wrapping_add_signed(ahead);
        if self.strides[3] == 1 {
            for (score, &mask) in scores.iter_mut().zip(&self.data[first..]) {
                *score = f(mask, *score);
            }
        } else {
            for (key, score) in scores.iter_mut().enumerate() {
                *score = f(self.data[first.wrapping_add_signed(key.cast_signed() * self.strides[3])], *score);
            }
        }
    }
}

impl<'a, T: GemmFloat> Mask<'a, T> {
    /// The same for float32, if that is what there is.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn float32(self) -> Option<Mask<'a, f32>> {
        Some(match self {
            Self::None => Mask::None,
            Self::Add(Plane { data, offset, strides }) => Mask::Add(Plane { data: T::float32(data)?, offset, strides }),
            Self::Keep(plane) => Mask::Keep(plane),
        })
    }
}

impl<T: Float> Mask<'_, T> {
    pub(super) fn check(&self, problem: &Attention) {
        match self {
            Self::None => {}
            Self::Add(plane) => plane.check(problem),
            Self::Keep(plane) => plane.check(problem),
        }
    }
}

impl Attention {
    /// Turns the products of one query with `keys`, which begin a row of whole vectors, into scores; minus infinity where
    /// a key is not seen. They are the vectors up to the last key that causality lets it see, which are returned; the
    /// rest of the row stays as it is.
    #[inline(always)]
    pub(super) fn score<'s, T: Float, S: Simd>(
        &self,
        mask: &Mask<'_, T>,
        [batch, head, query]: [usize; 3],
        keys: &Range<usize>,
        row: &'s mut [T],
    ) -> Scores<'s, T> {
        let scale = T::from_f64(self.scale);
        let at = [batch, head, query, keys.start];
        let seen = self.seen(query, keys);
        let row = &mut row[..padded(seen)];
        let products = &mut row[..seen];
        let mut factor = T::ONE;
        match mask {
            // Multiplied where they are read. Minus infinity stays what it is only by a positive factor.
            Mask::None if scale > T::ZERO => factor = scale,
            Mask::None => products.iter_mut().for_each(|x| *x *= scale),
            Mask::Add(plane) => plane.each(at, products, |mask, x| x.fma::<S>(scale, mask)),
            Mask::Keep(plane) => plane.each(at, products, |mask, x: T| if mask == 0 { T::LOWEST } else { x * scale }),
        }
        row[seen..].fill(T::LOWEST);
        Scores { row, factor }
    }
}
