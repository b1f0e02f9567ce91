//! The one packed core: cuts C into tiles, brings the panels, runs the microkernels.
//!
//! A task owns a tile of C and walks k in blocks: it packs its rows of A into cache, then for each panel of B (packed
//! just before use, so it lies in L1) runs down its rows. An operand that several tasks would pack is packed once, for
//! all, beforehand; one too small to be worth packing is read in place. If C has too few tiles to share out, k is cut
//! into slices whose sums are added in order. The cut depends on the shape alone.

use std::ops::Range;

use super::GemmFloat;
use super::epilogue::Epilogue;
use super::microkernel::{Microkernels, Tile};
use super::pack::{InPlace, PanelSource};
use super::scratch::with_scratch;
use super::stream;
use super::target::Target;
use crate::isa::isa;
use crate::memory::Buffer;
use crate::parallel::for_each;

/// Longest block of k: a panel of B of this length and 32 columns of float32 fills most of L1.
pub(super) const K_BLOCK: usize = 320;
/// Most rows of a task: its part of A stays in the second-level cache, beside its part of C.
const TASK_ROWS: usize = 256;
/// Most columns of a task that packs its part of B itself, and of any other.
const TASK_COLS: (usize, usize) = (256, 1024);
/// Work below which a slice of k is not worth handing out, in multiply-adds.
const SLICE_WORK: usize = 400_000;
/// Work below which one thread does it all, in multiply-adds of whole vectors.
const SHARED_WORK: usize = 400_000;
/// Work of a task.
const TASK_WORK: usize = 4_000_000;
/// Rows of C from which on B is packed once for all tasks, not by each: panels that one core packed reach another
/// through the memory hierarchy, which costs more than packing a few times.
const PACK_SHARED: usize = 512;
/// Columns of C up to which A is read in place: so few use an element that packing costs more than it gives.
const DIRECT_COLS: usize = 128;
/// Longest rows of B that are read in place however often, in bytes: so short that they do not crowd the same few sets
/// of a cache.
const SHORT_ROW: usize = 2048;
/// Panels that a task packs at once of a B that is never held whole: rows of memory are read in longer pieces.
const B_GROUP: usize = 8;
/// Most elements of all slices of a product whose k is cut because B is made up while it is packed.
const SLICED: usize = 1 << 22;
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
    m: usize,
    n: usize,
    /// Tasks along the rows and the columns.
    grid: (usize, usize),
    /// Panels of rows in each task.
    panels: usize,
    /// Columns of a panel.
    width: usize,
    /// Blocks of k, and slices that each take some of them.
    blocks: usize,
    slices: usize,
}

impl Plan {
    /// Row panels of task row `i`.
    fn row_panels(&self, i: usize) -> Range<usize> {
        i * self.panels..(i + 1) * self.panels
    }

    /// Column panels of task column `j`.
    fn col_panels(&self, j: usize) -> Range<usize> {
        let panels = self.n.div_ceil(self.width);
        j * panels / self.grid.1..(j + 1) * panels / self.grid.1
    }

    /// Rows of a panel: about as many in each, so that the last is no sliver.
    fn rows(&self, panel: usize) -> Range<usize> {
        let panels = self.grid.0 * self.panels;
        panel * self.m / panels..(panel + 1) * self.m / panels
    }

    /// Columns of a panel.
    fn cols(&self, panel: usize) -> Range<usize> {
        panel * self.width..((panel + 1) * self.width).min(self.n)
    }
}

/// Where the panels of an operand are.
#[derive(Clone, Copy)]
enum Panels<T> {
    /// In memory as it is.
    InPlace(InPlace<T>),
    /// Packed for all tasks (B only).
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
        // SAFETY: passed on.
        unsafe {
            if !T::run_in_terms(self, serial) {
                self.run_fma(serial);
            }
        }
    }

    /// Runs the product in multiply-adds of T.
    ///
    /// # Safety
    /// As [`Product::run`].
    pub unsafe fn run_fma(&self, serial: bool) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        let kernels = T::microkernels(isa());
        let padded = self.m.saturating_mul(self.n.next_multiple_of(kernels.cols / 2)).saturating_mul(self.k);
        let serial = serial || padded < SHARED_WORK;
        let cost = if serial { 0 } else { padded / WORK_PER_NS };
        // SAFETY: passed on.
        unsafe {
            match stream::operand(self, kernels) {
                Some(b) => stream::run(self, kernels, b, cost),
                None => self.run_packed(serial),
            }
        }
    }

    /// The same by the packed core, which gives a row the same bits however many there are if it is `serial`.
    ///
    /// # Safety
    /// As [`Product::run`].
    pub unsafe fn run_packed(&self, serial: bool) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        let kernels = T::microkernels(isa());
        let padded = self.m.saturating_mul(self.n.next_multiple_of(kernels.cols / 2)).saturating_mul(self.k);
        let cost = if serial { 0 } else { padded / WORK_PER_NS };
        let a = self.a_panels();
        let mut b = self.b_panels(kernels);
        let n_padded = self.n.next_multiple_of(kernels.cols);
        let share = !serial
            && matches!(b, Panels::Own)
            && !self.stream_b
            && self.m >= PACK_SHARED
            && n_padded * self.k <= SHARED_LIMIT;
        let plan = self.plan(kernels, serial, share || matches!(b, Panels::InPlace(_)));
        let b_buffer;
        if share {
            b_buffer = Buffer::uninit(n_padded * self.k * size_of::<T>());
            let start = b_buffer.as_ptr().cast::<T>();
            self.pack_b(kernels, &plan, start, cost);
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
            // SAFETY: a row of C, which is a matrix, and which this task alone owns.
            unsafe {
                let start = self.c.at(row, 0);
                for (col, c) in std::slice::from_raw_parts_mut(start, self.n).iter_mut().enumerate() {
                    let sum = (0..plan.slices).map(|s| sums[(s * self.m + row) * self.n + col]);
                    *c = sum.fold(if self.accumulate { *c } else { T::ZERO }, |x, y| x + y);
                }
                self.epilogue.finish(start, self.n, row..row + 1, 0..self.n);
            }
        });
    }

    /// Cuts the work. Rows are cheap to cut where B is `ready`: in place or packed.
    fn plan(&self, kernels: &Microkernels<T>, serial: bool, ready: bool) -> Plan {
        let work = self.m.saturating_mul(self.n).saturating_mul(self.k);
        let blocks = k_blocks(self.k);
        // Slices show in the bits, so they are counted in tiles of one size, whatever the tiles of this ISA.
        let tiles = self.m.div_ceil(SLICED_TILE.0) * self.n.div_ceil(SLICED_TILE.1);
        let tasks = (work / SLICE_WORK).clamp(1, TASKS);
        let wanted = if self.stream_b { streamed([self.m, self.n, self.k], tasks) } else { tasks / tiles };
        let slices = if self.c.is_rows() && !serial { wanted.min(blocks / 2).max(1) } else { 1 };
        let (mut down, mut across) = (if self.stream_b { 1 } else { self.m.div_ceil(TASK_ROWS) }, 1);
        if !serial {
            across = self.n.div_ceil(if ready { TASK_COLS.1 } else { TASK_COLS.0 });
            let wanted = (work / TASK_WORK).clamp(2, TASKS).next_power_of_two();
            while down * across * slices < wanted {
                let (height, width) = (self.m / down, self.n / across);
                let (rows_left, cols_left) = (!self.stream_b && height >= 2 * kernels.rows, width >= 2 * kernels.cols);
                if rows_left && (ready || height >= width || !cols_left) {
                    down *= 2;
                } else if cols_left {
                    across *= 2;
                } else {
                    break;
                }
            }
        }
        let panels = self.m.div_ceil(down).div_ceil(kernels.rows);
        Plan { m: self.m, n: self.n, grid: (down, across), panels, width: kernels.cols, blocks, slices }
    }

    fn a_panels(&self) -> Panels<T> {
        match self.a.in_place() {
            Some(a) if self.n <= DIRECT_COLS || self.m * self.k <= 4096 => Panels::InPlace(a),
            _ => Panels::Own,
        }
    }

    fn b_panels(&self, kernels: &Microkernels<T>) -> Panels<T> {
        match self.b.in_place() {
            // One that is read from memory is packed all the same: columns of a few rows at a time are what the hardware
            // does not foresee.
            Some(b) if is_far(&b) && self.n * self.k > CACHED && !is_short(&b) => Panels::Own,
            Some(b) if b.outer_stride == 1 && (self.m <= 4 * kernels.rows || is_short(&b)) => Panels::InPlace(b),
            _ => Panels::Own,
        }
    }

    /// Panels of B that a task packs before it multiplies: all of its `panels`, a few, or one after the other.
    fn b_group(&self, panels: usize) -> usize {
        match self.b.together() {
            Some(_) if self.stream_b => panels.min(B_GROUP),
            Some(_) => panels,
            None => 1,
        }
    }

    /// Packs B whole: block after block of k, each panel after panel, padded to full width.
    fn pack_b(&self, kernels: &Microkernels<T>, plan: &Plan, start: *mut T, cost: usize) {
        let start = SendPtr(start);
        let panels = self.n.div_ceil(plan.width);
        let group = 8;
        for_each(plan.blocks * panels.div_ceil(group), cost.min(self.n * self.k / 4), |t| {
            let (k, first) = (k_block(self.k, plan.blocks, t % plan.blocks), t / plan.blocks * group);
            let at = panels * plan.width * k.start + first * plan.width * k.len();
            let group = first..(first + group).min(panels);
            // SAFETY: each panel has its own place in the buffer; the ranges are inside the operand.
            unsafe { pack_panels(kernels, self.b, group, |p| plan.cols(p), k, Some(plan.width), start.get().add(at)) }
        });
    }
}

/// Slices that k is cut into, of `[m, n, k]` and so many tasks, where B is made up while it is packed.
fn streamed([m, n, k]: [usize; 3], tasks: usize) -> usize {
    // Tasks along the columns would each pack all of A, which is long.
    if k >= 4 * n { tasks.min(SLICED / (m * n)) } else { 1 }
}

/// Slices of such a product, of `[m, n, k]`, that is shared out: for routes that give the same bits.
#[cfg(target_arch = "x86_64")]
pub(crate) fn slices_of_streamed([m, n, k]: [usize; 3]) -> usize {
    let work = m.saturating_mul(n).saturating_mul(k);
    streamed([m, n, k], (work / SLICE_WORK).clamp(1, TASKS)).min(k_blocks(k) / 2).max(1)
}

/// Blocks that k is walked in.
pub(crate) fn k_blocks(k: usize) -> usize {
    k.div_ceil(K_BLOCK).max(1)
}

/// Block `index` of `blocks` about equal ones.
pub(crate) fn k_block(k: usize, blocks: usize, index: usize) -> Range<usize> {
    let len = k.div_ceil(blocks);
    (index * len).min(k)..((index + 1) * len).min(k)
}

/// Packs `panels` of the `outer` elements that `cut` says, one after the other; each as wide as it is, or padded.
///
/// # Safety
/// As for [`PanelSource::pack`].
unsafe fn pack_panels<T: GemmFloat>(
    kernels: &Microkernels<T>,
    source: &dyn PanelSource<T>,
    panels: Range<usize>,
    cut: impl Fn(usize) -> Range<usize>,
    k: Range<usize>,
    padded: Option<usize>,
    to: *mut T,
) {
    let steps = source.together().unwrap_or(k.len()).max(1);
    for step in k.clone().step_by(steps) {
        let mut panel = to;
        for outer in panels.clone().map(&cut) {
            let width = padded.unwrap_or(outer.len());
            // SAFETY: the contract: the ranges are inside the operand, the places inside the panels.
            unsafe {
                let at = panel.add((step - k.start) * width);
                source.pack(kernels, outer, step..(step + steps).min(k.end), width, at);
                panel = panel.add(width * k.len());
            }
        }
    }
}

/// Whether rows follow the panels in memory, far apart: a few steps of all panels at a time use their lines whole.
pub(super) fn is_far<T>(m: &InPlace<T>) -> bool {
    m.outer_stride == 1 && m.k_stride.unsigned_abs() * size_of::<T>() >= 1024
}

/// Whether rows follow the panels in memory and are short: a kernel reads them about as well as a panel.
fn is_short<T>(m: &InPlace<T>) -> bool {
    m.outer_stride == 1 && m.k_stride.unsigned_abs() * size_of::<T>() <= SHORT_ROW
}

/// A pointer that tasks share to write apart.
#[derive(Clone, Copy)]
pub(super) struct SendPtr<T>(pub *mut T);
// SAFETY: see the type.
unsafe impl<T: Send> Sync for SendPtr<T> {}
impl<T> SendPtr<T> {
    pub fn get(self) -> *mut T {
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
        let (rows, cols) = (plan.row_panels(index % plan.grid.0), plan.col_panels(index / plan.grid.0));
        let height = plan.rows(rows.end - 1).end - plan.rows(rows.start).start;
        let k_len = p.k.div_ceil(plan.blocks);
        let a_len = if matches!(self.a, Panels::Own) { height * k_len } else { 0 };
        let b_panels = p.b_group(cols.len());
        let b_len = if matches!(self.b, Panels::Own) { b_panels * plan.width * k_len } else { 0 };
        with_scratch(a_len + b_len + 16, |scratch: *mut T| {
            let b_scratch = scratch;
            let a_scratch = scratch.wrapping_add(b_len.next_multiple_of(16));
            let last = blocks.end - 1;
            for (nth, block) in blocks.enumerate() {
                let k = k_block(p.k, plan.blocks, block);
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
        let width = plan.width;
        // SAFETY: all ranges are inside the operands, packed panels lie where `pack_b` and the lines here put them.
        unsafe {
            if matches!(self.a, Panels::Own) {
                pack_panels(kernels, p.a, rows.clone(), |panel| plan.rows(panel), k.clone(), None, a_scratch);
            }
            let group = p.b_group(cols.len());
            let (epilogue, rest) =
                if finish { (p.epilogue.in_registers(), p.epilogue.afterwards()) } else { (Epilogue::default(), None) };
            for col_panel in cols.clone() {
                let Range { start: col, end } = plan.cols(col_panel);
                let count = end - col;
                let (b, b_step, b_padded) = match self.b {
                    Panels::InPlace(b) => (at(&b, col, k.start), b.k_stride, false),
                    Panels::Shared(start) => {
                        let n_padded = p.n.next_multiple_of(width);
                        (start.add(n_padded * k.start + col * k.len()), width.cast_signed(), true)
                    }
                    Panels::Own => {
                        let nth = (col_panel - cols.start) % group;
                        if nth == 0 {
                            let panels = col_panel..(col_panel + group).min(cols.end);
                            pack_panels(
                                kernels,
                                p.b,
                                panels,
                                |panel| plan.cols(panel),
                                k.clone(),
                                Some(width),
                                b_scratch,
                            );
                        }
                        (b_scratch.add(nth * width * k.len()).cast_const(), width.cast_signed(), true)
                    }
                };
                let lanes = width / 2;
                let vectors = usize::from(count > lanes);
                let packed = !matches!(self.a, Panels::InPlace(_)) && (b_padded || count == (vectors + 1) * lanes);
                let table = if packed { kernels.packed } else { kernels.direct };
                let mut a_panel = a_scratch.cast_const();
                for row_panel in rows.clone() {
                    let Range { start: row, end } = plan.rows(row_panel);
                    let height = end - row;
                    let (a, a_row, a_step) = match self.a {
                        Panels::InPlace(a) => (at(&a, row, k.start), a.outer_stride, a.k_stride),
                        _ => (a_panel, 1, height.cast_signed()),
                    };
                    a_panel = a_panel.wrapping_add(height * k.len());
                    let (bias_row, bias_col) = epilogue.bias_at(row, col);
                    let tile = Tile {
                        k: k.len(),
                        a,
                        a_row,
                        a_step,
                        b,
                        b_step,
                        sums: std::ptr::null(),
                        sums_row: 0,
                        c: std::ptr::null_mut(),
                        c_row: 0,
                        cols: count,
                        accumulate,
                        bias_row,
                        bias_col,
                        relu: epilogue.is_relu(),
                    };
                    c.store(tile, table[height - 1][vectors], row, col, height, rest);
                }
            }
        }
    }
}

/// Address of an element of an operand in place.
pub(super) fn at<T>(m: &InPlace<T>, outer: usize, k: usize) -> *const T {
    m.start.wrapping_offset(outer.cast_signed() * m.outer_stride).wrapping_offset(k.cast_signed() * m.k_stride)
}
