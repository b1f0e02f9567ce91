//! How a product of terms is cut into tasks, and who packs what.

use std::cmp::Ordering;
use std::ops::Range;

use super::pack::Side;
use super::{BLOCK_STEPS, Output, PANEL, STEP, TERM_LEN, TermProduct};
use crate::parallel::num_threads;

/// Most panels of a task along the rows and along the columns.
const TASK_PANELS: (usize, usize) = (8, 32);
/// Bytes of a task's block of A, which stays in L2.
const TASK_BYTES: usize = 1 << 20;
/// Bytes of a packed operand that stay in the L2 of a core while a task's own panels, about as much again, are used once.
const NEAR: usize = 1 << 20;
/// Products of terms that make a task worth handing out.
const TASK_PRODUCTS: usize = 4_000_000;
/// Tasks of a thread, if the work suffices. Unlike blocks and slices, how C is cut does not show in the bits.
pub(super) const TASKS: usize = 4;
/// Tasks that k is cut for where C has too few tiles.
const SLICES: usize = 16;
/// Products of terms below which threads do not pack together: a region more, and lines from other cores.
const PACK_SHARED: usize = 60_000_000;
/// Largest operand that is packed whole, in elements.
const SHARED_LIMIT: usize = 1 << 25;
/// Panels of the longer side for each thread from which on each packs all of the shorter side: to pack a panel takes about
/// as long as to multiply it by two.
const OWN_PANELS: usize = 3;

/// Panels of a task along the longer side of C down to which that side alone is cut.
const LEAST_PANELS: usize = 2;

/// Who packs an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Packer {
    /// Each task what it needs.
    Task,
    /// Each thread all of it, once: to pack twice what is small takes less time than to wait for the other threads and to
    /// fetch what they packed from their caches.
    Thread,
    /// All threads together, before the first task.
    All,
}

/// How the work is cut. Sizes are in panels and in steps.
pub(super) struct Plan {
    pub packers: [Packer; 2],
    pub rows: usize,
    pub cols: usize,
    pub grid: (usize, usize),
    pub block: usize,
    pub blocks: usize,
    pub slices: usize,
}

impl TermProduct<'_> {
    /// Products of terms, as many times as each multiply-add takes.
    pub(super) fn products(&self) -> usize {
        let times = self.terms * (self.terms + 1) / 2;
        self.m.saturating_mul(self.n).saturating_mul(self.k).saturating_mul(times)
    }

    pub(super) fn plan(&self, serial: bool) -> Plan {
        let (p, q) = (self.m.div_ceil(PANEL), self.n.div_ceil(PANEL));
        let steps = self.k.div_ceil(STEP);
        let block = steps.div_ceil(steps.div_ceil(BLOCK_STEPS[self.terms - 1]));
        let blocks = steps.div_ceil(block);
        let most_rows = (TASK_BYTES / (block * self.terms * TERM_LEN * size_of::<u16>())).min(TASK_PANELS.0);
        let tasks = (self.products() / TASK_PRODUCTS).max(1);
        // Slices show in the bits: they depend on the shape, not on who runs it.
        let rows = matches!(self.c, Output::Bfloat16(_)) || matches!(self.c, Output::Float32(c) if c.is_rows());
        let slices = if rows && !self.stream_b { (tasks.min(SLICES) / (p * q)).min(blocks / 2).max(1) } else { 1 };
        let threads = if serial { 1 } else { num_threads() };
        let wanted = tasks.min(TASKS * threads);
        let near = |panels: usize| panels * blocks * block * self.terms * TERM_LEN * size_of::<u16>() <= NEAR;
        let (short, long) = (p.min(q), p.max(q));
        if near(short) && long >= OWN_PANELS * threads && slices == 1 && !self.stream_b {
            // Cut along the longer side alone: each task packs its own part of it, and each thread the other side.
            let most = if p >= q { most_rows } else { TASK_PANELS.1 };
            let each = (long / wanted).clamp(1, most);
            let (rows, cols) = if p >= q { (each, q) } else { (p, each) };
            let packer = |tasks: usize| if tasks == 1 { Packer::Task } else { Packer::Thread };
            let grid = (p.div_ceil(rows), q.div_ceil(cols));
            let packers = [packer(grid.1), packer(grid.0)];
            return Plan { packers, rows, cols, grid, block, blocks, slices };
        }
        let (mut rows, mut cols) = (if self.stream_b { p } else { p.min(most_rows) }, q.min(TASK_PANELS.1));
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
    pub(super) fn k_of(&self, plan: &Plan, index: usize) -> Range<usize> {
        let len = plan.block * STEP;
        index * len..((index + 1) * len).min(self.k)
    }

    /// Elements of an operand packed whole.
    pub(super) fn packed_len(&self, side: Side, plan: &Plan) -> usize {
        plan.blocks * self.operand(side).1.div_ceil(PANEL) * plan.block * self.terms * TERM_LEN
    }

    /// The rows and columns of C that task `index` computes.
    pub(super) fn part(&self, plan: &Plan, index: usize) -> (Range<usize>, Range<usize>) {
        let (i, j) = (index % plan.grid.0, index / plan.grid.0);
        let rows = i * plan.rows * PANEL..((i + 1) * plan.rows * PANEL).min(self.m);
        let cols = j * plan.cols * PANEL..((j + 1) * plan.cols * PANEL).min(self.n);
        (rows, cols)
    }
}
