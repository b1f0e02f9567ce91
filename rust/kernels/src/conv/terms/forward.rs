//! The output: weights by windows.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{EDGE, GROUP, PAIR, Planes, TASKS, address};
use crate::conv::{Conv2d, Images};
use crate::gemm::windows::{self, store_kept};
use crate::gemm::windows::{Kept, PRODUCTS_PER_NS, Seen, Watch, Weights, WindowTile, configure, multiply, split_rows};
use crate::gemm::{terms, with_scratch};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Bytes that a task keeps in a cache near its core: of weights that every task can read whole, and of images.
const NEAR: usize = 1 << 20;
/// Images from which on each task splits its own.
const OWN: usize = 4;
/// Elements of the output that an element of the input must be part of, for its split to pay: where windows are
/// neighbours, and where rows are read apart.
const USES: [usize; 2] = [256, 512];

/// Does the convolution, unless the machine, the setting, the shape or the numbers speak for the packed core. Says
/// whether it did.
pub(in crate::conv) fn forward(
    conv: &Conv2d,
    x: Images<'_, f32>,
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> bool {
    let Some(terms) = terms() else { return false };
    let uses = conv.c_out * conv.kh * conv.kw / (conv.stride[0] * conv.stride[1]);
    if uses < USES[usize::from(conv.stride[1] > 1)] {
        return false;
    }
    let Some(planes) = Planes::of(conv, &x.strides) else { return false };
    let matrix = by_taps(&planes, w);
    // SAFETY: there is AMX where there are terms.
    let weights = unsafe { Weights::new(terms, matrix.as_slice(), conv.c_out) };
    drop(matrix);
    let y = Disjoint::new(y);
    let safe = AtomicBool::new(true);
    let forward = Forward::new(&planes, terms, x, bias, &weights, &y, &safe);
    forward.run();
    safe.into_inner()
}

/// Weights as rows of A: an output channel's, 32 channels of the input after the other, those under one tap together.
fn by_taps(planes: &Planes<'_>, w: &[f32]) -> Buffer {
    let (inputs, outputs, taps) = (planes.conv.c_in, planes.conv.c_out, planes.taps.len());
    let row = planes.groups() * taps * GROUP;
    let mut buffer = Buffer::uninit(outputs * row * size_of::<f32>());
    let matrix = Disjoint::new(buffer.as_mut_slice::<f32>());
    for_each(outputs, w.len(), |output| {
        // SAFETY: each task has a row.
        let to = unsafe { matrix.slice(output * row..(output + 1) * row) };
        let from = &w[output * inputs * taps..(output + 1) * inputs * taps];
        if !inputs.is_multiple_of(GROUP) {
            to.fill(0.0);
        }
        for (to, from) in to.chunks_exact_mut(taps * GROUP).zip(from.chunks(taps * GROUP)) {
            for (tap, to) in to.chunks_exact_mut(GROUP).enumerate() {
                for (to, &x) in to.iter_mut().zip(from[tap..].iter().step_by(taps)) {
                    *to = x;
                }
            }
        }
    });
    buffer
}

struct Forward<'a> {
    planes: &'a Planes<'a>,
    terms: usize,
    x: Images<'a, f32>,
    bias: Option<&'a [f32]>,
    weights: &'a Weights,
    y: &'a Disjoint<'a, f32>,
    /// Cleared when some number's terms would lose something.
    safe: &'a AtomicBool,
    /// Pixels of a plane that tiles read.
    pixels: usize,
    /// Bytes of a plane, of the planes of a pair of channels, and of a term of an image.
    plane: usize,
    pair: usize,
    term: usize,
    /// Where each step of k begins, behind the corner of the window.
    offsets: Vec<usize>,
    /// Where the columns of each tile go.
    kept: Vec<Kept>,
}

/// The sums of a tile that are not in place yet.
struct Waiting {
    sums: *const f32,
    rows: Range<usize>,
    image: usize,
    tile: usize,
}

impl<'a> Forward<'a> {
    fn new(
        planes: &'a Planes<'a>,
        terms: usize,
        x: Images<'a, f32>,
        bias: Option<&'a [f32]>,
        weights: &'a Weights,
        y: &'a Disjoint<'a, f32>,
        safe: &'a AtomicBool,
    ) -> Self {
        let &Planes { conv, out: [oh, ow], pitch, .. } = planes;
        let lines = (conv.h + 2 * conv.padding[0]).div_ceil(conv.stride[0]);
        let columns = planes.columns(oh);
        let pixels = (columns.next_multiple_of(EDGE) + planes.reach).max(lines * pitch);
        let room = pixels + EDGE;
        // An odd number of cache lines: the rows of a tile are in different sets.
        let plane = ((room * PAIR).div_ceil(64) | 1) * 64;
        let pair = planes.phases.len() * plane;
        let groups = 0..planes.groups();
        let of_group = |group| {
            planes.taps.iter().map(move |&(phase, behind)| group * GROUP / 2 * pair + phase * plane + behind * PAIR)
        };
        let offsets = groups.flat_map(of_group).collect();
        let half = |first: usize| {
            let is_window = |lane: &usize| (first + lane) % pitch < ow && first + lane < columns;
            let kept = (0..EDGE / 2).filter(is_window).fold(0, |bits, lane| bits | 1 << lane);
            (kept, first / pitch * ow + (first % pitch).min(ow))
        };
        let kept = (0..columns).step_by(EDGE).map(|first| {
            let [left, right] = [first, first + EDGE / 2].map(half);
            Kept { lanes: [left.0, right.0], places: [left.1, right.1] }
        });
        let (term, kept) = (planes.groups() * GROUP / 2 * pair, kept.collect());
        Self { planes, terms, x, bias, weights, y, safe, pixels, plane, pair, term, offsets, kept }
    }

    fn run(&self) {
        let conv = self.planes.conv;
        let (image_len, panels) = (self.terms * self.term, conv.c_out.div_ceil(EDGE));
        let products = self.kept.len() * conv.n * panels * self.offsets.len() * EDGE.pow(3);
        let cost = products * self.terms * (self.terms + 1) / 2 / PRODUCTS_PER_NS;
        let near = windows::panel_len(self.terms, self.offsets.len()) * panels * size_of::<u16>() <= NEAR;
        if near && conv.n >= OWN {
            let images = (NEAR / image_len).clamp(1, conv.n.div_ceil(TASKS));
            return for_each(conv.n.div_ceil(images), cost, |task| {
                let images = task * images..((task + 1) * images).min(conv.n);
                // SAFETY: the scratch has room for the images of the task, which no other task has.
                with_scratch(images.len() * image_len, |start: *mut u8| unsafe {
                    let seen = images.clone().enumerate().fold(Seen::NOTHING, |seen, (nth, image)| {
                        seen.and(self.split(image, 0..self.planes.groups(), start.add(nth * image_len)))
                    });
                    if self.still_safe(seen) {
                        self.multiply(&images, 0..panels, start);
                    }
                });
            });
        }
        let (buffer, groups) = (Buffer::uninit(conv.n * image_len), self.planes.groups());
        for_each(conv.n * groups, self.term * conv.n, |task| {
            let (image, group) = (task / groups, task % groups);
            // SAFETY: each task has the planes of a group of channels.
            let seen = unsafe { self.split(image, group..group + 1, buffer.as_ptr().add(image * image_len)) };
            self.still_safe(seen);
        });
        let images = (2 * NEAR / image_len).clamp(1, conv.n.max(1));
        if self.safe.load(Ordering::Relaxed) {
            for_each(conv.n.div_ceil(images) * panels, cost, |task| {
                let (panel, first) = (task % panels, task / panels * images);
                let images = first..(first + images).min(conv.n);
                // SAFETY: the images are split; each task has channels of its own.
                unsafe { self.multiply(&images, panel..panel + 1, buffer.as_ptr().add(first * image_len)) }
            });
        }
    }

    /// Whether nothing was seen yet whose terms would lose something.
    fn still_safe(&self, seen: Seen) -> bool {
        if !self.weights.seen.is_safe(seen, self.terms) {
            self.safe.store(false, Ordering::Relaxed);
        }
        self.safe.load(Ordering::Relaxed)
    }

    /// Splits groups of channels of an image into terms.
    ///
    /// # Safety
    /// `to` has room for an image, and these groups of it belong to the caller.
    unsafe fn split(&self, image: usize, groups: Range<usize>, to: *mut u8) -> Seen {
        let (conv, planes) = (self.planes.conv, self.planes);
        // SAFETY: there is AMX; rows are inside the image, and planes have room for them.
        unsafe {
            let mut watch = Watch::new();
            for pair in groups.start * GROUP / 2..groups.end * GROUP / 2 {
                let to = to.add(pair * self.pair);
                if 2 * pair >= conv.c_in {
                    (0..self.terms).for_each(|term| to.add(term * self.term).write_bytes(0, self.pair));
                    continue;
                }
                for phase in 0..planes.phases.len() {
                    let (rows, [y, x]) = planes.rows(&self.x, phase, 0, self.pixels);
                    let channel = |nth| address(&self.x, image, 2 * pair + nth, y, x);
                    let second = (2 * pair + 1 < conv.c_in).then(|| channel(1));
                    let (to, term) = (to.add(phase * self.plane).cast(), self.term / PAIR);
                    split_rows(self.terms, channel(0), second, &rows, to, self.pixels, term, &mut watch);
                }
            }
            watch.seen()
        }
    }

    /// Multiplies panels of weights by `images`, whose planes lie one after the other.
    ///
    /// # Safety
    /// The planes are split, and these channels of the output belong to the caller.
    unsafe fn multiply(&self, images: &Range<usize>, panels: Range<usize>, planes: *const u8) {
        let (conv, weights) = (self.planes.conv, self.weights);
        let mut stacks = [const { MaybeUninit::<Stack>::uninit() }; 2];
        // SAFETY: there is AMX; every tile reads inside the planes of its image. A stack is used again when its sums
        // are in place.
        unsafe {
            let _tiles = configure();
            for block in 0..weights.blocks() {
                let first = block * weights.block;
                let mut waiting = None;
                let mut turn = 0;
                for panel in panels.clone() {
                    let a = weights.panel(panel, block);
                    let rows = panel * EDGE..((panel + 1) * EDGE).min(conv.c_out);
                    for (nth, image) in images.clone().enumerate() {
                        let start = planes.add(nth * self.terms * self.term);
                        for tile in 0..self.kept.len() {
                            let sums = stacks[turn].as_mut_ptr().cast::<f32>();
                            let b = start.add(tile * EDGE * PAIR);
                            let (b_row, b_term) = (self.pair, self.term);
                            let (offsets, steps) = (self.offsets[first..].as_ptr(), weights.steps_of(block));
                            let tile_of = WindowTile { a, b, offsets, b_row, b_term, steps, c: sums, c_row: EDGE };
                            multiply(self.terms, &tile_of);
                            // The sums of the tile before have arrived; those of this one would be waited for.
                            let now = Waiting { sums, rows: rows.clone(), image, tile };
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

    /// Brings sums over a block of k to the output.
    ///
    /// # Safety
    /// They are on their stack, and the output is the caller's.
    unsafe fn store(&self, waiting: &Waiting, block: usize) {
        let [oh, ow] = self.planes.out;
        let last = block + 1 == self.weights.blocks();
        let Waiting { sums, ref rows, image, tile } = *waiting;
        let channels = image * self.planes.conv.c_out + rows.start;
        let bias = self.bias.filter(|_| last).map(|bias| &bias[rows.clone()]);
        // SAFETY: passed on; there is AMX.
        unsafe {
            let c = self.y.as_mut_ptr().add(channels * oh * ow);
            store_kept(sums, rows.len(), &self.kept[tile], c, oh * ow, block > 0, bias);
        }
    }
}

/// Where a tile waits on its way to the output.
#[repr(align(64))]
#[expect(dead_code, reason = "room, read through pointers")]
struct Stack([f32; EDGE * EDGE]);
