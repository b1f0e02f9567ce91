//! Scaled dot-product attention, `softmax(scale * Q Kᵀ + mask) V`, a block of queries and a block of keys at a time.
//!
//! The scores of a block live in a cache and nowhere else (Dao et al. 2022): forward keeps the largest score and the
//! sum of exponentials of each row as it runs over the keys, and saves their logarithm; backward makes the
//! probabilities again from it. So memory grows with the length, not with its square. Products run on the packed core;
//! keys and values that are seen as columns are transposed once, in blocks whose rows the core reads in place.

#![allow(
    clippy::many_single_char_names,
    reason = "q, k, v and the m, n of products are the names that everybody knows"
)]

mod backward;
mod forward;
#[cfg(target_arch = "x86_64")]
mod in_terms;
mod scores;

pub use backward::{Gradients, backward, backward_bfloat16};
pub use forward::{forward, forward_bfloat16};
pub use scores::{Mask, Plane};

use std::ops::Range;

use crate::copy;
use crate::gemm::{GemmFloat, Matrix};
use crate::layout::Strided;

/// Queries of a block: few enough for the core to read both operands of its products in place.
const QUERIES: usize = 56;
/// Keys of a block: whole tiles of the core, in rows whose stride spreads over the sets of a cache.
const KEYS: usize = 224;
/// Queries from which on a transposed copy of the keys pays.
const TRANSPOSED_FROM: usize = 8;
/// Heads from which on a task is a whole head: it transposes the keys where it uses them, and for its own queries only.
const WHOLE_HEADS: usize = 32;
/// Estimated multiply-adds of a nanosecond.
const WORK_PER_NS: usize = 40;

/// The sizes of a problem.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Independent problems.
    pub batch: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Neighbouring heads of queries that look at one head of keys and values.
    pub shared: usize,
    /// Queries of a head.
    pub queries: usize,
    /// Keys of a head, and values.
    pub keys: usize,
    /// Size of a query and of a key.
    pub depth: usize,
    /// Size of a value.
    pub value_depth: usize,
    /// What products of queries and keys are multiplied by.
    pub scale: f64,
    /// Whether query `i` sees keys `0..=i` only.
    pub causal: bool,
    /// Whether all numbers are those of bfloat16, and the result will be: one term is enough for each factor.
    pub narrow: bool,
}

impl Attention {
    /// Whether it is computed on tiles, which read keys and values once, to pack them.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return in_terms::terms(self).is_some();
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Whether [`forward_bfloat16`] and [`backward_bfloat16`] compute it.
    #[must_use]
    pub fn takes_bfloat16(&self) -> bool {
        self.narrow && self.is_packed()
    }

    /// Heads of keys.
    fn key_heads(&self) -> usize {
        self.heads / self.shared
    }

    /// Blocks of a head's queries, of about as many each.
    fn query_blocks(&self) -> usize {
        self.queries.div_ceil(QUERIES)
    }

    fn query_block(&self, index: usize) -> Range<usize> {
        let blocks = self.query_blocks();
        index * self.queries / blocks..(index + 1) * self.queries / blocks
    }

    /// The keys that some query of `queries` sees, in blocks.
    fn key_blocks(&self, queries: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let end = if self.causal { self.keys.min(queries.end) } else { self.keys };
        blocks(0..end, KEYS)
    }

    /// How many of `keys` a query sees.
    fn seen(&self, query: usize, keys: &Range<usize>) -> usize {
        if self.causal { (query + 1).saturating_sub(keys.start).min(keys.len()) } else { keys.len() }
    }

    /// Multiply-adds of one of the two products of forward.
    fn work(&self) -> usize {
        let all = self.batch.saturating_mul(self.heads).saturating_mul(self.queries).saturating_mul(self.keys);
        all.saturating_mul(self.depth.max(self.value_depth).max(1)) / if self.causal { 2 } else { 1 }
    }

    fn check<T>(&self, q: &Heads<'_, T>, k: &Heads<'_, T>, v: &Heads<'_, T>) {
        assert!(self.shared > 0 && self.heads.is_multiple_of(self.shared), "heads of queries in whole groups");
        q.check([self.batch, self.heads, self.queries, self.depth]);
        k.check([self.batch, self.key_heads(), self.keys, self.depth]);
        v.check([self.batch, self.key_heads(), self.keys, self.value_depth]);
    }
}

fn blocks(range: Range<usize>, len: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(len).map(move |start| start..(start + len).min(range.end))
}

/// Rows of adjacent elements, (batch, heads, rows, columns).
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, T> {
    /// The slice they lie in.
    pub data: &'a [T],
    /// Position of the first element.
    pub offset: usize,
    /// Steps from a batch, a head and a row to the next.
    pub strides: [isize; 3],
}

impl<'a, T: GemmFloat> Heads<'a, T> {
    /// The same as float32, if that is what they are.
    #[cfg(target_arch = "x86_64")]
    fn float32(self) -> Option<Heads<'a, f32>> {
        let Self { data, offset, strides } = self;
        Some(Heads { data: T::float32(data)?, offset, strides })
    }
}

impl<'a, T: Copy> Heads<'a, T> {
    /// (batch, rows, heads, columns) without gaps: how results are stored, so that heads lie side by side.
    #[must_use]
    pub fn side_by_side(data: &'a [T], rows: usize, heads: usize, cols: usize) -> Self {
        let strides = [rows * heads * cols, cols, heads * cols].map(usize::cast_signed);
        Self { data, offset: 0, strides }
    }

    /// The rows of a head from `row` on.
    fn rows(&self, batch: usize, head: usize, row: usize) -> Matrix<'a, T> {
        let at = [batch, head, row].iter().zip(self.strides).map(|(&i, stride)| i.cast_signed() * stride).sum();
        Matrix {
            data: self.data,
            offset: self.offset.wrapping_add_signed(at),
            row_stride: self.strides[2],
            col_stride: 1,
        }
    }

    /// One row of a head.
    fn row(&self, batch: usize, head: usize, row: usize, cols: usize) -> &'a [T] {
        if cols == 0 {
            return &[];
        }
        &self.data[self.rows(batch, head, row).offset..][..cols]
    }
}

impl<T> Heads<'_, T> {
    fn check(&self, shape: [usize; 4]) {
        let [batch, head, row] = self.strides;
        Strided { shape: &shape, strides: &[batch, head, row, 1], offset: self.offset }.check(self.data.len());
    }
}

/// Rows of one head as the columns of a matrix.
struct Columns<'a, T> {
    /// The head, from its first row on.
    rows: Matrix<'a, T>,
    /// Blocks of [`KEYS`] rows, transposed, the first of which begins with row `first`.
    transposed: Option<&'a [T]>,
    first: usize,
    /// Rows from there on.
    len: usize,
    depth: usize,
}

impl<'a, T: GemmFloat> Columns<'a, T> {
    /// The rows `range` of a head; in `scratch` if a transposed copy pays.
    fn new(rows: Matrix<'a, T>, range: &Range<usize>, depth: usize, scratch: Option<&'a mut [T]>) -> Self {
        let Range { start: first, end } = *range;
        let transposed = scratch.map(|scratch| {
            for block in blocks(range.clone(), KEYS) {
                transpose(rows, &block, depth, &mut scratch[(block.start - first) * depth..]);
            }
            &*scratch
        });
        Self { rows, transposed, first, len: end - first, depth }
    }

    /// The rows `block`, which begins like one of the blocks, as the columns of a matrix.
    fn block(&self, block: &Range<usize>) -> Matrix<'_, T> {
        let Some(transposed) = self.transposed else {
            let at = block.start.cast_signed() * self.rows.row_stride;
            return Matrix { offset: self.rows.offset.wrapping_add_signed(at), ..self.rows }.transposed();
        };
        let start = block.start - self.first;
        Matrix { offset: start * self.depth, ..Matrix::contiguous(transposed, KEYS.min(self.len - start)) }
    }
}

/// The rows `block` as columns, in as many elements of `out`.
fn transpose<T: GemmFloat>(rows: Matrix<'_, T>, block: &Range<usize>, depth: usize, out: &mut [T]) {
    let start = rows.offset.wrapping_add_signed(block.start.cast_signed() * rows.row_stride);
    copy::turn(rows.data, start, rows.row_stride, [block.len(), depth], &mut out[..block.len() * depth]);
}

/// The first `len` elements of what is left of some scratch.
#[allow(clippy::mut_mut, reason = "what is left gets shorter")]
fn part<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    rest.split_off_mut(..len).expect("as much scratch as was asked for")
}
