//! Max and average pooling over planes of `[planes, height, width]`, with `PyTorch`'s rules for padding, dilation, ceil
//! mode and NaN.
//!
//! A task owns whole planes, forward and backward: windows that overlap add to one plane in one order. It copies each
//! plane between two margins, wide enough that every window of a row lies inside, and puts the columns that lie as many
//! strides apart beside each other; then one element of all windows of a row is a run, and a row of results is made by one
//! run after the other. Numbers of 16 bits are widened a few planes at a time.

mod adaptive;
mod average;
mod halve;
mod max;

use std::ops::Range;

use crate::element::Element;
use crate::parallel::for_ranges;

pub use adaptive::adaptive_max_pool2d;
pub use average::{Divisor, avg_pool2d, avg_pool2d_backward};
pub use halve::{halve, halve_backward};
pub use max::{Found, NOWHERE, max_pool2d, max_pool2d_backward, max_pool2d_backward_to_winners, positions};

/// Elements of one task, about.
const GRAIN: usize = 1 << 14;
/// Estimated cost of 1024 visits to an input element, in nanoseconds.
const NS_PER_1024: usize = 800;

/// Results that one vector holds at most.
const VECTOR: usize = 16;
/// Runs that are joined at once.
const ABREAST: usize = 4;

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
    let padded = input.checked_add(padding.checked_mul(2)?)?;
    if stride == 0 || input == 0 {
        return None;
    }
    // Even the first window may hang over the end, by less than a stride.
    let room = if ceil_mode { padded.checked_add(stride - 1)? } else { padded }.checked_sub(reach)?;
    let steps = room / stride;
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

/// Positions of one window along one dimension that lie in the input: first, step, count; and how many lie before it.
#[derive(Clone, Copy)]
struct Span {
    before: usize,
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
        Self { before, first, step, count: kernel.saturating_sub(before).min(fit) }
    }

    #[inline(always)]
    fn positions(self) -> impl Iterator<Item = usize> {
        let Self { first, step, count, .. } = self;
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

/// A plane of the input between two margins that no result notices. A row holds one phase after the other: the columns
/// that lie a whole number of strides from its first, its second, and so on.
struct Margined<T> {
    rows: Vec<T>,
    /// Elements of a phase, and how many phases there are that windows use.
    len: usize,
    phases: usize,
    /// Where in its row the run of each column of a window begins.
    taps: Vec<usize>,
    stride: usize,
    left: usize,
}

impl<T: Element> Margined<T> {
    fn new(geometry: &Geometry, margin: T) -> Self {
        let Window { kernel, stride: (_, stride), padding, dilation: (_, dilation), .. } = geometry.window;
        let reach = (kernel.1 - 1) * dilation;
        let (len, phases) = (geometry.lanes() + reach / stride, stride.min(reach + 1));
        let rows = vec![margin; geometry.input.0 * len * phases];
        let columns = (0..kernel.1).map(|tap| tap * dilation);
        let taps = columns.map(|column| column % stride * len + column / stride).collect();
        Self { rows, len, phases, taps, stride, left: padding.1 }
    }

    /// Where what column `tap` of all windows sees of a row begins: one element a result.
    #[inline(always)]
    fn run(&self, row: usize, tap: usize) -> usize {
        row * self.phases * self.len + self.taps[tap]
    }

    /// Of each phase of a row: where it is, the first of its elements in the input, and the column of that.
    #[inline(always)]
    fn parts(&self, row: usize) -> impl Iterator<Item = (Range<usize>, usize)> + use<T> {
        let &Self { len, phases, stride, left, .. } = self;
        (0..phases).map(move |phase| {
            let before = left.saturating_sub(phase).div_ceil(stride);
            let start = (row * phases + phase) * len;
            (start + before.min(len)..start + len, phase + before * stride - left)
        })
    }

    #[inline(always)]
    fn load(&mut self, x: &[T], width: usize) {
        for (row, x) in x.chunks_exact(width).enumerate() {
            for (part, column) in self.parts(row) {
                let (part, x) = (&mut self.rows[part], x.get(column..).unwrap_or(&[]));
                match self.stride {
                    1 => part.iter_mut().zip(x).for_each(|(to, &x)| *to = x),
                    2 => gather::<T, 2>(x, part),
                    3 => gather::<T, 3>(x, part),
                    4 => gather::<T, 4>(x, part),
                    stride => part.iter_mut().zip(x.iter().step_by(stride)).for_each(|(to, &x)| *to = x),
                }
            }
        }
    }

    /// What lies between the margins, elsewhere zeros.
    #[inline(always)]
    fn store(&self, x: &mut [T], width: usize) {
        for (row, x) in x.chunks_exact_mut(width).enumerate() {
            x.fill(T::ZERO);
            for (part, column) in self.parts(row) {
                let (part, x) = (&self.rows[part], x.get_mut(column..).unwrap_or(&mut []));
                match self.stride {
                    1 => x.iter_mut().zip(part).for_each(|(to, &x)| *to = x),
                    stride => x.iter_mut().step_by(stride).zip(part).for_each(|(to, &x)| *to = x),
                }
            }
        }
    }
}

/// Every `STRIDE`-th element, from the first on.
#[inline(always)]
fn gather<T: Element, const STRIDE: usize>(from: &[T], to: &mut [T]) {
    let (whole, rest) = from.as_chunks::<STRIDE>();
    let count = whole.len().min(to.len());
    let (inside, beyond) = to.split_at_mut(count);
    inside.iter_mut().zip(whole).for_each(|(to, x)| *to = x[0]);
    if let (Some(to), Some(&x)) = (beyond.first_mut(), rest.first()) {
        *to = x;
    }
}
