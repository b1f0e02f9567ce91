//! Attention on tiles of AMX: the same blocks and the same elementwise steps as in `forward` and `backward`, with products
//! of bfloat16 terms. A task packs what several products share once: its queries, and a block of keys and values. Numbers
//! of bfloat16 are packed as they are, and results rounded to them where they are stored.

use std::ops::Range;

use super::backward::{self, Block, Dots, Gradients, add_parts};
use super::forward::{Exponentials, Finish, Running};
use super::scores::Mask;
use super::{Attention, Heads, WORK_PER_NS, blocks, part};
use crate::gemm::{InTerms, Matrix, Put, Resident, Tiles, with_scratch};
use crate::isa::dispatch;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Keys of a block: their scores, those of [`QUERIES`] queries, and both packed, fit L2.
const KEYS: usize = 256;
/// Queries whose scores are made at once: two panels.
const QUERIES: usize = 64;
/// The same backward, where a gradient of keys and values is added to for each.
const QUERIES_BACK: usize = 128;
/// Most queries that share a packed block of keys.
const SHARING: usize = 512;
/// Tasks to cut the work into, if there are fewer heads.
const TASKS: usize = 32;
/// Columns from which on tiles pay, and queries.
const LEAST: usize = 16;
/// Keys, for one, two and three terms: what is packed for a block is not used often where there are fewer.
const LEAST_KEYS: [usize; 3] = [64, 96, 192];

/// Terms to compute with, where this machine, the setting and the problem speak for tiles.
pub(super) fn terms(problem: &Attention) -> Option<usize> {
    let &Attention { queries, keys, depth, value_depth, narrow, .. } = problem;
    let terms = crate::gemm::terms()?;
    let terms = if narrow { 1 } else { terms };
    let pays = queries.min(depth).min(value_depth) >= LEAST && keys >= LEAST_KEYS[terms - 1];
    pays.then_some(terms)
}

/// Elements from a row of scores to the next: an odd number of lines spreads over the sets of a cache.
fn width(keys: usize) -> usize {
    keys.next_multiple_of(16) | 16
}

/// The arguments of [`super::forward()`].
pub(super) struct Forward<'a, K> {
    pub problem: &'a Attention,
    pub q: Heads<'a, K>,
    pub k: Heads<'a, K>,
    pub v: Heads<'a, K>,
    pub mask: Mask<'a, f32>,
    pub out: &'a mut [K],
    pub log_sums: &'a mut [f32],
}

impl<K: InTerms> Forward<'_, K> {
    /// [`super::forward()`], whose arguments are checked, in so many terms.
    ///
    /// # Safety
    /// This machine has AMX.
    pub unsafe fn run(self, terms: usize) {
        let Self { problem, q, k, v, mask, out, log_sums } = self;
        let &Attention { batch, heads, shared, queries, keys, depth, value_depth, .. } = problem;
        let each = queries.div_ceil(TASKS.div_ceil(batch * heads)).clamp(QUERIES, SHARING).next_multiple_of(QUERIES);
        let tasks = queries.div_ceil(each);
        let (out, log_sums) = (Disjoint::new(out), Disjoint::new(log_sums));
        for_each(batch * heads * tasks, 2 * problem.work() / WORK_PER_NS, |task| {
            let (batch, head, first) = (task / tasks / heads, task / tasks % heads, task % tasks * each);
            let own = first..(first + each).min(queries);
            let most = KEYS.min(keys);
            let (rows, scores_row, sums_row) = (own.len().min(QUERIES), width(most), width(value_depth));
            let sizes = [
                rows.next_multiple_of(16) * scores_row,
                own.len() * sums_row,
                own.len().next_multiple_of(16),
                own.len().next_multiple_of(16),
                own.len().div_ceil(QUERIES) * Resident::len(terms, rows, depth),
                Resident::len(terms, most, depth),
                Resident::len(terms, value_depth, most),
                Resident::len(terms, rows, most),
            ];
            let all = sizes.iter().sum();
            with_scratch(all, |scratch: *mut f32| {
                // SAFETY: as many elements as were asked for.
                let mut rest = unsafe { std::slice::from_raw_parts_mut(scratch, all) };
                let [scores, sums, largest, totals, packed_q, packed_k, packed_v, packed_p] =
                    sizes.map(|len| part(&mut rest, len));
                largest.fill(f32::NEG_INFINITY);
                totals.fill(0.0);
                // SAFETY: by contract.
                let tiles = unsafe { Tiles::new() };
                let mut packed_q = packed_q.chunks_exact_mut(Resident::len(terms, rows, depth));
                let blocks_q: Vec<_> = blocks(own.clone(), QUERIES)
                    .map(|rows| {
                        let memory = packed_q.next().expect("room for each block");
                        // SAFETY: by contract.
                        let q =
                            unsafe { Resident::a(terms, q.rows(batch, head, rows.start), [rows.len(), depth], memory) };
                        (rows, q)
                    })
                    .collect();
                let end = if problem.causal { keys.min(own.end) } else { keys };
                for block in blocks(0..end, KEYS) {
                    let (k, v) = (k.rows(batch, head / shared, block.start), v.rows(batch, head / shared, block.start));
                    // SAFETY: by contract.
                    let (k, v) = unsafe {
                        (
                            Resident::b(terms, k.transposed(), [depth, block.len()], packed_k),
                            Resident::b(terms, v, [block.len(), value_depth], packed_v),
                        )
                    };
                    for (rows, q) in &blocks_q {
                        let (m, n) = (rows.len(), problem.seen(rows.end - 1, &block));
                        if n == 0 {
                            continue;
                        }
                        let seen = block.start..block.start + n;
                        let at = rows.start - own.start..rows.end - own.start;
                        let sums = &mut sums[at.start * sums_row..at.end * sums_row];
                        // SAFETY: scores have room for whole tiles, sums for all rows.
                        unsafe {
                            tiles.multiply([m, depth, n], q, &k, (scores.as_mut_ptr(), scores_row), Put::Whole);
                            let running = Running { largest: &mut largest[at.clone()], totals: &mut totals[at] };
                            let (first, scores) = ([batch, head, rows.start], &mut scores[..m * scores_row]);
                            let block = Exponentials {
                                problem,
                                mask,
                                first,
                                keys: &seen,
                                scores: &mut *scores,
                                scores_row,
                                sums: &mut *sums,
                                sums_row,
                                running,
                            };
                            dispatch(block);
                            let p = Resident::a(terms, Matrix::contiguous(scores, scores_row), [m, n], packed_p);
                            let how = if seen.start == 0 { Put::Exactly } else { Put::Add };
                            tiles.multiply([m, n, value_depth], &p, &v, (sums.as_mut_ptr(), sums_row), how);
                        }
                    }
                }
                let at = (batch * heads + head) * queries;
                // SAFETY: each query has its own place.
                let log_sums = unsafe { log_sums.slice(at + own.start..at + own.end) };
                let running = Running { largest: &mut largest[..own.len()], totals: &mut totals[..own.len()] };
                dispatch(Finish { running, log_sums, sums: &mut *sums, sums_row });
                for (row, sums) in own.clone().zip(sums.chunks_exact(sums_row)) {
                    let at = ((batch * queries + row) * heads + head) * value_depth;
                    // SAFETY: as above.
                    K::put(&sums[..value_depth], unsafe { out.slice(at..at + value_depth) });
                }
            });
        });
    }
}

/// The arguments of [`super::backward()`].
pub(super) struct Backward<'a, K> {
    pub problem: &'a Attention,
    pub q: Heads<'a, K>,
    pub k: Heads<'a, K>,
    pub v: Heads<'a, K>,
    pub mask: Mask<'a, f32>,
    pub out: Heads<'a, K>,
    pub log_sums: &'a [f32],
    pub g: Heads<'a, K>,
    pub gradients: Gradients<'a, K>,
}

impl<K: InTerms> Backward<'_, K> {
    /// [`super::backward()`], whose arguments are checked, in so many terms.
    ///
    /// # Safety
    /// This machine has AMX.
    #[expect(clippy::too_many_lines, reason = "five products of a block, in their order")]
    pub unsafe fn run(self, terms: usize) {
        let Self { problem, q, k, v, mask, out, log_sums, g, gradients: Gradients { q: gq, k: gk, v: gv } } = self;
        let &Attention { batch, heads, shared, queries, keys, depth, value_depth, .. } = problem;
        let key_heads = problem.key_heads();
        let all_blocks = keys.div_ceil(KEYS);
        let parts = (backward::TASKS / (batch * key_heads).max(1)).clamp(1, all_blocks.max(1));
        // One task for a head's queries adds to their gradient where it belongs, several have sums of their own, as has one
        // that would add rounded numbers.
        let apart = parts > 1 || K::NARROW && all_blocks > 1;
        let mut sums = Buffer::zeroed(if apart { parts * gq.len() * size_of::<f32>() } else { 0 });
        {
            let (row_stride, gq) = (heads * depth, Disjoint::new(&mut *gq));
            let (each, gk, gv) = (Disjoint::new(sums.as_mut_slice::<f32>()), Disjoint::new(gk), Disjoint::new(gv));
            for_each(batch * key_heads * parts, 5 * problem.work() / WORK_PER_NS, |task| {
                let (nth, batch_head) = (task % parts, task / parts);
                let (batch, key_head) = (batch_head / key_heads, batch_head % key_heads);
                let own = nth * all_blocks / parts * KEYS..((nth + 1) * all_blocks / parts * KEYS).min(keys);
                let row = width(KEYS.min(keys));
                let sizes = scratch_of_backward::<K>(problem, terms);
                let all = sizes.iter().sum();
                with_scratch(all, |scratch: *mut f32| {
                    // SAFETY: as many elements as were asked for.
                    let mut rest = unsafe { std::slice::from_raw_parts_mut(scratch, all) };
                    let [scores, slopes, sum_k, sum_v, inner, rest @ ..] = sizes.map(|len| part(&mut rest, len));
                    let [k_columns, v_columns, k_rows, q_rows, g_rows, q_columns, g_columns, block_rows, sum_q] = rest;
                    for (head, inner) in (key_head * shared..).zip(inner.chunks_exact_mut(queries).take(shared)) {
                        dispatch(Dots { out, g, at: [batch, head], cols: value_depth, inner });
                    }
                    // SAFETY: by contract.
                    let tiles = unsafe { Tiles::new() };
                    for keys in blocks(own.clone(), KEYS) {
                        let (sum_k, sum_v) = (&mut sum_k[..keys.len() * depth], &mut sum_v[..keys.len() * value_depth]);
                        sum_k.fill(0.0);
                        sum_v.fill(0.0);
                        let (k, v) = (k.rows(batch, key_head, keys.start), v.rows(batch, key_head, keys.start));
                        // SAFETY: by contract.
                        let (k_columns, v_columns, k_rows) = unsafe {
                            (
                                Resident::b(terms, k.transposed(), [depth, keys.len()], k_columns),
                                Resident::b(terms, v.transposed(), [value_depth, keys.len()], v_columns),
                                Resident::b(terms, k, [keys.len(), depth], k_rows),
                            )
                        };
                        for (head, inner) in (key_head * shared..).zip(inner.chunks_exact(queries).take(shared)) {
                            for rows in blocks(0..queries, QUERIES_BACK) {
                                let (m, n) = (rows.len(), problem.seen(rows.end - 1, &keys));
                                if n == 0 {
                                    continue;
                                }
                                let seen = keys.start..keys.start + n;
                                let (q, g) = (q.rows(batch, head, rows.start), g.rows(batch, head, rows.start));
                                // SAFETY: scores and slopes have room for whole tiles, sums and gradients for what
                                // there is.
                                unsafe {
                                    let q_rows = Resident::a(terms, q, [m, depth], q_rows);
                                    let g_rows = Resident::a(terms, g, [m, value_depth], g_rows);
                                    let to = (scores.as_mut_ptr(), row);
                                    tiles.multiply([m, depth, n], &q_rows, &k_columns, to, Put::Whole);
                                    let to = (slopes.as_mut_ptr(), row);
                                    tiles.multiply([m, value_depth, n], &g_rows, &v_columns, to, Put::Whole);
                                    let (scores, slopes) = (&mut scores[..m * row], &mut slopes[..m * row]);
                                    let log_sums = &log_sums[(batch * heads + head) * queries..];
                                    let first = [batch, head, rows.start];
                                    dispatch(Block {
                                        problem,
                                        mask,
                                        first,
                                        keys: &seen,
                                        log_sums,
                                        inner,
                                        scores: &mut *scores,
                                        slopes: &mut *slopes,
                                        row,
                                    });
                                    let (scores, slopes) =
                                        (Matrix::contiguous(scores, row), Matrix::contiguous(slopes, row));
                                    let g_columns = Resident::b(terms, g, [m, value_depth], g_columns);
                                    let p = Resident::a(terms, scores.transposed(), [n, m], block_rows);
                                    let to = (sum_v.as_mut_ptr(), value_depth);
                                    tiles.multiply([n, m, value_depth], &p, &g_columns, to, Put::Add);
                                    let q_columns = Resident::b(terms, q, [m, depth], q_columns);
                                    let d = Resident::a(terms, slopes.transposed(), [n, m], block_rows);
                                    let to = (sum_k.as_mut_ptr(), depth);
                                    tiles.multiply([n, m, depth], &d, &q_columns, to, Put::Add);
                                    let d = Resident::a(terms, slopes, [m, n], block_rows);
                                    let sizes = [m, n, depth];
                                    if apart {
                                        let row = (nth * problem.batch + batch) * heads + head;
                                        let at = (row * queries + rows.start) * depth;
                                        let to = (each.slice(at..at + m * depth).as_mut_ptr(), depth);
                                        tiles.multiply(sizes, &d, &k_rows, to, Put::Add);
                                        continue;
                                    }
                                    let at = ((batch * queries + rows.start) * heads + head) * depth;
                                    if K::NARROW {
                                        let to = (sum_q.as_mut_ptr(), depth);
                                        tiles.multiply(sizes, &d, &k_rows, to, Put::Exactly);
                                        for (row, gradient) in sum_q[..m * depth].chunks_exact(depth).enumerate() {
                                            let at = at + row * row_stride;
                                            K::put(gradient, gq.slice(at..at + depth));
                                        }
                                    } else {
                                        let to = (gq.as_mut_ptr().wrapping_add(at).cast::<f32>(), row_stride);
                                        let how = if keys.start == 0 { Put::Exactly } else { Put::Add };
                                        tiles.multiply(sizes, &d, &k_rows, to, how);
                                    }
                                }
                            }
                        }
                        spread(problem, [batch, key_head], &keys, sum_k, &gk);
                        spread(problem, [batch, key_head], &keys, sum_v, &gv);
                    }
                });
            });
        }
        if apart {
            add_parts(problem, parts, sums.as_mut_slice(), gq, K::put);
        }
    }
}

/// Brings the rows of some keys to where they lie among those of all heads.
fn spread<K: InTerms>(
    p: &Attention,
    [batch, head]: [usize; 2],
    keys: &Range<usize>,
    rows: &[f32],
    to: &Disjoint<'_, K>,
) {
    let cols = rows.len() / keys.len();
    for (key, row) in keys.clone().zip(rows.chunks_exact(cols)) {
        let at = ((batch * p.keys + key) * p.key_heads() + head) * cols;
        // SAFETY: each key of each head has its own place.
        K::put(row, unsafe { to.slice(at..at + cols) });
    }
}

/// Elements of scratch for each of what [`Backward::run`] keeps in it.
fn scratch_of_backward<K: InTerms>(problem: &Attention, terms: usize) -> [usize; 14] {
    let &Attention { shared, queries, keys, depth, value_depth, .. } = problem;
    let (most, rows) = (KEYS.min(keys), QUERIES_BACK.min(queries));
    let len = |outer, k| Resident::len(terms, outer, k);
    let scores = rows.next_multiple_of(16) * width(most);
    [
        scores,
        scores,
        (most * depth).next_multiple_of(16),
        (most * value_depth).next_multiple_of(16),
        (shared * queries).next_multiple_of(16),
        len(most, depth),
        len(most, value_depth),
        len(depth, most),
        len(rows, depth),
        len(rows, value_depth),
        len(depth, rows),
        len(value_depth, rows),
        len(most, rows).max(len(rows, most)),
        if K::NARROW { rows * depth } else { 0 },
    ]
}
