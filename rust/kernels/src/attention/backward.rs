//! Attention backward: a task is a head of keys, or a part of its keys where there are few heads; it runs over the blocks
//! of its keys and for each over the queries that see them.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::in_terms;
use super::scores::{Mask, padded};
use super::{Attention, Columns, Heads, KEYS, QUERIES, TRANSPOSED_FROM, WORK_PER_NS, blocks, part};
use crate::element::Float;
use crate::gemm::{Gemm, GemmFloat, Matrix, gemm_among, gemm_serial, with_scratch};
use crate::half::Bf16;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes;
use crate::memory::{Buffer, Pod};
use crate::parallel::{Disjoint, for_each};
use crate::stored::Stored;

/// Tasks to cut the keys into, if there are fewer heads.
pub(super) const TASKS: usize = 16;

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
    check(problem, [&q, &k, &v, &out, &g], &mask, log_sums, &gradients);
    let Gradients { q: gq, k: gk, v: gv } = gradients;
    #[cfg(target_arch = "x86_64")]
    if let Some(terms) = in_terms::terms(problem)
        && let (Some(q), Some(k), Some(v), Some(mask)) = (q.float32(), k.float32(), v.float32(), mask.float32())
        && let (Some(out), Some(log_sums), Some(g)) = (out.float32(), T::float32(log_sums), g.float32())
        && let (Some(gq), Some(gk), Some(gv)) = (T::float32_mut(gq), T::float32_mut(gk), T::float32_mut(gv))
    {
        let gradients = Gradients { q: gq, k: gk, v: gv };
        // SAFETY: there are terms where there are tiles.
        return unsafe { in_terms::Backward { problem, q, k, v, mask, out, log_sums, g, gradients }.run(terms) };
    }
    in_blocks(problem, q, k, v, mask, out, log_sums, g, Gradients { q: gq, k: gk, v: gv });
}

/// [`backward`] of numbers of bfloat16, where [`Attention::takes_bfloat16`]: rounded once, as they are stored.
///
/// # Panics
/// As [`backward`], and where numbers of bfloat16 are not taken.
#[expect(clippy::too_many_arguments, reason = "as there")]
pub fn backward_bfloat16(
    problem: &Attention,
    q: Heads<'_, Bf16>,
    k: Heads<'_, Bf16>,
    v: Heads<'_, Bf16>,
    mask: Mask<'_, f32>,
    out: Heads<'_, Bf16>,
    log_sums: &[f32],
    g: Heads<'_, Bf16>,
    gradients: Gradients<'_, Bf16>,
) {
    check(problem, [&q, &k, &v, &out, &g], &mask, log_sums, &gradients);
    #[cfg(target_arch = "x86_64")]
    if let Some(terms) = in_terms::terms(problem) {
        // SAFETY: there are terms where there are tiles.
        return unsafe { in_terms::Backward { problem, q, k, v, mask, out, log_sums, g, gradients }.run(terms) };
    }
    unreachable!("bfloat16 is taken where there are tiles");
}

/// Whether slices fit the problem.
fn check<K, T: Float>(
    problem: &Attention,
    [q, k, v, out, g]: [&Heads<'_, K>; 5],
    mask: &Mask<'_, T>,
    log_sums: &[T],
    gradients: &Gradients<'_, K>,
) {
    let &Attention { batch, heads, queries, keys, depth, value_depth, .. } = problem;
    problem.check(q, k, v);
    mask.check(problem);
    g.check([batch, heads, queries, value_depth]);
    out.check([batch, heads, queries, value_depth]);
    assert_eq!(log_sums.len(), batch * heads * queries, "one logarithm a query");
    let (rows, columns) = (batch * heads * queries, batch * problem.key_heads() * keys);
    let Gradients { q: gq, k: gk, v: gv } = gradients;
    assert!(gq.len() == rows * depth && gk.len() == columns * depth && gv.len() == columns * value_depth);
}

/// [`backward`], whose arguments are checked, in multiply-adds.
#[expect(clippy::too_many_arguments, reason = "as there")]
fn in_blocks<T: GemmFloat>(
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
    let key_heads = problem.key_heads();
    let Gradients { q: gq, k: gk, v: gv } = gradients;
    let all_blocks = keys.div_ceil(KEYS);
    let parts = (TASKS / (batch * key_heads).max(1)).clamp(1, all_blocks.max(1));
    let copied = queries >= TRANSPOSED_FROM;
    // One task for a head's queries adds to their gradient where it belongs, several have sums of their own.
    let mut sums = Buffer::zeroed(if parts > 1 { parts * gq.len() * size_of::<T>() } else { 0 });
    if keys == 0 {
        gq.fill(T::ZERO);
    }
    {
        let (row_stride, gq) = (heads * depth, Disjoint::new(&mut *gq));
        let (each, gk, gv) = (Disjoint::new(sums.as_mut_slice::<T>()), Disjoint::new(gk), Disjoint::new(gv));
        for_each(batch * key_heads * parts, 5 * problem.work() / WORK_PER_NS, |task| {
            let (nth, batch_head) = (task % parts, task / parts);
            let (batch, key_head) = (batch_head / key_heads, batch_head % key_heads);
            let own = nth * all_blocks / parts * KEYS..((nth + 1) * all_blocks / parts * KEYS).min(keys);
            let (block, column) = (QUERIES * padded(KEYS), KEYS * (depth + value_depth));
            let all = 2 * block + 2 * column + shared * queries;
            with_scratch(all, |scratch: *mut T| {
                // SAFETY: as many elements as were asked for.
                let mut rest = unsafe { std::slice::from_raw_parts_mut(scratch, all) };
                let (scores, slopes) = (part(&mut rest, block), part(&mut rest, block));
                let (sum_k, sum_v) = (part(&mut rest, KEYS * depth), part(&mut rest, KEYS * value_depth));
                let (k_columns, v_columns) = (part(&mut rest, KEYS * depth), part(&mut rest, KEYS * value_depth));
                let inner = rest;
                for (head, inner) in (key_head * shared..).zip(inner.chunks_exact_mut(queries.max(1))) {
                    dispatch(Dots { out, g, at: [batch, head], cols: value_depth, inner });
                }
                for keys in blocks(own.clone(), KEYS) {
                    let (sum_k, sum_v) = (&mut sum_k[..keys.len() * depth], &mut sum_v[..keys.len() * value_depth]);
                    sum_k.fill(T::ZERO);
                    sum_v.fill(T::ZERO);
                    let (k_rows, v_rows) = (k.rows(batch, key_head, 0), v.rows(batch, key_head, 0));
                    let k_columns = Columns::new(k_rows, &keys, depth, copied.then_some(&mut *k_columns));
                    let v_columns = Columns::new(v_rows, &keys, value_depth, copied.then_some(&mut *v_columns));
                    for (head, inner) in (key_head * shared..).zip(inner.chunks_exact(queries.max(1))) {
                        for rows in (0..problem.query_blocks()).map(|index| problem.query_block(index)) {
                            let (m, n) = (rows.len(), problem.seen(rows.end - 1, &keys));
                            if n == 0 {
                                continue;
                            }
                            let (keys, width) = (keys.start..keys.start + n, padded(n));
                            let (scores, slopes) = (&mut scores[..m * width], &mut slopes[..m * width]);
                            let (q, g) = (q.rows(batch, head, rows.start), g.rows(batch, head, rows.start));
                            let wide =
                                |sizes, a, b, c| gemm_serial(Gemm { c_row_stride: width, ..Gemm::new(sizes, a, b, c) });
                            wide([m, depth, n], q, k_columns.block(&keys), &mut *scores);
                            wide([m, value_depth, n], g, v_columns.block(&keys), &mut *slopes);
                            let log_sums = &log_sums[(batch * heads + head) * queries..];
                            let first = [batch, head, rows.start];
                            dispatch(Block {
                                problem,
                                mask,
                                first,
                                keys: &keys,
                                log_sums,
                                inner,
                                scores,
                                slopes,
                                row: width,
                            });
                            let (scores, slopes) =
                                (Matrix::contiguous(scores, width), Matrix::contiguous(slopes, width));
                            let add =
                                |sizes, a, b, c| gemm_serial(Gemm { accumulate: true, ..Gemm::new(sizes, a, b, c) });
                            add([n, m, value_depth], scores.transposed(), g, &mut *sum_v);
                            add([n, m, depth], slopes.transposed(), q, &mut *sum_k);
                            let (sizes, k) = ([m, n, depth], k.rows(batch, key_head, keys.start));
                            if parts > 1 {
                                let at =
                                    (((nth * problem.batch + batch) * heads + head) * queries + rows.start) * depth;
                                // SAFETY: each part of each head has sums of its own.
                                add(sizes, slopes, k, unsafe { each.slice(at..at + m * depth) });
                            } else {
                                let at = ((batch * queries + rows.start) * heads + head) * depth;
                                let start = gq.as_mut_ptr().wrapping_add(at);
                                // SAFETY: the rows of this head, which nobody else touches, lie apart by `row_stride`.
                                unsafe { gemm_among(sizes, slopes, k, start, row_stride, keys.start > 0) }
                            }
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
        });
    }
    if parts > 1 {
        add_parts(problem, parts, sums.as_mut_slice(), gq, |row: &[T], to: &mut [T]| to.copy_from_slice(row));
    }
}

/// Adds up the sums of all parts, each (batch, heads, queries, depth), and puts them into `gq`, (batch, queries, heads,
/// depth).
pub(super) fn add_parts<T: GemmFloat, K: Pod>(
    problem: &Attention,
    parts: usize,
    sums: &mut [T],
    gq: &mut [K],
    put: impl Fn(&[T], &mut [K]) + Sync,
) {
    let &Attention { batch, heads, queries, depth, .. } = problem;
    let (whole, gq) = (gq.len(), Disjoint::new(gq));
    let (sums, others) = sums.split_at_mut(whole);
    let sums = Disjoint::new(sums);
    for_each(batch * queries, parts * whole / 4, |row| {
        let (batch, query) = (row / queries, row % queries);
        // SAFETY: each query has its own place.
        let gq = unsafe { gq.slice(row * heads * depth..(row + 1) * heads * depth) };
        for (head, gq) in gq.chunks_exact_mut(depth.max(1)).enumerate() {
            let at = ((batch * heads + head) * queries + query) * depth;
            // SAFETY: as above.
            let sum = unsafe { sums.slice(at..at + depth) };
            for part in 1..parts {
                for (sum, &other) in sum.iter_mut().zip(&others[(part - 1) * whole + at..]) {
                    *sum += other;
                }
            }
            put(sum, gq);
        }
    });
}

/// For each query of a head the product of the result and its gradient.
pub(super) struct Dots<'a, K: Stored> {
    pub out: Heads<'a, K>,
    pub g: Heads<'a, K>,
    pub at: [usize; 2],
    pub cols: usize,
    pub inner: &'a mut [K::Value],
}

impl<T: Float, K: Stored<Value = T>> Kernel for Dots<'_, K> {
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
pub(super) struct Block<'a, T> {
    pub problem: &'a Attention,
    pub mask: Mask<'a, T>,
    /// Batch, head and first query.
    pub first: [usize; 3],
    pub keys: &'a Range<usize>,
    /// Of the head's queries.
    pub log_sums: &'a [T],
    pub inner: &'a [T],
    pub scores: &'a mut [T],
    pub slopes: &'a mut [T],
    /// Elements from a row of scores, and of slopes, to the next, at least [`padded`] keys.
    pub row: usize,
}

impl<T: Float> Kernel for Block<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let [batch, head, first] = self.first;
        let (width, scale) = (padded(self.keys.len()), T::from_f64(self.problem.scale));
        let rows = self.scores.chunks_exact_mut(self.row).zip(self.slopes.chunks_exact_mut(self.row));
        for (row, (scores, slopes)) in rows.enumerate() {
            let (scores, slopes) = (&mut scores[..width], &mut slopes[..width]);
            let query = first + row;
            let mut seen = self.problem.score::<T, S>(&self.mask, [batch, head, query], self.keys, scores);
            let log_sum = self.log_sums[query];
            let shift = if log_sum == T::LOWEST { T::ZERO } else { log_sum };
            seen.exponentials::<S>(shift);
            let seen = seen.row;
            let (inner, end) = (self.inner[query], seen.len());
            for (slope, &probability) in slopes.iter_mut().zip(seen.iter()) {
                *slope = probability * (*slope - inner) * scale;
            }
            scores[end..].fill(T::ZERO);
            slopes[self.problem.seen(query, self.keys)..].fill(T::ZERO);
        }
    }
}
