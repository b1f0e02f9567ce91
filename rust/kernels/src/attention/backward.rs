//! Attention backward: a task is a head of keys, or a part of its keys where there are few heads; it runs over the blocks
//! of its keys and for each over the queries that see them.

use std::ops::Range;

use super::scores::{Mask, exponentials};
use super::{Attention, Columns, Heads, KEYS, QUERIES, WORK_PER_NS, blocks};
use crate::element::Float;
use crate::gemm::{Gemm, GemmFloat, Matrix, gemm};
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Tasks to cut the keys into, if there are fewer heads.
const TASKS: usize = 16;

/// Where the gradients of queries, keys and values go, each (batch, rows, heads, columns).
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// Of the queries.
    pub q: &'a mut [T],
    /// Of the keys.
    pub k: &'a mut [T],
    /// Of the values.
    pub v: &'a mut [T],
}

/// Gradients from that of the result, `g`, and from what [`super::forward()`] made: the result and its logarithms.
///
/// With the probabilities `P` and `D = P ∘ (G Vᵀ - rowsum(G ∘ Y)) * scale`, they are `D K`, `Dᵀ Q` and `Pᵀ G`.
///
/// # Panics
/// If slices do not fit the problem.
#[expect(clippy::too_many_arguments, reason = "seven arrays, their mask and their sizes")]
pub fn backward<T: GemmFloat>(
    problem: &Attention,
    q: Heads<'_, T>,
    k: Heads<'_, T>,
    v: Heads<'_, T>,
    mask: Mask<'_, T>,
    out: Heads<'_, T>,
    log_sums: &[T],
    g: Heads<'_, T>,
    gradients: Gradients<'_, T>,
) {
    let &Attention { batch, heads, shared, queries, keys, depth, value_depth, .. } = problem;
    problem.check(&q, &k, &v);
    mask.check(problem);
    let key_heads = problem.key_heads();
    g.check([batch, heads, queries, value_depth]);
    out.check([batch, heads, queries, value_depth]);
    assert_eq!(log_sums.len(), batch * heads * queries, "one logarithm a query");
    let (rows, columns) = (batch * heads * queries, batch * key_heads * keys);
    let Gradients { q: gq, k: gk, v: gv } = gradients;
    assert!(gq.len() == rows * depth && gk.len() == columns * depth && gv.len() == columns * value_depth);
    let inner = inner_products(problem, out, g);
    let key_columns = Columns::new(k, problem, depth);
    let value_columns = Columns::new(v, problem, value_depth);
    let all_blocks = keys.div_ceil(KEYS);
    let parts = (TASKS / (batch * key_heads).max(1)).clamp(1, all_blocks.max(1));
    let mut sums = Buffer::zeroed(parts * gq.len() * size_of::<T>());
    let per_part = heads * queries * depth;
    let (each, gk, gv) = (Disjoint::new(sums.as_mut_slice::<T>()), Disjoint::new(gk), Disjoint::new(gv));
    for_each(batch * key_heads * parts, 5 * problem.work() / WORK_PER_NS, |task| {
        let (part, batch_head) = (task % parts, task / parts);
        let (batch, key_head) = (batch_head / key_heads, batch_head % key_heads);
        let at = ((part * problem.batch + batch) * heads + key_head * shared) * queries * depth;
        // SAFETY: each part of each head has sums of its own.
        let gq = unsafe { each.slice(at..at + shared * queries * depth) };
        let own = part * all_blocks / parts * KEYS..((part + 1) * all_blocks / parts * KEYS).min(keys);
        let mut scratch = Buffer::uninit((2 * QUERIES * KEYS + KEYS * (depth + value_depth)) * size_of::<T>());
        let (scores, rest) = scratch.as_mut_slice::<T>().split_at_mut(QUERIES * KEYS);
        let (slopes, rest) = rest.split_at_mut(QUERIES * KEYS);
        let (sum_k, sum_v) = rest.split_at_mut(KEYS * depth);
        for keys in blocks(own, KEYS) {
            let n = keys.len();
            let (sum_k, sum_v) = (&mut sum_k[..n * depth], &mut sum_v[..n * value_depth]);
            sum_k.fill(T::ZERO);
            sum_v.fill(T::ZERO);
            let first = if problem.causal { keys.start / QUERIES * QUERIES } else { 0 };
            for head in key_head * shared..(key_head + 1) * shared {
                for rows in blocks(first..queries.max(first), QUERIES) {
                    let m = rows.len();
                    let (scores, slopes) = (&mut scores[..m * n], &mut slopes[..m * n]);
                    let (q, g) = (q.rows(batch, head, rows.start), g.rows(batch, head, rows.start));
                    gemm(Gemm::new([m, depth, n], q, key_columns.block(batch, key_head, &keys), scores));
                    gemm(Gemm::new([m, value_depth, n], g, value_columns.block(batch, key_head, &keys), slopes));
                    let of_head = (batch * heads + head) * queries;
                    let (log_sums, inner) = (&log_sums[of_head..], &inner.as_slice::<T>()[of_head..]);
                    let first = [batch, head, rows.start];
                    dispatch(Block { problem, mask, first, keys: &keys, log_sums, inner, scores, slopes });
                    let (probabilities, slopes) = (Matrix::contiguous(scores, n), Matrix::contiguous(slopes, n));
                    let add = |sizes, a, b, c| gemm(Gemm { accumulate: true, ..Gemm::new(sizes, a, b, c) });
                    add([n, m, value_depth], probabilities.transposed(), g, &mut *sum_v);
                    add([n, m, depth], slopes.transposed(), q, &mut *sum_k);
                    let at = ((head - key_head * shared) * queries + rows.start) * depth;
                    add([m, n, depth], slopes, k.rows(batch, key_head, keys.start), &mut gq[at..at + m * depth]);
                }
            }
            for (row, key) in keys.enumerate() {
                let at = (batch * problem.keys + key) * key_heads + key_head;
                // SAFETY: each key of each head has its own place.
                let (gk, gv) = unsafe {
                    (gk.slice(at * depth..(at + 1) * depth), gv.slice(at * value_depth..(at + 1) * value_depth))
                };
                gk.copy_from_slice(&sum_k[row * depth..][..depth]);
                gv.copy_from_slice(&sum_v[row * value_depth..][..value_depth]);
            }
        }
    });
    let (sums, gq) = (sums.as_slice::<T>(), Disjoint::new(gq));
    for_each(batch * queries, parts * rows * depth / 4, |row| {
        let (batch, query) = (row / queries, row % queries);
        // SAFETY: each query has its own place.
        let gq = unsafe { gq.slice(row * heads * depth..(row + 1) * heads * depth) };
        for (head, gq) in gq.chunks_exact_mut(depth.max(1)).enumerate() {
            let at = (batch * heads + head) * queries * depth + query * depth;
            gq.copy_from_slice(&sums[at..at + depth]);
            for part in 1..parts {
                for (gq, &sum) in gq.iter_mut().zip(&sums[part * problem.batch * per_part + at..]) {
                    *gq += sum;
                }
            }
        }
    });
}

/// For each query the product of the result and its gradient.
fn inner_products<T: GemmFloat>(problem: &Attention, out: Heads<'_, T>, g: Heads<'_, T>) -> Buffer {
    let &Attention { batch, heads, queries, value_depth, .. } = problem;
    let mut inner = Buffer::uninit(batch * heads * queries * size_of::<T>());
    let places = Disjoint::new(inner.as_mut_slice::<T>());
    for_each(batch * heads, batch * heads * queries * value_depth / 8, |head| {
        // SAFETY: each head has its own place.
        let inner = unsafe { places.slice(head * queries..(head + 1) * queries) };
        dispatch(Dots { out, g, at: [head / heads, head % heads], cols: value_depth, inner });
    });
    inner
}

struct Dots<'a, T> {
    out: Heads<'a, T>,
    g: Heads<'a, T>,
    at: [usize; 2],
    cols: usize,
    inner: &'a mut [T],
}

impl<T: Float> Kernel for Dots<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let [batch, head] = self.at;
        for (query, inner) in self.inner.iter_mut().enumerate() {
            let (out, g) = (self.out.row(batch, head, query, self.cols), self.g.row(batch, head, query, self.cols));
            let [sum] = lanes::sums(out, g, |out, g| [out * g]);
            *inner = T::from_f64(sum);
        }
    }
}

/// Turns a block of products of queries and keys into probabilities, and of gradients and values into slopes of scores.
struct Block<'a, T> {
    problem: &'a Attention,
    mask: Mask<'a, T>,
    /// Batch, head and first query.
    first: [usize; 3],
    keys: &'a Range<usize>,
    /// Of the head's queries.
    log_sums: &'a [T],
    inner: &'a [T],
    scores: &'a mut [T],
    slopes: &'a mut [T],
}

impl<T: Float> Kernel for Block<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let [batch, head, first] = self.first;
        let (n, scale) = (self.keys.len(), T::from_f64(self.problem.scale));
        for (row, (scores, slopes)) in self.scores.chunks_exact_mut(n).zip(self.slopes.chunks_exact_mut(n)).enumerate()
        {
            let query = first + row;
            self.problem.score::<T, S>(&self.mask, [batch, head, query], self.keys, scores);
            let log_sum = self.log_sums[query];
            let shift = if log_sum == T::LOWEST { T::ZERO } else { log_sum };
            exponentials::<T, S>(scores, shift);
            let inner = self.inner[query];
            for (slope, &probability) in slopes.iter_mut().zip(scores.iter()) {
                *slope = probability * (*slope - inner) * scale;
            }
        }
    }
}
