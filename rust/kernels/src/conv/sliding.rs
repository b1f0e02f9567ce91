//! Convolution in multiply-adds whose windows are read where they lie.
//!
//! A task copies the part of the image under its windows with the zeros around it, so that every tap is a fixed distance
//! behind the corner of the window, and multiplies pixels by panels of weights: an element is copied once, where packed
//! patches hold it once for each tap. Steps cut the columns into phases, so that neighbouring windows are one element
//! apart. Sums are those of the packed core, bit by bit: the same chains over the same blocks of k.

use std::ops::Range;

use super::{Conv2d, Images};
use crate::gemm::{GemmFloat, Microkernels, SlidingFn, SlidingTile, Step, k_block, k_blocks, terms, with_scratch};
use crate::isa::{Kernel, Simd, dispatch, isa, prefetch, prefetch_to_write};
use crate::parallel::{Disjoint, for_each, num_threads};

/// The least for which this pays: output channels, windows (packing weights costs as much for a few), elements of a
/// window, multiply-adds.
const LEAST: (usize, usize, usize, usize) = (16, 128, 64, 1 << 20);
/// Windows of a row: fewer leave registers empty, those of more are cut by rows into parts that do not fit a cache.
const ROW: Range<usize> = 4..513;
/// Windows of a tile, on average, for which this pays.
const WINDOWS_OF_TILE: usize = 5;
/// Windows and output channels of a task, about: its sums stay in the second-level cache.
const WINDOWS: usize = 384;
const CHANNELS: usize = 256;
/// Tasks of a thread to cut the work into, if there is this much for each, in multiply-adds: those of other output
/// channels copy the same images.
const TASKS: usize = 2;
const TASK_WORK: usize = 1 << 22;
/// Elements that a task copies, at most: under windows whose elements lie far apart there are more than packed patches hold.
pub(super) const MOST: usize = 1 << 22;
/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 100;
/// Elements of a line of cache.
const LINE: usize = 16;
/// Channels that are asked for ahead.
const AHEAD: isize = 2;
/// Parts of windows, the whole one included, whose elements are listed.
const MOST_PARTS: usize = 17;
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
    /// Columns of the image that are kept apart: phases, and what a copied row has of each.
    phases: usize,
    columns: Vec<Columns>,
    pitch: usize,
    /// Input channels of a block of k, at most.
    inputs: usize,
    /// From one copied channel to the next.
    channel: usize,
    /// The elements of a window, and those in some rows of it only: what lies above or below the image is zero.
    steps: Vec<Vec<Step>>,
    /// Which of these each row of the output has.
    inside: Vec<usize>,
}

/// The columns of a copied row, of one phase, that lie inside the image, and the column of the image that is the first.
struct Columns {
    first: usize,
    end: usize,
    from: isize,
}

/// Computes the output as [`Conv2d::forward`] does, unless the shape speaks for patches. Says whether it did.
pub(super) fn forward<T: GemmFloat>(conv: &Conv2d, x: Images<'_, T>, w: &[T], bias: Option<&[T]>, y: &mut [T]) -> bool {
    run(conv, &x, bias, y, |plan, group, channel, k, panel| plan.pack(w, group, channel, k, panel))
}

/// The same with the weights turned round: `w` is that of the convolution whose gradient of the input this is.
pub(super) fn forward_turned<T: GemmFloat>(conv: &Conv2d, x: Images<'_, T>, w: &[T], y: &mut [T]) -> bool {
    run(conv, &x, None, y, |plan, group, channel, k, panel| plan.pack_turned(w, group, channel, k, panel))
}

/// Computes the output with the weights that `pack` brings into a panel: those of an output channel of a group, and
/// the ones after it, for some elements of the window.
fn run<T: GemmFloat>(
    conv: &Conv2d,
    x: &Images<'_, T>,
    bias: Option<&[T]>,
    y: &mut [T],
    pack: impl Fn(&Plan<'_, T>, usize, usize, Range<usize>, &mut [T]) + Sync,
) -> bool {
    if T::float32(y).is_some() && terms().is_some() {
        return false;
    }
    let Some(plan) = Plan::of(conv) else { return false };
    let (all, width) = (conv.taps(), plan.width());
    let len = conv.groups * all * plan.padded;
    let (blocks, panels) = (k_blocks(all), plan.padded.div_ceil(width));
    with_scratch(len, |weights: *mut T| {
        // SAFETY: the scratch has the room, and all of it is written before it is read.
        let weights = unsafe { std::slice::from_raw_parts_mut(weights, len) };
        let into = Disjoint::new(&mut *weights);
        for_each(conv.groups * blocks * panels, len, |task| {
            let (group, rest) = (task / (blocks * panels), task % (blocks * panels));
            let (k, channel) = (k_block(all, blocks, rest / panels), rest % panels * width);
            let at = plan.panel(group, channel, &k);
            // SAFETY: every panel has its own place.
            let panel = unsafe { into.slice(at..at + width.min(plan.padded - channel) * k.len()) };
            pack(&plan, group, channel, k, panel);
        });
        plan.run(x, weights, bias, y);
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
        // Windows of a tile: the sums of fewer would wait for each other.
        let most = tiles.len();
        let tile = if 2 * ow <= most { 2 * ow } else { ow.div_ceil(ow.div_ceil(most).max(1)) };
        if tile < WINDOWS_OF_TILE
            || !conv.windows_overlap()
            || !enough
            || !ROW.contains(&ow)
            || 8 * padded > 9 * outputs
        {
            return None;
        }
        let strips = (oh * ow).div_ceil(WINDOWS).min(oh);
        let images = if strips > 1 { 1 } else { (WINDOWS / (oh * ow)).clamp(1, conv.n) };
        let images = conv.n.div_ceil(conv.n.div_ceil(images));
        let all = padded.div_ceil(kernels.cols);
        let tasks = (windows * conv.c_out * k / TASK_WORK).clamp(1, TASKS * num_threads());
        let parts = padded.div_ceil(CHANNELS).max(tasks.div_ceil(conv.n.div_ceil(images) * strips * conv.groups));
        let panels = all.div_ceil(parts.min(all));
        let [stride_y, stride_x] = conv.stride;
        let row_step = if conv.kh == 1 { stride_y } else { 1 };
        let phases = if conv.kw == 1 { 1 } else { stride_x };
        let pitch = ow + (conv.kw - 1) * conv.dilation[1] / stride_x;
        let columns = |phase: usize| {
            let edge = |width: usize| (width + conv.padding[1]).saturating_sub(phase).div_ceil(stride_x).min(pitch);
            let (first, end) = (edge(0), edge(conv.w));
            Columns { first, end, from: (first * stride_x + phase).cast_signed() - conv.padding[1].cast_signed() }
        };
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
            columns: (0..phases).map(columns).collect(),
            pitch,
            inputs: (k.div_ceil(k_blocks(k)).div_ceil(conv.kh * conv.kw) + 1).min(conv.c_in / conv.groups),
            channel: 0,
            steps: Vec::new(),
            inside: Vec::with_capacity(oh),
        };
        let plane = plan.copied_rows(oh.div_ceil(strips)).saturating_mul(phases).saturating_mul(pitch);
        if plane.saturating_mul(images * plan.inputs) > MOST {
            return None;
        }
        // An odd number of lines: channels then do not crowd the same few sets of a cache.
        plan.channel = plane.next_multiple_of(LINE) | LINE;
        if u32::try_from(plan.channel.saturating_mul(conv.c_in / conv.groups)).is_err() {
            return None;
        }
        let whole = 0..conv.kh;
        let mut parts = vec![whole];
        for y in 0..oh {
            let is_inside = |i: &usize| conv.under(0, y, *i).cast_unsigned() < conv.h;
            let first = (0..conv.kh).find(is_inside).unwrap_or(0);
            let rows = first..first + (first..conv.kh).take_while(is_inside).count();
            let part = parts.iter().position(|part| *part == rows).unwrap_or_else(|| {
                // Lists of many would be long; what is zero is multiplied then.
                if parts.len() == MOST_PARTS {
                    return 0;
                }
                parts.push(rows);
                parts.len() - 1
            });
            plan.inside.push(part);
        }
        plan.steps = parts.into_iter().map(|rows| plan.steps_of(rows)).collect();
        Some(plan)
    }

    /// The elements of a window in these of its rows.
    fn steps_of(&self, rows: Range<usize>) -> Vec<Step> {
        let (conv, stride) = (self.conv, self.conv.stride[1]);
        let mut steps = Vec::with_capacity(conv.taps());
        for c in 0..conv.c_in / conv.groups {
            for i in rows.clone() {
                let tap = (c * conv.kh + i) * conv.kw;
                for (nth, j) in (0..conv.kw).map(|j| j * conv.dilation[1]).enumerate() {
                    let row = i * conv.dilation[0] * self.phases + j % stride;
                    steps.push(Step::new(c * self.channel + row * self.pitch + j / stride, tap + nth));
                }
            }
        }
        steps
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
        (group * self.conv.taps() + k.start) * self.padded + channel * k.len()
    }

    /// The weights of a panel.
    fn pack(&self, w: &[T], group: usize, channel: usize, k: Range<usize>, panel: &mut [T]) {
        let (all, rows) = (self.conv.taps(), self.width().min(self.outputs - channel));
        let from = &w[(group * self.outputs + channel) * all + k.start..];
        let (len, columns) = (k.len(), panel.len() / k.len());
        // SAFETY: the rows are inside the weights, which are as many as the shape says.
        unsafe { (self.kernels.transpose)(from.as_ptr(), rows, all.cast_signed(), len, panel.as_mut_ptr(), columns) }
    }

    /// The weights of a panel, turned round.
    fn pack_turned(&self, w: &[T], group: usize, channel: usize, k: Range<usize>, panel: &mut [T]) {
        let (conv, period) = (self.conv, self.conv.kh * self.conv.kw);
        let (rows, columns) = (self.width().min(self.outputs - channel), panel.len() / k.len());
        with_scratch(period * columns, |turned: *mut T| {
            for input in k.start / period..k.end.div_ceil(period) {
                let row = group * (conv.c_in / conv.groups) + input;
                let from = &w[(row * self.outputs + channel) * period..][..rows * period];
                // The next are far away: the hardware does not foresee where they begin.
                let ahead = from.as_ptr().wrapping_add(AHEAD.unsigned_abs() * self.outputs * period);
                (0..from.len()).step_by(LINE).for_each(|line| prefetch(ahead.wrapping_add(line)));
                // SAFETY: the rows are inside the slice; the scratch has the room.
                let turned = unsafe {
                    (self.kernels.transpose)(from.as_ptr(), rows, period.cast_signed(), period, turned, columns);
                    std::slice::from_raw_parts(turned, period * columns)
                };
                for (element, from) in turned.chunks_exact(columns).rev().enumerate() {
                    let tap = input * period + element;
                    if k.contains(&tap) {
                        panel[(tap - k.start) * columns..][..columns].copy_from_slice(from);
                    }
                }
            }
        });
    }

    /// Computes the output with packed weights.
    fn run(&self, x: &Images<'_, T>, weights: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let conv = self.conv;
        let bias = bias.map(|bias| self.pad(bias));
        let step = self.panels * self.width();
        let (spots, parts) = (conv.n.div_ceil(self.images) * self.strips, self.padded.div_ceil(step));
        let y = Disjoint::new(y);
        let cost = conv.n * self.out[0] * self.out[1] * conv.c_out * conv.taps() / WORK_PER_NS;
        for_each(spots * conv.groups * parts, cost, |task| {
            let (spot, rest) = (task / (conv.groups * parts), task % (conv.groups * parts));
            let (group, part) = (rest / parts, rest % parts);
            let images = spot / self.strips * self.images;
            let task = Task {
                plan: self,
                images: images..(images + self.images).min(conv.n),
                rows: self.strip(spot % self.strips),
                group,
                channels: part * step..((part + 1) * step).min(self.padded),
            };
            task.run(x, weights, bias.as_deref(), &y);
        });
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
        let (all, period) = (plan.conv.taps(), plan.conv.kh * plan.conv.kw);
        let blocks = k_blocks(all);
        let inputs = plan.inputs;
        let copied = self.images.len() * inputs * plan.channel;
        let windows = self.images.len() * self.rows.len() * plan.out[1];
        with_scratch(copied + windows * self.channels.len(), |scratch: *mut T| {
            // SAFETY: the scratch has the room. The zeros around the images stay.
            unsafe { std::slice::from_raw_parts_mut(scratch, copied) }.fill(T::ZERO);
            let sums = scratch.wrapping_add(copied);
            for block in 0..blocks {
                let k = k_block(all, blocks, block);
                dispatch(Copy {
                    task: self,
                    x,
                    channels: k.start / period..k.end.div_ceil(period),
                    inputs,
                    to: scratch,
                });
                let last = (block == blocks - 1).then_some(Last { bias, y });
                let origin = scratch.wrapping_sub(k.start / period * plan.channel);
                // SAFETY: the scratch holds the copies and the sums.
                unsafe { self.block(&k, inputs, weights, last.as_ref(), block > 0, origin, sums) }
            }
            dispatch(Store { task: self, sums, y });
        });
    }

    /// Adds a block of k to the sums.
    ///
    /// # Safety
    /// `copies` holds the channels of the block at their places among `inputs` of each image, `sums` one row for each
    /// window.
    #[allow(clippy::too_many_arguments, reason = "one private step of `run`")]
    unsafe fn block(
        &self,
        k: &Range<usize>,
        inputs: usize,
        weights: &[T],
        last: Option<&Last<'_, T>>,
        accumulate: bool,
        copies: *const T,
        sums: *mut T,
    ) {
        let plan = self.plan;
        let ([_, ow], most, pitch) = (plan.out, plan.tiles.len(), self.channels.len());
        let row_pitch = plan.conv.stride[0] / plan.row_step * plan.phases * plan.pitch;
        let lanes = plan.width() / 2;
        let steps: Vec<&[Step]> = plan.steps.iter().map(|all| between(all, k)).collect();
        for channel in self.channels.clone().step_by(plan.width()) {
            let vectors = usize::from(plan.padded - channel > lanes);
            let panel = weights[plan.panel(self.group, channel, k)..].as_ptr();
            let panel = panel.wrapping_sub(k.start * (vectors + 1) * lanes);
            let bias = last.and_then(|last| last.bias);
            let bias = bias.map_or(std::ptr::null(), |bias| bias[self.group * plan.padded + channel..].as_ptr());
            let tile = |inside: usize, corners: [*const T; 2], count: usize, window: usize| {
                let c = sums.wrapping_add(window * pitch + channel - self.channels.start);
                if let Some(last) = last {
                    self.prefetch(last.y, channel, window);
                }
                let steps = steps[inside];
                let tile = SlidingTile { steps, corners, weights: panel, c, c_row: pitch, accumulate, bias };
                // SAFETY: by contract; taps of these windows lie in the copied channels, which those of the block are.
                unsafe { plan.tiles[count - 1][vectors](&tile) }
            };
            for image in 0..self.images.len() {
                let image_copy = copies.wrapping_add(image * inputs * plan.channel);
                let mut row = 0;
                while row < self.rows.len() {
                    let corner = image_copy.wrapping_add(row * row_pitch);
                    let window = (image * self.rows.len() + row) * ow;
                    let (inside, below) = (self.inside(row), self.inside(row + 1));
                    if 2 * ow <= most && below == inside {
                        let inside = inside.unwrap_or(0);
                        tile(inside, [corner, corner.wrapping_add(row_pitch)], 2 * ow, window);
                        row += 2;
                        continue;
                    }
                    let cuts = ow.div_ceil(most);
                    for cut in 0..cuts {
                        let columns = cut * ow / cuts..(cut + 1) * ow / cuts;
                        let corner = corner.wrapping_add(columns.start);
                        let half = corner.wrapping_add(columns.len().div_ceil(2));
                        tile(inside.unwrap_or(0), [corner, half], columns.len(), window + columns.start);
                    }
                    row += 1;
                }
            }
        }
    }

    /// Which elements of their windows the windows of a row of the task have inside the image; `None` after the last.
    fn inside(&self, row: usize) -> Option<usize> {
        let row = self.rows.start + row;
        self.rows.contains(&row).then(|| self.plan.inside[row])
    }

    /// Where the output has a window of the task, for an output channel of the group.
    #[inline(always)]
    fn place(&self, channel: usize, window: usize) -> usize {
        let ([oh, ow], conv) = (self.plan.out, self.plan.conv);
        let windows = self.rows.len() * ow;
        let plane = (self.images.start + window / windows) * conv.c_out + self.group * self.plan.outputs + channel;
        plane * oh * ow + self.rows.start * ow + window % windows
    }

    /// Brings the lines near that the sums of a panel will be stored to.
    fn prefetch(&self, y: &Disjoint<'_, T>, channel: usize, window: usize) {
        let (plan, place) = (self.plan, self.place(channel, window));
        for nth in 0..plan.width().min(plan.outputs.saturating_sub(channel)) {
            prefetch_to_write(y.as_mut_ptr().wrapping_add(place + nth * plan.out[0] * plan.out[1]));
        }
    }
}

/// Those of the steps, which are in order, whose rows are in the block.
fn between<'a>(steps: &'a [Step], k: &Range<usize>) -> &'a [Step] {
    let until = |end: usize| steps.partition_point(|step| (step.row as usize) < end);
    &steps[until(k.start)..until(k.end)]
}

/// What the last block of k does besides.
struct Last<'a, T> {
    bias: Option<&'a [T]>,
    y: &'a Disjoint<'a, T>,
}

/// Turns the sums of a task, a row for each window, into its part of the images.
struct Store<'a, T: GemmFloat> {
    task: &'a Task<'a, T>,
    sums: *const T,
    y: &'a Disjoint<'a, T>,
}

impl<T: GemmFloat> Kernel for Store<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { task, sums, y } = self;
        let (plan, pitch) = (task.plan, task.channels.len());
        let windows = task.rows.len() * plan.out[1];
        let mut block = [T::ZERO; BLOCK * BLOCK];
        for image in 0..task.images.len() {
            for channel in task.channels.clone().step_by(BLOCK) {
                let channels = BLOCK.min(task.channels.end.min(plan.outputs) - channel);
                for window in (0..windows).step_by(BLOCK) {
                    let count = BLOCK.min(windows - window);
                    let window = image * windows + window;
                    let from = sums.wrapping_add(window * pitch + channel - task.channels.start);
                    // SAFETY: the sums have a row for each window, the block has room for as many of as many channels;
                    // windows and channels of the output are this task's own.
                    unsafe {
                        let stride = pitch.cast_signed();
                        (plan.kernels.transpose)(from, count, stride, channels, block.as_mut_ptr(), BLOCK);
                        for (nth, from) in block.chunks_exact(BLOCK).take(channels).enumerate() {
                            let start = task.place(channel + nth, window);
                            copy_apart::<T, 1>(from.as_ptr(), y.slice(start..start + count));
                        }
                    }
                }
            }
        }
    }
}

/// Copies some input channels under the windows of a task, between zeros that are there.
struct Copy<'a, T: GemmFloat> {
    task: &'a Task<'a, T>,
    x: &'a Images<'a, T>,
    /// Of the group.
    channels: Range<usize>,
    /// Channels of an image that there is room for.
    inputs: usize,
    to: *mut T,
}

impl<T: GemmFloat> Kernel for Copy<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { task, x, channels, inputs, to } = self;
        let (plan, conv) = (task.plan, task.plan.conv);
        let step = conv.stride[1].cast_signed() * x.strides[3];
        for image in task.images.clone() {
            for c in channels.clone() {
                let nth = (image - task.images.start) * inputs + c - channels.start;
                let channel = task.group * (conv.c_in / conv.groups) + c;
                let plane = x.channel(channel).wrapping_offset(image.cast_signed() * x.strides[0]);
                for row in 0..plan.copied_rows(task.rows.len()) {
                    let y = (task.rows.start * conv.stride[0] + row * plan.row_step).wrapping_sub(conv.padding[0]);
                    if y >= conv.h {
                        continue;
                    }
                    let line = plane.wrapping_offset(y.cast_signed() * x.strides[2]);
                    if x.strides[3] == 1 {
                        // Channels are far apart: the hardware does not foresee where the next begins.
                        for column in (0..conv.w).step_by(LINE) {
                            prefetch(line.wrapping_offset(AHEAD * x.strides[1]).wrapping_add(column));
                        }
                    }
                    let to = to.wrapping_add(nth * plan.channel + row * plan.phases * plan.pitch);
                    for (phase, &Columns { first, end, from }) in plan.columns.iter().enumerate() {
                        let from = line.wrapping_offset(from * x.strides[3]);
                        // SAFETY: the scratch has each row; its columns from `first` to `end` lie inside the image.
                        unsafe {
                            let to = to.add(phase * plan.pitch + first);
                            let to = std::slice::from_raw_parts_mut(to, end - first);
                            match step {
                                1 => copy_apart::<T, 1>(from, to),
                                2 => copy_apart::<T, 2>(from, to),
                                _ => {
                                    for (i, to) in to.iter_mut().enumerate() {
                                        *to = *from.wrapping_offset(i.cast_signed() * step);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Copies elements that are `STEP` (1 or 2) apart, in vectors as long as the row allows: rows of images are often short.
///
/// # Safety
/// They are valid.
#[inline(always)]
unsafe fn copy_apart<T: GemmFloat, const STEP: usize>(from: *const T, to: &mut [T]) {
    // SAFETY: by contract.
    unsafe {
        match to.len() {
            16.. => copy_chunks::<T, STEP, 16>(from, to),
            8.. => copy_chunks::<T, STEP, 8>(from, to),
            4.. => copy_chunks::<T, STEP, 4>(from, to),
            _ => copy_chunks::<T, STEP, 1>(from, to),
        }
    }
}

/// [`copy_apart`] in chunks of `LEN`, of which the last may overlap the one before.
///
/// # Safety
/// As there; there are no elements or at least `LEN`.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "lanes of three registers")]
unsafe fn copy_chunks<T: GemmFloat, const STEP: usize, const LEN: usize>(from: *const T, to: &mut [T]) {
    let len = to.len();
    for start in (0..len).step_by(LEN) {
        let start = start.min(len - LEN);
        let from = from.wrapping_add(STEP * start);
        // SAFETY: by contract. Two loads that overlap by an element end at the last one.
        unsafe {
            let mut chunk = from.cast::<[T; LEN]>().read_unaligned();
            if STEP == 2 {
                let (low, high) = (chunk, from.add(LEN - 1).cast::<[T; LEN]>().read_unaligned());
                for i in 0..LEN {
                    chunk[i] = if 2 * i < LEN { low[2 * i] } else { high[2 * i + 1 - LEN] };
                }
            }
            to.as_mut_ptr().add(start).cast::<[T; LEN]>().write_unaligned(chunk);
        }
    }
}
