//! Attention forward: a task is a block of queries, which runs over the keys.

use std::ops::Range;

use super::scores::{Mask, exponentials, largest};
use super::{Attention, Columns, Heads, KEYS, QUERIES, WORK_PER_NS, blocks};
use crate::element::Float;
use crate::gemm::{Gemm, GemmFloat, Matrix, gemm};
use crate::isa::{Kernel, Simd, dispatch};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Writes the result, (batch, queries, heads, columns of values), and for each query, (batch, heads, queries), the
/// logarithm of the sum of its scores' exponentials. A query that sees no key gets zeros, and minus infinity.
///
/// # Panics
/// If slices do not fit the problem.
pub fn forward<T: GemmFloat>(
    problem: &Attention,
    q: Heads<'_, T>,
    k: Heads<'_, T>,
    v: Heads<'_, T>,
    mask: Mask<'_, T>,
    out: &mut [T],
    log_sums: &mut [T],
) {
    let &Attention { batch, heads, shared, queries, depth, value_depth, .. } = problem;
    problem.check(&q, &k, &v);
    mask.check(problem);
    let rows = batch * heads * queries;
    assert!(out.len() == rows * value_depth && log_sums.len() == rows, "results do not fit");
    if rows == 0 {
        return;
    }
    let columns = Columns::new(k, problem, depth);
    let per_head = queries.div_ceil(QUERIES);
    let (out, log_sums) = (Disjoint::new(out), Disjoint::new(log_sums));
    for_each(batch * heads * per_head, 2 * problem.work() / WORK_PER_NS, |task| {
        let (batch, head) = (task / per_head / heads, task / per_head % heads);
        let rows = blocks(0..queries, QUERIES).nth(task % per_head).expect("one of the blocks");
        let count = rows.len();
        let mut scratch = Buffer::uninit(count * (KEYS + value_depth) * size_of::<T>());
        let (scores, sums) = scratch.as_mut_slice::<T>().split_at_mut(count * KEYS);
        let mut running = Running { largest: [T::LOWEST; QUERIES], totals: [T::ZERO; QUERIES] };
        for keys in problem.key_blocks(&rows) {
            let scores = &mut scores[..count * keys.len()];
            let (a, b) = (q.rows(batch, head, rows.start), columns.block(batch, head / shared, &keys));
            gemm(Gemm::new([count, depth, keys.len()], a, b, scores));
            let first = [batch, head, rows.start];
            dispatch(Exponentials { problem, mask, first, keys: &keys, scores, sums, running: &mut running });
            let (a, b) = (Matrix::contiguous(scores, keys.len()), v.rows(batch, head / shared, keys.start));
            let product = Gemm::new([count, keys.len(), value_depth], a, b, sums);
            gemm(Gemm { accumulate: keys.start > 0, ..product });
        }
        let at = (batch * heads + head) * queries;
        // SAFETY: each query has its own place.
        let log_sums = unsafe { log_sums.slice(at + rows.start..at + rows.end) };
        dispatch(Logarithms { running: &running, log_sums });
        for (row, query) in rows.enumerate() {
            let at = ((batch * queries + query) * heads + head) * value_depth;
            // SAFETY: as above.
            let out = unsafe { out.slice(at..at + value_depth) };
            let total = running.totals[row];
            if total == T::ZERO {
                out.fill(T::ZERO);
                continue;
            }
            for (out, &sum) in out.iter_mut().zip(&sums[row * value_depth..]) {
                *out = sum / total;
            }
        }
    });
}

/// What is known of each query's scores so far.
struct Running<T> {
    largest: [T; QUERIES],
    /// Sums of the exponentials of what scores are below the largest.
    totals: [T; QUERIES],
}

/// Turns a block of products into exponentials, and the sums of values so far into what they are below the new maximum.
struct Exponentials<'a, T> {
    problem: &'a Attention,
    mask: Mask<'a, T>,
    /// Batch, head and first query.
    first: [usize; 3],
    keys: &'a Range<usize>,
    scores: &'a mut [T],
    sums: &'a mut [T],
    running: &'a mut Running<T>,
}

impl<T: Float> Kernel for Exponentials<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let [batch, head, query] = self.first;
        let depth = self.problem.value_depth;
        for (row, scores) in self.scores.chunks_exact_mut(self.keys.len()).enumerate() {
            self.problem.score::<T, S>(&self.mask, [batch, head, query + row], self.keys, scores);
            let before = self.running.largest[row];
            let most = before.maximum(largest(scores));
            // Where nothing is seen, minus infinity from minus infinity would be NaN.
            let shift = if most == T::LOWEST { T::ZERO } else { most };
            let total = exponentials::<T, S>(scores, shift);
            let kept = (before - shift).exp::<S>();
            self.running.totals[row] = self.running.totals[row].fma::<S>(kept, total);
            self.running.largest[row] = most;
            if self.keys.start > 0 && kept != T::ONE {
                for sum in &mut self.sums[row * depth..][..depth] {
                    *sum *= kept;
                }
            }
        }
    }
}

struct Logarithms<'a, T> {
    running: &'a Running<T>,
    log_sums: &'a mut [T],
}

impl<T: Float> Kernel for Logarithms<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for ((out, &largest), &total) in self.log_sums.iter_mut().zip(&self.running.largest).zip(&self.running.totals) {
            *out = if total == T::ZERO { T::LOWEST } else { largest + total.log::<S>() };
        }
    }
}
