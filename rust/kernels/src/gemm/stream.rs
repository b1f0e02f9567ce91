//! Products of a few rows with a large B that lies row after row in memory: bound by reading B, so nothing of it is
//! packed. It is read a few rows at a time, each along a run that the hardware foresees, while the sums of the rows of C
//! wait in cache.
//!
//! Blocks of k are those of the packed core, and the chain of a block goes on where it was left: the bits are the same.

use std::ops::Range;

use super::GemmFloat;
use super::driver::{Product, at, k_block, k_blocks};
use super::epilogue::Epilogue;
use super::microkernel::{Microkernels, Tile};
use super::pack::InPlace;
use super::scratch::with_scratch;
use crate::parallel::for_each;

/// Most rows of C: more would use an element so often that packing it costs less than the sums that wait.
const ROWS: usize = 14;
/// Least elements of B: what no cache near the core holds.
const LEAST: usize = 1 << 18;
/// Least columns, and least bytes from a row of B to the next: shorter ones are read well by the packed core.
const LEAST_COLS: usize = 512;
const LEAST_STRIDE: usize = 2049;
/// Columns of a task, whole tiles: their sums stay in the first-level cache.
const COLS: usize = 512;
/// Rows of B between one visit of a sum and the next.
const STEPS: usize = 32;

/// B, if the product is one of these.
pub(super) fn operand<T: GemmFloat>(p: &Product<'_, T>) -> Option<InPlace<T>> {
    let b = p.b.in_place()?;
    let apart = b.outer_stride == 1 && b.k_stride.unsigned_abs() * size_of::<T>() >= LEAST_STRIDE;
    (apart && p.m <= ROWS && p.n >= LEAST_COLS && p.n * p.k >= LEAST).then_some(b)
}

/// Computes all of C.
///
/// # Safety
/// As [`Product::run`]; `b` is what [`operand`] says of `p`.
pub(super) unsafe fn run<T: GemmFloat>(
    p: &Product<'_, T>,
    kernels: &'static Microkernels<T>,
    b: InPlace<T>,
    cost: usize,
) {
    for_each(p.n.div_ceil(COLS), cost, |task| {
        // SAFETY: tasks write columns of their own.
        unsafe { columns(p, kernels, b, task * COLS..((task + 1) * COLS).min(p.n)) }
    });
}

unsafe fn columns<T: GemmFloat>(p: &Product<'_, T>, kernels: &Microkernels<T>, b: InPlace<T>, cols: Range<usize>) {
    let blocks = k_blocks(p.k);
    let sums_len = p.m * COLS;
    with_scratch(sums_len + p.m * p.k.div_ceil(blocks), |sums: *mut T| {
        let a = sums.wrapping_add(sums_len);
        for block in 0..blocks {
            let k = k_block(p.k, blocks, block);
            // SAFETY: ranges are inside the operands; scratch holds the sums and the rows of A of a block.
            unsafe {
                for rows in panels(p.m, kernels.rows) {
                    let panel = a.add(rows.start * k.len());
                    p.a.pack(kernels, rows.clone(), k.clone(), rows.len(), panel);
                }
                for start in k.clone().step_by(STEPS) {
                    let part = start..(start + STEPS).min(k.end);
                    for col in cols.clone().step_by(kernels.cols) {
                        let count = kernels.cols.min(cols.end - col);
                        for rows in panels(p.m, kernels.rows) {
                            let sums = sums.add((col - cols.start) * p.m + rows.start * kernels.cols);
                            visit(p, kernels, &b, (&k, &part), &rows, col..col + count, a, sums);
                        }
                    }
                }
            }
        }
    });
}

/// Adds the products of a few rows of B to the sums of a tile, or to C if the block ends here.
#[allow(clippy::too_many_arguments, reason = "one private step of `columns`")]
#[inline(always)]
unsafe fn visit<T: GemmFloat>(
    p: &Product<'_, T>,
    kernels: &Microkernels<T>,
    b: &InPlace<T>,
    (k, part): (&Range<usize>, &Range<usize>),
    rows: &Range<usize>,
    cols: Range<usize>,
    a: *const T,
    sums: *mut T,
) {
    let (ends, finish) = (part.end == k.end, part.end == p.k);
    let (epilogue, rest) =
        if finish { (p.epilogue.in_registers(), p.epilogue.afterwards()) } else { (Epilogue::default(), None) };
    let (bias_row, bias_col) = epilogue.bias_at(rows.start, cols.start);
    let lanes = kernels.cols / 2;
    let vectors = usize::from(cols.len() > lanes);
    let table = if cols.len() == (vectors + 1) * lanes { kernels.packed } else { kernels.direct };
    let tile = Tile {
        k: part.len(),
        a: a.wrapping_add(rows.start * k.len() + (part.start - k.start) * rows.len()),
        a_row: 1,
        a_step: rows.len().cast_signed(),
        b: at(b, cols.start, part.start),
        b_step: b.k_stride,
        sums: if part.start == k.start { std::ptr::null() } else { sums },
        sums_row: kernels.cols,
        c: sums,
        c_row: kernels.cols,
        cols: cols.len(),
        accumulate: ends && (p.accumulate || k.start > 0),
        bias_row,
        bias_col,
        relu: epilogue.is_relu(),
    };
    let kernel = table[rows.len() - 1][vectors];
    // SAFETY: passed on.
    unsafe {
        if ends {
            p.c.store(tile, kernel, rows.start, cols.start, rows.len(), rest);
        } else {
            kernel(&tile);
        }
    }
}

/// Rows in panels as high as the tiles.
fn panels(rows: usize, height: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(height).map(move |start| start..(start + height).min(rows))
}
