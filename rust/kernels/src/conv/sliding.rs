//! Convolution in multiply-adds whose windows are read where they lie.
//!
//! A task copies the part of the image under its windows with the zeros around it, so that every tap is a fixed distance
//! behind the corner of the window, and multiplies pixels by panels of weights: an element is copied once, where packed
//! patches hold it once for each tap. Steps cut the columns into phases, so that neighbouring windows are one element
//! apart. Sums are those of the packed core, bit by bit: the same chains over the same blocks of k.

use std::ops::Range;

use super::{Conv2d, Images};
use crate::gemm::{GemmFloat, Microkernels, SlidingFn, SlidingTile, k_block, k_blocks, terms, with_scratch};
use crate::isa::{Kernel, Simd, dispatch, isa};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// The least for which this pays: output channels, windows (packing weights costs as much for a few), elements of a
/// window, multiply-adds.
const LEAST: (usize, usize, usize, usize) = (16, 128, 16, 1 << 20);
/// Windows of a row: fewer leave registers empty, those of more are cut by rows into parts that do not fit a cache.
const ROW: Range<usize> = 4..513;
/// Windows and output channels of a task, about: its sums stay in the second-level cache.
const WINDOWS: usize = 384;
const CHANNELS: usize = 256;
/// Tasks to cut the work into, if there is this much for each, in multiply-adds.
const TASKS: usize = 16;
const TASK_WORK: usize = 1 << 22;
/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 100;
/// Elements of a line of cache.
const LINE: usize = 16;
/// Windows and channels that change places at a time.
const BLOCK: usize = 32;

/// How the work is cut, and how copied images lie.
struct Plan<'a, T: GemmFloat> {
    conv: &'a Conv2d,
    kernels: &'static Microkernels<T>,
    tiles: &'static [[SlidingFn<T>; 2]],
    /// Height and width of the output.
    out: [usize; 2],
    /// Output channels of a group, and the same in whole vectors.
    outputs: usize,
    padded: usize,
    /// Images of a task, or parts of an image: one of the two is 1.
    images: usize,
    strips: usize,
    /// Panels of output channels of a task.
    panels: usize,
    /// Image rows from one copied row to the next.
    row_step: usize,
    /// Columns of the image that are kept apart, and of each in a copied row.
    phases: usize,
    pitch: usize,
    /// From one copied channel to the next.
    channel: usize,
    /// How far each tap is behind the corner of its window.
    taps: Vec<usize>,
}

/// Computes the output as [`Conv2d::forward`] does, unless the shape speaks for patches. Says whether it did.
pub(super) fn forward<T: GemmFloat>(conv: &Conv2d, x: Images<'_, T>, w: &[T], bias: Option<&[T]>, y: &mut [T]) -> bool {
    let Some(plan) = Plan::of(conv) else { return false };
    if T::float32(w).is_some() && terms().is_some() {
        return false;
    }
    let weights = plan.pack(w);
    let bias = bias.map(|bias| plan.pad(bias));
    let spots = conv.n.div_ceil(plan.images) * plan.strips;
    let parts = plan.padded.div_ceil(plan.width()).div_ceil(plan.panels);
    let y = Disjoint::new(y);
    let cost = conv.n * plan.out[0] * plan.out[1] * conv.c_out * conv.taps() / WORK_PER_NS;
    for_each(spots * conv.groups * parts, cost, |task| {
        let (spot, rest) = (task / (conv.groups * parts), task % (conv.groups * parts));
        let (group, part) = (rest / parts, rest % parts);
        let channels = part * plan.panels * plan.width()..((part + 1) * plan.panels * plan.width()).min(plan.padded);
        let images = spot / plan.strips * plan.images;
        let task = Task {
            plan: &plan,
            images: images..(images + plan.images).min(conv.n),
            rows: plan.strip(spot % plan.strips),
            group,
            channels,
        };
        task.run(&x, weights.as_slice::<T>(), bias.as_deref(), &y);
    });
    true
}

impl<'a, T: GemmFloat> Plan<'a, T> {
    fn of(conv: &'a Conv2d) -> Option<Self> {
        let kernels = T::microkernels(isa());
        let tiles = kernels.sliding?;
        let ([oh, ow], k, outputs) = (conv.out_size().into(), conv.taps(), conv.c_out / conv.groups);
        let padded = outputs.next_multiple_of(kernels.cols / 2);
        let windows = conv.n * oh * ow;
        let enough = outputs >= LEAST.0 && windows >= LEAST.1 && k >= LEAST.2 && windows * outputs * k >= LEAST.3;
        if conv.is_pointwise() || !enough || !ROW.contains(&ow) || 8 * padded > 9 * outputs {
            return None;
        }
        let strips = (oh * ow).div_ceil(WINDOWS).min(oh);
        let images = if strips > 1 { 1 } else { (WINDOWS / (oh * ow)).clamp(1, conv.n) };
        let images = conv.n.div_ceil(conv.n.div_ceil(images));
        let all = padded.div_ceil(kernels.cols);
        let tasks = (windows * conv.c_out * k / TASK_WORK).clamp(1, TASKS);
        let parts = padded.div_ceil(CHANNELS).max(tasks.div_ceil(conv.n.div_ceil(images) * strips * conv.groups));
        let panels = all.div_ceil(parts.min(all));
        let [stride_y, stride_x] = conv.stride;
        let row_step = if conv.kh == 1 { stride_y } else { 1 };
        let phases = if conv.kw == 1 { 1 } else { stride_x };
        let pitch = ow + (conv.kw - 1) * conv.dilation[1] / stride_x;
        let mut plan = Self {
            conv,
            kernels,
            tiles,
            out: [oh, ow],
            outputs,
            padded,
            images,
            strips,
            panels,
            row_step,
            phases,
            pitch,
            channel: 0,
            taps: Vec::with_capacity(k),
        };
        // An odd number of lines: channels then do not crowd the same few sets of a cache.
        plan.channel = (plan.copied_rows(oh.div_ceil(strips)) * phases * pitch).next_multiple_of(LINE) | LINE;
        for c in 0..conv.c_in / conv.groups {
            for i in 0..conv.kh {
                for j in (0..conv.kw).map(|j| j * conv.dilation[1]) {
                    let row = i * conv.dilation[0] * phases + j % stride_x;
                    plan.taps.push(c * plan.channel + row * pitch + j / stride_x);
                }
            }
        }
        Some(plan)
    }

    /// Output channels of a panel.
    fn width(&self) -> usize {
        self.kernels.cols
    }

    /// Rows that are copied for `rows` rows of the output.
    fn copied_rows(&self, rows: usize) -> usize {
        (rows - 1) * (self.conv.stride[0] / self.row_step) + (self.conv.kh - 1) * self.conv.dilation[0] + 1
    }

    /// Rows of the output that a part of an image has.
    fn strip(&self, index: usize) -> Range<usize> {
        index * self.out[0] / self.strips..(index + 1) * self.out[0] / self.strips
    }

    /// Where the panel of `channel` lies for the block `k`.
    fn panel(&self, group: usize, channel: usize, k: &Range<usize>) -> usize {
        (group * self.taps.len() + k.start) * self.padded + channel * k.len()
    }

    /// The weights in panels, block after block of k.
    fn pack(&self, w: &[T]) -> Buffer {
        let (all, width) = (self.taps.len(), self.width());
        let buffer = Buffer::uninit(self.conv.groups * all * self.padded * size_of::<T>());
        let (blocks, panels) = (k_blocks(all), self.padded.div_ceil(width));
        for_each(self.conv.groups * blocks * panels, w.len(), |task| {
            let (group, rest) = (task / (blocks * panels), task % (blocks * panels));
            let (k, channel) = (k_block(all, blocks, rest / panels), rest % panels * width);
            let (columns, rows) = (width.min(self.padded - channel), width.min(self.outputs - channel));
            // SAFETY: every panel has its own place in the buffer; the rows are inside the weights.
            unsafe {
                let from = w[(group * self.outputs + channel) * all + k.start..].as_ptr();
                let panel = buffer.as_ptr().cast::<T>().add(self.panel(group, channel, &k));
                (self.kernels.transpose)(from, rows, all.cast_signed(), k.len(), panel, columns);
            }
        });
        buffer
    }

    /// The bias of each group in whole vectors.
    fn pad(&self, bias: &[T]) -> Vec<T> {
        let mut padded = vec![T::ZERO; self.conv.groups * self.padded];
        for (to, from) in padded.chunks_exact_mut(self.padded).zip(bias.chunks_exact(self.outputs)) {
            to[..self.outputs].copy_from_slice(from);
        }
        padded
    }
}

/// Windows and output channels that one thread computes.
struct Task<'a, T: GemmFloat> {
    plan: &'a Plan<'a, T>,
    images: Range<usize>,
    /// Rows of the output.
    rows: Range<usize>,
    group: usize,
    /// Output channels of the group, in whole vectors.
    channels: Range<usize>,
}

impl<T: GemmFloat> Task<'_, T> {
    fn run(&self, x: &Images<'_, T>, weights: &[T], bias: Option<&[T]>, y: &Disjoint<'_, T>) {
        let plan = self.plan;
        let (all, period) = (plan.taps.len(), plan.conv.kh * plan.conv.kw);
        let blocks = k_blocks(all);
        let inputs = (all.div_ceil(blocks).div_ceil(period) + 1).min(plan.conv.c_in / plan.conv.groups);
        let copied = (self.images.len() * inputs * plan.channel).next_multiple_of(LINE);
        let windows = self.images.len() * self.rows.len() * plan.out[1];
        with_scratch(copied + windows * self.channels.len(), |scratch: *mut T| {
            let sums = scratch.wrapping_add(copied);
            for block in 0..blocks {
                let k = k_block(all, blocks, block);
                let seen = k.start / period..k.end.div_ceil(period);
                dispatch(Copy { task: self, x, channels: &seen, to: scratch });
                let bias = bias.filter(|_| block == blocks - 1);
                // SAFETY: the scratch holds the copies and the sums.
                unsafe { self.block(&k, seen.start, seen.len(), weights, bias, block > 0, scratch, sums) }
            }
            // SAFETY: the sums are all there; windows and channels of the output are this task's own.
            unsafe { self.store(sums, y) }
        });
    }

    /// Adds a block of k to the sums.
    ///
    /// # Safety
    /// `copies` holds the `inputs` input channels from `first` on of each image, `sums` one row for each window.
    #[allow(clippy::too_many_arguments, reason = "one private step of `run`")]
    unsafe fn block(
        &self,
        k: &Range<usize>,
        first: usize,
        inputs: usize,
        weights: &[T],
        bias: Option<&[T]>,
        accumulate: bool,
        copies: *const T,
        sums: *mut T,
    ) {
        let plan = self.plan;
        let ([_, ow], most, pitch) = (plan.out, plan.tiles.len(), self.channels.len());
        let row_pitch = plan.conv.stride[0] / plan.row_step * plan.phases * plan.pitch;
        let lanes = plan.width() / 2;
        for channel in self.channels.clone().step_by(plan.width()) {
            let vectors = usize::from(plan.padded - channel > lanes);
            let panel = weights[plan.panel(self.group, channel, k)..].as_ptr();
            let bias = bias.map_or(std::ptr::null(), |bias| bias[self.group * plan.padded + channel..].as_ptr());
            let tile = |corners: [*const T; 2], count: usize, window: usize| {
                let c = sums.wrapping_add(window * pitch + channel - self.channels.start);
                let taps = &plan.taps[k.clone()];
                let tile = SlidingTile { taps, corners, weights: panel, c, c_row: pitch, accumulate, bias };
                // SAFETY: by contract; taps of these windows lie in the copied channels, which those of the block are.
                unsafe { plan.tiles[count - 1][vectors](&tile) }
            };
            for image in 0..self.images.len() {
                let image_copy = copies.wrapping_add(image * inputs * plan.channel).wrapping_sub(first * plan.channel);
                let mut row = 0;
                while row < self.rows.len() {
                    let corner = image_copy.wrapping_add(row * row_pitch);
                    let window = (image * self.rows.len() + row) * ow;
                    if 2 * ow <= most && row + 1 < self.rows.len() {
                        tile([corner, corner.wrapping_add(row_pitch)], 2 * ow, window);
                        row += 2;
                        continue;
                    }
                    let cuts = ow.div_ceil(most);
                    for cut in 0..cuts {
                        let columns = cut * ow / cuts..(cut + 1) * ow / cuts;
                        let corner = corner.wrapping_add(columns.start);
                        let half = corner.wrapping_add(columns.len().div_ceil(2));
                        tile([corner, half], columns.len(), window + columns.start);
                    }
                    row += 1;
                }
            }
        }
    }

    /// Turns the sums into images.
    ///
    /// # Safety
    /// `sums` holds a row for each window; nobody else touches these windows and channels of the output.
    unsafe fn store(&self, sums: *const T, y: &Disjoint<'_, T>) {
        let plan = self.plan;
        let ([oh, ow], pitch) = (plan.out, self.channels.len());
        let windows = self.rows.len() * ow;
        let mut block = [T::ZERO; BLOCK * BLOCK];
        for image in 0..self.images.len() {
            for channel in self.channels.clone().step_by(BLOCK) {
                let channels = BLOCK.min(self.channels.end.min(plan.outputs) - channel);
                for window in (0..windows).step_by(BLOCK) {
                    let count = BLOCK.min(windows - window);
                    let from = sums.wrapping_add((image * windows + window) * pitch + channel - self.channels.start);
                    // SAFETY: by contract; the block has room for as many windows of as many channels.
                    unsafe {
                        let stride = pitch.cast_signed();
                        (plan.kernels.transpose)(from, count, stride, channels, block.as_mut_ptr(), BLOCK);
                        for (nth, from) in block.chunks_exact(BLOCK).take(channels).enumerate() {
                            let plane = (self.images.start + image) * plan.conv.c_out + self.group * plan.outputs;
                            let start = (plane + channel + nth) * oh * ow + self.rows.start * ow + window;
                            y.slice(start..start + count).copy_from_slice(&from[..count]);
                        }
                    }
                }
            }
        }
    }
}

/// Copies some input channels under the windows of a task, with the zeros around them.
struct Copy<'a, T: GemmFloat> {
    task: &'a Task<'a, T>,
    x: &'a Images<'a, T>,
    /// Of the group.
    channels: &'a Range<usize>,
    to: *mut T,
}

impl<T: GemmFloat> Kernel for Copy<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { task, x, channels, to } = self;
        let (plan, conv) = (task.plan, task.plan.conv);
        let step = conv.stride[1].cast_signed() * x.strides[3];
        for image in task.images.clone() {
            for c in channels.clone() {
                let nth = (image - task.images.start) * channels.len() + c - channels.start;
                let channel = task.group * (conv.c_in / conv.groups) + c;
                let plane = x.channel(channel).wrapping_offset(image.cast_signed() * x.strides[0]);
                for row in 0..plan.copied_rows(task.rows.len()) {
                    let at = nth * plan.channel + row * plan.phases * plan.pitch;
                    // SAFETY: the scratch has a row for each that is copied.
                    let to = unsafe { std::slice::from_raw_parts_mut(to.wrapping_add(at), plan.phases * plan.pitch) };
                    let y = (task.rows.start * conv.stride[0] + row * plan.row_step).wrapping_sub(conv.padding[0]);
                    if y >= conv.h {
                        to.fill(T::ZERO);
                        continue;
                    }
                    let line = plane.wrapping_offset(y.cast_signed() * x.strides[2]);
                    for (phase, to) in to.chunks_exact_mut(plan.pitch).enumerate() {
                        let edge = |width: usize| {
                            (width + conv.padding[1]).saturating_sub(phase).div_ceil(conv.stride[1]).min(plan.pitch)
                        };
                        let (first, end) = (edge(0), edge(conv.w));
                        to[..first].fill(T::ZERO);
                        to[end..].fill(T::ZERO);
                        let column = (first * conv.stride[1] + phase).cast_signed() - conv.padding[1].cast_signed();
                        let from = line.wrapping_offset(column * x.strides[3]);
                        // SAFETY: the columns from `first` to `end` lie inside the image.
                        unsafe { copy_apart(from, step, &mut to[first..end]) }
                    }
                }
            }
        }
    }
}

/// Copies elements that are `step` apart.
///
/// # Safety
/// They are valid.
#[inline(always)]
unsafe fn copy_apart<T: GemmFloat>(from: *const T, step: isize, to: &mut [T]) {
    // SAFETY: by contract. Steps that are constants make shuffles of loads.
    unsafe {
        match step {
            1 => std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()),
            2 => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = *from.add(2 * i);
                }
            }
            _ => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = *from.wrapping_offset(i.cast_signed() * step);
                }
            }
        }
    }
}
