//! Products of bfloat16 terms, summed in float32: matrices of bfloat16, and matrices of float32 in three precisions.
//!
//! The same structure as the float32 core (`driver`), over operands that are always packed: a task owns a block of C,
//! walks k in blocks and runs tiles of 32 by 32, on tiles of AMX or, for matrices of bfloat16, by dot products of pairs.
//! Where a panel holds numbers whose terms would lose something (see [`pack::Span`]), its tiles are computed by float32
//! multiply-adds.

#![allow(clippy::cast_ptr_alignment, reason = "buffers and scratch begin on cache lines, and panels are whole lines")]

mod amx;
mod dot;
mod pack;
mod stationary;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod windows;

use std::cmp::Ordering;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::driver::{Product, SendPtr};
use super::epilogue::Epilogue;
use super::pack::{InPlace, PanelSource, Window};
use super::scratch::{Scratch, with_scratch};
use super::target::Target;
use super::{Gemm, Matrix};
use crate::half::Bf16;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each, for_each_init, num_threads};
use crate::stored::Stored;
use pack::{Place, Side, Span, pack};

pub(crate) use amx::{SPIN_FLOPS, spin_tiles};
pub(crate) use stationary::{MOST_ROWS, Stationary};

/// Steps of k that a tile multiplies at once.
const STEP: usize = 32;
/// Rows or columns of a tile.
const TILE: usize = 16;
/// Rows or columns of a panel: two tiles.
const PANEL: usize = 2 * TILE;
/// Elements of a tile, and of a term's two tiles.
const TILE_LEN: usize = TILE * STEP;
const TERM_LEN: usize = 2 * TILE_LEN;
/// Longest block of k, in steps, for 1, 2 and 3 terms: a panel of 128 to 144 KiB, read from L2 as often as there are
/// panels of the other operand, and so long that bringing the sums to C is little beside it.
const BLOCK_STEPS: [usize; 3] = [64, 32, 24];
/// Most panels of a task along the rows, whose block of A stays in L2, and along the columns.
const TASK_PANELS: (usize, usize) = (8, 32);
/// Bytes of a packed operand that stay in the L2 of a core, beside what a task packs.
const NEAR: usize = 1 << 20;

/// An operand of a product.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a> {
    /// Float32, split into terms.
    Float32(&'a dyn PanelSource<f32>),
    /// The bits of bfloat16.
    Bfloat16(InPlace<u16>),
}

/// What a microkernel computes: one or two tiles of A by one or two of B, `C = A B`.
struct MicroTile {
    a: *const u16,
    b: *const u16,
    /// At least one.
    steps: usize,
    c: *mut f32,
    c_row: usize,
}
type TileFn = unsafe fn(&MicroTile);

/// What multiplies bfloat16 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Tiles of AMX.
    Tiles,
    /// Dot products of pairs, of AVX-512: for single terms.
    Dots,
}

impl Unit {
    /// The best of this machine, if any.
    pub fn available() -> Option<Self> {
        use crate::isa::{Isa, isa};
        match isa() {
            Isa::Amx => Some(Self::Tiles),
            Isa::Avx512 if is_x86_feature_detected!("avx512bf16") => Some(Self::Dots),
            _ => None,
        }
    }
}

/// Rows of bfloat16 that C is rounded into.
#[derive(Clone, Copy)]
pub(crate) struct Rounded {
    pub start: *mut u16,
    pub row_stride: usize,
}
// SAFETY: tasks write disjoint elements, as those of a target.
unsafe impl Send for Rounded {}
// SAFETY: as above.
unsafe impl Sync for Rounded {}

impl Rounded {
    fn at(self, row: usize, col: usize) -> *mut u16 {
        self.start.wrapping_add(row * self.row_stride + col)
    }
}

/// `C = A B` of bfloat16 matrices, then the epilogue in float32, rounded once.
///
/// # Safety
/// Some unit is available; every element of A, B and C is inside its allocation, and C is the caller's alone.
pub(super) unsafe fn product(
    problem: &Gemm<'_, Bf16>,
    a: Matrix<'_, Bf16>,
    b: Matrix<'_, Bf16>,
    c: *mut Bf16,
    epilogue: Epilogue<'_, f32>,
    serial: bool,
) {
    let &Gemm { m, n, k, c_row_stride: row_stride, .. } = problem;
    let c = Rounded { start: c.cast(), row_stride };
    if k == 0 {
        for row in 0..m {
            let mut line = vec![0.0; n];
            // SAFETY: a row of C.
            unsafe {
                epilogue.finish(line.as_mut_ptr(), n, row..row + 1, 0..n);
                line.iter().enumerate().for_each(|(col, &x)| *c.at(row, col) = Bf16::store(x).0);
            }
        }
        return;
    }
    let bits = |m: InPlace<Bf16>| {
        Operand::Bfloat16(InPlace { start: m.start.cast(), outer_stride: m.outer_stride, k_stride: m.k_stride })
    };
    let (a, b) = (bits(a.in_place(a.row_stride, a.col_stride)), bits(b.in_place(b.col_stride, b.row_stride)));
    let (c, unit) = (Output::Bfloat16(c), Unit::available().expect("by contract"));
    let (accumulate, terms, stream_b) = (false, 1, false);
    // SAFETY: passed on.
    unsafe { TermProduct { m, n, k, a, b, c, accumulate, epilogue, terms, unit, stream_b }.run(serial) }
}

/// Where C goes.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Float32(Target<f32>),
    Bfloat16(Rounded),
}

/// `C = [C +] A B`, then the epilogue. `k` is at least 1.
pub(crate) struct TermProduct<'a> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Rows of A.
    pub a: Operand<'a>,
    /// Columns of B.
    pub b: Operand<'a>,
    pub c: Output,
    /// C is float32 and is added to.
    pub accumulate: bool,
    pub epilogue: Epilogue<'a, f32>,
    /// Terms of an operand, 1 to 3; products of terms `i`, `j` with `i + j >= terms` are left out.
    pub terms: usize,
    /// What multiplies: available here, and tiles if there are several terms.
    pub unit: Unit,
    /// See [`Product::stream_b`].
    pub stream_b: bool,
}

/// Estimated products of terms that one thread does in a nanosecond.
const PRODUCTS_PER_NS: usize = 700;
/// Products of terms that make a task worth handing out.
const TASK_PRODUCTS: usize = 4_000_000;
/// Tasks of a thread, if the work suffices. Unlike blocks and slices, how C is cut does not show in the bits.
const TASKS: usize = 4;
/// Tasks that k is cut for where C has too few tiles.
const SLICES: usize = 16;
/// Products of terms below which threads do not pack together (see `driver::PACK_SHARED`).
const PACK_SHARED: usize = 60_000_000;
/// Largest operand that is packed whole, in elements.
const SHARED_LIMIT: usize = 1 << 25;

/// Panels of a task along the longer side of C down to which that side alone is cut.
const LEAST_PANELS: usize = 2;

/// Who packs an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packer {
    /// Each task what it needs.
    Task,
    /// Each thread all of it, once: to pack twice what is small takes less time than to wait for the other threads and to
    /// fetch what they packed from their caches.
    Thread,
    /// All threads together, before the first task.
    All,
}

/// How the work is cut. Sizes are in panels and in steps.
struct Plan {
    packers: [Packer; 2],
    rows: usize,
    cols: usize,
    grid: (usize, usize),
    block: usize,
    blocks: usize,
    slices: usize,
}

/// An operand packed whole, for all tasks: block after block, panel after panel, so that a block is one piece and its
/// lines spread over all sets of a cache.
struct Packed {
    start: SendPtr<u16>,
    panel_len: usize,
    panels: usize,
    /// Block after block, panel after panel.
    spans: Vec<Span>,
}

/// Where the panels of one task and one block are.
#[derive(Clone, Copy)]
struct Panels<'a> {
    start: *const u16,
    panel_len: usize,
    spans: &'a [Span],
}

impl TermProduct<'_> {
    /// Runs the product; on this thread alone if `serial`.
    ///
    /// # Safety
    /// The unit is available; the elements of C are valid, distinct, and touched by nobody else meanwhile.
    pub unsafe fn run(&self, serial: bool) {
        let plan = self.plan(serial);
        let products = self.products();
        let cost = if serial { 0 } else { products / PRODUCTS_PER_NS };
        let [a, b] = [(Side::A, plan.packers[0]), (Side::B, plan.packers[1])].map(|(side, packer)| {
            (packer == Packer::All).then(|| {
                let buffer = Buffer::uninit(self.packed_len(side, &plan) * size_of::<u16>());
                (self.pack_whole(side, &plan, cost, buffer.as_ptr().cast()), buffer)
            })
        });
        let [a, b] = [&a, &b].map(|packed| packed.as_ref().map(|(packed, _)| packed));
        let tiles = plan.grid.0 * plan.grid.1;
        let task = Task { product: self, plan: &plan, a, b };
        let init = || task.of_thread();
        if plan.slices == 1 {
            // SAFETY: tasks write disjoint blocks of C.
            for_each_init(tiles, cost, init, |own, t| unsafe {
                task.run(own, t, 0..plan.blocks, self.c, self.accumulate, true);
            });
            return;
        }
        let partials = Buffer::uninit(plan.slices * self.m * self.n * size_of::<f32>());
        let partial = |slice: usize| Target::rows(partials.as_ptr().cast::<f32>(), slice * self.m * self.n, self.n);
        for_each_init(tiles * plan.slices, cost, init, |own, t| {
            let slice = t / tiles;
            let blocks = slice * plan.blocks / plan.slices..(slice + 1) * plan.blocks / plan.slices;
            // SAFETY: tasks write disjoint blocks of the partial sums.
            unsafe { task.run(own, t % tiles, blocks, Output::Float32(partial(slice)), false, false) }
        });
        let sums = partials.as_slice::<f32>();
        for_each(self.m, if serial { 0 } else { plan.slices * self.m * self.n / 2 }, |row| {
            with_scratch(self.n, |line: *mut f32| {
                // SAFETY: scratch for a row, and a row of C, a matrix, that this task alone owns.
                unsafe {
                    let line = std::slice::from_raw_parts_mut(line, self.n);
                    for (col, x) in line.iter_mut().enumerate() {
                        let sum = (0..plan.slices).map(|s| sums[(s * self.m + row) * self.n + col]);
                        let start = match self.c {
                            Output::Float32(c) if self.accumulate => *c.at(row, col),
                            _ => 0.0,
                        };
                        *x = sum.fold(start, |x, y| x + y);
                    }
                    self.epilogue.finish(line.as_mut_ptr(), self.n, row..row + 1, 0..self.n);
                    match self.c {
                        Output::Float32(c) => c.at(row, 0).copy_from_nonoverlapping(line.as_ptr(), self.n),
                        Output::Bfloat16(c) => {
                            line.iter().enumerate().for_each(|(col, &x)| *c.at(row, col) = Bf16::store(x).0);
                        }
                    }
                }
            });
        });
    }

    /// Products of terms, as many times as each multiply-add takes.
    fn products(&self) -> usize {
        let times = self.terms * (self.terms + 1) / 2;
        self.m.saturating_mul(self.n).saturating_mul(self.k).saturating_mul(times)
    }

    fn plan(&self, serial: bool) -> Plan {
        let (p, q) = (self.m.div_ceil(PANEL), self.n.div_ceil(PANEL));
        let steps = self.k.div_ceil(STEP);
        let block = steps.div_ceil(steps.div_ceil(BLOCK_STEPS[self.terms - 1]));
        let blocks = steps.div_ceil(block);
        let tasks = (self.products() / TASK_PRODUCTS).max(1);
        // Slices show in the bits: they depend on the shape, not on who runs it.
        let rows = matches!(self.c, Output::Bfloat16(_)) || matches!(self.c, Output::Float32(c) if c.is_rows());
        let slices = if rows && !self.stream_b { (tasks.min(SLICES) / (p * q)).min(blocks / 2).max(1) } else { 1 };
        let threads = if serial { 1 } else { num_threads() };
        let wanted = tasks.min(TASKS * threads);
        let near = |panels: usize| panels * blocks * block * self.terms * TERM_LEN * size_of::<u16>() <= NEAR;
        let (short, long) = (p.min(q), p.max(q));
        if near(short) && long >= 2 * threads && slices == 1 && !self.stream_b {
            // Cut along the longer side alone: each task packs its own part of it, and each thread the other side.
            let most = if p >= q { TASK_PANELS.0 } else { TASK_PANELS.1 };
            let each = (long / wanted).clamp(1, most);
            let (rows, cols) = if p >= q { (each, q) } else { (p, each) };
            let packer = |tasks: usize| if tasks == 1 { Packer::Task } else { Packer::Thread };
            let grid = (p.div_ceil(rows), q.div_ceil(cols));
            let packers = [packer(grid.1), packer(grid.0)];
            return Plan { packers, rows, cols, grid, block, blocks, slices };
        }
        let (mut rows, mut cols) = (if self.stream_b { p } else { p.min(TASK_PANELS.0) }, q.min(TASK_PANELS.1));
        while p.div_ceil(rows) * q.div_ceil(cols) * slices < wanted {
            // Where C is tall or wide, each task packs its own part of the larger operand, and nobody else needs it.
            let across = match p.cmp(&q) {
                Ordering::Greater => rows <= LEAST_PANELS,
                Ordering::Equal => cols >= rows,
                Ordering::Less => cols > LEAST_PANELS || rows == 1,
            };
            if cols > 1 && (across || self.stream_b) {
                cols = cols.div_ceil(2);
            } else if rows > 1 && !self.stream_b {
                rows = rows.div_ceil(2);
            } else {
                break;
            }
        }
        let grid = (p.div_ceil(rows), q.div_ceil(cols));
        let together = |tasks: usize, len: usize| {
            tasks > 1 && self.products() >= PACK_SHARED && len.saturating_mul(self.k) <= SHARED_LIMIT
        };
        let packer = |together: bool| if together { Packer::All } else { Packer::Task };
        let packers = [packer(together(grid.1, self.m)), packer(together(grid.0, self.n) && !self.stream_b)];
        Plan { packers, rows, cols, grid, block, blocks, slices }
    }

    /// The steps of k in block `index`.
    fn k_of(&self, plan: &Plan, index: usize) -> Range<usize> {
        let len = plan.block * STEP;
        index * len..((index + 1) * len).min(self.k)
    }

    fn operand(&self, side: Side) -> (Operand<'_>, usize) {
        match side {
            Side::A => (self.a, self.m),
            Side::B => (self.b, self.n),
        }
    }

    /// Elements of an operand packed whole.
    fn packed_len(&self, side: Side, plan: &Plan) -> usize {
        plan.blocks * self.operand(side).1.div_ceil(PANEL) * plan.block * self.terms * TERM_LEN
    }

    /// Packs an operand to where there is room for [`Self::packed_len`].
    fn pack_whole(&self, side: Side, plan: &Plan, cost: usize, start: *mut u16) -> Packed {
        /// Most panels of one task of packing.
        const GROUP: usize = 8;
        let (operand, outer) = self.operand(side);
        let panels = outer.div_ceil(PANEL);
        let panel_len = plan.block * self.terms * TERM_LEN;
        let start = SendPtr(start);
        let mut spans = vec![Span::ZEROS; plan.blocks * panels];
        {
            let spans = Disjoint::new(&mut spans);
            let group = panels.div_ceil((TASKS * num_threads()).div_ceil(plan.blocks)).min(GROUP);
            for_each(plan.blocks * panels.div_ceil(group), cost.min(outer * self.k / 2), |t| {
                let (block, first) = (t % plan.blocks, t / plan.blocks * group);
                let group = first..(first + group).min(panels);
                let range = group.start * PANEL..(group.end * PANEL).min(outer);
                let at = (block * panels + first) * panel_len;
                // SAFETY: each task has its own panels and spans; either unit implies the features.
                unsafe {
                    let place = Place { start: start.get().add(at), panel_len };
                    let spans = spans.slice(block * panels + group.start..block * panels + group.end);
                    pack(operand, side, self.terms, &range, &self.k_of(plan, block), place, spans);
                }
            });
        }
        Packed { start, panel_len, panels, spans }
    }
}

/// What all tasks of a product share.
struct Task<'a> {
    product: &'a TermProduct<'a>,
    plan: &'a Plan,
    a: Option<&'a Packed>,
    b: Option<&'a Packed>,
}

/// What a thread keeps from task to task: its tiles, and what it packs for all of them.
struct OfThread {
    _tiles: Option<amx::Configuration>,
    packed: [Option<(Packed, Scratch)>; 2],
}

impl Task<'_> {
    fn of_thread(&self) -> OfThread {
        let (p, plan) = (self.product, self.plan);
        let packed = [(Side::A, plan.packers[0]), (Side::B, plan.packers[1])].map(|(side, packer)| {
            (packer == Packer::Thread).then(|| {
                let scratch = Scratch::new::<u16>(p.packed_len(side, plan));
                (p.pack_whole(side, plan, 0, scratch.start()), scratch)
            })
        });
        // SAFETY: tiles are available where they are the unit, by the contract of `TermProduct::run`.
        let tiles = (p.unit == Unit::Tiles).then(|| unsafe { amx::Configuration::new() });
        OfThread { _tiles: tiles, packed }
    }

    /// Computes block `index` of C over some blocks of k, into `c`.
    unsafe fn run(
        &self,
        own: &OfThread,
        index: usize,
        blocks: Range<usize>,
        c: Output,
        accumulate: bool,
        finish: bool,
    ) {
        let (p, plan) = (self.product, self.plan);
        let [own_a, own_b] = own.packed.each_ref().map(|packed| packed.as_ref().map(|(packed, _)| packed));
        let (whole_a, whole_b) = (self.a.or(own_a), self.b.or(own_b));
        let (i, j) = (index % plan.grid.0, index / plan.grid.0);
        let rows = i * plan.rows * PANEL..((i + 1) * plan.rows * PANEL).min(p.m);
        let cols = j * plan.cols * PANEL..((j + 1) * plan.cols * PANEL).min(p.n);
        let row_panels = rows.len().div_ceil(PANEL);
        let panel_len = plan.block * p.terms * TERM_LEN;
        let a_len = if whole_a.is_some() { 0 } else { row_panels * panel_len };
        let group = cols.len().div_ceil(PANEL).min(B_GROUP);
        let b_len = if whole_b.is_some() { 0 } else { group * panel_len };
        // The sums of several blocks wait as float32 before they are rounded.
        let sums_len = if matches!(c, Output::Bfloat16(_)) && blocks.len() > 1 { rows.len() * cols.len() } else { 0 };
        with_scratch(a_len + b_len + 2 * sums_len, |scratch: *mut u16| {
            let (c, rounded) = match c {
                Output::Float32(c) => (c, None),
                Output::Bfloat16(rounded) => {
                    let sums = scratch.wrapping_add(a_len + b_len).cast::<f32>();
                    let first = sums.wrapping_sub(rows.start * cols.len() + cols.start);
                    (Target::rows(first, 0, cols.len()), Some(rounded))
                }
            };
            let mut own_spans = [Span::ZEROS; OWN_SPANS];
            let mut more_spans = Vec::new();
            let a_spans = if row_panels <= OWN_SPANS {
                &mut own_spans[..row_panels]
            } else {
                more_spans.resize(row_panels, Span::ZEROS);
                &mut more_spans[..]
            };
            let a_place = Place { start: scratch, panel_len };
            let mut b_spans = [Span::ZEROS; B_GROUP];
            let b_place = Place { start: scratch.wrapping_add(a_len), panel_len };
            let last = blocks.end - 1;
            for (nth, block) in blocks.enumerate() {
                let k = p.k_of(plan, block);
                let finish = finish && block == last;
                let store = Store { c, accumulate: accumulate || nth > 0, finish, rounded: rounded.filter(|_| finish) };
                // SAFETY: the ranges are inside the operands, the places have room.
                unsafe {
                    let a = if let Some(packed) = whole_a {
                        packed.block(i * plan.rows, block)
                    } else {
                        pack(p.a, Side::A, p.terms, &rows, &k, a_place, a_spans);
                        Panels { start: a_place.start, panel_len, spans: a_spans }
                    };
                    for (nth, first) in cols.clone().step_by(PANEL).enumerate() {
                        let nth = nth % group;
                        let b = if let Some(packed) = whole_b {
                            packed.block(first / PANEL, block)
                        } else {
                            if nth == 0 {
                                let cols = first..(first + group * PANEL).min(cols.end);
                                pack(p.b, Side::B, p.terms, &cols, &k, b_place, &mut b_spans);
                            }
                            let start = b_place.start.wrapping_add(nth * panel_len);
                            Panels { start, panel_len, spans: &b_spans[nth..] }
                        };
                        let col = first..(first + PANEL).min(cols.end);
                        self.column(&rows, &col, &k, a, b, store);
                    }
                }
            }
        });
    }

    /// Multiplies all panels of A by one of B.
    unsafe fn column(
        &self,
        rows: &Range<usize>,
        cols: &Range<usize>,
        k: &Range<usize>,
        a: Panels<'_>,
        b: Panels<'_>,
        store: Store,
    ) {
        let p = self.product;
        let safe = |i: usize| p.terms == 1 || a.spans[i].is_safe(b.spans[0]);
        let panels = rows.len().div_ceil(PANEL);
        let steps = k.len().div_ceil(STEP);
        let mut stacks = [const { MaybeUninit::<Stack>::uninit() }; 2];
        let mut waiting = None;
        let mut i = 0;
        while i < panels {
            let first = rows.start + i * PANEL;
            if i + 1 < panels {
                store.c.prefetch(first + PANEL..(first + 2 * PANEL).min(rows.end), cols);
            }
            // SAFETY: passed on; a stack is used again only when its sums are where they belong.
            unsafe {
                if safe(i) {
                    let rows = first..(first + PANEL).min(rows.end);
                    let (a, b) = (a.start.add(i * a.panel_len), b.start);
                    let sums = store.multiply(p, [a, b], steps, rows, cols.clone(), stacks[i % 2].as_mut_ptr().cast());
                    // The sums of the tile before have arrived; those of this one would be waited for.
                    if let Some(sums) = std::mem::replace(&mut waiting, sums) {
                        store.finish(p, &sums);
                    }
                    i += 1;
                } else {
                    // Whose turn a stack is next depends on how many panels follow here.
                    if let Some(sums) = waiting.take() {
                        store.finish(p, &sums);
                    }
                    let count = (i..panels).take_while(|&i| !safe(i)).count();
                    store.fall_back(p, first..(first + count * PANEL).min(rows.end), cols, k);
                    i += count;
                }
            }
        }
        if let Some(sums) = waiting {
            // SAFETY: as above.
            unsafe { store.finish(p, &sums) }
        }
    }
}

/// Panels of B that a task packs at once: rows of memory are read in longer pieces.
const B_GROUP: usize = 4;
/// Panels of rows whose spans fit the stack.
const OWN_SPANS: usize = 16;

impl Packed {
    /// The panels from `panel` on, over one block of k.
    fn block(&self, panel: usize, block: usize) -> Panels<'_> {
        let first = block * self.panels + panel;
        Panels {
            start: self.start.get().cast_const().wrapping_add(first * self.panel_len),
            panel_len: self.panel_len,
            spans: &self.spans[first..(block + 1) * self.panels],
        }
    }
}

/// Where the sums of one block of k go.
#[derive(Clone, Copy)]
struct Store {
    c: Target<f32>,
    /// Add to what C holds.
    accumulate: bool,
    /// It is the last block: apply the epilogue.
    finish: bool,
    /// Where the last block brings C instead.
    rounded: Option<Rounded>,
}

impl Store {
    /// Runs the microkernel on one tile: in C itself if the tile is whole, the first and its rows lie together, else on
    /// the stack, to be finished later. So blocks are summed apart, and no small product meets the large sums of the
    /// blocks before.
    unsafe fn multiply(
        &self,
        p: &TermProduct<'_>,
        [a, b]: [*const u16; 2],
        steps: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        stack: *mut f32,
    ) -> Option<Sums> {
        let (a_tiles, b_tiles) = (rows.len().div_ceil(TILE), cols.len().div_ceil(TILE));
        let kernels = match p.unit {
            Unit::Tiles => &amx::MICROKERNELS[p.terms - 1],
            Unit::Dots => &dot::MICROKERNELS,
        };
        let kernel = kernels[a_tiles - 1][b_tiles - 1];
        let whole = rows.len() == a_tiles * TILE && cols.len() == b_tiles * TILE;
        let part = self.c.part(rows.start, cols.start);
        let plain = !self.finish || p.epilogue.is_none();
        let direct = whole && part.run >= cols.len() && plain && !self.accumulate && self.rounded.is_none();
        let (c, c_row) = if direct { (part.start, part.row_stride) } else { (stack, PANEL) };
        // SAFETY: the elements of C are this task's; the stack holds a tile.
        unsafe { kernel(&MicroTile { a, b, steps, c, c_row }) };
        (!direct).then_some(Sums { stack, rows, cols })
    }

    /// Brings sums from the stack to C.
    #[inline]
    unsafe fn finish(&self, p: &TermProduct<'_>, sums: &Sums) {
        let part = self.c.part(sums.rows.start, sums.cols.start);
        let mut accumulate = self.accumulate;
        let epilogue = if self.finish { p.epilogue.in_registers() } else { Epilogue::default() };
        if let Some(epilogue) = p.epilogue.afterwards().filter(|_| self.finish) {
            // SAFETY: as below.
            unsafe {
                for (r, row) in sums.rows.clone().enumerate().filter(|_| accumulate) {
                    for (j, col) in sums.cols.clone().enumerate() {
                        let sum = sums.stack.add(r * PANEL + j);
                        *sum += *self.c.at(row, col);
                    }
                }
                epilogue.finish(sums.stack, PANEL, sums.rows.clone(), sums.cols.clone());
            }
            accumulate = false;
        }
        if part.run >= sums.cols.len() {
            // SAFETY: the elements of C are this task's; either unit implies the features.
            return unsafe { store::together(sums, part, self.rounded, accumulate, &epilogue) };
        }
        for (r, row) in sums.rows.clone().enumerate() {
            for (j, col) in sums.cols.clone().enumerate() {
                // SAFETY: an element of C, which is this task's, and of the stack.
                unsafe {
                    let (c, sum) = (self.c.at(row, col), *sums.stack.add(r * PANEL + j));
                    *c = epilogue.apply(if accumulate { *c + sum } else { sum }, row, col);
                }
            }
        }
    }

    /// The same in float32 multiply-adds.
    #[cold]
    unsafe fn fall_back(&self, p: &TermProduct<'_>, rows: Range<usize>, cols: &Range<usize>, k: &Range<usize>) {
        let (Operand::Float32(a), Operand::Float32(b)) = (p.a, p.b) else {
            unreachable!("single terms never fall back")
        };
        let window = |source, outer| Window { source, outer, k: k.start };
        let (a, b) = (window(a, rows.start), window(b, cols.start));
        let product = Product {
            m: rows.len(),
            n: cols.len(),
            k: k.len(),
            a: &a,
            b: &b,
            c: self.c.window(rows.start, cols.start),
            accumulate: self.accumulate,
            epilogue: if self.finish { p.epilogue.window(&rows, cols) } else { Epilogue::default() },
            stream_b: false,
        };
        // SAFETY: passed on.
        unsafe { product.run_fma(true) }
    }
}

/// Where a tile waits on its way to C.
#[repr(align(64))]
#[expect(dead_code, reason = "room, read through pointers")]
struct Stack([f32; PANEL * PANEL]);

/// The sums of a tile, in rows of [`PANEL`].
struct Sums {
    stack: *mut f32,
    rows: Range<usize>,
    cols: Range<usize>,
}
