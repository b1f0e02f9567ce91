//! The weight's gradient: the output's gradient by windows, summed over the pixels of all images.
//!
//! k counts the pixels of strips of rows, in the layout of the planes: the output's gradient has zeros where there is no
//! window. A tap begins at an odd pixel as often as at an even one, while tiles of B hold pairs of pixels: so there are
//! two copies of the input, one shifted by a pixel.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{EDGE, PART, Planes, TASKS, address};
use crate::conv::{Conv2d, Images};
use crate::gemm::windows::{self, PRODUCTS_PER_NS, Pixel, Seen, Watch, WindowTile, configure};
use crate::gemm::windows::{Rows, add_rows, add_tile, copy_rows, pack_rows, panel_len, split_turned};
use crate::gemm::{InPlace, with_scratch};
use crate::parallel::{Disjoint, for_each};

/// Taps from which on splitting an element, and turning it, pays.
const TAPS: usize = 4;
/// Most elements of the sums of all slices.
const SLICED: usize = 1 << 22;
/// Most tasks along the channels of the input, each of which packs all of the output's gradient.
const ACROSS: usize = 4;
/// Elements of a pair of pixels of 32 channels, and of 32 pixels.
const PAIR: usize = 2 * EDGE;
const BLOCK: usize = EDGE * EDGE;

/// Does the gradient, unless the machine, the setting, the shape or the numbers speak for the packed core. Says whether
/// it did.
pub(in crate::conv) fn grad_weight<T: Pixel>(conv: &Conv2d, gy: Images<'_, T>, x: Images<'_, T>, gw: &mut [T]) -> bool {
    let Some(terms) = T::terms() else { return false };
    if !T::ONE_TERM && conv.kh * conv.kw < TAPS {
        return false;
    }
    let Some(planes) = Planes::of::<T>(conv, conv.out_size().into(), &x.strides) else { return false };
    let plan = Plan::new(&planes, terms);
    let len = plan.slices * plan.sums_len();
    with_scratch(len, |sums: *mut f32| {
        // SAFETY: the scratch has the room, and all of it is written before it is read.
        let sums = unsafe { std::slice::from_raw_parts_mut(sums, len) };
        plan.run(gy, x, sums) && plan.add_up(sums, gw)
    })
}

/// How the work is cut: by the shape alone.
struct Plan<'a> {
    planes: &'a Planes<'a>,
    terms: usize,
    /// Rows of the output in a strip, and strips in an image.
    lines: usize,
    strips: usize,
    /// Steps of k in a strip, and strips in a block.
    steps: usize,
    block: usize,
    /// Slices of k, whose sums are added at the end.
    slices: usize,
    /// Panels of channels of the output and of the input, and tasks along the latter.
    rows: usize,
    across: usize,
    tasks: usize,
    /// Pixels that taps see of a strip, in blocks of 32, of each of so many copies.
    seen: usize,
    copies: usize,
}

impl<'a> Plan<'a> {
    fn new(planes: &'a Planes<'a>, terms: usize) -> Self {
        let &Planes { conv, out: [oh, ow], pitch, reach, .. } = planes;
        let longest = windows::block_steps(terms);
        let most = ((longest * EDGE).saturating_sub(ow) / pitch + 1).min(oh);
        let strips = oh.div_ceil(most);
        let lines = oh.div_ceil(strips);
        let steps = planes.columns(lines).div_ceil(EDGE);
        let all = conv.n * strips;
        let (rows, across) = (conv.c_out.div_ceil(EDGE), planes.groups());
        let sums = planes.taps.len() * rows * across * BLOCK;
        let slices = (SLICED / sums).clamp(1, TASKS.min(all));
        let block = (longest / steps).clamp(1, all.div_ceil(slices));
        let slices = slices.min(all.div_ceil(block));
        let tasks = across.min(TASKS / slices).clamp(1, ACROSS);
        let odd = planes.taps.iter().any(|(_, behind)| behind % 2 == 1);
        let copies = planes.phases.len() * if odd { 2 } else { 1 };
        // The shifted copy lacks its last pair.
        let seen = (steps * EDGE + reach + 2).div_ceil(EDGE);
        Self { planes, terms, lines, strips, steps, block, slices, rows, across, tasks, seen, copies }
    }

    fn all_strips(&self) -> usize {
        self.planes.conv.n * self.strips
    }

    fn blocks(&self) -> usize {
        self.all_strips().div_ceil(self.block)
    }

    /// Elements that a row of `len` takes: its last piece is written in whole registers, and may be wider than what is
    /// read of it.
    fn room(&self, len: usize) -> usize {
        len + self.planes.pitch.next_multiple_of(EDGE)
    }

    /// The sums of one slice: for each tap, tiles of channels of the output by those of the input.
    fn sums_len(&self) -> usize {
        self.tile(self.planes.taps.len(), 0, 0)
    }

    /// Where a tile of sums is.
    fn tile(&self, tap: usize, row: usize, across: usize) -> usize {
        ((tap * self.rows + row) * self.across + across) * BLOCK
    }

    /// Image, and rows of the output, of a strip.
    fn strip(&self, strip: usize) -> (usize, Range<usize>) {
        let (image, first) = (strip / self.strips, strip % self.strips * self.lines);
        (image, first..(first + self.lines).min(self.planes.out[0]))
    }

    /// Sums all slices. Says whether no number's terms lost anything.
    fn run<T: Pixel>(&self, gy: Images<'_, T>, x: Images<'_, T>, sums: &mut [f32]) -> bool {
        let (sums, safe) = (Disjoint::new(sums), AtomicBool::new(true));
        let product = GradWeight { plan: self, gy, x, sums: &sums, safe: &safe };
        let tiles = self.blocks() * self.block * self.steps * self.planes.taps.len() * self.rows * self.across;
        let cost = tiles * EDGE.pow(3) * self.terms * (self.terms + 1) / 2 / PRODUCTS_PER_NS;
        for_each(self.slices * self.tasks, cost, |task| {
            let (slice, across) = (task / self.tasks, task % self.tasks);
            let blocks = slice * self.blocks() / self.slices..(slice + 1) * self.blocks() / self.slices;
            let across = across * self.across / self.tasks..(across + 1) * self.across / self.tasks;
            product.run(slice, &blocks, &across);
        });
        safe.into_inner()
    }

    /// Adds the slices in their order. Says whether all is a number: zeros stand where a plane has no window, and infinity
    /// times zero is none.
    fn add_up<T: Pixel>(&self, sums: &[f32], gw: &mut [T]) -> bool {
        let (inputs, taps) = (self.planes.channels, self.planes.taps.len());
        let numbers = AtomicBool::new(true);
        let gw = Disjoint::new(gw);
        for_each(self.planes.conv.c_out, sums.len() / 4, |output| {
            // SAFETY: each task has the weights of a channel.
            let gw = unsafe { gw.slice(output * inputs * taps..(output + 1) * inputs * taps) };
            let mut line = vec![T::ZERO; inputs];
            for tap in 0..taps {
                for (panel, line) in line.chunks_mut(EDGE).enumerate() {
                    let from = &sums[self.tile(tap, output / EDGE, panel) + output % EDGE * EDGE..];
                    // SAFETY: a unit is available; each slice has a row, and the last one's is the farthest.
                    if !unsafe { add_rows(from.as_ptr(), self.slices, self.sums_len(), line) } {
                        numbers.store(false, Ordering::Relaxed);
                    }
                }
                gw[tap..].iter_mut().step_by(taps).zip(&line).for_each(|(to, &x)| *to = x);
            }
        });
        numbers.into_inner()
    }
}

struct GradWeight<'a, T> {
    plan: &'a Plan<'a>,
    gy: Images<'a, T>,
    x: Images<'a, T>,
    sums: &'a Disjoint<'a, f32>,
    /// Cleared when some number's terms would lose something.
    safe: &'a AtomicBool,
}

impl<T: Pixel> GradWeight<'_, T> {
    /// Sums some blocks of k for some panels of channels of the input.
    fn run(&self, slice: usize, blocks: &Range<usize>, across: &Range<usize>) {
        let plan = self.plan;
        let a_len = plan.rows * panel_len(plan.terms, plan.block * plan.steps);
        let term = plan.block * plan.copies * plan.seen * BLOCK;
        // Elements of a row of the copies that are split.
        let (gy_row, x_row) = (plan.steps * EDGE, plan.seen * EDGE);
        let copies = EDGE * plan.room(gy_row.max(x_row)) * (size_of::<T>() / size_of::<u16>());
        with_scratch(a_len + plan.terms * term + copies, |scratch: *mut u16| {
            let (a, b) = (scratch, scratch.wrapping_add(a_len));
            let copy = b.wrapping_add(plan.terms * term).cast::<T>();
            let mut stacks = [const { MaybeUninit::<Stack>::uninit() }; 2];
            for block in blocks.clone() {
                let strips = block * plan.block..((block + 1) * plan.block).min(plan.all_strips());
                // SAFETY: the scratch has room for what the constants above say, and is this task's own.
                unsafe {
                    let a_seen = self.pack(&strips, a, copy, gy_row);
                    for panel in across.clone() {
                        let seen = self.split(&strips, panel, b, copy, x_row, term);
                        if !a_seen.is_safe(seen, plan.terms) {
                            self.safe.store(false, Ordering::Relaxed);
                        }
                        if !self.safe.load(Ordering::Relaxed) {
                            return;
                        }
                        let c = self.sums.as_mut_ptr().add(slice * plan.sums_len() + plan.tile(0, 0, panel));
                        let add = block > blocks.start;
                        if T::ONE_TERM {
                            self.multiply_in_parts(strips.len(), a, b, c, add);
                        } else {
                            self.multiply(strips.len(), a, b, term, c, add, &mut stacks);
                        }
                    }
                }
            }
        });
    }

    /// Packs the output's gradient as rows of A.
    ///
    /// # Safety
    /// There is room for all strips in `a`, and for 32 rows in `copy`.
    unsafe fn pack(&self, strips: &Range<usize>, a: *mut u16, copy: *mut T, row: usize) -> Seen {
        let (plan, conv) = (self.plan, self.plan.planes.conv);
        let room = plan.room(row);
        let mut seen = Seen::NOTHING;
        for (nth, strip) in strips.clone().enumerate() {
            let (image, lines) = plan.strip(strip);
            let (strides, pitch) = ([self.gy.strides[2], self.gy.strides[3]], plan.planes.pitch);
            let mut rows = Rows { count: lines.len(), len: plan.planes.out[1], strides, first: 0, pitch };
            rows.join(row);
            for panel in 0..plan.rows {
                let channels = panel * EDGE..((panel + 1) * EDGE).min(conv.c_out);
                let at = panel_len(plan.terms, panel * strips.len() * plan.steps + nth * plan.steps);
                // SAFETY: pixels of the gradient, and by contract.
                unsafe {
                    let start = address(&self.gy, image, channels.start, lines.start, 0);
                    let in_place = InPlace { start, outer_stride: self.gy.strides[1], k_stride: 1 };
                    let (matrix, k) = rows.whole().map_or_else(
                        || {
                            for (nth, channel) in channels.clone().enumerate() {
                                let from = address(&self.gy, image, channel, lines.start, 0);
                                copy_rows(from, &rows, copy.add(nth * room), row);
                            }
                            let start = copy.cast_const();
                            (InPlace { start, outer_stride: room.cast_signed(), k_stride: 1 }, row)
                        },
                        |len| (in_place, len),
                    );
                    let (rows, to) = (channels.len(), a.add(at));
                    seen = seen.and(pack_rows(plan.terms, matrix, rows, [k, plan.steps], to, 0));
                }
            }
        }
        seen
    }

    /// Splits 32 channels of what the windows of some strips see.
    ///
    /// # Safety
    /// There is room for all copies in `b`, whose terms are `term` elements apart, and for 32 rows in `copy`.
    unsafe fn split(
        &self,
        strips: &Range<usize>,
        panel: usize,
        b: *mut u16,
        copy: *mut T,
        row: usize,
        term: usize,
    ) -> Seen {
        let (plan, planes) = (self.plan, self.plan.planes);
        let parities = plan.copies / planes.phases.len();
        let room = plan.room(row);
        // SAFETY: a unit is available; pixels of the input, and by contract.
        unsafe {
            let mut watch = Watch::new();
            for (nth, strip) in strips.clone().enumerate() {
                let (image, lines) = plan.strip(strip);
                let rows = planes.rows(&self.x, image, lines.start, row);
                for phase in 0..planes.phases.len() {
                    let (first, start) = rows.of(panel * EDGE, phase);
                    let together = T::ONE_TERM && planes.folded.len() == 1 && (panel + 1) * EDGE <= planes.channels;
                    let in_place = first.whole().filter(|_| together);
                    for nth in 0..if in_place.is_some() { 0 } else { EDGE } {
                        let (channel, to) = (panel * EDGE + nth, copy.add(nth * room));
                        if channel < planes.channels {
                            let (rows, from) = rows.of(channel, phase);
                            copy_rows(from, rows, to, row);
                        } else {
                            to.write_bytes(0, row);
                        }
                    }
                    let (start, stride, k) = match in_place {
                        Some(len) => (start, self.x.strides[1], len),
                        None => (copy.cast_const(), room.cast_signed(), row),
                    };
                    let matrix = InPlace { start, outer_stride: stride, k_stride: 1 };
                    let [even, odd] = [0, 1].map(|parity| b.add(self.copy(nth, phase, parity) * BLOCK));
                    let odd = (parities == 2).then_some(odd);
                    split_turned(plan.terms, matrix, [k, plan.seen], even, odd, term, &mut watch);
                }
            }
            watch.seen()
        }
    }

    /// Where a copy of a strip begins, in blocks of 32 pixels.
    fn copy(&self, strip: usize, phase: usize, parity: usize) -> usize {
        let parities = self.plan.copies / self.plan.planes.phases.len();
        (strip * self.plan.copies + phase * parities + parity) * self.plan.seen
    }

    /// Where the steps of B begin that a tap sees of some strips, in bytes.
    fn offsets(&self, strips: usize, phase: usize, behind: usize) -> impl Iterator<Item = usize> {
        let parity = behind % 2;
        (0..strips).flat_map(move |strip| {
            let copy = self.copy(strip, phase, parity) * BLOCK;
            let at = move |step: usize| copy + (step * EDGE + behind - parity) / 2 * PAIR;
            (0..self.plan.steps).map(move |step| at(step) * size_of::<u16>())
        })
    }

    /// Multiplies all panels of A by one of B, for every tap, a part of k at a time that stays in L1.
    ///
    /// # Safety
    /// As [`Self::multiply`].
    unsafe fn multiply_in_parts(&self, strips: usize, a: *const u16, b: *const u16, c: *mut f32, add: bool) {
        let (plan, all, c_row) = (self.plan, strips * self.plan.steps, EDGE);
        let taps = plan.planes.taps.iter();
        let offsets: Vec<_> = taps.flat_map(|&(phase, behind)| self.offsets(strips, phase, behind)).collect();
        let parts = all.div_ceil(PART);
        // SAFETY: a unit is available; tiles read what was split, and write the sums of the panel.
        unsafe {
            let unit = configure();
            for part in 0..parts {
                let steps = part * all / parts..(part + 1) * all / parts;
                for panel in 0..plan.rows {
                    let a = a.add(panel_len(1, panel * all + steps.start));
                    for tap in 0..plan.planes.taps.len() {
                        let c = c.add(plan.tile(tap, panel, 0));
                        let offsets = offsets[tap * all + steps.start..].as_ptr();
                        let (b, b_row, b_term, steps) = (b.cast(), PAIR * size_of::<u16>(), 0, steps.len());
                        unit.multiply(
                            1,
                            &WindowTile { a, b, offsets, b_row, b_term, steps, c, c_row, add: add || part > 0 },
                        );
                    }
                }
            }
        }
    }

    /// Multiplies all panels of A by one of B, for every tap.
    ///
    /// # Safety
    /// Both are filled for so many strips; `c` is where the sums of the panel begin, and the caller's alone.
    #[allow(clippy::too_many_arguments, reason = "one private step of `run`")]
    unsafe fn multiply(
        &self,
        strips: usize,
        a: *const u16,
        b: *const u16,
        term: usize,
        c: *mut f32,
        accumulate: bool,
        stacks: &mut [MaybeUninit<Stack>; 2],
    ) {
        let (plan, steps) = (self.plan, strips * self.plan.steps);
        let mut offsets = Vec::with_capacity(steps);
        let mut waiting: Option<(*const f32, *mut f32)> = None;
        let mut turn = 0;
        // SAFETY: a unit is available; tiles read what was split, and write the sums of the panel.
        unsafe {
            let unit = configure();
            for (tap, &(phase, behind)) in plan.planes.taps.iter().enumerate() {
                offsets.clear();
                offsets.extend(self.offsets(strips, phase, behind));
                for panel in 0..plan.rows {
                    let a = a.add(panel_len(plan.terms, panel * steps));
                    let to = c.add(plan.tile(tap, panel, 0));
                    let stack = stacks[turn].as_mut_ptr().cast::<f32>();
                    let sums = if accumulate { stack } else { to };
                    let (b_row, b_term) = (PAIR * size_of::<u16>(), term * size_of::<u16>());
                    let (b, offsets) = (b.cast(), offsets.as_ptr());
                    let tile = WindowTile { a, b, offsets, b_row, b_term, steps, c: sums, c_row: EDGE, add: false };
                    unit.multiply(plan.terms, &tile);
                    if accumulate {
                        // As in the forward pass: the sums of the tile before have arrived.
                        if let Some((sums, to)) = waiting.replace((stack, to)) {
                            add_tile(sums, to);
                        }
                        turn = 1 - turn;
                    }
                }
            }
            if let Some((sums, to)) = waiting {
                add_tile(sums, to);
            }
        }
    }
}

/// Where a tile waits on its way to the sums.
#[repr(align(64))]
#[expect(dead_code, reason = "room, read through pointers")]
struct Stack([f32; EDGE * EDGE]);
