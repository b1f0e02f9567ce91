//! Max and average pooling over planes of `[planes, height, width]`, with `PyTorch`'s rules for padding, dilation, ceil
//! mode and NaN.
//!
//! A task owns whole planes, forward and backward: windows that overlap add to one plane in one order. It copies each
//! plane between two margins, wide enough that every window of a row lies inside; then one element of all windows of
//! a row is a strided run, and a row of results is made by one run after the other. Numbers of 16 bits are widened a few
//! planes at a time.

mod average;
mod halve;
mod max;

use std::ops::Range;

use crate::element::Element;
use crate::parallel::for_ranges;

pub use average::{Divisor, avg_pool2d, avg_pool2d_backward};
pub use halve::{halve, halve_backward, halved_positions};
pub use max::{max_pool2d, max_pool2d_backward};

/// Elements of one task, about.
const GRAIN: usize = 1 << 14;
/// Estimated cost of 1024 visits to an input element, in nanoseconds.
const NS_PER_1024: usize = 800;

/// Results that one vector holds at most.
const VECTOR: usize = 16;
/// Results that are made side by side.
const LANES: usize = 64;

/// Window of a pooling; pairs are vertical, then horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Extent.
    pub kernel: (usize, usize),
    /// Step.
    pub stride: (usize, usize),
    /// Rows and columns added on each side: at most half the extent. They never win a maximum.
    pub padding: (usize, usize),
    /// Step between the elements of a window; 1 for average pooling.
    pub dilation: (usize, usize),
    /// Whether a window may hang over the end.
    pub ceil_mode: bool,
}

/// Number of windows along one dimension by `PyTorch`'s rule, or `None` if no window fits or there is no input.
#[must_use]
pub fn output_size(
    input: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    ceil_mode: bool,
) -> Option<usize> {
    let reach = dilation.checked_mul(kernel.checked_sub(1)?)?.checked_add(1)?;
    let room = input.checked_add(padding.checked_mul(2)?)?.checked_sub(reach)?;
    if stride == 0 || input == 0 {
        return None;
    }
    let steps = if ceil_mode { room.div_ceil(stride) } else { room / stride };
    // The last window must start inside the input or its left padding.
    let starts_outside = ceil_mode && steps.checked_mul(stride)? >= input + padding;
    Some(if starts_outside { steps } else { steps + 1 })
}

impl Window {
    /// Height and width of the result, or `None` if no window fits.
    #[must_use]
    pub fn output(&self, (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let Self { kernel, stride, padding, dilation, ceil_mode } = *self;
        Some((
            output_size(height, kernel.0, stride.0, padding.0, dilation.0, ceil_mode)?,
            output_size(width, kernel.1, stride.1, padding.1, dilation.1, ceil_mode)?,
        ))
    }

    fn geometry(&self, input: (usize, usize)) -> Geometry {
        let output = self.output(input).expect("a window fits, or there is nothing to pool");
        // Where there is one column of windows its stride says nothing, and may be anything.
        let stride = (self.stride.0, if output.1 == 1 { 1 } else { self.stride.1 });
        Geometry { window: Self { stride, ..*self }, input, output }
    }
}

/// A window on planes of one size.
#[derive(Clone, Copy)]
struct Geometry {
    window: Window,
    input: (usize, usize),
    output: (usize, usize),
}

/// Positions of one window along one dimension that lie in the input: first, step, count.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    step: usize,
    count: usize,
}

impl Span {
    /// Of the `index`-th window.
    #[inline(always)]
    fn new(index: usize, input: usize, kernel: usize, stride: usize, padding: usize, step: usize) -> Self {
        let start = index * stride;
        // Elements of the window that fall into the padding before the input.
        let before = padding.saturating_sub(start).div_ceil(step);
        let first = (start + before * step).saturating_sub(padding);
        let fit = input.saturating_sub(first).div_ceil(step);
        Self { first, step, count: kernel.saturating_sub(before).min(fit) }
    }

    #[inline(always)]
    fn positions(self) -> impl Iterator<Item = usize> {
        let Self { first, step, count } = self;
        (0..count).map(move |index| first + index * step)
    }
}

impl Geometry {
    fn in_len(&self) -> usize {
        self.input.0 * self.input.1
    }

    fn out_len(&self) -> usize {
        self.output.0 * self.output.1
    }

    #[inline(always)]
    fn rows(&self, index: usize) -> Span {
        let Window { kernel, stride, padding, dilation, .. } = self.window;
        Span::new(index, self.input.0, kernel.0, stride.0, padding.0, dilation.0)
    }

    #[inline(always)]
    fn cols(&self, index: usize) -> Span {
        let Window { kernel, stride, padding, dilation, .. } = self.window;
        Span::new(index, self.input.1, kernel.1, stride.1, padding.1, dilation.1)
    }

    /// Runs of one row: each column of the window starts one here, of one element a result.
    fn taps(&self) -> impl Iterator<Item = usize> {
        let dilation = self.window.dilation.1;
        (0..self.window.kernel.1).map(move |index| index * dilation)
    }

    /// Results of a row, rounded up to whole vectors.
    fn lanes(&self) -> usize {
        self.output.1.next_multiple_of(VECTOR)
    }

    /// A window of 2 by 2 that steps by its extent and never leaves the input.
    fn is_halving(&self) -> bool {
        let Window { kernel, stride, padding, dilation, .. } = self.window;
        let inside = 2 * self.output.0 <= self.input.0 && 2 * self.output.1 <= self.input.1;
        (kernel, stride, padding, dilation) == ((2, 2), (2, 2), (0, 0), (1, 1)) && inside
    }

    /// Runs `body` on ranges of planes.
    fn for_planes(&self, planes: usize, body: impl Fn(Range<usize>) + Sync) {
        let visits = self.out_len() * self.window.kernel.0 * self.window.kernel.1 + self.in_len();
        for_ranges(planes, (GRAIN / visits.max(1)).max(1), visits.saturating_mul(NS_PER_1024), body);
    }
}

/// The planes `range` of planes of `len` elements.
fn flat(range: &Range<usize>, len: usize) -> Range<usize> {
    range.start * len..range.end * len
}

/// A plane of the input between two margins that no result notices.
struct Margined<T> {
    rows: Vec<T>,
    width: usize,
    /// Columns of the input that a window can reach, and where the first of them is.
    used: usize,
    left: usize,
}

impl<T: Element> Margined<T> {
    fn new(geometry: &Geometry, margin: T) -> Self {
        let Window { kernel, stride, padding, dilation, .. } = geometry.window;
        let width = (geometry.lanes() * stride.1 + (kernel.1 - 1) * dilation.1).max(padding.1);
        let used = geometry.input.1.min(width - padding.1);
        Self { rows: vec![margin; geometry.input.0 * width], width, used, left: padding.1 }
    }

    fn load(&mut self, x: &[T], width: usize) {
        for (row, x) in self.rows.chunks_exact_mut(self.width).zip(x.chunks_exact(width)) {
            row[self.left..][..self.used].copy_from_slice(&x[..self.used]);
        }
    }
}

/// Runs `body` on every element of `run` that is a whole number of strides from its start, with its result.
#[inline(always)]
fn strided<T: Copy, R>(run: &[T], stride: usize, results: impl Iterator<Item = R>, mut body: impl FnMut(T, R)) {
    match stride {
        1 => run.iter().zip(results).for_each(|(&x, result)| body(x, result)),
        2 => run.as_chunks::<2>().0.iter().zip(results).for_each(|(x, result)| body(x[0], result)),
        _ => run.chunks_exact(stride).zip(results).for_each(|(x, result)| body(x[0], result)),
    }
}
