//! The one packed core: cuts C into tiles, brings the panels, runs the microkernels.
//!
//! A task owns a tile of C and walks k in blocks: it packs its rows of A into cache, then for each panel of B (packed
//! just before use, so it lies in L1) runs down its rows. An operand that several tasks would pack is packed once, for
//! all, beforehand; one too small to be worth packing is read in place. If C has too few tiles to share out, k is cut
//! into slices whose sums are added in order. The cut depends on the shape alone.

use std::ops::Range;

use super::GemmFloat;
use super::epilogue::{Activation, Epilogue};
use super::microkernel::{Microkernels, Tile};
use super::pack::{InPlace, PanelSource};
use super::scratch::with_scratch;
use super::target::Target;
use crate::isa::isa;
use crate::memory::Buffer;
use crate::parallel::for_each;

/// Longest block of k: a panel of B of this length and 32 columns of float32 fills most of L1.
pub(super) const K_BLOCK: usize = 320;
/// Rows and columns that a task takes where there is plenty of work.
const TASK_ROWS: usize = 252;
const TASK_COLS: usize = 256;
/// Work below which a task is not worth handing out, in multiply-adds.
const TASK_WORK: usize = 400_000;
/// Work below which one thread does it all, in multiply-adds.
const SHARED_WORK: usize = 1_000_000;
/// Work below which every task packs what it needs itself, whatever others pack: panels that one core packed reach
/// another through the memory hierarchy, which costs more than packing twice (128x128x128 takes 21 us so, 37 us on one
/// thread, 70 us with shared panels).
const PACK_SHARED: usize = 20_000_000;
/// Work of such a task.
const OWN_TASK_WORK: usize = 4_500_000;
/// Rows and columns of the tiles by which k is cut into slices.
const SLICED_TILE: (usize, usize) = (16, 32);
/// Tasks to cut the work into, if it suffices.
const TASKS: usize = 16;
/// Largest operand that is packed whole, in elements.
const SHARED_LIMIT: usize = 1 << 25;
/// Elements of an operand that a cache near the core holds.
const CACHED: usize = 1 << 18;
/// Estimated multiply-adds of one thread in a nanosecond.
const WORK_PER_NS: usize = 100;

/// `C = [C +] A B`, then the epilogue.
pub(crate) struct Product<'a, T: GemmFloat> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Rows of A.
    pub a: &'a dyn PanelSource<T>,
    /// Columns of B.
    pub b: &'a dyn PanelSource<T>,
    pub c: Target<T>,
    pub accumulate: bool,
    pub epilogue: Epilogue<'a, T>,
    /// B is made up while it is packed and larger than it looks: never hold it whole, keep all rows in one task.
    pub stream_b: bool,
}

/// How the work is cut.
struct Plan {
    /// Rows of a full tile, evened out so that the last is not a sliver.
    rows: usize,
    /// Rows and columns of a task.
    task_rows: usize,
    task_cols: usize,
    /// Tasks along the rows and the columns.
    grid: (usize, usize),
    /// Blocks of k, and slices that each take some of them.
    blocks: usize,
    slices: usize,
}

/// Where the panels of an operand are.
#[derive(Clone, Copy)]
enum Panels<T> {
    /// In memory as it is.
    InPlace(InPlace<T>),
    /// Packed for all tasks.
    Shared(*const T),
    /// Packed by each task.
    Own,
}
// SAFETY: shared panels are read only while tasks run.
unsafe impl<T: Sync> Sync for Panels<T> {}

impl<T: GemmFloat> Product<'_, T> {
    /// Runs the product; on this thread alone if `serial`.
    ///
    /// # Safety
    /// The target's elements are valid, distinct, and touched by nobody else meanwhile.
    pub unsafe fn run(&self, serial: bool) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        let kernels = T::microkernels(isa());
        let work = self.m.saturating_mul(self.n).saturating_mul(self.k);
        let serial = serial || work < SHARED_WORK;
        let plan = self.plan(kernels, serial);
        let cost = if serial { 0 } else { work / WORK_PER_NS };
        let (a_buffer, b_buffer);
        let mut a = self.a_panels();
        let mut b = self.b_panels(kernels);
        let n_padded = self.n.next_multiple_of(kernels.cols);
        let share = work >= PACK_SHARED;
        if share && matches!(a, Panels::Own) && plan.grid.1 > 1 && self.m * self.k <= SHARED_LIMIT {
            a_buffer = Buffer::uninit(self.m * self.k * size_of::<T>());
            let start = a_buffer.as_ptr().cast::<T>();
            self.pack_all(kernels, self.a, self.m, plan.rows, false, start, cost);
            a = Panels::Shared(start);
        }
        if share && matches!(b, Panels::Own) && plan.grid.0 > 1 && !self.stream_b && n_padded * self.k <= SHARED_LIMIT {
            b_buffer = Buffer::uninit(n_padded * self.k * size_of::<T>());
            let start = b_buffer.as_ptr().cast::<T>();
            self.pack_all(kernels, self.b, self.n, kernels.cols, true, start, cost);
            b = Panels::Shared(start);
        }
        let tiles = plan.grid.0 * plan.grid.1;
        let task = Task { product: self, kernels, plan: &plan, a, b };
        if plan.slices == 1 {
            // SAFETY: tasks write disjoint tiles of C.
            for_each(tiles, cost, |t| unsafe { task.run(t, 0..plan.blocks, self.c, self.accumulate, true) });
            return;
        }
        let partials = Buffer::uninit(plan.slices * self.m * self.n * size_of::<T>());
        let partial = |slice: usize| Target::rows(partials.as_ptr().cast::<T>(), slice * self.m * self.n, self.n);
        for_each(tiles * plan.slices, cost, |t| {
            let slice = t / tiles;
            let blocks = slice * plan.blocks / plan.slices..(slice + 1) * plan.blocks / plan.slices;
            // SAFETY: tasks write disjoint tiles of the partial sums.
            unsafe { task.run(t % tiles, blocks, partial(slice), false, false) }
        });
        let sums = partials.as_slice::<T>();
        for_each(self.m, if serial { 0 } else { plan.slices * self.m * self.n / 2 }, |row| {
            for col in 0..self.n {
                // SAFETY: an element of C that this task alone owns.
                unsafe {
                    let c = self.c.at(row, col);
                    let sum = (0..plan.slices).map(|s| sums[(s * self.m + row) * self.n + col]);
                    let sum = sum.fold(if self.accumulate { *c } else { T::ZERO }, |x, y| x + y);
                    *c = self.epilogue.apply(sum, row, col);
                }
            }
        });
    }

    fn plan(&self, kernels: &Microkernels<T>, serial: bool) -> Plan {
        let row_panels = self.m.div_ceil(kernels.rows);
        let rows = self.m.div_ceil(row_panels);
        let work = self.m.saturating_mul(self.n).saturating_mul(self.k);
        let tasks = (work / TASK_WORK).clamp(1, TASKS);
        let wanted = if work < PACK_SHARED { (work / OWN_TASK_WORK).max(2) } else { tasks };
        let blocks = self.k.div_ceil(K_BLOCK).max(1);
        // Slices show in the bits, so they are counted in tiles of one size, whatever the tiles of this ISA.
        let tiles = self.m.div_ceil(SLICED_TILE.0) * self.n.div_ceil(SLICED_TILE.1);
        let slices = if self.c.is_rows() && !self.stream_b { (tasks / tiles).min(blocks / 2).max(1) } else { 1 };
        let mut task_rows = if self.stream_b { self.m } else { (TASK_ROWS / rows).max(1) * rows }.min(self.m);
        let mut task_cols = TASK_COLS.min(self.n);
        let grid = |rows: usize, cols: usize| (self.m.div_ceil(rows), self.n.div_ceil(cols));
        while { grid(task_rows, task_cols).0 * grid(task_rows, task_cols).1 * slices } < wanted {
            let halve_rows = !self.stream_b && task_rows > rows;
            if halve_rows && (task_rows >= task_cols || task_cols <= kernels.cols) {
                task_rows = task_rows.div_ceil(2).next_multiple_of(rows);
            } else if task_cols > kernels.cols {
                task_cols = task_cols.div_ceil(2).next_multiple_of(kernels.cols);
            } else {
                break;
            }
        }
        let grid = grid(task_rows, task_cols);
        if serial && slices == 1 {
            // Larger tasks pack less; unlike slices, they do not show in the bits.
            let (task_rows, task_cols) = (self.m.min((TASK_ROWS / rows).max(1) * rows), self.n);
            let grid = (self.m.div_ceil(task_rows), 1);
            return Plan { rows, task_rows, task_cols, grid, blocks, slices };
        }
        Plan { rows, task_rows, task_cols, grid, blocks, slices }
    }

    /// Block `index` of `blocks` about equal ones.
    fn block(&self, plan: &Plan, index: usize) -> Range<usize> {
        let len = self.k.div_ceil(plan.blocks);
        (index * len).min(self.k)..((index + 1) * len).min(self.k)
    }

    fn a_panels(&self) -> Panels<T> {
        match self.a.in_place() {
            Some(a) if self.n <= 64 || self.m * self.k <= 4096 => Panels::InPlace(a),
            _ => Panels::Own,
        }
    }

    fn b_panels(&self, kernels: &Microkernels<T>) -> Panels<T> {
        match self.b.in_place() {
            // One that is read from memory is packed all the same: columns of a few rows at a time are what the hardware
            // does not foresee.
            Some(b) if is_far(&b) && self.n * self.k > CACHED => Panels::Own,
            Some(b) if b.outer_stride == 1 && self.m <= 4 * kernels.rows => Panels::InPlace(b),
            _ => Panels::Own,
        }
    }

    /// Whether a task packs its part of B before it multiplies, not panel after panel.
    fn packs_b_ahead(&self) -> bool {
        !self.stream_b && self.b.in_place().is_some_and(|b| is_far(&b))
    }

    /// Packs a whole operand: block after block of k, each panel after panel. Panels of B are padded to full width.
    #[allow(clippy::too_many_arguments, reason = "one private step of `run`")]
    fn pack_all(
        &self,
        kernels: &Microkernels<T>,
        source: &dyn PanelSource<T>,
        outer: usize,
        width: usize,
        pad: bool,
        start: *mut T,
        cost: usize,
    ) {
        let start = SendPtr(start);
        let panels = outer.div_ceil(width);
        let blocks = self.k.div_ceil(K_BLOCK).max(1);
        let len = self.k.div_ceil(blocks);
        let outer_padded = if pad { outer.next_multiple_of(width) } else { outer };
        let group = 8;
        let tasks = blocks * panels.div_ceil(group);
        for_each(tasks, cost.min(outer * self.k / 4), |t| {
            let (block, first) = (t % blocks, t / blocks * group);
            let k = block * len..((block + 1) * len).min(self.k);
            let range = first * width..((first + group) * width).min(outer);
            let at = outer_padded * k.start + range.start * k.len();
            // SAFETY: each panel has its own place in the buffer; the ranges are inside the operand.
            unsafe { pack_panels(kernels, source, range, k, width, pad, start.get().add(at)) }
        });
    }
}

/// Packs the panels of `outer`, each `width` wide (the last narrower, unless padded), one after the other.
///
/// # Safety
/// As for [`PanelSource::pack`].
unsafe fn pack_panels<T: GemmFloat>(
    kernels: &Microkernels<T>,
    source: &dyn PanelSource<T>,
    outer: Range<usize>,
    k: Range<usize>,
    width: usize,
    pad: bool,
    to: *mut T,
) {
    let steps = if source.in_place().is_some_and(|m| is_far(&m)) { 8 } else { k.len().max(1) };
    for step in k.clone().step_by(steps) {
        for first in outer.clone().step_by(width) {
            let range = first..(first + width).min(outer.end);
            let width = if pad { width } else { range.len() };
            let at = (first - outer.start) * k.len() + (step - k.start) * width;
            // SAFETY: the contract: the ranges are inside the operand, the places inside the panels.
            unsafe { source.pack(kernels, range, step..(step + steps).min(k.end), width, to.add(at)) }
        }
    }
}

/// Whether rows follow the panels in memory, far apart: a few steps of all panels at a time use their lines whole.
fn is_far<T>(m: &InPlace<T>) -> bool {
    m.outer_stride == 1 && m.k_stride.unsigned_abs() * size_of::<T>() >= 1024
}

/// A pointer that tasks share to write apart.
#[derive(Clone, Copy)]
struct SendPtr<T>(*mut T);
// SAFETY: see the type.
unsafe impl<T: Send> Sync for SendPtr<T> {}
impl<T> SendPtr<T> {
    fn get(self) -> *mut T {
        self.0
    }
}

/// What all tasks of a product share.
struct Task<'a, T: GemmFloat> {
    product: &'a Product<'a, T>,
    kernels: &'static Microkernels<T>,
    plan: &'a Plan,
    a: Panels<T>,
    b: Panels<T>,
}

impl<T: GemmFloat> Task<'_, T> {
    /// Computes tile `index` of the grid over some blocks of k, into `c`.
    unsafe fn run(&self, index: usize, blocks: Range<usize>, c: Target<T>, accumulate: bool, finish: bool) {
        let (p, plan) = (self.product, self.plan);
        let (i, j) = (index % plan.grid.0, index / plan.grid.0);
        let rows = i * plan.task_rows..((i + 1) * plan.task_rows).min(p.m);
        let cols = j * plan.task_cols..((j + 1) * plan.task_cols).min(p.n);
        let k_len = p.k.div_ceil(plan.blocks);
        let a_len = if matches!(self.a, Panels::Own) { rows.len() * k_len } else { 0 };
        let b_cols = if p.packs_b_ahead() { cols.len().next_multiple_of(self.kernels.cols) } else { self.kernels.cols };
        let b_len = if matches!(self.b, Panels::Own) { b_cols * k_len } else { 0 };
        with_scratch(a_len + b_len + 16, |scratch: *mut T| {
            let b_scratch = scratch;
            let a_scratch = scratch.wrapping_add(b_len.next_multiple_of(16));
            let last = blocks.end - 1;
            for (nth, block) in blocks.enumerate() {
                let k = p.block(plan, block);
                let finish = finish && block == last;
                // SAFETY: by the contract of `Product::run`; scratch holds what was asked for above.
                unsafe { self.block(&rows, &cols, &k, c, accumulate || nth > 0, finish, a_scratch, b_scratch) }
            }
        });
    }

    #[allow(clippy::too_many_arguments, reason = "one private step of `run`")]
    #[inline(always)]
    unsafe fn block(
        &self,
        rows: &Range<usize>,
        cols: &Range<usize>,
        k: &Range<usize>,
        c: Target<T>,
        accumulate: bool,
        finish: bool,
        a_scratch: *mut T,
        b_scratch: *mut T,
    ) {
        let (p, plan, kernels) = (self.product, self.plan, self.kernels);
        let width = kernels.cols;
        // SAFETY: all ranges are inside the operands, packed panels lie where `pack_all` and the lines here put them.
        unsafe {
            if matches!(self.a, Panels::Own) {
                pack_panels(kernels, p.a, rows.clone(), k.clone(), plan.rows, false, a_scratch);
            }
            let ahead = matches!(self.b, Panels::Own) && p.packs_b_ahead();
            if ahead {
                pack_panels(kernels, p.b, cols.clone(), k.clone(), width, true, b_scratch);
            }
            for col in cols.clone().step_by(width) {
                let count = (cols.end - col).min(width);
                let (b, b_step, b_padded) = match self.b {
                    Panels::InPlace(b) => (at(&b, col, k.start), b.k_stride, false),
                    Panels::Shared(start) => {
                        let n_padded = p.n.next_multiple_of(width);
                        (start.add(n_padded * k.start + col * k.len()), width.cast_signed(), true)
                    }
                    Panels::Own if ahead => {
                        (b_scratch.add((col - cols.start) * k.len()).cast_const(), width.cast_signed(), true)
                    }
                    Panels::Own => {
                        p.b.pack(kernels, col..col + count, k.clone(), width, b_scratch);
                        (b_scratch.cast_const(), width.cast_signed(), true)
                    }
                };
                for row in rows.clone().step_by(plan.rows) {
                    let height = (rows.end - row).min(plan.rows);
                    let (a, a_row, a_step) = match self.a {
                        Panels::InPlace(a) => (at(&a, row, k.start), a.outer_stride, a.k_stride),
                        Panels::Shared(start) => (start.add(p.m * k.start + row * k.len()), 1, height.cast_signed()),
                        Panels::Own => {
                            (a_scratch.add((row - rows.start) * k.len()).cast_const(), 1, height.cast_signed())
                        }
                    };
                    let (bias_row, bias_col) =
                        if finish { p.epilogue.bias_at(row, col) } else { Epilogue::default().bias_at(0, 0) };
                    let relu = finish && p.epilogue.activation == Activation::Relu;
                    let lanes = width / 2;
                    let vectors = usize::from(count > lanes);
                    let packed = !matches!(self.a, Panels::InPlace(_)) && (b_padded || count == (vectors + 1) * lanes);
                    let table = if packed { kernels.packed } else { kernels.direct };
                    let tile = Tile {
                        k: k.len(),
                        a,
                        a_row,
                        a_step,
                        b,
                        b_step,
                        c: std::ptr::null_mut(),
                        c_row: 0,
                        cols: count,
                        accumulate,
                        bias_row,
                        bias_col,
                        relu,
                    };
                    c.store(tile, table[height - 1][vectors], row, col, height);
                }
            }
        }
    }
}

/// Address of an element of an operand in place.
fn at<T>(m: &InPlace<T>, outer: usize, k: usize) -> *const T {
    m.start.wrapping_offset(outer.cast_signed() * m.outer_stride).wrapping_offset(k.cast_signed() * m.k_stride)
}
