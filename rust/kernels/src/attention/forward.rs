//! Attention forward: a task is a head, or a block of its queries where there are few heads; each block of queries runs
//! over the keys.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::in_terms;
use super::scores::{Mask, padded};
use super::{Attention, Columns, Heads, KEYS, QUERIES, TRANSPOSED_FROM, WHOLE_HEADS, WORK_PER_NS, part, transpose};
use crate::element::Float;
use crate::gemm::{Gemm, GemmFloat, Matrix, gemm_serial, with_scratch};
use crate::half::Bf16;
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
    let &Attention { batch, heads, shared, queries, keys, depth, value_depth, .. } = problem;
    check(problem, [&q, &k, &v], &mask, out, log_sums);
    if log_sums.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(terms) = in_terms::terms(problem)
        && let (Some(q), Some(k), Some(v), Some(mask)) = (q.float32(), k.float32(), v.float32(), mask.float32())
        && let (Some(out), Some(log_sums)) = (T::float32_mut(out), T::float32_mut(log_sums))
    {
        // SAFETY: there are terms where there are tiles.
        return unsafe { in_terms::Forward { problem, q, k, v, mask, out, log_sums }.run(terms) };
    }
    let blocks = problem.query_blocks();
    let copied = queries >= TRANSPOSED_FROM;
    let whole = batch * heads >= WHOLE_HEADS || blocks == 1;
    let common = (copied && !whole).then(|| all_transposed(problem, k));
    let (out, log_sums) = (Disjoint::new(out), Disjoint::new(log_sums));
    let (tasks, each) = if whole { (1, blocks) } else { (blocks, 1) };
    for_each(batch * heads * tasks, 2 * problem.work() / WORK_PER_NS, |task| {
        let (batch, head, first) = (task / tasks / heads, task / tasks % heads, task % tasks * each);
        let (scores_len, sums_len) = (QUERIES * padded(KEYS), QUERIES * value_depth);
        let own = if copied && whole { keys * depth } else { 0 };
        let all = scores_len + sums_len + own;
        with_scratch(all, |scratch: *mut T| {
            // SAFETY: as many elements as were asked for.
            let mut rest = unsafe { std::slice::from_raw_parts_mut(scratch, all) };
            let (scores, sums) = (part(&mut rest, scores_len), part(&mut rest, sums_len));
            let own = (copied && whole).then_some(rest);
            let mut columns = Columns::new(k.rows(batch, head / shared, 0), &(0..keys), depth, own);
            if let Some(common) = &common {
                let head = batch * problem.key_heads() + head / shared;
                columns.transposed = Some(&common.as_slice()[head * keys * depth..][..keys * depth]);
            }
            for rows in (first..first + each).map(|block| problem.query_block(block)) {
                let sums = &mut sums[..rows.len() * value_depth];
                let (mut largest, mut totals) = ([T::LOWEST; QUERIES], [T::ZERO; QUERIES]);
                let (largest, totals) = (&mut largest[..rows.len()], &mut totals[..rows.len()]);
                for keys in problem.key_blocks(&rows) {
                    let (n, width) = (keys.len(), padded(keys.len()));
                    let scores = &mut scores[..rows.len() * width];
                    let product = Gemm::new(
                        [rows.len(), depth, n],
                        q.rows(batch, head, rows.start),
                        columns.block(&keys),
                        scores,
                    );
                    gemm_serial(Gemm { c_row_stride: width, ..product });
                    let first = [batch, head, rows.start];
                    let running = Running { largest: &mut *largest, totals: &mut *totals };
                    let (scores_row, sums_row) = (width, value_depth);
                    let (keys, scores, sums) = (&keys, &mut *scores, &mut *sums);
                    dispatch(Exponentials { problem, mask, first, keys, scores, scores_row, sums, sums_row, running });
                    let (a, b) = (Matrix::contiguous(scores, width), v.rows(batch, head / shared, keys.start));
                    let product = Gemm::new([rows.len(), n, value_depth], a, b, sums);
                    gemm_serial(Gemm { accumulate: keys.start > 0, ..product });
                }
                let at = (batch * heads + head) * queries;
                // SAFETY: each query has its own place.
                let log_sums = unsafe { log_sums.slice(at + rows.start..at + rows.end) };
                let (running, sums_row) = (Running { largest, totals }, value_depth);
                dispatch(Finish { running, log_sums, sums: &mut *sums, sums_row });
                for (row, sums) in rows.zip(sums.chunks_exact(value_depth.max(1))) {
                    let at = ((batch * queries + row) * heads + head) * value_depth;
                    // SAFETY: as above.
                    unsafe { out.slice(at..at + value_depth) }.copy_from_slice(sums);
                }
            }
        });
    });
}

/// [`forward`] of numbers of bfloat16, where [`Attention::takes_bfloat16`]: rounded once, as they are stored.
///
/// # Panics
/// As [`forward`], and where numbers of bfloat16 are not taken.
pub fn forward_bfloat16(
    problem: &Attention,
    q: Heads<'_, Bf16>,
    k: Heads<'_, Bf16>,
    v: Heads<'_, Bf16>,
    mask: Mask<'_, f32>,
    out: &mut [Bf16],
    log_sums: &mut [f32],
) {
    check(problem, [&q, &k, &v], &mask, out, log_sums);
    if log_sums.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(terms) = in_terms::terms(problem) {
        // SAFETY: there are terms where there are tiles.
        return unsafe { in_terms::Forward { problem, q, k, v, mask, out, log_sums }.run(terms) };
    }
    unreachable!("bfloat16 is taken where there are tiles");
}

/// Whether slices fit the problem.
fn check<K, T: Float>(
    problem: &Attention,
    [q, k, v]: [&Heads<'_, K>; 3],
    mask: &Mask<'_, T>,
    out: &[K],
    log_sums: &[T],
) {
    problem.check(q, k, v);
    mask.check(problem);
    let rows = problem.batch * problem.heads * problem.queries;
    assert!(out.len() == rows * problem.value_depth && log_sums.len() == rows, "results do not fit");
}

/// For each head of keys its blocks of [`KEYS`], transposed.
fn all_transposed<T: GemmFloat>(problem: &Attention, k: Heads<'_, T>) -> Buffer {
    let &Attention { batch, keys, depth, .. } = problem;
    let heads = problem.key_heads();
    let mut buffer = Buffer::uninit(batch * heads * keys * depth * size_of::<T>());
    let out = Disjoint::new(buffer.as_mut_slice::<T>());
    let each = keys.div_ceil(KEYS);
    for_each(batch * heads * each, batch * heads * keys * depth / 2, |task| {
        let (head, first) = (task / each, task % each * KEYS);
        let block = first..(first + KEYS).min(keys);
        let start = (head * keys + first) * depth;
        // SAFETY: each block of each head has a place of its own.
        let out = unsafe { out.slice(start..start + block.len() * depth) };
        transpose(k.rows(head / heads, head % heads, 0), &block, depth, out);
    });
    buffer
}

/// What is known of each query's scores so far.
pub(super) struct Running<'a, T> {
    pub largest: &'a mut [T],
    /// Sums of the exponentials of what scores are below the largest.
    pub totals: &'a mut [T],
}

/// Turns a block of products into exponentials, and the sums of values so far into what they are below the new maximum.
pub(super) struct Exponentials<'a, T> {
    pub problem: &'a Attention,
    pub mask: Mask<'a, T>,
    /// Batch, head and first query.
    pub first: [usize; 3],
    pub keys: &'a Range<usize>,
    pub scores: &'a mut [T],
    /// Elements from a row to the next, at least [`padded`] keys.
    pub scores_row: usize,
    pub sums: &'a mut [T],
    pub sums_row: usize,
    pub running: Running<'a, T>,
}

impl<T: Float> Kernel for Exponentials<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let [batch, head, query] = self.first;
        let depth = self.problem.value_depth;
        for (row, scores) in self.scores.chunks_exact_mut(self.scores_row).enumerate() {
            let scores = &mut scores[..padded(self.keys.len())];
            let mut seen = self.problem.score::<T, S>(&self.mask, [batch, head, query + row], self.keys, scores);
            let before = self.running.largest[row];
            let most = before.maximum(seen.largest());
            // Where nothing is seen, minus infinity from minus infinity would be NaN.
            let shift = if most == T::LOWEST { T::ZERO } else { most };
            let total = seen.exponentials::<S>(shift);
            let end = seen.row.len();
            scores[end..].fill(T::ZERO);
            self.running.largest[row] = most;
            if self.keys.start == 0 {
                self.running.totals[row] = total;
                continue;
            }
            let kept = (before - shift).exp::<S>();
            self.running.totals[row] = self.running.totals[row].fma::<S>(kept, total);
            if kept != T::ONE {
                for sum in &mut self.sums[row * self.sums_row..][..depth] {
                    *sum *= kept;
                }
            }
        }
    }
}

/// Divides the sums of values by those of exponentials, and takes the logarithms.
pub(super) struct Finish<'a, T> {
    pub running: Running<'a, T>,
    pub log_sums: &'a mut [T],
    /// (queries, columns of values).
    pub sums: &'a mut [T],
    pub sums_row: usize,
}

impl<T: Float> Kernel for Finish<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Running { largest, totals } = self.running;
        for ((out, &mut largest), &mut total) in self.log_sums.iter_mut().zip(largest).zip(&mut *totals) {
            *out = if total == T::ZERO { T::LOWEST } else { largest + total.log::<S>() };
        }
        if self.sums.is_empty() {
            return;
        }
        for (row, &mut total) in self.sums.chunks_exact_mut(self.sums_row).zip(totals) {
            if total == T::ZERO {
                row.fill(T::ZERO);
                continue;
            }
            let part = T::ONE / total;
            for x in row {
                *x *= part;
            }
        }
    }
}
