//! The output: weights by windows.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{EDGE, GROUP, PAIR, PART, Planes, TASKS};
use crate::conv::{Conv2d, Images};
use crate::gemm::windows::{self, store_kept};
use crate::gemm::windows::{
    Kept, PRODUCTS_PER_NS, Pixel, Rows, Seen, Watch, Weights, WindowTile, configure, copy_rows, split_rows,
};
use crate::gemm::with_scratch;
use crate::parallel::{Disjoint, for_each};

/// Bytes that a task keeps in a cache near its core: of weights that every task can read whole, and of images.
const NEAR: usize = 1 << 20;
/// Tiles whose sums are near while parts of k are added to them.
const SUMS: usize = 64;
/// Elements of the output that an element of the input must be part of, for its split to pay: where windows are
/// neighbours, and where rows are read apart.
pub(super) const USES: [usize; 2] = [256, 512];

/// The weights of a convolution. Those of an element of the kernel are at `row * output + channel * input` and a place.
pub(super) struct Filters<'a, T> {
    pub w: &'a [T],
    /// Elements from one channel of the output, and of the input, to the next. If the latter are less, the kernels lie one
    /// after the other.
    pub output: usize,
    pub input: usize,
    /// Where the elements of the kernel are.
    pub places: Vec<usize>,
}

/// Computes the output, unless the machine, the setting, the shape or the numbers speak for another route. Says whether it
/// did.
pub(in crate::conv) fn forward<T: Pixel>(
    conv: &Conv2d,
    x: Images<'_, T>,
    w: &[T],
    bias: Option<&[f32]>,
    y: &mut [T],
) -> bool {
    let uses = conv.c_out * conv.kh * conv.kw / (conv.stride[0] * conv.stride[1]);
    if !T::ONE_TERM && uses < USES[usize::from(conv.stride[1] > 1)] {
        return false;
    }
    let filters =
        Filters { w, output: conv.taps(), input: conv.kh * conv.kw, places: (0..conv.kh * conv.kw).collect() };
    convolve(conv, conv.out_size().into(), x, &filters, bias, y)
}

/// [`forward`] to an output of any size, with weights that lie anywhere.
pub(super) fn convolve<T: Pixel>(
    conv: &Conv2d,
    out: [usize; 2],
    x: Images<'_, T>,
    filters: &Filters<'_, T>,
    bias: Option<&[f32]>,
    y: &mut [T],
) -> bool {
    let Some(terms) = T::terms() else { return false };
    let Some(planes) = Planes::of::<T>(conv, out, &x.strides) else { return false };
    let steps = [planes.groups(), planes.taps.len()];
    let by_taps = |rows: Range<usize>, group: usize, to: &mut [T]| match steps[1] {
        1 => filters.by_taps::<1>(&planes, rows, group, to),
        9 => filters.by_taps::<9>(&planes, rows, group, to),
        _ => filters.by_taps::<0>(&planes, rows, group, to),
    };
    // SAFETY: a unit is available where there are terms.
    let weights = unsafe { Weights::new::<T>(terms, conv.c_out, steps, by_taps) };
    let y = Disjoint::new(y);
    let safe = AtomicBool::new(true);
    let forward = Forward::new(&planes, terms, x, bias, &weights, &y, &safe);
    forward.run();
    safe.into_inner()
}

impl<T: Pixel> Filters<'_, T> {
    /// Rows of A over a group of 32 channels: those under one tap together. `TAPS` are their number, unless zero.
    fn by_taps<const TAPS: usize>(&self, planes: &Planes<'_>, rows: Range<usize>, group: usize, to: &mut [T]) {
        let (fold, taps) = (planes.folded.len(), if TAPS == 0 { planes.taps.len() } else { TAPS });
        let channels = group * GROUP..((group + 1) * GROUP).min(planes.channels);
        if channels.len() < GROUP {
            to.fill(T::ZERO);
        }
        if self.input < self.output {
            // Channels and taps follow each other.
            for (row, to) in rows.zip(to.chunks_exact_mut(taps * GROUP)) {
                let from = &self.w[row * self.output + channels.start * taps..][..channels.len() * taps];
                for (nth, from) in from.chunks_exact(taps).enumerate() {
                    for (tap, &x) in from.iter().enumerate() {
                        to[tap * GROUP + nth] = x;
                    }
                }
            }
            return;
        }
        // Neighbours in memory first, here too: a channel's weights may be as far apart as a cache has sets.
        for (nth, channel) in channels.enumerate() {
            let within = &self.places[channel % fold * taps..][..taps];
            for (row, to) in rows.clone().zip(to.chunks_exact_mut(taps * GROUP)) {
                let from = &self.w[row * self.output + channel / fold * self.input..];
                for tap in 0..taps {
                    to[tap * GROUP + nth] = from[within[tap]];
                }
            }
        }
    }
}

struct Forward<'a, T> {
    planes: &'a Planes<'a>,
    terms: usize,
    x: Images<'a, T>,
    bias: Option<&'a [f32]>,
    weights: &'a Weights,
    y: &'a Disjoint<'a, T>,
    /// Cleared when some number's terms would lose something.
    safe: &'a AtomicBool,
    /// Whether a core's cache holds the weights, so that each task can have its own pixels.
    near: bool,
    /// Rows of the output in a strip, and strips in an image.
    lines: usize,
    strips: usize,
    /// Pixels of a plane that tiles read, and those that it has room for.
    pixels: usize,
    room: usize,
    /// Bytes of a plane, of the planes of a pair of channels, and of a term of a strip.
    plane: usize,
    pair: usize,
    term: usize,
    /// Where each step of k begins, behind the corner of the window.
    offsets: Vec<usize>,
    /// Where the columns of each tile go, in a strip and in the last.
    kept: [Vec<Kept>; 2],
}

/// The sums of a tile that are not in place yet.
struct Waiting {
    sums: *const f32,
    rows: Range<usize>,
    strip: usize,
    tile: usize,
}

impl<'a, T: Pixel> Forward<'a, T> {
    fn new(
        planes: &'a Planes<'a>,
        terms: usize,
        x: Images<'a, T>,
        bias: Option<&'a [f32]>,
        weights: &'a Weights,
        y: &'a Disjoint<'a, T>,
        safe: &'a AtomicBool,
    ) -> Self {
        let &Planes { conv, out: [oh, _], pitch, .. } = planes;
        let (panels, groups) = (conv.c_out.div_ceil(EDGE), planes.groups());
        let near = windows::panel_len(terms, groups * planes.taps.len()) * panels * size_of::<u16>() <= NEAR;
        // Short enough for the cache and for every thread to have some, and longer than what neighbours both bring.
        let line = terms * groups * GROUP / 2 * planes.phases.len() * pitch * PAIR;
        let strips = if near { oh.div_ceil((NEAR / 2 / line).max(1)).max(TASKS / conv.n) } else { 1 };
        let lines = oh.div_ceil(strips.max(1)).max(4 * planes.reach / pitch).clamp(1, oh);
        let strips = oh.div_ceil(lines);
        let pixels = planes.columns(lines).next_multiple_of(EDGE) + planes.reach;
        // The last row is written to its end, in whole registers.
        let room = pixels + pitch + EDGE;
        // An odd number of cache lines: the rows of a tile are in different sets.
        let plane = ((room * PAIR).div_ceil(64) | 1) * 64;
        let pair = planes.phases.len() * plane;
        let of_group = |group| {
            planes.taps.iter().map(move |&(phase, behind)| group * GROUP / 2 * pair + phase * plane + behind * PAIR)
        };
        let offsets = (0..groups).flat_map(of_group).collect();
        let kept = [lines, oh - (strips - 1) * lines].map(|lines| kept(planes, lines));
        let term = groups * GROUP / 2 * pair;
        Self {
            planes,
            terms,
            x,
            bias,
            weights,
            y,
            safe,
            near,
            lines,
            strips,
            pixels,
            room,
            plane,
            pair,
            term,
            offsets,
            kept,
        }
    }

    fn run(&self) {
        let conv = self.planes.conv;
        let (len, panels, strips) = (self.terms * self.term, conv.c_out.div_ceil(EDGE), conv.n * self.strips);
        let products = self.kept[0].len() * strips * panels * self.offsets.len() * EDGE.pow(3);
        let cost = products * self.terms * (self.terms + 1) / 2 / PRODUCTS_PER_NS;
        if self.near {
            let each = (NEAR / len).clamp(1, strips.div_ceil(TASKS));
            return for_each(strips.div_ceil(each), cost, |task| {
                let strips = task * each..((task + 1) * each).min(strips);
                // SAFETY: the scratch has room for the strips of the task, which no other task has.
                with_scratch(strips.len() * len, |start: *mut u8| unsafe {
                    let seen = strips.clone().enumerate().fold(Seen::NOTHING, |seen, (nth, strip)| {
                        seen.and(self.split(strip, 0..self.planes.groups(), start.add(nth * len)))
                    });
                    if self.still_safe(seen) {
                        self.multiply(&strips, 0..panels, start);
                    }
                });
            });
        }
        let groups = self.planes.groups();
        with_scratch(strips * len, |start: *mut u8| {
            // SAFETY: the scratch has the room.
            let all = Disjoint::new(unsafe { std::slice::from_raw_parts_mut(start, strips * len) });
            for_each(strips * groups, self.term * strips, |task| {
                let (strip, group) = (task / groups, task % groups);
                // SAFETY: each task has the planes of a group of channels.
                let seen = unsafe { self.split(strip, group..group + 1, all.as_mut_ptr().add(strip * len)) };
                self.still_safe(seen);
            });
            let each = (2 * NEAR / len).clamp(1, strips.max(1));
            if self.safe.load(Ordering::Relaxed) {
                for_each(strips.div_ceil(each) * panels, cost, |task| {
                    let (panel, first) = (task % panels, task / panels * each);
                    let strips = first..(first + each).min(strips);
                    // SAFETY: the strips are split; each task has channels of its own.
                    unsafe { self.multiply(&strips, panel..panel + 1, all.as_mut_ptr().add(first * len)) }
                });
            }
        });
    }

    /// Whether nothing was seen yet whose terms would lose something.
    fn still_safe(&self, seen: Seen) -> bool {
        if !self.weights.seen.is_safe(seen, self.terms) {
            self.safe.store(false, Ordering::Relaxed);
        }
        self.safe.load(Ordering::Relaxed)
    }

    /// Splits what the windows of a strip see, groups of channels, into terms.
    ///
    /// # Safety
    /// `to` has room for a strip, and these groups of it belong to the caller.
    unsafe fn split(&self, strip: usize, groups: Range<usize>, to: *mut u8) -> Seen {
        let planes = self.planes;
        let (image, line) = (strip / self.strips, strip % self.strips * self.lines);
        let alone = planes.folded.len() == 1;
        let (room, whole) = (if alone { 0 } else { self.room }, Rows::plane(self.pixels));
        // SAFETY: a unit is available; rows are inside the image, and planes and copies have room for them.
        with_scratch(2 * room, |copies: *mut T| unsafe {
            let mut watch = Watch::new();
            let rows = planes.rows(&self.x, image, line, self.pixels);
            for pair in groups.start * GROUP / 2..groups.end * GROUP / 2 {
                let to = to.add(pair * self.pair);
                if 2 * pair >= planes.channels {
                    (0..self.terms).for_each(|term| to.add(term * self.term).write_bytes(0, self.pair));
                    continue;
                }
                let two = 2 * pair + 1 < planes.channels;
                for phase in 0..planes.phases.len() {
                    let copy = |nth| {
                        let ((rows, from), to) = (rows.of(2 * pair + nth, phase), copies.add(nth * room));
                        copy_rows(from, rows, to, self.pixels);
                        to.cast_const()
                    };
                    let (rows, first) = if alone { rows.of(2 * pair, phase) } else { (&whole, copy(0)) };
                    // The rows of a pair are at the same places, unless they are one channel's.
                    let second = two.then(|| if alone { first.wrapping_offset(self.x.strides[1]) } else { copy(1) });
                    let (to, term) = (to.add(phase * self.plane).cast(), self.term / PAIR);
                    split_rows(self.terms, first, second, rows, to, self.pixels, term, &mut watch);
                }
            }
            watch.seen()
        })
    }

    /// Multiplies panels of weights by `strips`, whose planes lie one after the other.
    ///
    /// # Safety
    /// The planes are split, and these channels of the output belong to the caller.
    unsafe fn multiply(&self, strips: &Range<usize>, panels: Range<usize>, planes: *const u8) {
        // SAFETY: passed on.
        unsafe {
            if T::ONE_TERM {
                let at_once = (SUMS / self.kept[0].len()).max(1);
                for first in strips.clone().step_by(at_once) {
                    let some = first..(first + at_once).min(strips.end);
                    self.multiply_in_parts(&some, &panels, planes.add((first - strips.start) * self.term));
                }
            } else {
                self.multiply_in_blocks(strips, panels, planes);
            }
        }
    }

    /// A part of k at a time, added to sums in memory: so short that what tiles share of it stays in L1.
    unsafe fn multiply_in_parts(&self, strips: &Range<usize>, panels: &Range<usize>, planes: *const u8) {
        let (weights, most) = (self.weights, self.kept[0].len());
        let parts = weights.steps.div_ceil(PART);
        // SAFETY: a unit is available; every tile reads inside the planes of its strip, and has sums of its own.
        with_scratch((strips.len() * most).max(2) * EDGE * EDGE, |all: *mut f32| unsafe {
            let unit = configure();
            for panel in panels.clone() {
                let rows = panel * EDGE..((panel + 1) * EDGE).min(self.planes.conv.c_out);
                let (mut waiting, mut turn) = (None, 0);
                for part in 0..parts {
                    let steps = part * weights.steps / parts..(part + 1) * weights.steps / parts;
                    let (a, offsets) = (weights.step(panel, steps.start), self.offsets[steps.start..].as_ptr());
                    for (nth, strip) in strips.clone().enumerate() {
                        for tile in 0..self.kept(strip).len() {
                            // One part needs room for two tiles alone.
                            let sums = if parts == 1 { turn } else { nth * most + tile };
                            let sums = all.add(sums * EDGE * EDGE);
                            turn = 1 - turn;
                            let b = planes.add(nth * self.term + tile * EDGE * PAIR);
                            let (b_row, b_term, steps) = (self.pair, self.term, steps.len());
                            let add = part > 0;
                            unit.multiply(
                                1,
                                &WindowTile { a, b, offsets, b_row, b_term, steps, c: sums, c_row: EDGE, add },
                            );
                            if part + 1 < parts {
                                continue;
                            }
                            // The sums of the tile before have arrived; those of this one would be waited for.
                            let now = Waiting { sums, rows: rows.clone(), strip, tile };
                            if let Some(before) = waiting.replace(now) {
                                self.store(&before, 0);
                            }
                        }
                    }
                }
                if let Some(last) = waiting {
                    self.store(&last, 0);
                }
            }
        });
    }

    /// A block of k at a time, added to the output.
    unsafe fn multiply_in_blocks(&self, strips: &Range<usize>, panels: Range<usize>, planes: *const u8) {
        let (conv, weights) = (self.planes.conv, self.weights);
        let mut stacks = [const { MaybeUninit::<Stack>::uninit() }; 2];
        // SAFETY: a unit is available; every tile reads inside the planes of its strip. A stack is used again when its sums
        // are in place.
        unsafe {
            let unit = configure();
            for block in 0..weights.blocks() {
                let first = block * weights.block;
                let mut waiting = None;
                let mut turn = 0;
                for panel in panels.clone() {
                    let a = weights.panel(panel, block);
                    let rows = panel * EDGE..((panel + 1) * EDGE).min(conv.c_out);
                    for (nth, strip) in strips.clone().enumerate() {
                        let start = planes.add(nth * self.terms * self.term);
                        for tile in 0..self.kept(strip).len() {
                            let sums = stacks[turn].as_mut_ptr().cast::<f32>();
                            let b = start.add(tile * EDGE * PAIR);
                            let (b_row, b_term) = (self.pair, self.term);
                            let (offsets, steps) = (self.offsets[first..].as_ptr(), weights.steps_of(block));
                            let tile_of =
                                WindowTile { a, b, offsets, b_row, b_term, steps, c: sums, c_row: EDGE, add: false };
                            unit.multiply(self.terms, &tile_of);
                            // The sums of the tile before have arrived; those of this one would be waited for.
                            let now = Waiting { sums, rows: rows.clone(), strip, tile };
                            if let Some(before) = waiting.replace(now) {
                                self.store(&before, block);
                            }
                            turn = 1 - turn;
                        }
                    }
                }
                if let Some(last) = waiting {
                    self.store(&last, block);
                }
            }
        }
    }

    /// Where the columns of each tile of a strip go.
    fn kept(&self, strip: usize) -> &[Kept] {
        &self.kept[usize::from((strip + 1).is_multiple_of(self.strips))]
    }

    /// Brings sums over a block of k to the output.
    ///
    /// # Safety
    /// They are on their stack, and the output is the caller's.
    unsafe fn store(&self, waiting: &Waiting, block: usize) {
        let [oh, ow] = self.planes.out;
        let last = block + 1 == self.weights.blocks();
        let Waiting { sums, ref rows, strip, tile } = *waiting;
        let (image, line) = (strip / self.strips, strip % self.strips * self.lines);
        let channels = image * self.planes.conv.c_out + rows.start;
        let bias = self.bias.filter(|_| last).map(|bias| &bias[rows.clone()]);
        // SAFETY: passed on; a unit is available.
        unsafe {
            let c = self.y.as_mut_ptr().add(channels * oh * ow + line * ow);
            store_kept(sums, rows.len(), &self.kept(strip)[tile], c, oh * ow, block > 0, bias);
        }
    }
}

/// Where the columns of each tile go of a strip of so many rows.
fn kept(planes: &Planes<'_>, lines: usize) -> Vec<Kept> {
    let (pitch, ow, columns) = (planes.pitch, planes.out[1], planes.columns(lines));
    let (mut line, mut column) = (0, 0);
    let mut tiles = vec![Kept::default(); columns.div_ceil(EDGE)];
    for tile in &mut tiles {
        tile.place = line * ow + column.min(ow);
        for lane in 0..32 {
            if column < ow && line < lines {
                tile.columns[tile.count] = lane;
                tile.count += 1;
            }
            column += 1;
            if column == pitch {
                (line, column) = (line + 1, 0);
            }
        }
    }
    tiles
}

/// Where a tile waits on its way to the output.
#[repr(align(64))]
#[expect(dead_code, reason = "room, read through pointers")]
struct Stack([f32; EDGE * EDGE]);
