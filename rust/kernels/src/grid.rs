//! Images and volumes at the points of a grid: values between elements from those around, and the gradients of both.
//!
//! Points are taken some at a time: first where the elements around each lie and what they weigh, in vectors; then those
//! of one channel after the other. The gradient of the image is made channel by channel, every point in its turn, as
//! points that lie near each other add to the same elements.

use std::ops::Range;

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// How values between elements are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The nearest element.
    Nearest,
    /// A straight line between neighbours, along each dimension.
    Linear,
    /// A cubic through four neighbours (Keys, 1981), of images.
    Cubic,
}

/// What lies outside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image again, mirrored.
    Reflection,
}

/// How images are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Between elements.
    pub mode: Mode,
    /// Outside.
    pub outside: Outside,
    /// Whether -1 and 1 are the outermost elements, rather than the outermost edges.
    pub align_corners: bool,
}

/// Images (batch, channels, extents) and as many points (batch, points, dimensions) for each of them.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// How many images.
    pub batch: usize,
    /// Of an image.
    pub channels: usize,
    /// Of a channel: two or three.
    pub extents: &'a [usize],
    /// Of an image.
    pub points: usize,
}

impl Sizes<'_> {
    /// Elements of a channel.
    #[must_use]
    pub fn plane(&self) -> usize {
        self.extents.iter().product()
    }

    fn check(&self, x: usize, grid: usize, y: usize) {
        let Self { batch, channels, extents, points } = *self;
        let fits = x == batch * channels * self.plane() && grid == batch * points * extents.len();
        assert!(fits && y == batch * channels * points, "lengths do not match the shapes");
        assert!(self.plane() <= MAX_PLANE, "a channel of more than 2^31 elements");
    }
}

/// Elements of a channel at most: places are counted in 32 bits.
pub const MAX_PLANE: usize = i32::MAX as usize;
/// Points that are taken at once.
const POINTS: usize = 32;
/// Points of a task.
const TASK: usize = 1024;
/// Elements around a point, at most.
const AROUND: usize = 16;
/// Nanoseconds of a point, and of each of its channels.
const POINT_NS: usize = 4;
const CHANNEL_NS: usize = 3;
/// The coefficient of Keys' convolution.
const SHARP: f64 = -0.75;

/// Runs `$body` with the number of dimensions and that of neighbours along each.
macro_rules! with_shape {
    ($sizes:expr, $mode:expr, |$d:ident, $n:ident| $body:expr) => {
        match ($sizes.extents.len(), $mode) {
            (2, Mode::Nearest) => with_shape!(2, 1, $d, $n, $body),
            (2, Mode::Linear) => with_shape!(2, 2, $d, $n, $body),
            (2, Mode::Cubic) => with_shape!(2, 4, $d, $n, $body),
            (3, Mode::Nearest) => with_shape!(3, 1, $d, $n, $body),
            (3, Mode::Linear) => with_shape!(3, 2, $d, $n, $body),
            (dims, mode) => panic!("{mode:?} of {dims} dimensions"),
        }
    };
    ($dims:literal, $neighbours:literal, $d:ident, $n:ident, $body:expr) => {{
        const $d: usize = $dims;
        const $n: usize = $neighbours;
        $body
    }};
}

/// The values of `x` at the points of `grid`, coordinates from -1 to 1, of the last dimension first.
///
/// # Panics
/// If lengths do not match, for cubics of volumes, and channels beyond [`MAX_PLANE`].
pub fn sample<T: Float>(x: &[T], grid: &[T], sizes: Sizes<'_>, sampling: Sampling, y: &mut [T]) {
    sizes.check(x.len(), grid.len(), y.len());
    let Sizes { batch, channels, points, .. } = sizes;
    let (plane, tasks) = (sizes.plane(), points.div_ceil(TASK));
    let y = Disjoint::new(y);
    let cost = (batch * points).saturating_mul(POINT_NS + CHANNEL_NS * channels);
    for_each(batch * tasks, cost, |task| {
        let (image, first) = (task / tasks, task % tasks * TASK);
        let range = first..(first + TASK).min(points);
        let x = &x[image * channels * plane..][..channels * plane];
        with_shape!(sizes, sampling.mode, |D, N| {
            let around = Around::<T, D, N>::new(sizes, sampling, &grid[image * points * D..][..points * D]);
            let of_image = image * channels * points;
            dispatch(Sample { around, x, plane, range, y: &y, of_image });
        });
    });
}

struct Sample<'a, T, const D: usize, const N: usize> {
    around: Around<'a, T, D, N>,
    x: &'a [T],
    plane: usize,
    range: Range<usize>,
    y: &'a Disjoint<'a, T>,
    of_image: usize,
}

impl<T: Float, const D: usize, const N: usize> Kernel for Sample<'_, T, D, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { around, x, plane, range, y, of_image } = self;
        let points = around.grid.len() / D;
        let (mut places, mut neighbours) = (Places::new(), Neighbours::new());
        for first in range.clone().step_by(POINTS) {
            let count = POINTS.min(range.end - first);
            around.find::<S>(first, &mut places);
            neighbours.weigh(&around, &places);
            for (channel, x) in x.chunks_exact(plane).enumerate() {
                let start = of_image + channel * points + first;
                // SAFETY: tasks have points of their own.
                let y = unsafe { y.slice(start..start + count) };
                let mut sums = [T::ZERO; POINTS];
                for n in 0..const { power(N, D) } {
                    let (at, weights) = (&neighbours.at[n], &neighbours.weights[n]);
                    for point in 0..POINTS {
                        // What lies outside is zero, but times a weight that is no number it is none.
                        let at = at[point] as usize;
                        let value = if at < plane { x[at] } else { T::ZERO };
                        sums[point] = value.fma::<S>(weights[point], sums[point]);
                    }
                }
                store(y, &sums);
            }
        }
    }
}

/// Gradient of [`sample`] by the image: what each point gives to the elements around it.
///
/// # Panics
/// As there.
pub fn grad_input<T: Float>(g: &[T], grid: &[T], sizes: Sizes<'_>, sampling: Sampling, gx: &mut [T]) {
    sizes.check(gx.len(), grid.len(), g.len());
    let Sizes { batch, channels, points, .. } = sizes;
    let plane = sizes.plane();
    // Few enough channels that there is work for several threads, and several, as places are found for all of them.
    let at_once = channels.div_ceil(16usize.div_ceil(batch.max(1))).max(1);
    let tasks = channels.div_ceil(at_once);
    let cost = (batch * points).saturating_mul(POINT_NS * tasks + CHANNEL_NS * channels);
    let gx = Disjoint::new(gx);
    for_each(batch * tasks, cost, |task| {
        let (image, first) = (task / tasks, task % tasks * at_once);
        let range = image * channels + first..image * channels + (first + at_once).min(channels);
        // SAFETY: tasks have channels of their own.
        let gx = unsafe { gx.slice(range.start * plane..range.end * plane) };
        let g = &g[range.start * points..range.end * points];
        with_shape!(sizes, sampling.mode, |D, N| {
            let around = Around::<T, D, N>::new(sizes, sampling, &grid[image * points * D..][..points * D]);
            dispatch(GradInput { around, g, plane, gx });
        });
    });
}

struct GradInput<'a, T, const D: usize, const N: usize> {
    around: Around<'a, T, D, N>,
    g: &'a [T],
    plane: usize,
    gx: &'a mut [T],
}

impl<T: Float, const D: usize, const N: usize> Kernel for GradInput<'_, T, D, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { around, g, plane, gx } = self;
        let points = around.grid.len() / D;
        let (mut places, mut neighbours) = (Places::new(), Neighbours::new());
        gx.fill(T::ZERO);
        for first in (0..points).step_by(POINTS) {
            let count = POINTS.min(points - first);
            around.find::<S>(first, &mut places);
            neighbours.weigh(&around, &places);
            for (g, gx) in g.chunks_exact(points).zip(gx.chunks_exact_mut(plane)) {
                for (point, &g) in g[first..first + count].iter().enumerate() {
                    for n in 0..const { power(N, D) } {
                        if let Some(gx) = gx.get_mut(neighbours.at[n][point] as usize) {
                            *gx += g * neighbours.weights[n][point];
                        }
                    }
                }
            }
        }
    }
}

/// Gradient of [`sample`] by the grid.
///
/// # Panics
/// As there.
pub fn grad_grid<T: Float>(g: &[T], x: &[T], grid: &[T], sizes: Sizes<'_>, sampling: Sampling, of_grid: &mut [T]) {
    sizes.check(x.len(), grid.len(), g.len());
    assert_eq!(of_grid.len(), grid.len(), "lengths do not match the shapes");
    let Sizes { batch, channels, points, .. } = sizes;
    let (plane, tasks) = (sizes.plane(), points.div_ceil(TASK));
    let cost = (batch * points).saturating_mul(POINT_NS + 2 * CHANNEL_NS * channels);
    let of_grid = Disjoint::new(of_grid);
    for_each(batch * tasks, cost, |task| {
        let (image, first) = (task / tasks, task % tasks * TASK);
        let range = first..(first + TASK).min(points);
        let x = &x[image * channels * plane..][..channels * plane];
        let g = &g[image * channels * points..][..channels * points];
        with_shape!(sizes, sampling.mode, |D, N| {
            let around = Around::<T, D, N>::new(sizes, sampling, &grid[image * points * D..][..points * D]);
            let start = (image * points + range.start) * D;
            // SAFETY: tasks have points of their own.
            let of_grid = unsafe { of_grid.slice(start..start + range.len() * D) };
            dispatch(GradGrid { around, g, x, plane, range, of_grid });
        });
    });
}

struct GradGrid<'a, T, const D: usize, const N: usize> {
    around: Around<'a, T, D, N>,
    g: &'a [T],
    x: &'a [T],
    plane: usize,
    range: Range<usize>,
    of_grid: &'a mut [T],
}

impl<T: Float, const D: usize, const N: usize> Kernel for GradGrid<'_, T, D, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { around, g, x, plane, range, of_grid } = self;
        let points = around.grid.len() / D;
        let (mut places, mut neighbours) = (Places::new(), Neighbours::new());
        let mut slopes = [[[T::ZERO; POINTS]; AROUND]; D];
        for (of_grid, first) in of_grid.chunks_mut(POINTS * D).zip(range.step_by(POINTS)) {
            around.find::<S>(first, &mut places);
            neighbours.weigh(&around, &places);
            // What the elements around weigh in the gradient along each dimension.
            for (dim, slopes) in slopes.iter_mut().enumerate() {
                for (n, product) in slopes[..const { power(N, D) }].iter_mut().enumerate() {
                    *product = [T::ONE; POINTS];
                    for other in 0..D {
                        let nth = place_of::<D, N>(n, other);
                        let factors = if other == dim { &places.slopes } else { &places.weights };
                        for point in 0..POINTS {
                            product[point] *= factors[other][nth][point];
                        }
                    }
                }
            }
            let (count, mut sums) = (of_grid.len() / D, [[T::ZERO; POINTS]; D]);
            for (g, x) in g.chunks_exact(points).zip(x.chunks_exact(plane)) {
                let mut gradients = [T::ZERO; POINTS];
                gradients[..count].copy_from_slice(&g[first..first + count]);
                for (n, at) in neighbours.at[..const { power(N, D) }].iter().enumerate() {
                    let mut values = [T::ZERO; POINTS];
                    for point in 0..POINTS {
                        let at = at[point] as usize;
                        values[point] = if at < plane { x[at] * gradients[point] } else { T::ZERO };
                    }
                    for dim in 0..D {
                        for point in 0..POINTS {
                            sums[dim][point] = values[point].fma::<S>(slopes[dim][n][point], sums[dim][point]);
                        }
                    }
                }
            }
            for (point, of_grid) in of_grid.chunks_exact_mut(D).enumerate() {
                for dim in 0..D {
                    of_grid[D - 1 - dim] = sums[dim][point];
                }
            }
        }
    }
}

/// As many values as there is room for.
#[inline(always)]
fn store<T: Float>(to: &mut [T], values: &[T; POINTS]) {
    match <&mut [T; POINTS]>::try_from(&mut *to) {
        Ok(all) => *all = *values,
        Err(_) => to.copy_from_slice(&values[..to.len()]),
    }
}

/// Which of the neighbours along dimension `dim` the `n`-th of all neighbours is.
#[inline(always)]
const fn place_of<const D: usize, const N: usize>(n: usize, dim: usize) -> usize {
    n / power(N, D - 1 - dim) % N
}

const fn power(base: usize, exponent: usize) -> usize {
    if exponent == 0 { 1 } else { base * power(base, exponent - 1) }
}

/// The points of an image, and what is needed to find the `N` elements around along each of `D` dimensions.
struct Around<'a, T, const D: usize, const N: usize> {
    grid: &'a [T],
    extents: [usize; D],
    sampling: Sampling,
}

/// For each dimension and neighbour along it: its index, -1 outside; its weight; and how that grows with the coordinate.
struct Places<T, const D: usize, const N: usize> {
    at: [[[i32; POINTS]; N]; D],
    weights: [[[T; POINTS]; N]; D],
    slopes: [[[T; POINTS]; N]; D],
}

impl<T: Float, const D: usize, const N: usize> Places<T, D, N> {
    #[inline(always)]
    fn new() -> Self {
        let zeros = [[[T::ZERO; POINTS]; N]; D];
        Self { at: [[[-1; POINTS]; N]; D], weights: zeros, slopes: zeros }
    }
}

/// Where all neighbours of a point are in a channel, beyond it if outside; and what they weigh.
struct Neighbours<T, const D: usize, const N: usize> {
    at: [[u32; POINTS]; AROUND],
    weights: [[T; POINTS]; AROUND],
}

impl<T: Float, const D: usize, const N: usize> Neighbours<T, D, N> {
    #[inline(always)]
    fn new() -> Self {
        Self { at: [[0; POINTS]; AROUND], weights: [[T::ZERO; POINTS]; AROUND] }
    }

    #[inline(always)]
    fn weigh(&mut self, around: &Around<'_, T, D, N>, places: &Places<T, D, N>) {
        for n in 0..const { power(N, D) } {
            let (mut at, mut weights) = ([0i32; POINTS], [T::ONE; POINTS]);
            for dim in 0..D {
                let nth = place_of::<D, N>(n, dim);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_possible_wrap,
                    reason = "checked with the sizes"
                )]
                let extent = around.extents[dim] as i32;
                for point in 0..POINTS {
                    let next = places.at[dim][nth][point];
                    // Once negative it stays so.
                    at[point] = if (next | at[point]) < 0 { -1 } else { at[point] * extent + next };
                    weights[point] *= places.weights[dim][nth][point];
                }
            }
            for point in 0..POINTS {
                self.at[n][point] = at[point].cast_unsigned();
                self.weights[n][point] = weights[point];
            }
        }
    }
}

impl<'a, T: Float, const D: usize, const N: usize> Around<'a, T, D, N> {
    fn new(sizes: Sizes<'_>, sampling: Sampling, grid: &'a [T]) -> Self {
        let extents = sizes.extents.try_into().expect("as many extents as dimensions");
        Self { grid, extents, sampling }
    }

    /// Of the points from `first` on; behind the last, of the middle.
    #[inline(always)]
    fn find<S: Simd>(&self, first: usize, places: &mut Places<T, D, N>) {
        let points = &self.grid[first * D..];
        for dim in 0..D {
            let mut coordinates = [T::ZERO; POINTS];
            for (coordinate, point) in coordinates.iter_mut().zip(points.chunks_exact(D)) {
                *coordinate = point[D - 1 - dim];
            }
            let (at, weights) = (&mut places.at[dim], &mut places.weights[dim]);
            self.along::<S>(self.extents[dim], &coordinates, at, weights, &mut places.slopes[dim]);
        }
    }

    /// Along one dimension.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
    fn along<S: Simd>(
        &self,
        extent: usize,
        coordinates: &[T; POINTS],
        at: &mut [[i32; POINTS]; N],
        weights: &mut [[T; POINTS]; N],
        slopes: &mut [[T; POINTS]; N],
    ) {
        let Sampling { outside, align_corners, .. } = self.sampling;
        let size = extent as f64;
        let (half, shift) = if align_corners { ((size - 1.0) / 2.0, 0.0) } else { (size / 2.0, 0.5) };
        let (half, shift) = (T::from_f64(half), T::from_f64(shift));
        let (mut place, mut slope) = ([T::ZERO; POINTS], [half; POINTS]);
        for point in 0..POINTS {
            place[point] = (coordinates[point] + T::ONE) * half - shift;
        }
        // A cubic's neighbours are brought inside one by one, others before they are chosen.
        if N < 4 {
            bring_inside(&mut place, &mut slope, extent, outside, align_corners);
        }
        let mut base = [T::ZERO; POINTS];
        for point in 0..POINTS {
            base[point] = if N == 1 { place[point].round() } else { place[point].floor() };
        }
        for nth in 0..N {
            let mut neighbour = [T::ZERO; POINTS];
            // From the first neighbour of four on, the one before.
            let step = T::from_f64(nth as f64 - if N == 4 { 1.0 } else { 0.0 });
            for point in 0..POINTS {
                neighbour[point] = base[point] + step;
                // Not from the neighbour: far away, where a step is rounded off, that would be the place itself.
                let distance = place[point] - base[point] - step;
                let (weight, growth) = match (N, nth) {
                    (1, _) => (T::ONE, T::ZERO),
                    (2, 0) => (T::ONE - distance, -T::ONE),
                    (2, _) => (distance + T::ONE, T::ONE),
                    _ => cubic::<T, S>(distance, nth == 1 || nth == 2),
                };
                (weights[nth][point], slopes[nth][point]) = (weight, growth * slope[point]);
            }
            if N == 4 {
                bring_inside(&mut neighbour, &mut [T::ZERO; POINTS], extent, outside, align_corners);
            }
            let end = T::from_f64(size - 1.0);
            for point in 0..POINTS {
                let is_inside = neighbour[point] >= T::ZERO && neighbour[point] <= end;
                let index = if is_inside { neighbour[point] } else { -T::ONE };
                at[nth][point] = index.to_i32();
            }
        }
    }
}

/// Keys' cubic at a distance of less than 1 (`is_near`) or 2, and its derivative.
#[inline(always)]
fn cubic<T: Float, S: Simd>(distance: T, is_near: bool) -> (T, T) {
    let (x, number) = (distance.magnitude(), T::from_f64);
    let (value, slope) = if is_near {
        let inner = x.fma::<S>(number(SHARP + 2.0), number(-(SHARP + 3.0)));
        let slope = x.fma::<S>(number(3.0 * (SHARP + 2.0)), number(-2.0 * (SHARP + 3.0))) * x;
        ((inner * x).fma::<S>(x, T::ONE), slope)
    } else {
        let inner = (x - number(5.0)).fma::<S>(x, number(8.0));
        let slope = x.fma::<S>(number(3.0 * SHARP), number(-10.0 * SHARP)).fma::<S>(x, number(8.0 * SHARP));
        ((inner * x).fma::<S>(number(SHARP), number(-4.0 * SHARP)), slope)
    };
    (value, slope * distance.sign())
}

/// Brings places inside where there is more than zeros outside, and makes slopes those of where they went. On the border
/// a place counts as outside; one that is no number goes there.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
fn bring_inside<T: Float>(
    places: &mut [T; POINTS],
    slopes: &mut [T; POINTS],
    extent: usize,
    outside: Outside,
    align_corners: bool,
) {
    let end = T::from_f64(extent as f64 - 1.0);
    if outside == Outside::Zeros {
        return;
    }
    if outside == Outside::Reflection {
        let (low, span) = if align_corners { (T::ZERO, end) } else { (T::from_f64(-0.5), end + T::ONE) };
        let two = T::from_f64(2.0);
        for point in 0..POINTS {
            let (from_low, slope) = (places[point] - low, slopes[point]);
            let distance = from_low.magnitude();
            let flips = (distance / span).floor();
            let rest = distance - flips * span;
            let is_odd = flips != (flips / two).floor() * two;
            let is_mirrored = is_odd != (from_low < T::ZERO);
            places[point] = low + if is_odd { span - rest } else { rest };
            slopes[point] = if is_mirrored { -slope } else { slope };
        }
    }
    for point in 0..POINTS {
        let (place, slope) = (places[point], slopes[point]);
        let is_inside = place > T::ZERO && place < end;
        slopes[point] = if is_inside { slope } else { T::ZERO };
        places[point] = if place > T::ZERO { place } else { T::ZERO };
        places[point] = if places[point] > end { end } else { places[point] };
    }
}
