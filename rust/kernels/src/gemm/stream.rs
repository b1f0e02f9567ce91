//! Products of a few rows with a large B: bound by reading B, so nothing of it is packed.
//!
//! Where B lies row after row, it is read a few rows at a time, each along a run that the hardware foresees, while the
//! sums of the rows of C wait in cache. Where it lies column after column, as the weight of a linear layer does, the
//! product is computed transposed: columns of B are broadcast from where they are, and A is the packed side.
//!
//! Blocks of k are those of the packed core, and the chain of a block goes on where it was left: the bits are the same.

use std::ops::Range;

use super::GemmFloat;
use super::driver::{Product, SendPtr, at, k_block, k_blocks};
use super::epilogue::Epilogue;
use super::microkernel::{Microkernels, Tile};
use super::pack::InPlace;
use super::scratch::with_scratch;
use crate::memory::Buffer;
use crate::parallel::for_each;

/// Most rows of C where B lies in rows: more would use an element so often that packing it costs less than the sums that
/// wait.
const ROWS: usize = 42;
/// Least elements of B: what no cache near the core holds.
const LEAST: usize = 1 << 18;
/// Least columns: fewer leave the packed core too few tiles, and it cuts k into slices, whose sums have other bits.
const LEAST_COLS: usize = 512;
/// Least bytes from a row of B to the next: shorter ones are read well by the packed core.
const LEAST_STRIDE: usize = 2049;
/// Columns of a task, whole tiles: their sums stay in the first-level cache.
const COLS: usize = 512;
/// Rows of B between one visit of a sum and the next.
const STEPS: usize = 32;
/// Least elements of B of which columns are broadcast: packing costs less than it gives while they are near.
const FAR: usize = 1 << 22;
/// Least rows of C for which columns of B are broadcast: fewer fill too little of a vector.
const LEAST_ROWS: usize = 12;
/// Elements of B of a task that broadcasts them.
const TASK: usize = 1 << 19;
/// Elements of the largest tile.
const TILE: usize = 14 * 32;

/// How B lies.
#[derive(Clone, Copy)]
pub(super) enum Operand<T> {
    Rows(InPlace<T>),
    Columns(InPlace<T>),
}

/// B, if the product is one of these.
pub(super) fn operand<T: GemmFloat>(p: &Product<'_, T>, kernels: &Microkernels<T>) -> Option<Operand<T>> {
    let b = p.b.in_place().filter(|_| p.n >= LEAST_COLS && p.n * p.k >= LEAST)?;
    let apart = b.k_stride.unsigned_abs() * size_of::<T>() >= LEAST_STRIDE;
    if b.outer_stride == 1 {
        (apart && p.m <= ROWS).then_some(Operand::Rows(b))
    } else {
        (b.k_stride == 1 && (LEAST_ROWS..=kernels.cols).contains(&p.m) && p.n * p.k >= FAR)
            .then_some(Operand::Columns(b))
    }
}

/// Computes all of C.
///
/// # Safety
/// As [`Product::run`]; `b` is what [`operand`] says of `p`.
pub(super) unsafe fn run<T: GemmFloat>(
    p: &Product<'_, T>,
    kernels: &'static Microkernels<T>,
    b: Operand<T>,
    cost: usize,
) {
    match b {
        Operand::Rows(b) => for_each(p.n.div_ceil(COLS), cost, |task| {
            // SAFETY: tasks write columns of their own.
            unsafe { columns(p, kernels, b, task * COLS..((task + 1) * COLS).min(p.n)) }
        }),
        // SAFETY: passed on.
        Operand::Columns(b) => unsafe { transposed(p, kernels, b, cost) },
    }
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

/// Computes C by its columns, with A packed whole.
unsafe fn transposed<T: GemmFloat>(p: &Product<'_, T>, kernels: &'static Microkernels<T>, b: InPlace<T>, cost: usize) {
    let lanes = kernels.cols / 2;
    let width = if p.m > lanes { kernels.cols } else { lanes };
    let a = Buffer::uninit(p.k * width * size_of::<T>());
    let a = SendPtr(a.as_ptr().cast::<T>());
    // SAFETY: the buffer holds all of A, padded to whole vectors.
    unsafe { p.a.pack(kernels, 0..p.m, 0..p.k, width, a.get()) };
    let epilogue = p.epilogue.transposed();
    let per_task = (TASK / p.k).next_multiple_of(kernels.rows);
    for_each(p.n.div_ceil(per_task), cost, |task| {
        let cols = task * per_task..((task + 1) * per_task).min(p.n);
        for start in cols.clone().step_by(kernels.rows) {
            let panel = start..(start + kernels.rows).min(cols.end);
            // SAFETY: columns of this task, of C and of B.
            unsafe { column_panel(p, kernels, b, (a.get(), width), &epilogue, panel) };
        }
    });
}

/// Computes a few columns of C on the stack and brings them to their places.
unsafe fn column_panel<T: GemmFloat>(
    p: &Product<'_, T>,
    kernels: &Microkernels<T>,
    b: InPlace<T>,
    (a, width): (*const T, usize),
    epilogue: &Epilogue<'_, T>,
    cols: Range<usize>,
) {
    let mut stack = [T::ZERO; TILE];
    let kernel = kernels.direct[cols.len() - 1][usize::from(width == kernels.cols)];
    // SAFETY: the tile fits the stack; its columns are inside B and C, its rows inside A.
    unsafe {
        if p.accumulate {
            for (c, col) in cols.clone().enumerate() {
                (0..p.m).for_each(|row| stack[c * width + row] = *p.c.at(row, col));
            }
        }
        let blocks = k_blocks(p.k);
        for block in 0..blocks {
            let k = k_block(p.k, blocks, block);
            kernel(&Tile {
                k: k.len(),
                a: at(&b, cols.start, k.start),
                a_row: b.outer_stride,
                a_step: 1,
                b: a.add(k.start * width),
                b_step: width.cast_signed(),
                sums: std::ptr::null(),
                sums_row: 0,
                c: stack.as_mut_ptr(),
                c_row: width,
                cols: p.m,
                accumulate: p.accumulate || block > 0,
                bias_row: std::ptr::null(),
                bias_col: std::ptr::null(),
                relu: false,
            });
        }
        if !epilogue.is_none() {
            epilogue.finish(stack.as_mut_ptr(), width, cols.clone(), 0..p.m);
        }
        for (c, col) in cols.enumerate() {
            (0..p.m).for_each(|row| *p.c.at(row, col) = stack[c * width + row]);
        }
    }
}
