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
mod plan;
mod resident;
mod stationary;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod windows;

use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::null;

use super::driver::SendPtr;
use super::epilogue::Epilogue;
use super::pack::{InPlace, PanelSource};
use super::scratch::{Scratch, with_scratch};
use super::target::Target;
use super::{Gemm, Matrix};
use crate::half::Bf16;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each, for_each_init, num_threads};
use crate::stored::Stored;
use pack::{Place, Side, Span, pack};
use plan::{Packer, Plan, TASKS};
use store::{Stack, Store};

pub(crate) use amx::{SPIN_FLOPS, spin_tiles};
pub(crate) use resident::{InTerms, Put, Resident, Tiles};
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
/// Longest block of k, in steps, for 1, 2 and 3 terms: a panel of 128 to 256 KiB, read from L2 as often as there are
/// panels of the other operand, and so long that bringing the sums to C is little beside it.
const BLOCK_STEPS: [usize; 3] = [128, 32, 24];
/// An operand of a product.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a> {
    /// Float32, split into terms.
    Float32(&'a dyn PanelSource<f32>),
    /// The bits of bfloat16.
    Bfloat16(InPlace<u16>),
}

/// What a microkernel computes: one or two tiles of A by one or two of B, `C = S + A B`.
struct MicroTile {
    a: *const u16,
    b: *const u16,
    /// At least one.
    steps: usize,
    /// S, in rows of [`PANEL`]; null for zeros. For tiles of AMX alone.
    start: *const f32,
    c: *mut f32,
    c_row: usize,
    /// What to fetch into L2 meanwhile, [`AHEAD`] elements a step, if not null: a hint.
    next: *const u16,
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
/// An operand packed whole, in memory that all threads use or one thread: block after block, panel after panel, so that a
/// block is one piece and its lines spread over all sets of a cache.
struct Packed<M> {
    memory: M,
    panel_len: usize,
    panels: usize,
    /// Block after block, panel after panel.
    spans: Vec<Span>,
}

trait Memory {
    fn start(&self) -> *mut u16;
}

impl Memory for Buffer {
    fn start(&self) -> *mut u16 {
        self.as_ptr().cast()
    }
}

impl Memory for Scratch {
    fn start(&self) -> *mut u16 {
        Self::start(self)
    }
}

/// Where the panels of one task and one block are.
#[derive(Clone, Copy)]
struct Panels<'a> {
    start: *const u16,
    panel_len: usize,
    spans: &'a [Span],
    /// The panel after the first where that should be fetched ahead, or null.
    next: *const u16,
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
            let memory = || Buffer::uninit(self.packed_len(side, &plan) * size_of::<u16>());
            (packer == Packer::All).then(|| self.pack_whole(side, &plan, cost, memory()))
        });
        let tiles = plan.grid.0 * plan.grid.1;
        let task = Task { product: self, plan: &plan, a: a.as_ref(), b: b.as_ref() };
        // SAFETY: the unit is available, by contract.
        let init = || unsafe { task.of_thread() };
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

    /// What multiplies a panel of A, or the part of it that `rows` has, and one of B.
    fn microkernel(&self, rows: &Range<usize>, cols: &Range<usize>) -> TileFn {
        let kernels = match self.unit {
            Unit::Tiles => &amx::MICROKERNELS[self.terms - 1],
            Unit::Dots => &dot::MICROKERNELS,
        };
        kernels[rows.len().div_ceil(TILE) - 1][cols.len().div_ceil(TILE) - 1]
    }

    fn operand(&self, side: Side) -> (Operand<'_>, usize) {
        match side {
            Side::A => (self.a, self.m),
            Side::B => (self.b, self.n),
        }
    }

    /// Packs an operand; on this thread alone within a region.
    fn pack_whole<M: Memory>(&self, side: Side, plan: &Plan, cost: usize, memory: M) -> Packed<M> {
        /// Most panels of one task of packing.
        const GROUP: usize = 8;
        let (operand, outer) = self.operand(side);
        let panels = outer.div_ceil(PANEL);
        let panel_len = plan.block * self.terms * TERM_LEN;
        let start = SendPtr(memory.start());
        let mut spans = vec![Span::ZEROS; plan.blocks * panels];
        {
            let spans = Disjoint::new(&mut spans);
            let group = panels.div_ceil((TASKS * num_threads()).div_ceil(plan.blocks)).min(GROUP);
            for_each(plan.blocks * panels.div_ceil(group), cost.min(outer * self.k / 2), |t| {
                let (block, first) = (t % plan.blocks, t / plan.blocks * group);
                let group = first..(first + group).min(panels);
                let range = group.start * PANEL..(group.end * PANEL).min(outer);
                let at = (block * panels + first) * panel_len;
                // SAFETY: each task has its own panels and spans, for which the memory has room; either unit implies the
                // features.
                unsafe {
                    let place = Place { start: start.get().add(at), panel_len };
                    let spans = spans.slice(block * panels + group.start..block * panels + group.end);
                    pack(operand, side, self.terms, &range, &self.k_of(plan, block), place, spans);
                }
            });
        }
        Packed { memory, panel_len, panels, spans }
    }
}

/// What all tasks of a product share.
struct Task<'a> {
    product: &'a TermProduct<'a>,
    plan: &'a Plan,
    a: Option<&'a Packed<Buffer>>,
    b: Option<&'a Packed<Buffer>>,
}

/// What a thread keeps from task to task: its tiles, and what it packs for all of them.
struct OfThread {
    _tiles: Option<amx::Configuration>,
    packed: [Option<Packed<Scratch>>; 2],
}

impl Task<'_> {
    /// # Safety
    /// The unit is available.
    unsafe fn of_thread(&self) -> OfThread {
        let (p, plan) = (self.product, self.plan);
        let packed = [(Side::A, plan.packers[0]), (Side::B, plan.packers[1])].map(|(side, packer)| {
            let memory = || Scratch::new::<u16>(p.packed_len(side, plan));
            (packer == Packer::Thread).then(|| p.pack_whole(side, plan, 0, memory()))
        });
        // SAFETY: tiles are available where they are the unit.
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
        let own = own.packed.each_ref().map(|packed| packed.as_ref().map(Packed::whole));
        let (whole_a, whole_b) = (self.a.map(Packed::whole).or(own[0]), self.b.map(Packed::whole).or(own[1]));
        let (rows, cols) = p.part(plan, index);
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
                        packed.block(rows.start / PANEL, block)
                    } else {
                        pack(p.a, Side::A, p.terms, &rows, &k, a_place, a_spans);
                        Panels { start: a_place.start, panel_len, spans: a_spans, next: null() }
                    };
                    for (nth, first) in cols.clone().step_by(PANEL).enumerate() {
                        let nth = nth % group;
                        let b = if let Some(packed) = whole_b {
                            let panels = packed.block(first / PANEL, block);
                            // What all threads packed is far, a thread's own near.
                            let far = plan.packers[1] == Packer::All && first + PANEL < cols.end;
                            let next = if far { panels.start.wrapping_add(panel_len) } else { null() };
                            Panels { next, ..panels }
                        } else {
                            if nth == 0 {
                                let cols = first..(first + group * PANEL).min(cols.end);
                                pack(p.b, Side::B, p.terms, &cols, &k, b_place, &mut b_spans);
                            }
                            let start = b_place.start.wrapping_add(nth * panel_len);
                            Panels { start, panel_len, spans: &b_spans[nth..], next: null() }
                        };
                        let col = first..(first + PANEL).min(cols.end);
                        self.column(&rows, &col, &k, a, b, store);
                    }
                }
            }
        });
    }

    /// Multiplies all panels of A by one of B.
    ///
    /// Single terms need their operands faster than L2 gives them. So they are multiplied a run of steps after the other,
    /// each so short that what B has of it stays in L1, while sums wait on stacks.
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
        let runs = if p.terms == 1 && p.unit == Unit::Tiles && panels > 1 { steps.div_ceil(RUN_STEPS) } else { 1 };
        let run = steps.div_ceil(runs);
        // Any number of steps is at least one run's; the last may be shorter.
        let last = (steps - 1) / run * run;
        let of_panel = |i: usize| rows.start + i * PANEL..(rows.start + (i + 1) * PANEL).min(rows.end);
        #[expect(clippy::large_stack_arrays, reason = "32 KiB, never filled where they are not used")]
        let mut stacks = [const { MaybeUninit::<Stack>::uninit() }; GROUP];
        for group in (0..panels).step_by(GROUP).map(|first| first..(first + GROUP).min(panels)) {
            let mut tile = |i: usize, steps: Range<usize>| {
                let c = stacks[i - group.start].as_mut_ptr().cast::<f32>();
                let at = steps.start * p.terms * TERM_LEN;
                // The panel of B that comes next, piece by piece.
                let piece = (steps.start * group.len() + (i - group.start) * steps.len()) * AHEAD;
                let ahead = !b.next.is_null() && group.start == 0 && piece < a.panel_len;
                MicroTile {
                    a: a.start.wrapping_add(i * a.panel_len + at),
                    b: b.start.wrapping_add(at),
                    steps: steps.len(),
                    start: if steps.start > 0 { c } else { null() },
                    c,
                    c_row: PANEL,
                    next: if ahead { b.next.wrapping_add(piece) } else { null() },
                }
            };
            for first in (0..last).step_by(run) {
                for i in group.clone() {
                    // SAFETY: passed on.
                    unsafe { p.microkernel(&of_panel(i), cols)(&tile(i, first..first + run)) };
                }
            }
            let mut waiting = None;
            let mut i = group.start;
            while i < group.end {
                if i + 1 < panels {
                    store.prefetch(of_panel(i + 1), cols);
                }
                // SAFETY: passed on.
                unsafe {
                    if safe(i) {
                        let sums = store.multiply(p, &tile(i, last..steps), of_panel(i), cols.clone());
                        // The sums of the tile before have arrived; those of this one would be waited for.
                        if let Some(sums) = std::mem::replace(&mut waiting, sums) {
                            store.finish(p, &sums);
                        }
                        i += 1;
                    } else {
                        let count = (i..group.end).take_while(|&i| !safe(i)).count();
                        store.fall_back(p, of_panel(i).start..of_panel(i + count - 1).end, cols, k);
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
}

/// Steps of single terms whose part of a panel of B, 32 KiB, stays in L1.
const RUN_STEPS: usize = 16;
/// Panels of A whose sums wait on the stack.
const GROUP: usize = 8;
/// Elements of the next panel of B to fetch in a step: a whole panel while eight of A are multiplied.
const AHEAD: usize = 128;

/// Panels of B that a task packs at once: rows of memory are read in longer pieces.
const B_GROUP: usize = 4;
/// Panels of rows whose spans fit the stack.
const OWN_SPANS: usize = 16;

impl<M: Memory> Packed<M> {
    fn whole(&self) -> Whole<'_> {
        let &Self { ref memory, panel_len, panels, ref spans } = self;
        Whole { start: memory.start(), panel_len, panels, spans }
    }
}

/// All panels of an operand.
#[derive(Clone, Copy)]
struct Whole<'a> {
    start: *const u16,
    panel_len: usize,
    panels: usize,
    spans: &'a [Span],
}

impl<'a> Whole<'a> {
    /// The panels from `panel` on, over one block of k.
    fn block(&self, panel: usize, block: usize) -> Panels<'a> {
        let first = block * self.panels + panel;
        Panels {
            start: self.start.wrapping_add(first * self.panel_len),
            panel_len: self.panel_len,
            spans: &self.spans[first..(block + 1) * self.panels],
            next: null(),
        }
    }
}
