//! Batch normalisation (Ioffe and Szegedy 2015) over `[batch, channels, plane]`.
//!
//! A task owns a range of channels. Where a plane is long, a channel is a row of planes, each reduced in cache; where
//! it is short (a linear layer has planes of one element), the range is a block of columns that walks down the batch.
//! Either way a channel's numbers meet in one order, and planes or rows merge in float64. Numbers of 16 bits are widened as
//! they are read; what there is one of for each channel is as wide as the arithmetic.

use std::ops::Range;

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::lanes::{self, Rows};
use crate::parallel::{Disjoint, for_each};
use crate::stored::Stored;
use crate::stream;

/// Planes shorter than this are walked as columns.
const SHORT_PLANE: usize = 32;
/// Most elements, of planes or a piece of one, whose statistics are taken at once: they must stay in the first-level
/// cache.
const PIECE: usize = 4096;
/// Columns of one task, about.
const COLUMNS: usize = 256;
/// Estimated cost of 1024 elements, in nanoseconds.
const NS_PER_1024: usize = 300;

/// Extents of `[batch, channels, plane]`.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Samples.
    pub batch: usize,
    /// Channels, each with its own statistics.
    pub channels: usize,
    /// Elements of one channel of one sample: height times width.
    pub plane: usize,
}

impl Shape {
    /// Elements in all.
    #[must_use]
    pub fn numel(self) -> usize {
        self.batch * self.channels * self.plane
    }

    /// Elements of one channel.
    #[must_use]
    pub fn per_channel(self) -> usize {
        self.batch * self.plane
    }

    fn plane_at(self, sample: usize, channel: usize) -> Range<usize> {
        let start = (sample * self.channels + channel) * self.plane;
        start..start + self.plane
    }

    /// Where the columns of `channels` lie in a sample.
    fn columns_at(self, sample: usize, channels: &Range<usize>) -> Range<usize> {
        let row = sample * self.channels;
        (row + channels.start) * self.plane..(row + channels.end) * self.plane
    }

    /// Elements from a channel of one sample to the same of the next.
    fn to_next_sample(self) -> usize {
        self.channels * self.plane
    }

    /// Whether results go past the caches.
    fn is_streamed<K: Stored>(self) -> bool {
        self.numel() * size_of::<K::Value>() >= stream::STREAM_FROM
    }

    fn for_channels(self, body: impl Fn(Range<usize>) + Sync) {
        let grain = if self.plane < SHORT_PLANE { (COLUMNS / self.plane.max(1)).max(1) } else { 1 };
        for_each(self.channels.div_ceil(grain), self.numel().saturating_mul(NS_PER_1024) / 1024, |task| {
            body(task * grain..((task + 1) * grain).min(self.channels));
        });
    }
}

/// Scale and shift of each channel; 1 and 0 where absent.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    /// Scale of each channel.
    pub weight: Option<&'a [T]>,
    /// Shift of each channel.
    pub bias: Option<&'a [T]>,
}

impl<T: Float> Affine<'_, T> {
    fn check(&self, channels: usize) {
        let fits = |values: Option<&[T]>| values.is_none_or(|values| values.len() == channels);
        assert!(fits(self.weight) && fits(self.bias), "one parameter a channel");
    }

    #[inline(always)]
    fn scale(&self, channel: usize) -> T {
        self.weight.map_or(T::ONE, |weight| weight[channel])
    }

    #[inline(always)]
    fn shift(&self, channel: usize) -> T {
        self.bias.map_or(T::ZERO, |bias| bias[channel])
    }
}

/// Statistics of each channel.
#[derive(Debug)]
pub struct Statistics<'a, T> {
    /// The mean.
    pub mean: &'a mut [T],
    /// The biased variance.
    pub variance: &'a mut [T],
    /// `1 / sqrt(variance + eps)`.
    pub rstd: &'a mut [T],
}

/// `y = (x - mean) * rstd * weight + bias` with the statistics of this batch, which are saved.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn forward<T: Float, K: Stored<Value = T>>(
    shape: Shape,
    x: &[K],
    affine: Affine<'_, T>,
    eps: f64,
    y: &mut [K],
    saved: &mut Statistics<'_, T>,
) {
    assert!(x.len() == shape.numel() && y.len() == x.len(), "lengths do not match the shape");
    let one_each = [saved.mean.len(), saved.variance.len(), saved.rstd.len()] == [shape.channels; 3];
    assert!(one_each, "one statistic a channel");
    affine.check(shape.channels);
    let (y, mean) = (Disjoint::new(y), Disjoint::new(saved.mean));
    let (variance, rstd) = (Disjoint::new(saved.variance), Disjoint::new(saved.rstd));
    shape.for_channels(|channels| {
        let own = || channels.clone();
        // SAFETY: tasks own disjoint ranges of channels.
        let (mean, variance, rstd) = unsafe { (mean.slice(own()), variance.slice(own()), rstd.slice(own())) };
        dispatch(Measure { shape, x, channels: own(), mean, variance });
        reciprocal_deviation(variance, eps, rstd);
        dispatch(Apply { shape, x, affine, channels, mean, rstd, y: &y });
    });
}

/// `y = (x - mean) * rstd * weight + bias` with given statistics, one of each a channel.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn inference<T: Float, K: Stored<Value = T>>(
    shape: Shape,
    x: &[K],
    affine: Affine<'_, T>,
    mean: &[T],
    rstd: &[T],
    y: &mut [K],
) {
    assert!(x.len() == shape.numel() && y.len() == x.len(), "lengths do not match the shape");
    assert!(mean.len() == shape.channels && rstd.len() == shape.channels, "one statistic a channel");
    affine.check(shape.channels);
    let y = Disjoint::new(y);
    shape.for_channels(|channels| {
        let (mean, rstd) = (&mean[channels.clone()], &rstd[channels.clone()]);
        dispatch(Apply { shape, x, affine, channels, mean, rstd, y: &y });
    });
}

/// `1 / sqrt(variance + eps)` of each channel: what [`inference`] takes.
pub fn reciprocal_deviation<T: Float>(variance: &[T], eps: f64, rstd: &mut [T]) {
    for (rstd, variance) in rstd.iter_mut().zip(variance) {
        *rstd = T::from_f64(1.0 / (variance.to_f64() + eps).sqrt());
    }
}

/// Moves running statistics towards those of a batch: `running = (1 - momentum) * running + momentum * batch`, with
/// the unbiased variance. `per_channel` is the number of elements behind each statistic, at least 2.
pub fn update_running<T: Float>(
    momentum: f64,
    per_channel: usize,
    mean: &[T],
    variance: &[T],
    running_mean: &mut [T],
    running_variance: &mut [T],
) {
    let unbias = count(per_channel) / (count(per_channel) - 1.0);
    let moved = |old: T, new: f64| T::from_f64((1.0 - momentum) * old.to_f64() + momentum * new);
    for (running, mean) in running_mean.iter_mut().zip(mean) {
        *running = moved(*running, mean.to_f64());
    }
    for (running, variance) in running_variance.iter_mut().zip(variance) {
        *running = moved(*running, variance.to_f64() * unbias);
    }
}

/// What [`backward`] reads: the result's gradient, and the input and statistics of the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a, T, K> {
    /// Gradient of the result.
    pub g: &'a [K],
    /// Input of the forward pass.
    pub x: &'a [K],
    /// Mean of each channel.
    pub mean: &'a [T],
    /// `1 / sqrt(variance + eps)` of each channel.
    pub rstd: &'a [T],
    /// Scale of each channel.
    pub weight: Option<&'a [T]>,
    /// Whether mean and deviation came from `x`, so that the gradient flows through them too.
    pub training: bool,
}

/// Gradients of `x`, weight and bias.
///
/// With `d = x - mean`: the bias's gradient is `sum(g)`, the weight's `rstd * sum(g * d)`, and in training
/// `gx = weight * rstd * (g - avg(g) - d * rstd^2 * avg(g * d))`.
///
/// # Panics
/// If lengths do not match the shapes.
pub fn backward<T: Float, K: Stored<Value = T>>(
    shape: Shape,
    saved: Saved<'_, T, K>,
    gx: &mut [K],
    gweight: &mut [T],
    gbias: &mut [T],
) {
    let lengths = [saved.x.len(), saved.g.len(), gx.len()] == [shape.numel(); 3];
    let one_each = [saved.mean.len(), saved.rstd.len(), gweight.len(), gbias.len()] == [shape.channels; 4];
    assert!(lengths && one_each, "lengths do not match the shape");
    Affine { weight: saved.weight, bias: None }.check(shape.channels);
    let (gx, gweight, gbias) = (Disjoint::new(gx), Disjoint::new(gweight), Disjoint::new(gbias));
    shape.for_channels(|channels| {
        // SAFETY: tasks own disjoint ranges of channels.
        let (gweight, gbias) = unsafe { (gweight.slice(channels.clone()), gbias.slice(channels.clone())) };
        dispatch(Backward { shape, saved, channels, gx: &gx, gweight, gbias });
    });
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 elements")]
fn count(elements: usize) -> f64 {
    elements as f64
}

/// `values`, one a channel, repeated for each element of the channel's plane.
#[inline(always)]
fn columns<T: Float>(plane: usize, values: impl Iterator<Item = T>) -> [T; COLUMNS] {
    let mut out = [T::ZERO; COLUMNS];
    for (out, value) in out.chunks_mut(plane.max(1)).zip(values) {
        out.fill(value);
    }
    out
}

/// For each channel of a range, the sums of both results of `f(a, b, center)`, walking rows down the batch.
#[inline(always)]
fn column_sums<T: Float, K: Stored<Value = T>>(
    shape: Shape,
    channels: &Range<usize>,
    (a, b): (&[K], &[K]),
    center: &[T; COLUMNS],
    f: impl Fn(T, T, T) -> (T, T),
    mut done: impl FnMut(usize, f64, f64),
) {
    let (mut first, mut second) = ([0.0; COLUMNS], [0.0; COLUMNS]);
    for sample in 0..shape.batch {
        let at = shape.columns_at(sample, channels);
        let sums = first.iter_mut().zip(&mut second).zip(center);
        for (((first, second), &center), (&a, &b)) in sums.zip(a[at.clone()].iter().zip(&b[at])) {
            let results = f(a.load(), b.load(), center);
            *first += results.0.to_f64();
            *second += results.1.to_f64();
        }
    }
    let planes = first.chunks(shape.plane.max(1)).zip(second.chunks(shape.plane.max(1)));
    for (index, (first, second)) in planes.take(channels.len()).enumerate() {
        done(index, first.iter().sum(), second.iter().sum());
    }
}

/// Mean and biased variance of a range of channels.
struct Measure<'a, T, K> {
    shape: Shape,
    x: &'a [K],
    channels: Range<usize>,
    mean: &'a mut [T],
    variance: &'a mut [T],
}

impl<T: Float, K: Stored<Value = T>> Kernel for Measure<'_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { shape, x, channels, mean, variance } = self;
        let total = count(shape.per_channel());
        if shape.plane < SHORT_PLANE {
            let center = [T::ZERO; COLUMNS];
            column_sums(
                shape,
                &channels,
                (x, x),
                &center,
                |x, _, _| (x, T::ZERO),
                |channel, sum, _| {
                    mean[channel] = T::from_f64(sum / total);
                },
            );
            let center = columns(shape.plane, mean.iter().copied());
            let deviations = |x, _, center| (x - center, (x - center) * (x - center));
            column_sums(shape, &channels, (x, x), &center, deviations, |channel, sum, squares| {
                variance[channel] = T::from_f64((squares - sum * sum / total) / total);
            });
            return;
        }
        for (channel, (mean, variance)) in channels.zip(mean.iter_mut().zip(variance)) {
            let mut moments = Moments { count: 0.0, mean: 0.0, squares: 0.0 };
            let (together, piece) = ((PIECE / shape.plane).max(1), shape.plane.min(PIECE));
            for sample in (0..shape.batch).step_by(together) {
                let plane = shape.plane_at(sample, channel);
                for first in plane.clone().step_by(piece) {
                    let (len, count) = (piece.min(plane.end - first), together.min(shape.batch - sample));
                    moments = moments.with(x, Rows { first, len, step: shape.to_next_sample(), count });
                }
            }
            *mean = T::from_f64(moments.mean);
            *variance = T::from_f64(moments.squares / total);
        }
    }
}

/// Count, mean and sum of squared deviations of some numbers.
#[derive(Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Those of some rows as well. Deviations are taken from the mean so far,
    /// and the sum of deviations corrects both moments: together the distances of the rows' means from those before are
    /// no more than the deviations are in all, so little cancels. The first rows are looked at twice.
    #[inline(always)]
    fn with<T: Float, K: Stored<Value = T>>(self, x: &[K], rows: Rows) -> Self {
        let size = count(rows.len * rows.count);
        let center = if self.count == 0.0 { lanes::sums_of_rows(x, x, rows, |x, _| [x])[0] / size } else { self.mean };
        let center = T::from_f64(center);
        let [rest, squares] = lanes::sums_of_rows(x, x, rows, |x, _| [x - center, (x - center) * (x - center)]);
        let mean = center.to_f64() + rest / size;
        self.merge(Self { count: size, mean, squares: squares - rest * rest / size })
    }

    /// Those of both sets together (Chan, Golub and `LeVeque` 1979).
    #[inline(always)]
    fn merge(self, other: Self) -> Self {
        let total = self.count + other.count;
        let apart = other.mean - self.mean;
        Self {
            count: total,
            mean: self.mean + apart * other.count / total,
            squares: self.squares + other.squares + apart * apart * self.count * other.count / total,
        }
    }
}

/// Normalises a range of channels with their statistics.
struct Apply<'a, T, K> {
    shape: Shape,
    x: &'a [K],
    affine: Affine<'a, T>,
    channels: Range<usize>,
    mean: &'a [T],
    rstd: &'a [T],
    y: &'a Disjoint<'a, K>,
}

impl<T: Float, K: Stored<Value = T>> Kernel for Apply<'_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { shape, x, affine, channels, mean, rstd, y } = self;
        let scales = channels.clone().zip(rstd).map(|(channel, &rstd)| rstd * affine.scale(channel));
        let shifts = channels.clone().map(|channel| affine.shift(channel));
        if shape.plane < SHORT_PLANE {
            let center = columns(shape.plane, mean.iter().copied());
            let (scale, shift) = (columns(shape.plane, scales), columns(shape.plane, shifts));
            for sample in 0..shape.batch {
                let at = shape.columns_at(sample, &channels);
                // SAFETY: no other task has these channels.
                let y = unsafe { y.slice(at.clone()) };
                let row = y.iter_mut().zip(&x[at]).zip(&center).zip(scale.iter().zip(&shift));
                for (((y, &x), &center), (&scale, &shift)) in row {
                    *y = K::store((x.load() - center).fma::<S>(scale, shift));
                }
            }
            return;
        }
        let streamed = shape.is_streamed::<K>();
        for (((channel, &center), scale), shift) in channels.clone().zip(mean).zip(scales).zip(shifts) {
            for sample in 0..shape.batch {
                let at = shape.plane_at(sample, channel);
                // SAFETY: no other task has this channel.
                let y = unsafe { y.slice(at.clone()) };
                let x = &x[at];
                if streamed {
                    lanes::map_past::<T, K, S>(x, x, y, |x, _| (x - center).fma::<S>(scale, shift));
                    continue;
                }
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = K::store((x.load() - center).fma::<S>(scale, shift));
                }
            }
        }
        if streamed {
            stream::fence();
        }
    }
}

/// All three gradients of a range of channels.
struct Backward<'a, T, K> {
    shape: Shape,
    saved: Saved<'a, T, K>,
    channels: Range<usize>,
    gx: &'a Disjoint<'a, K>,
    gweight: &'a mut [T],
    gbias: &'a mut [T],
}

impl<T: Float, K: Stored<Value = T>> Backward<'_, T, K> {
    /// Takes a channel's `sum(g)` and `sum(g * d)`; returns what `gx = (g - average - d * slope) * scale` needs.
    #[inline(always)]
    fn finish(&mut self, index: usize, sum: f64, dot: f64) -> [T; 3] {
        let channel = self.channels.start + index;
        let rstd = self.saved.rstd[channel];
        self.gbias[index] = T::from_f64(sum);
        self.gweight[index] = T::from_f64(dot * rstd.to_f64());
        let scale = rstd * self.saved.weight.map_or(T::ONE, |weight| weight[channel]);
        if !self.saved.training {
            return [T::ZERO, T::ZERO, scale];
        }
        let total = count(self.shape.per_channel());
        let slope = dot / total * rstd.to_f64() * rstd.to_f64();
        [T::from_f64(sum / total), T::from_f64(slope), scale]
    }
}

impl<T: Float, K: Stored<Value = T>> Kernel for Backward<'_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let Self { shape, saved: Saved { g, x, mean, .. }, gx, .. } = self;
        let channels = self.channels.clone();
        if shape.plane < SHORT_PLANE {
            let center = columns(shape.plane, mean[channels.clone()].iter().copied());
            let mut finished = [[T::ZERO; 3]; COLUMNS];
            let products = |g, x, center| (g, g * (x - center));
            column_sums(shape, &channels, (g, x), &center, products, |index, sum, dot| {
                finished[index] = self.finish(index, sum, dot);
            });
            let [average, slope, scale] =
                [0, 1, 2].map(|part| columns(shape.plane, finished.iter().map(|values| values[part])));
            for sample in 0..shape.batch {
                let at = shape.columns_at(sample, &channels);
                // SAFETY: no other task has these channels.
                let gx = unsafe { gx.slice(at.clone()) };
                let row = gx.iter_mut().zip(&g[at.clone()]).zip(&x[at]).zip(&center);
                for ((((gx, &g), &x), &center), ((&average, &slope), &scale)) in
                    row.zip(average.iter().zip(&slope).zip(&scale))
                {
                    *gx = K::store(((g.load() - average) - (x.load() - center) * slope) * scale);
                }
            }
            return;
        }
        let streamed = shape.is_streamed::<K>();
        for (index, channel) in channels.enumerate() {
            let center = mean[channel];
            let planes = Rows {
                first: channel * shape.plane,
                len: shape.plane,
                step: shape.to_next_sample(),
                count: shape.batch,
            };
            let [sum, dot] = lanes::sums_of_rows(g, x, planes, |g, x| [g, g * (x - center)]);
            let [average, slope, scale] = self.finish(index, sum, dot);
            for sample in 0..shape.batch {
                let at = shape.plane_at(sample, channel);
                // SAFETY: no other task has this channel.
                let gx = unsafe { gx.slice(at.clone()) };
                let (g, x) = (&g[at.clone()], &x[at]);
                let gradient = |g, x| ((g - average) - (x - center) * slope) * scale;
                if streamed {
                    lanes::map_past::<T, K, S>(g, x, gx, gradient);
                } else {
                    lanes::map_plainly(g, x, gx, gradient);
                }
            }
        }
        if streamed {
            stream::fence();
        }
    }
}
