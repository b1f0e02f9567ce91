//! Convolution on AMX, in terms: weights times windows that lie in place.
//!
//! Each image is copied with its padding, split into bfloat16 terms on the way, so that every tap of a window is a fixed
//! distance behind its corner ([`Planes`]). Columns of the product are then the pixels of that copy, row after row as if
//! there were no edges; the few that are no windows are dropped as the sums are stored. Nothing is packed for a tap: an
//! element is split once, where patches would be split as often as there are taps.
//!
//! Numbers whose terms would lose something make these routes decline; the packed core knows what to do.

#![allow(clippy::cast_ptr_alignment, reason = "buffers and scratch begin on cache lines, and parts are whole lines")]

mod forward;
mod grad_weight;

pub(super) use forward::forward;
pub(super) use grad_weight::grad_weight;

use super::{Conv2d, Images};
use crate::gemm::windows::{EDGE, Rows};

/// Channels of a step of k, and bytes of a pair of their terms.
const GROUP: usize = EDGE;
const PAIR: usize = 4;
/// Tasks to cut the work into, if it suffices.
const TASKS: usize = 16;
/// The least for which this pays: channels, windows (splitting weights costs as much for a few), multiply-adds.
const LEAST: (usize, usize, usize) = (24, 512, 1 << 21);
/// Steps from column to column up to which rows are read sixteen at a time, with offsets of 32 bits.
const FAR: isize = 1 << 26;

/// How images are laid out: rows of `pitch` pixels, with zeros wherever a window looks past an edge. Strides cut them
/// into phases, the rows and columns that are equal modulo the stride, so that windows are always one pixel apart.
struct Planes<'a> {
    conv: &'a Conv2d,
    /// Height and width of the output.
    out: [usize; 2],
    pitch: usize,
    /// The remainders by the strides that some tap meets.
    phases: Vec<[usize; 2]>,
    /// Of each tap, its phase and how far it is behind the corner of the window.
    taps: Vec<(usize, usize)>,
    /// How far the last tap is.
    reach: usize,
}

impl<'a> Planes<'a> {
    /// The layout for images with these strides, if the route is one for them.
    fn of(conv: &'a Conv2d, strides: &[isize; 4]) -> Option<Self> {
        let &Conv2d { n, c_in, w, c_out, kh, kw, stride, padding, dilation, .. } = conv;
        let (oh, ow) = conv.out_size();
        let work = [n, oh, ow, c_in, c_out, kh, kw].into_iter().fold(1, usize::saturating_mul);
        let (channels, windows, least) = LEAST;
        let apart = strides[3].unsigned_abs().saturating_mul(stride[1]).cast_signed();
        let too_small = c_in.min(c_out) < channels || n * oh * ow < windows || work < least;
        if conv.groups != 1 || too_small || apart > FAR {
            return None;
        }
        let pitch = match stride[1] {
            // What is right of a row is left of the next.
            1 => (w + padding[1]).max(ow),
            step => (w + 2 * padding[1]).div_ceil(step),
        };
        let mut planes = Self { conv, out: [oh, ow], pitch, phases: Vec::new(), taps: Vec::new(), reach: 0 };
        for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i * dilation[0], j * dilation[1]))) {
            let phase = [i % stride[0], j % stride[1]];
            let nth = planes.phases.iter().position(|&other| other == phase).unwrap_or(planes.phases.len());
            if nth == planes.phases.len() {
                planes.phases.push(phase);
            }
            let behind = i / stride[0] * pitch + j / stride[1];
            planes.taps.push((nth, behind));
            planes.reach = planes.reach.max(behind);
        }
        let whole = |x: usize| x.next_multiple_of(EDGE);
        let done = whole(planes.columns(oh)).saturating_mul(whole(c_in)).saturating_mul(whole(c_out));
        (done <= 2 * oh * ow * c_in * c_out).then_some(planes)
    }

    /// Columns that hold the windows of `rows` rows.
    fn columns(&self, rows: usize) -> usize {
        rows.saturating_sub(1) * self.pitch + self.out[1]
    }

    /// Groups of channels of the input.
    fn groups(&self) -> usize {
        self.conv.c_in.div_ceil(GROUP)
    }

    /// The rows of a phase of `images` in a plane that begins at line `first` and has room for `len` pixels, and the row
    /// and column of the image where they begin.
    fn rows(&self, images: &Images<'_, f32>, phase: usize, first: usize, len: usize) -> (Rows, [usize; 2]) {
        let &Conv2d { h, w, stride, padding, .. } = self.conv;
        let [down, across] = self.phases[phase];
        let column = padding[1].saturating_sub(across).div_ceil(stride[1]);
        let line = padding[0].saturating_sub(down).div_ceil(stride[0]).max(first);
        let x = column * stride[1] + across - padding[1];
        let y = line * stride[0] + down - padding[0];
        let strides = [2, 3].map(|d| images.strides[d] * stride[d - 2].cast_signed());
        let mut rows = Rows {
            count: h.saturating_sub(y).div_ceil(stride[0]),
            len: w.saturating_sub(x).div_ceil(stride[1]),
            strides,
            first: (line - first) * self.pitch + column,
            pitch: self.pitch,
        };
        rows.count = rows.count.min(len.saturating_sub(rows.first).div_ceil(self.pitch));
        (rows, [y, x])
    }
}

/// The address of an element of an image.
fn address(images: &Images<'_, f32>, image: usize, channel: usize, y: usize, x: usize) -> *const f32 {
    let [n, _, row, column] = images.strides;
    let steps = image.cast_signed() * n + y.cast_signed() * row + x.cast_signed() * column;
    images.channel(channel).wrapping_offset(steps)
}
