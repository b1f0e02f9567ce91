//! Convolution on AMX, in terms: weights times windows that lie in place.
//!
//! Each image is copied with its padding, split into bfloat16 terms on the way, so that every tap of a window is a fixed
//! distance behind its corner ([`Planes`]). Columns of the product are then the pixels of that copy, row after row as if
//! there were no edges; the few that are no windows are dropped as the sums are stored. Nothing is packed for a tap: an
//! element is split once, where patches would be split as often as there are taps.
//!
//! Numbers whose terms would lose something make these routes decline; the packed core knows what to do. Those of bfloat16
//! are one term each, as they are: nothing is split or lost, and parts of k stay in L1.

#![allow(clippy::cast_ptr_alignment, reason = "buffers and scratch begin on cache lines, and parts are whole lines")]

mod forward;
mod grad_input;
mod grad_weight;

pub(super) use forward::forward;
pub(super) use grad_input::grad_input;
pub(super) use grad_weight::grad_weight;

use std::marker::PhantomData;

use super::{Conv2d, Images};
use crate::gemm::windows::{EDGE, PRODUCTS_PER_NS, Pixel, Rows};

/// Channels of a step of k, and bytes of a pair of their terms.
const GROUP: usize = EDGE;
const PAIR: usize = 4;
/// Longest part of k, in steps, whose weights and windows fit L1 where numbers are single terms.
const PART: usize = 12;
/// Tasks to cut the work into, if it suffices.
const TASKS: usize = 16;
/// The least for which this pays where numbers are split: channels, windows (splitting weights costs as much for a few),
/// multiply-adds.
const LEAST: (usize, usize, usize) = (24, 512, 1 << 21);
/// The least where they are not: there, what this stands against are conversions too.
const LEAST_BITS: (usize, usize, usize) = (1, 32, 1 << 15);
/// How many times the work may be done that it takes, for tiles to be whole: of split numbers and of others.
const WASTE: [usize; 2] = [2, 24];
/// Nanoseconds that it takes to bring 32 pixels of a channel into pairs.
const PAIRING: usize = 2;
/// Steps from column to column up to which rows are read sixteen at a time, with offsets of 32 bits.
const FAR: isize = 1 << 26;

/// How images are laid out: rows of `pitch` pixels, with zeros wherever a window looks past an edge. Strides cut them
/// into phases, the rows and columns that are equal modulo the stride, so that windows are always one pixel apart.
///
/// Where a step of k has room for more channels than there are, the rows of the kernel, or all of its elements, count as
/// channels: those of an image seen so many pixels further on. The weights lie in memory as such a kernel's would.
struct Planes<'a> {
    conv: &'a Conv2d,
    /// Height and width of the output.
    out: [usize; 2],
    pitch: usize,
    /// How much further on each channel is seen that is made of one, and how many channels that makes.
    folded: Vec<[usize; 2]>,
    channels: usize,
    /// The remainders by the strides that some tap meets.
    phases: Vec<[usize; 2]>,
    /// Of each tap, its phase and how far it is behind the corner of the window.
    taps: Vec<(usize, usize)>,
    /// How far the last tap is.
    reach: usize,
}

impl<'a> Planes<'a> {
    /// The layout for images with these strides, if the route is one for them.
    fn of<T: Pixel>(conv: &'a Conv2d, out: [usize; 2], strides: &[isize; 4]) -> Option<Self> {
        let &Conv2d { n, c_in, c_out, kh, kw, stride, .. } = conv;
        let [oh, ow] = out;
        let bits = T::ONE_TERM;
        let work = [n, oh, ow, c_in, c_out, kh, kw].into_iter().fold(1, usize::saturating_mul);
        let (channels, windows, least) = if bits { LEAST_BITS } else { LEAST };
        let apart = strides[3].unsigned_abs().saturating_mul(stride[1]).cast_signed();
        let too_small = c_in.min(c_out) < channels || n * oh * ow < windows || work < least;
        if conv.groups != 1 || too_small || apart > FAR {
            return None;
        }
        let whole = |x: usize| x.next_multiple_of(EDGE);
        let (plain, rows, all) = ([1, 1], [kh, 1], [kh, kw]);
        // For 32 windows: what they take to multiply, and their channels to bring into pairs.
        let cost = |&[down, across]: &[usize; 2]| {
            let channels = whole(c_in * down * across);
            let steps = channels / EDGE * (kh / down) * (kw / across);
            steps * whole(c_out) * EDGE * EDGE / PRODUCTS_PER_NS + channels * PAIRING
        };
        let fold = if bits { [plain, rows, all].into_iter().min_by_key(cost)? } else { plain };
        let planes = Self::folded(conv, out, fold);
        let steps = planes.groups() * planes.taps.len();
        let done = [n, whole(planes.columns(oh)), steps, EDGE, whole(c_out)].into_iter().fold(1, usize::saturating_mul);
        (done <= WASTE[usize::from(bits)].saturating_mul(work)).then_some(planes)
    }

    /// The layout where so many rows and columns of the kernel count as channels.
    fn folded(conv: &'a Conv2d, out: [usize; 2], fold: [usize; 2]) -> Self {
        let &Conv2d { c_in, w, kh, kw, stride, padding, dilation, .. } = conv;
        let elements =
            |of: [usize; 2]| (0..of[0]).flat_map(move |i| (0..of[1]).map(move |j| [i * dilation[0], j * dilation[1]]));
        let left = [kh / fold[0], kw / fold[1]];
        let across = (left[1] - 1) * dilation[1];
        let pitch = match stride[1] {
            _ if across == 0 => out[1],
            // What is right of a row is left of the next.
            1 => (w + padding[1]).max(out[1]).max((out[1] + across).saturating_sub(padding[1])),
            step => (w + 2 * padding[1]).div_ceil(step),
        };
        let folded: Vec<_> = elements(fold).collect();
        let channels = c_in * folded.len();
        let mut planes = Self { conv, out, pitch, folded, channels, phases: Vec::new(), taps: Vec::new(), reach: 0 };
        for [i, j] in elements(left) {
            let phase = [i % stride[0], j % stride[1]];
            let nth = planes.phases.iter().position(|&other| other == phase).unwrap_or(planes.phases.len());
            if nth == planes.phases.len() {
                planes.phases.push(phase);
            }
            let behind = i / stride[0] * pitch + j / stride[1];
            planes.taps.push((nth, behind));
            planes.reach = planes.reach.max(behind);
        }
        planes
    }

    /// Columns that hold the windows of `rows` rows.
    fn columns(&self, rows: usize) -> usize {
        rows.saturating_sub(1) * self.pitch + self.out[1]
    }

    /// Groups of channels of the input.
    fn groups(&self) -> usize {
        self.channels.div_ceil(GROUP)
    }

    /// What the planes of an image hold that begin at line `first` and have room for `len` pixels.
    fn rows<'i, T>(&self, images: &'i Images<'_, T>, image: usize, first: usize, len: usize) -> Corners<'i, T> {
        let all =
            self.folded.iter().flat_map(|fold| self.phases.iter().map(move |phase| [0, 1].map(|d| fold[d] + phase[d])));
        let all = all.map(|corner| self.rows_from(images, image, corner, first, len)).collect();
        Corners { all, phases: self.phases.len(), channel: images.strides[1], images: PhantomData }
    }

    /// The rows of the first channel that are seen so far on, and where they begin.
    fn rows_from<T>(
        &self,
        images: &Images<'_, T>,
        image: usize,
        [down, across]: [usize; 2],
        first: usize,
        len: usize,
    ) -> (Rows, *const T) {
        let &Conv2d { h, w, stride, padding, .. } = self.conv;
        let column = padding[1].saturating_sub(across).div_ceil(stride[1]);
        let line = padding[0].saturating_sub(down).div_ceil(stride[0]).max(first);
        let x = column * stride[1] + across - padding[1];
        let y = line * stride[0] + down - padding[0];
        let strides = [2, 3].map(|d| images.strides[d] * stride[d - 2].cast_signed());
        let mut rows = Rows {
            count: h.saturating_sub(y).div_ceil(stride[0]),
            len: w.saturating_sub(x).div_ceil(stride[1]).min(self.pitch.saturating_sub(column)),
            strides,
            first: (line - first) * self.pitch + column,
            pitch: self.pitch,
        };
        rows.count = rows.count.min(len.saturating_sub(rows.first).div_ceil(self.pitch));
        rows.join(len);
        (rows, address(images, image, 0, y, x))
    }
}

/// Rows of the planes of an image.
struct Corners<'i, T> {
    /// Of each that a channel is folded into, and each phase, the rows and where those of the first channel begin.
    all: Vec<(Rows, *const T)>,
    phases: usize,
    /// Elements from channel to channel of the image.
    channel: isize,
    images: PhantomData<&'i T>,
}

impl<T> Corners<'_, T> {
    /// The rows of a phase of a channel, folded or not, and where they begin.
    fn of(&self, channel: usize, phase: usize) -> (&Rows, *const T) {
        let fold = self.all.len() / self.phases;
        let (rows, from) = &self.all[channel % fold * self.phases + phase];
        (rows, from.wrapping_offset((channel / fold).cast_signed() * self.channel))
    }
}

/// The address of an element of an image.
fn address<T>(images: &Images<'_, T>, image: usize, channel: usize, y: usize, x: usize) -> *const T {
    let [n, _, row, column] = images.strides;
    let steps = image.cast_signed() * n + y.cast_signed() * row + x.cast_signed() * column;
    images.channel(channel).wrapping_offset(steps)
}
