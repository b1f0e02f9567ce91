//! The gradient of the weight in multiply-adds whose windows are read where they lie.
//!
//! A task copies the pixels of the input under some windows, the channels of a pixel side by side, with the zeros around
//! the image, and multiplies them by panels of the output's gradient: the taps of a row of the window, or of one of its
//! elements, are then neighbours, the same distance behind the corner of every window. Sums are those of the packed core,
//! bit by bit: the same chains over the same blocks of k, in the same slices.

use std::ops::Range;

use super::patches::Pixels;
use super::sliding::MOST;
use super::{Conv2d, Images};
use crate::gemm::{
    GemmFloat, Microkernels, PanelSource, SlidingFn, SlidingTile, Step, k_block, k_blocks, slices_of_streamed, terms,
    with_scratch,
};
use crate::isa::isa;
use crate::parallel::{Disjoint, for_each, num_threads};

/// The least for which this pays: output channels, taps that are neighbours, windows, multiply-adds.
const LEAST: (usize, usize, usize, usize) = (16, 8, 128, 1 << 20);
/// Tasks of a thread to cut the work into, if there is this much for each, in multiply-adds: those of other input
/// channels pack the same gradient.
const TASKS: usize = 2;
const TASK_WORK: usize = 1 << 22;
/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 100;
/// Taps and output channels that change places at a time.
const BLOCK: usize = 32;

/// How the work is cut.
struct Plan<'a, T: GemmFloat> {
    conv: &'a Conv2d,
    kernels: &'static Microkernels<T>,
    tiles: &'static [[SlidingFn<T>; 2]],
    /// Height and width of the output.
    out: [usize; 2],
    /// Output channels in whole vectors.
    padded: usize,
    /// Windows of all images, the blocks they are summed in, and slices that each take some of those.
    windows: usize,
    blocks: usize,
    slices: usize,
    /// Input channels of a task.
    inputs: usize,
    /// Pixels of a copied row.
    pitch: usize,
}

/// Computes the gradient as [`Conv2d::grad_weight`] does, unless the shape speaks for patches. Says whether it did.
pub(super) fn grad_weight<T: GemmFloat>(conv: &Conv2d, gy: Images<'_, T>, x: Images<'_, T>, gw: &mut [T]) -> bool {
    if T::float32(gw).is_some() && terms().is_some() || x.strides[3] != 1 && x.strides[1] != 1 {
        return false;
    }
    let Some(plan) = Plan::of(conv) else { return false };
    let [oh, ow] = plan.out;
    let pixels = Pixels { start: gy.channel(0), strides: gy.strides, size: [oh, ow] };
    let parts = conv.c_in.div_ceil(plan.inputs);
    let len = plan.slices * conv.taps() * plan.padded;
    let cost = plan.windows * conv.c_out * conv.taps() / WORK_PER_NS;
    with_scratch(len, |sums: *mut T| {
        // SAFETY: the scratch has the room, and all of it is written before it is read.
        let sums = unsafe { std::slice::from_raw_parts_mut(sums, len) };
        let rows = Disjoint::new(&mut *sums);
        for_each(plan.slices * parts, cost, |task| {
            let (slice, first) = (task / parts, task % parts * plan.inputs);
            let channels = first..(first + plan.inputs).min(conv.c_in);
            let blocks = slice * plan.blocks / plan.slices..(slice + 1) * plan.blocks / plan.slices;
            let row = slice * conv.taps() + first * conv.kh * conv.kw;
            // Tasks have rows of their own.
            let sums = rows.as_mut_ptr().wrapping_add(row * plan.padded);
            Task { plan: &plan, channels, sums }.run(blocks, &pixels, &x);
        });
        plan.add_up(sums, gw);
    });
    true
}

impl<'a, T: GemmFloat> Plan<'a, T> {
    fn of(conv: &'a Conv2d) -> Option<Self> {
        let kernels = T::microkernels(isa());
        let tiles = kernels.sliding?;
        let ([oh, ow], taps, outputs) = (conv.out_size().into(), conv.taps(), conv.c_out);
        let (padded, windows) = (outputs.next_multiple_of(kernels.cols / 2), conv.n * oh * ow);
        let work = windows * outputs * taps;
        if !conv.windows_overlap()
            || taps == 0
            || outputs < LEAST.0
            || windows < LEAST.2
            || work < LEAST.3
            || 8 * padded > 9 * outputs
        {
            return None;
        }
        let blocks = k_blocks(windows);
        let slices = slices_of_streamed([outputs, taps, windows]);
        let parts = (work / TASK_WORK).clamp(1, TASKS * num_threads()).div_ceil(slices);
        let inputs = conv.c_in.div_ceil(parts).max(tiles.len()).min(conv.c_in);
        let [_, dx] = conv.dilation;
        let pitch = (ow - 1) * conv.stride[1] + (conv.kw - 1) * dx + 1;
        let plan = Self { conv, kernels, tiles, out: [oh, ow], padded, windows, blocks, slices, inputs, pitch };
        let fits = plan.copied_rows().saturating_mul(pitch).saturating_mul(inputs) <= MOST;
        (conv.groups == 1 && plan.run(inputs)[1] >= LEAST.1 && fits).then_some(plan)
    }

    /// Rows of the input that are copied under the windows of a block, at most.
    fn copied_rows(&self) -> usize {
        let ([oh, ow], longest) = (self.out, self.longest());
        // A block touches so many rows of the output and images.
        let (lines, images) = (longest.div_ceil(ow) + 1, longest.div_ceil(oh * ow) + 1);
        lines.saturating_mul(self.conv.stride[0]).saturating_add(images.saturating_mul(self.more_rows()))
    }

    /// Rows of an image that windows of no row, as it were, see.
    fn more_rows(&self) -> usize {
        (self.conv.kh - 1) * self.conv.dilation[0] + 1
    }

    /// Windows of a block, at most.
    fn longest(&self) -> usize {
        self.windows.div_ceil(self.blocks)
    }

    /// Runs of taps that are neighbours in a copy of so many channels, and their length.
    fn run(&self, channels: usize) -> [usize; 2] {
        let Conv2d { kh, kw, dilation, .. } = *self.conv;
        if dilation[1] == 1 { [kh, kw * channels] } else { [kh * kw, channels] }
    }

    /// Adds up the slices and turns what comes of it into the gradient.
    fn add_up(&self, sums: &[T], gw: &mut [T]) {
        let (conv, taps, padded) = (self.conv, self.conv.taps(), self.padded);
        let period = conv.kh * conv.kw;
        let gw = Disjoint::new(gw);
        for_each(taps.div_ceil(BLOCK), sums.len() / 4, |task| {
            let these = task * BLOCK..((task + 1) * BLOCK).min(taps);
            with_scratch(BLOCK * padded + BLOCK * BLOCK, |rows: *mut T| {
                // SAFETY: the scratch has the room, and is written before it is read.
                let (rows, turned) = unsafe {
                    let turned = std::slice::from_raw_parts_mut(rows.add(BLOCK * padded), BLOCK * BLOCK);
                    (std::slice::from_raw_parts_mut(rows, these.len() * padded), turned)
                };
                for (tap, row) in these.clone().zip(rows.chunks_exact_mut(padded)) {
                    let (channel, element) = (tap / period, tap % period);
                    let first = channel / self.inputs * self.inputs;
                    let inputs = self.inputs.min(conv.c_in - first);
                    let at = (first * period + element * inputs + channel - first) * padded;
                    row.copy_from_slice(&sums[at..][..padded]);
                    for slice in 1..self.slices {
                        for (to, &x) in row.iter_mut().zip(&sums[slice * taps * padded + at..][..padded]) {
                            *to += x;
                        }
                    }
                }
                for output in (0..conv.c_out).step_by(BLOCK) {
                    let outputs = BLOCK.min(conv.c_out - output);
                    let from = rows[output..].as_ptr();
                    // SAFETY: the rows have these output channels, the block has room for as many; no other task has
                    // these taps.
                    unsafe {
                        let transpose = self.kernels.transpose;
                        transpose(from, these.len(), padded.cast_signed(), outputs, turned.as_mut_ptr(), BLOCK);
                        for (nth, from) in turned.chunks_exact(BLOCK).take(outputs).enumerate() {
                            let at = (output + nth) * taps;
                            gw.slice(at + these.start..at + these.end).copy_from_slice(&from[..these.len()]);
                        }
                    }
                }
            });
        });
    }
}

/// Sums over some blocks of k, for the taps of some input channels.
struct Task<'a, T: GemmFloat> {
    plan: &'a Plan<'a, T>,
    channels: Range<usize>,
    /// A row of output channels for each tap: elements of the window, and of each the channels.
    sums: *mut T,
}

impl<T: GemmFloat> Task<'_, T> {
    fn run(&self, blocks: Range<usize>, gradient: &Pixels<T>, x: &Images<'_, T>) {
        let plan = self.plan;
        let (longest, rows) = (plan.longest(), plan.copied_rows() * plan.pitch * self.channels.len());
        let mut corners = vec![Vec::with_capacity(longest); plan.conv.kh];
        with_scratch(plan.padded * longest + rows, |panels: *mut T| {
            let copies = panels.wrapping_add(plan.padded * longest);
            for (nth, block) in blocks.enumerate() {
                let k = k_block(plan.windows, plan.blocks, block);
                corners.iter_mut().for_each(Vec::clear);
                // SAFETY: the scratch has the room.
                unsafe {
                    self.copy(&k, x, copies, &mut corners);
                    for channel in (0..plan.padded).step_by(plan.kernels.cols) {
                        let columns = plan.kernels.cols.min(plan.padded - channel);
                        let outer = channel..(channel + columns).min(plan.conv.c_out);
                        let panel = panels.add(channel * k.len());
                        gradient.pack(plan.kernels, outer, k.clone(), columns, panel);
                        self.multiply(&corners, copies, panel, channel, nth > 0);
                    }
                }
            }
        });
    }

    /// Copies the pixels under the windows `k`, and says for each row of the window where the corners are of those that
    /// have it inside the image: of others it is zero.
    ///
    /// # Safety
    /// `to` has the room.
    unsafe fn copy(&self, k: &Range<usize>, x: &Images<'_, T>, mut to: *mut T, corners: &mut [Vec<Step>]) {
        let (plan, conv, inputs) = (self.plan, self.plan.conv, self.channels.len());
        let ([oh, ow], [stride_y, stride_x]) = (plan.out, conv.stride);
        let columns = conv.w.min(plan.pitch.saturating_sub(conv.padding[1]));
        let [_, channel_step, _, column_step] = x.strides;
        let (mut first, mut base) = (k.start, 0);
        while first < k.end {
            let image = first / (oh * ow);
            let end = k.end.min((image + 1) * oh * ow);
            let (top, bottom) = (first / ow % oh, (end - 1) / ow % oh);
            let rows = (bottom - top) * stride_y + plan.more_rows();
            let len = rows * plan.pitch * inputs;
            // SAFETY: the scratch has room for these rows; inside the image pixels are valid.
            unsafe {
                std::slice::from_raw_parts_mut(to, len).fill(T::ZERO);
                for row in 0..rows {
                    let y = (top * stride_y + row).wrapping_sub(conv.padding[0]);
                    if y >= conv.h || columns == 0 {
                        continue;
                    }
                    let place = image.cast_signed() * x.strides[0] + y.cast_signed() * x.strides[2];
                    let from = x.channel(self.channels.start).wrapping_offset(place);
                    let to = to.add((row * plan.pitch + conv.padding[1]) * inputs);
                    if column_step == 1 {
                        (plan.kernels.transpose)(from, inputs, channel_step, columns, to, inputs);
                    } else {
                        (plan.kernels.copy)(from, inputs, column_step, columns, to, inputs);
                    }
                }
            }
            for line in first / ow..end.div_ceil(ow) {
                let y = line % oh;
                let inside = (0..conv.kh).filter(|i| (conv.under(0, y, *i).cast_unsigned()) < conv.h);
                for i in inside {
                    corners[i].extend((first.max(line * ow)..end.min((line + 1) * ow)).map(|window| {
                        let behind = ((y - top) * stride_y * plan.pitch + window % ow * stride_x) * inputs;
                        Step::new(base + behind, window - k.start)
                    }));
                }
            }
            (first, base, to) = (end, base + len, to.wrapping_add(len));
        }
    }

    /// Adds the products of a block of windows and a panel of the gradient to the sums.
    ///
    /// # Safety
    /// Copies and panel are those of these windows.
    unsafe fn multiply(
        &self,
        steps: &[Vec<Step>],
        copies: *const T,
        weights: *const T,
        channel: usize,
        accumulate: bool,
    ) {
        let (plan, inputs) = (self.plan, self.channels.len());
        let Conv2d { kw, dilation, .. } = *plan.conv;
        let [runs, len] = plan.run(inputs);
        let cuts = len.div_ceil(plan.tiles.len());
        let vectors = usize::from(plan.padded - channel > plan.kernels.cols / 2);
        for run in 0..runs {
            let (i, j) = if runs == plan.conv.kh { (run, 0) } else { (run / kw, run % kw) };
            let tap = (i * dilation[0] * plan.pitch + j * dilation[1]) * inputs;
            for cut in 0..cuts {
                let these = cut * len / cuts..(cut + 1) * len / cuts;
                let corner = copies.wrapping_add(tap + these.start);
                let corners = [corner, corner.wrapping_add(these.len().div_ceil(2))];
                let c = self.sums.wrapping_add((run * len + these.start) * plan.padded + channel);
                let bias = std::ptr::null();
                let steps = &steps[i];
                let tile = SlidingTile { steps, corners, weights, c, c_row: plan.padded, accumulate, bias };
                // SAFETY: by contract; the sums of these taps and output channels are this task's.
                unsafe { plan.tiles[these.len() - 1][vectors](&tile) }
            }
        }
    }
}
