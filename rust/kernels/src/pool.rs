//! Max and average pooling over planes of `[planes, height, width]`, with `PyTorch`'s rules for padding, dilation, ceil
//! mode and NaN.
//!
//! A task owns whole planes, forward and backward: windows that overlap add to one plane in one order.

use std::ops::Range;

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_ranges};

/// Elements of one task, about.
const GRAIN: usize = 1 << 14;
/// Estimated cost of 1024 visits to an input element, in nanoseconds.
const NS_PER_1024: usize = 800;

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

/// What an average divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// The window's extent, padding included.
    WithPadding,
    /// The elements of the input in the window.
    WithoutPadding,
    /// A given number.
    Fixed(i64),
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

    /// A window of 2 by 2 that steps by its extent and never leaves the input.
    fn is_halving(&self) -> bool {
        let Self { kernel, stride, padding, dilation, ceil_mode } = *self;
        (kernel, stride, padding, dilation, ceil_mode) == ((2, 2), (2, 2), (0, 0), (1, 1), false)
    }

    fn geometry(&self, input: (usize, usize)) -> Geometry {
        let output = self.output(input).expect("a window fits, or there is nothing to pool");
        Geometry { window: *self, input, output }
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

/// One column of the window as it meets a row of the input: the windows where it lies inside, and its position in the
/// first of them. In the next it lies one stride further.
struct Tap {
    windows: Range<usize>,
    start: usize,
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

    /// Each column of the window.
    #[inline(always)]
    fn taps(&self) -> impl Iterator<Item = Tap> {
        let Window { kernel: (_, kernel), stride: (_, stride), padding: (_, padding), dilation: (_, dilation), .. } =
            self.window;
        let (width, out_width) = (self.input.1, self.output.1);
        (0..kernel).map(move |index| {
            let shift = index * dilation;
            let first = padding.saturating_sub(shift).div_ceil(stride);
            let end = (width + padding).saturating_sub(shift).div_ceil(stride).min(out_width);
            Tap { windows: first.min(end)..end, start: (first * stride + shift).saturating_sub(padding) }
        })
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

/// The largest element of each window, and its position in the plane of the input if `indices` is given. A NaN wins.
///
///
/// # Panics
/// If no window fits (see [`Window::output`]) or lengths do not match the shapes.
pub fn max_pool2d<T: Float>(
    x: &[T],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    y: &mut [T],
    indices: Option<&mut [i64]>,
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(x.len() == planes * in_len && y.len() == planes * out_len, "lengths do not match the shapes");
    assert!(indices.as_ref().is_none_or(|indices| indices.len() == y.len()), "one index a result");
    let (y, indices) = (Disjoint::new(y), indices.map(Disjoint::new));
    geometry.for_planes(planes, |range| {
        // SAFETY: ranges of planes are disjoint.
        let y = unsafe { y.slice(flat(&range, out_len)) };
        let x = &x[flat(&range, in_len)];
        match &indices {
            Some(indices) => {
                // SAFETY: as above.
                let indices = unsafe { indices.slice(flat(&range, out_len)) };
                dispatch(Max { geometry, x, y, indices, index: |at| at as i64 });
            }
            None => dispatch(Max { geometry, x, y, indices: &mut vec![(); range.len() * out_len], index: |_| () }),
        }
    });
}

struct Max<'a, T, I, F> {
    geometry: Geometry,
    x: &'a [T],
    y: &'a mut [T],
    indices: &'a mut [I],
    /// Makes an index of a position in the plane.
    index: F,
}

impl<T: Float, I: Copy, F: Fn(isize) -> I> Kernel for Max<'_, T, I, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, x, y, indices, index } = self;
        if geometry.out_len() == 0 {
            return;
        }
        let (width, out_width) = (geometry.input.1, geometry.output.1);
        let planes = x.chunks_exact(geometry.in_len());
        let results = y.chunks_exact_mut(geometry.out_len()).zip(indices.chunks_exact_mut(geometry.out_len()));
        for (x, (y, indices)) in planes.zip(results) {
            let rows = y.chunks_exact_mut(out_width).zip(indices.chunks_exact_mut(out_width));
            for (row, (y, indices)) in rows.enumerate() {
                if geometry.window.is_halving() {
                    halve(&x[2 * row * width..][..2 * width], width, y, indices, |at| {
                        index((2 * row * width + at).cast_signed())
                    });
                    continue;
                }
                let rows = geometry.rows(row);
                for (col, (y, out)) in y.iter_mut().zip(&mut *indices).enumerate() {
                    let cols = geometry.cols(col);
                    // A window that lies in the padding alone has no position.
                    let empty = rows.count == 0 || cols.count == 0;
                    let first = if empty { -1 } else { (rows.first * width + cols.first).cast_signed() };
                    (*y, *out) = (T::LOWEST, index(first));
                }
                for row in rows.positions() {
                    let line = &x[row * width..][..width];
                    for Tap { windows, start } in geometry.taps() {
                        let results = y[windows.clone()].iter_mut().zip(&mut indices[windows]);
                        strided(line, start, geometry.window.stride.1, results, |at, x, (y, out)| {
                            let wins = x > *y || x.is_nan();
                            *y = if wins { x } else { *y };
                            *out = if wins { index((row * width + at).cast_signed()) } else { *out };
                        });
                    }
                }
            }
        }
    }
}

/// Runs `body` on elements of `line` one stride apart, each with its position and its result.
#[inline(always)]
fn strided<T: Float, R>(
    line: &[T],
    start: usize,
    stride: usize,
    results: impl ExactSizeIterator<Item = R>,
    mut body: impl FnMut(usize, T, R),
) {
    let Some(last) = results.len().checked_sub(1) else { return };
    assert!(start + last * stride < line.len());
    for (index, result) in results.enumerate() {
        let at = start + index * stride;
        // SAFETY: at most the last position, which was checked.
        body(at, unsafe { *line.get_unchecked(at) }, result);
    }
}

/// One row of results of a 2 by 2 window: the same comparisons in the same order, without branches.
#[inline(always)]
fn halve<T: Float, I>(x: &[T], width: usize, y: &mut [T], indices: &mut [I], index: impl Fn(usize) -> I) {
    let (upper, lower) = x.split_at(width);
    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    for (col, ((y, out), (upper, lower))) in y.iter_mut().zip(indices).zip(pairs).enumerate() {
        let (mut best, mut at) = (upper[0], 2 * col);
        for (value, position) in [(upper[1], 2 * col + 1), (lower[0], width + 2 * col), (lower[1], width + 2 * col + 1)]
        {
            let wins = value > best || value.is_nan();
            best = if wins { value } else { best };
            at = if wins { position } else { at };
        }
        (*y, *out) = (best, index(at));
    }
}

/// Gradient of [`max_pool2d`]: each result's gradient goes to the element at its index. `in_len` and `out_len` are the
/// elements of a plane.
///
/// # Panics
/// If lengths do not match, or an index lies outside its plane.
pub fn max_pool2d_backward<T: Float>(
    g: &[T],
    indices: &[i64],
    planes: usize,
    (in_len, out_len): (usize, usize),
    gx: &mut [T],
) {
    assert!(g.len() == planes * out_len && indices.len() == g.len() && gx.len() == planes * in_len);
    let gx = Disjoint::new(gx);
    let cost = (in_len + 2 * out_len).saturating_mul(NS_PER_1024);
    for_ranges(planes, (GRAIN / (in_len + out_len).max(1)).max(1), cost, |range| {
        for plane in range {
            // SAFETY: planes are disjoint.
            let gx = unsafe { gx.slice(plane * in_len..(plane + 1) * in_len) };
            gx.fill(T::ZERO);
            let results = plane * out_len..(plane + 1) * out_len;
            for (&g, &at) in g[results.clone()].iter().zip(&indices[results]) {
                if let Ok(at) = usize::try_from(at) {
                    gx[at] += g;
                }
            }
        }
    });
}

impl Geometry {
    /// What averages divide by is a product: the factor of a row of windows.
    #[expect(clippy::cast_precision_loss, reason = "windows have fewer than 2^53 elements")]
    fn row_size(&self, divisor: Divisor, row: usize) -> f64 {
        let Window { kernel, stride, padding, .. } = self.window;
        match divisor {
            Divisor::WithPadding => padded_size(row, self.input.0, kernel.0, stride.0, padding.0) as f64,
            Divisor::WithoutPadding => self.rows(row).count.max(1) as f64,
            Divisor::Fixed(size) => size as f64,
        }
    }

    /// The factor of a column of windows.
    #[expect(clippy::cast_precision_loss, reason = "windows have fewer than 2^53 elements")]
    fn col_size(&self, divisor: Divisor, col: usize) -> f64 {
        let Window { kernel, stride, padding, .. } = self.window;
        match divisor {
            Divisor::WithPadding => padded_size(col, self.input.1, kernel.1, stride.1, padding.1) as f64,
            Divisor::WithoutPadding => self.cols(col).count.max(1) as f64,
            Divisor::Fixed(_) => 1.0,
        }
    }

    fn col_sizes<T: Float>(&self, divisor: Divisor) -> Vec<T> {
        (0..self.output.1).map(|col| T::from_f64(self.col_size(divisor, col))).collect()
    }
}

/// The part of a window that lies in the padded input: in ceil mode it may hang over that.
fn padded_size(index: usize, input: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    kernel.min((input + 2 * padding).saturating_sub(index * stride))
}

/// The average of each window; 0 for a window without elements.
///
/// # Panics
/// If no window fits (see [`Window::output`]) or lengths do not match the shapes.
pub fn avg_pool2d<T: Float>(
    x: &[T],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    divisor: Divisor,
    y: &mut [T],
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(x.len() == planes * in_len && y.len() == planes * out_len, "lengths do not match the shapes");
    let y = Disjoint::new(y);
    geometry.for_planes(planes, |range| {
        // SAFETY: ranges of planes are disjoint.
        let y = unsafe { y.slice(flat(&range, out_len)) };
        dispatch(Average { geometry, divisor, x: &x[flat(&range, in_len)], y });
    });
}

struct Average<'a, T> {
    geometry: Geometry,
    divisor: Divisor,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Float> Kernel for Average<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, divisor, x, y } = self;
        if geometry.out_len() == 0 {
            return;
        }
        let (width, out_width) = (geometry.input.1, geometry.output.1);
        let col_sizes = geometry.col_sizes::<T>(divisor);
        let halving = geometry.window.is_halving() && !matches!(divisor, Divisor::Fixed(_));
        let planes = x.chunks_exact(geometry.in_len()).zip(y.chunks_exact_mut(geometry.out_len()));
        for (x, y) in planes {
            for (row, y) in y.chunks_exact_mut(out_width).enumerate() {
                if halving {
                    let (upper, lower) = x[2 * row * width..][..2 * width].split_at(width);
                    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                    for (y, (upper, lower)) in y.iter_mut().zip(pairs) {
                        *y = (upper[0] + upper[1] + lower[0] + lower[1]) * T::from_f64(0.25);
                    }
                    continue;
                }
                y.fill(T::ZERO);
                for row in geometry.rows(row).positions() {
                    let line = &x[row * width..][..width];
                    for Tap { windows, start } in geometry.taps() {
                        strided(line, start, geometry.window.stride.1, y[windows].iter_mut(), |_, x, y| *y += x);
                    }
                }
                let row_size = T::from_f64(geometry.row_size(divisor, row));
                for (y, &col_size) in y.iter_mut().zip(&col_sizes) {
                    *y = *y / (row_size * col_size);
                }
            }
        }
    }
}

/// Gradient of [`avg_pool2d`].
///
/// # Panics
/// If no window fits or lengths do not match the shapes.
pub fn avg_pool2d_backward<T: Float>(
    g: &[T],
    planes: usize,
    input: (usize, usize),
    window: &Window,
    divisor: Divisor,
    gx: &mut [T],
) {
    let geometry = window.geometry(input);
    let (in_len, out_len) = (geometry.in_len(), geometry.out_len());
    assert!(gx.len() == planes * in_len && g.len() == planes * out_len, "lengths do not match the shapes");
    let gx = Disjoint::new(gx);
    geometry.for_planes(planes, |range| {
        // SAFETY: ranges of planes are disjoint.
        let gx = unsafe { gx.slice(flat(&range, in_len)) };
        dispatch(AverageBackward { geometry, divisor, g: &g[flat(&range, out_len)], gx });
    });
}

struct AverageBackward<'a, T> {
    geometry: Geometry,
    divisor: Divisor,
    g: &'a [T],
    gx: &'a mut [T],
}

impl<T: Float> Kernel for AverageBackward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { geometry, divisor, g, gx } = self;
        gx.fill(T::ZERO);
        if geometry.out_len() == 0 {
            return;
        }
        let width = geometry.input.1;
        let col_sizes = geometry.col_sizes::<T>(divisor);
        let mut shares = col_sizes.clone();
        for (g, gx) in g.chunks_exact(geometry.out_len()).zip(gx.chunks_exact_mut(geometry.in_len())) {
            for (row, g) in g.chunks_exact(geometry.output.1).enumerate() {
                let row_size = T::from_f64(geometry.row_size(divisor, row));
                for ((share, &g), &col_size) in shares.iter_mut().zip(g).zip(&col_sizes) {
                    *share = g / (row_size * col_size);
                }
                for row in geometry.rows(row).positions() {
                    let line = &mut gx[row * width..][..width];
                    for Tap { windows, start } in geometry.taps() {
                        let places = line[start.min(width)..].iter_mut().step_by(geometry.window.stride.1);
                        for (gx, &share) in places.zip(&shares[windows]) {
                            *gx += share;
                        }
                    }
                }
            }
        }
    }
}
